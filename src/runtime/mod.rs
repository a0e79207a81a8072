//! Where programs run and how they wait.
//!
//! The files, in the order in which a program passes through them:
//!
//! 1. `stack`: the stacks that programs run on.
//! 2. `coroutine`: the switch between stacks; `spans` switches the program's `tracing` spans with it.
//! 3. `program`: the state of a program that its bridge sees; `current`: the program that runs on this thread.
//! 4. `wait`: every wait of this crate; `courtesy` decides between yielding and sleeping, `timer` has the deadlines.
//! 5. `waker`, `stop_waker`, `contained`: wakers behind locks, wakers of foreign executors, panics of foreign code.
//! 6. `fairness`: when a program that never has to wait yields.
//! 7. `unwind`: the end of a program that ignores that its bridge is closed.

pub(crate) mod contained;
pub(crate) mod coroutine;
pub(crate) mod courtesy;
pub(crate) mod current;
pub(crate) mod fairness;
pub(crate) mod program;
#[cfg(feature = "tracing")]
mod spans;
// The one place that knows which targets have coroutines, besides `Cargo.toml`, which has the library for them.
#[cfg_attr(
    any(
        pushpull_no_coroutines,
        not(any(
            target_arch = "aarch64",
            target_arch = "arm",
            target_arch = "loongarch64",
            target_arch = "riscv32",
            target_arch = "riscv64",
            target_arch = "x86",
            target_arch = "x86_64"
        ))
    ),
    path = "stack/absent.rs"
)]
pub(crate) mod stack;
pub(crate) mod stop_waker;
pub(crate) mod timer;
pub(crate) mod unwind;
pub(crate) mod wait;
pub(crate) mod waker;
