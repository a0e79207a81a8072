//! The comparison with code written by hand as a picture: one SVG file, legible in light and dark.

use std::fmt::Write;

use super::Report;
use super::beside;
use super::plot::{self, WIDTH, class, escaped};

/// The height of a line of text below the plot, and the number of contenders that fit into one.
const LINE: f64 = 20.0;
const PER_LINE: usize = 4;

/// Returns the picture, or `None` if no engine was measured beside code written by hand.
pub fn of(report: &Report) -> Option<String> {
    let (strips, _) = beside::strips(report);
    let plot = Some(beside::plot(&strips)).filter(|plot| !plot.is_empty())?;
    let legend = plot::legend(report, &[&plot]);
    let top = plot::height(&strips);
    let height = top + LINE * (legend.len().div_ceil(PER_LINE) + 2) as f64;
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"><style>
{}</style><rect class="card" width="{WIDTH}" height="{height}" rx="8"/><svg width="{WIDTH}" height="{top}">{plot}</svg><g class="plot">"#,
        plot::STYLE
    );
    for (number, contender) in legend.iter().enumerate() {
        let x = 16.0 + (number % PER_LINE) as f64 * (WIDTH - 16.0) / PER_LINE as f64;
        let y = top + LINE * (number / PER_LINE) as f64 + 8.0;
        let _ = write!(svg, r#"<g class="series s-{}">"#, class(contender));
        plot::sign(&mut svg, contender, x, y);
        let _ = write!(svg, r#"<text x="{:.1}" y="{:.1}">{}</text></g>"#, x + 12.0, y + 4.0, escaped(contender));
    }
    let machine = &report.machine;
    let on = format!("{}, {} processors", machine.processor, machine.processors);
    for (above, words) in [(24.0, format!("By hand: {}", beside::peers(report))), (9.0, on)] {
        let _ = write!(svg, r#"<text x="10" y="{:.1}">{}</text>"#, height - above, escaped(&words));
    }
    svg.push_str("</g></svg>\n");
    Some(svg)
}
