//! Each limit has its own error, and ends one request.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use http_body_util::Empty;
use pushpull_gateway::{BodyPolicy, ProgramLimits, Script};

use crate::support::{ask, collect, get, heard, limits, post, request, run, sh, text, upload};

const SHORT: Duration = Duration::from_millis(50);

fn short(set: impl FnOnce(ProgramLimits) -> ProgramLimits) -> ProgramLimits {
    limits(|limits| set(limits.kill_grace(SHORT)))
}

#[test]
fn requirement_13_a_program_that_hangs_before_its_head_is_a_504_and_stopped() {
    for text in ["exec sleep 1000", "printf 'A: b\n'; exec sleep 1000"] {
        let (script, mut lines) = heard(sh(text).limits(short(|limits| limits.timeout_first_byte(SHORT))));
        run(async {
            assert_eq!(ask(&script, get()).await.status(), 504);
            assert!(lines.next().await.starts_with("GET /: 504 "));
            script.stopped().await;
        });
    }
}

#[test]
fn requirement_13_a_program_that_hangs_after_its_head_is_cut_and_stopped() {
    let text = "printf 'A: b\n\nsome'; sleep 1000";
    let (script, mut lines) = heard(sh(text).limits(short(|limits| limits.timeout_idle(SHORT))));
    run(async {
        let (bytes, error) = collect(ask(&script, get()).await.into_body()).await;
        assert_eq!((&bytes[..], error.unwrap().kind()), (&b"some"[..], ErrorKind::TimedOut));
        assert!(lines.next().await.starts_with("GET /: the program neither writes nor ends"));
        script.stopped().await;
    });
}

#[test]
fn requirement_14_a_program_runs_on_after_its_response_until_a_logged_limit() {
    for (method, head) in [
        ("GET", "Content-Length: 3\n\nabc"),
        ("GET", "A: b\n\nabc'; exec >&-; printf '"),
        ("GET", "Status: 204\n\n"),
        ("HEAD", "A: b\n\n"),
    ] {
        let limits = short(|limits| limits.timeout_work(SHORT));
        let (script, mut lines) = heard(sh(&format!("printf '{head}'; exec sleep 1000")).limits(limits));
        run(async {
            let asked = request(method, "/").body(Empty::<bytes::Bytes>::new()).unwrap();
            assert!(collect(ask(&script, asked).await.into_body()).await.1.is_none(), "{method} {head}");
            let line = lines.next().await;
            assert!(line.ends_with("it ran on for too long after its response"), "{line}");
            script.stopped().await;
        });
    }
}

#[test]
fn requirement_13_the_total_time_is_limited_on_request() {
    let script = sh("printf 'A: b\n\n'; exec yes").limits(short(|limits| limits.timeout_total(SHORT)));
    run(async {
        let response = ask(&script, get()).await;
        let status = response.status().as_u16();
        let error = collect(response.into_body()).await.1.map(|error| error.kind());
        // On a loaded machine the head may be late too.
        assert!(matches!((status, error), (200, Some(ErrorKind::TimedOut)) | (504, None)), "{status} {error:?}");
        script.stopped().await;
    });
    let script = sh("exec sleep 1000").limits(short(|limits| limits.timeout_total(SHORT)));
    assert_eq!(run(async { ask(&script, get()).await.status().as_u16() }), 504);
}

#[test]
fn requirement_13_a_program_beyond_the_limit_is_a_503_at_once_until_one_is_reaped() {
    let script = sh("echo ready >&2; read line; printf 'A: b\n\n%s' \"$line\"").request_body(BodyPolicy::Stream);
    let (script, mut lines) = heard(script.limits(short(|limits| limits.max_programs(2))));
    run(async {
        let mut held = Vec::new();
        for _ in 0..2 {
            let (writer, request) = upload();
            let asked = script.clone();
            held.push((writer, tokio::spawn(async move { ask(&asked, request).await })));
            assert_eq!(lines.next().await, "ready");
        }
        assert_eq!(ask(&script, get()).await.status(), 503);
        assert!(lines.next().await.starts_with("GET /: 503 "));
        // The same for a request whose body would have to be waited for.
        let (_writer, request) = upload();
        assert_eq!(ask(&script.clone().request_body(BodyPolicy::Spool), request).await.status(), 503);
        lines.next().await;
        for (mut writer, response) in held {
            writer.write_all(b"done\n").unwrap();
            writer.finish().unwrap();
            let (bytes, error) = collect(response.await.unwrap().into_body()).await;
            assert_eq!((&bytes[..], error.is_none()), (&b"done"[..], true));
        }
        script.stopped().await;
        assert_eq!(text(&script, get()).await, "");
    });
}

#[test]
fn requirement_13_a_client_that_stops_sending_is_a_408() {
    let script = sh("echo started >&2; cat >/dev/null; printf 'A: b\n\n'");
    let (script, lines) = heard(script.limits(short(|limits| limits.timeout_idle(SHORT))));
    for mode in [BodyPolicy::Spool, BodyPolicy::Stream] {
        let script = script.clone().request_body(mode);
        run(async {
            let (mut writer, request) = upload();
            writer.write_all(b"some").unwrap();
            assert_eq!(ask(&script, request).await.status(), 408, "{mode:?}");
            script.stopped().await;
        });
    }
    // The spooled request held no program; the other program may have been stopped before it reported.
    drop(script);
    assert!(lines.rest().len() <= 1);
}

#[test]
fn requirement_3_a_body_that_is_too_large_is_a_413() {
    let script = sh("cat >/dev/null; printf 'A: b\n\n'").limits(short(|limits| limits.max_body(100_000)));
    for mode in [BodyPolicy::Spool, BodyPolicy::Stream] {
        let script = script.clone().request_body(mode);
        run(async {
            assert_eq!(ask(&script, post(vec![0; 100_000])).await.status(), 200);
            assert_eq!(ask(&script, post(vec![0; 100_001])).await.status(), 413);
            let (mut writer, request) = upload();
            writer.write_all(&[0; 100_001]).unwrap();
            writer.finish().unwrap();
            assert_eq!(ask(&script, request).await.status(), 413, "{mode:?}");
            script.stopped().await;
        });
    }
}

#[test]
fn requirement_13_a_body_that_becomes_too_large_cuts_the_response() {
    let script = sh("printf 'A: b\n\n'; exec cat").request_body(BodyPolicy::Stream);
    let script = script.limits(short(|limits| limits.max_body(10)));
    run(async {
        let (mut writer, request) = upload();
        writer.write_all(b"0123456789").unwrap();
        let mut body = ask(&script, request).await.into_body();
        assert_eq!(crate::support::chunk(&mut body).await, "0123456789");
        writer.write_all(b"more").unwrap();
        let (bytes, error) = collect(body).await;
        assert!(bytes.is_empty() && error.is_some());
    });
}

#[test]
fn requirement_13_a_head_is_limited() {
    let script = |bytes| sh("printf 'A: b\n\n'").limits(short(|limits| limits.max_head(bytes)));
    let status = |script: Script| run(async { ask(&script, get()).await.status().as_u16() });
    assert_eq!((status(script(6)), status(script(5))), (200, 502));
}

#[test]
#[should_panic(expected = "`max_programs` must not be zero; the default is 256")]
fn no_programs_at_all_is_a_mistake() {
    let _ = sh("").limits(limits(|limits| limits.max_programs(0)));
}
