//! The data above a stack's base: what the message about an overflow says of the stack's program.

use std::io::Write;
use std::slice;

/// The name of the program and the size of its stack.
#[repr(C, align(64))]
pub(super) struct Header {
    name: *const u8,
    name_len: usize,
    size: usize,
}

impl Header {
    pub(super) fn new(name: Option<&str>, size: usize) -> Header {
        let name = name.unwrap_or("unnamed");
        Header { name: name.as_ptr(), name_len: name.len(), size }
    }

    /// Returns the parts of the message. Allocates nothing: a handler of faults calls this. The program must still have
    /// the stack.
    pub(super) fn message<'a>(&'a self, digits: &'a mut [u8; 24]) -> [&'a [u8]; 5] {
        let all = digits.len();
        let mut rest = &mut digits[..];
        // Writes into the array.
        let _ = write!(rest, "{}", self.size);
        let used = all - rest.len();
        // SAFETY: the name lives as long as the program has the stack.
        let name = unsafe { slice::from_raw_parts(self.name, self.name_len) };
        [
            b"\npushpull: the program \"",
            name,
            b"\" overflowed its stack of ",
            &digits[..used],
            b" bytes; set a larger stack_size()\n",
        ]
    }
}
