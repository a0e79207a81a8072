//! Sample uploads, created once and inspected by independent programs.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::sync::OnceLock;

use pushpull_cookbook::encode;
use serde_json::{Value, json};

use crate::support::tools::{python, run};

pub struct Samples {
    pub all: Vec<Sample>,
}

pub struct Sample {
    pub name: &'static str,
    pub path: String,
    pub len: u64,
    /// The expected content.
    pub report: Value,
}

impl Samples {
    pub fn get() -> &'static Samples {
        static SAMPLES: OnceLock<Samples> = OnceLock::new();
        SAMPLES.get_or_init(Samples::make)
    }

    /// Samples of about 50 MiB each, also after compression: a picture compresses little.
    fn make() -> Samples {
        let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("uploads");
        fs::create_dir_all(&directory).unwrap();
        let path = |name: &str| directory.join(name).display().to_string();
        encode::csv(900, File::create(path("sun.csv")).unwrap()).unwrap();
        encode::png(5300, File::create(path("mandelbrot.png")).unwrap()).unwrap();
        let home = path("");
        run("tar", &["--create", "--file", &path("both.tar"), "--directory", &home, "sun.csv", "mandelbrot.png"]);
        run("tar", &["--create", "--gzip", "--file", &path("picture.tar.gz"), "--directory", &home, "mandelbrot.png"]);
        run("gzip", &["--fast", "--force", "--keep", &path("mandelbrot.png")]);
        let sample = |name: &'static str, report: Value| {
            let path = path(name);
            Sample { name, len: fs::metadata(&path).unwrap().len(), path, report }
        };
        let contents = |names: &[&str]| {
            let paths: Vec<String> = names.iter().map(|name| path(name)).collect();
            let found = python(CONTENTS, &paths.iter().map(String::as_str).collect::<Vec<_>>());
            serde_json::from_str::<Value>(&found).unwrap()
        };
        let picture = contents(&["mandelbrot.png"]);
        let all = vec![
            sample("sun.csv", serde_json::from_str(&python(TABLE, &[&path("sun.csv")])).unwrap()),
            sample("both.tar", json!({ "files": 2, "contents": contents(&["sun.csv", "mandelbrot.png"]) })),
            sample("picture.tar.gz", json!({ "files": 1, "contents": picture })),
            sample("mandelbrot.png.gz", json!({ "contents": picture })),
        ];
        Samples { all }
    }

    pub fn beginning_of(&self, name: &str, len: u64) -> Vec<u8> {
        let sample = self.all.iter().find(|sample| sample.name == name).unwrap();
        let mut bytes = Vec::new();
        File::open(&sample.path).unwrap().take(len).read_to_end(&mut bytes).unwrap();
        bytes
    }
}

const CONTENTS: &str = "
import json, sys, zlib
crc, length = 0, 0
for path in sys.argv[1:]:
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            crc, length = zlib.crc32(block, crc), length + len(block)
print(json.dumps({'bytes': length, 'crc32': crc}))
";

const TABLE: &str = "
import csv, json, sys
with open(sys.argv[1]) as file:
    table = csv.reader(file)
    names = next(table)
    ranges, rows = [None] * len(names), 0
    for row in table:
        rows += 1
        for at, field in enumerate(row):
            try:
                number = float(field)
            except ValueError:
                continue
            least, most = ranges[at] or (number, number)
            ranges[at] = min(least, number), max(most, number)
    columns = [{'name': name} if not bounds else {'name': name, 'least': bounds[0], 'most': bounds[1]}
               for name, bounds in zip(names, ranges)]
    print(json.dumps({'rows': rows, 'columns': columns}))
";
