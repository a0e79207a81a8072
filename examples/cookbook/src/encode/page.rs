//! Renders the table as a page.

use std::io::{self, Write};

use minijinja::value::Serde;
use minijinja::{Environment, Value};

use crate::sun;

const TEMPLATE: &str = "<!doctype html><meta charset=utf-8><title>{{ title }}</title>
<h1>{{ title }}</h1>
<table><tr><th>time<th>declination<th>elevation<th>azimuth
{%- for row in rows %}
<tr><td>{{ row.time }}<td>{{ row.declination }}<td>{{ row.elevation }}<td>{{ row.azimuth }}
{%- endfor %}
</table>
";

/// Renders with `minijinja`, which requests the rows while it renders.
pub fn html(days: u32, w: impl Write) -> io::Result<()> {
    let mut templates = Environment::new();
    templates.add_template("sun.html", TEMPLATE).map_err(cause)?;
    let page = minijinja::context! {
        title => "The sun over Greenwich",
        rows => Value::make_iterable(move || sun::rows(days).map(|row| Value::from(Serde(row)))),
    };
    let template = templates.get_template("sun.html").map_err(cause)?;
    template.render_captured_to(page, w).map_err(cause)?;
    Ok(())
}

/// Returns the writer's own error if the template error contains it, otherwise the template error.
fn cause(error: minijinja::Error) -> io::Error {
    let written = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<io::Error>());
    io::Error::new(written.map_or(io::ErrorKind::Other, io::Error::kind), error)
}
