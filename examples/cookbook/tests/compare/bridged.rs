//! The same with pushpull.

use std::io;

use axum::body::Body;
use pushpull::{Pool, Reader, Writer};

pub fn body(program: impl FnOnce(&mut Writer) -> io::Result<()> + Send + 'static) -> Body {
    Body::new(Pool::global().pull(program).into_body())
}

pub async fn upload<T: Send + 'static>(
    body: Body,
    program: impl FnOnce(&mut Reader) -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    Pool::global().push(program).feed_from_body(body).await
}
