//! A cache line of its own for something that one side reads all the time.

/// Most processors' cache line.
const LINE: usize = 64;

/// Something that a writer reads at every write, on a cache line that nobody writes to. By padding: memory that is aligned
/// to two lines costs an allocator more than all the rest of a channel.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Apart<T> {
    _before: [u8; LINE],
    pub(crate) value: T,
    _after: [u8; LINE],
}

impl<T> Apart<T> {
    pub(crate) const fn new(value: T) -> Self {
        Apart { _before: [0; LINE], value, _after: [0; LINE] }
    }
}
