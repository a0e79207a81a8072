//! nginx.

use std::process::Command;

use super::server::Server;
use pushpull_testing::needed::place;

const COMMON: &str = r#"
daemon off;
pid DIRECTORY/nginx.pid;
error_log DIRECTORY/error.log;
events { worker_connections 1000; }
http {
    access_log off;
    client_body_temp_path DIRECTORY/client;
    fastcgi_temp_path DIRECTORY/fastcgi;
    proxy_temp_path DIRECTORY/proxy;
    scgi_temp_path DIRECTORY/scgi;
    uwsgi_temp_path DIRECTORY/uwsgi;
    client_max_body_size 0;
    keepalive_requests 10000;
"#;

/// Passes requests to a responder, with the module "proxy" (HTTP), "fastcgi" or "scgi". Bodies are unbuffered in both
/// directions.
pub fn proxy(module: &str, responder: &str) -> Server {
    let (scheme, more) = match module {
        "proxy" => {
            ("http://", "proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;")
        }
        "fastcgi" => ("", "fastcgi_keep_conn on; include /etc/nginx/fastcgi_params;"),
        _ => ("", "include /etc/nginx/scgi_params;"),
    };
    // An SCGI connection carries one request, whose length must be known.
    let (keep, buffering) = if module == "scgi" { ("", "on") } else { ("keepalive 16;", "off") };
    start(&format!(
        "upstream responder {{ server {responder}; {keep} }}\n\
         server {{\n listen 127.0.0.1:PORT;\n location /app {{\n\
         {module}_pass {scheme}responder;\n {more}\n {module}_request_buffering {buffering};\n {module}_buffering off;\n\
         }}\n }}\n"
    ))
}

/// Starts nginx with a block `http`, in which `PORT` is the server's port.
pub fn start(http: &str) -> Server {
    let program = place("nginx").unwrap();
    Server::start(|place| {
        let user = if rustix::process::getuid().is_root() { "user root;\n" } else { "" };
        let text = format!("{user}{COMMON}{http}}}\n").replace("PORT", &place.port.to_string());
        let config = place.write("nginx.conf", &text);
        let mut command = Command::new(&program);
        command.arg("-e").arg(place.file("error.log")).arg("-c").arg(config);
        command
    })
}
