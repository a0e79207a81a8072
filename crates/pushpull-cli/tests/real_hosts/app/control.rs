//! The application's end of the control connection to the test.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The connection. The test sees it close when the application ends.
pub struct Control(TcpStream);

impl Control {
    pub fn connect(port: u16) -> io::Result<Control> {
        TcpStream::connect(("127.0.0.1", port)).map(Control)
    }

    /// Waits for the next byte from the test. Returns `false` at the end.
    pub fn go_on(&mut self) -> io::Result<bool> {
        Ok(self.0.read(&mut [0])? == 1)
    }

    /// Reports how many bytes have been written or read.
    pub fn tell(&mut self, count: u64) -> io::Result<()> {
        self.0.write_all(&count.to_le_bytes())
    }
}
