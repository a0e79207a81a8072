//! Local redirects, which the server answers itself.

use pushpull_gateway::{Body, LocalRedirect};
use pushpull_gateway::{ErrorStream, LocalRedirects, push_fn, service};
use tower_service::Service;

use super::client::{Answer, ask, block_on, collect};

fn request(method: &str, path: &str) -> http::Request<Body> {
    http::Request::builder()
        .method(method)
        .uri(format!("http://example.test{path}"))
        .header("content-type", "text/plain")
        .header("x-kept", "yes")
        .body(Body::from("the body"))
        .unwrap()
}

on_every_engine! {
    /// Requirement 9: `Location: /path` is requested again as a `GET` without a body.
    fn requirement_9_a_local_redirect_is_answered_here(engine) {
        let app = push_fn(|inp, out, _err, env| {
            let path = env.get_str("PATH_INFO").unwrap();
            if path == "/here" {
                return out.write_all(b"Location: /there?a=b\n\n");
            }
            let mut body = String::new();
            std::io::Read::read_to_string(inp, &mut body)?;
            assert_eq!(env.get("CONTENT_TYPE"), None);
            assert_eq!(env.get("HTTP_X_KEPT"), Some(&b"yes"[..]));
            let [method, query] = ["REQUEST_METHOD", "QUERY_STRING"].map(|name| env.get_str(name).unwrap());
            write!(out, "A: 1\n\n{method} {path} {query} {body:?}")
        });
        let mut service = LocalRedirects::new(service(engine, app));
        let answer = block_on(async { collect(ask(&mut service, request("POST", "/here")).await).await });
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "GET /there a=b \"\""));
    }

    /// Requirement 9: `Set-Cookie` and the other fields beside the `Location` are kept for the final response.
    fn requirement_9_the_fields_of_a_local_redirect_are_kept(engine) {
        let app = push_fn(|_inp, out, _err, env| {
            out.write_all(match env.get_str("PATH_INFO").unwrap() {
                "/login" => b"Set-Cookie: sid=1\nSet-Cookie: a=1\nX-First: 1\nX-Both: 1\nX-All: 1\nVary: Cookie\nETag: \"1\"\n\
                    Content-Language: en\nLocation: /between\n\n" as &[u8],
                "/between" => b"Set-Cookie: a=2\nX-Both: 2\nX-Both: 2b\nX-All: 2\nLocation: /home\n\n",
                "/none" => b"Set-Cookie: sid=1\nLocation: /a b\n\n",
                _ => b"Content-Type: text/plain\nSet-Cookie: a=3\nX-All: 3\nVary: Accept\n\nhome",
            })
        });
        let mut service = LocalRedirects::new(service(engine, app));
        block_on(async {
            let response = ask(&mut service, request("GET", "/login")).await;
            assert_eq!(response.status().as_u16(), 200);
            let fields = response.headers();
            for (name, values) in [
                ("set-cookie", &["sid=1", "a=1", "a=2", "a=3"][..]),
                ("x-first", &["1"]),
                ("x-both", &["2", "2b"]),
                ("x-all", &["3"]),
                ("vary", &["Cookie", "Accept"]),
                ("content-type", &["text/plain"]),
                ("etag", &[]),
                ("content-language", &[]),
                ("location", &[]),
            ] {
                assert_eq!(fields.get_all(name).iter().collect::<Vec<_>>(), values, "{name}");
            }
            let refused = ask(&mut service, request("GET", "/none")).await;
            assert_eq!((refused.status().as_u16(), refused.headers()["set-cookie"].as_bytes()), (502, &b"sid=1"[..]));
        });
    }

    /// Requirement 9: there is a limit on hops.
    fn requirement_9_a_loop_of_redirects_ends(engine) {
        let (say, hear) = std::sync::mpsc::channel();
        let app = push_fn(move |_inp, out, _err, _env| {
            say.send(()).unwrap();
            out.write_all(b"Location: /again\n\n")
        });
        let mut service = LocalRedirects::new(service(engine, app));
        let answer = block_on(async { collect(ask(&mut service, request("GET", "/")).await).await });
        assert_eq!(answer.status.as_u16(), 502);
        assert_eq!(hear.try_iter().count(), 11);
    }

    /// Without a layer that follows it, the redirect reaches the client.
    fn an_unfollowed_redirect_is_the_clients(engine) {
        let app = push_fn(|_inp, out, _err, _env| out.write_all(b"Location: /there\n\n"));
        let response = block_on(async { ask(&mut service(engine, app), request("GET", "/")).await });
        assert!(response.extensions().get::<LocalRedirect>().is_some());
        assert_eq!((response.status().as_u16(), response.headers()["location"].as_bytes()), (302, &b"/there"[..]));
    }
}

/// Meta-variables of the request describe the old path, so they are created anew.
#[test]
fn a_redirect_has_its_own_meta_variables() {
    let app = push_fn(|_inp, out, _err, env| match env.get_str("PATH_INFO") {
        Some("/there") => out.write_all(b"A: 1\n\nfound"),
        _ => out.write_all(b"Location: /there\n\n"),
    });
    let mut env = pushpull_gateway::Environ::new();
    env.set("PATH_INFO", "/here").unwrap();
    let mut request = request("GET", "/here");
    request.extensions_mut().insert(env);
    let mut service = LocalRedirects::new(service(pushpull::Local::new(), app));
    let answer: Answer = block_on(async { collect(service.call(request).await.unwrap()).await });
    assert_eq!(answer.text(), "found");
}

/// An invalid path cannot be followed.
#[test]
fn a_redirect_to_an_invalid_path_is_a_502() {
    let app = push_fn(|_inp, out, _err, _env| out.write_all(b"Location: /a b\n\n"));
    let (say, hear) = std::sync::mpsc::channel();
    let errors = ErrorStream::new(move |line| say.send(line.to_owned()).unwrap());
    let mut service = LocalRedirects::new(service(pushpull::Local::new(), app)).error_log(errors);
    let answer: Answer = block_on(async { collect(service.call(request("POST", "/from?here")).await.unwrap()).await });
    assert_eq!(answer.status.as_u16(), 502);
    let told = "POST /from?here: 502 Bad Gateway: a local redirect to an invalid path: /a b";
    assert_eq!(hear.try_iter().collect::<Vec<_>>(), [told]);
}
