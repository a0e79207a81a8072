//! A program before it starts, as held by its bridge's end.

use std::io;
use std::sync::Arc;

use super::Channel;
use crate::options::Options;

/// A program to run once. An engine runs it, or reports to its host why it cannot run.
///
/// A `Job` differs from a boxed `FnOnce` in one point: the box is freed while the program runs. A waiting program's
/// closure exists only on its stack.
pub(crate) trait Job: Send {
    /// Starts the program elsewhere, without waiting for it.
    ///
    /// # Errors
    ///
    /// Returns the system's error if there is no thread, or an error if the pool was shut down. The program is then
    /// dropped.
    fn launch(self: Box<Self>) -> io::Result<()>;

    /// Runs the program here. The engine has entered the program's channel.
    fn run(self: Box<Self>, ready: io::Result<()>);

    fn channel(&self) -> &Arc<Channel>;

    fn options(&self) -> &Options;
}
