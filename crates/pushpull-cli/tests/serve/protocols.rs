//! The end of a response, and whether it looks complete, over each protocol.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use http_body_util::BodyExt;

use super::front::fastcgi_outcome;
use super::host::{Scripts, Serving, wait_until};
use pushpull_testing::http2;
use pushpull_testing::wire::exchange;

const PROTOCOLS: [&str; 5] = ["HTTP/1.0", "HTTP/1.1", "HTTP/2", "fastcgi", "scgi"];

/// The client's view of a response.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    body: String,
    is_whole: bool,
}

impl Seen {
    fn whole(body: &str) -> Seen {
        Seen { body: body.to_owned(), is_whole: true }
    }

    fn cut(body: &str) -> Seen {
        Seen { body: body.to_owned(), is_whole: false }
    }
}

/// The program, with a case per path. It works until a file exists, and creates another file when it has ended.
const CASES: &str = r#"
work() { while ! [ -e go ]; do sleep 0.01; done; }
head='Content-Type: text/plain\n'
case $PATH_INFO in
# As `exec > >(filter)` does it, with a filter that writes when the shell has been reaped.
/filter)
    printf "$head\nfirst "
    exec 3>&1
    { exec 1>&3 2>&- 3>&-; while kill -0 $$; do sleep 0.01; done; printf last; } & exec 1>&- 3>&- ;;
/held) printf "$head\nhello"; sleep 20 2>&- & ;;
/held/length) printf "${head}Content-Length: 5\n\nhello"; sleep 20 2>&- & ;;
/page) printf "${head}Status: 500\n\nerror"; exit 1 ;;
/length) printf "${head}Content-Length: 5\n\nhello"; exit 1 ;;
/failed) printf "$head\nhello"; exit 1 ;;
/closed) printf "$head\nhello"; exec >&-; work; echo worked > "worked$QUERY_STRING" ;;
# What it still writes is taken.
/answered) printf "${head}Content-Length: 5\n\nhello"; work; head -c 200000 /dev/zero && echo worked > "worked$QUERY_STRING" ;;
/nothing) printf "${head}Status: 204\n\n"; work; head -c 200000 /dev/zero && echo worked > "worked$QUERY_STRING" ;;
esac
"#;

struct Host {
    scripts: Scripts,
    serving: Serving,
    protocol: &'static str,
}

impl Host {
    fn start(protocol: &'static str) -> Host {
        let scripts = Scripts::new();
        let program = scripts.sh("cases", CASES);
        let spoken = if protocol.starts_with("HTTP") { "http" } else { protocol };
        let serving = Serving::start(&["--protocol", spoken, "--shutdown-grace", "3600", "--", &program]);
        Host { scripts, serving, protocol }
    }

    fn ask(&self, path: &str) -> Seen {
        let address = self.serving.address;
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        match self.protocol {
            "HTTP/1.0" => {
                let got = exchange(address, format!("GET {path}?{query} HTTP/1.0\r\nHost: a\r\n\r\n"));
                let body = if got.text.is_empty() { &[][..] } else { got.body() };
                let head = String::from_utf8_lossy(&got.text);
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let is_whole = got.error.is_none() && length.is_none_or(|length: usize| length == body.len());
                Seen { body: String::from_utf8(body.to_vec()).unwrap(), is_whole }
            }
            "HTTP/1.1" => {
                let ask = format!("GET {path}?{query} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
                let got = exchange(address, ask);
                let (body, is_whole) = got.chunks_if_any();
                // A response without a body has no length.
                let is_whole = is_whole || (body.is_empty() && got.status() == 204);
                Seen { body: String::from_utf8(body).unwrap(), is_whole }
            }
            "HTTP/2" => http2::talk(address, async |mut sender| {
                let response = http2::ask(&mut sender, http2::get(&format!("{path}?{query}"))).await;
                let (mut body, mut text) = (response.into_body(), Vec::new());
                let is_whole = loop {
                    match body.frame().await {
                        Some(Ok(frame)) => text.extend_from_slice(frame.data_ref().unwrap()),
                        Some(Err(_)) => break false,
                        None => break true,
                    }
                };
                Seen { body: String::from_utf8(text).unwrap(), is_whole }
            }),
            "fastcgi" => {
                let pairs = [("REQUEST_METHOD", "GET"), ("PATH_INFO", path), ("QUERY_STRING", query)];
                let (output, is_whole) = fastcgi_outcome(TcpStream::connect(address).unwrap(), &pairs);
                Seen { body: body(&output), is_whole }
            }
            _ => {
                let mut stream = TcpStream::connect(address).unwrap();
                let text = format!(
                    "CONTENT_LENGTH\x000\0SCGI\x001\0REQUEST_METHOD\0GET\0PATH_INFO\0{path}\0QUERY_STRING\0{query}\0"
                );
                write!(stream, "{}:{text},", text.len()).unwrap();
                let mut output = Vec::new();
                let read = stream.read_to_end(&mut output);
                let output = String::from_utf8(output).unwrap();
                let length = output.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                let body = body(&output);
                let is_whole = read.is_ok() && length.is_none_or(|length: usize| length == body.len());
                Seen { body, is_whole }
            }
        }
    }

    fn has_worked(&self, name: &str) -> bool {
        fs::exists(self.path().join(name)).unwrap()
    }

    fn path(&self) -> &Path {
        self.scripts.path()
    }
}

fn body(output: &str) -> String {
    output.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())
}

#[test]
fn requirement_15_a_response_ends_with_its_output_and_looks_complete_only_if_it_is() {
    for protocol in PROTOCOLS {
        let host = Host::start(protocol);
        let ask = |path| (protocol, path, host.ask(path));
        assert_eq!(ask("/filter"), (protocol, "/filter", Seen::whole("first last")));
        assert_eq!(ask("/held"), (protocol, "/held", Seen::cut("hello")));
        assert_eq!(ask("/held/length"), (protocol, "/held/length", Seen::whole("hello")));
        assert_eq!(ask("/failed"), (protocol, "/failed", Seen::cut("hello")));
        assert_eq!(ask("/page"), (protocol, "/page", Seen::whole("error")));
        assert_eq!(ask("/length"), (protocol, "/length", Seen::whole("hello")));
        host.serving.troubles.wait_for("the program exited with status 1", 3);
        // Nothing is discarded of a complete response.
        assert_eq!(host.serving.troubles.wait_for("hold its output open", 1).len(), 1);
    }
}

#[test]
fn requirement_14_a_program_works_on_after_its_response_is_complete() {
    for protocol in PROTOCOLS {
        let mut host = Host::start(protocol);
        for (path, seen) in [
            ("/closed?1", Seen::whole("hello")),
            ("/answered?2", Seen::whole("hello")),
            ("/nothing?3", Seen::whole("")),
        ] {
            assert_eq!((path, host.ask(path)), (path, seen), "{protocol}");
        }
        assert_eq!(host.serving.children().len(), 3, "{protocol}");
        // The shutdown grace covers these programs too.
        host.serving.signal("TERM");
        wait_until("no connection is accepted", || TcpStream::connect(host.serving.address).is_err());
        fs::write(host.path().join("go"), "").unwrap();
        assert_eq!(host.serving.wait().code(), Some(0));
        for name in ["worked1", "worked2", "worked3"] {
            assert!(host.has_worked(name), "{protocol}: {name}");
        }
    }
}
