//! How a response ends: cut visibly, limited to its length, stopped when the client disconnects.

use std::io::{self, Read};
use std::sync::mpsc::channel;

use http_body::Body;
use pushpull::Error;
use pushpull_gateway::{Environ, ErrorStream, push_fn, service};

use super::client::{ask, block_on, collect, frame, get, pieces, request, whole};
use pushpull_testing::guard::guard;

on_every_engine! {
    /// Requirement 15: a failure after the head cuts the response, after every byte that was written.
    fn requirement_15_a_failure_in_the_body_cuts_it(engine) {
        for panics in [false, true] {
            let app = push_fn(move |_inp, out, _err, _env| {
                out.write_all(b"A: 1\n\n")?;
                out.write_all(&[b'x'; 100_000])?;
                if panics {
                    panic!("a panic that the test wants");
                }
                Err(io::Error::new(io::ErrorKind::StorageFull, "no room"))
            });
            let answer = block_on(async { collect(ask(&mut service(engine.clone(), app), get("/")).await).await });
            assert_eq!((answer.status.as_u16(), answer.body.len()), (200, 100_000));
            let error = answer.error.expect("a cut answer looks whole");
            match panics {
                true => assert!(Error::of(&error).unwrap().is_panic()),
                false => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
            }
        }
    }

    /// Requirement 15: fewer bytes than the content length cut the response; more bytes are discarded.
    fn requirement_15_the_content_length_is_kept(engine) {
        for (written, cut) in [(9, true), (10, false), (11, false), (100_000, false)] {
            for flushed in [false, true] {
                let app = push_fn(move |_inp, out, _err, _env| {
                    write!(out, "Content-Length: 10\n\n")?;
                    for _ in 0..written {
                        out.write_all(b"x")?;
                        if flushed {
                            out.flush()?;
                        }
                    }
                    Ok(())
                });
                let answer = block_on(async { collect(ask(&mut service(engine.clone(), app), get("/")).await).await });
                assert_eq!(answer.exact, Some(10));
                assert_eq!((answer.body.len(), answer.error.is_some()), (written.min(10), cut), "{written} written");
            }
        }
    }

    /// Requirement 15: excess bytes are logged once.
    fn requirement_15_more_than_the_content_length_is_logged(engine) {
        for method in ["GET", "HEAD"] {
            let (say, hear) = channel();
            let app = push_fn(|_inp, out, _err, _env| {
                write!(out, "Content-Length: 4\n\nfour")?;
                (0..3).try_for_each(|_| write!(out, ", more").and_then(|()| out.flush()))
            });
            let mut request = request(method, "/x", whole(""));
            let errors = ErrorStream::new(move |line| say.send(line.to_owned()).unwrap());
            let mut env = Environ::new().with_error_log(errors);
            env.set("REQUEST_METHOD", method).unwrap();
            env.set("REQUEST_URI", "/x").unwrap();
            request.extensions_mut().insert(env);
            let answer = block_on(async { collect(ask(&mut service(engine.clone(), app), request).await).await });
            assert!(answer.error.is_none());
            // The last clone of the stream is dropped with the program.
            let told = "GET /x: the program wrote 18 bytes more than its content length";
            let told = if method == "GET" { vec![told] } else { Vec::new() };
            assert_eq!(hear.iter().collect::<Vec<_>>(), told);
        }
    }

    /// Requirement 14: a program that ends soon after its response is complete sees no disconnect.
    fn requirement_14_a_complete_answer_is_no_disconnect(engine) {
        // A write into a buffer, and one that is lent to the host.
        for length in [4, 100_000] {
            let (say, hear) = channel();
            let app = push_fn(move |_inp, out, _err, _env| {
                write!(out, "Content-Length: {length}\n\n")?;
                let written = out.write_all(&vec![b'x'; length]).and_then(|()| out.flush());
                say.send(written.is_ok()).unwrap();
                written
            });
            block_on(async {
                let response = ask(&mut service(engine.clone(), app), get("/")).await;
                let mut body = response.into_body();
                let mut seen = 0;
                while seen < length {
                    seen += frame(&mut body).await.unwrap().unwrap().len();
                }
                assert!(body.is_end_stream());
                drop(body);
            });
            assert!(hear.recv().unwrap(), "{length} bytes");
        }
    }

    /// Requirement 14: an endless program sees the disconnect.
    fn requirement_14_a_complete_answer_does_not_keep_its_program(engine) {
        let (held, dropped) = guard();
        let held = std::sync::Mutex::new(Some(held));
        let app = push_fn(move |_inp, out, _err, _env| {
            let _held = held.lock().unwrap().take();
            write!(out, "Content-Length: 4\n\n")?;
            loop {
                out.write_all(&[b'x'; 100_000])?;
            }
        });
        let answer = block_on(async { collect(ask(&mut service(engine, app), get("/")).await).await });
        assert_eq!((answer.text(), answer.error.is_none()), ("xxxx", true));
        dropped.wait();
    }

    /// Requirement 14: if the client disconnects in any state, the program stops and leaves nothing behind.
    fn requirement_14_a_disconnected_client_stops_the_program(engine) {
        // Before the first poll, in the head, in the body.
        for state in 0..3 {
            let (held, dropped) = guard();
            let held = std::sync::Mutex::new(Some(held));
            let app = push_fn(move |inp, out, _err, _env| {
                let _held = held.lock().unwrap().take();
                let mut byte = [0];
                inp.read_exact(&mut byte)?;
                out.write_all(b"A: 1\n\nbody")?;
                out.flush()?;
                inp.read_exact(&mut byte)
            });
            block_on(async {
                let (sender, body) = pieces();
                let mut service = service(engine.clone(), app);
                let mut asked = Box::pin(ask(&mut service, request("POST", "/", body)));
                if state == 1 {
                    std::future::poll_fn(|context| {
                        assert!(asked.as_mut().poll(context).is_pending());
                        std::task::Poll::Ready(())
                    })
                    .await;
                }
                if state == 2 {
                    sender.send(Ok("1".into())).unwrap();
                    let mut body = asked.as_mut().await.into_body();
                    assert_eq!(frame(&mut body).await.unwrap().unwrap(), "body");
                }
                drop(asked);
                drop(service);
            });
            dropped.wait();
        }
    }

    /// Law 7: a program that ignores the disconnect is unwound, whether it reads or writes.
    fn law_7_a_program_that_ignores_the_disconnect_is_unwound(engine) {
        for reads in [false, true] {
            let (held, dropped) = guard();
            let held = std::sync::Mutex::new(Some(held));
            let app = push_fn(move |inp, out, _err, _env| {
                let _held = held.lock().unwrap().take();
                out.write_all(b"A: 1\n\n")?;
                out.flush()?;
                loop {
                    let _ = if reads { inp.read(&mut [0; 10]) } else { out.write(&[b'x'; 10_000]) };
                }
            });
            // Kept to the end: at the end of its body the program would read on without an error.
            let (sender, body) = pieces();
            block_on(async {
                let response = ask(&mut service(engine.clone(), app), request("POST", "/", body)).await;
                let mut body = response.into_body();
                if reads {
                    sender.send(Ok("some".into())).unwrap();
                } else {
                    frame(&mut body).await.unwrap().unwrap();
                }
            });
            dropped.wait();
        }
    }

    /// Law 7: a program that ignores its invalid head is unwound too.
    fn law_7_a_program_that_ignores_its_bad_head_is_unwound(engine) {
        let app = push_fn(|_inp, out, _err, _env| loop {
            let _ = out.write(b"no field\n");
        });
        let answer = block_on(async { collect(ask(&mut service(engine, app), get("/")).await).await });
        assert_eq!(answer.status.as_u16(), 502);
    }

    /// A program notices the disconnect at its next write.
    fn a_write_after_the_client_disconnected_fails(engine) {
        let (say, hear) = channel();
        let app = push_fn(move |_inp, out, _err, _env| {
            out.write_all(b"A: 1\n\n")?;
            let error = loop {
                if let Err(error) = out.write_all(&[b'x'; 10_000]) {
                    break error;
                }
            };
            say.send(error.kind()).unwrap();
            Err(error)
        });
        block_on(async {
            let response = ask(&mut service(engine, app), get("/")).await;
            let mut body = response.into_body();
            frame(&mut body).await.unwrap().unwrap();
        });
        assert_eq!(hear.recv().unwrap(), io::ErrorKind::BrokenPipe);
    }
}
