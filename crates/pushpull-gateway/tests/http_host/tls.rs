//! TLS: the handshake, what is served over it, and certificates.

use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, SystemTime};

use http_body_util::BodyExt;
use pushpull::Local;
use pushpull_gateway::host::Listener;
use pushpull_gateway::host::TrustedProxies;
use pushpull_gateway::host::http::{Certificate, ClientLimits, End, Server, Shutdown, Tls, Validity};
use pushpull_gateway::{push_fn, service};

use super::host::{Host, wait_until};
use pushpull_testing::http2::{ask, encrypted, get};
use pushpull_testing::tls::Issued;
use pushpull_testing::wire::{Wire, exchange};

const LEN: usize = 4 << 20;

fn certificate(issued: &Issued) -> Certificate {
    Certificate::from_pem_files(issued.chain(), issued.key()).unwrap()
}

/// Starts a server. `/env` shows variables, `/long` sends `LEN` bytes, `/cut` fails after them, and the rest is echoed.
fn secure(tls: &Tls, limits: ClientLimits, proxies: TrustedProxies) -> Host {
    let tls = tls.clone();
    Host::start_as(
        |server| server.limits(limits).trusted_proxies(proxies).tls(tls),
        || {
            service(
                Local::new(),
                push_fn(|inp, out, _err, env| {
                    out.write_all(b"Content-Type: text/plain\n\n")?;
                    match env.get_str("PATH_INFO") {
                        Some("/env") => {
                            for name in ["HTTPS", "REQUEST_SCHEME", "REMOTE_ADDR", "SERVER_PORT", "SERVER_PROTOCOL"] {
                                write!(out, "{}|", env.get_str(name).unwrap_or("none"))?;
                            }
                            Ok(())
                        }
                        Some(path @ ("/long" | "/cut")) => {
                            (0..LEN / 4096).try_for_each(|_| out.write_all(&[b'x'; 4096]))?;
                            if path == "/cut" { Err(io::Error::other("it breaks")) } else { Ok(()) }
                        }
                        _ => io::copy(inp, out).map(drop),
                    }
                }),
            )
        },
    )
}

fn plainly(tls: &Tls) -> Host {
    secure(tls, ClientLimits::new(), TrustedProxies::new())
}

fn request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
}

#[test]
fn both_versions_of_http_are_served_and_programs_know_of_tls() {
    let issued = Issued::new();
    let host = plainly(&Tls::new(certificate(&issued)));
    let port = host.address.port();
    let got = issued.exchange(host.address, &request("/env")).unwrap();
    let expected = format!("on|https|127.0.0.1|{port}|HTTP/1.1|");
    assert_eq!((got.chunks(), got.error), ((expected.into_bytes(), true), None));
    let body = "x".repeat(LEN);
    let post = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {LEN}\r\nConnection: close\r\n\r\n{body}");
    let (echoed, is_whole) = issued.exchange(host.address, &post).unwrap().chunks();
    assert!(is_whole && echoed == body.as_bytes());
    encrypted(host.address, issued.client(&["h2", "http/1.1"]), async |mut sender| {
        for (path, expected) in [("/env", format!("on|https|127.0.0.1|{port}|HTTP/2.0|")), ("/long", body)] {
            let response = ask(&mut sender, get(path)).await;
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert!(body == expected, "{path}: {} bytes", body.len());
        }
    });
    assert!(host.said.records(4).iter().all(|record| record.end == End::Done));
    assert_eq!(host.said.troubles(), [""; 0]);
}

#[test]
fn requirement_15_a_cut_is_visible() {
    let issued = Issued::new();
    let host = plainly(&Tls::new(certificate(&issued)));
    let (body, is_whole) = issued.exchange(host.address, &request("/cut")).unwrap().chunks();
    assert_eq!((body.len(), is_whole), (LEN, false));
    // The end of TLS would be the end of this response.
    let got = issued.exchange(host.address, "GET /cut HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!(got.body().len(), LEN);
    assert!(
        matches!(got.error, Some(io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)),
        "{:?}",
        got.error
    );
    let got = issued.exchange(host.address, "GET /long HTTP/1.0\r\n\r\n").unwrap();
    assert_eq!((got.body().len(), got.error), (LEN, None));
}

#[test]
fn a_new_certificate_is_for_new_connections() {
    let (first, second) = (Issued::new(), Issued::new());
    let tls = Tls::new(certificate(&first));
    let host = plainly(&tls);
    let mut kept = first.connect(host.address);
    let keep = "GET /env HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut ask = || {
        kept.write_all(keep.as_bytes()).unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"|HTTP/1.1|") {
            let mut byte = [0];
            kept.read_exact(&mut byte).unwrap();
            text.push(byte[0]);
        }
        assert!(text.starts_with(b"HTTP/1.1 200"), "{}", text.escape_ascii());
    };
    ask();
    tls.replace(certificate(&second));
    ask();
    assert_eq!(second.exchange(host.address, &request("/env")).unwrap().status(), 200);
    let refused = first.exchange(host.address, &request("/env"));
    assert!(refused.is_err(), "{refused:?}");
}

#[test]
fn requirement_13_the_handshake_has_the_time_of_a_head_and_holds_up_nothing() {
    let issued = Issued::new();
    let limits = ClientLimits::new().timeout_head(Duration::from_secs(1));
    let host = secure(&Tls::new(certificate(&issued)), limits, TrustedProxies::new());
    let (mut silent, mut slow) = (Wire::connect(host.address), Wire::connect(host.address));
    // The beginning of a handshake.
    slow.send([0x16, 3, 1, 2, 0, 1]);
    for _ in 0..8 {
        assert_eq!(issued.exchange(host.address, &request("/env")).unwrap().status(), 200);
    }
    assert_eq!(silent.rest().text, b"");
    assert_eq!(slow.rest().text, b"");
    let late = "the TLS handshake did not end in time";
    wait_until("both are logged", || host.said.troubles().iter().filter(|line| line.contains(late)).count() == 2);
}

#[test]
fn requirement_13_the_head_counts_with_the_handshake() {
    let issued = Issued::new();
    let limits = ClientLimits::new().timeout_head(Duration::from_secs(1));
    let host = secure(&Tls::new(certificate(&issued)), limits, TrustedProxies::new());
    let mut stream = issued.connect(host.address);
    stream.write_all(b"GET / HT").unwrap();
    let mut text = Vec::new();
    // Plain bytes would be an error of TLS.
    let error = stream.read_to_end(&mut text).unwrap_err();
    assert_eq!((error.kind(), &text[..]), (io::ErrorKind::UnexpectedEof, &b""[..]));
    wait_until("it is logged", || host.said.troubles().iter().any(|line| line.contains("the head of a request")));
}

#[test]
fn requirement_24_what_is_no_handshake_is_logged() {
    let issued = Issued::new();
    let host = plainly(&Tls::new(certificate(&issued)));
    let got = exchange(host.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(!got.text.starts_with(b"HTTP"), "{}", got.text.escape_ascii());
    wait_until("it is logged", || !host.said.troubles().is_empty());
    let told = host.said.troubles().remove(0);
    assert!(told.contains("127.0.0.1:") && told.contains("plain HTTP: expected https://"), "{told}");
    // A client that does not trust the certificate says so.
    assert!(Issued::new().exchange(host.address, &request("/")).is_err());
    wait_until("it is logged", || host.said.troubles().len() > 1);
    let told = host.said.troubles().remove(1);
    assert!(told.contains("the TLS handshake failed: "), "{told}");
    // A balancer's check is no trouble.
    drop(TcpStream::connect(host.address).unwrap());
    assert_eq!(issued.exchange(host.address, &request("/env")).unwrap().status(), 200);
    assert_eq!(host.said.troubles().len(), 2);
}

#[test]
fn a_connection_beyond_the_limit_is_closed_without_a_response() {
    let issued = Issued::new();
    let limits = ClientLimits::new().max_connections(1);
    let host = secure(&Tls::new(certificate(&issued)), limits, TrustedProxies::new());
    let mut kept = issued.connect(host.address);
    kept.write_all(b"GET /env HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    kept.read_exact(&mut [0; 8]).unwrap();
    assert_eq!(Wire::connect(host.address).rest().text, b"");
}

#[test]
fn the_header_of_a_proxy_comes_before_the_handshake() {
    let issued = Issued::new();
    let proxies = TrustedProxies::new().network("127.0.0.1").unwrap().proxy_protocol(true);
    let host = secure(&Tls::new(certificate(&issued)), ClientLimits::new(), proxies);
    let mut stream = TcpStream::connect(host.address).unwrap();
    stream.write_all(b"PROXY TCP4 192.0.2.7 192.0.2.8 4711 8443\r\n").unwrap();
    let mut stream = issued.on(stream);
    stream.write_all(request("/env").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert!(text.contains("on|https|192.0.2.7|8443|HTTP/1.1|"), "{text}");
}

#[test]
fn requirement_14_a_client_that_goes_is_noticed() {
    let issued = Issued::new();
    let host = plainly(&Tls::new(certificate(&issued)));
    let mut stream = issued.connect(host.address);
    // The rest of the body never comes.
    stream.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").unwrap();
    drop(stream);
    assert_eq!(host.said.records(1)[0].end, End::Gone);
}

#[test]
fn requirement_13_a_client_that_reads_nothing_is_cut() {
    let issued = Issued::new();
    let limits = ClientLimits::new().timeout_client(Duration::from_millis(300));
    let host = secure(&Tls::new(certificate(&issued)), limits, TrustedProxies::new());
    let mut stream = issued.on(Wire::narrow(host.address).0);
    for _ in 0..8 {
        stream.write_all(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    }
    stream.flush().unwrap();
    let records = host.said.records(1);
    assert_eq!(records.last().unwrap().end, End::Cut);
}

#[test]
fn on_a_unix_socket_too_programs_know_of_tls() {
    let issued = Issued::new();
    let path = issued.directory.path().join("socket");
    let server = Server::new(Listener::unix(&path).unwrap()).unwrap().tls(Tls::new(certificate(&issued)));
    let shutdown = Shutdown::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let app = || {
                push_fn(|_inp, out, _err, env| {
                    let value = |name| env.get_str(name).unwrap_or("none");
                    write!(out, "A: b\n\n{}|{}|{}", value("HTTPS"), value("REMOTE_ADDR"), value("SERVER_PORT"))
                })
            };
            server.run(|| service(Local::new(), app()), &shutdown).unwrap();
        });
        let session = issued.session(&["http/1.1"]);
        let mut stream = rustls::StreamOwned::new(session, UnixStream::connect(&path).unwrap());
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        shutdown.cut();
        assert!(text.ends_with("\r\n\r\non||443"), "{text}");
    });
}

#[test]
fn what_is_wrong_with_certificates_is_told() {
    let (one, other) = (Issued::new(), Issued::new());
    let missing = one.directory.path().join("missing.pem");
    let text = one.directory.path().join("text.pem");
    fs::write(&text, "-----BEGIN CERTIFICATE-----\nbm90aGluZw==\n-----END CERTIFICATE-----\n").unwrap();
    for (chain, key, told) in [
        (&missing, &one.key(), "missing.pem: "),
        (&one.chain(), &missing, "missing.pem: "),
        (&one.key(), &one.key(), "key.pem: it contains no certificate in PEM"),
        (&one.chain(), &one.chain(), "chain.pem: it contains no private key in PEM"),
        (&one.chain(), &other.key(), "key.pem: the key is not that of the certificate in "),
        (&text, &one.key(), "text.pem is invalid: "),
    ] {
        let error = Certificate::from_pem_files(chain, key).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
    // Both may be in one file.
    let both = one.directory.path().join("both.pem");
    fs::write(&both, fs::read_to_string(one.key()).unwrap() + &fs::read_to_string(one.chain()).unwrap()).unwrap();
    assert_eq!(Certificate::from_pem_files(&both, &both).unwrap().validity(), Validity::Valid);
    let new_year_2001 = SystemTime::UNIX_EPOCH + Duration::from_secs(978_307_200);
    assert_eq!(certificate(&Issued::until(2001)).validity(), Validity::Expired(new_year_2001));
    let new_year_3000 = SystemTime::UNIX_EPOCH + Duration::from_secs(32_503_680_000);
    assert_eq!(certificate(&Issued::within(3000, 3001)).validity(), Validity::NotYet(new_year_3000));
}
