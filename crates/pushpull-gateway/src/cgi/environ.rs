//! The meta-variables of a request (RFC 3875, 4.1), and the properties of the server that WSGI adds.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use http::request::Parts;
use http_body::SizeHint;

use super::error_stream::ErrorStream;
use super::path::Mount;
use super::refusal::Refusal;
use super::request;

/// The meta-variables of a request as bytes, in order, and the properties of the server that WSGI adds.
///
/// Cloning is cheap, and changing a clone leaves the original unchanged. An `http::Request` carries its `Environ` in
/// its extensions, where layers can read and change it.
///
/// ```
/// use pushpull_gateway::Environ;
///
/// let mut env = Environ::new();
/// env.set("REQUEST_METHOD", "GET")?;
/// env.set("HTTP_X_NAME", b"caf\xe9")?;
/// assert_eq!(env.get_str("REQUEST_METHOD"), Some("GET"));
/// assert_eq!(env.get("HTTP_X_NAME"), Some(&b"caf\xe9"[..]));
/// assert_eq!(env.get("HTTP_X_OTHER"), None);
/// # Ok::<(), pushpull_gateway::InvalidVariable>(())
/// ```
#[derive(Clone, Default)]
pub struct Environ(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    /// All names and values in their order, without gaps.
    text: Vec<u8>,
    variables: Vec<Variable>,
    error_log: ErrorStream,
    multi_threaded: bool,
    multi_process: bool,
    run_once: bool,
}

#[derive(Clone)]
struct Variable {
    name: Range<usize>,
    value: Range<usize>,
}

/// The error for a variable that no environment can hold: its name is empty or contains `=` or NUL, or its value
/// contains NUL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidVariable {
    name: String,
}

/// The version of the gateway interface: CGI/1.1.
pub(crate) const VERSION: (u8, u8) = (1, 1);

impl Environ {
    /// Creates an environment without variables.
    pub fn new() -> Environ {
        Environ::default()
    }

    /// Returns the meta-variables of a request to an application at `mount`, for code that answers requests without
    /// [`service()`](crate::service()).
    ///
    /// If the extensions of the request contain an `Environ`, as behind a front server, that is returned. Otherwise it is made from
    /// the head of the request and the size of its body.
    ///
    /// ```
    /// use http::Request;
    /// use http_body::SizeHint;
    /// use pushpull_gateway::{Environ, Mount};
    ///
    /// let (parts, ()) = Request::get("http://localhost/app/here?a=1").body(()).unwrap().into_parts();
    /// let env = Environ::of_request(&parts, &SizeHint::with_exact(0), &Mount::at("/app").unwrap()).unwrap();
    /// assert_eq!(env.get_str("PATH_INFO"), Some("/here"));
    /// assert_eq!(env.get_str("CONTENT_LENGTH"), None);
    /// ```
    ///
    /// # Errors
    ///
    /// Returns a refusal, with status 400, 404 or 501, if no application must run for the request.
    pub fn of_request(parts: &Parts, body: &SizeHint, mount: &Mount) -> Result<Environ, Refusal> {
        request::environ(parts, body, mount, |env| env)
    }

    /// Returns the value of a variable.
    pub fn get(&self, name: impl AsRef<[u8]>) -> Option<&[u8]> {
        let found = self.place(name.as_ref())?;
        Some(&self.0.text[self.0.variables[found].value.clone()])
    }

    /// Returns the value of a variable if it is UTF-8.
    pub fn get_str(&self, name: impl AsRef<[u8]>) -> Option<&str> {
        std::str::from_utf8(self.get(name)?).ok()
    }

    /// Sets a variable. An existing variable keeps its place; a new one is added at the end.
    ///
    /// # Errors
    ///
    /// Returns an error if `name` is empty or contains `=` or NUL, or if `value` contains NUL. The environment is
    /// unchanged then.
    pub fn set(&mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), InvalidVariable> {
        let (name, value) = (name.as_ref(), value.as_ref());
        if name.is_empty() || name.iter().any(|byte| matches!(byte, 0 | b'=')) || value.contains(&0) {
            return Err(InvalidVariable { name: name.escape_ascii().to_string() });
        }
        let place = self.place(name);
        self.make(place, name, value);
        Ok(())
    }

    /// Adds a variable. The caller has made sure that it is valid and not set yet.
    pub(crate) fn add(&mut self, name: &[u8], value: &[u8]) {
        debug_assert!(self.place(name).is_none(), "{} is already set", name.escape_ascii());
        self.make(None, name, value);
    }

    fn make(&mut self, place: Option<usize>, name: &[u8], value: &[u8]) {
        let inner = Arc::make_mut(&mut self.0);
        match place {
            Some(place) => {
                inner.variables[place].value = inner.replace(inner.variables[place].value.clone(), value, place)
            }
            None => {
                let mut store = |bytes: &[u8]| {
                    let start = inner.text.len();
                    inner.text.extend_from_slice(bytes);
                    start..inner.text.len()
                };
                let (name, value) = (store(name), store(value));
                inner.variables.push(Variable { name, value });
            }
        }
    }

    /// Removes a variable.
    pub fn remove(&mut self, name: impl AsRef<[u8]>) {
        if let Some(place) = self.place(name.as_ref()) {
            let inner = Arc::make_mut(&mut self.0);
            let Variable { name, value } = inner.variables[place].clone();
            inner.replace(name.start..value.end, b"", place);
            inner.variables.remove(place);
        }
    }

    /// Iterates over names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0.variables.iter().map(|variable| self.text(variable))
    }

    /// Returns the stream of the application's messages to the server's log. A [`PushApp`](crate::PushApp) receives it
    /// as `err`.
    pub fn error_log(&self) -> ErrorStream {
        self.0.error_log.clone()
    }

    /// Returns the version of the gateway interface: (1, 1).
    pub fn version(&self) -> (u8, u8) {
        VERSION
    }

    /// Returns `true` if several threads of this process may run the application at once.
    pub fn multi_threaded(&self) -> bool {
        self.0.multi_threaded
    }

    /// Returns `true` if other processes may run the application at the same time.
    pub fn multi_process(&self) -> bool {
        self.0.multi_process
    }

    /// Returns `true` if this process runs the application only once.
    pub fn run_once(&self) -> bool {
        self.0.run_once
    }

    /// Sets the error log (default: `tracing`).
    #[must_use]
    pub fn with_error_log(mut self, error_log: ErrorStream) -> Environ {
        Arc::make_mut(&mut self.0).error_log = error_log;
        self
    }

    /// Sets [`multi_threaded`](Environ::multi_threaded) (default: `false`).
    #[must_use]
    pub fn with_multi_threaded(mut self, multi_threaded: bool) -> Environ {
        Arc::make_mut(&mut self.0).multi_threaded = multi_threaded;
        self
    }

    /// Sets [`multi_process`](Environ::multi_process) (default: `false`).
    #[must_use]
    pub fn with_multi_process(mut self, multi_process: bool) -> Environ {
        Arc::make_mut(&mut self.0).multi_process = multi_process;
        self
    }

    /// Sets [`run_once`](Environ::run_once) (default: `false`).
    #[must_use]
    pub fn with_run_once(mut self, run_once: bool) -> Environ {
        Arc::make_mut(&mut self.0).run_once = run_once;
        self
    }

    fn place(&self, name: &[u8]) -> Option<usize> {
        self.0.variables.iter().position(|variable| self.0.text[variable.name.clone()] == *name)
    }

    fn text(&self, variable: &Variable) -> (&[u8], &[u8]) {
        (&self.0.text[variable.name.clone()], &self.0.text[variable.value.clone()])
    }
}

impl Inner {
    /// Replaces the range `old` of the variable at `place`, and returns the new range.
    fn replace(&mut self, old: Range<usize>, text: &[u8], place: usize) -> Range<usize> {
        let new = old.start..old.start + text.len();
        for Variable { name, value } in &mut self.variables[place + 1..] {
            for end in [&mut name.start, &mut name.end, &mut value.start, &mut value.end] {
                *end = *end - old.end + new.end;
            }
        }
        self.text.splice(old, text.iter().copied());
        new
    }
}

impl Default for Inner {
    fn default() -> Inner {
        Inner {
            // Enough for a request, so that memory is allocated once.
            text: Vec::with_capacity(1024),
            variables: Vec::with_capacity(40),
            error_log: ErrorStream::default(),
            multi_threaded: false,
            multi_process: false,
            run_once: false,
        }
    }
}

impl PartialEq for Environ {
    /// Returns `true` if both have the same variables in the same order.
    fn eq(&self, other: &Environ) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Environ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |(name, value): (&[u8], &[u8])| (name.escape_ascii().to_string(), value.escape_ascii().to_string());
        f.debug_map().entries(self.iter().map(text)).finish()
    }
}

impl fmt::Display for InvalidVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid variable {:?}: a valid name is not empty and contains no `=` or NUL, and a value contains no NUL",
            self.name
        )
    }
}

impl std::error::Error for InvalidVariable {}

impl From<InvalidVariable> for std::io::Error {
    fn from(error: InvalidVariable) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::InvalidInput, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changing_a_clone_keeps_the_original_and_the_order() {
        let mut env = Environ::new();
        env.set("A", "1").unwrap();
        env.set("B", "2").unwrap();
        let mut other = env.clone();
        other.set("A", "three").unwrap();
        other.set("C", "4").unwrap();
        other.remove("B");
        other.remove("D");
        assert_eq!(env.iter().collect::<Vec<_>>(), [(&b"A"[..], &b"1"[..]), (b"B", b"2")]);
        assert_eq!(other.iter().collect::<Vec<_>>(), [(&b"A"[..], &b"three"[..]), (b"C", b"4")]);
        assert_ne!(env, other);
    }

    #[test]
    fn a_replaced_or_removed_variable_leaves_no_bytes_behind() {
        let mut env = Environ::new();
        for name in ["A", "B", "C"] {
            env.set(name, "1").unwrap();
        }
        for length in (0..1000).chain([3]) {
            env.set("B", vec![b'x'; length]).unwrap();
        }
        assert_eq!((env.get_str("A"), env.get_str("B"), env.get_str("C")), (Some("1"), Some("xxx"), Some("1")));
        assert_eq!(env.0.text, b"A1BxxxC1");
        env.remove("A");
        assert_eq!((env.get_str("A"), env.get_str("B"), env.get_str("C")), (None, Some("xxx"), Some("1")));
        assert_eq!(env.0.text, b"BxxxC1");
    }

    #[test]
    fn an_invalid_variable_is_refused() {
        let mut env = Environ::new();
        for (name, value) in [("", "a"), ("A=B", "c"), ("A\0", "b"), ("A", "b\0")] {
            assert!(env.set(name, value).is_err());
        }
        assert_eq!(env.iter().count(), 0);
    }
}
