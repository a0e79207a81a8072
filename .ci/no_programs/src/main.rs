//! A program that needs what Windows does not have.

fn main() {
    let _ = pushpull_gateway::Script::new("hello");
}
