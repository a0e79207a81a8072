//! A known sequence of bytes: noise whose length matches no buffer size, repeated, so that missing, doubled or
//! misplaced bytes are detected.

use std::io::{self, Write};
use std::sync::OnceLock;

/// A prime.
const LEN: usize = 65_521;

pub fn block() -> &'static [u8] {
    static BLOCK: OnceLock<Vec<u8>> = OnceLock::new();
    BLOCK.get_or_init(|| {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let next = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        };
        (0..LEN).map(next).collect()
    })
}

/// Writes the first `size` bytes.
pub fn write(out: &mut (impl Write + ?Sized), size: u64) -> io::Result<()> {
    let mut left = size;
    while left > 0 {
        let now = left.min(LEN as u64) as usize;
        out.write_all(&block()[..now])?;
        left -= now as u64;
    }
    Ok(())
}

/// A sink that accepts only these bytes.
#[derive(Default)]
pub struct Checked(u64);

impl Checked {
    pub fn bytes(&self) -> u64 {
        self.0
    }
}

impl Write for Checked {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let expected = &block()[(self.0 % LEN as u64) as usize..];
        let len = buf.len().min(expected.len());
        if buf[..len] != expected[..len] {
            let text = format!("after {} bytes comes {}", self.0, buf[..len.min(40)].escape_ascii());
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        self.0 += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
