//! What does a response cost a server, when its body is written in small pieces?
//!
//! A push app writes 1 KiB at a time. It is served by hyper over HTTP/1.1 on kept connections: as a service on each
//! engine, and by what people write by hand (`spawn_blocking` and a channel, with and without a buffer in between). Each
//! server is a process with one thread for its connections, and the load another; every byte is checked. What counts is
//! the processor time that the server has used for a request, all its threads together, and the ratio is taken turn by
//! turn.
//!
//! `cargo bench --bench service`

#[path = "service/by_hand.rs"]
mod by_hand;
mod load;
#[path = "service/serve.rs"]
mod serve;

use std::io;
use std::time::Duration;

use load::server::Server;
use serve::Contender;

/// How many connections ask at once.
const CONNECTIONS: usize = 16;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if load::main(&arguments)? || serve::main(&arguments)? {
        return Ok(());
    }
    // As criterion does it: only to see that it works.
    let is_test = arguments.iter().any(|argument| argument == "--test");
    let (turns, time) = if is_test { (1, 100) } else { (5, 2000) };
    for (path, kib) in [("/8", 8), ("/1024", 1024)] {
        println!("{kib} KiB in writes of 1 KiB, {CONNECTIONS} connections: the server's time for a request");
        compare(path, kib << 10, turns, Duration::from_millis(time))?;
    }
    Ok(())
}

fn compare(path: &str, bytes: usize, turns: usize, time: Duration) -> io::Result<()> {
    let servers = Contender::ALL.map(|contender| Server::start(contender.name()));
    let servers = servers.into_iter().collect::<io::Result<Vec<_>>>()?;
    for server in &servers {
        load::ask(server.address, path, bytes, CONNECTIONS, time / 4)?;
    }
    let mut costs = vec![Vec::new(); servers.len()];
    for _ in 0..turns {
        for (server, costs) in servers.iter().zip(&mut costs) {
            let before = server.cpu()?;
            let seen = load::ask(server.address, path, bytes, CONNECTIONS, time)?;
            costs.push((server.cpu()? - before).as_secs_f64() * 1e6 / seen.requests.max(1) as f64);
        }
    }
    for (contender, theirs) in Contender::ALL.iter().zip(&costs) {
        let ratios = costs[0].iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect();
        let [least, middle, most] = spread(theirs.clone());
        let [closest, ratio, farthest] = spread(ratios);
        println!(
            "  {:28} {middle:8.1} µs ({least:.1} to {most:.1}), Local / this {ratio:.2} ({closest:.2} to {farthest:.2})",
            contender.name()
        );
    }
    Ok(())
}

/// The least, the middle one and the most.
fn spread(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [values[0], values[values.len() / 2], values[values.len() - 1]]
}
