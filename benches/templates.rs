//! What does it cost to render a page, or to serialize a report, into a bridge instead of a `Vec`?
//!
//! `cargo bench --bench templates`

use std::hint::black_box;
use std::io::{self, Write};
use std::time::Duration;

use askama::Template;
use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use maud::html;
use pushpull::Local;
use pushpull_bench::run::checksum::Checksum;
use serde::Serialize;

const ROWS: u32 = 2_000;

#[derive(Clone, Serialize)]
struct Row {
    number: u32,
    name: String,
    price: f64,
    is_there: bool,
}

#[derive(Clone, Serialize, Template)]
#[template(
    source = "<table>\n{% for row in rows %}<tr><td>{{ row.number }}</td><td>{{ row.name }}</td><td>{{ row.price }}</td>\
              <td>{% if row.is_there %}yes{% else %}no{% endif %}</td></tr>\n{% endfor %}</table>\n",
    ext = "html"
)]
struct Page {
    rows: Vec<Row>,
}

impl Page {
    fn new() -> Page {
        let row = |number| Row {
            number,
            name: format!("the thing & number {number}"),
            price: f64::from(number) * 1.25,
            is_there: number % 3 == 0,
        };
        Page { rows: (0..ROWS).map(row).collect() }
    }
}

/// Code that renders a page into any writer. It is a trait, so that it is compiled for each.
trait Renders: Clone + 'static {
    fn render(&self, page: &Page, w: &mut impl Write) -> io::Result<()>;
}

#[derive(Clone)]
struct Askama;

impl Renders for Askama {
    fn render(&self, page: &Page, w: &mut impl Write) -> io::Result<()> {
        page.write_into(w)
    }
}

#[derive(Clone)]
struct Minijinja(minijinja::Environment<'static>);

impl Minijinja {
    fn new() -> Minijinja {
        let mut environment = minijinja::Environment::new();
        let text = "<table>\n{% for row in rows %}<tr><td>{{ row.number }}</td><td>{{ row.name }}</td><td>{{ row.price }}</td>\
                    <td>{% if row.is_there %}yes{% else %}no{% endif %}</td></tr>\n{% endfor %}</table>\n";
        environment.add_template("page.html", text).expect("it is a template");
        Minijinja(environment)
    }
}

impl Renders for Minijinja {
    fn render(&self, page: &Page, w: &mut impl Write) -> io::Result<()> {
        let template = self.0.get_template("page.html").expect("it was added");
        template.render_captured_to(page, w).map(drop).map_err(io::Error::other)
    }
}

/// `maud` renders into a string, so a page is written row by row.
#[derive(Clone)]
struct Maud;

impl Renders for Maud {
    fn render(&self, page: &Page, w: &mut impl Write) -> io::Result<()> {
        w.write_all(b"<table>\n")?;
        for row in &page.rows {
            let row = html! {
                tr { td { (row.number) } td { (row.name) } td { (row.price) } td { @if row.is_there { "yes" } @else { "no" } } }
            };
            w.write_all(row.into_string().as_bytes())?;
        }
        w.write_all(b"</table>\n")
    }
}

#[derive(Clone)]
struct Json;

impl Renders for Json {
    fn render(&self, page: &Page, w: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(w, page).map_err(io::Error::from)
    }
}

/// `write!` with a few short pieces a line, as code without a template writes.
#[derive(Clone)]
struct Format;

impl Renders for Format {
    fn render(&self, page: &Page, w: &mut impl Write) -> io::Result<()> {
        for Row { number, name, price, is_there } in &page.rows {
            writeln!(w, "{number:>6}  {name:<30} {price:9.2} {is_there}")?;
        }
        Ok(())
    }
}

fn templates(c: &mut Criterion) {
    compare(c, "askama", Askama);
    compare(c, "minijinja", Minijinja::new());
    compare(c, "maud", Maud);
    compare(c, "serde_json", Json);
    compare(c, "write!", Format);
}

fn compare(c: &mut Criterion, name: &str, renders: impl Renders) {
    let page = Page::new();
    let mut whole = Vec::new();
    renders.render(&page, &mut whole).expect("a Vec takes everything");
    let expected = sum(&whole);
    let mut group = c.benchmark_group(format!("templates/{name}"));
    group.throughput(Throughput::Bytes(whole.len() as u64)).sampling_mode(SamplingMode::Flat).sample_size(30);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    group.bench_function("into a Vec", |b| {
        b.iter(|| {
            let mut bytes = Vec::with_capacity(whole.len());
            renders.render(black_box(&page), &mut bytes).expect("a Vec takes everything");
            assert!(sum(&bytes) == expected);
        });
    });
    group.bench_function("Local", |b| {
        b.iter(|| {
            let bytes = Local::new().pull_scoped(
                |w| renders.render(black_box(&page), w),
                |chunks| {
                    let mut bytes = Checksum::default();
                    for chunk in chunks {
                        bytes.take(&chunk.expect("the program writes everything"));
                    }
                    bytes
                },
            );
            assert!(bytes == expected);
        });
    });
    group.finish();
}

fn sum(bytes: &[u8]) -> Checksum {
    let mut sum = Checksum::default();
    sum.take(bytes);
    sum
}

criterion_group!(benches, templates);
criterion_main!(benches);
