//! What a target without coroutines refuses.

use pushpull::{Local, Pool};

fn main() {
    let _ = Local::new();
    let _ = Pool::new(1);
    let _ = Pool::global();
}
