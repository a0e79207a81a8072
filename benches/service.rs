//! What does a response cost a server, when its body is written in small pieces?
//!
//! A push app writes 1 KiB at a time. It is served by hyper over HTTP/1.1 on kept connections: as a service on `Local`,
//! and by what people write by hand (`spawn_blocking` and a channel, with and without a buffer in between). Each server is
//! a process of its own with one thread for its connections; the load comes from this process. What counts is the
//! processor time that the server has used for a request, all its threads together, taken pair by pair in turn.
//!
//! `cargo bench --bench service`

#[path = "service/by_hand.rs"]
mod by_hand;
#[path = "service/load.rs"]
mod load;
#[path = "service/server.rs"]
mod server;

use server::{Contender, Server};

/// How many connections ask at once.
const CONNECTIONS: usize = 16;

/// How often each contender has its turn.
const ROUNDS: usize = 7;

fn main() {
    let mut arguments = std::env::args().skip(1);
    match arguments.next().as_deref() {
        Some("--serve") => server::serve(&arguments.next().expect("--serve takes a contender")),
        // What `cargo bench -- --test` asks for: that it works.
        Some("--test") => compare(1, 200),
        _ => compare(ROUNDS, 20_000),
    }
}

fn compare(rounds: usize, requests: usize) {
    for kib in [8, 1024] {
        // A mebibyte costs what thirty-two short ones do.
        let requests = if kib > 100 { requests / 10 } else { requests };
        println!("{kib} KiB in writes of 1 KiB, {CONNECTIONS} connections, {requests} requests a round");
        let servers: Vec<Server> = Contender::ALL.map(|contender| Server::start(contender, kib)).into();
        let mut costs: Vec<Vec<f64>> = vec![Vec::new(); servers.len()];
        for round in 0..=rounds {
            for (server, costs) in servers.iter().zip(&mut costs) {
                let before = server.cpu();
                load::run(server.address, CONNECTIONS, requests, kib * 1024);
                let cost = (server.cpu() - before).as_secs_f64() * 1e6 / requests as f64;
                // The first round warms up.
                if round > 0 || rounds == 1 {
                    costs.push(cost);
                }
            }
        }
        report(&costs);
    }
}

fn report(costs: &[Vec<f64>]) {
    let ours = &costs[0];
    for (contender, costs) in Contender::ALL.iter().zip(costs) {
        let mut ratios: Vec<f64> = ours.iter().zip(costs).map(|(ours, theirs)| ours / theirs).collect();
        ratios.sort_by(f64::total_cmp);
        let mut costs = costs.clone();
        costs.sort_by(f64::total_cmp);
        println!(
            "  {:32} {:8.1} µs a request ({:.1} to {:.1}), Local / this {:.2} ({:.2} to {:.2})",
            contender.name(),
            costs[costs.len() / 2],
            costs[0],
            costs[costs.len() - 1],
            ratios[ratios.len() / 2],
            ratios[0],
            ratios[ratios.len() - 1],
        );
    }
}
