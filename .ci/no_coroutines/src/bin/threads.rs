//! What works everywhere.

use std::io::{self, Write};
use std::thread;

use pushpull::{Thread, pipe};

fn main() -> io::Result<()> {
    let mut chunks = Thread::new().chunk_size(4).capacity(8).pull(|w| w.write_all(b"hello, threads"));
    chunks.head().wait()?;
    assert_eq!(chunks.collect::<Result<Vec<_>, _>>()?.concat(), b"hello, threads");

    let mut feed = Thread::new().push(|r| io::copy(r, &mut io::sink()));
    feed.write_all(b"hello")?;
    assert_eq!(feed.finish()?, 5);

    let (mut writer, chunks) = pipe(4);
    let puller = thread::spawn(move || chunks.map(|chunk| chunk.unwrap().len()).sum::<usize>());
    writer.write_all(b"hello, pipe")?;
    writer.finish()?;
    assert_eq!(puller.join().unwrap(), 11);
    Ok(())
}
