//! What a host may be told.

use std::time::Duration;

use pushpull_gateway::Mount;
use pushpull_gateway::host::ClientLimits;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::service::MAX_TIME;

/// What is served, and how.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    Http,
    FastCgi,
    Scgi,
}

pub(super) struct Options {
    pub(super) protocol: Protocol,
    /// Of the server; an application has one for each request.
    pub(super) threads: usize,
    pub(super) mount: Mount,
    /// Whether a mount was given. Without one a front server parts the path.
    pub(super) is_mounted: bool,
    pub(super) health: Option<String>,
    pub(super) accepted: Vec<String>,
    pub(super) multiplexes: bool,
    pub(super) access_log: bool,
    pub(super) capacity: usize,
    pub(super) timeout_first_byte: Duration,
    pub(super) timeout_idle: Duration,
    pub(super) timeout_total: Duration,
    pub(super) max_programs: usize,
    pub(super) max_body: u64,
    pub(super) multi_process: bool,
    pub(super) client: ClientLimits,
}

fn get<'py, T>(options: &Bound<'py, PyDict>, name: &str) -> PyResult<T>
where
    for<'a> T: FromPyObject<'a, 'py>,
    for<'a> <T as FromPyObject<'a, 'py>>::Error: Into<PyErr>,
{
    let value = options.get_item(name)?.ok_or_else(|| PyValueError::new_err(format!("missing option {name}")))?;
    value.extract().map_err(Into::into)
}

fn time(options: &Bound<'_, PyDict>, name: &str) -> PyResult<Duration> {
    let Some(seconds) = get::<Option<f64>>(options, name)? else { return Ok(MAX_TIME) };
    let time = Duration::try_from_secs_f64(seconds).ok();
    let invalid = || PyValueError::new_err(format!("{name} must be a number of seconds, not {seconds}"));
    Ok(time.ok_or_else(invalid)?.min(MAX_TIME))
}

fn positive_time(options: &Bound<'_, PyDict>, name: &str) -> PyResult<Duration> {
    let time = time(options, name)?;
    if time.is_zero() { Err(PyValueError::new_err(format!("{name} must be more than 0"))) } else { Ok(time) }
}

fn positive(options: &Bound<'_, PyDict>, name: &str) -> PyResult<usize> {
    let number = get::<i64>(options, name)?;
    usize::try_from(number)
        .ok()
        .filter(|number| *number > 0)
        .ok_or_else(|| PyValueError::new_err(format!("{name} must be more than 0, not {number}")))
}

impl Options {
    /// Checks options: `pushpull.serve` has them all.
    pub(super) fn of(options: &Bound<'_, PyDict>) -> PyResult<Options> {
        let protocol = match &*get::<String>(options, "protocol")? {
            "http" => Protocol::Http,
            "fastcgi" => Protocol::FastCgi,
            "scgi" => Protocol::Scgi,
            other => {
                let message = format!("invalid protocol {other:?}: expected 'http', 'fastcgi' or 'scgi'");
                return Err(PyValueError::new_err(message));
            }
        };
        let prefix: Option<String> = get(options, "mount")?;
        let mount = match &prefix {
            Some(prefix) => Mount::at(prefix).map_err(|error| PyValueError::new_err(error.to_string()))?,
            None => Mount::root(),
        };
        let health: Option<String> = get(options, "health")?;
        if health.as_ref().is_some_and(|path| !path.starts_with('/')) {
            return Err(PyValueError::new_err("health must be a path such as /health"));
        }
        let max_body: i128 = get(options, "max_body")?;
        let client = ClientLimits::new()
            .max_connections(positive(options, "max_connections")?)
            .timeout_head(positive_time(options, "timeout_head")?)
            .timeout_idle(positive_time(options, "timeout_idle")?)
            .timeout_client(positive_time(options, "timeout_client")?)
            .shutdown_notice(time(options, "shutdown_notice")?)
            .shutdown_grace(time(options, "shutdown_grace")?);
        Ok(Options {
            protocol,
            threads: positive(options, "threads")?,
            is_mounted: prefix.is_some(),
            mount: mount.pass_authorization(true),
            health,
            accepted: get(options, "accept_param")?,
            multiplexes: get(options, "multiplex")?,
            access_log: get(options, "access_log")?,
            capacity: positive(options, "capacity")?,
            timeout_first_byte: positive_time(options, "timeout_first_byte")?,
            timeout_idle: positive_time(options, "timeout_idle")?,
            timeout_total: positive_time(options, "timeout_total")?,
            max_programs: positive(options, "max_programs")?,
            max_body: u64::try_from(max_body)
                .map_err(|_| PyValueError::new_err(format!("max_body must be 0 or more, not {max_body}")))?,
            multi_process: get(options, "multi_process")?,
            client,
        })
    }
}
