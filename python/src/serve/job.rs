//! A request, as the thread that answers it has it: the environment, `start_response` and `write`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use pushpull::{Chunks, Pipe};
use pushpull_gateway::Environ;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyString, PyType};
use tokio::sync::oneshot;

use super::head::Head;
use super::service::Running;
use super::upload::{Asked, Begin};
use crate::lent::{LARGE, Lent};
use crate::outlet::Outlet;
use crate::reader::Reader;
use crate::source::Source;

/// What an application answers.
pub(super) enum Answer {
    /// The whole response is there.
    Whole(Head, Bytes),
    /// The body streams.
    Streamed(Head, Chunks, Arc<Failed>),
    /// It failed before there was anything to send.
    Failed,
}

/// Whether an application failed after it had begun. It is set before the bridge ends.
#[derive(Default)]
pub(super) struct Failed(AtomicBool);

impl Failed {
    fn set(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// What comes with a request.
pub(super) struct New {
    pub(super) env: Environ,
    pub(super) input: Option<(Chunks, Arc<Asked>)>,
    pub(super) answer: oneshot::Sender<Answer>,
    pub(super) running: Running,
    pub(super) capacity: usize,
    pub(super) multi_process: bool,
}

/// One request of a WSGI server. It is the `start_response` of its application.
#[pyclass(module = "pushpull._pushpull", frozen)]
pub(crate) struct Job {
    request: Mutex<Option<Request>>,
    state: Mutex<State>,
    outlet: std::sync::OnceLock<Outlet>,
    failed: Arc<Failed>,
    /// The state of the request's body, if there is one.
    asked: Option<Arc<Asked>>,
    capacity: usize,
    env: Environ,
}

/// What the environment is made of.
struct Request {
    input: Option<(Chunks, Arc<Asked>)>,
    multi_process: bool,
}

struct State {
    head: Option<Head>,
    answer: Option<oneshot::Sender<Answer>>,
    running: Option<Running>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Job {
    pub(super) fn new(new: New) -> Job {
        let New { env, input, answer, running, capacity, multi_process } = new;
        let asked = input.as_ref().map(|(_, asked)| asked.clone());
        Job {
            request: Mutex::new(Some(Request { input, multi_process })),
            state: Mutex::new(State { head: None, answer: Some(answer), running: Some(running) }),
            outlet: std::sync::OnceLock::new(),
            failed: Arc::default(),
            asked,
            capacity,
            env,
        }
    }

    /// Returns where the body goes. The first call sends the head.
    fn begin(&self) -> PyResult<&Outlet> {
        if let Some(outlet) = self.outlet.get() {
            return Ok(outlet);
        }
        let mut state = lock(&self.state);
        let Some(head) = state.head.take() else {
            return Err(PyRuntimeError::new_err("the body began before start_response() was called"));
        };
        let Some(answer) = state.answer.take() else {
            return Err(PyRuntimeError::new_err("the response is over"));
        };
        let (writer, chunks) = Pipe::new().capacity(self.capacity).open();
        // If the client is gone, the chunks are dropped here, and the write that follows is refused.
        let _ = answer.send(Answer::Streamed(head, chunks, self.failed.clone()));
        drop(state);
        Ok(self.outlet.get_or_init(|| Outlet::new(writer, Lent::default(), None)))
    }

    /// Gives the whole response at once, after which the application does nothing more.
    fn answer_whole(&self, body: Bytes) -> PyResult<()> {
        let mut state = lock(&self.state);
        let Some(head) = state.head.take() else {
            return Err(PyRuntimeError::new_err("start_response() was not called"));
        };
        let (answer, running) = (state.answer.take(), state.running.take());
        drop(state);
        // First: a client that has its response may send the next request.
        drop(running);
        if let Some(answer) = answer {
            // If the client is gone, it makes no difference.
            let _ = answer.send(Answer::Whole(head, body));
        }
        Ok(())
    }
}

fn bytes_of<'a, 'py>(block: &'a Bound<'py, PyAny>) -> PyResult<&'a Bound<'py, PyBytes>> {
    block.cast::<PyBytes>().map_err(|_| {
        let kind = block.get_type().name().map_or("object".into(), |name| name.to_string());
        PyTypeError::new_err(format!("a block of the body must be bytes, not {kind}"))
    })
}

/// The bytes of an object: its own memory, if that is worth it.
fn share(block: &Bound<'_, PyBytes>) -> Bytes {
    if block.as_bytes().len() < LARGE {
        return Bytes::copy_from_slice(block.as_bytes());
    }
    // What the bridge's reader is given is no object of Python's: none is kept for it.
    Lent::default().lend(block)
}

#[pymethods]
impl Job {
    /// Return the environment. To be called once.
    fn environ<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let Some(Request { input, multi_process }) = lock(&self.request).take() else {
            return Err(PyRuntimeError::new_err("the environment is given once"));
        };
        let dict = fixed(py)?.copy()?;
        for (name, value) in self.env.iter() {
            dict.set_item(key(py, name), latin(py, value))?;
        }
        let secure = self.env.get("HTTPS").is_some_and(|value| !matches!(value, b"" | b"off"));
        dict.set_item("wsgi.url_scheme", if secure { "https" } else { "http" })?;
        dict.set_item("wsgi.multiprocess", multi_process)?;
        dict.set_item("wsgi.errors", py.import("sys")?.getattr("stderr")?)?;
        dict.set_item("wsgi.input", reader(py, input)?)?;
        Ok(dict)
    }

    /// Start the response. Returns `write`.
    #[pyo3(signature = (status, headers, exc_info = None, /))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        status: &Bound<'py, PyAny>,
        headers: &Bound<'py, PyAny>,
        exc_info: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let this = slf.get();
        let begun = this.outlet.get().is_some();
        match exc_info.filter(|info| info.is_truthy().unwrap_or(true)) {
            Some(info) if begun => return Err(PyErr::from_value(info.get_item(1)?)),
            None if begun || lock(&this.state).head.is_some() => {
                return Err(PyRuntimeError::new_err("start_response() was called again without exc_info"));
            }
            _ => {}
        }
        let head = Head::of(status, headers)?;
        lock(&this.state).head = Some(head);
        slf.getattr("write")
    }

    /// Send a block of the body.
    #[pyo3(signature = (block, /))]
    fn write(&self, block: &Bound<'_, PyAny>) -> PyResult<()> {
        let block = bytes_of(block)?;
        let bytes = block.as_bytes();
        if bytes.is_empty() {
            if self.outlet.get().is_none() && lock(&self.state).head.is_none() {
                return Err(PyRuntimeError::new_err("the body began before start_response() was called"));
            }
            return Ok(());
        }
        let outlet = self.begin()?;
        if bytes.len() < LARGE { outlet.write(block.py(), bytes) } else { outlet.write_owned(block.py(), share(block)) }
    }

    /// Send the only block of the body.
    #[pyo3(signature = (block, /))]
    fn write_whole(&self, block: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.outlet.get().is_some() {
            return self.write(block);
        }
        let block = bytes_of(block)?;
        self.answer_whole(share(block))
    }

    /// Say that the response is complete.
    fn finish(&self) -> PyResult<()> {
        if let Some(outlet) = self.outlet.get() {
            let running = lock(&self.state).running.take();
            drop(running);
            outlet.end(Ok(()));
            return Ok(());
        }
        let is_open = lock(&self.state).answer.is_some();
        if is_open { self.answer_whole(Bytes::new()) } else { Ok(()) }
    }

    /// Whether what is written reaches no client, or the client is gone in the middle of its request.
    #[getter]
    fn disconnected(&self) -> bool {
        if self.asked.as_ref().is_some_and(|asked| asked.is_gone()) {
            return true;
        }
        match self.outlet.get() {
            Some(outlet) => outlet.is_disconnected(),
            None => lock(&self.state).answer.as_ref().is_none_or(oneshot::Sender::is_closed),
        }
    }

    /// Say that the application has failed.
    fn fail(&self) {
        let mut state = lock(&self.state);
        let (answer, running) = (state.answer.take(), state.running.take());
        drop(state);
        drop(running);
        if let Some(outlet) = self.outlet.get() {
            self.failed.set();
            outlet.end(Ok(()));
        }
        if let Some(answer) = answer {
            // If the client is gone, it makes no difference.
            let _ = answer.send(Answer::Failed);
        }
    }

    /// The method and target of the request.
    #[getter]
    fn target(&self) -> String {
        let text = |name| String::from_utf8_lossy(self.env.get(name).unwrap_or_default());
        format!("{} {}", text("REQUEST_METHOD"), text("REQUEST_URI"))
    }
}

static FIXED: PyOnceLock<Py<PyDict>> = PyOnceLock::new();

/// What is the same for all requests.
fn fixed(py: Python<'_>) -> PyResult<&Bound<'_, PyDict>> {
    let fixed = FIXED.get_or_try_init(py, || {
        let fixed = PyDict::new(py);
        for name in ["SCRIPT_NAME", "PATH_INFO", "QUERY_STRING"] {
            fixed.set_item(key(py, name.as_bytes()), "")?;
        }
        fixed.set_item("wsgi.version", (1, 0))?;
        fixed.set_item("wsgi.input_terminated", true)?;
        fixed.set_item("wsgi.multithread", true)?;
        fixed.set_item("wsgi.run_once", false)?;
        PyResult::Ok(fixed.unbind())
    })?;
    Ok(fixed.bind(py))
}

/// The names that most requests have. Others are a client's choice, and are not kept.
const NAMES: &str = "CONTENT_LENGTH CONTENT_TYPE GATEWAY_INTERFACE HTTPS HTTP_ACCEPT HTTP_ACCEPT_ENCODING \
    HTTP_ACCEPT_LANGUAGE HTTP_AUTHORIZATION HTTP_CACHE_CONTROL HTTP_CONNECTION HTTP_COOKIE HTTP_FORWARDED HTTP_HOST \
    HTTP_IF_MODIFIED_SINCE HTTP_IF_NONE_MATCH HTTP_ORIGIN HTTP_PRAGMA HTTP_RANGE HTTP_REFERER HTTP_SEC_CH_UA \
    HTTP_SEC_CH_UA_MOBILE HTTP_SEC_CH_UA_PLATFORM HTTP_SEC_FETCH_DEST HTTP_SEC_FETCH_MODE HTTP_SEC_FETCH_SITE \
    HTTP_SEC_FETCH_USER HTTP_TRANSFER_ENCODING HTTP_UPGRADE_INSECURE_REQUESTS HTTP_USER_AGENT HTTP_VIA \
    HTTP_X_FORWARDED_FOR HTTP_X_FORWARDED_HOST HTTP_X_FORWARDED_PROTO HTTP_X_REQUESTED_WITH PATH_INFO QUERY_STRING \
    REMOTE_ADDR REMOTE_PORT REMOTE_USER REQUEST_METHOD REQUEST_SCHEME REQUEST_URI SCRIPT_NAME SERVER_NAME SERVER_PORT \
    SERVER_PROTOCOL SERVER_SOFTWARE";

static KEYS: PyOnceLock<HashMap<&[u8], Py<PyString>>> = PyOnceLock::new();

/// The name of a variable as a key. One that was interned for each request would be freed with it, and the table of interned
/// strings made anew every few seconds; in some versions of Python it would stay for ever.
fn key<'py>(py: Python<'py>, name: &[u8]) -> Bound<'py, PyString> {
    let keys = KEYS.get_or_init(py, || {
        let kept = |name: &'static str| (name.as_bytes(), PyString::intern(py, name).unbind());
        NAMES.split(' ').map(kept).collect()
    });
    keys.get(name).map_or_else(|| latin(py, name), |kept| kept.bind(py).clone())
}

fn latin<'py>(py: Python<'py>, bytes: &[u8]) -> Bound<'py, PyString> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => PyString::new(py, text),
        _ => PyString::new(py, &bytes.iter().copied().map(char::from).collect::<String>()),
    }
}

static BYTES_IO: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The request's body as a file.
fn reader<'py>(py: Python<'py>, input: Option<(Chunks, Arc<Asked>)>) -> PyResult<Bound<'py, PyAny>> {
    let Some((chunks, asked)) = input else {
        return BYTES_IO.import(py, "io", "BytesIO")?.call0();
    };
    let source = Source::new(chunks, Lent::default());
    source.set_program(Bound::new(py, Begin(asked))?.into_any().unbind(), None);
    let chunks = Bound::new(py, crate::chunks::Chunks::new(source))?;
    py.get_type::<Reader>().call1((chunks,))
}
