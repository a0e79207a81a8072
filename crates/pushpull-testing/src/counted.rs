//! The resources of a process that can leak.

use std::fs;
use std::thread;

/// The maximum number of threads that `Thread` keeps for later programs, by its documentation.
const MAX_IDLE: usize = 16;

/// How much the process may grow, because allocators and recyclers keep memory. A leaked page for each of 100,000
/// bridges would be 390 MiB.
const MAX_GROWTH_KIB: usize = 24 << 10;

pub struct Counted {
    threads: usize,
    descriptors: usize,
    mappings: usize,
    memory_kib: usize,
}

impl Counted {
    pub fn now() -> Counted {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let figure = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse::<usize>().unwrap()
        };
        Counted {
            threads: figure("Threads:"),
            descriptors: fs::read_dir("/proc/self/fd").unwrap().count(),
            mappings: fs::read_to_string("/proc/self/maps").unwrap().lines().count(),
            memory_kib: figure("VmRSS:"),
        }
    }

    /// Waits until threads and descriptors are back to this count, then panics if mappings or memory have grown.
    pub fn expect_no_more(&self) {
        while Counted::now().threads > self.threads.max(2) + MAX_IDLE || Counted::now().descriptors > self.descriptors {
            thread::yield_now();
        }
        let after = Counted::now();
        let threads = after.threads.saturating_sub(self.threads);
        // An idle thread has a stack, which is two mappings, and may have an arena of the allocator.
        assert!(
            after.mappings <= self.mappings + 4 * threads + 64,
            "{} mappings, {} before",
            after.mappings,
            self.mappings
        );
        assert!(
            after.memory_kib <= self.memory_kib + MAX_GROWTH_KIB,
            "{} KiB, {} before",
            after.memory_kib,
            self.memory_kib
        );
    }
}
