//! What a program writes becomes a response, or a 500 or 502: the same however its writes are split.

#![no_main]

use http::{Request, Response};
use http_body_util::{BodyExt, Empty};
use libfuzzer_sys::fuzz_target;
use pushpull::Local;
use pushpull_gateway::{Environ, push_fn, service};
use tower_service::Service;

/// The status, the fields and the body. `None` for a body that was cut.
type Answer = (u16, Vec<(String, Vec<u8>)>, Option<Vec<u8>>);

fn answer(written: Vec<u8>, piece: usize) -> Answer {
    let app =
        push_fn(move |_inp, out, _err, _env: &Environ| written.chunks(piece).try_for_each(|part| out.write_all(part)));
    let mut service = service(Local::new(), app);
    let request = Request::get("http://localhost/").body(Empty::<bytes::Bytes>::new()).expect("it is a request");
    pollster::block_on(async {
        let response: Response<_> = service.call(request).await.expect("every failure is a response");
        let (parts, body) = response.into_parts();
        let fields = parts.headers.iter().map(|(name, value)| (name.to_string(), value.as_bytes().to_vec())).collect();
        let body = body.collect().await.ok().map(|body| body.to_bytes().to_vec());
        (parts.status.as_u16(), fields, body)
    })
}

fuzz_target!(|data: &[u8]| {
    let Some((piece, written)) = data.split_first() else { return };
    let whole = answer(written.to_vec(), written.len().max(1));
    let (status, fields, _) = &whole;
    // The server frames the body; a program does not.
    for name in ["connection", "transfer-encoding", "keep-alive", "upgrade", "trailer"] {
        assert!(fields.iter().all(|(field, _)| field != name), "{name} got through");
    }
    assert!((200..=599).contains(status), "{status}");
    assert_eq!(whole, answer(written.to_vec(), usize::from(*piece) + 1), "it depends on the size of writes");
});
