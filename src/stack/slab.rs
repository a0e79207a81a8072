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
use crate::fork::{self, PerProcess};

/// Below each stack. One page can be jumped over by C code, which touches no page on its way down.
const GUARD: usize = 64 << 10;

/// How much of a stack that is done with keeps its memory.
const KEPT: usize = 16 << 10;

/// How many stacks the first slab of a size has, and the largest.
const LEAST: usize = 16;
const MOST: usize = 1024;

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
    end: usize,
    asked: usize,
    /// Where it came from.
    slab: usize,
    /// In which process. A child may use and empty it; the parent's slabs are not its own.
    process: u32,
}

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
        Ok(Memory { start, end: start + stride, asked, slab, process: fork::process() })
    }

    pub(super) fn asked(&self) -> usize {
        self.asked
    }

    pub(super) fn base(&self) -> StackPointer {
        pointer(self.end - size_of::<Header>())
    }

    pub(super) fn limit(&self) -> StackPointer {
        pointer(self.start)
    }

    /// Says whose stack it is now. The name lives as long as that is so.
    pub(super) fn set_name(&mut self, name: Option<&str>) {
        let header = ptr::with_exposed_provenance_mut::<Header>(self.end - size_of::<Header>());
        // SAFETY: the last bytes of the mapping, above the stack's base, are the header's, and nobody runs on this stack.
        unsafe { header.write(Header::new(name, self.asked)) };
    }

    /// Gives back what a deep program has used and an ordinary one does not need.
    pub(super) fn trim(&self) {
        if self.was_deep() {
            self.discard(self.end.saturating_sub(KEPT));
        }
    }

    /// Looks for what a program leaves that has been deeper than `KEPT`: a page full of addresses and saved registers, where
    /// there were zeros. To ask the system costs more than a bridge.
    fn was_deep(&self) -> bool {
        const APART: usize = 256;
        let page = self.end.saturating_sub(KEPT + *PAGE);
        let look = |at: usize| {
            // SAFETY: the caller below keeps it inside the stack's mapping, where nobody runs. It may never have been
            // written; then it reads as zero.
            unsafe { ptr::with_exposed_provenance::<usize>(at).read_volatile() }
        };
        page >= self.start + GUARD && (page..page + *PAGE).step_by(APART).any(|at| look(at) != 0)
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
        self.discard(self.end);
        if fork::is_past(self.process) {
            return;
        }
        let mut classes = classes();
        if let Some(class) = classes.iter_mut().find(|class| class.stride == self.end - self.start) {
            class.give(self.slab, self.start);
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

    /// One more slab, as large as all before it together, up to `MOST`; smaller where the system has no such mapping.
    fn add(&mut self) -> io::Result<usize> {
        let mut count = self.slabs.iter().flatten().map(|slab| slab.count).sum::<usize>().clamp(LEAST, MOST);
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
        let start = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
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

    /// How many of the pages from the guard up have memory.
    fn resident(memory: &Memory) -> usize {
        let from = memory.start + GUARD;
        let mut pages = vec![0_u8; (memory.end - from) / *PAGE];
        // SAFETY: the range is mapped, and there is a byte for each page of it.
        let known = unsafe { libc::mincore(place(from), memory.end - from, pages.as_mut_ptr()) };
        assert_eq!(known, 0);
        pages.iter().filter(|page| *page & 1 != 0).count()
    }

    /// Uses so many bytes from the top, as a program does.
    fn use_up(memory: &Memory, bytes: usize) {
        for at in (memory.end - bytes..memory.end).step_by(8) {
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
        let memory = Memory::new(SIZE).unwrap();
        use_up(&memory, KEPT / 2);
        memory.trim();
        // Beside them the page that was looked at, which is the system's page of zeros.
        assert_eq!(resident(&memory), KEPT / 2 / *PAGE + 1, "an ordinary program's pages are kept");
        use_up(&memory, SIZE);
        assert!(resident(&memory) >= SIZE / *PAGE);
        memory.trim();
        assert_eq!(resident(&memory), KEPT / *PAGE);
        memory.trim();
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
