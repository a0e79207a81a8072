//! Uploads to axum and hyper, parsed on every engine. Independent programs create them, and `curl` sends them.

#[path = "uploads/samples.rs"]
mod samples;
mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use pushpull_testing::log::DEADLINE;
use pushpull_testing::needed::there;
use samples::Samples;
use serde_json::{Value, json};
use support::server::Server;
use support::tools::{curl_for, status_of};

/// The maximum memory of a server, in KiB. It uses 9 MiB after all uploads, and the uploads are several times as large
/// as the bound.
const BOUND: u64 = 11 * 1024;

const TOOLS: [&str; 4] = ["curl", "gzip", "python3", "tar"];

macro_rules! on_every_engine {
    ($($(#[doc = $doc:literal])* fn $name:ident($server:ident: &Server, $engine:ident: &str) $body:block)*) => {
        $(
            $(#[doc = $doc])*
            mod $name {
                use super::*;

                fn test(program: &str, $engine: &str) {
                    if there(&TOOLS) {
                        let $server = &Server::start(program);
                        $body
                    }
                }

                #[test]
                fn on_local() {
                    test(env!("CARGO_BIN_EXE_hyper_uploads"), "");
                }

                #[test]
                fn on_thread() {
                    test(env!("CARGO_BIN_EXE_axum_uploads"), "?engine=thread");
                }

                #[test]
                fn on_pool() {
                    test(env!("CARGO_BIN_EXE_axum_uploads"), "?engine=pool");
                }
            }
        )*
    };
}

on_every_engine! {
    fn uploads_are_parsed_completely_in_little_memory(server: &Server, engine: &str) {
        let samples = Samples::get();
        for sample in &samples.all {
            let answer = curl_for(&["--upload-file", &sample.path, &server.url(&format!("/{engine}"))]);
            assert_eq!(serde_json::from_str::<Value>(&answer).unwrap(), sample.report, "{}", sample.name);
            server.peak_is_below(BOUND, sample.name, sample.len);
            server.log.wait_for(&format!("done     {}", sample.name), 1);
        }
    }

    /// Sends the beginning of an upload, and never the rest.
    fn a_bad_upload_is_answered_while_it_arrives(server: &Server, engine: &str) {
        let mut client = TcpStream::connect(server.address()).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(client, "PUT /bad.csv{engine} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000000\r\n\r\n").unwrap();
        client.write_all(b"a,b\n1,2\n1,2,3\n").unwrap();
        let mut status = [0; 12];
        client.read_exact(&mut status).unwrap();
        assert_eq!(&status, b"HTTP/1.1 400");
        server.log.wait_for("failed   bad.csv", 1);
    }

    /// Sends 50 MiB that are not wanted.
    fn a_refused_large_upload_gets_the_reason(server: &Server, engine: &str) {
        let file = &Samples::get().all[0].path;
        for _ in 0..10 {
            assert_eq!(status_of(&["--upload-file", file, &server.url(&format!("/sun.tar{engine}"))]), "400");
        }
    }

    fn errors_are_reported(server: &Server, engine: &str) {
        let little = "a,b\n1,2\n".repeat(100);
        for (bytes, name, status) in [
            (&Samples::get().beginning_of("mandelbrot.png.gz", 1 << 20)[..], "cut.gz", "400"),
            (little.as_bytes(), "sun.tar", "400"),
            (little.as_bytes(), "sun.tar.gz", "400"),
            (little.as_bytes(), "sun.doc", "415"),
        ] {
            let url = server.url(&format!("/{name}{engine}"));
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(bytes).unwrap();
            let told = status_of(&["--upload-file", &file.path().display().to_string(), &url]);
            assert_eq!(told, status, "{name}");
        }
    }

    /// Checks that the parser's read fails, and that the next upload is parsed normally.
    fn law_7_a_disconnect_stops_the_parser(server: &Server, engine: &str) {
        for round in 1..=10 {
            let mut command = Command::new("curl");
            command.args(["--silent", "--upload-file", "-", &server.url(&format!("/sun.csv{engine}"))]);
            let mut client = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
            let mut stdin = client.stdin.take().unwrap();
            stdin.write_all(b"a,b\n").unwrap();
            // More than fits into the buffers: the head has been read long before.
            stdin.write_all("1,2\n".repeat(4 << 20).as_bytes()).unwrap();
            client.kill().unwrap();
            client.wait().unwrap();
            server.log.wait_for("failed   sun.csv", round);
        }
        let answer = curl_for(&["--data-binary", "a\n1\n", "--request", "PUT", &server.url(&format!("/sun.csv{engine}"))]);
        assert_eq!(answer, r#"{"rows":1,"columns":[{"name":"a","least":1.0,"most":1.0}]}"#);
        let peak = server.status("VmHWM");
        println!("10 uploads cut off: a peak of {peak} KiB");
        assert!(peak < BOUND, "{peak} KiB");
    }
}

#[test]
fn the_files_of_a_form_are_parsed_in_little_memory() {
    if !there(&TOOLS) {
        return;
    }
    let samples = Samples::get();
    for engine in ["pool", "thread"] {
        let server = Server::start(env!("CARGO_BIN_EXE_axum_uploads"));
        let fields: Vec<String> = samples.all.iter().map(|sample| format!("file=@{}", sample.path)).collect();
        let mut arguments: Vec<&str> = fields.iter().flat_map(|field| ["--form", field]).collect();
        let url = server.url(&format!("/?engine={engine}"));
        arguments.push(&url);
        let answer: Value = serde_json::from_str(&curl_for(&arguments)).unwrap();
        assert_eq!(answer, json!(samples.all.iter().map(|sample| &sample.report).collect::<Vec<_>>()));
        server.peak_is_below(2 * BOUND, "a form", samples.all.iter().map(|sample| sample.len).sum());
    }
}
