//! The downloads, and the limits of their sizes.

use serde::Deserialize;

/// A page with the links.
pub const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Downloads</title>
<h1>Written while they are sent</h1>
<p>The position of the sun over Greenwich, minute by minute for a year:
<a href=/sun.csv>csv</a>, <a href=/sun.json>JSON</a>, <a href='/sun.html?days=7'>a page (a week)</a>,
<a href=/sun.parquet>parquet</a>, <a href=/sun.zip>zip</a>, <a href=/sun.tar.gz>tar.gz</a>.
<p><a href=/mandelbrot.png>The Mandelbrot set</a>.
";

/// The query of a table: `?days=7`.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Table {
    /// The number of days (default: 365, maximum: 36,525, a century).
    pub days: Days,
}

/// The query of a picture: `?width=1024`.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Picture {
    /// The width (default: 1024, maximum: 32768).
    pub width: Width,
}

/// A number of days.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u32")]
pub struct Days(u32);

/// A number of points.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "u32")]
pub struct Width(u32);

impl Days {
    const MAX: u32 = 36_525;

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Width {
    const MAX: u32 = 32_768;

    /// Returns the number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Days {
    type Error = String;

    fn try_from(days: u32) -> Result<Days, String> {
        if days <= Days::MAX {
            Ok(Days(days))
        } else {
            Err(format!("invalid days {days}: expected at most {}", Days::MAX))
        }
    }
}

impl TryFrom<u32> for Width {
    type Error = String;

    fn try_from(width: u32) -> Result<Width, String> {
        if (1..=Width::MAX).contains(&width) {
            Ok(Width(width))
        } else {
            Err(format!("invalid width {width}: expected 1 to {}", Width::MAX))
        }
    }
}

impl Default for Table {
    fn default() -> Table {
        Table { days: Days(365) }
    }
}

impl Default for Picture {
    fn default() -> Picture {
        Picture { width: Width(1024) }
    }
}
