//! Law 7 where panics abort: a program that ignores that its bridge is closed is not unwound, which would end the process.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Sender, channel};

use pushpull::{Local, Pool, Thread};

const CALLS: usize = 1000;

fn writes_on(w: &mut dyn Write, tell: &Sender<usize>) -> io::Result<()> {
    let refused = (0..CALLS).filter(|_| w.write_all(&[7; 100]).is_err()).count();
    tell.send(refused).map_err(io::Error::other)
}

fn reads_on(r: &mut dyn Read, tell: &Sender<usize>) -> io::Result<()> {
    let refused = (0..CALLS).filter(|_| r.read(&mut [0; 8]).is_err()).count();
    tell.send(refused).map_err(io::Error::other)
}

fn main() {
    let (tell, told) = channel();
    macro_rules! left {
        ($engine:expr) => {
            let own = tell.clone();
            let mut chunks = $engine.pull(move |w| writes_on(w, &own));
            chunks.next();
            drop(chunks);
            assert!(told.recv().unwrap() > CALLS / 2);

            let own = tell.clone();
            let mut feed = $engine.push(move |r| reads_on(r, &own));
            feed.write_all(&[7; 100]).unwrap();
            drop(feed);
            assert!(told.recv().unwrap() > CALLS / 2);
        };
    }
    left!(Local::new().chunk_size(16));
    left!(Thread::new().chunk_size(16).capacity(64));
    left!(Pool::new(1).chunk_size(16).capacity(64));
    println!("all programs ended by themselves");
}
