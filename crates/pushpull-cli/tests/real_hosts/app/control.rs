//! The line to the test, by which an application is told when to go on and says how far it is.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// As long as this is there, so is the application: the test sees it close.
pub struct Control(TcpStream);

impl Control {
    pub fn connect(port: u16) -> io::Result<Control> {
        TcpStream::connect(("127.0.0.1", port)).map(Control)
    }

    /// Waits for the next byte from the test. `false`: there will be none.
    pub fn go_on(&mut self) -> io::Result<bool> {
        Ok(self.0.read(&mut [0])? == 1)
    }

    /// Says how many bytes were written or read up to now.
    pub fn tell(&mut self, count: u64) -> io::Result<()> {
        self.0.write_all(&count.to_le_bytes())
    }
}
