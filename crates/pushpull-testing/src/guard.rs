//! A value that a program owns, and that reports when it is dropped.

use std::sync::mpsc::{Receiver, Sender, channel};

pub struct Guard(Sender<()>);

/// A handle that reports when its guard is dropped.
pub struct Dropped(Receiver<()>);

pub fn guard() -> (Guard, Dropped) {
    let (sender, receiver) = channel();
    (Guard(sender), Dropped(receiver))
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

impl Dropped {
    /// Waits until the guard is dropped.
    pub fn wait(&self) {
        self.0.recv().expect("the guard was forgotten");
    }

    /// Returns `true` if the guard is dropped.
    pub fn is_gone(&self) -> bool {
        self.0.try_recv().is_ok()
    }
}
