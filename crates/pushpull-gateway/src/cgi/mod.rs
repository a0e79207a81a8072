//! CGI/1.1 (RFC 3875): requests as meta-variables, and header blocks as responses. Nothing here waits, or does input or
//! output.
//!
//! Start with `Environ`, `ResponseHead` and `Mount`. A request passes through the files in this order:
//!
//! ```text
//! request.rs       http::Request to meta-variables, and back
//! path.rs          Mount: the prefix of an application; decodes and checks paths
//! environ.rs       Environ: the meta-variables
//! error_stream.rs  ErrorStream: the application's messages to the log
//! head.rs          ResponseHead: parses the header block that a program wrote
//! response.rs      ResponseHead to http::Response, and back
//! redirect.rs      the request that a local redirect leads to
//! refusal.rs       Refusal: the response in a program's place
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
