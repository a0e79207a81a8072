//! The tasks of HTTP/2, one for each request, on the thread of its connection.

use std::future::Future;
use std::rc::Rc;

use hyper::rt::Executor;

use super::traffic::Traffic;

/// An executor for hyper. Hyper spawns a request's task right after it has called the service for the request.
#[derive(Clone)]
pub(super) struct Streams(pub(super) Rc<Traffic>);

impl<F: Future<Output = ()> + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        let task = tokio::task::spawn_local(future);
        if let Some(stream) = self.0.take_expected() {
            stream.set_task(task.abort_handle());
        }
    }
}
