//! FastCGI applications in other processes, such as php-fpm.
//!
//! Start with these three types:
//!
//! * [`Upstream`]: the application, as a `tower::Service`;
//! * [`ProgramLimits`](crate::ProgramLimits): how long requests may take, and how many run at a time;
//! * [`Mount`](crate::Mount): the part of the site's paths that the application serves.

// A request passes through the files in this order, then through those of `../external`:
//
//   service.rs       Upstream: the service (settings.rs: its settings)
//   asking.rs        from a request to a conversation (../site: which script the request names)
//   conversation.rs  Conversation: the task that exchanges a request for its response
//   connection.rs    Socket: a connection to the application (idle.rs: kept for the next request)
//   sending.rs       sends BEGIN_REQUEST, PARAMS and STDIN
//   receiving.rs     receives STDOUT, STDERR and END_REQUEST

mod asking;
mod connection;
mod conversation;
mod idle;
mod receiving;
mod sending;
mod service;
mod settings;

pub use crate::external::ResponseFuture;
pub use service::Upstream;
