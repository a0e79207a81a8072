//! Plots as inline SVG. The page's style sheet defines colors and tooltips, so that one plot is legible in light and
//! dark. The crates that draw plots write colors into every element and give points no accessible name.

mod compared;
mod lines;
mod scale;

use std::fmt::Write;

use pushpull_measure::contender::Contender;
use pushpull_measure::quantity;

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
pub fn legend(plots: &[impl AsRef<str>]) -> Vec<&'static str> {
    let appears = |contender: &&str| {
        let series = format!("\"series s-{}\"", class(contender));
        plots.iter().any(|plot| plot.as_ref().contains(&series))
    };
    Contender::ALL.map(Contender::name).into_iter().filter(appears).collect()
}

/// Draws the contender's mark. Its shape identifies the contender without color: filled for engines, open for others.
pub fn sign(svg: &mut String, contender: &str, x: f64, y: f64) {
    let r = 4.0;
    let path = match contender {
        "Local" => return circle(svg, x, y),
        "Thread" | "io::pipe" => format!("M{x:.1} {y:.1}m-{r} -{r}h{d}v{d}h-{d}z", d = 2.0 * r),
        "Pool" | "crossbeam" => format!("M{x:.1} {y:.1}m0 -5.5l5.5 5.5l-5.5 5.5l-5.5 -5.5z"),
        "sync_channel" => format!("M{x:.1} {y:.1}m0 -5l5 9h-10z"),
        "tokio mpsc" => format!("M{x:.1} {y:.1}m0 5l5 -9h-10z"),
        _ => return circle(svg, x, y),
    };
    let _ = write!(svg, r#"<path class="sign" d="{path}"/>"#);
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
