//! The two kinds of apps as one, for whoever runs them.

use std::io;

use super::head::Head;
use super::output::{Outlet, Output};
use super::{Environ, Input, PullApp, PushApp, request};

/// An app of one of the two kinds, which `K` tells: both have a blanket implementation, and the compiler finds the one
/// that fits. It cannot be implemented elsewhere.
pub trait App<K>: 'static {
    #[doc(hidden)]
    fn answer<W: Outlet>(&self, input: Input, out: &mut Output<W>, env: &Environ) -> io::Result<()>;
}

/// The kind of a [`PushApp`].
#[derive(Debug)]
pub enum Push {}

/// The kind of a [`PullApp`].
#[derive(Debug)]
pub enum Pull {}

impl<A: PushApp> App<Push> for A {
    fn answer<W: Outlet>(&self, mut input: Input, out: &mut Output<W>, env: &Environ) -> io::Result<()> {
        self.run(&mut input, out, &mut env.errors(), env)
    }
}

impl<A: PullApp> App<Pull> for A {
    /// The head does not become text in between, and the chunks are handed over as they are.
    fn answer<W: Outlet>(&self, input: Input, out: &mut Output<W>, env: &Environ) -> io::Result<()> {
        let (parts, chunks) = self.handle(request::of_meta_variables(env, input)?)?.into_parts();
        out.begin(Head::of_response(&parts));
        for chunk in chunks {
            out.hand(chunk?)?;
        }
        Ok(())
    }
}
