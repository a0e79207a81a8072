//! lighttpd.

use std::fs;
use std::process::Command;

use super::server::{Place, Server, put_app};
use pushpull_testing::needed::place;

/// Passes bodies on unbuffered in both directions.
const COMMON: &str = r#"
server.bind = "127.0.0.1"
server.document-root = "DIRECTORY/root"
server.errorlog = "DIRECTORY/error.log"
server.upload-dirs = ("DIRECTORY")
server.stream-request-body = 2
server.stream-response-body = 2
server.max-keep-alive-requests = 1000
server.max-keep-alive-idle = 60
"#;

/// Runs the application as a CGI program.
pub fn cgi() -> Server {
    start(|place| {
        put_app(&place.file("root/app"));
        "server.modules = (\"mod_cgi\")\ncgi.assign = (\"/app\" => \"\")\n".to_owned()
    })
}

/// Passes requests to a responder of `protocol`, "fastcgi" or "scgi".
pub fn proxy(protocol: &str, responder: &str) -> Server {
    let place = match (responder.strip_prefix("unix:"), responder.rsplit_once(':')) {
        (Some(path), _) => format!("\"socket\" => \"{path}\""),
        (None, Some((host, port))) => format!("\"host\" => \"{host}\", \"port\" => {port}"),
        (None, None) => panic!("no address: {responder}"),
    };
    start(|_| {
        format!(
            "server.modules = (\"mod_{protocol}\")\n{protocol}.server = (\"/app\" => \
             (({place}, \"check-local\" => \"disable\")))\n"
        )
    })
}

fn start(more: impl Fn(&Place<'_>) -> String) -> Server {
    let program = place("lighttpd").unwrap();
    Server::start(|place| {
        fs::create_dir(place.file("root")).unwrap();
        let text = format!("server.port = {}\n{COMMON}{}", place.port, more(place));
        let config = place.write("lighttpd.conf", &text);
        let mut command = Command::new(&program);
        command.args(["-D", "-f"]).arg(config);
        command
    })
}
