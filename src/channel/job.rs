//! A program as its bridge's ends hold it until it is asked for: something to be started.

use std::io;
use std::sync::Arc;

use super::Channel;
use crate::options::Options;

/// To be run once: by an engine that is ready for it, or else with the reason why it cannot run, which its host is told.
///
/// It is what `FnOnce` is, but that the box is gone while it runs: a program that waits holds its closure on its stack alone.
pub(crate) trait Job: Send {
    /// Sees to it that it runs. Does not wait for it.
    ///
    /// # Errors
    ///
    /// What the system says when it has no thread to give, or that the pool was shut down. The program is dropped then.
    fn launch(self: Box<Self>) -> io::Result<()>;

    /// Runs it here. Its engine has entered its channel.
    fn run(self: Box<Self>, ready: io::Result<()>);

    /// The channel of its bridge.
    fn channel(&self) -> &Arc<Channel>;

    /// What its engine has to know of it.
    fn options(&self) -> &Options;
}
