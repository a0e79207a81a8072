//! The head of a response: a status and headers of Python's, checked.

use http::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use pushpull_gateway::ResponseHead;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};

/// A head that an application has given.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    /// How long the body is to be.
    pub(super) length: Option<u64>,
}

impl Head {
    /// Checks a status and headers.
    pub(super) fn of(status: &Bound<'_, PyAny>, headers: &Bound<'_, PyAny>) -> PyResult<Head> {
        let status = parse_status(status)?;
        let list = headers
            .cast::<PyList>()
            .map_err(|_| PyTypeError::new_err(format!("the headers must be a list, not {}", kind(headers))))?;
        let too_many = || PyValueError::new_err("there are too many headers");
        let mut fields = HeaderMap::try_with_capacity(list.len()).map_err(|_| too_many())?;
        let mut length = None;
        for header in list {
            let (name, value) = parse_header(&header)?;
            if name == CONTENT_LENGTH {
                length = Some(parse_length(&value)?);
            }
            let added = if name == CONTENT_LENGTH {
                fields.try_insert(name, value).map(drop)
            } else {
                fields.try_append(name, value).map(drop)
            };
            added.map_err(|_| too_many())?;
        }
        Ok(Head { status, fields, length })
    }

    /// Returns `true` if there is no body, whatever the application writes.
    pub(super) fn has_no_body(&self) -> bool {
        matches!(self.status, StatusCode::NO_CONTENT | StatusCode::RESET_CONTENT | StatusCode::NOT_MODIFIED)
    }

    /// Returns the response that begins with this head, less what belongs to a connection.
    pub(super) fn into_response<B>(self, body: B) -> Response<B> {
        let mut response = Response::new(());
        *response.status_mut() = self.status;
        *response.headers_mut() = self.fields;
        ResponseHead::of_response(&response.into_parts().0).into_response(body)
    }
}

fn kind(object: &Bound<'_, PyAny>) -> String {
    object.get_type().name().map_or("object".into(), |name| name.to_string())
}

fn text<'a>(what: &str, object: &'a Bound<'_, PyAny>) -> PyResult<std::borrow::Cow<'a, str>> {
    object
        .cast::<PyString>()
        .map_err(|_| PyTypeError::new_err(format!("the {what} must be str, not {}", kind(object))))?
        .to_cow()
        .map_err(|_| PyValueError::new_err(format!("the {what} holds a character that is not Latin-1")))
}

fn parse_status(status: &Bound<'_, PyAny>) -> PyResult<StatusCode> {
    let text = text("status", status)?;
    let invalid =
        || PyValueError::new_err(format!("invalid status {text:?}: expected a number of three digits and a reason"));
    let (code, reason) = text.as_bytes().split_at_checked(3).ok_or_else(invalid)?;
    if !matches!(reason, [] | [b' ', ..]) || reason.iter().any(u8::is_ascii_control) {
        return Err(invalid());
    }
    match StatusCode::from_bytes(code) {
        Ok(status) if (200..600).contains(&status.as_u16()) => Ok(status),
        _ => Err(invalid()),
    }
}

fn parse_header(header: &Bound<'_, PyAny>) -> PyResult<(HeaderName, HeaderValue)> {
    let pair = header.cast::<PyTuple>().ok().filter(|pair| pair.len() == 2);
    let Some(pair) = pair else {
        return Err(PyTypeError::new_err(format!(
            "a header must be a tuple of a name and a value, not {}",
            kind(header)
        )));
    };
    let (name, value) = (pair.get_item(0)?, pair.get_item(1)?);
    let name = text("name of a header", &name)?;
    let value = text("value of a header", &value)?;
    let parsed = HeaderName::from_bytes(name.as_bytes())
        .map_err(|_| PyValueError::new_err(format!("invalid name of a header {name:?}")))?;
    let invalid = |why| PyValueError::new_err(format!("the header {name} holds a {why}: {value:?}"));
    let bytes = if value.is_ascii() {
        value.trim_ascii().as_bytes().to_vec()
    } else {
        let latin = value.chars().map(|character| u8::try_from(u32::from(character)));
        latin.collect::<Result<Vec<_>, _>>().map_err(|_| invalid("character that is not Latin-1"))?
    };
    let value = HeaderValue::from_bytes(&bytes).map_err(|_| invalid("control character"))?;
    Ok((parsed, value))
}

fn parse_length(value: &HeaderValue) -> PyResult<u64> {
    let digits = value.to_str().ok().filter(|text| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()));
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| PyValueError::new_err(format!("invalid Content-Length {value:?}: expected a number")))
}
