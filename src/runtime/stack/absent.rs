//! Targets without coroutines: replaces `stack/mod.rs` and the stack switching library where that has no port. Code
//! that needs a stack compiles but can never get one. Using an engine that needs stacks is a compile error with an
//! explanation.

use std::io;
use std::marker::PhantomData;

use crate::options::Options;

/// A stack, which cannot be made on this target.
#[derive(Debug)]
pub(crate) enum Stack {}

impl Stack {
    /// Returns an error: this target has no stacks.
    ///
    /// # Errors
    ///
    /// Always returns an error.
    pub(crate) fn new(_: &Options) -> io::Result<Stack> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this target has no coroutines"))
    }

    pub(crate) fn floor(&self) -> usize {
        match *self {}
    }
}

/// A coroutine, which cannot be made without a stack.
pub(crate) struct Switch<Input, Yield, Return, S> {
    never: Stack,
    types: PhantomData<(Input, Yield, Return, S)>,
}

#[allow(unsafe_code, reason = "the signature on targets with coroutines")]
impl<Input, Yield, Return> Switch<Input, Yield, Return, Stack> {
    /// Makes a coroutine.
    ///
    /// # Safety
    ///
    /// None needed: it cannot be called without a stack.
    pub(crate) unsafe fn with_stack_unchecked<F>(never: Stack, _: F) -> Self
    where
        F: FnOnce(&Yielder<Input, Yield>, Input) -> Return,
    {
        Switch { never, types: PhantomData }
    }

    pub(crate) fn done(&self) -> bool {
        match self.never {}
    }

    pub(crate) fn started(&self) -> bool {
        match self.never {}
    }

    pub(crate) fn resume(&mut self, _: Input) {
        match self.never {}
    }
}

pub(crate) struct Yielder<Input, Yield> {
    never: Stack,
    types: PhantomData<(Input, Yield)>,
}

impl<Input, Yield> Yielder<Input, Yield> {
    pub(crate) fn suspend(&self, _: Yield) -> Input {
        match self.never {}
    }
}

/// Implemented on no target that compiles this file.
#[diagnostic::on_unimplemented(
    message = "`pushpull::Local` and `pushpull::Pool` need coroutines, which this target does not have",
    label = "there are no coroutines here",
    note = "use `pushpull::Thread`, which gives each program a thread of its own, or `pushpull::pipe`"
)]
pub trait Coroutines {}

/// The target that this is compiled for.
#[derive(Debug)]
pub struct Target;

/// Wraps the constructors of an engine that runs programs on stacks. The bound is never met, and is reported where the
/// constructor is used, not here.
macro_rules! on_stacks {
    ($($(#[$meta:meta])* pub $(const)? fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty $body:block)*) => {$(
        $(#[$meta])*
        pub fn $name($($arg: $type),*) -> $out
        where
            for<'never> crate::runtime::stack::Target: crate::runtime::stack::Coroutines,
        $body
    )*};
}

pub(crate) use on_stacks;
