//! Plots as inline SVG. The page's style sheet defines colors and tooltips, so that one plot is legible in light and
//! dark. The crates that draw plots write colors into every element and give points no accessible name.

mod compared;
mod lines;
mod scale;

use std::fmt::Write;

use super::{Report, contenders, quantity};

pub use compared::{Mark, Strip, height, strips};
pub use lines::{LinePlot, Point, Series};
pub use scale::Scale;

/// The style sheet of plots.
pub const STYLE: &str = include_str!("plot/plot.css");

/// The width of a plot, in its own units.
pub const WIDTH: f64 = 460.0;

/// Returns `text` escaped for an element or an attribute.
pub fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// Returns the contender's class in the style sheet.
pub fn class(contender: &str) -> String {
    contender.to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-")
}

/// Returns the contenders that appear in these plots.
pub fn legend<'a>(report: &'a Report, plots: &[impl AsRef<str>]) -> Vec<&'a str> {
    let appears = |contender: &&str| {
        let series = format!("\"series s-{}\"", class(contender));
        plots.iter().any(|plot| plot.as_ref().contains(&series))
    };
    contenders(&report.rows).into_iter().filter(appears).collect()
}

/// Draws the contender's mark. Its shape identifies the contender without color: filled for engines, open for others.
pub fn sign(svg: &mut String, contender: &str, x: f64, y: f64) {
    let path = match contender {
        "Local" => return circle(svg, x, y),
        "Thread" | "io::pipe" => "m-4 -4h8v8h-8z",
        "Pool" | "crossbeam" => "m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z",
        "sync_channel" | "flume" => "m0 -5l5 9h-10z",
        "tokio mpsc" | "kanal" => "m0 5l5 -9h-10z",
        "pipe()" | "async-channel" => "m-5 0l9 -5v10z",
        "thingbuf" => "m5 0l-9 -5v10z",
        "rtrb" | "piper" => "m-5 0h10m-5 -5v10",
        "simplex" | "pipe" => "m-4 -4l8 8m0 -8l-8 8",
        // A star: one of the user's own.
        _ => "m0 -6l1.5 4.5h4.5l-3.6 2.7l1.4 4.4l-3.8 -2.7l-3.8 2.7l1.4 -4.4l-3.6 -2.7h4.5z",
    };
    let _ = write!(svg, r#"<path class="sign" d="M{x:.1} {y:.1}{path}"/>"#);
}

fn circle(svg: &mut String, x: f64, y: f64) {
    let _ = write!(svg, r#"<circle class="sign" cx="{x:.1}" cy="{y:.1}" r="4.5"/>"#);
}

/// Writes a point with its figure as a tooltip and as text for screen readers.
fn told(svg: &mut String, x: f64, y: f64, text: &str) {
    // Towards the middle, so that the text stays inside the plot.
    let (anchor, dx) = if x > WIDTH / 2.0 { ("end", -10.0) } else { ("start", 10.0) };
    let text = escaped(text);
    let _ = write!(
        svg,
        r#"<circle class="hit" cx="{x:.1}" cy="{y:.1}" r="9"><title>{text}</title></circle><text class="tip" x="{:.1}" y="{:.1}" text-anchor="{anchor}">{text}</text>"#,
        x + dx,
        y - 9.0
    );
}

fn bytes(value: f64) -> String {
    quantity::bytes(value)
}
