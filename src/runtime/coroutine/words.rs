//! Words in other libraries' private thread-locals, found by what changes them.
//!
//! Every module of a process (the executable and each shared library) has a block of thread-locals on each thread. A
//! variable has the same offset in each thread's block. The system's loader reports the blocks of the calling thread.

use std::ffi::{c_int, c_void};
use std::mem;
use std::ptr;
use std::slice;

/// The place of a word: its module, and its offset in the module's block.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    module: usize,
    offset: usize,
}

/// A copy of the thread-locals of all modules on this thread.
pub(super) struct Snapshot(Vec<LocalsBlock>);

struct LocalsBlock {
    module: usize,
    start: usize,
    words: Vec<usize>,
}

impl Snapshot {
    pub(super) fn take() -> Snapshot {
        let mut blocks = Vec::new();
        for_each_block(&mut |module, start, len| {
            let aligned = start.next_multiple_of(size_of::<usize>());
            let mut words = vec![0; (start + len).saturating_sub(aligned) / size_of::<usize>()];
            let from = ptr::with_exposed_provenance::<c_void>(aligned);
            // SAFETY: the block belongs to this thread and stays while the thread runs. The buffer's size is copied.
            // The system's `memcpy` does it, because to Rust the block may hold objects of any type.
            unsafe { libc::memcpy(words.as_mut_ptr().cast(), from, mem::size_of_val(&words[..])) };
            blocks.push(LocalsBlock { module, start: aligned, words });
        });
        Snapshot(blocks)
    }
}

/// Finds the one word whose values in `snapshots` satisfy `is_it`. Returns `None` if there are several. All snapshots
/// must be of this thread.
pub(super) fn find(snapshots: &[Snapshot], is_it: impl Fn(&[usize]) -> bool) -> Option<Word> {
    let (first, later) = snapshots.split_first()?;
    let mut found = None;
    for block in &first.0 {
        let same = |snapshot: &'_ Snapshot| snapshot.0.iter().position(|other| other.start == block.start);
        let Some(places) = later.iter().map(same).collect::<Option<Vec<_>>>() else { continue };
        for (index, word) in block.words.iter().enumerate() {
            let others = later.iter().zip(&places).filter_map(|(later, place)| later.0[*place].words.get(index));
            let values: Vec<_> = [word].into_iter().chain(others).copied().collect();
            if values.len() == snapshots.len() && is_it(&values) {
                let offset = index * size_of::<usize>();
                if found.replace(Word { module: block.module, offset }).is_some() {
                    return None;
                }
            }
        }
    }
    found
}

impl Word {
    /// Returns the address of the word on this thread, which is valid while the thread runs.
    pub(super) fn address(self) -> Option<usize> {
        let mut address = None;
        for_each_block(&mut |module, start, len| {
            let place = start.next_multiple_of(size_of::<usize>()) + self.offset;
            if module == self.module && place + size_of::<usize>() <= start + len {
                address = Some(place);
            }
        });
        address
    }
}

type VisitBlock<'a> = dyn FnMut(usize, usize, usize) + 'a;

/// Calls `visit` with each module, and with the start and length of its thread-locals on this thread.
fn for_each_block(visit: &mut VisitBlock<'_>) {
    let mut visit: *mut VisitBlock<'_> = visit;
    // SAFETY: the callback runs only during this call, with a valid description and the pointer to `visit`.
    unsafe { libc::dl_iterate_phdr(Some(each), (&raw mut visit).cast()) };
}

unsafe extern "C" fn each(info: *mut libc::dl_phdr_info, size: usize, visit: *mut c_void) -> c_int {
    if size < size_of::<libc::dl_phdr_info>() {
        // This loader does not report thread-locals.
        return 1;
    }
    // SAFETY: the loader passes a valid description, whose size was checked.
    let info = unsafe { &*info };
    // SAFETY: the module's headers, as the loader describes them.
    let headers = unsafe { slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    let header = headers.iter().find(|header| header.p_type == libc::PT_TLS);
    if let Some(header) = header.filter(|_| !info.dlpi_tls_data.is_null()) {
        // SAFETY: `for_each_block` passed this pointer, and waits for this call.
        let visit = unsafe { *visit.cast::<*mut VisitBlock<'_>>() };
        // SAFETY: as above.
        unsafe { (*visit)(info.dlpi_addr as usize, info.dlpi_tls_data.expose_provenance(), header.p_memsz as usize) };
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::cell::Cell;
    use std::thread;

    thread_local! {
        static HIDDEN: Cell<usize> = const { Cell::new(0) };
    }

    #[test]
    fn a_word_is_found_by_its_values_and_has_the_same_place_on_other_threads() {
        let values = [0x5eed_0001, 0x5eed_0002, 0x5eed_0001];
        let snapshots = values.map(|value| {
            HIDDEN.set(value);
            Snapshot::take()
        });
        let word = find(&snapshots, |seen| seen == values).unwrap();
        let own = || HIDDEN.with(|hidden| ptr::from_ref(hidden).addr());
        assert_eq!(word.address(), Some(own()));
        thread::spawn(move || assert_eq!(word.address(), Some(own()))).join().unwrap();
        assert!(find(&snapshots, |seen| seen == [1, 2, 3]).is_none());
        assert!(find(&snapshots, |seen| seen == [0, 0, 0]).is_none(), "several words match");
    }
}
