//! Three responders behind a balancer, with the configuration of the example.

use std::fs;
use std::process::Command;

use crate::client::Client;
use crate::responder::Responder;
use crate::server::Server;
use pushpull_testing::needed::{place, there};

/// The responder that is killed or stopped.
pub const VICTIM: u64 = 2;

const HOSTS: [&str; 3] = ["127.0.0.2", "127.0.0.3", "127.0.0.4"];

pub struct Balanced {
    balancer: Server,
    pub responders: Vec<Responder>,
}

impl Balanced {
    pub fn nginx() -> Option<Balanced> {
        there(&["nginx"]).then(|| {
            Balanced::start("fastcgi", "nginx.conf", |config, directory| {
                let mut command = Command::new(place("nginx").unwrap());
                command.arg("-p").arg(directory).args(["-e", "stderr", "-c"]).arg(config);
                command
            })
        })
    }

    pub fn haproxy() -> Option<Balanced> {
        there(&["haproxy"]).then(|| {
            Balanced::start("http", "haproxy.cfg", |config, _| {
                let mut command = Command::new(place("haproxy").unwrap());
                command.arg("-f").arg(config);
                command
            })
        })
    }

    fn start(
        protocol: &str,
        config: &str,
        command: impl Fn(&std::path::Path, &std::path::Path) -> Command,
    ) -> Balanced {
        let options = ["--health", "/health", "--shutdown-notice", "3", "--shutdown-grace", "60"];
        let responders = HOSTS.map(|host| Responder::serve_at(host, protocol, &options)).into();
        let text =
            fs::read_to_string(format!("{}/../../examples/scale-out/{config}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let with_addresses = |text: String, (host, responder): (&&str, &Responder)| {
            let meant = format!("{host}:9000");
            assert!(text.contains(&meant), "{meant} is not in {config}");
            text.replace(&meant, &responder.address)
        };
        let text = HOSTS.iter().zip(&responders).fold(text, with_addresses);
        let balancer = Server::start(|place| {
            let text = text.replace("127.0.0.1:8090", &format!("127.0.0.1:{}", place.port));
            command(&place.write(config, &text), place.directory)
        });
        Balanced { balancer, responders }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.balancer.address)
    }

    /// Returns the responder with the number [`VICTIM`].
    pub fn victim(&mut self) -> &mut Responder {
        &mut self.responders[0]
    }
}
