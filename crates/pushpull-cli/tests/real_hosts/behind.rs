//! What `pushpull serve` knows of a client behind a proxy or balancer.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;

use pushpull_testing::needed::{place, there};
use socket2::{Domain, Socket, Type};

use super::nginx;
use super::responder::Responder;
use super::server::{PUSHPULL, Server};

/// The address of the client, which no proxy has.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

/// Starts `pushpull serve` with a program that tells these variables.
fn telling(options: &[&str], variables: &str) -> Responder {
    let mut command = Command::new(PUSHPULL);
    command.args(["serve", "--listen", "127.0.0.1:0"]).args(options);
    let text = format!("printf 'Content-Type: text/plain\\n\\n'; echo \"{variables}\"");
    command.args(["--", "sh", "-c", &text]);
    Responder::start(command)
}

fn haproxy(backend: &str) -> Server {
    Server::start(|at| {
        let text = format!(
            "defaults\n mode http\n timeout connect 10s\n timeout client 60s\n timeout server 60s\n\
             listen all\n bind 127.0.0.1:{}\n {backend}\n",
            at.port
        );
        let mut command = Command::new(place("haproxy").unwrap());
        command.arg("-f").arg(at.write("haproxy.cfg", &text));
        command
    })
}

/// Returns the body of the response, and the port of the client.
fn get(address: SocketAddr, fields: &str) -> (String, u16) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((CLIENT, 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    let port = stream.local_addr().unwrap().port();
    write!(stream, "GET /app HTTP/1.0\r\nHost: name.example\r\n{fields}\r\n").unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    (text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}")).1.to_owned(), port)
}

#[test]
fn haproxy_sends_the_proxy_protocol() {
    if !there(&["haproxy"]) {
        return;
    }
    let options = ["--trust-proxy", "127.0.0.1", "--proxy-protocol"];
    let responder = telling(&options, "$REMOTE_ADDR $REMOTE_PORT $SERVER_PORT");
    for version in ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options unique-id,crc32c,authority"] {
        let server = haproxy(&format!("server one {} {version}", responder.address));
        let (told, port) = get(server.address, "");
        assert_eq!(told, format!("{CLIENT} {port} {}\n", server.address.port()), "{version}");
    }
    // A check of the balancer is the balancer's own connection.
    let checked = haproxy(&format!("option httpchk\n server one {} send-proxy-v2 check inter 10ms", responder.address));
    assert!(get(checked.address, "").0.starts_with("127.0.0.5 "));
}

#[test]
fn haproxy_appends_the_client_to_what_it_sent() {
    if !there(&["haproxy"]) {
        return;
    }
    let responder = telling(&["--trust-proxy", "127.0.0.1"], "$REMOTE_ADDR");
    let server = haproxy(&format!("option forwardfor\n server one {}", responder.address));
    assert_eq!(get(server.address, "X-Forwarded-For: 192.0.2.1\r\n").0, format!("{CLIENT}\n"));
}

#[test]
fn nginx_says_who_the_client_is() {
    if !there(&["nginx"]) {
        return;
    }
    let responder = telling(&["--trust-proxy", "127.0.0.1"], "$REMOTE_ADDR $HTTPS $HTTP_HOST $SERVER_PORT");
    let server = nginx::start(&format!(
        "server {{\n listen 127.0.0.1:PORT;\n location / {{\n proxy_pass http://{};\n\
         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n proxy_set_header X-Forwarded-Proto https;\n\
         proxy_set_header X-Forwarded-Host $host;\n }}\n }}\n",
        responder.address
    ));
    let spoofed = "X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Host: other.example\r\nForwarded: for=192.0.2.2\r\n";
    assert_eq!(get(server.address, spoofed).0, format!("{CLIENT} on name.example 443\n"));
}

#[test]
fn requirement_23_the_scheme_of_nginx_passes() {
    if !there(&["nginx"]) {
        return;
    }
    for protocol in ["fastcgi", "scgi"] {
        let responder = telling(&["--protocol", protocol], "$REQUEST_SCHEME $REMOTE_ADDR $HTTPS");
        let server = nginx::proxy(protocol, &responder.address);
        assert_eq!(get(server.address, "").0, format!("http {CLIENT} \n"), "{protocol}");
    }
}
