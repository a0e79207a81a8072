//! The two kinds of apps as one, for whoever runs them.

use std::io::{self, Write};

use super::input::Input;
use super::output::Output;
use super::shapes::{PullApp, PushApp};
use crate::cgi::environ::Environ;
use crate::cgi::head::ResponseHead;
use crate::cgi::request;
use pushpull::BridgeWriter;

/// A longer block is not copied for the sake of a length.
const MAX_COPIED: usize = 16 * 1024;

/// An app of one of the two kinds, which `K` tells: both have a blanket implementation, and the compiler finds the one
/// that fits. It cannot be implemented elsewhere.
pub trait App<K>: 'static {
    #[doc(hidden)]
    fn answer<W: BridgeWriter>(&self, input: Input, out: &mut Output<W>, env: &Environ) -> io::Result<()>;
}

/// The kind of a [`PushApp`].
#[derive(Debug)]
pub enum Push {}

/// The kind of a [`PullApp`].
#[derive(Debug)]
pub enum Pull {}

impl<A: PushApp> App<Push> for A {
    fn answer<W: BridgeWriter>(&self, mut input: Input, out: &mut Output<W>, env: &Environ) -> io::Result<()> {
        self.run(&mut input, out, &mut env.error_log(), env)
    }
}

impl<A: PullApp> App<Pull> for A {
    /// The head does not become text in between, and blocks are handed over as they are. One that is known to be the last,
    /// and short, is written: it goes together with the end, so that the host knows how long the answer is.
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
