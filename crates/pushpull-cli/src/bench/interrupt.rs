//! SIGINT: the first ends it after the run that is going on, and says so; the second at once.

use std::io;
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime;
use tokio::signal::unix::{SignalKind, signal};

/// What a shell gives for a process that SIGINT has ended.
pub const EXIT_CODE: u8 = 130;

#[derive(Debug, Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// `tell` says what the first one does.
    ///
    /// # Errors
    ///
    /// When the signal cannot be listened for.
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
                // First, for the end has words of its own.
                tell("interrupted: it ends after this measurement; a second interrupt ends it now");
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
