//! One trait over both shapes of application, for the code that runs them.

use std::io::{self, Write};

use super::input::Input;
use super::output::Output;
use super::shapes::{PullApp, PushApp};
use crate::cgi::environ::Environ;
use crate::cgi::head::ResponseHead;
use crate::cgi::request;
use pushpull::BridgeWriter;

/// The maximum length of a last block that is copied, so that the host learns the response's length.
const MAX_COPIED: usize = 16 * 1024;

/// An app of either shape. The compiler infers `K`, which is [`Push`] or [`Pull`].
///
/// Every [`PushApp`] and [`PullApp`] is an `App`. The trait cannot be implemented outside this crate.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an application",
    label = "expected a `PushApp` or a `PullApp`",
    note = "`push_fn` makes an application from a closure `|inp, out, err, env|`, and `pull_fn` from a closure `|request|`"
)]
pub trait App<K>: 'static {
    #[doc(hidden)]
    fn answer<W: BridgeWriter>(&self, input: Input, out: &mut Output<W>, env: &Environ) -> io::Result<()>;
}

/// The `K` of a [`PushApp`].
#[derive(Debug)]
pub enum Push {}

/// The `K` of a [`PullApp`].
#[derive(Debug)]
pub enum Pull {}

impl<A: PushApp> App<Push> for A {
    fn answer<W: BridgeWriter>(&self, mut input: Input, out: &mut Output<W>, env: &Environ) -> io::Result<()> {
        self.run(&mut input, out, &mut env.error_log(), env)
    }
}

impl<A: PullApp> App<Pull> for A {
    /// Passes on the head without formatting it, and blocks without copying them. A short block that is known to be the
    /// last is copied. It then arrives together with the end, so that the host knows the response's length.
    fn answer<W: BridgeWriter>(&self, input: Input, out: &mut Output<W>, env: &Environ) -> io::Result<()> {
        let (parts, mut blocks) = self.handle(request::of_meta_variables(env, input)?)?.into_parts();
        out.begin(ResponseHead::of_response(&parts));
        while let Some(block) = blocks.next() {
            let block = block?;
            if block.len() <= MAX_COPIED && blocks.size_hint().1 == Some(0) {
                out.write_all(&block)?;
            } else {
                out.hand(block)?;
            }
        }
        Ok(())
    }
}
