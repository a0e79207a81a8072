//! Parts of files that the system sends from memory to the socket (Linux), which costs no copy in this process.
//!
//! Hyper only writes bytes. It therefore gets blank ones of the same number, which the socket knows by their address:
//! in their place it has the system send the part. No other reader of a body sees blank bytes: a body that is a file is
//! recognized by its type, behind all services and layers.

use std::any::Any;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::rc::Rc;

use bytes::Bytes;

use super::End;
use super::exchange::Answered;
use crate::host::stream::Stream;

#[cfg(not(all(feature = "files", target_os = "linux")))]
pub(super) use self::absent::{Content, MAX_PART, Part};
#[cfg(all(feature = "files", target_os = "linux"))]
pub(super) use crate::files::content::{Content, MAX_PART, Part};

/// What hyper gets. It is never read, so it takes no memory.
static BLANK: [u8; MAX_PART] = [0; MAX_PART];

/// The parts that the socket of a connection is to send, in the order of their blank bytes.
#[derive(Default)]
pub(super) struct Lent(RefCell<VecDeque<Loan>>);

struct Loan {
    part: Part,
    answered: Rc<Answered>,
    is_last: bool,
}

/// Takes the file of a body that is one, if the system can send it.
pub(super) fn take_file<B: 'static>(body: &mut B) -> Option<Box<Content>> {
    #[cfg(all(feature = "files", target_os = "linux"))]
    return (body as &mut dyn Any).downcast_mut::<crate::Body>()?.take_file();
    #[cfg(not(all(feature = "files", target_os = "linux")))]
    return (body as &mut dyn Any).downcast_mut::<Box<Content>>().map(|content| match **content {});
}

/// Returns `true` for bytes in whose place a part is sent.
pub(super) fn is_blank(slice: &IoSlice<'_>) -> bool {
    BLANK.as_ptr_range().contains(&slice.as_ptr()) && !slice.is_empty()
}

impl Lent {
    /// Takes the next part of a file. Returns the bytes that hyper writes.
    pub(super) fn lend(&self, content: &mut Content, answered: &Rc<Answered>) -> Option<Bytes> {
        let part = content.take_part()?;
        let blank = Bytes::from_static(&BLANK[..part.left()]);
        let (answered, is_last) = (answered.clone(), content.is_end_stream());
        self.0.borrow_mut().push_back(Loan { part, answered, is_last });
        Some(blank)
    }

    /// Sends bytes of the first part in the place of this number of blank ones.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if the socket has no room.
    pub(super) fn send(&self, stream: &Stream, blank: usize) -> io::Result<usize> {
        let mut lent = self.0.borrow_mut();
        let Some(loan) = lent.front_mut().filter(|loan| loan.part.left() == blank) else { return Err(mixed_up()) };
        let sent = loan.part.send(stream).inspect_err(|error| {
            if Part::is_broken(error) {
                loan.answered.set_end(End::Cut);
            }
        })?;
        loan.answered.count(sent);
        if loan.part.left() == 0 {
            if loan.is_last {
                loan.answered.set_end(End::Done);
            }
            lent.pop_front();
        }
        Ok(sent)
    }

    /// Checks that all parts were sent, when hyper has written everything.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.0.borrow().is_empty() { Ok(()) } else { Err(mixed_up()) }
    }
}

/// The error for blank bytes that were copied before they came to the socket. Hyper does not do so.
fn mixed_up() -> io::Error {
    io::Error::other("the bytes of a file are out of order")
}

/// The types on a system that sends no files by itself. No value of them exists, except boxes in a body.
#[cfg(not(all(feature = "files", target_os = "linux")))]
mod absent {
    use std::io;
    use std::task::Context;

    use http_body::SizeHint;

    use crate::host::stream::Stream;
    use crate::service::delayed::Polled;

    pub(crate) const MAX_PART: usize = 0;

    pub(crate) enum Content {}

    pub(crate) enum Part {}

    impl Content {
        pub(crate) fn take_part(&mut self) -> Option<Part> {
            match *self {}
        }

        pub(crate) fn poll_frame(&mut self, _: &mut Context<'_>) -> Polled {
            match *self {}
        }

        pub(crate) fn is_end_stream(&self) -> bool {
            match *self {}
        }

        pub(crate) fn size_hint(&self) -> SizeHint {
            match *self {}
        }
    }

    impl Part {
        pub(crate) fn left(&self) -> usize {
            match *self {}
        }

        pub(crate) fn is_broken(_: &io::Error) -> bool {
            false
        }

        pub(crate) fn send(&mut self, _: &Stream) -> io::Result<usize> {
            match *self {}
        }
    }
}
