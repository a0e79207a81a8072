//! The downloads, and the programs that check whether they are complete.

use std::fs::File;
use std::io::{self, Write};

use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use pushpull_cookbook::{encode, sun};

use crate::support::tools::{python, run};

pub struct Format {
    pub name: &'static str,
    parameter: &'static str,
    /// The sizes of a short download, of one of about 50 MiB, and of one that takes minutes.
    pub little: u32,
    pub large: u32,
    pub endless: u32,
    pub write: fn(u32, &mut (dyn Write + Send)) -> io::Result<()>,
    pub check: fn(&str, u32),
}

const TABLE: Format = Format {
    name: "",
    parameter: "days",
    little: 20,
    large: 0,
    endless: 36_525,
    write: |_, _| Ok(()),
    check: |_, _| {},
};

pub const FORMATS: [Format; 7] = [
    Format {
        name: "sun.csv",
        large: 900,
        write: |days, w| encode::csv(days, w),
        check: |file, days| {
            let rows = python(
                "import csv, sys; print(sum(1 for row in csv.DictReader(open(sys.argv[1])) if row['azimuth']))",
                &[file],
            );
            assert_eq!(rows, rows_of(days));
        },
        ..TABLE
    },
    Format {
        name: "sun.json",
        large: 420,
        write: |days, w| encode::json(days, w),
        check: |file, days| {
            let rows = python("import json, sys; print(len(json.load(open(sys.argv[1]))))", &[file]);
            assert_eq!(rows, rows_of(days));
        },
        ..TABLE
    },
    Format {
        name: "sun.html",
        large: 620,
        write: |days, w| encode::html(days, w),
        check: |file, days| {
            assert_eq!(run("grep", &["--count", "^<tr><td>", file]), rows_of(days));
            assert_eq!(run("tail", &["--lines=1", file]), "</table>");
        },
        ..TABLE
    },
    Format {
        name: "sun.zip",
        large: 1850,
        write: |days, w| encode::zip(days, w),
        check: |file, days| {
            let told = run("unzip", &["-tq", file]);
            assert!(told.starts_with("No errors"), "{told}");
            let names = run("unzip", &["-Z1", file]);
            assert_eq!(names.lines().count(), days as usize);
        },
        ..TABLE
    },
    Format {
        name: "sun.tar.gz",
        large: 1850,
        write: |days, w| encode::tar_gz(days, w),
        check: |file, days| {
            run("gzip", &["--test", file]);
            let names = run("tar", &["--list", "--gzip", "--file", file]);
            assert_eq!(names.lines().count(), days as usize);
        },
        ..TABLE
    },
    Format {
        name: "sun.parquet",
        large: 1500,
        write: |days, w| encode::parquet(days, w),
        // Python's standard library has no reader for parquet: use the reader of the crate.
        check: |file, days| {
            let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(file).unwrap()).unwrap().build().unwrap();
            let rows: usize = reader.map(|batch| batch.unwrap().num_rows()).sum();
            assert_eq!(rows.to_string(), rows_of(days));
        },
        ..TABLE
    },
    Format {
        name: "mandelbrot.png",
        parameter: "width",
        little: 500,
        large: 5300,
        endless: 32_768,
        write: |width, w| encode::png(width, w),
        check: |file, width| {
            let size = python(READ_PNG, &[file]);
            assert_eq!(size, format!("{width} {}", width * 3 / 4));
        },
    },
];

impl Format {
    pub fn called(name: &str) -> &'static Format {
        FORMATS.iter().find(|format| format.name == name).unwrap()
    }

    pub fn path(&self, size: u32) -> String {
        format!("/{}?{}={size}", self.name, self.parameter)
    }
}

fn rows_of(days: u32) -> String {
    (days * sun::ROWS).to_string()
}

/// Checks every chunk's checksum and the compressed rows, and prints the size.
const READ_PNG: &str = "
import struct, sys, zlib
with open(sys.argv[1], 'rb') as file:
    assert file.read(8) == b'\\x89PNG\\r\\n\\x1a\\n'
    rows, unpack, kind = 0, zlib.decompressobj(), None
    while kind != b'IEND':
        length, kind = struct.unpack('>I4s', file.read(8))
        data = file.read(length)
        assert zlib.crc32(kind + data) == struct.unpack('>I', file.read(4))[0]
        if kind == b'IHDR':
            width, height, depth, colour = struct.unpack('>IIBB', data[:10])
            assert (depth, colour) == (16, 2)
        if kind == b'IDAT':
            rows += len(unpack.decompress(data))
    assert unpack.eof and file.read(1) == b''
    assert rows == height * (1 + 6 * width)
    print(width, height)
";
