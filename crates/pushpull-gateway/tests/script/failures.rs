//! A failed program never looks successful, and every byte that it wrote arrives before the failure.

use http::StatusCode;
use pushpull_gateway::{ExitStatus, Refusal, Script};

use crate::support::{Lifeline, ask, cannot_start, collect, get, heard, limits, run, sh};

/// Returns the bytes of the response's body, and the error after them.
fn outcome(script: &Script) -> (Vec<u8>, Option<String>) {
    run(async {
        let response = ask(script, get()).await;
        assert_eq!(response.status(), 200);
        let (bytes, error) = collect(response.into_body()).await;
        (bytes, error.map(|error| error.to_string()))
    })
}

fn status(script: &Script) -> StatusCode {
    run(async {
        let response = ask(script, get()).await;
        assert_eq!(response.extensions().get::<Refusal>().map(Refusal::status), Some(response.status()));
        response.status()
    })
}

#[test]
fn requirement_15_a_crash_after_the_head_cuts_the_response() {
    let (bytes, error) = outcome(&sh("printf 'A: b\n\nsome'; kill -9 $$"));
    assert_eq!(bytes, b"some");
    assert!(error.unwrap().contains("signal 9"));
}

#[test]
fn requirement_15_any_signal_cuts_the_response_whatever_the_exit_status_means() {
    for signal in ["TERM", "SEGV", "PIPE"] {
        let script = sh(&format!("printf 'A: b\n\nsome'; kill -{signal} $$")).exit_status(ExitStatus::Log);
        let (bytes, error) = outcome(&script);
        assert_eq!(bytes, b"some");
        assert!(error.unwrap().contains("signal"), "{signal}");
    }
}

#[test]
fn requirement_15_an_exit_status_after_the_head_cuts_the_response() {
    let script = sh("printf 'A: b\n\nsome'; exit 3");
    let (bytes, error) = outcome(&script);
    assert_eq!(bytes, b"some");
    assert!(error.unwrap().contains("status 3"));
    assert_eq!(outcome(&script.exit_status(ExitStatus::Log)), (b"some".to_vec(), None));
}

#[test]
fn requirement_15_every_byte_comes_before_the_error() {
    for end in ["exit 1", "kill -9 $$"] {
        let (bytes, error) = outcome(&sh(&format!("printf 'A: b\n\n'; head -c 1000000 /dev/zero; {end}")));
        assert_eq!(bytes.len(), 1_000_000, "{end}");
        assert!(error.is_some(), "{end}");
    }
}

#[test]
fn requirement_15_a_program_that_fails_before_the_head_is_a_502() {
    for text in ["kill -9 $$", "exit 1", "exit 0", "printf 'A: b\n'", "printf 'A: b\n'; kill -9 $$", "printf nothing"] {
        assert_eq!(status(&sh(text)), 502, "{text}");
    }
}

#[test]
fn requirement_15_fewer_bytes_than_the_content_length_cut_the_response() {
    let (bytes, error) = outcome(&sh("printf 'Content-Length: 10\n\nsome'"));
    assert_eq!(bytes, b"some");
    assert!(error.unwrap().contains("6 bytes fewer"));
}

#[test]
fn requirement_15_bytes_beyond_the_content_length_are_discarded() {
    for text in ["abcdef", "abc' 'def", "abc'; printf 'def"] {
        assert_eq!(outcome(&sh(&format!("printf 'Content-Length: 3\n\n{text}'"))), (b"abc".to_vec(), None));
    }
    let endless =
        sh("printf 'Content-Length: 3\n\nabc'; exec yes").limits(limits(|limits| limits.max_drained(100_000)));
    let (endless, mut lines) = heard(endless);
    run(async {
        let (bytes, error) = collect(ask(&endless, get()).await.into_body()).await;
        assert_eq!((&bytes[..], error.is_none()), (&b"abc"[..], true));
        let line = lines.next().await;
        let is_told =
            line.starts_with("GET /: the program wrote ") && line.ends_with(" bytes more than its content length");
        assert!(is_told, "{line}");
    });
}

#[test]
fn requirement_14_a_failure_after_a_complete_response_is_logged() {
    let (script, mut lines) = heard(sh("printf 'Content-Length: 3\n\nabc'; exit 7"));
    run(async {
        let (bytes, error) = collect(ask(&script, get()).await.into_body()).await;
        assert_eq!((&bytes[..], error.is_none()), (&b"abc"[..], true));
        assert_eq!(lines.next().await, "GET /: the program exited with status 7");
    });
}

#[test]
fn requirement_14_a_complete_response_lets_its_program_end_by_itself() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("line");
    let lifeline = Lifeline::new(&path);
    // The pending write is accepted too, after the client has disconnected.
    let text = "exec 9>\"$LINE\"; printf 'Content-Length: 3\n\nabc'; head -c 1000000 /dev/zero; echo whole >&9";
    let script = sh(text).env("LINE", &path).unwrap().limits(limits(|limits| limits));
    run(async {
        let response = ask(&script, get()).await;
        assert_eq!(collect(response.into_body()).await.0, b"abc");
        assert_eq!(lifeline.end().await, "whole\n");
        script.stopped().await;
    });
}

#[test]
fn requirement_15_grandchildren_that_hold_the_pipe_do_not_delay_the_response() {
    for (length, is_cut) in [("", true), ("Content-Length: 5\n", false)] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("line");
        let lifeline = Lifeline::new(&path);
        // After a clean exit the grandchild is left alone: it reports when it is asked to end.
        let text = format!(
            "exec 9>\"$LINE\"; (trap 'echo alive >&9; exit' TERM; echo ready >&9; while :; do sleep 0.01; done) 2>&- &
            echo $! >&2; printf 'A: b\n{length}\nhello'; exit 0"
        );
        let (script, mut lines) = heard(sh(&text).env("LINE", &path).unwrap().limits(limits(|limits| limits)));
        run(async {
            let (bytes, error) = collect(ask(&script, get()).await.into_body()).await;
            assert_eq!((&bytes[..], error.is_some()), (&b"hello"[..], is_cut));
            script.stopped().await;
            assert_eq!(lifeline.line().await, "ready\n");
            let grandchild = rustix::process::Pid::from_raw(lines.next().await.parse().unwrap()).unwrap();
            if is_cut {
                assert!(lines.next().await.contains("hold its output open"));
            }
            rustix::process::kill_process(grandchild, rustix::process::Signal::TERM).unwrap();
            assert_eq!(lifeline.end().await, "alive\n");
        });
        drop(script);
        assert!(lines.rest().is_empty());
    }
}

#[test]
fn requirement_15_a_grandchild_that_writes_forever_does_not_delay_the_response() {
    let text = "printf 'A: b\n\nhello\n'; yes & for n in 1 2 3 4; do yes >&2 & done; exit 0";
    let (script, mut lines) = heard(sh(text).limits(limits(|limits| limits.max_drained(1 << 20))));
    run(async {
        let (bytes, error) = collect(ask(&script, get()).await.into_body()).await;
        assert!(bytes.starts_with(b"hello\n") && error.is_some());
        while !lines.next().await.contains("hold its output open") {}
    });
}

/// The filter writes the rest some time after the shell has ended.
const FILTERED: &str = "trap '' TERM; exec 3>&1; { exec 1>&3 3>&-; read go <\"$GO\"; printf rest; } & exec 1>&- 3>&-";

#[test]
fn requirement_15_a_filter_that_the_program_started_writes_the_rest() {
    // As `exec > >(filter)` does. The filter continues once the program is a zombie, or reaped.
    for (head, end, outcome) in [
        ("A: b\n", "exit 0", Ok("rest")),
        // A failure cuts the response after the rest; an error page is complete.
        ("A: b\n", "exit 3", Err("rest")),
        ("Status: 500\n", "exit 3", Ok("rest")),
        ("Content-Length: 4\n", "exit 3", Ok("rest")),
        ("Content-Length: 5\n", "exit 0", Err("rest")),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("go");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
        let (script, mut lines) = heard(
            sh(&format!("printf '{head}\n'; echo $$ >&2; {FILTERED}; {end}"))
                .env("GO", &path)
                .unwrap()
                .limits(limits(|limits| limits)),
        );
        run(async {
            let asked = script.clone();
            let response = tokio::spawn(async move { ask(&asked, get()).await });
            let program = lines.next().await;
            let mut body = response.await.unwrap().into_body();
            let stat = format!("/proc/{program}/stat");
            while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
                tokio::task::yield_now().await;
            }
            // Opening a named pipe for reading unblocks its writer.
            std::fs::write(&path, "go\n").unwrap();
            let mut bytes = Vec::new();
            let mut is_cut = false;
            while let Some(frame) = http_body_util::BodyExt::frame(&mut body).await {
                match frame {
                    Ok(frame) => bytes.extend_from_slice(frame.data_ref().unwrap()),
                    Err(_) => is_cut = true,
                }
            }
            let text = String::from_utf8(bytes).unwrap();
            assert_eq!(if is_cut { Err(&text[..]) } else { Ok(&text[..]) }, outcome, "{head} {end}");
        });
    }
}

#[test]
fn requirement_15_a_complete_response_is_not_cut_for_the_exit_status() {
    for (head, is_cut) in [
        ("A: b\n", true),
        ("Status: 399\n", true),
        ("Status: 400\n", false),
        ("Status: 500 Oh\n", false),
        ("Content-Length: 5\n", false),
        ("Status: 500\nContent-Length: 6\n", true),
    ] {
        let (script, mut lines) = heard(sh(&format!("printf '{head}\nerror'; exit 1")));
        run(async {
            let (bytes, error) = collect(ask(&script, get()).await.into_body()).await;
            assert_eq!((&bytes[..], error.is_some()), (&b"error"[..], is_cut), "{head}");
            assert_eq!(lines.next().await, "GET /: the program exited with status 1");
        });
        // A signal is not an exit status.
        let broken = sh(&format!("printf '{head}\nerror'; kill -9 $$"));
        let is_met = head.starts_with("Content-Length");
        let (_, error) = run(async { collect(ask(&broken, get()).await.into_body()).await });
        assert_eq!(error.is_none(), is_met, "{head}");
    }
}

#[test]
fn requirement_15_output_that_ends_before_the_program_ends_the_response() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("line");
    let lifeline = Lifeline::new(&path);
    // The program works until it receives a signal other than that of a stop.
    let text = "exec 9>\"$LINE\"; trap 'echo worked >&9; exit 3' USR1; echo $$ >&2; printf 'A: b\n\nhello'; exec >&-; \
                while :; do sleep 0.01; done";
    let (script, mut lines) = heard(sh(text).env("LINE", &path).unwrap().limits(limits(|limits| limits)));
    run(async {
        let (bytes, error) = collect(ask(&script, get()).await.into_body()).await;
        assert_eq!((&bytes[..], error.is_none()), (&b"hello"[..], true));
        let program = rustix::process::Pid::from_raw(lines.next().await.parse().unwrap()).unwrap();
        rustix::process::kill_process(program, rustix::process::Signal::USR1).unwrap();
        assert_eq!(lifeline.end().await, "worked\n");
        // A later failure is logged.
        assert_eq!(lines.next().await, "GET /: the program exited with status 3");
        script.stopped().await;
    });
}

#[test]
fn requirement_15_output_that_ends_too_early_cuts_the_response() {
    let text = "printf 'Content-Length: 6\n\nhello'; exec >&-; exec sleep 1000";
    let (script, mut lines) = heard(sh(text).limits(limits(|limits| limits)));
    run(async {
        let (bytes, error) = collect(ask(&script, get()).await.into_body()).await;
        assert_eq!((&bytes[..], error.is_some()), (&b"hello"[..], true));
        assert!(lines.next().await.contains("1 bytes fewer"));
        // There is no client any more.
        script.stopped().await;
    });
}

#[test]
fn requirement_15_the_exit_status_is_waited_for_when_the_output_has_ended() {
    let script = sh("printf 'A: b\n\nhello'; exec >&-; exit 3");
    let (bytes, error) = outcome(&script);
    assert_eq!(bytes, b"hello");
    assert!(error.unwrap().contains("status 3"));
}

#[test]
fn requirement_15_output_that_ends_before_the_head_is_a_502_and_its_program_is_stopped() {
    let script = sh("printf 'A: b\n'; exec >&-; exec sleep 1000").limits(limits(|limits| limits));
    assert_eq!(status(&script), 502);
    run(script.stopped());
}

#[test]
fn requirement_15_a_redirect_does_not_wait_for_a_program_that_keeps_running() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("line");
    let lifeline = Lifeline::new(&path);
    let text = "exec 9>\"$LINE\"; trap 'echo worked >&9; exit 0' USR1; echo $$ >&2; printf 'Location: /a\n\n'; \
                while :; do sleep 0.01; done";
    let (script, mut lines) = heard(sh(text).env("LINE", &path).unwrap().limits(limits(|limits| limits)));
    run(async {
        assert_eq!(ask(&script, get()).await.status(), 302);
        let program = rustix::process::Pid::from_raw(lines.next().await.parse().unwrap()).unwrap();
        rustix::process::kill_process(program, rustix::process::Signal::USR1).unwrap();
        assert_eq!(lifeline.end().await, "worked\n");
    });
}

#[test]
fn requirement_15_messages_that_come_after_the_program_are_logged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("go");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RWXU).unwrap();
    let text = "printf 'A: b\n\nhello'; { exec 1>&-; read go <\"$GO\"; echo last >&2; } & exit 0";
    let (script, mut lines) = heard(sh(text).env("GO", &path).unwrap().limits(limits(|limits| limits)));
    run(async {
        // The response does not wait for the messages.
        assert_eq!(collect(ask(&script, get()).await.into_body()).await.0, b"hello");
        script.stopped().await;
        std::fs::write(&path, "go\n").unwrap();
        assert_eq!(lines.next().await, "last");
    });
}

#[test]
fn requirement_15_processes_that_a_failed_program_leaves_behind_are_killed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("line");
    let lifeline = Lifeline::new(&path);
    let text = "exec 9>\"$LINE\"; sleep 1000 & echo ready >&2; printf 'A: b\n\nhello'; exit 1";
    let (script, mut lines) = heard(sh(text).env("LINE", &path).unwrap().limits(limits(|limits| limits)));
    run(async {
        let response = ask(&script, get()).await;
        assert_eq!(lines.next().await, "ready");
        assert!(collect(response.into_body()).await.1.is_some());
        lifeline.end().await;
    });
}

#[test]
fn requirement_8_a_head_of_10_mb_is_a_502_and_its_program_is_stopped() {
    let script =
        sh("while :; do echo 'A: 1234567890123456789012345678901234567890'; done | head -c 10000000; exec sleep 1000");
    let script = script.limits(limits(|limits| limits));
    assert_eq!(status(&script), 502);
    let no_newline = sh("exec head -c 10000000 /dev/zero").limits(limits(|limits| limits));
    assert_eq!(status(&no_newline), 502);
}

#[test]
fn requirement_8_an_invalid_head_is_a_502() {
    for text in [
        "\\n\\n",
        "A : b\\n\\n",
        "A: b\\n c\\n\\n",
        "A: \\001\\n\\n",
        "Status: 100\\n\\n",
        "Status: 200\\nStatus: 200\\n\\n",
    ] {
        assert_eq!(status(&sh(&format!("printf '{text}'"))), 502, "{text}");
    }
}

#[test]
fn a_program_that_cannot_be_started_is_a_500_that_is_logged() {
    let (script, mut lines) = cannot_start();
    assert_eq!(status(&script), 500);
    assert!(run(lines.next()).contains("cannot be started"));
}

#[test]
fn requirement_17_a_program_whose_interpreter_is_missing_is_logged_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let program = directory.path().join("program");
    for (first, told) in
        [("#!/no/such -x", "\"/no/such\""), ("#!/etc/passwd", "\"/etc/passwd\""), ("#!/bin/sh\r", "\"/bin/sh\\r\"")]
    {
        pushpull_testing::program::write(&program, format!("{first}\n"));
        let (script, mut lines) = heard(Script::new(&program).unwrap());
        assert_eq!(status(&script), 500);
        let line = run(lines.next());
        assert!(line.contains(&format!("{program:?}")) && line.contains(told), "{line}");
    }
}
