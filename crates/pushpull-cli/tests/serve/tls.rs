//! HTTPS: its options, its certificates, and their reload on SIGHUP.

use std::fs;
use std::process::Command;

use super::host::{Scripts, Serving, run, wait_until};
use pushpull_testing::http2::{ask, encrypted, get};
use pushpull_testing::needed::there;
use pushpull_testing::tls::Issued;

pub const REQUEST: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

pub fn options(issued: &Issued) -> [String; 4] {
    let path = |path: std::path::PathBuf| path.into_os_string().into_string().unwrap();
    ["--tls-certificate".to_owned(), path(issued.chain()), "--tls-key".to_owned(), path(issued.key())]
}

/// Starts a server whose program shows what it knows of TLS.
fn serving(issued: &Issued, scripts: &Scripts) -> Serving {
    let program = scripts.sh("tell", "printf 'A: b\\n\\n%s|%s' \"$HTTPS\" \"$REQUEST_SCHEME\"");
    let options = options(issued);
    let options: Vec<_> = options.iter().map(String::as_str).chain(["--", &program]).collect();
    Serving::start(&options)
}

/// Returns `true` if the server has this certificate.
fn has(serving: &Serving, issued: &Issued) -> bool {
    issued.exchange(serving.address, REQUEST).is_ok_and(|got| got.status() == 200)
}

fn copy(from: &Issued, to: &Issued) {
    fs::copy(from.chain(), to.chain()).unwrap();
    fs::copy(from.key(), to.key()).unwrap();
}

#[test]
fn programs_are_served_over_https() {
    let (issued, scripts) = (Issued::new(), Scripts::new());
    let serving = serving(&issued, &scripts);
    serving.requests.wait_for("/tell at https://127.0.0.1:", 1);
    let got = issued.exchange(serving.address, REQUEST).unwrap();
    assert_eq!((got.chunks().0, got.error), (b"on|https".to_vec(), None));
    encrypted(serving.address, issued.client(&["h2"]), async |mut sender| {
        assert_eq!(ask(&mut sender, get("/")).await.status(), 200);
    });
    serving.requests.wait_for("GET / HTTP/1.1 200 ", 1);
    serving.requests.wait_for(" HTTP/2.0 200 ", 1);
}

#[test]
fn curl_is_served_over_https() {
    if !there(&["curl"]) {
        return;
    }
    let (issued, scripts) = (Issued::new(), Scripts::new());
    let serving = serving(&issued, &scripts);
    let port = serving.address.port();
    for version in ["--http1.1", "--http2"] {
        let mut curl = Command::new("curl");
        curl.args(["-sS", version, "--resolve", &format!("localhost:{port}:127.0.0.1"), "--cacert"]);
        let output = curl.arg(issued.chain()).arg(format!("https://localhost:{port}/")).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!((&output.stdout[..], output.status.success()), (&b"on|https"[..], true), "{version}: {told}");
    }
}

#[test]
fn a_hangup_reads_the_certificate_again() {
    let (issued, second, scripts) = (Issued::new(), Issued::new(), Scripts::new());
    let mut serving = serving(&issued, &scripts);
    assert!(has(&serving, &issued) && !has(&serving, &second));
    copy(&second, &issued);
    serving.signal("HUP");
    serving.requests.wait_for("reloaded ", 1);
    assert!(has(&serving, &second) && !has(&serving, &issued));
    // The key of another certificate, and no certificate at all: the old one stays in force.
    fs::write(issued.key(), fs::read(Issued::new().key()).unwrap()).unwrap();
    serving.signal("HUP");
    let line = serving.troubles.wait_for("cannot reload: ", 1).remove(0);
    assert!(
        line.contains("the key is not that of the certificate") && line.ends_with("; nothing has changed"),
        "{line}"
    );
    fs::remove_file(issued.chain()).unwrap();
    serving.signal("HUP");
    serving.troubles.wait_for("cannot reload: ", 2);
    assert!(has(&serving, &second));
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
}

#[test]
fn an_expired_certificate_is_logged_and_served() {
    let (issued, scripts) = (Issued::until(2001), Scripts::new());
    let serving = serving(&issued, &scripts);
    let told = "expired at 2001-01-01T00:00:00Z: clients will refuse it";
    serving.troubles.wait_for(told, 1);
    serving.signal("HUP");
    serving.troubles.wait_for(told, 2);
    assert!(!has(&serving, &issued));
    if there(&["curl"]) {
        let mut curl = Command::new("curl");
        let output = curl.args(["-sSk", &format!("https://{}/", serving.address)]).output().unwrap();
        assert_eq!(output.stdout, b"on|https");
    }
}

#[test]
fn a_configuration_file_names_certificates_and_a_reload_replaces_them_as_a_whole() {
    let (issued, second, scripts) = (Issued::new(), Issued::new(), Scripts::new());
    let tell = scripts.sh("tell", "printf 'A: b\\n\\n'");
    let text = |issued: &Issued, program: &str| {
        let (chain, key) = (issued.chain(), issued.key());
        format!(
            "listen = '127.0.0.1:0'\ntls-certificate = '{}'\ntls-key = '{}'\n[[mount]]\nprogram = '{program}'\n",
            chain.display(),
            key.display()
        )
    };
    let file = scripts.file("site.toml", &text(&issued, &tell), 0o644);
    let serving = Serving::configured(&file, &[]);
    assert!(has(&serving, &issued));
    // Another mistake in the file leaves the certificate too.
    scripts.file("site.toml", &text(&second, "/no/such/program"), 0o644);
    serving.signal("HUP");
    serving.troubles.wait_for("site.toml:5: ", 1);
    assert!(has(&serving, &issued));
    scripts.file("site.toml", &text(&second, &tell), 0o644);
    serving.signal("HUP");
    serving.requests.wait_for("site.toml: 1 mount", 1);
    assert!(has(&serving, &second));
    let plain = "listen = '127.0.0.1:0'\n[[mount]]\nprogram = './tell'\n";
    scripts.file("site.toml", plain, 0o644);
    serving.signal("HUP");
    serving.troubles.wait_for("\"tls-certificate\" has changed: expected a restart", 1);
    assert!(has(&serving, &second));
    // The check reads certificates.
    scripts.file("site.toml", &text(&Issued::until(2001), &tell).replace("chain.pem", "no.pem"), 0o644);
    let (code, _, err) = run(&["serve", "--check", "--config", &file]);
    assert!(code == 2 && err.contains("site.toml:2: ") && err.contains("no.pem"), "{err}");
    let expired = Issued::until(2001);
    scripts.file("site.toml", &text(&expired, &tell), 0o644);
    let (code, out, _) = run(&["serve", "--check", "--config", &file]);
    assert!(code == 0 && out.contains("expired at 2001-01-01"), "{out}");
}

#[test]
fn plain_http_and_half_a_handshake_are_logged() {
    let (issued, scripts) = (Issued::new(), Scripts::new());
    let serving = serving(&issued, &scripts);
    let got = pushpull_testing::wire::exchange(serving.address, REQUEST);
    assert!(!got.text.starts_with(b"HTTP"), "{got:?}");
    serving.troubles.wait_for("perhaps plain HTTP: expected https://", 1);
    wait_until("the server serves", || has(&serving, &issued));
}

#[test]
fn mistakes_are_reported_at_the_start() {
    let (issued, scripts) = (Issued::new(), Scripts::new());
    let program = scripts.sh("tell", "printf 'A: b\\n\\n'");
    let [certificate, chain, key, file] = &options(&issued);
    for (options, told) in [
        (&[&certificate[..], chain][..], "cannot use --tls-certificate without --tls-key: expected both"),
        (&[&key[..], file], "cannot use --tls-key without --tls-certificate: expected both"),
        (&[&certificate[..], "/no/such.pem", key, file], "/no/such.pem: "),
        (&[&certificate[..], chain, key, chain], "it contains no private key in PEM; expected PEM files"),
        (&[&certificate[..], chain, key, file, "--protocol", "scgi"], "with this protocol: expected --protocol http"),
    ] {
        let (code, _, err) = run(&[&["serve"], options, &["--", &program]].concat());
        assert!(code == 2 && err.contains(told), "{options:?}: {err}");
    }
}
