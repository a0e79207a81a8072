//! The memory of stacks on Linux, FreeBSD and Apple's systems: slabs of many stacks in one mapping, reserved and not
//! committed.
//!
//! On Linux a process may have 65,530 mappings, and a stack with a guard page of its own takes two. So stacks are cut
//! from large mappings. Their guards are marks in the page table where the kernel has them (`MADV_GUARD_INSTALL`, Linux
//! 6.13 and later). Elsewhere guards are protected pages, on Linux with that limit.
//!
//! `guards` puts them there. `discard` returns memory to the system. `regions` lists them for the signal handler in `overflow`.

mod discard;
mod guards;
mod header;
mod overflow;
mod regions;

use std::io;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::ptr;
use std::sync::LazyLock;

use corosensei::stack::StackPointer;
use parking_lot::{Mutex, MutexGuard};

use self::header::Header;
use self::regions::Region;
use crate::sys::fork::{self, PerProcess};

/// The size of the guard below each stack. C code may jump over a single page, because it does not touch each page on
/// its way down.
const GUARD: usize = 64 << 10;

/// The number of bytes at the top of a used stack that keep their memory.
const KEPT: usize = 16 << 10;

/// The number of bytes below those that are filled with marks. Code that goes deeper touches this part.
const MARKED: usize = 4 << 10;

const MARK: usize = usize::MAX / 0xff * 0xa5;

/// The distance between the marks that are checked in a returned stack.
const APART: usize = 512;

/// The number of stacks in the first slab of a size, and in the largest.
const MIN_STACKS: usize = 16;
const MAX_STACKS: usize = 1024;

/// What Linux has to be told to reserve memory without committing it. Other systems commit a page when it is used.
#[cfg(target_os = "linux")]
const RESERVE: libc::c_int = libc::MAP_NORESERVE | libc::MAP_STACK;
#[cfg(not(target_os = "linux"))]
const RESERVE: libc::c_int = 0;

/// The classes, one for each size of stack.
static CLASSES: PerProcess<Mutex<Vec<Class>>> = PerProcess::new();

fn classes() -> MutexGuard<'static, Vec<Class>> {
    CLASSES.get(Mutex::default).lock()
}

static PAGE: LazyLock<usize> = LazyLock::new(|| {
    // SAFETY: a query that changes nothing.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("a system has pages")
});

/// One stack, from the lowest byte of its guard to the highest of its header.
#[derive(Debug)]
pub(super) struct Memory {
    start: usize,
    /// The base of the stack, below the header.
    base: StackPointer,
    asked: usize,
    /// The number of its slab. Small, like the whole struct: it is moved with the bridge.
    slab: u32,
    /// The process of its slab. A child may use the stack, but must not return it to the parent's slab.
    process: u32,
    marks: Marks,
}

/// The state of the marks. Not an enum: an optional stack would use its spare values, and would no longer be copied as
/// a whole.
type Marks = u32;
/// The stack is too small for marks.
const NO_MARKS: Marks = 0;
/// No program has used the stack, so there are no marks.
const NEW: Marks = 1;
/// One program has used the stack, and there are no marks: many stacks are never used again.
const USED: Marks = 2;
/// All marks are there.
const SEEN: Marks = 3;
/// A program has used the stack since the last complete check, and may have overwritten marks.
const UNSEEN: Marks = 4;

/// The slabs with stacks of one size.
#[derive(Debug)]
struct Class {
    stride: usize,
    slabs: Vec<Option<Slab>>,
    /// The slabs that have a free stack.
    open: Vec<usize>,
}

#[derive(Debug)]
struct Slab {
    start: usize,
    stride: usize,
    count: usize,
    /// The number of stacks that were given out at least once. Later ones have no guard yet.
    begun: usize,
    free: Vec<usize>,
    region: &'static Region,
}

impl Memory {
    /// Returns a stack of at least `asked` bytes.
    ///
    /// # Errors
    ///
    /// Returns the system's error if it has no more memory or mappings.
    pub(super) fn new(asked: usize) -> io::Result<Memory> {
        overflow::watch();
        let stride = asked.checked_next_multiple_of(*PAGE).and_then(|size| size.checked_add(GUARD));
        let stride = stride.ok_or_else(|| error("address space", io::ErrorKind::OutOfMemory.into()))?;
        let mut classes = classes();
        let class = match classes.iter().position(|class| class.stride == stride) {
            Some(place) => &mut classes[place],
            None => {
                classes.push(Class { stride, slabs: Vec::new(), open: Vec::new() });
                classes.last_mut().expect("it was pushed")
            }
        };
        let (slab, start) = class.take()?;
        let end = start + stride;
        let marks = if stride >= GUARD + MARKED + KEPT { NEW } else { NO_MARKS };
        // There are far fewer slabs than `u32::MAX`.
        let slab = slab as u32;
        Ok(Memory { start, base: pointer(end - size_of::<Header>()), asked, slab, process: fork::process(), marks })
    }

    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    #[inline]
    pub(super) fn base(&self) -> StackPointer {
        self.base
    }

    fn end(&self) -> usize {
        self.base.get() + size_of::<Header>()
    }

    pub(super) fn limit(&self) -> StackPointer {
        pointer(self.start)
    }

    pub(super) fn floor(&self) -> usize {
        self.start + GUARD
    }

    /// Writes the header of the stack's new program. The name must live as long as the program has the stack.
    pub(super) fn set_name(&mut self, name: Option<&str>) {
        let header = ptr::with_exposed_provenance_mut::<Header>(self.base.get());
        // SAFETY: the last bytes of the mapping, above the base, are the header's, and no program runs on this stack.
        unsafe { header.write(Header::new(name, self.asked)) };
    }

    /// Checks a few marks, others each `turn`, and frees the deep part of the stack if a program has used it. The check
    /// costs a few nanoseconds. Returns the number of marks that were overwritten.
    pub(super) fn trim(&mut self, turn: usize) -> usize {
        let first = turn * size_of::<usize>() % APART;
        let others = match self.marks {
            NO_MARKS => return 0,
            // Unknown.
            NEW | USED => MARKED / APART,
            _ => (first..MARKED).step_by(APART).map(|at| usize::from(self.word(at) != MARK)).sum(),
        };
        if self.marks == NEW {
            self.discard_deep();
            self.marks = USED;
        } else {
            self.marks = UNSEEN;
            if others > 0 {
                self.clear();
            }
        }
        others
    }

    /// Checks all marks, if a program has used the stack since they were last checked, and frees the deep part if one
    /// is overwritten.
    pub(super) fn settle(&mut self) {
        if self.marks == UNSEEN {
            self.marks = SEEN;
            // Without a branch, the compiler vectorizes the loop.
            let others = (0..MARKED).step_by(size_of::<usize>()).fold(0, |others, at| others | (self.word(at) ^ MARK));
            if others != 0 {
                self.clear();
            }
        }
    }

    /// Returns a word of the marked part. A program that went deeper has written there: the compiler makes code with
    /// large frames touch each page on its way down. But the program may have written little but zeros, into an array,
    /// or only one word. Asking the system instead would cost more than a bridge.
    #[inline]
    fn word(&self, at: usize) -> usize {
        // SAFETY: inside the stack's mapping, above its guard, and no program runs on it.
        unsafe { ptr::with_exposed_provenance::<usize>(self.marked().start + at).read() }
    }

    /// The part that is filled with marks.
    fn marked(&self) -> Range<usize> {
        self.end() - KEPT - MARKED..self.end() - KEPT
    }

    /// Frees the pages below the marked part.
    fn discard_deep(&self) {
        self.discard(self.marked().start / *PAGE * *PAGE);
    }

    fn clear(&mut self) {
        self.discard_deep();
        for at in self.marked().step_by(size_of::<usize>()) {
            // SAFETY: as in `word`.
            unsafe { ptr::with_exposed_provenance_mut::<usize>(at).write(MARK) };
        }
        self.marks = SEEN;
    }

    /// Returns the memory from the guard to `to` to the system.
    fn discard(&self, to: usize) {
        // SAFETY: inside the stack's mapping, above its guard, and no program runs on it; its contents are not needed.
        unsafe { discard::one(self.floor()..to) };
    }

    /// Drops stacks at less cost than one by one.
    pub(super) fn drop_all(memories: impl Iterator<Item = Memory>) {
        let memories: Vec<_> = memories.map(ManuallyDrop::new).collect();
        let ranges: Vec<_> = memories.iter().map(|memory| memory.floor()..memory.end()).collect();
        // SAFETY: as in `discard`.
        unsafe { discard::all(&ranges) };
        memories.iter().for_each(|memory| memory.give());
    }

    /// Gives the stack back to its slab.
    fn give(&self) {
        if fork::is_past(self.process) {
            return;
        }
        let mut classes = classes();
        if let Some(class) = classes.iter_mut().find(|class| class.stride == self.end() - self.start) {
            class.give(self.slab as usize, self.start);
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.discard(self.end());
        self.give();
    }
}

impl Class {
    /// Takes a stack, and returns its slab's number and its address.
    fn take(&mut self) -> io::Result<(usize, usize)> {
        let place = match self.open.last() {
            Some(place) => *place,
            None => self.add()?,
        };
        let slab = self.slabs[place].as_mut().expect("an open slab is there");
        let start = slab.take()?;
        if slab.is_full() {
            self.open.pop();
        }
        Ok((place, start))
    }

    /// Adds a slab as large as all before it together (maximum: `MAX_STACKS`), or a smaller one if the system refuses
    /// that.
    fn add(&mut self) -> io::Result<usize> {
        let mut count = self.slabs.iter().flatten().map(|slab| slab.count).sum::<usize>().clamp(MIN_STACKS, MAX_STACKS);
        let slab = loop {
            match Slab::new(self.stride, count) {
                Ok(slab) => break slab,
                Err(_) if count > 1 => count /= 2,
                Err(failed) => return Err(failed),
            }
        };
        let place = self.slabs.iter().position(Option::is_none).unwrap_or_else(|| {
            self.slabs.push(None);
            self.slabs.len() - 1
        });
        self.slabs[place] = Some(slab);
        self.open.push(place);
        Ok(place)
    }

    fn give(&mut self, place: usize, start: usize) {
        let Some(slab) = &mut self.slabs[place] else { return };
        if slab.is_full() {
            self.open.push(place);
        }
        slab.free.push(start);
        // An unused slab is freed if there is another for the next program.
        if slab.is_unused() && self.open.len() > 1 {
            self.open.retain(|open| *open != place);
            self.slabs[place] = None;
        }
    }
}

impl Slab {
    fn new(stride: usize, count: usize) -> io::Result<Slab> {
        let len = stride.checked_mul(count).ok_or_else(|| error("address space", io::ErrorKind::OutOfMemory.into()))?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | RESERVE;
        // SAFETY: a new mapping at an address that the system chooses, which replaces no other.
        let start = unsafe { libc::mmap(place(Slab::wanted()), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(error("address space", io::Error::last_os_error()));
        }
        // One page of use must not commit a huge page of two megabytes. Where that cannot be set, it does.
        #[cfg(target_os = "linux")]
        // SAFETY: the whole mapping that was just made.
        unsafe {
            libc::madvise(start, len, libc::MADV_NOHUGEPAGE)
        };
        let start = start.expose_provenance();
        let region = Region::publish(start, stride, count);
        Ok(Slab { start, stride, count, begun: 0, free: Vec::new(), region })
    }

    /// Returns the preferred address of the next mapping: below the stacks of all threads. Some code knows only where
    /// its thread's stack ends, and computes the rest from that. Below that end, it finds that nothing is left; above,
    /// the rest would seem endless. Calls must not overlap.
    fn wanted() -> usize {
        /// Above the fixed addresses that programs and sanitizers use on 64-bit systems. Below the addresses that the
        /// system itself gives out: executables, and from the top down, libraries and thread stacks.
        const LOW: u64 = 32 << 40;
        const HIGH: u64 = 64 << 40;
        match (usize::try_from(LOW), usize::try_from(HIGH)) {
            (Ok(low), Ok(high)) => regions::end_below(high).max(low),
            // Wherever the system chooses.
            _ => 0,
        }
    }

    fn take(&mut self) -> io::Result<usize> {
        if let Some(start) = self.free.pop() {
            return Ok(start);
        }
        let start = self.start + self.begun * self.stride;
        guards::put(start)?;
        self.begun += 1;
        Ok(start)
    }

    fn is_full(&self) -> bool {
        self.begun == self.count && self.free.is_empty()
    }

    fn is_unused(&self) -> bool {
        self.free.len() == self.begun
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        self.region.withdraw();
        // SAFETY: the mapping of this slab, all of whose stacks were returned.
        unsafe { libc::munmap(place(self.start), self.stride * self.count) };
    }
}

fn error(what: &str, reason: io::Error) -> io::Error {
    io::Error::new(reason.kind(), format!("the system has no {what} for one more stack: {reason}"))
}

fn place(address: usize) -> *mut libc::c_void {
    ptr::with_exposed_provenance_mut(address)
}

fn pointer(address: usize) -> StackPointer {
    StackPointer::new(address).expect("no mapping is at zero")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use pushpull_testing::alone::again;

    use super::*;

    /// A size that nothing else in this test binary uses.
    const SIZE: usize = 300 << 10;

    /// The number of turns in which every mark is checked once.
    const TURNS: usize = APART / size_of::<usize>();

    /// Returns the number of pages, from the guard up, that have memory.
    fn resident(memory: &Memory) -> usize {
        let from = memory.start + GUARD;
        let mut pages = vec![0_u8; (memory.end() - from) / *PAGE];
        // SAFETY: the range is mapped, and `pages` has a byte for each page of it.
        let known = unsafe { libc::mincore(place(from), memory.end() - from, pages.as_mut_ptr()) };
        assert_eq!(known, 0);
        pages.iter().filter(|page| *page & 1 != 0).count()
    }

    /// Writes to `bytes` bytes from the top, as a program does.
    fn use_up(memory: &Memory, bytes: usize) {
        for at in (memory.end() - bytes..memory.end()).step_by(8) {
            // SAFETY: inside the stack, and no program runs on it.
            unsafe { ptr::with_exposed_provenance_mut::<usize>(at).write_volatile(at) };
        }
    }

    #[test]
    fn a_stack_is_reserved_and_not_committed() {
        let mut memory = Memory::new(SIZE).unwrap();
        assert_eq!(resident(&memory), 0);
        memory.set_name(None);
        assert_eq!(resident(&memory), 1);
    }

    #[test]
    fn what_a_deep_program_used_goes_back_to_the_system() {
        let mut memory = Memory::new(SIZE).unwrap();
        use_up(&memory, KEPT / 2);
        memory.trim(0);
        assert_eq!(resident(&memory), KEPT / 2 / *PAGE, "an ordinary program's pages are kept");
        memory.trim(0);
        assert_eq!(resident(&memory), KEPT / 2 / *PAGE + 1, "the second program leaves a page of marks");
        use_up(&memory, SIZE);
        assert!(resident(&memory) >= SIZE / *PAGE);
        assert!(memory.trim(0) > 0);
        assert_eq!(resident(&memory), KEPT / *PAGE + 1);
        assert!((0..TURNS).all(|turn| memory.trim(turn) == 0));
        memory.settle();
        assert_eq!(resident(&memory), KEPT / *PAGE + 1);
    }

    /// Clears a word every `apart` bytes, from `deepest` to `highest` bytes below the top. A program does so with an
    /// array of zeros, or with one that it does not fill.
    fn use_for_zeros(memory: &Memory, deepest: usize, highest: usize, apart: usize) {
        for at in (memory.end() - deepest..memory.end() - highest).step_by(apart) {
            // SAFETY: inside the stack, and no program runs on it.
            unsafe { ptr::with_exposed_provenance_mut::<usize>(at).write_volatile(0) };
        }
    }

    #[test]
    fn what_a_program_used_for_zeros_goes_back_too() {
        let mut memory = Memory::new(SIZE).unwrap();
        // A fresh stack has no marks yet; a cleared one has them again.
        for turn in 0..2 * TURNS {
            use_for_zeros(&memory, SIZE - *PAGE, 1000, size_of::<usize>());
            assert!(resident(&memory) > KEPT / *PAGE + 1);
            assert_eq!(memory.trim(turn), MARKED / APART);
            assert_eq!(resident(&memory), KEPT / *PAGE + 1);
        }
    }

    #[test]
    fn so_do_pages_of_which_a_program_used_one_word() {
        let mut memory = Memory::new(SIZE).unwrap();
        assert_eq!([memory.trim(0), memory.trim(0)], [MARKED / APART; 2]);
        for word in (0..*PAGE).step_by(size_of::<usize>()) {
            use_for_zeros(&memory, SIZE - word, KEPT, *PAGE);
            // One of the partial checks sees it, and so does the complete one.
            if word % 256 == 0 {
                assert_eq!((0..TURNS).map(|turn| memory.trim(turn)).sum::<usize>(), 1, "word {word}");
            } else {
                memory.marks = UNSEEN;
                memory.settle();
            }
            assert_eq!(resident(&memory), 1, "word {word}");
        }
    }

    #[test]
    fn stacks_that_are_dropped_together_leave_nothing() {
        const OWN: usize = SIZE + (300 << 10);
        let many: Vec<_> = (0..100).map(|_| Memory::new(OWN).unwrap()).collect();
        many.iter().for_each(|memory| use_up(memory, OWN));
        let starts: Vec<_> = many.iter().map(|memory| memory.start).collect();
        Memory::drop_all(many.into_iter());
        let again: Vec<_> = (0..10).map(|_| Memory::new(OWN).unwrap()).collect();
        assert!(again.iter().all(|memory| starts.contains(&memory.start) && resident(memory) == 0));
    }

    #[test]
    fn stacks_are_reused_empty_and_unused_slabs_are_freed() {
        const OWN: usize = SIZE + (100 << 10);
        let slabs = || {
            let classes = classes();
            let class = classes.iter().find(|class| class.stride == OWN + GUARD);
            class.map_or(0, |class| class.slabs.iter().flatten().count())
        };
        let many: Vec<_> = (0..100).map(|_| Memory::new(OWN).unwrap()).collect();
        many.iter().for_each(|memory| use_up(memory, OWN));
        assert!(slabs() > 1);
        let places: Vec<_> = many.iter().map(|memory| memory.start).collect();
        assert_eq!(places.iter().collect::<std::collections::HashSet<_>>().len(), 100, "a stack was given twice");
        drop(many);
        assert_eq!(slabs(), 1);
        let again = Memory::new(OWN).unwrap();
        assert!(places.contains(&again.start));
        assert_eq!(resident(&again), 0);
    }

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn stacks_lie_below_those_of_all_threads() {
        let stack_of_a_thread = || std::hint::black_box(&0_u8) as *const u8 as usize;
        let threads = [stack_of_a_thread(), std::thread::spawn(stack_of_a_thread).join().unwrap()];
        // In several slabs.
        let many: Vec<_> = (0..2 * MIN_STACKS).map(|_| Memory::new(SIZE + (200 << 10)).unwrap()).collect();
        assert!(many.iter().all(|memory| threads.iter().all(|thread| memory.end() < *thread)));
    }

    #[test]
    fn an_absurd_size_is_an_error() {
        for size in [usize::MAX, usize::MAX / 2, usize::MAX / 1000] {
            assert_eq!(Memory::new(size).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        }
    }

    /// Where guards are protected pages, the kernel limits them. The test fills a process of its own.
    #[test]
    fn the_limit_of_protected_guards_is_an_error() {
        const CHILD: &str = "PUSHPULL_TEST_FILLS_MAPPINGS";
        if std::env::var_os(CHILD).is_none() {
            let child = again().args(["the_limit_of_protected_guards"]).env(CHILD, "1").output().unwrap();
            assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
            return;
        }
        guards::protect_pages();
        let mut many = Vec::new();
        let refused = loop {
            match Memory::new(16 << 10) {
                Ok(memory) => many.push(memory),
                Err(refused) => break refused,
            }
            assert!(many.len() < 1 << 20, "there is no limit");
        };
        assert_eq!(refused.kind(), io::ErrorKind::OutOfMemory);
        assert!(refused.to_string().contains("vm.max_map_count"), "{refused}");
        assert!(many.len() > 1000);
        // After some are returned, there are stacks again.
        many.truncate(many.len() / 2);
        assert!(Memory::new(16 << 10).is_ok());
    }
}
