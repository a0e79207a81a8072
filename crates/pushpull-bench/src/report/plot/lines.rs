//! Line plots.

use std::fmt::Write;

use super::{Scale, WIDTH, bytes, class, escaped, sign, told};
use crate::report::figure::Measure;

const HEIGHT: f64 = 270.0;
const LEFT: f64 = 74.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 42.0;

pub struct LinePlot {
    pub title: String,
    /// The label of the horizontal axis.
    pub along: &'static str,
    /// `true` if the horizontal axis is in bytes.
    pub along_is_bytes: bool,
    pub measure: Measure,
    pub series: Vec<Series>,
}

pub struct Series {
    pub contender: String,
    pub points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
pub struct Point {
    pub x: f64,
    pub low: f64,
    pub y: f64,
    pub high: f64,
}

impl LinePlot {
    /// Returns the plot as an element, or an empty string without points.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        let ends = points().flat_map(|point| [point.low, point.high]);
        // Wake-ups can be zero, which a logarithmic scale cannot show.
        let up = if self.measure == Measure::Wakes { Scale::linear(ends) } else { Scale::log(ends) };
        let (Some(up), Some(along)) = (up, Scale::log(points().map(|point| point.x))) else { return String::new() };
        let title = escaped(&self.title);
        let mut svg = format!(
            r#"<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}: {}, by {}"><text class="title" x="{LEFT}" y="18">{title}</text>"#,
            self.measure.name(),
            self.along
        );
        let place = |x: f64, y: f64| {
            let (right, down) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
            (LEFT + along.place(x) * right, TOP + (1.0 - up.place(y)) * down)
        };
        self.grid(&mut svg, up, &place);
        for series in &self.series {
            series.draw(&mut svg, self, &place);
        }
        svg.push_str("</svg>");
        svg
    }

    fn grid(&self, svg: &mut String, up: Scale, place: &impl Fn(f64, f64) -> (f64, f64)) {
        let bottom = HEIGHT - BOTTOM;
        for tick in up.ticks() {
            let (_, y) = place(1.0, tick);
            let (right, label) = (WIDTH - RIGHT, self.measure.show(tick));
            let _ = write!(
                svg,
                r#"<path class="grid" d="M{LEFT} {y:.1}H{right}"/><text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
                LEFT - 8.0,
                y + 4.0
            );
        }
        let mut xs: Vec<f64> =
            self.series.iter().flat_map(|series| series.points.iter().map(|point| point.x)).collect();
        xs.sort_by(f64::total_cmp);
        xs.dedup();
        // At most five labels fit.
        let every = xs.len().div_ceil(5);
        for x in xs.into_iter().step_by(every) {
            let (at, _) = place(x, 1.0);
            let label = self.show_x(x);
            let _ = write!(
                svg,
                r#"<path class="grid" d="M{at:.1} {TOP}V{bottom}"/><text class="tick" x="{at:.1}" y="{}" text-anchor="middle">{label}</text>"#,
                bottom + 16.0
            );
        }
        let middle = (LEFT + WIDTH - RIGHT) / 2.0;
        let _ = write!(
            svg,
            r#"<text class="axis" x="{middle}" y="{}" text-anchor="middle">{}</text>"#,
            HEIGHT - 8.0,
            self.along
        );
    }

    fn show_x(&self, x: f64) -> String {
        if self.along_is_bytes { bytes(x) } else { format!("{x:.0}") }
    }
}

impl Series {
    fn draw(&self, svg: &mut String, plot: &LinePlot, place: &impl Fn(f64, f64) -> (f64, f64)) {
        let _ = write!(svg, r#"<g class="series s-{}">"#, class(&self.contender));
        let path = |points: &mut dyn Iterator<Item = (f64, f64)>| {
            points.map(|(x, y)| format!("{x:.1} {y:.1}")).collect::<Vec<_>>().join("L")
        };
        if self.points.len() > 1 {
            // A band shows the middle half of the rounds.
            let above = self.points.iter().map(|point| place(point.x, point.high));
            let below = self.points.iter().rev().map(|point| place(point.x, point.low));
            let _ = write!(svg, r#"<path class="band" d="M{}z"/>"#, path(&mut above.chain(below)));
            let middle = path(&mut self.points.iter().map(|point| place(point.x, point.y)));
            let _ = write!(svg, r#"<path class="line" d="M{middle}"/>"#);
        }
        for point in &self.points {
            let (x, y) = place(point.x, point.y);
            sign(svg, &self.contender, x, y);
        }
        for point in &self.points {
            let (x, y) = place(point.x, point.y);
            let text = format!("{}, {}: {}", self.contender, plot.show_x(point.x), plot.measure.show(point.y));
            told(svg, x, y, &text);
        }
        svg.push_str("</g>");
    }
}
