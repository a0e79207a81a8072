//! A WSGI application behind Python's own CGI handler, checked by Python's own validator.

use crate::host::{Scripts, Serving};
use pushpull_testing::needed::there;
use pushpull_testing::wire::exchange;

const APPLICATION: &str = r#"#!/usr/bin/env python3
from wsgiref.handlers import CGIHandler
from wsgiref.validate import validator

def application(environ, start_response):
    body = environ['wsgi.input'].read(int(environ.get('CONTENT_LENGTH') or 0))
    if environ['PATH_INFO'] == '/fails':
        raise ValueError('on purpose')
    start_response('200 OK', [('Content-Type', 'text/plain')])
    yield ' '.join([environ['REQUEST_METHOD'], environ['SCRIPT_NAME'], environ['PATH_INFO'], environ['QUERY_STRING'],
                    environ['SERVER_NAME'], environ['HTTP_X_GIVEN'], body.decode()]).encode()
    yield b'.' * 100000

CGIHandler().run(validator(application))
"#;

#[test]
fn a_wsgi_application_answers() {
    if !there(&["python3"]) {
        return;
    }
    let scripts = Scripts::new();
    let program = scripts.file("application.py", APPLICATION, 0o755);
    let serving = Serving::start(&["--mount", "/app", "--", &program]);
    let ask = |path: &str| {
        let request = format!(
            "POST /app{path} HTTP/1.1\r\nHost: name.example\r\nX-Given: yes\r\nContent-Type: text/plain\r\n\
             Content-Length: 4\r\nConnection: close\r\n\r\nbody"
        );
        exchange(serving.address, request)
    };
    let got = ask("/place?q=1");
    let (body, whole) = got.chunks();
    let text = String::from_utf8(body).unwrap();
    assert_eq!((got.status(), whole), (200, true), "{text}");
    assert_eq!(text.trim_end_matches('.'), "POST /app /place q=1 name.example yes body");
    assert_eq!(text.len() - text.trim_end_matches('.').len(), 100_000);
    // The handler answers with 500, and writes a traceback to the log.
    assert_eq!(ask("/fails").status(), 500);
    serving.troubles.wait_for("ValueError: on purpose", 1);
}
