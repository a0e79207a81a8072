//! Faults that the server has to survive without leaking anything.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::thread;

use super::host::{Made, Scripts, Serving, wait_until};
use pushpull_testing::wire::{Wire, exchange};

const FAULTS: &str = r#"
case $PATH_INFO in
/silent) exec sleep 1000 ;;
/headed) printf 'Content-Type: text/plain\n\nfirst\n'; exec sleep 1000 ;;
/endless) printf 'Content-Type: text/plain\n\n'; exec cat /dev/zero ;;
/echo) printf 'Content-Type: text/plain\n\n'; exec cat ;;
*) printf 'Content-Type: text/plain\n\nhello' ;;
esac
"#;

/// The states in which a client can disconnect.
const STATES: [fn(Wire); 10] = [
    // Before the first byte.
    |_| {},
    // Within the head.
    |mut wire| {
        wire.send("GET / HTTP/1.1\r\nHost");
    },
    // Within a body that is spooled.
    |mut wire| {
        wire.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").send([b'x'; 100_000]);
    },
    // Right after the request, before the program has started.
    |mut wire| {
        wire.send("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
    },
    // While the program is silent, before its first byte.
    |mut wire| {
        wire.send("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
        wire.reset();
    },
    // Half-closed.
    |mut wire| {
        wire.send("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n");
        wire.half_close();
        assert_eq!(wire.rest().text, b"");
    },
    // After the head of the response.
    |mut wire| drop(wire.send("GET /headed HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n")),
    // Within the body of the response.
    |mut wire| {
        wire.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
        wire.0.read_exact(&mut [0; 100_000]).unwrap();
    },
    // After the response.
    |mut wire| drop(wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("hello")),
    // With unread bytes behind a request.
    |mut wire| {
        wire.send("POST /headed HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n").send([b'x'; 100_000]);
        wire.until("first\n\r\n");
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    },
];

#[test]
fn requirement_14_1000_clients_disconnect_in_each_state_and_nothing_leaks() {
    let scripts = Scripts::new();
    let program = scripts.sh("faults", FAULTS);
    for how in ["spool", "stream"] {
        let serving = Serving::start(&["--request-body", how, "--", &program]);
        let answers = || exchange(serving.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").chunks();
        // Let the server create everything that it creates only once.
        STATES.iter().for_each(|leave| leave(Wire::connect(serving.address)));
        assert_eq!(answers(), (b"hello".to_vec(), true));
        let before = Made::at_rest(&serving);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..250 {
                        STATES.iter().for_each(|leave| leave(Wire::connect(serving.address)));
                    }
                });
            }
        });
        assert_eq!(answers(), (b"hello".to_vec(), true));
        let now = before.regained(&serving);
        println!("{how}: {now:?}, {} KiB", serving.status("VmRSS:"));
    }
}

#[test]
fn requirement_14_after_200_aborted_downloads_a_normal_request_is_answered() {
    let scripts = Scripts::new();
    // No more aborted programs at a time than the limit allows.
    let serving = Serving::start(&["--max-programs", "8", "--", &scripts.sh("faults", FAULTS)]);
    let mut served = 0;
    while served < 200 {
        let mut wire = Wire::connect(serving.address);
        let head = wire.send("GET /endless HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
        if head.contains(" 503 ") {
            // The previous programs are still being stopped.
            continue;
        }
        wire.0.read_exact(&mut [0; 1_000_000]).unwrap();
        served += 1;
    }
    wait_until("the programs end", || serving.children().is_empty());
    let got = exchange(serving.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert_eq!(got.chunks(), (b"hello".to_vec(), true));
    assert_eq!(serving.requests.wait_for(" gone", 200).len(), 200);
}

#[test]
fn requirement_16_100_stalled_responses_keep_the_memory_flat() {
    let scripts = Scripts::new();
    let program =
        scripts.sh("gibibyte", "printf 'Content-Length: 1073741824\\n\\n'; exec head -c 1073741824 /dev/zero");
    let serving = Serving::start(&["--", &program]);
    let stall = || {
        let mut wire = Wire::narrow(serving.address);
        wire.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").until("\r\n\r\n");
        wire
    };
    let first = stall();
    let before = serving.status("VmRSS:");
    let stalled: Vec<_> = (0..100).map(|_| stall()).collect();
    let mut last = 0;
    wait_until("the memory stays", || {
        thread::sleep(std::time::Duration::from_millis(200));
        let now = serving.status("VmRSS:");
        std::mem::replace(&mut last, now) == now
    });
    println!("{before} KiB with one, {last} KiB with a hundred more");
    // 100 GiB would follow. The buffers bound what the server holds of a response.
    assert!(last < before + 100 * 512, "{before} KiB became {last}");
    drop((first, stalled));
    wait_until("the programs end", || serving.children().is_empty());
}

#[test]
fn requirement_15_a_killed_program_truncates_its_response() {
    let scripts = Scripts::new();
    let program = scripts.sh("dies", "printf 'Content-Type: text/plain\\n\\n'; head -c 3000000 /dev/zero; kill -9 $$");
    let serving = Serving::start(&["--", &program]);
    let got = exchange(serving.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let (body, whole) = got.chunks();
    assert_eq!((body.len(), whole), (3_000_000, false));
    let got = exchange(serving.address, "GET / HTTP/1.0\r\n\r\n");
    assert_eq!((got.body().len(), got.error), (3_000_000, Some(std::io::ErrorKind::ConnectionReset)));
}

#[test]
fn requirement_7_a_client_that_sends_first_gets_the_response_of_a_program_that_reads_nothing() {
    let scripts = Scripts::new();
    let program = scripts.sh("deaf", "printf 'Content-Type: text/plain\\n\\n'; exec head -c 3000000 /dev/zero");
    let serving = Serving::start(&["--request-body", "stream", "--", &program]);
    let mut wire = Wire::connect(serving.address);
    wire.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10000000\r\nConnection: close\r\n\r\n");
    wire.0.write_all(&vec![b'x'; 10_000_000]).unwrap();
    let (body, whole) = wire.rest().chunks();
    assert_eq!((body.len(), whole), (3_000_000, true));
}

#[test]
fn requirement_13_a_request_beyond_max_programs_is_503_at_once() {
    let scripts = Scripts::new();
    let serving = Serving::start(&["--max-programs", "1", "--", &scripts.sh("faults", FAULTS)]);
    let mut wire = Wire::connect(serving.address);
    wire.send("GET /headed HTTP/1.1\r\nHost: a\r\n\r\n").until("first\n\r\n");
    let ask = || exchange(serving.address, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").status();
    assert_eq!(ask(), 503);
    let _ = wire.0.shutdown(Shutdown::Both);
    wait_until("there is room again", || ask() == 200);
}
