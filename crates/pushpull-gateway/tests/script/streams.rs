//! Standard input, output and error are pumped concurrently, and nothing is withheld.

use std::io::Write;
use std::time::Duration;

use http_body_util::BodyExt;
use pushpull_gateway::{BodyPolicy, Script};

use crate::support::{ask, chunk, collect, get, heard, limits, post, run, sh, text, upload};

const MODES: [BodyPolicy; 3] = [BodyPolicy::Spool, BodyPolicy::Stream, BodyPolicy::Reject];

fn sample() -> Vec<u8> {
    (0..3_000_000_u32).map(|n| (n % 251) as u8).collect()
}

/// Returns the responses to a body of 3 MB, for each way to pass it.
fn answers(script: &Script) -> Vec<Vec<u8>> {
    let answer = |mode| {
        let script = script.clone().request_body(mode);
        run(async {
            let (bytes, error) = collect(ask(&script, post(sample())).await.into_body()).await;
            assert!(error.is_none(), "{mode:?}: {error:?}");
            bytes
        })
    };
    MODES.map(answer).into()
}

#[test]
fn requirement_7_a_program_may_write_3_mb_before_it_reads() {
    let script = sh("printf 'A: b\n\n'; head -c 3000000 /dev/zero; wc -c");
    for answer in answers(&script) {
        let (zeros, count) = answer.split_at(3_000_000);
        assert!(zeros.iter().all(|byte| *byte == 0));
        assert_eq!(count, b"3000000\n");
    }
}

#[test]
fn requirement_7_a_program_may_read_3_mb_before_it_writes() {
    let script = sh("n=$(wc -c); printf 'A: b\n\n'; head -c 3000000 /dev/zero; echo $n");
    for answer in answers(&script) {
        assert_eq!(answer.len(), 3_000_008);
        assert!(answer.ends_with(b"3000000\n"));
    }
}

#[test]
fn requirement_7_a_program_may_echo_as_it_reads() {
    for answer in answers(&sh("printf 'A: b\n\n'; exec cat")) {
        assert_eq!(answer, sample());
    }
}

#[test]
fn requirement_7_a_program_need_not_read_at_all() {
    for answer in answers(&sh("printf 'A: b\n\nhello'")) {
        assert_eq!(answer, b"hello");
    }
    for answer in answers(&sh("head -c 10 >/dev/null; exec <&-; printf 'A: b\n\n'; head -c 3000000 /dev/zero")) {
        assert_eq!(answer.len(), 3_000_000);
    }
}

#[test]
fn requirement_7_a_megabyte_of_stderr_blocks_nothing() {
    let (script, lines) = heard(sh("head -c 1000000 /dev/zero | tr '\\0' x >&2; printf 'A: b\n\nhello'"));
    assert_eq!(run(text(&script, get())), "hello");
    let lines = lines.rest();
    assert_eq!(lines.iter().map(String::len).sum::<usize>(), 1_000_000);
    assert!(lines.iter().all(|line| line.len() <= 8192));
}

#[test]
fn requirement_17_lines_of_stderr_are_whole_and_escaped() {
    let (script, lines) =
        heard(sh("printf 'one\ntw' >&2; printf 'A: b\n\n'; printf 'o\n\\033[1m\nno newline' >&2; exec >&-"));
    run(text(&script, get()));
    assert_eq!(lines.rest(), ["one", "two", "\\x1b[1m", "no newline"]);
}

#[test]
fn requirement_12_each_piece_arrives_as_it_is_written() {
    let script = sh("printf 'A: b\n\n'; while read line; do echo \"got $line\"; done");
    let script = script.request_body(BodyPolicy::Stream).limits(limits(|limits| limits));
    run(async {
        let (mut writer, request) = upload();
        let mut body = ask(&script, request).await.into_body();
        for n in 0..100 {
            // Until the other side writes, the program has nothing to read and the test nothing to see.
            writeln!(writer, "{n}").unwrap();
            assert_eq!(chunk(&mut body).await, format!("got {n}\n"));
        }
        writer.finish().unwrap();
        assert!(body.frame().await.is_none());
    });
}

#[test]
fn requirement_12_a_head_is_not_held_until_a_body_follows() {
    let script = sh("printf 'A: b\n\n'; read line; echo $line").request_body(BodyPolicy::Stream);
    run(async {
        let (mut writer, request) = upload();
        let response = ask(&script.limits(limits(|limits| limits)), request).await;
        assert_eq!(response.headers()["a"], "b");
        writer.write_all(b"now\n").unwrap();
        writer.finish().unwrap();
        assert_eq!(collect(response.into_body()).await.0, b"now\n");
    });
}

#[test]
fn requirement_16_a_stalled_client_stalls_the_program() {
    // The program reports every 64 KiB that it has written. Only the client's time limit ends it.
    let script = sh("printf 'A: b\n\n'; while head -c 65536 /dev/zero; do echo more >&2; done");
    let limits = limits(|limits| limits.timeout_client(Duration::from_millis(300)).kill_grace(Duration::from_secs(1)));
    let (script, lines) = heard(script.limits(limits));
    let end = run(async {
        let mut body = ask(&script, get()).await.into_body();
        script.stopped().await;
        let first = chunk(&mut body).await;
        assert!(!first.is_empty());
        collect(body).await.1
    });
    assert_eq!(end.unwrap().kind(), std::io::ErrorKind::TimedOut);
    let lines = lines.rest();
    let written = lines.iter().filter(|line| *line == "more").count();
    // At most one chunk here, the content of the pipe, and what `head` has begun to write.
    assert!(written <= 3, "{written}");
}
