//! What does a response cost a server if its body is written in small pieces, and what do clients cost that do not
//! read?
//!
//! A program writes 1 KiB at a time. hyper and axum serve it over HTTP/1.1 on kept connections. The contenders are each
//! engine, a service of the gateway, and code written by hand (`spawn_blocking` and a channel, with and without a
//! buffer). The lower bound is the whole body in memory (`Full`).
//!
//! Server and load are separate processes, and every byte is checked. The figure is the processor time of all threads
//! of the server per request. The ratios are taken within each turn.
//!
//! `cargo bench --bench http` runs both parts, `-- requests` or `-- stalled` one of them. `-- --beside NAME PROGRAM`
//! measures another server too. It has to print its address and answer `/8` with 8 KiB, as in `benches/go.sh`.

mod by_axum;
mod by_hand;
mod by_hyper;
mod load;

use std::io;
use std::process::Command;
use std::time::Duration;

use by_hyper::Contender;
use load::Stalled;
use load::server::Server;
use pushpull_bench::Spread;

/// The number of connections at once.
const CONNECTIONS: usize = 16;

/// The sizes of bodies, in KiB.
const BODIES: [usize; 5] = [8, 64, 256, 1024, 4096];

/// The limit of what the kernel holds for a client that reads nothing. Its default is megabytes.
const SEND_BUFFER: usize = 64 << 10;

/// The command line.
struct Asked {
    turns: usize,
    time: Duration,
    clients: usize,
    /// The parts to run; all if empty.
    parts: Vec<String>,
    beside: Option<(String, String)>,
}

impl Asked {
    fn new(arguments: Vec<String>) -> Asked {
        let mut asked =
            Asked { turns: 5, time: Duration::from_secs(2), clients: 5000, parts: Vec::new(), beside: None };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            match &argument[..] {
                // As with criterion: only check that the benchmark works.
                "--test" => (asked.turns, asked.time, asked.clients) = (1, Duration::from_millis(100), 50),
                "--seconds" => {
                    let seconds = arguments.next().and_then(|seconds| seconds.parse().ok());
                    asked.time = seconds.map_or(asked.time, Duration::from_secs_f64);
                }
                "--beside" => asked.beside = arguments.next().zip(arguments.next()),
                _ if argument.starts_with("--") => {}
                _ => asked.parts.push(argument),
            }
        }
        asked
    }

    fn wants(&self, part: &str) -> bool {
        self.parts.is_empty() || self.parts.iter().any(|wanted| wanted == part)
    }
}

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if load::main(&arguments)? || by_hyper::main(&arguments)? || by_axum::main(&arguments)? {
        return Ok(());
    }
    let asked = Asked::new(arguments);
    for kib in BODIES {
        if asked.wants("requests") || asked.wants(&format!("{kib}")) {
            requests(kib, &asked)?;
        }
    }
    if asked.wants("stalled") {
        stalled(&asked)?;
    }
    Ok(())
}

/// Starts the servers. The first is the one that others are compared with.
fn servers(asked: &Asked) -> io::Result<Vec<(String, Server)>> {
    let mut servers = Vec::new();
    for contender in Contender::ALL {
        servers.push((contender.name().to_owned(), Server::start(contender.name())?));
    }
    for kind in by_axum::Kind::ALL {
        servers.push((kind.name().to_owned(), by_axum::start(kind, None)?));
    }
    if let Some((name, program)) = &asked.beside {
        servers.push((name.clone(), Server::run(Command::new(program))?));
    }
    Ok(servers)
}

/// Measures the processor time per request.
fn requests(kib: usize, asked: &Asked) -> io::Result<()> {
    println!("{kib} KiB in writes of 1 KiB, {CONNECTIONS} connections: the server's time for a request");
    let (path, bytes) = (format!("/{kib}"), kib << 10);
    let servers = servers(asked)?;
    for (_, server) in &servers {
        load::ask(server.address, &path, bytes, CONNECTIONS, asked.time / 4)?;
    }
    let mut costs = vec![Vec::new(); servers.len()];
    for _ in 0..asked.turns {
        for ((_, server), costs) in servers.iter().zip(&mut costs) {
            let before = server.cpu()?;
            let seen = load::ask(server.address, &path, bytes, CONNECTIONS, asked.time)?;
            costs.push((server.cpu()? - before).as_secs_f64() * 1e6 / seen.requests.max(1) as f64);
        }
    }
    for ((name, _), theirs) in servers.iter().zip(&costs) {
        let (Some(cost), Some(ratio)) = (Spread::of(theirs), Spread::of_ratios(theirs, &costs[0])) else { continue };
        println!(
            "  {name:34} {:8.1} µs ({:.1} to {:.1}), {:.2} x of {} ({:.2} to {:.2})",
            cost.middle, cost.low, cost.high, ratio.middle, servers[0].0, ratio.low, ratio.high
        );
    }
    Ok(())
}

/// Measures the threads, and the latency of other clients, beside clients that read nothing.
fn stalled(asked: &Asked) -> io::Result<()> {
    println!("{} stalled clients, and 4 that read 8 KiB", asked.clients);
    for kind in [by_axum::Kind::Pool, by_axum::Kind::Blocking] {
        let server = by_axum::start(kind, Some(SEND_BUFFER))?;
        let alone = load::ask(server.address, "/8", 8 << 10, 4, asked.time)?;
        let stalled = Stalled::start(server.address, by_axum::ENDLESS, asked.clients)?;
        server.settle()?;
        let beside = load::ask(server.address, "/8", 8 << 10, 4, asked.time)?;
        let threads = server.threads()?;
        drop(stalled);
        let told = |seen: load::Seen| match seen.requests {
            0 => "none answered".to_owned(),
            _ => format!("{} µs ({} µs at the 99th)", seen.middle, seen.slow),
        };
        println!("  {}: {threads} threads; others {}, before {}", kind.name(), told(beside), told(alone));
    }
    Ok(())
}
