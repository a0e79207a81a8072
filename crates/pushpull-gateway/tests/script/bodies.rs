//! How the body of a request reaches a program.

use std::io::Write;

use pushpull_gateway::{BodyPolicy, Script};

use crate::support::{ask, cannot_start, collect, get, heard, limits, post, run, sh, text, upload};

/// A script that reports what its standard input is and the declared length.
fn about() -> Script {
    sh("printf 'A: b\n\n'; stat -L -c '%F %a %h' /proc/self/fd/0; echo \"${CONTENT_LENGTH-none}\"; wc -c")
}

fn told(script: &Script, body: Vec<u8>) -> String {
    run(async { String::from_utf8(collect(ask(script, post(body)).await.into_body()).await.0).unwrap() })
}

fn told_unknown(script: &Script, bytes: &[u8]) -> String {
    run(async {
        let (mut writer, mut request) = upload();
        request.headers_mut().insert("transfer-encoding", "chunked".parse().unwrap());
        writer.write_all(bytes).unwrap();
        writer.finish().unwrap();
        String::from_utf8(collect(ask(script, request).await.into_body()).await.0).unwrap()
    })
}

#[test]
fn requirement_3_spooled_bodies_have_a_length_and_large_ones_an_unnamed_file_of_mode_0600() {
    let script = about();
    assert!(told(&script, vec![0; 65_536]).ends_with(" 0\n65536\n65536\n"));
    assert_eq!(told(&script, vec![0; 65_537]), "regular file 600 0\n65537\n65537\n");
    assert_eq!(told(&script, vec![0; 3_000_000]), "regular file 600 0\n3000000\n3000000\n");
    assert!(told_unknown(&script, &[0; 100]).ends_with("\n100\n100\n"));
    assert_eq!(told_unknown(&script, &[0; 100_000]), "regular file 600 0\n100000\n100000\n");
}

#[test]
fn requirement_3_a_streamed_body_has_a_length_only_if_the_client_declared_it() {
    let script = about().request_body(BodyPolicy::Stream);
    assert!(told(&script, vec![0; 100]).starts_with("fifo "));
    assert!(told(&script, vec![0; 100]).ends_with("\n100\n100\n"));
    assert!(told_unknown(&script, &[0; 100]).ends_with("\nnone\n100\n"));
}

#[test]
fn requirement_3_an_unknown_length_is_a_411_on_request() {
    let script = about().request_body(BodyPolicy::Reject);
    assert!(told(&script, vec![0; 100]).ends_with("\n100\n100\n"));
    run(async {
        let (_writer, request) = upload();
        assert_eq!(ask(&script, request).await.status(), 411);
        assert!(text(&script, get()).await.ends_with("\nnone\n0\n"));
    });
}

#[test]
fn requirement_3_without_a_body_there_is_no_length() {
    for mode in [BodyPolicy::Spool, BodyPolicy::Stream, BodyPolicy::Reject] {
        let script = about().request_body(mode);
        assert!(run(text(&script, get())).ends_with("\nnone\n0\n"), "{mode:?}");
        // An empty body is still a body.
        assert!(told(&script, Vec::new()).ends_with("\n0\n0\n"), "{mode:?}");
    }
    assert!(told_unknown(&about(), b"").ends_with("\n0\n0\n"));
}

#[test]
fn requirement_3_a_slow_upload_holds_no_program() {
    let (script, mut lines) =
        heard(sh("echo started >&2; printf 'A: b\n\n'; cat").limits(limits(|limits| limits.max_programs(1))));
    run(async {
        let (mut writer, request) = upload();
        writer.write_all(b"first ").unwrap();
        let asked = script.clone();
        let slow = tokio::spawn(async move { collect(ask(&asked, request).await.into_body()).await.0 });
        tokio::task::yield_now().await;
        // The only permit is free.
        assert_eq!(text(&script, get()).await, "");
        assert_eq!(lines.next().await, "started");
        script.stopped().await;
        writer.write_all(b"last").unwrap();
        writer.finish().unwrap();
        assert_eq!(slow.await.unwrap(), b"first last");
    });
}

#[test]
fn a_body_of_another_length_than_declared_is_a_400() {
    // Starting the program would be a 500.
    let (script, lines) = cannot_start();
    run(async {
        let (mut writer, mut request) = upload();
        request.headers_mut().insert("content-length", 10.into());
        writer.write_all(b"some").unwrap();
        writer.finish().unwrap();
        assert_eq!(ask(&script, request).await.status(), 400);
        let (mut writer, request) = upload();
        writer.write_all(b"some").unwrap();
        writer.abort(std::io::ErrorKind::ConnectionReset.into());
        assert_eq!(ask(&script, request).await.status(), 400);
    });
    drop(script);
    assert!(lines.rest().is_empty());
}
