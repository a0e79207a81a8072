//! `examples/scale-out/run`, with other ports.

use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;

use crate::client::Client;
use crate::server::{PUSHPULL, Place, Server, held_port, wait_until};
use pushpull_testing::needed::there;
use pushpull_testing::program;

fn runs(balancer: &str) {
    if !there(&[balancer]) {
        return;
    }
    let (_first, address) = held_port(Ipv4Addr::new(127, 0, 0, 2), 0);
    let free = address.port();
    let _others = [3, 4].map(|host| held_port(Ipv4Addr::new(127, 0, 0, host), free));
    let run = |place: &Place<'_>| {
        for name in ["run", "hello.cgi", "nginx.conf", "haproxy.cfg"] {
            let text =
                fs::read_to_string(format!("{}/../../examples/scale-out/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap();
            let text = text.replace(":9000", &format!(":{free}")).replace(":8090", &format!(":{}", place.port));
            program::write(place.file(name), text);
        }
        let mut command = Command::new(place.file("run"));
        command.arg(balancer).env("PUSHPULL", PUSHPULL);
        command
    };
    let server = Server::start(run);
    let mut seen = [false; 3];
    wait_until("each has answered", || {
        let (head, text) = Client::connect(server.address).get("/place");
        let text = text.unwrap();
        let who = text.strip_prefix("hello from 127.0.0.").and_then(|rest| rest.split(',').next()?.parse().ok());
        // The first response can come before all responders are ready.
        if let Some(who @ 2_usize..=4) = who.filter(|_| head.status == 200) {
            seen[who - 2] = true;
        }
        seen == [true; 3]
    });
    drop(server);
    // Killed processes end when they are scheduled.
    for host in 2..=4 {
        wait_until("all responders have stopped", || TcpStream::connect((format!("127.0.0.{host}"), free)).is_err());
    }
}

#[test]
fn with_nginx() {
    runs("nginx");
}

#[test]
fn with_haproxy() {
    runs("haproxy");
}
