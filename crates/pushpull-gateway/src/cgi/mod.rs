//! What RFC 3875 says of requests and responses. Nothing here waits, reads or writes.
//!
//! ```text
//!  http::Request  <── request.rs (path.rs: where an application is mounted) ──> environ.rs: the meta-variables
//!  http::Response <── response.rs ── head.rs <── the header block that a program wrote
//!                     redirect.rs:   what a local redirect asks for next
//!                     refusal.rs:    the answer in a program's place
//! ```

pub(crate) mod environ;
pub(crate) mod error_stream;
pub(crate) mod head;
pub(crate) mod path;
pub(crate) mod redirect;
pub(crate) mod refusal;
pub(crate) mod request;
pub(crate) mod response;

pub use environ::{Environ, InvalidVariable};
pub use error_stream::ErrorStream;
pub use head::{Fed, HeadError, HeadParser, MAX_HEAD, ResponseHead};
pub use path::{BadMount, Mount};
pub use refusal::Refusal;
pub use request::{Authenticated, Connection};
pub use response::LocalRedirect;
