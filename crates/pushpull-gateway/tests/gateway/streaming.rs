//! When a service answers: nothing is held back, and nothing is read early.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::channel;

use bytes::Bytes;
use http_body::Body;
use pushpull_gateway::{AsPull, AsPush, push_fn, service};

use super::client::{ask, block_on, collect, frame, get, pieces, request};

on_every_engine! {
    /// A flushed head is sent at once, while the program still waits.
    fn a_flushed_head_is_answered_at_once(engine) {
        let app = push_fn(|inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            out.flush()?;
            io::copy(inp, out).map(drop)
        });
        block_on(async {
            let (sender, body) = pieces();
            let response = ask(&mut service(engine, app), request("POST", "/", body)).await;
            assert_eq!(response.status(), 200);
            sender.send(Ok("late".into())).unwrap();
            drop(sender);
            assert_eq!(collect(response).await.text(), "late");
        });
    }

    /// The same if the program then blocks in a way that the bridge cannot see.
    fn a_flushed_head_is_answered_while_the_program_blocks(engine) {
        let (go, gone) = channel();
        let gone = std::sync::Mutex::new(gone);
        let app = push_fn(move |_inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            out.flush()?;
            gone.lock().unwrap().recv().unwrap();
            out.write_all(b"late")
        });
        block_on(async {
            let response = ask(&mut service(engine, app), get("/")).await;
            go.send(()).unwrap();
            assert_eq!(collect(response).await.text(), "late");
        });
    }

    /// A program with a complete head that waits for input has written all that it will write for now.
    fn a_wait_for_input_releases_the_head(engine) {
        let app = push_fn(|inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            io::copy(inp, out).map(drop)
        });
        block_on(async {
            let (sender, body) = pieces();
            let response = ask(&mut service(engine, app), request("POST", "/", body)).await;
            sender.send(Ok("late".into())).unwrap();
            drop(sender);
            assert_eq!(collect(response).await.text(), "late");
        });
    }

    /// The same through the converters.
    fn a_wait_for_input_releases_a_converted_head(engine) {
        let app = push_fn(|inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            io::copy(inp, out).map(drop)
        });
        block_on(async {
            let (sender, body) = pieces();
            let app = AsPull(AsPush(AsPull(app)));
            let response = ask(&mut service(engine, app), request("POST", "/", body)).await;
            sender.send(Ok("late".into())).unwrap();
            drop(sender);
            assert_eq!(collect(response).await.text(), "late");
        });
    }

    /// An echo that flushes answers piece by piece while the request is still being sent.
    fn both_directions_stream_at_once(engine) {
        let app = push_fn(|inp, out, _err, _env| {
            out.write_all(b"Content-Type: text/plain\n\n")?;
            let mut line = String::new();
            while inp.read_line(&mut line)? > 0 {
                out.write_all(line.as_bytes())?;
                out.flush()?;
                line.clear();
            }
            Ok(())
        });
        block_on(async {
            let (sender, body) = pieces();
            let response = ask(&mut service(engine, app), request("POST", "/", body)).await;
            let mut body = response.into_body();
            for n in 0..100 {
                sender.send(Ok(format!("line {n}\n").into())).unwrap();
                let mut seen = Vec::new();
                while !seen.ends_with(b"\n") {
                    seen.extend_from_slice(&frame(&mut body).await.unwrap().unwrap());
                }
                assert_eq!(seen, format!("line {n}\n").into_bytes());
            }
            drop(sender);
            assert!(frame(&mut body).await.is_none());
        });
    }

    /// A program that never reads its input blocks nothing.
    fn an_unread_body_blocks_nothing(engine) {
        let app = push_fn(|_inp, out, _err, _env| out.write_all(b"A: 1\n\nanswered"));
        block_on(async {
            let (_sender, body) = pieces();
            assert_eq!(collect(ask(&mut service(engine, app), request("POST", "/", body)).await).await.text(), "answered");
        });
    }

    /// If the request's body fails, the program's read returns the error.
    fn a_failing_body_is_an_error_of_the_programs_read(engine) {
        let app = push_fn(|inp, out, _err, _env| {
            let mut body = Vec::new();
            let error = inp.read_to_end(&mut body).unwrap_err();
            let again = inp.read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), again.kind());
            write!(out, "A: 1\n\n{}, then {error}", String::from_utf8_lossy(&body))
        });
        block_on(async {
            let (sender, body) = pieces();
            sender.send(Ok("some".into())).unwrap();
            sender.send(Err(io::Error::new(io::ErrorKind::ConnectionReset, "gone"))).unwrap();
            let answer = collect(ask(&mut service(engine, app), request("POST", "/", body)).await).await;
            assert_eq!(answer.text(), "some, then gone");
        });
    }

    /// Requirement 16: a client that does not read blocks the program.
    fn requirement_16_a_stalled_client_blocks_the_program(engine) {
        let (say, hear) = channel();
        let app = push_fn(move |_inp, out, _err, _env| {
            out.write_all(b"A: 1\n\n")?;
            for n in 0..1000 {
                out.write_all(&[b'x'; 10_000])?;
                say.send(n).unwrap();
            }
            Ok(())
        });
        block_on(async {
            let response = ask(&mut service(engine.chunk_size(4096), app), get("/")).await;
            let mut body = response.into_body();
            let first = frame(&mut body).await.unwrap().unwrap();
            // At most the capacity of a queue and a chunk on each side.
            while let Ok(n) = hear.try_recv() {
                assert!(n < 50, "the program is {n} writes ahead");
            }
            let mut len = first.len();
            while let Some(chunk) = frame(&mut body).await {
                len += chunk.unwrap().len();
                while let Ok(n) = hear.try_recv() {
                    assert!(n * 10_000 < len + 500_000, "the program is at write {n}, its client at byte {len}");
                }
            }
            assert_eq!(len, 10_000_000);
        });
    }

    /// Every wait releases the head, whatever it is for.
    fn a_wait_for_something_else_releases_the_head(engine) {
        let (mut writer, chunks) = pushpull::pipe(100);
        let chunks = std::sync::Mutex::new(Some(chunks));
        let app = push_fn(move |inp, out, _err, _env| {
            // A wait before the head does not count.
            inp.read_exact(&mut [0])?;
            out.write_all(b"Content-Type: text/event-stream\n\n")?;
            let chunks = chunks.lock().unwrap().take().unwrap();
            for chunk in chunks {
                out.write_all(&chunk?)?;
            }
            Ok(())
        });
        block_on(async {
            let (sender, body) = pieces();
            let mut service = service(engine, app);
            let mut asked = Box::pin(ask(&mut service, request("POST", "/", body)));
            std::future::poll_fn(|context| {
                assert!(asked.as_mut().poll(context).is_pending());
                std::task::Poll::Ready(())
            })
            .await;
            sender.send(Ok("1".into())).unwrap();
            let response = asked.await;
            assert_eq!(response.headers()["content-type"], "text/event-stream");
            assert!(!response.body().is_end_stream());
            writer.write_bytes(Bytes::from_static(b"event")).unwrap();
            writer.finish().unwrap();
            assert_eq!(collect(response).await.text(), "event");
        });
    }
}
