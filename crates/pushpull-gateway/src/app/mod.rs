//! The two shapes of application, and the conversion of each into the other.
//!
//! Start with `PushApp`, `PullApp` and `Input`. A request passes through the files in this order:
//!
//! ```text
//! input.rs     the body of the request (data.rs: the data frames of an HTTP body)
//! kind.rs      App: one trait over both shapes, for the code that runs an app
//! shapes.rs    PushApp and PullApp: the traits that applications implement
//! output.rs    splits what the app writes into a head and a body
//! convert.rs   AsPull and AsPush: each shape as the other
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
