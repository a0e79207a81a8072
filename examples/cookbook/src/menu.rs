//! What there is to download, and how much of it a client may ask for.

use serde::Deserialize;

/// The links.
pub const PAGE: &str = "<!doctype html><meta charset=utf-8><title>Downloads</title>
<h1>Made while they are sent</h1>
<p>Where the sun stands over Greenwich, minute by minute for a year:
<a href=/sun.csv>csv</a>, <a href=/sun.json>JSON</a>, <a href='/sun.html?days=7'>a page (a week)</a>,
<a href=/sun.parquet>parquet</a>, <a href=/sun.zip>zip</a>, <a href=/sun.tar.gz>tar.gz</a>.
<p><a href=/mandelbrot.png>The Mandelbrot set</a>.
";

/// How many days of the table: `?days=7`.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Table {
    /// 365 unless asked for; a century at the most.
    pub days: Days,
}

/// How wide a picture: `?width=1024`.
#[derive(Debug, Deserialize)]
#[serde(default)]
pub struct Picture {
    /// 1024 unless asked for; 32768 at the most.
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

    /// As a number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl Width {
    const MAX: u32 = 32_768;

    /// As a number.
    pub fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Days {
    type Error = String;

    fn try_from(days: u32) -> Result<Days, String> {
        if days <= Days::MAX { Ok(Days(days)) } else { Err(format!("there are {} days at the most", Days::MAX)) }
    }
}

impl TryFrom<u32> for Width {
    type Error = String;

    fn try_from(width: u32) -> Result<Width, String> {
        if (1..=Width::MAX).contains(&width) {
            Ok(Width(width))
        } else {
            Err(format!("a picture is 1 to {} points wide", Width::MAX))
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
