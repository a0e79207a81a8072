//! An HTTP server (HTTP/1.1, and HTTP/2 with prior knowledge) for services of one thread or many (feature `cli`).
//!
//! One single-threaded runtime per core, one socket that all of them listen to. A connection stays on the thread that
//! accepted it, and so do the services behind it: they need not be `Send`, and apps on [`Local`](crate::Local) run inside
//! the server's own polls.
//!
//! ```text
//!  listener.rs ──> connection.rs ── hyper ──> exchange.rs ──> your service
//!  (accepts)       (one task each)            (one request and its answer: request_body.rs, response_body.rs)
//!   share.rs: to the thread with the fewest
//!                   │ socket.rs    reads and writes; sees the client go, sees it stall
//!                   │ traffic.rs   what is under way, and since when nothing has been
//!                   │ streams.rs   the tasks of HTTP/2
//!                   └ ending.rs    how the connection is closed, so that the client gets all, or sees that it did not
//! ```

mod connection;
mod ending;
mod exchange;
mod limits;
mod listener;
mod record;
mod request_body;
mod response_body;
mod server;
mod share;
mod shutdown;
mod socket;
mod streams;
mod traffic;

pub use limits::Limits;
pub use record::{End, Record};
pub use request_body::RequestBody;
pub use server::Server;
pub use shutdown::Shutdown;
