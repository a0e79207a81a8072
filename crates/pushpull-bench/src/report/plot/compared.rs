//! Strip plots: one strip per case, one mark per contender.

use std::fmt::Write;

use super::{Scale, WIDTH, class, escaped, sign, told};

const LEFT: f64 = 122.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 34.0;
const ROW: f64 = 26.0;
const BOTTOM: f64 = 42.0;

pub struct Strip {
    pub name: String,
    pub marks: Vec<Mark>,
}

pub struct Mark {
    pub contender: String,
    pub low: f64,
    pub value: f64,
    pub high: f64,
}

/// Returns the height of the plot.
pub fn height(strips: &[Strip]) -> f64 {
    TOP + ROW * strips.len() as f64 + BOTTOM
}

/// Returns the plot as an element, or an empty string without marks. `one` draws a line at the ratio 1.
pub fn strips(title: &str, along: &str, strips: &[Strip], show: impl Fn(f64) -> String, one: bool) -> String {
    let marks = || strips.iter().flat_map(|strip| &strip.marks);
    let own = one.then_some(1.0);
    let Some(scale) = Scale::log(marks().flat_map(|mark| [mark.low, mark.high]).chain(own)) else {
        return String::new();
    };
    let height = height(strips);
    let bottom = height - BOTTOM;
    let place = |value: f64| LEFT + scale.place(value) * (WIDTH - LEFT - RIGHT);
    let (title, along) = (escaped(title), escaped(along));
    let mut svg = format!(
        r#"<svg class="plot" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}: {along}"><text class="title" x="10" y="18">{title}</text>"#
    );
    for tick in scale.ticks() {
        let x = place(tick);
        let _ = write!(
            svg,
            r#"<path class="grid" d="M{x:.1} {TOP}V{bottom}"/><text class="tick" x="{x:.1}" y="{}" text-anchor="middle">{}</text>"#,
            bottom + 16.0,
            show(tick)
        );
    }
    if one {
        let _ = write!(svg, r#"<path class="one" d="M{x:.1} {TOP}V{bottom}"/>"#, x = place(1.0));
    }
    for (number, strip) in strips.iter().enumerate() {
        let y = TOP + ROW * (number as f64 + 0.5);
        let (right, name) = (WIDTH - RIGHT, escaped(&strip.name));
        let _ = write!(
            svg,
            r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/><text class="tick" x="{}" y="{:.1}" text-anchor="end">{name}</text>"#,
            LEFT - 10.0,
            y + 4.0
        );
        for mark in &strip.marks {
            let x = place(mark.value);
            let _ = write!(
                svg,
                r#"<g class="series s-{}"><path class="range" d="M{:.1} {y:.1}H{:.1}"/>"#,
                class(&mark.contender),
                place(mark.low),
                place(mark.high)
            );
            sign(&mut svg, &mark.contender, x, y);
            told(&mut svg, x, y, &format!("{}: {}", mark.contender, show(mark.value)));
            svg.push_str("</g>");
        }
    }
    let middle = (LEFT + WIDTH - RIGHT) / 2.0;
    let _ = write!(
        svg,
        r#"<text class="axis" x="{middle}" y="{}" text-anchor="middle">{along}</text></svg>"#,
        height - 8.0
    );
    svg
}
