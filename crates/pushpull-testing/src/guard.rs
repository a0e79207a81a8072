//! Something that a program owns, and that says when it goes.

use std::sync::mpsc::{Receiver, Sender, channel};

pub struct Guard(Sender<()>);

/// Tells when its guard was dropped.
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
    /// Waits until the guard is gone.
    pub fn wait(&self) {
        self.0.recv().expect("a guard that goes says so");
    }

    /// Whether the guard is gone already.
    pub fn is_gone(&self) -> bool {
        self.0.try_recv().is_ok()
    }
}
