//! Starts an independent server on a free port, and stops it with all its processes.

use std::fs::{self, File, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use socket2::{Domain, Socket, Type};
use tempfile::TempDir;

/// The time after which an event counts as missing.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The time that a server may take to stop by itself.
const GRACE: Duration = Duration::from_secs(5);

/// The program, which cargo builds for the tests.
pub const PUSHPULL: &str = env!("CARGO_BIN_EXE_pushpull");

pub struct Server {
    child: Child,
    pub address: SocketAddr,
    directory: TempDir,
    _port: Socket,
}

/// A directory for the files of a server, and a port.
pub struct Place<'a> {
    pub directory: &'a Path,
    pub port: u16,
}

impl Place<'_> {
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes the server's configuration.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.file(name);
        fs::write(&path, text.replace("DIRECTORY", &self.directory.display().to_string())).unwrap();
        path
    }
}

impl Server {
    /// Starts what `prepare` returns, and waits until it accepts connections.
    pub fn start(prepare: impl Fn(&Place<'_>) -> Command) -> Server {
        (0..5).find_map(|_| Server::try_start(&prepare)).expect("the server did not start")
    }

    fn try_start(prepare: &impl Fn(&Place<'_>) -> Command) -> Option<Server> {
        let directory = tempfile::tempdir().unwrap();
        // Some servers work as another user.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755)).unwrap();
        let (port, address) = held_port(Ipv4Addr::LOCALHOST, 0);
        let mut command = prepare(&Place { directory: directory.path(), port: address.port() });
        let said = File::create(directory.path().join("said.log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(said.try_clone().unwrap())
            .stderr(said)
            .process_group(0)
            .spawn()
            .unwrap();
        let mut server = Server { child, address, directory, _port: port };
        let until = Instant::now() + DEADLINE;
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "the server does not listen: {}", server.said());
            if server.child.try_wait().unwrap().is_some() {
                eprintln!("the server has ended: {}", server.said());
                return None;
            }
            thread::sleep(Duration::from_millis(5));
        }
        Some(server)
    }

    /// Returns all logs of the server.
    fn said(&self) -> String {
        let files = fs::read_dir(self.directory.path()).into_iter().flatten().flatten().map(|entry| entry.path());
        let logs = files.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
        logs.filter_map(|path| fs::read_to_string(path).ok()).collect()
    }
}

/// Reserves a port for another process to listen on, any port for 0. While the reserving socket exists, the system
/// gives the port to no other process that requests any port.
pub fn held_port(host: Ipv4Addr, port: u16) -> (Socket, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    // The other process must set SO_REUSEADDR too, as every server does.
    socket.set_reuse_address(true).unwrap();
    socket.bind(&SocketAddr::from((host, port)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

impl Drop for Server {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("the server said: {}", self.said());
        }
        stop(&mut self.child);
    }
}

/// Stops a process that leads a group, then the rest of the group, and reaps the leader.
pub fn stop(child: &mut Child) {
    let id = Pid::from_child(child);
    if matches!(child.try_wait(), Ok(None)) && kill_process(id, Signal::TERM).is_ok() {
        let until = Instant::now() + GRACE;
        // Reap the leader after its group was stopped: until then, no other process can get its id.
        while Instant::now() < until && !has_ended(id) {
            thread::sleep(Duration::from_millis(2));
        }
        let _ = kill_process_group(id, Signal::KILL);
    }
    let _ = child.wait();
}

fn has_ended(id: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).unwrap_or_default();
    status.rsplit(") ").next().is_none_or(|state| state.starts_with('Z'))
}

/// Polls until the condition is met.
pub fn wait_until(what: &str, mut reached: impl FnMut() -> bool) {
    let until = Instant::now() + DEADLINE;
    while !reached() {
        assert!(Instant::now() < until, "timed out waiting for: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Returns the application, which cargo builds for the tests.
pub fn app() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.parent().and_then(Path::parent).unwrap();
    let program = target.join("examples").join("real_hosts_app");
    assert!(program.exists(), "{} is not built; run `cargo build --examples`", program.display());
    program
}

/// Places the application where a server of another user can read it.
pub fn put_app(at: &Path) {
    fs::hard_link(app(), at).or_else(|_| fs::copy(app(), at).map(drop)).unwrap_or_else(|error: io::Error| {
        panic!("cannot put the application at {}: {error}", at.display());
    });
}
