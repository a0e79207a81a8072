//! Mistakes on the command line are reported at the start, in one line.

use std::net::TcpListener;

use super::host::{Scripts, run};

#[test]
fn requirement_17_mistakes_are_reported_at_the_start() {
    let scripts = Scripts::new();
    let program = scripts.sh("hello", "printf 'A: b\\n\\n'");
    let plain = scripts.file("plain", "text", 0o644);
    let directory = scripts.path().to_str().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().to_string();
    let cases: &[(&[&str], &str)] = &[
        (&[], "missing command"),
        (&["sreve"], "unknown command"),
        (&["--loud"], "--loud"),
        (&["serve", "--", "/no/such/program"], "/no/such/program"),
        (&["serve", "--", "no-such-program-in-the-path"], "no-such-program-in-the-path"),
        (&["serve", "--", "no-such-program-in-the-path"], "such as ./hello.cgi"),
        (&["serve", "--", &plain], "plain"),
        (&["serve", "--", directory], directory),
        (&["serve", directory], "--root"),
        (&["serve", "--listen", &port, "--", &program], &port),
        (&["serve", "--listen", "nowhere", "--", &program], "nowhere"),
        (&["serve", "--listen", "127.0.0.1:65536", "--", &program], "HOST:PORT"),
        (&["serve", "--listen", ":8080", "--", &program], "HOST:PORT"),
        (&["serve", "--listen"], "--listen"),
        (&["serve", "--health", "health", "--", &program], "\"health\""),
        (&["serve", "--health", "/health?", "--", &program], "--health"),
        (&["serve", "--shutdown-notice", "soon", "--", &program], "--shutdown-notice"),
        (&["serve", "--mount", "git", "--", &program], "\"git\""),
        (&["serve", "--mount", "/a/../b", "--", &program], "/a/../b"),
        (&["serve", "--request-body", "slurp", "--", &program], "spool, stream or reject"),
        (&["serve", "--exit-status", "shrug", "--", &program], "cut or log"),
        (&["serve", "--env", "NAME", "--", &program], "NAME=VALUE"),
        (&["serve", "--env", "=x", "--", &program], "NAME=VALUE"),
        (&["serve", "--pass-env", "NAME=x", "--", &program], "--env sets NAME=VALUE"),
        (&["serve", "--pass-env", "", "--", &program], "--pass-env"),
        (&["serve", "--protocol", "scgi", "--accept-param", "A=b", "--", &program], "a name without a value"),
        (&["serve", "--directory", "/no/such/place", "--", &program], "/no/such/place"),
        (&["serve", "--timeout-idle", "soon", "--", &program], "--timeout-idle"),
        (&["serve", "--timeout-idle", "0", "--", &program], "--timeout-idle"),
        (&["serve", "--timeout-idle", "-1", "--", &program], "--timeout-idle"),
        (&["serve", "--timeout-idle", "nan", "--", &program], "--timeout-idle"),
        (&["serve", "--timeout-idle", "1e300", "--", &program], "--timeout-idle"),
        (&["serve", "--keep-alive", "0", "--", &program], "--keep-alive"),
        (&["serve", "--protocol", "fastcgi", "--keep-alive", "1", "--", &program], "--keep-alive"),
        (&["serve", "--trust-proxy", "10.0.0.0/33", "--", &program], "10.0.0.0/33"),
        (&["serve", "--trust-proxy", "::1", "--proxy-fields", "via", "--", &program], "x-forwarded or forwarded"),
        (&["serve", "--proxy-fields", "forwarded", "--", &program], "--trust-proxy"),
        (&["serve", "--proxy-protocol", "--", &program], "--trust-proxy"),
        (&["serve", "--protocol", "scgi", "--trust-proxy", "::1", "--", &program], "--trust-proxy"),
        (&["serve", "--trust-proxy", "unix", "--proxy-protocol", "--", &program], "unix without a Unix socket"),
        (&["serve", "--queue", "-1", "--", &program], "--queue"),
        (&["serve", "--queue-timeout", "0", "--", &program], "--queue-timeout"),
        (&["serve", "--queue-timeout", "1", "--", &program], "--queue-timeout without --queue"),
        (&["serve", "--log-format", "xml", "--", &program], "text or json"),
        (&["serve", "--metrics", "nowhere", "--", &program], "--metrics"),
        (&["serve", "--listen", "127.0.0.1:0", "--metrics", &port, "--", &program], &port),
        (&["serve", "--max-programs", "0", "--", &program], "--max-programs"),
        (&["serve", "--max-connections", "x", "--", &program], "--max-connections"),
        (&["serve", "--threads", "0", "--", &program], "--threads"),
        (&["serve", "--threads", "1025", "--", &program], "from 1 to 1024"),
        (&["serve", "--threads", "18446744073709551615", "--", &program], "from 1 to 1024"),
        (&["serve", "--protocol", "gopher", "--", &program], "http, fastcgi or scgi"),
        (&["serve", "--listen", "unix:/no/such/place/socket", "--", &program], "unix:/no/such/place/socket"),
        (&["serve", "--no-multiplex", "--", &program], "--no-multiplex"),
        (&["serve", "--accept-param", "A", "--", &program], "--accept-param"),
        (&["serve", "--protocol", "scgi", "--pass-authorization", "--", &program], "--pass-authorization"),
        (&["serve", "--loud", "--", &program], "--loud"),
        (&["serve", "--upstream", "http://a:1"], "fastcgi://HOST:PORT"),
        (&["serve", "--upstream", "fastcgi://nowhere"], "nowhere"),
        (&["serve", "--upstream", "fastcgi://a:1", "--root", "/no/such/place"], "/no/such/place"),
        (&["serve", "--upstream", "fastcgi://a:1", "--root", &plain], "plain"),
        (&["serve", "--upstream", "fastcgi://a:1", "--kill-grace", "1"], "--kill-grace"),
        (&["serve", "--upstream", "fastcgi://a:1", "--max-idle", "-1"], "--max-idle"),
        (&["serve", "--upstream", "fastcgi://a:1", "--", &program], "--upstream"),
        (&["serve", "--root", "/no/such/place"], "/no/such/place"),
        (&["serve", "--root", &plain, "--", &program], "plain"),
        (&["serve", "--root", directory, "--index", "a/b"], "--index"),
        (&["serve", "--root", directory, "--cgi-bin", "cgi-bin"], "\"cgi-bin\""),
        (&["serve", "--root", directory, "--cgi-bin", "/"], "--cgi-bin"),
        (&["serve", "--root", directory, "--cgi", "*.cgi,"], "--cgi"),
        (&["serve", "--root", directory, "--hide", "a/b"], "--hide"),
        (&["serve", "--root", directory, "--env", "A=b"], "--env"),
        (&["serve", "--root", directory, "--max-idle", "1"], "--max-idle"),
        (&["serve", "--root", directory, "--request-body", "stream"], "--request-body without a program"),
        (&["serve", "--root", directory, "--exit-status", "log"], "--exit-status without a program"),
        (&["serve", "--root", directory, "--timeout-first-byte", "1"], "--timeout-first-byte without a program"),
        (&["serve", "--root", directory, "--timeout-total", "1"], "--timeout-total without a program"),
        (&["serve", "--root", directory, "--timeout-work", "1"], "--timeout-work without a program"),
        (&["serve", "--root", directory, "--max-programs", "256"], "--max-programs without a program"),
        (&["serve", "--root", directory, "--queue", "1", "--queue-timeout", "1"], "without a program"),
        (&["serve", "--root", directory, "--max-head", "1"], "--max-head without a program"),
        (&["serve", "--root", directory, "--max-body", "0"], "--max-body without a program"),
        (&["serve", "--listen", &port, "--listen", "127.0.0.1:0", "--", &program], "repeated option --listen"),
        (&["serve", "--root", directory, "--cgi", "*.cgi", "--", &program], "--cgi"),
        (&["serve", "--listing", "--", &program], "--listing"),
        (&["serve", "--upstream", "fastcgi://a:1", "--follow-links"], "--follow-links"),
        (&["serve", "--upstream", "fastcgi://a:1", "--root", directory, "--cgi", "*.cgi"], "--cgi"),
        (&["serve", "--help", "nonsense"], "files, server, program"),
        (&["serve", "-x", "--", &program], "-x"),
    ];
    for (arguments, part) in cases {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &out[..], err.lines().count()), (2, "", 1), "{arguments:?}: {err}");
        assert!(err.starts_with("pushpull: ") && err.contains(part), "{arguments:?}: {err}");
        assert!(err.contains("expected ") || err.contains("; try --help"), "it does not say what is expected: {err}");
    }
}

#[test]
fn help_and_version() {
    for arguments in [&["--help"][..], &["serve", "--help"], &["serve", "-h"], &["serve", "--help", "all"]] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, &err[..]), (0, ""));
        assert!(out.contains("Examples:") && out.lines().all(|line| line.len() <= 80), "{out}");
    }
    let (_, overview, _) = run(&["serve", "--help"]);
    assert!(overview.lines().count() <= 50, "{overview}");
    // Each option that the overview names is described by its topic.
    let topics = overview.split_once("Topics").unwrap().1.split_once("\n\n").unwrap().0;
    let mut topic = String::new();
    for word in topics.split_whitespace().skip_while(|word| *word != "files") {
        match word.strip_prefix("--") {
            None if run(&["serve", "--help", word]).0 == 0 => topic = run(&["serve", "--help", word]).1,
            None => {}
            Some(option) => assert!(topic.contains(option.trim_end_matches('.')), "{option}: {topic}"),
        }
    }
    let (code, out, _) = run(&["--version"]);
    assert_eq!((code, out), (0, format!("pushpull {}\n", env!("CARGO_PKG_VERSION"))));
}
