//! Who waits, how, and on which stack.

pub(crate) mod contained;
pub(crate) mod coroutine;
pub(crate) mod courtesy;
pub(crate) mod current;
pub(crate) mod fairness;
pub(crate) mod program;
#[cfg(feature = "tracing")]
mod spans;
// The one place that knows which targets have coroutines; with it, `Cargo.toml`, which has the library for them.
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
