//! Applications of both shapes, each as the other.
//!
//! ```text
//!  input.rs ── Input ──> shapes.rs: PushApp, PullApp ── output.rs ──> head, then chunks
//!                        kind.rs:    either of them, for the code that runs it
//!                        convert.rs: each as the other
//! ```

pub(crate) mod convert;
pub(crate) mod data;
pub(crate) mod input;
pub(crate) mod kind;
pub(crate) mod output;
pub(crate) mod shapes;

pub use convert::{AsPull, AsPush};
pub use input::Input;
pub use kind::{App, Pull, Push};
pub use shapes::{PullApp, PullFn, PushApp, PushFn, pull_fn, push_fn};
