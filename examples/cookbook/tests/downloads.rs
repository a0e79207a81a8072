//! Downloads from axum and actix-web: `curl` receives them, and independent programs read them.

#[path = "downloads/formats.rs"]
mod formats;
mod support;

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::process::{Child, Command, Stdio};

use formats::{FORMATS, Format};
use pushpull_testing::needed::there;
use support::server::Server;
use support::tools::{curl, run, status_of};

/// The maximum memory of a server, in KiB. It uses 13 MiB with one download, and the downloads are several times as
/// large as the bound.
const BOUND: u64 = 16 * 1024;

/// The same for parquet, which keeps groups of rows.
const BOUND_OF_GROUPS: u64 = 28 * 1024;

macro_rules! on_each_server {
    ($($(#[doc = $doc:literal])* fn $name:ident($program:ident: &str) $body:block)*) => {
        $(
            $(#[doc = $doc])*
            mod $name {
                use super::*;

                fn test($program: &str) $body

                #[test]
                fn axum() {
                    test(env!("CARGO_BIN_EXE_axum_downloads"));
                }

                #[test]
                fn actix() {
                    test(env!("CARGO_BIN_EXE_actix_downloads"));
                }
            }
        )*
    };
}

on_each_server! {
    fn law_1_what_arrives_is_what_the_encoder_writes(program: &str) {
        if !there(&["curl"]) {
            return;
        }
        let server = Server::start(program);
        let home = tempfile::tempdir().unwrap();
        for format in &FORMATS {
            let file = home.path().join("file").display().to_string();
            curl(&server.url(&format.path(format.little)), &file);
            let mut same = Same { expected: BufReader::new(File::open(file).unwrap()), bytes: 0 };
            (format.write)(format.little, &mut same).unwrap_or_else(|error| panic!("{}: {error}", format.name));
            assert_eq!(same.expected.read(&mut [0]).unwrap(), 0, "{} continues after its end", format.name);
            assert!(same.bytes > 100_000, "{}: {} bytes", format.name, same.bytes);
        }
    }

    fn zip(program: &str) {
        large(program, "sun.zip", BOUND);
    }

    fn tar_gz(program: &str) {
        large(program, "sun.tar.gz", BOUND);
    }

    fn csv(program: &str) {
        large(program, "sun.csv", BOUND);
    }

    fn json(program: &str) {
        large(program, "sun.json", BOUND);
    }

    fn html(program: &str) {
        large(program, "sun.html", BOUND);
    }

    fn parquet(program: &str) {
        large(program, "sun.parquet", BOUND_OF_GROUPS);
    }

    fn png(program: &str) {
        large(program, "mandelbrot.png", BOUND);
    }

    /// Disconnects from every encoder, repeatedly.
    fn law_7_a_disconnect_stops_the_program(program: &str) {
        if !there(&["curl"]) {
            return;
        }
        let server = Server::start(program);
        for round in 1..=5 {
            for format in &FORMATS {
                let mut client = slow_client(&server.url(&format.path(format.endless)));
                client.stdout.as_mut().unwrap().read_exact(&mut [0; 64 * 1024]).unwrap();
                client.kill().unwrap();
                client.wait().unwrap();
                server.log.wait_for(&format!("stopped  {}", format.name), round);
            }
        }
        let peak = server.status("VmHWM");
        println!("35 downloads cut off: a peak of {peak} KiB");
        assert!(peak < BOUND_OF_GROUPS, "{peak} KiB");
    }

    fn mistakes_are_reported(program: &str) {
        let server = Server::start(program);
        for path in ["/sun.csv?days=many", "/sun.csv?days=36526", "/sun.zip?days=-1", "/mandelbrot.png?width=0"] {
            let status = status_of(&[&server.url(path)]);
            assert_eq!(status, "400", "{path}");
        }
        for arguments in [&["--listen"][..], &["--listen", "nowhere"], &["--frobnicate"], &["a"]] {
            let output = Command::new(program).args(arguments).output().unwrap();
            let told = String::from_utf8(output.stderr).unwrap();
            assert_eq!((output.status.code(), told.lines().count()), (Some(2), 1), "{arguments:?}: {told}");
        }
        let help = run(program, &["--help"]);
        assert!(help.contains("--listen") && help.contains("curl -O"), "{help}");
    }
}

/// Checks that a download which ends within its first chunk has a `Content-Length`.
#[test]
fn a_short_download_says_how_long_it_is() {
    if !there(&["curl"]) {
        return;
    }
    let server = Server::start(env!("CARGO_BIN_EXE_axum_downloads"));
    let headers =
        |path: &str| run("curl", &["--silent", "--dump-header", "-", "--output", "/dev/null", &server.url(path)]);
    let short = headers("/sun.csv?days=0").to_lowercase();
    assert!(short.contains("content-length: ") && !short.contains("chunked"), "{short}");
    let long = headers("/sun.csv?days=7").to_lowercase();
    assert!(long.contains("transfer-encoding: chunked"), "{long}");
}

/// Downloads several times the server's maximum memory, and lets an independent program read it.
fn large(program: &str, name: &str, bound: u64) {
    let format = Format::called(name);
    if !there(&["curl", "gzip", "python3", "tar", "unzip"]) {
        return;
    }
    let server = Server::start(program);
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join(name).display().to_string();
    curl(&server.url(&format.path(format.large)), &file);
    server.peak_is_below(bound, name, File::open(&file).unwrap().metadata().unwrap().len());
    (format.check)(&file, format.large);
    server.log.wait_for(&format!("done     {name}"), 1);
}

/// Starts a download that would take minutes.
fn slow_client(url: &str) -> Child {
    let mut command = Command::new("curl");
    command.args(["--silent", "--no-buffer", "--limit-rate", "1M", url]);
    command.stdout(Stdio::piped()).spawn().unwrap()
}

/// A writer that compares its input with the downloaded file.
struct Same {
    expected: BufReader<File>,
    bytes: u64,
}

impl Write for Same {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let mut expected = vec![0; buf.len()];
        self.expected.read_exact(&mut expected)?;
        if expected != buf {
            return Err(io::Error::other(format!("unexpected bytes after {}", self.bytes)));
        }
        self.bytes += buf.len() as u64;
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
