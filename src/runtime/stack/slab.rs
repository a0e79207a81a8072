//! The memory of stacks on Linux: slabs of many stacks in one mapping, reserved and not committed.
//!
//! A process may have 65,530 mappings, and a stack with a guard page of its own takes two. So stacks are cut from large
//! mappings, and their guards are marks in the page table where the kernel has them (`MADV_GUARD_INSTALL`, Linux 6.13
//! and later), and protected pages, with that limit, where it has not.

mod overflow;
mod regions;

use std::io;
use std::ptr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use corosensei::stack::StackPointer;
use parking_lot::{Mutex, MutexGuard};

use self::overflow::Header;
use self::regions::Region;
use crate::sys::fork::{self, PerProcess};

/// Below each stack. One page can be jumped over by C code, which touches no page on its way down.
const GUARD: usize = 64 << 10;

/// How much of a stack that is done with keeps its memory.
const KEPT: usize = 16 << 10;

/// How much below that is filled with marks: what no code goes past without touching it.
const MARKED: usize = 4 << 10;

const MARK: usize = usize::MAX / 0xff * 0xa5;

/// How far those are from each other that are looked at in a stack that comes back.
const APART: usize = 512;

/// How many stacks the first slab of a size has, and the largest.
const MIN_STACKS: usize = 16;
const MAX_STACKS: usize = 1024;

/// `MADV_GUARD_INSTALL`, which is newer than the headers of most systems.
const GUARD_INSTALL: libc::c_int = 102;

/// Of one size each.
static CLASSES: PerProcess<Mutex<Vec<Class>>> = PerProcess::new();

fn classes() -> MutexGuard<'static, Vec<Class>> {
    CLASSES.get(Mutex::default).lock()
}

static PAGE: LazyLock<usize> = LazyLock::new(|| {
    // SAFETY: a question that changes nothing.
    usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).expect("a system has pages")
});

/// One stack, from the lowest byte of its guard to the highest of its header.
#[derive(Debug)]
pub(super) struct Memory {
    start: usize,
    /// Where the stack begins, below the header.
    base: StackPointer,
    asked: usize,
    /// Where it came from. Small, as all of it: it is moved with the bridge.
    slab: u32,
    /// In which process. A child may use and empty it; the parent's slabs are not its own.
    process: u32,
    marks: Marks,
}

/// What is known of the marks below what is kept. No enum: an optional stack would be told by it, and no longer be copied as a whole.
type Marks = u32;
/// The stack is too small to have any.
const NO_MARKS: Marks = 0;
/// They were not made yet.
const MISSING: Marks = 1;
/// All are there.
const SEEN: Marks = 2;
/// A program has used the stack since they were seen, and may have written over some.
const UNSEEN: Marks = 3;

/// The slabs with stacks of one size.
#[derive(Debug)]
struct Class {
    stride: usize,
    slabs: Vec<Option<Slab>>,
    /// Those that have a stack to give.
    open: Vec<usize>,
}

#[derive(Debug)]
struct Slab {
    start: usize,
    stride: usize,
    count: usize,
    /// How many were given at least once. Those after them have no guard yet.
    begun: usize,
    free: Vec<usize>,
    region: &'static Region,
    guards: Guards,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guards {
    Marks,
    Pages,
}

impl Memory {
    /// At least so many bytes.
    ///
    /// # Errors
    ///
    /// What the system says when it has no more memory or mappings to give.
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
        let marks = if stride >= GUARD + MARKED + KEPT { MISSING } else { NO_MARKS };
        // There are fewer slabs than that.
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

    /// Says whose stack it is now. The name lives as long as that is so.
    pub(super) fn set_name(&mut self, name: Option<&str>) {
        let header = ptr::with_exposed_provenance_mut::<Header>(self.base.get());
        // SAFETY: the last bytes of the mapping, above the stack's base, are the header's, and nobody runs on this stack.
        unsafe { header.write(Header::new(name, self.asked)) };
    }

    /// Looks whether the program that had it was deep, and gives back what an ordinary one does not need. At a few words of the marked
    /// part, others each `turn`, which costs a few nanoseconds. Returns how many of them a program has written to.
    pub(super) fn trim(&mut self, turn: usize) -> usize {
        let first = turn * size_of::<usize>() % APART;
        let others = match self.marks {
            NO_MARKS => return 0,
            MISSING => MARKED / APART,
            _ => (first..MARKED).step_by(APART).map(|at| usize::from(self.word(at) != MARK)).sum(),
        };
        self.marks = UNSEEN;
        if others > 0 {
            self.clear();
        }
        others
    }

    /// The same with a look at all of them, if a program has used it since the last.
    pub(super) fn settle(&mut self) {
        if self.marks == UNSEEN {
            self.marks = SEEN;
            // Without a branch in between it is done in vectors.
            let others = (0..MARKED).step_by(size_of::<usize>()).fold(0, |others, at| others | (self.word(at) ^ MARK));
            if others != 0 {
                self.clear();
            }
        }
    }

    /// A word of the marked part. A program that has been deeper has written to that: code that may use more than a page at once touches
    /// each on its way down, as the compiler sees to. But it may have written little else than zeros, into an array, or into one
    /// word. To ask the system costs more than a bridge.
    #[inline]
    fn word(&self, at: usize) -> usize {
        // SAFETY: inside the stack's mapping, above its guard, where nobody runs.
        unsafe { ptr::with_exposed_provenance::<usize>(self.end() - KEPT - MARKED + at).read() }
    }

    fn clear(&mut self) {
        let marked = self.end() - KEPT - MARKED;
        self.discard(marked / *PAGE * *PAGE);
        for at in (marked..marked + MARKED).step_by(size_of::<usize>()) {
            // SAFETY: as in `word`.
            unsafe { ptr::with_exposed_provenance_mut::<usize>(at).write(MARK) };
        }
        self.marks = SEEN;
    }

    /// Gives the memory from the guard to `to` back to the system. The addresses stay, and read as zero.
    fn discard(&self, to: usize) {
        let from = self.start + GUARD;
        if from < to {
            // SAFETY: inside the stack's mapping, above its guard, where nobody runs; what is lost is of no use to anyone.
            unsafe { libc::madvise(place(from), to - from, libc::MADV_DONTNEED) };
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        self.discard(self.end());
        if fork::is_past(self.process) {
            return;
        }
        let mut classes = classes();
        if let Some(class) = classes.iter_mut().find(|class| class.stride == self.end() - self.start) {
            class.give(self.slab as usize, self.start);
        }
    }
}

impl Class {
    /// A stack's place and its slab's.
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

    /// One more slab, as large as all before it together, up to `MAX_STACKS`; smaller where the system has no such mapping.
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
        // One that nobody uses goes, if there is another for whoever comes next.
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
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | libc::MAP_STACK;
        // SAFETY: a new mapping where the system likes, which touches no other.
        let start = unsafe { libc::mmap(place(Slab::wanted()), len, protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(error("address space", io::Error::last_os_error()));
        }
        // One page of a stack that is used should not bring two megabytes with it. Where that cannot be said it is so
        // anyway.
        // SAFETY: the whole of the mapping just made.
        unsafe { libc::madvise(start, len, libc::MADV_NOHUGEPAGE) };
        let start = start.expose_provenance();
        let region = Region::publish(start, stride, count);
        Ok(Slab { start, stride, count, begun: 0, free: Vec::new(), region, guards: Guards::best() })
    }

    /// Where the next mapping is to be, if nothing else is there: below the stacks of all threads. Code that knows only where the
    /// stack of its thread ends, and asks how far that is, finds then that nothing is left, and not that there is no end. Calls are
    /// made one at a time.
    fn wanted() -> usize {
        /// Above what programs and sanitizers use at fixed addresses on 64-bit systems, and below what the system gives out
        /// itself: executables, and from the highest addresses down libraries and the stacks of threads.
        const LOW: u64 = 32 << 40;
        const HIGH: u64 = 64 << 40;
        match (usize::try_from(LOW), usize::try_from(HIGH)) {
            (Ok(low), Ok(high)) => regions::end_below(high).max(low),
            // Wherever the system likes.
            _ => 0,
        }
    }

    fn take(&mut self) -> io::Result<usize> {
        if let Some(start) = self.free.pop() {
            return Ok(start);
        }
        let start = self.start + self.begun * self.stride;
        self.guards.put(start)?;
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
        // SAFETY: the mapping of this slab, of which all stacks were given back.
        unsafe { libc::munmap(place(self.start), self.stride * self.count) };
    }
}

/// Cleared when the kernel was found to have no marks.
static HAS_MARKS: AtomicBool = AtomicBool::new(true);

impl Guards {
    fn best() -> Guards {
        if HAS_MARKS.load(Ordering::Relaxed) { Guards::Marks } else { Guards::Pages }
    }

    /// Makes every access to the first bytes of a stack a fault.
    fn put(self, start: usize) -> io::Result<()> {
        if self == Guards::Marks {
            // SAFETY: the lowest bytes of a stack that nobody has used yet.
            if unsafe { libc::madvise(place(start), GUARD, GUARD_INSTALL) } == 0 {
                return Ok(());
            }
            let refused = io::Error::last_os_error();
            if refused.raw_os_error() != Some(libc::EINVAL) {
                return Err(error("guard", refused));
            }
            HAS_MARKS.store(false, Ordering::Relaxed);
        }
        // SAFETY: as above.
        match unsafe { libc::mprotect(place(start), GUARD, libc::PROT_NONE) } {
            0 => Ok(()),
            _ => Err(error("guard (each takes two mappings: see vm.max_map_count)", io::Error::last_os_error())),
        }
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

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// A size that nothing else in this test binary uses.
    const SIZE: usize = 300 << 10;

    /// How many looks see all marks.
    const TURNS: usize = APART / size_of::<usize>();

    /// How many of the pages from the guard up have memory.
    fn resident(memory: &Memory) -> usize {
        let from = memory.start + GUARD;
        let mut pages = vec![0_u8; (memory.end() - from) / *PAGE];
        // SAFETY: the range is mapped, and there is a byte for each page of it.
        let known = unsafe { libc::mincore(place(from), memory.end() - from, pages.as_mut_ptr()) };
        assert_eq!(known, 0);
        pages.iter().filter(|page| *page & 1 != 0).count()
    }

    /// Uses so many bytes from the top, as a program does.
    fn use_up(memory: &Memory, bytes: usize) {
        for at in (memory.end() - bytes..memory.end()).step_by(8) {
            // SAFETY: inside the stack, on which nobody runs.
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
        // Beside them the page with the marks.
        assert_eq!(resident(&memory), KEPT / 2 / *PAGE + 1, "an ordinary program's pages are kept");
        use_up(&memory, SIZE);
        assert!(resident(&memory) >= SIZE / *PAGE);
        assert!(memory.trim(0) > 0);
        assert_eq!(resident(&memory), KEPT / *PAGE + 1);
        assert!((0..TURNS).all(|turn| memory.trim(turn) == 0));
        memory.settle();
        assert_eq!(resident(&memory), KEPT / *PAGE + 1);
    }

    /// Clears the words from `deepest` bytes below the top up to `highest`, each so far from the last, as a program does that makes
    /// an array of zeros, or one that it does not fill.
    fn use_for_zeros(memory: &Memory, deepest: usize, highest: usize, apart: usize) {
        for at in (memory.end() - deepest..memory.end() - highest).step_by(apart) {
            // SAFETY: inside the stack, on which nobody runs.
            unsafe { ptr::with_exposed_provenance_mut::<usize>(at).write_volatile(0) };
        }
    }

    #[test]
    fn so_does_what_a_program_used_for_zeros() {
        let mut memory = Memory::new(SIZE).unwrap();
        // A fresh one has no marks yet, and one that was cleared has them again.
        for turn in 0..2 * TURNS {
            use_for_zeros(&memory, SIZE - *PAGE, 1000, size_of::<usize>());
            assert!(resident(&memory) > KEPT / *PAGE + 1);
            assert_eq!(memory.trim(turn), MARKED / APART);
            assert_eq!(resident(&memory), KEPT / *PAGE + 1);
        }
    }

    #[test]
    fn so_does_what_a_program_used_of_each_page_one_word() {
        let mut memory = Memory::new(SIZE).unwrap();
        memory.trim(0);
        for word in (0..*PAGE).step_by(size_of::<usize>()) {
            use_for_zeros(&memory, SIZE - word, KEPT, *PAGE);
            // One of the looks sees it, and so does the close one.
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
    fn stacks_are_given_again_empty_and_slabs_go_when_nobody_uses_them() {
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
        // Of several slabs.
        let many: Vec<_> = (0..2 * MIN_STACKS).map(|_| Memory::new(SIZE + (200 << 10)).unwrap()).collect();
        assert!(many.iter().all(|memory| threads.iter().all(|thread| memory.end() < *thread)));
    }

    #[test]
    fn an_absurd_size_is_an_error() {
        for size in [usize::MAX, usize::MAX / 2, usize::MAX / 1000] {
            assert_eq!(Memory::new(size).unwrap_err().kind(), io::ErrorKind::OutOfMemory);
        }
    }

    /// Where guards are protected pages the kernel sets a limit. In a process of its own, which it fills.
    #[test]
    fn the_limit_of_protected_guards_is_an_error() {
        const CHILD: &str = "PUSHPULL_TEST_FILLS_MAPPINGS";
        if std::env::var_os(CHILD).is_none() {
            let test = std::env::current_exe().unwrap();
            let child = Command::new(test).args(["the_limit_of_protected_guards"]).env(CHILD, "1").output().unwrap();
            assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
            return;
        }
        HAS_MARKS.store(false, Ordering::Relaxed);
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
        // And there are stacks again when some are back.
        many.truncate(many.len() / 2);
        assert!(Memory::new(16 << 10).is_ok());
    }
}
