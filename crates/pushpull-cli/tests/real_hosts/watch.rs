//! The test's end of the control connection to the application.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use socket2::SockRef;

use super::server::{DEADLINE, wait_until};

pub struct Watch(TcpListener);

impl Watch {
    pub fn new() -> Watch {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        SockRef::from(&listener).set_read_timeout(Some(DEADLINE)).unwrap();
        Watch(listener)
    }

    pub fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }

    /// Returns `true` if no other application has started.
    pub fn is_quiet(&self) -> bool {
        self.0.set_nonblocking(true).unwrap();
        let next = self.0.accept();
        self.0.set_nonblocking(false).unwrap();
        next.is_err()
    }

    /// Waits for an application that has started.
    pub fn begun(&self) -> Watched {
        let stream = self.0.accept().expect("no application has started").0;
        let (count, mut counting) = (Arc::new(AtomicU64::new(0)), stream.try_clone().unwrap());
        let (told, (over, end)) = (count.clone(), channel());
        thread::spawn(move || {
            let mut number = [0; 8];
            while counting.read_exact(&mut number).is_ok() {
                told.store(u64::from_le_bytes(number), Ordering::SeqCst);
            }
            let _ = over.send(());
        });
        Watched { stream, count, end }
    }
}

pub struct Watched {
    stream: TcpStream,
    count: Arc<AtomicU64>,
    end: Receiver<()>,
}

impl Watched {
    pub fn go_on(&mut self) {
        self.stream.write_all(b"!").unwrap();
    }

    /// Returns the last message: the number of bytes written or read, or the number of the responder.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }

    /// Waits for a message, and returns the last one.
    pub fn said(&self) -> u64 {
        wait_until("the application says something", || self.count() > 0);
        self.count()
    }

    /// Waits until the application has ended.
    pub fn gone(&self) {
        self.end.recv_timeout(DEADLINE).expect("the application is still running");
    }
}
