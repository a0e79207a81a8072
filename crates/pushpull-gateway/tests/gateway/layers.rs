//! Services compose with tower's layers, inside and outside.

use std::time::Duration;

use http::{HeaderValue, Request, Response};
use pushpull::{Local, Pool};
use pushpull_gateway::host::{HealthLayer, Shutdown};
use pushpull_gateway::{Body, LocalRedirectsLayer, push_fn, service};
use tower::timeout::TimeoutLayer;
use tower::{ServiceBuilder, ServiceExt};

use super::client::{block_on, collect};

fn greet() -> impl pushpull_gateway::PushApp + Send + Sync + Clone {
    push_fn(|_inp, out, _err, env| {
        let name = env.get("HTTP_X_NAME").unwrap_or(b"nobody");
        out.write_all(b"Content-Type: text/plain\n\nhello, ")?;
        out.write_all(name)
    })
}

fn named(mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("x-name", HeaderValue::from_static("layer"));
    request
}

fn marked<B>(mut response: Response<B>) -> Response<B> {
    response.headers_mut().insert("x-seen", HeaderValue::from_static("yes"));
    response
}

#[test]
fn layers_go_around_a_service_on_local_and_on_a_pool() {
    let request = || Request::get("http://a/").body(Body::empty()).unwrap();
    block_on(async {
        let layers = ServiceBuilder::new().map_request(named).map_response(marked);
        let answer = collect(layers.service(service(Local::new(), greet())).oneshot(request()).await.unwrap()).await;
        assert_eq!((answer.text(), &answer.fields["x-seen"]), ("hello, layer", &HeaderValue::from_static("yes")));
        let layers = ServiceBuilder::new().map_request(named).map_response(marked);
        let layers = layers.layer(TimeoutLayer::new(Duration::from_secs(60)));
        let pooled = layers.service(service(Pool::new(1), greet())).boxed_clone();
        let answer = collect(pooled.oneshot(request()).await.unwrap()).await;
        assert_eq!((answer.text(), &answer.fields["x-seen"]), ("hello, layer", &HeaderValue::from_static("yes")));
    });
}

#[test]
fn the_wrappers_of_this_crate_are_layers() {
    let shutdown = Shutdown::new();
    let app = push_fn(|_inp, out, _err, env| match env.get("PATH_INFO") {
        Some(b"/from") => out.write_all(b"Location: /to\n\n"),
        path => out.write_all(&[b"Content-Type: text/plain\n\n", path.unwrap_or_default()].concat()),
    });
    let layers = ServiceBuilder::new().layer(HealthLayer::new("/health", &shutdown)).layer(LocalRedirectsLayer::new());
    let service = layers.service(service(Local::new(), app));
    block_on(async {
        let answer = async |path: &str| {
            let request = Request::get(format!("http://a{path}")).body(Body::empty()).unwrap();
            collect(service.clone().oneshot(request).await.unwrap()).await
        };
        assert_eq!(answer("/from").await.text(), "/to");
        assert_eq!(answer("/health").await.status, 200);
        shutdown.begin();
        assert_eq!(answer("/health").await.status, 503);
    });
}

/// A layer that times out drops the response, and with it the program.
#[test]
fn a_timeout_stops_the_program() {
    pushpull_testing::watchdog::within(|| {
        let (held, dropped) = pushpull_testing::guard::guard();
        let held = std::sync::Mutex::new(Some(held));
        let app = push_fn(move |inp, _out, _err, _env| {
            let _held = held.lock().unwrap().take();
            std::io::copy(inp, &mut std::io::sink()).map(drop)
        });
        block_on(async {
            let (_sender, body) = super::client::pieces();
            let layers = ServiceBuilder::new().layer(TimeoutLayer::new(Duration::from_millis(1)));
            let request = Request::post("http://a/").body(Body::new(body)).unwrap();
            layers.service(service(Pool::new(1), app)).oneshot(request).await.unwrap_err();
        });
        dropped.wait();
    });
}
