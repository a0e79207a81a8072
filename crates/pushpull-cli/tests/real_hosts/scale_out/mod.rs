//! `examples/scale-out`: balancers in front of several responders, one of which is killed or stopped under load.

mod balancer;
mod killed;
mod load;
mod run;
mod stopped;
