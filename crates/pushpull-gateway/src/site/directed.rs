//! Directs a request to the program that its path names.

use std::path::{Path, PathBuf};

use http::header::{HeaderValue, LOCATION};
use http::request::Parts;
use http::{Method, Response, StatusCode};

use super::find::Found;
use super::settings::Site;
use crate::cgi::environ::Environ;
use crate::cgi::path::encode;
use crate::cgi::refusal::Refusal;
use crate::service::body::Body;

/// Where a request goes.
pub(crate) enum Directed {
    /// To the program with this file.
    Program(PathBuf),
    /// Elsewhere, by this response.
    Elsewhere(Box<Response<Body>>),
}

/// Looks up the part of the path after the mount, and sets the variables of the program that it names. If it names a
/// directory and lacks the final slash, redirects the client to the path with the slash.
///
/// # Errors
///
/// Returns 404 if the path names no program, or 500 if the system cannot tell.
pub(crate) fn direct(site: &Site, parts: &Parts, env: &mut Environ) -> Result<Directed, Refusal> {
    let path = env.get("PATH_INFO").unwrap_or_default().to_vec();
    let mount = env.get("SCRIPT_NAME").unwrap_or_default().to_vec();
    match site.find(&path).map_err(|error| not_found_out(&path, &error))? {
        Found::Program { file, name, rest } => {
            let variables: [(_, &[u8]); 5] = [
                ("SCRIPT_NAME", &[mount, name].concat()),
                ("PATH_INFO", &rest),
                ("SCRIPT_FILENAME", file.as_os_str().as_encoded_bytes()),
                ("DOCUMENT_ROOT", site.root().as_os_str().as_encoded_bytes()),
                // PHP requires this as proof that a server chose the script.
                ("REDIRECT_STATUS", b"200"),
            ];
            for (variable, value) in variables {
                env.set(variable, value).map_err(|_| nothing())?;
            }
            env.remove("PATH_TRANSLATED");
            Ok(Directed::Program(file))
        }
        Found::Slash if matches!(parts.method, Method::GET | Method::HEAD) => {
            Ok(Directed::Elsewhere(Box::new(with_slash(&[mount, path].concat(), parts.uri.query())?)))
        }
        _ => Err(nothing()),
    }
}

/// Returns the value of `PATH_TRANSLATED`: the file that the rest of the path would name below the root (RFC 3875,
/// 4.1.6).
pub(crate) fn translated(root: &Path, rest: &[u8]) -> Vec<u8> {
    [root.as_os_str().as_encoded_bytes(), rest].concat()
}

/// Redirects a client to the same path with a slash at its end.
pub(crate) fn with_slash(path: &[u8], query: Option<&str>) -> Result<Response<Body>, Refusal> {
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    let place = HeaderValue::try_from(format!("{}/{query}", encode(path))).map_err(|_| nothing())?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response.headers_mut().insert(LOCATION, place);
    Ok(response)
}

pub(crate) fn nothing() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "there is nothing here")
}

/// Returns the refusal for a path that could not be looked up.
pub(crate) fn not_found_out(path: &[u8], error: &std::io::Error) -> Refusal {
    let status = crate::cgi::refusal::status_of(error);
    Refusal::new(status, format!("cannot look up {}: {error}", path.escape_ascii()))
}
