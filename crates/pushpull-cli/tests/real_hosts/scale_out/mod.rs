//! `examples/scale-out`: balancers of others before several responders, one of which is killed, or stopped, under load.

mod balancer;
mod killed;
mod load;
mod run;
mod stopped;
