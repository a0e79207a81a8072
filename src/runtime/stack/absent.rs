//! Where there are no coroutines: this has the place of `stack.rs`, and of the stack switching library, on targets that
//! the library does not know. What needs a stack compiles, and does not come by one; who asks for it is told so by the
//! compiler.

use std::io;
use std::marker::PhantomData;

use crate::options::Options;

/// Made by nobody.
#[derive(Debug)]
pub(crate) enum Stack {}

impl Stack {
    /// # Errors
    ///
    /// Always.
    pub(crate) fn new(_: &Options) -> io::Result<Stack> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "this target has no coroutines"))
    }

    pub(crate) fn floor(&self) -> usize {
        match *self {}
    }
}

/// Needs a stack, which nobody has.
pub(crate) struct Switch<Input, Yield, Return, S> {
    never: Stack,
    types: PhantomData<(Input, Yield, Return, S)>,
}

#[allow(unsafe_code, reason = "as it is where there are coroutines")]
impl<Input, Yield, Return> Switch<Input, Yield, Return, Stack> {
    /// # Safety
    ///
    /// Nobody can call it.
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

/// What no target has that compiles this.
#[diagnostic::on_unimplemented(
    message = "`pushpull::Local` and `pushpull::Pool` need coroutines, which this target does not have",
    label = "there are no coroutines here",
    note = "use `pushpull::Thread`, which gives each program a thread of its own, or `pushpull::pipe`"
)]
pub trait Coroutines {}

/// The target that this is compiled for.
#[derive(Debug)]
pub struct Target;

/// A constructor of an engine that has programs on stacks of their own. The bound is never met, and says so where it is
/// used and not here.
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
