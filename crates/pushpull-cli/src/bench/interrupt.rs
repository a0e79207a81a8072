//! SIGINT: the first one stops after the current measurement, the second one exits immediately.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// The exit code that shells report for a process ended by SIGINT.
pub const EXIT_CODE: u8 = 130;

#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Listens for SIGINT. `tell` prints a message at the first signal.
    ///
    /// # Errors
    ///
    /// Returns an error if the signal handler cannot be installed.
    pub fn on_signal(tell: impl Fn(&str) + Send + 'static) -> io::Result<Interrupt> {
        let interrupt = Interrupt(Arc::default());
        let told = interrupt.0.clone();
        let runtime = runtime::Builder::new_current_thread().enable_io().build()?;
        let mut interrupted = {
            let _context = runtime.enter();
            signal(SignalKind::interrupt())?
        };
        thread::Builder::new().name("signals".into()).spawn(move || {
            runtime.block_on(async {
                interrupted.recv().await;
                // Print before the flag is set: the main thread prints its own message once it sees the flag.
                tell("interrupted: stopping after this measurement; interrupt a second time to stop now");
                told.store(true, Ordering::Relaxed);
                interrupted.recv().await;
                process::exit(EXIT_CODE.into());
            });
        })?;
        Ok(interrupt)
    }

    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
