//! The server as Python has it.

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use pushpull_gateway::ErrorStream;
use pushpull_gateway::host::{
    Address, Fronted, Health, Listener, Protocol as Speaks, Server, Shutdown, fastcgi, http as http_host, scgi,
};
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::job::Job;
use super::log::Log;
use super::options::{Options, Protocol};
use super::service::{Shared, Wsgi};
use super::workers::Wanted;
use crate::exit;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A socket that is listened on.
#[pyclass(module = "pushpull._pushpull", frozen)]
pub(crate) struct Listening(Mutex<Option<Listener>>);

impl Listening {
    fn with<T>(&self, f: impl FnOnce(&Listener) -> io::Result<T>) -> PyResult<T> {
        match &*lock(&self.0) {
            Some(listener) => Ok(f(listener)?),
            None => Err(PyValueError::new_err("the socket belongs to a server")),
        }
    }
}

#[pymethods]
impl Listening {
    /// Listen on HOST:PORT or unix:PATH.
    #[new]
    fn new(address: &str) -> PyResult<Listening> {
        let parsed: Address = address
            .parse()
            .map_err(|error: pushpull_gateway::host::BadAddress| PyValueError::new_err(error.to_string()))?;
        Ok(Listening(Mutex::new(Some(Listener::bind(&parsed)?))))
    }

    /// Return a copy for this process, whose socket file stays when it is closed.
    fn share(&self) -> PyResult<Listening> {
        let shared = self.with(|listener| {
            let socket = listener.as_fd().try_clone_to_owned()?;
            Ok(match listener.address()? {
                Address::Tcp(_) => Listener::from(TcpListener::from(socket)),
                Address::Unix(_) => Listener::from(UnixListener::from(socket)),
            })
        })?;
        Ok(Listening(Mutex::new(Some(shared))))
    }

    /// Return what it listens on: a port that was 0 is the one that was taken.
    fn address(&self) -> PyResult<String> {
        self.with(|listener| listener.address().map(|address| address.to_string()))
    }

    fn fileno(&self) -> PyResult<i32> {
        self.with(|listener| Ok(listener.as_fd().as_raw_fd()))
    }
}

/// A server for a WSGI application. The caller makes the threads that run it.
#[pyclass(module = "pushpull._pushpull", frozen)]
pub(crate) struct Host {
    shared: Arc<Shared>,
    shutdown: Shutdown,
    log: Arc<Log>,
    server: Mutex<Option<Listener>>,
    result: Arc<Mutex<Option<io::Result<()>>>>,
    /// Where Python writes the numbers of signals.
    signals: OnceLock<UnixStream>,
}

/// The signals that stop the server.
const STOPPING: [i32; 4] = [1, 2, 3, 15];

/// Stops the server at the first signal that does, at once at the second, and lets Python handle the others.
fn watch(mut signals: UnixStream, shutdown: &Shutdown, shared: &Shared) {
    let mut byte = [0];
    while signals.read_exact(&mut byte).is_ok() {
        match STOPPING.contains(&i32::from(byte[0])) {
            true if shutdown.has_begun() => shutdown.cut(),
            true => shutdown.begin(),
            false => shared.workers.interrupt(),
        }
    }
}

#[pymethods]
impl Host {
    #[new]
    fn new(listening: &Listening, options: &Bound<'_, PyDict>) -> PyResult<Host> {
        let options = Options::of(options)?;
        let Some(listener) = lock(&listening.0).take() else {
            return Err(PyValueError::new_err("the socket belongs to a server"));
        };
        let shutdown = Shutdown::new();
        let log = Arc::new(Log::start()?);
        let troubles = log.clone();
        let shared = Shared::new(options, move |line| troubles.troubles.add(&line));
        Ok(Host {
            shared,
            shutdown,
            log,
            server: Mutex::new(Some(listener)),
            result: Arc::default(),
            signals: OnceLock::new(),
        })
    }

    /// Serve, on threads of the server's own.
    fn start(&self) -> PyResult<()> {
        let Some(listener) = lock(&self.server).take() else {
            return Err(PyRuntimeError::new_err("the server has been started"));
        };
        let (shared, shutdown) = (self.shared.clone(), self.shutdown.clone());
        let (log, result) = (self.log.clone(), self.result.clone());
        thread::Builder::new().name("serve".into()).spawn(move || {
            let served = serve(listener, &shared, &shutdown, &log);
            *lock(&result) = Some(served);
            shared.workers.end();
        })?;
        Ok(())
    }

    /// Return a descriptor for `signal.set_wakeup_fd`. Python's own handlers run on its main thread, which waits here.
    fn wakeup_fd(&self) -> PyResult<i32> {
        let (writer, reader) = UnixStream::pair()?;
        writer.set_nonblocking(true)?;
        let (shared, shutdown) = (self.shared.clone(), self.shutdown.clone());
        thread::Builder::new().name("signals".into()).spawn(move || watch(reader, &shutdown, &shared))?;
        let writer = self.signals.get_or_init(|| writer);
        Ok(writer.as_raw_fd())
    }

    /// Wait until a thread is to be made for `next_job`, and return True; or until signals are to be handled, and return False.
    /// Returns None once the server has stopped.
    fn wait(&self, py: Python<'_>) -> PyResult<Option<bool>> {
        let shared = self.shared.clone();
        match exit::detached(py, move || shared.workers.wanted()) {
            Wanted::Thread => return Ok(Some(true)),
            Wanted::Other => return Ok(Some(false)),
            Wanted::End => {}
        }
        let log = self.log.clone();
        exit::detached(py, move || log.finish());
        match lock(&self.result).take() {
            Some(Err(error)) => Err(PyOSError::new_err(error.to_string())),
            _ => Ok(None),
        }
    }

    /// Wait for a request. Returns None if the thread is to end.
    fn next_job(&self, py: Python<'_>) -> Option<Job> {
        // Without giving the interpreter lock away.
        if let Some(job) = self.shared.workers.take() {
            return Some(job);
        }
        let shared = self.shared.clone();
        exit::detached(py, move || shared.workers.next())
    }

    /// Say that a thread that was wanted is there.
    fn arrive(&self) {
        self.shared.workers.arrive();
    }

    /// Refuse a request for which no thread can be made.
    fn give_up(&self) {
        self.shared.workers.give_up();
    }

    /// Accept no more connections, and stop when what runs has ended, or after the grace.
    fn stop(&self) {
        self.shutdown.begin();
    }

    /// Stop at once.
    fn cut(&self) {
        self.shutdown.begin();
        self.shutdown.cut();
    }

    /// Add lines to the log on standard error, with the time in front of the first.
    fn log(&self, lines: &str) {
        let escaped = Arc::new(Mutex::new(Vec::new()));
        let all = escaped.clone();
        // What could fool a terminal is escaped. An error stream takes everything.
        let mut stream = ErrorStream::new(move |line| lock(&all).push(line.to_owned()));
        let _ = stream.write_all(lines.as_bytes());
        drop(stream);
        self.log.troubles.add(&lock(&escaped).join("\n"));
    }

    /// Add a line to the log on standard output, as it is.
    fn say(&self, line: &str) {
        self.log.requests.say(format!("{line}\n"));
    }
}

fn serve(listener: Listener, shared: &Arc<Shared>, shutdown: &Shutdown, log: &Arc<Log>) -> io::Result<()> {
    match shared.options.protocol {
        Protocol::Http => run(http_host::Server::new(listener)?, shared, shutdown, log),
        Protocol::FastCgi => {
            let server = fastcgi::Server::new(listener)?.multiplex(shared.options.multiplexes);
            run(behind(server, shared), shared, shutdown, log)
        }
        Protocol::Scgi => run(behind(scgi::Server::new(listener)?, shared), shared, shutdown, log),
    }
}

/// What a front server may say.
fn behind<P: Fronted>(server: Server<P>, shared: &Shared) -> Server<P> {
    let server = shared.options.accepted.iter().fold(server, |server, name| server.accept_param(name));
    if shared.options.is_mounted { server.mount(shared.options.mount.clone()) } else { server }
}

fn run<P: Speaks>(server: Server<P>, shared: &Arc<Shared>, shutdown: &Shutdown, log: &Arc<Log>) -> io::Result<()> {
    let options = &shared.options;
    let troubles = log.clone();
    let server = server
        .threads(options.threads)
        .limits(options.client.clone())
        .error_log(ErrorStream::new(move |line| troubles.troubles.add(&line)));
    let requests = log.clone();
    let server =
        if options.access_log { server.on_answered(move |record| requests.requests.add(record)) } else { server };
    // Applications that work on after their response have the rest of the grace.
    let (grace, began, running) = (options.client.total_grace(), shutdown.clone(), shared.clone());
    let server = server.on_closed(move || {
        let left = grace.saturating_sub(began.began().map_or(grace, |began| began.elapsed()));
        let running = running.clone();
        async move {
            let _ = tokio::time::timeout(left, running.idle()).await;
        }
    });
    let service = Health::new(options.health.as_deref(), shutdown, Wsgi(shared.clone()));
    server.run(|| service.clone(), shutdown)
}
