//! `examples/scale-out`: balancers of others before several responders, one of which is killed, or stopped, under load.

#[path = "scale_out/balancer.rs"]
mod balancer;
#[path = "real_hosts/client.rs"]
#[allow(dead_code, reason = "the tests of single servers use more of it")]
mod client;
#[path = "scale_out/killed.rs"]
mod killed;
#[path = "scale_out/load.rs"]
mod load;
#[path = "support/needed.rs"]
mod needed;
#[path = "real_hosts/pattern.rs"]
#[allow(dead_code, reason = "the application writes it")]
mod pattern;
#[path = "real_hosts/responder.rs"]
#[allow(dead_code, reason = "the tests of single servers use more of it")]
mod responder;
#[path = "scale_out/run.rs"]
mod run;
#[path = "real_hosts/server.rs"]
#[allow(dead_code, reason = "the tests of single servers use more of it")]
mod server;
#[path = "scale_out/stopped.rs"]
mod stopped;
#[path = "real_hosts/watch.rs"]
#[allow(dead_code, reason = "the tests of single servers use more of it")]
mod watch;
