//! What does a response cost that axum sends while a program writes it, and what do clients cost that do not read?
//!
//! A program on a `Pool`, beside `spawn_blocking` with a channel as people write it by hand: the same axum, the same
//! runtime, the same bodies of small writes, in turns. Server, load and stalled clients are a process each, on the
//! loopback, and every byte is checked.
//!
//! `cargo bench --bench axum`, or `-- requests` or `-- stalled` for one of the two

mod baseline;
mod load;
#[path = "axum/serve.rs"]
mod serve;

use std::io;
use std::time::Duration;

use load::Stalled;
use serve::Kind;

const CONNECTIONS: usize = 64;

/// How much the kernel may hold for a client that reads nothing. Left to itself it takes megabytes for each.
const SEND_BUFFER: usize = 64 << 10;

/// Bodies, by the path that gives them.
const BODIES: [(&str, &str, usize); 2] = [("8 KiB", "/8k", 8 << 10), ("1 MiB", "/1m", 1 << 20)];

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if load::main(&arguments)? || serve::main(&arguments)? {
        return Ok(());
    }
    // As criterion does it: only to see that it works.
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let (turns, time, clients) = if is_test { (1, 200, 50) } else { (4, 3000, 5000) };
    let wanted = |name: &str| arguments.iter().all(|argument| argument.starts_with("--") || argument == name);
    if wanted("requests") {
        per_request(turns, Duration::from_millis(time))?;
    }
    if wanted("stalled") {
        stalled(clients, Duration::from_millis(time))?;
    }
    Ok(())
}

/// Server CPU for each request.
fn per_request(turns: usize, time: Duration) -> io::Result<()> {
    println!("server CPU per request, {CONNECTIONS} keep-alive connections");
    for (name, path, bytes) in BODIES {
        let [pool, blocking] = [Kind::Pool, Kind::Blocking].map(|kind| serve::start(kind, None));
        let servers = [pool?, blocking?];
        let mut sums = [(0_u64, Duration::ZERO); 2];
        for server in &servers {
            load::ask(server.address, path, bytes, CONNECTIONS, time / 4)?;
        }
        for _ in 0..turns {
            for (server, (requests, cpu)) in servers.iter().zip(&mut sums) {
                let before = server.cpu()?;
                let seen = load::ask(server.address, path, bytes, CONNECTIONS, time)?;
                *requests += seen.requests;
                *cpu += server.cpu()? - before;
            }
        }
        let [pool, blocking] = sums.map(|(requests, cpu)| cpu.as_secs_f64() * 1e6 / requests.max(1) as f64);
        println!("  {name}: Pool {pool:.1} µs, spawn_blocking + mpsc {blocking:.1} µs, ratio {:.2}", pool / blocking);
    }
    Ok(())
}

/// Threads, and the latency of others, beside clients that read nothing.
fn stalled(clients: usize, time: Duration) -> io::Result<()> {
    println!("{clients} stalled clients, and 4 that read 8 KiB");
    for kind in [Kind::Pool, Kind::Blocking] {
        let server = serve::start(kind, Some(SEND_BUFFER))?;
        let alone = load::ask(server.address, "/8k", 8 << 10, 4, time)?;
        let stalled = Stalled::start(server.address, "/endless", clients)?;
        server.settle()?;
        let beside = load::ask(server.address, "/8k", 8 << 10, 4, time)?;
        let threads = server.threads()?;
        drop(stalled);
        let told = |seen: load::Seen| match seen.requests {
            0 => "none answered".to_owned(),
            _ => format!("{} µs ({} µs at the 99th)", seen.middle, seen.slow),
        };
        println!("  {kind:?}: {threads} threads; others {}, before {}", told(beside), told(alone));
    }
    Ok(())
}
