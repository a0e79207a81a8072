//! This crate's own FastCGI responder upstream: both ends of the protocol together.

use std::io::Read;
use std::thread;

use pushpull::Local;
use pushpull_gateway::host::{Listener, Shutdown, fastcgi};
use pushpull_gateway::{push_fn, service};

use super::ask::{ask, collect, got, post, run, upstream};

#[test]
fn the_crates_own_responder_answers() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let server = fastcgi::Server::new(Listener::unix(&path).unwrap()).unwrap().threads(1);
    let shutdown = Shutdown::new();
    let stops = shutdown.clone();
    let serving = thread::spawn(move || {
        let app = push_fn(|inp, out, _err, env| {
            if env.get("PATH_INFO") == Some(b"/broken") {
                write!(out, "A: b\n\nhello")?;
                return Err(std::io::ErrorKind::Other.into());
            }
            let mut sum = 0_u64;
            let mut block = vec![0; 64 << 10];
            loop {
                match inp.read(&mut block)? {
                    0 => break,
                    read => sum += block[..read].iter().map(|byte| u64::from(*byte)).sum::<u64>(),
                }
            }
            write!(out, "X-Sum: {sum}\n\n")?;
            (0..100).try_for_each(|_| out.write_all(&[b'x'; 1 << 20]))
        });
        server.run(|| service(Local::new(), app), &shutdown)
    });
    run(async {
        let upstream = upstream(&format!("unix:{}", path.display()));
        for length in [0, 100 << 20] {
            let response = ask(&upstream, post("/", vec![1; length])).await;
            assert_eq!(response.headers()["x-sum"], length.to_string());
            let (bytes, error) = collect(response.into_body()).await;
            assert!(error.is_none() && bytes.len() == 100 << 20);
        }
        let (_, text, error) = got(&upstream, "/broken").await;
        assert_eq!((&text[..], error), ("hello", Some(std::io::ErrorKind::UnexpectedEof)));
    });
    stops.begin();
    serving.join().unwrap().unwrap();
}
