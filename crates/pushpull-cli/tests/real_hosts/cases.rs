//! The cases that hold behind every server.

use std::io::{self, ErrorKind, Read, Write};
use std::thread;
use std::time::Duration;

use super::client::{Client, Head};
use super::front::{self, Cuts, Front};
use super::pattern::{Checked, write};
use super::server::wait_until;
use super::watch::Watch;

const LARGE: u64 = 100_000_000;

/// Runs each case behind each server.
macro_rules! behind_every_server {
    ($($(#[doc = $doc:literal])* fn $name:ident($front:ident) $body:block)*) => {
        $(
            $(#[doc = $doc])*
            mod $name {
                use super::*;

                fn case($front: Front) $body

                behind! {
                    apache_cgid lighttpd_cgi nginx_http
                    nginx_fastcgi_app nginx_fastcgi_serve apache_fastcgi_app apache_fastcgi_serve
                    lighttpd_fastcgi_app lighttpd_fastcgi_serve
                    nginx_scgi_app nginx_scgi_serve apache_scgi_app apache_scgi_serve lighttpd_scgi_app lighttpd_scgi_serve
                }
            }
        )*
    };
}

macro_rules! behind {
    ($($server:ident)*) => {
        $(
            #[test]
            fn $server() {
                if let Some(front) = front::$server() {
                    case(front);
                }
            }
        )*
    };
}

/// Returns how many bytes of the pattern a client received, and whether the response was complete.
fn pattern(client: &mut Client) -> (u64, io::Result<()>) {
    let head = client.head();
    assert_eq!(head.status, 200);
    body(client, &head)
}

fn body(client: &mut Client, head: &Head) -> (u64, io::Result<()>) {
    let mut checked = Checked::default();
    let read = io::copy(&mut client.body(head), &mut checked);
    (checked.bytes(), read.map(drop))
}

behind_every_server! {
    fn small_answers_of_both_shapes(front) {
        let mut client = front.client();
        for shape in ["push", "pull"] {
            let (head, text) = client.get(&format!("/app/path?case=hello&shape={shape}"));
            assert_eq!((head.status, &text.unwrap()[..]), (200, "hello\n"));
            assert_eq!(head.all("content-type"), ["text/plain"]);
            assert_eq!(client.get(&format!("/app?case=none&shape={shape}")).0.status, 404);
        }
    }

    fn the_meta_variables_are_those_of_the_request(front) {
        let text = front.client().get("/app?case=environ&x=y").1.unwrap();
        for line in ["REQUEST_METHOD=GET", "QUERY_STRING=case=environ&x=y", "SERVER_PROTOCOL=HTTP/1.1", "HTTP_HOST=localhost"] {
            assert!(text.lines().any(|said| said == line), "{line} is not in {text}");
        }
    }

    /// Checks requirement 22: nginx's default SCGI parameters contain no path but that of the target.
    fn the_path_is_that_of_the_request(front) {
        let text = front.client().get("/app/x%20y?case=environ").1.unwrap();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let parts = [value("SCRIPT_NAME"), value("PATH_INFO")];
        assert_eq!(parts.map(Option::unwrap_or_default).concat(), "/app/x y", "{text}");
        assert_eq!(value("REQUEST_URI"), Some("/app/x%20y?case=environ"));
    }

    fn a_hundred_megabytes_out(front) {
        let mut client = front.client();
        client.ask("GET", &format!("/app?case=out&size={LARGE}"), None);
        let (bytes, end) = pattern(&mut client);
        assert!(bytes == LARGE && end.is_ok(), "{bytes} {end:?}");
    }

    fn a_hundred_megabytes_in(front) {
        let mut client = front.client();
        client.ask("POST", "/app?case=in", Some(LARGE));
        write(&mut client.sender(), LARGE).unwrap();
        let head = client.head();
        let mut text = String::new();
        client.body(&head).read_to_string(&mut text).unwrap();
        assert_eq!((head.status, text), (200, format!("{LARGE}\n")));
    }

    /// Echoes the request body while it is sent, line by line if the server allows that.
    fn echo(front) {
        let mut client = front.client();
        let mut sender = client.sender();
        if front.is.duplex {
            client.ask("POST", "/app?case=echo", Some(3 * 6));
            let head = client.head();
            let mut body = client.body(&head);
            for _ in 0..3 {
                // Send the next line after this one has come back.
                sender.write_all(b"piece\n").unwrap();
                let mut piece = [0; 6];
                body.read_exact(&mut piece).unwrap();
                assert_eq!(&piece, b"piece\n");
            }
            assert_eq!(body.read(&mut [0]).unwrap(), 0);
        }
        let size = if front.is.duplex { 3_000_000 } else { 30_000 };
        client.ask("POST", "/app?case=echo", Some(size));
        let sending = thread::spawn(move || write(&mut sender, size).unwrap());
        let (bytes, end) = pattern(&mut client);
        assert!(bytes == size && end.is_ok(), "{bytes} {end:?}");
        sending.join().unwrap();
    }

    fn head_has_the_fields_and_no_body(front) {
        let mut client = front.client();
        for announced in ["", "&announced"] {
            client.ask("HEAD", &format!("/app?case=out&size=1000000{announced}"), None);
            let head = client.head();
            assert_eq!((head.status, head.all("content-type")), (200, vec!["application/octet-stream"]));
            // The next bytes are the next response.
            assert_eq!(client.get("/app?case=hello").1.unwrap(), "hello\n");
        }
    }

    fn many_cookies_stay_many(front) {
        let (head, _) = front.client().get("/app?case=cookies&size=50");
        let cookies: Vec<_> = (0..50).map(|n| format!("name-{n}=value; Path=/{n}")).collect();
        assert_eq!(head.all("set-cookie"), cookies);
    }

    /// Checks that the first piece arrives before the second is written.
    fn a_trickle_is_seen_as_it_trickles(front) {
        let (watch, mut client) = (Watch::new(), front.client());
        client.ask("GET", &format!("/app?case=trickle&control={}", watch.port()), None);
        let mut app = watch.begun();
        // Some servers pass on the head together with the first bytes of the body.
        app.go_on();
        let head = client.head();
        let mut body = client.body(&head);
        for n in 0..3 {
            if n > 0 {
                app.go_on();
            }
            let mut piece = [0; 6];
            body.read_exact(&mut piece).unwrap();
            assert_eq!(&piece, b"piece\n");
        }
        drop(app);
        drop(watch);
    }

    fn a_client_that_does_not_read_blocks_the_application(front) {
        let (watch, mut client) = (Watch::new(), Client::narrow(front.address()));
        client.ask("GET", &format!("/app?case=endless&control={}", watch.port()), None);
        let app = watch.begun();
        client.head();
        // A blocked application does not change for a while; any other passes the bound soon.
        let mut before = 0;
        wait_until("the application is held", || {
            assert!(before < 48 << 20, "{before} bytes were written without a reader");
            thread::sleep(Duration::from_millis(100));
            let now = app.count();
            now > 0 && std::mem::replace(&mut before, now) == now
        });
        drop(client);
        app.gone();
    }

    fn a_disconnect_stops_a_writing_application(front) {
        let (watch, mut client) = (Watch::new(), front.client());
        client.ask("GET", &format!("/app?case=endless&control={}", watch.port()), None);
        let app = watch.begun();
        let head = client.head();
        client.body(&head).read_exact(&mut [0; 100_000]).unwrap();
        drop(client);
        app.gone();
    }

    fn a_disconnect_stops_a_reading_application(front) {
        let (watch, mut client) = (Watch::new(), front.client());
        client.ask("POST", &format!("/app?case=reading&control={}", watch.port()), Some(1_000_000));
        write(&mut client.sender(), 300_000).unwrap();
        let app = front.is.duplex.then(|| {
            let app = watch.begun();
            wait_until("something was read", || app.count() > 0);
            app
        });
        drop(client);
        match app {
            Some(app) => app.gone(),
            // The server never passed the request on.
            None => assert_eq!(front.client().get("/app?case=hello").1.unwrap(), "hello\n"),
        }
    }

    fn a_thousand_requests_on_kept_connections(front) {
        let ask = || {
            let mut client = front.client();
            for n in 0..250 {
                let (head, text) = client.get("/app?case=hello");
                assert_eq!((head.status, &text.unwrap()[..]), (200, "hello\n"), "request {n}");
            }
        };
        thread::scope(|scope| (0..4).for_each(|_| drop(scope.spawn(ask))));
    }

    fn sixty_four_at_once(front) {
        let watch = Watch::new();
        let target = format!("/app?case=waiting&size=100000&control={}", watch.port());
        thread::scope(|scope| {
            for _ in 0..64 {
                scope.spawn(|| {
                    let mut client = front.client();
                    client.ask("GET", &target, None);
                    let (bytes, end) = pattern(&mut client);
                    assert!(bytes == 100_000 && end.is_ok(), "{bytes} {end:?}");
                });
            }
            // No response before all requests have arrived.
            let apps: Vec<_> = (0..64).map(|_| watch.begun()).collect();
            apps.into_iter().for_each(|mut app| app.go_on());
        });
    }

    fn an_error_before_the_head_is_a_500(front) {
        assert_eq!(front.client().get("/app?case=early").0.status, 500);
    }

    /// Checks that everything written before the error arrives, but not the end.
    fn an_error_after_the_head_truncates_the_response(front) {
        for (size, announced, seen) in [
            (1_000_000, "&announced", Cuts::LargeAnnounced),
            (10, "&announced", Cuts::Announced),
            (1_000_000, "", Cuts::All),
            (10, "", Cuts::All),
        ] {
            if front.is.cuts < seen {
                continue;
            }
            let mut client = front.client();
            // lighttpd keeps a connection whose announced body is incomplete, and waits.
            client.ask_at_last(&format!("/app?case=late&size={size}{announced}"));
            let head = client.head();
            if head.status >= 500 && size == 10 {
                // The server had not passed the head on, and sends a response of its own.
                continue;
            }
            let (bytes, end) = body(&mut client, &head);
            let kind = end.expect_err("the response looks complete").kind();
            assert!(matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset), "{kind}");
            assert_eq!(bytes, size, "{announced}");
        }
    }

    /// Kills a responder. The system closes its connections, which must not look like the end of a response.
    fn a_killed_responder_truncates_the_response(front) {
        let (watch, mut client) = (Watch::new(), front.client());
        client.ask_at_last(&format!("/app?case=begun&control={}", watch.port()));
        let app = watch.begun();
        let head = client.head();
        let mut answer = client.body(&head);
        answer.read_exact(&mut [0; 1000]).unwrap();
        if front.kill_responder() {
            let end = io::copy(&mut answer, &mut io::sink());
            end.expect_err("the response looks complete");
        }
        drop(app);
    }
}
