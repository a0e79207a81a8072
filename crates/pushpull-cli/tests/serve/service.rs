//! As a service: sockets and signs of life, as systemd and spawn-fcgi hand and expect them.

use std::fs;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use pushpull_testing::wire::exchange;

use super::front::fastcgi;
use super::host::{DEADLINE, PUSHPULL, Scripts, Serving, told};

const GET: &str = "GET / HTTP/1.0\r\n\r\n";

/// Starts the server with this socket as descriptor 0, from where `text` of a shell puts it.
fn activated(socket: impl Into<OwnedFd>, text: &str, options: &[&str]) -> Serving {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{text} exec \"$0\" \"$@\""), PUSHPULL, "serve"]).args(options);
    Serving::of(command.stdin(Stdio::from(socket.into())))
}

/// Hands the sockets over as descriptors 3 and 4, as systemd does.
const AS_SYSTEMD: &str = "exec 3<&0 4<&0 </dev/null; LISTEN_PID=$$; export LISTEN_PID LISTEN_FDS LISTEN_FDNAMES;";

/// A program that lists its own open descriptors.
fn listing(scripts: &Scripts) -> String {
    scripts.sh("list", "printf 'A: b\\n\\n'; ls -l /proc/self/fd | grep -c socket; echo \"$LISTEN_PID\"")
}

fn bound() -> (TcpListener, std::net::SocketAddr) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

#[test]
fn a_socket_of_systemd_is_taken_without_an_option() {
    let scripts = Scripts::new();
    let (socket, address) = bound();
    let as_systemd = format!("LISTEN_FDS=1; {AS_SYSTEMD}").replace(" 4<&0", "");
    let serving = activated(socket, &as_systemd, &["--", &listing(&scripts)]);
    serving.requests.wait_for(&format!("at http://{address}/"), 1);
    // The program inherits no socket, and no variable about them.
    let got = exchange(address, GET);
    assert_eq!(got.body(), b"0\n\n", "{got:?}");
}

#[test]
fn one_of_several_sockets_is_named() {
    let scripts = Scripts::new();
    let as_systemd = format!("LISTEN_FDS=2 LISTEN_FDNAMES=admin:web; {AS_SYSTEMD}");
    for option in ["fd:web", "fd:4", "fd:3"] {
        let (socket, address) = bound();
        let serving = activated(socket, &as_systemd, &["--listen", option, "--", &listing(&scripts)]);
        serving.requests.wait_for(&format!("at http://{address}/"), 1);
        // The program inherits neither this socket nor the other.
        assert_eq!(exchange(address, GET).body(), b"0\n\n", "{option}");
    }
    for (option, told) in [
        (&[][..], "2 sockets were handed over: expected one, or --listen fd:NAME with one of admin, web"),
        (&["--listen", "fd:other"], "no socket named \"other\" was handed over"),
        (&["--listen", "fd:9"], "cannot listen on fd:9: it is not an open socket"),
        (&["--listen", "fd:2"], "cannot listen on fd:2: it is not an open socket"),
    ] {
        let mut serving = activated(bound().0, &as_systemd, option);
        serving.troubles.wait_for(told, 1);
        assert_eq!(serving.wait().code(), Some(2));
    }
}

#[test]
fn sockets_for_another_process_are_left_alone() {
    let scripts = Scripts::new();
    let (socket, address) = bound();
    let other = AS_SYSTEMD.replace("LISTEN_PID=$$", "LISTEN_PID=1 LISTEN_FDS=1 LISTEN_FDNAMES=web");
    let options = ["--listen", "127.0.0.1:0", "--", &listing(&scripts)];
    let serving = activated(socket, &other, &options);
    let line = serving.requests.wait_for("://127.0.0.1:", 1).remove(0);
    assert!(!line.contains(&address.to_string()), "{line}");
    // Without an option, an own port would be opened.
    let mut serving = activated(bound().0, &other, &["--listen", "fd:web", "--", &listing(&scripts)]);
    serving.troubles.wait_for("no socket named \"web\" was handed over", 1);
    assert_eq!(serving.wait().code(), Some(2));
}

#[test]
fn a_socket_on_descriptor_0_is_served_as_by_spawn_fcgi() {
    let scripts = Scripts::new();
    let path = scripts.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let program = scripts.sh("hello", "printf 'A: b\\n\\n%s' \"$REQUEST_METHOD\"; cat");
    let mut serving = activated(socket, "", &["--protocol", "fastcgi", "--listen", "stdin", "--", &program]);
    serving.requests.wait_for(&format!("unix:{}", path.display()), 1);
    let output = fastcgi(UnixStream::connect(&path).unwrap(), &[("REQUEST_METHOD", "GET")]);
    assert!(output.ends_with("\r\n\r\nGET"), "{output}");
    serving.signal("TERM");
    assert_eq!(serving.wait().code(), Some(0));
    assert!(path.exists(), "the socket belongs to the manager");
    // Anything else on descriptor 0 is refused.
    let file = fs::File::open("/dev/null").unwrap();
    let mut serving = activated(file, "", &["--listen", "stdin", "--", &program]);
    serving.troubles.wait_for("cannot listen on stdin: it is not a listening stream socket", 1);
    assert_eq!(serving.wait().code(), Some(2));
}

#[cfg(feature = "tls")]
#[test]
fn a_socket_that_is_handed_over_is_served_over_https() {
    use super::tls::{REQUEST, options};
    let (issued, scripts) = (pushpull_testing::tls::Issued::new(), Scripts::new());
    let (socket, address) = bound();
    let options = options(&issued);
    let program = scripts.sh("hello", "printf 'A: b\\n\\nhello'");
    let arguments = options.iter().map(String::as_str).chain(["--listen", "stdin", "--", &program]);
    let serving = activated(socket, "", &arguments.collect::<Vec<_>>());
    serving.requests.wait_for(&format!("at https://{address}/"), 1);
    assert_eq!(issued.exchange(address, REQUEST).unwrap().chunks().0, b"hello");
}

#[test]
fn the_manager_learns_of_the_start_and_the_stop() {
    let scripts = Scripts::new();
    let path = scripts.path().join("manager");
    let name = format!("pushpull-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let managers = [
        (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
        (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}")),
    ];
    for (manager, name) in managers {
        manager.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut serving = Serving::start_with(&["--", &listing(&scripts)], &[("NOTIFY_SOCKET", &name)]);
        assert_eq!(told(&manager), "READY=1");
        assert_eq!(exchange(serving.address, GET).status(), 200);
        serving.signal("TERM");
        assert_eq!(told(&manager), "STOPPING=1");
        assert_eq!(serving.wait().code(), Some(0));
    }
    let serving = Serving::start_with(&["--", &listing(&scripts)], &[("NOTIFY_SOCKET", "/no/such/place")]);
    serving.troubles.wait_for("cannot notify the service manager", 1);
    assert_eq!(exchange(serving.address, GET).status(), 200);
}

#[test]
fn the_watchdog_hears_of_every_serving_thread() {
    let scripts = Scripts::new();
    let path = scripts.path().join("manager");
    let manager = UnixDatagram::bind(&path).unwrap();
    manager.set_read_timeout(Some(DEADLINE)).unwrap();
    let time = Duration::from_secs(2);
    let micros = time.as_micros().to_string();
    let environment = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("WATCHDOG_USEC", &micros)];
    let _serving = Serving::start_with(&["--", &listing(&scripts)], &environment);
    assert_eq!(told(&manager), "READY=1");
    assert_eq!(told(&manager), "WATCHDOG=1");
    let began = Instant::now();
    assert_eq!(told(&manager), "WATCHDOG=1");
    assert!(began.elapsed() >= time / 4, "{:?}", began.elapsed());
    // A watchdog for another process is left alone.
    let other = [environment[0], environment[1], ("WATCHDOG_PID", "1")];
    let mut other = Serving::start_with(&["--", &listing(&scripts)], &other);
    while told(&manager) != "READY=1" {}
    other.signal("TERM");
    other.wait();
}
