//! A classic CGI program: it prints its header block, then a page line by line.

use std::io::{self, Write};
use std::time::SystemTime;

use pushpull_gateway::{Environ, Input};
use time::util::days_in_month;
use time::{Date, Month, OffsetDateTime, Weekday};

/// Prints the month that the query asks for (`year=2026&month=11`; default: the current month).
pub fn calendar(_inp: &mut Input, out: &mut dyn Write, err: &mut dyn Write, env: &Environ) -> io::Result<()> {
    let query = env.get_str("QUERY_STRING").unwrap_or_default();
    let today = OffsetDateTime::from(SystemTime::now()).date();
    let Some((year, month)) = asked(query, today) else {
        writeln!(err, "no such month: {query}")?;
        return write!(
            out,
            "Status: 400 Bad Request\nContent-Type: text/plain\n\nask for a month like year=2026&month=11\n"
        );
    };
    let script = html_escape::encode_double_quoted_attribute(env.get_str("SCRIPT_NAME").unwrap_or_default());

    writeln!(out, "Content-Type: text/html; charset=utf-8")?;
    writeln!(out, "Cache-Control: max-age=3600")?;
    writeln!(out)?;
    writeln!(out, "<!doctype html><html lang=\"en\"><meta name=\"viewport\" content=\"width=device-width\">")?;
    writeln!(out, "<title>{month} {year}</title><style>{STYLE}</style>")?;
    write!(out, "<nav>")?;
    link(out, &script, "&larr;", month.previous(), if month == Month::January { year - 1 } else { year })?;
    writeln!(out, "<h1>{month} {year}</h1>")?;
    link(out, &script, "&rarr;", month.next(), if month == Month::December { year + 1 } else { year })?;
    writeln!(out, "</nav><table><tr>")?;
    let mut weekday = Weekday::Monday;
    for _ in 0..7 {
        writeln!(out, "<th>{}", &weekday.to_string()[..3])?;
        weekday = weekday.next();
    }
    let first = Date::from_calendar_date(year, month, 1).map_err(io::Error::other)?;
    writeln!(out, "<tr>{}", "<td>".repeat(first.weekday().number_days_from_monday().into()))?;
    for day in 1..=days_in_month(month, year) {
        let date = first.replace_day(day).map_err(io::Error::other)?;
        if day > 1 && date.weekday() == Weekday::Monday {
            writeln!(out, "<tr>")?;
        }
        writeln!(out, "<td{}>{day}", if date == today { " class=\"today\"" } else { "" })?;
    }
    writeln!(out, "</table></html>")
}

const STYLE: &str = "\
:root { color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif; }
body { max-width: 26rem; margin: 2rem auto; padding: 0 1rem; }
nav { display: flex; justify-content: space-between; align-items: center; }
h1 { font-size: 1.3rem; } a { text-decoration: none; padding: 0 1rem; color: inherit; }
table { width: 100%; border-collapse: collapse; } th { font-weight: normal; opacity: .6; }
td { text-align: center; padding: .4rem; } .today { background: #36c; color: #fff; border-radius: 50%; }";

fn link(out: &mut dyn Write, script: &str, text: &str, month: Month, year: i32) -> io::Result<()> {
    writeln!(out, "<a href=\"{script}/?year={year}&amp;month={}\" title=\"{month} {year}\">{text}</a>", month as u8)
}

fn asked(query: &str, today: Date) -> Option<(i32, Month)> {
    let (mut year, mut month) = (today.year(), today.month());
    for part in query.split('&').filter(|part| !part.is_empty()) {
        match part.split_once('=')? {
            ("year", value) => year = value.parse().ok().filter(|year| (1..=9999).contains(year))?,
            ("month", value) => month = value.parse::<u8>().ok()?.try_into().ok()?,
            _ => return None,
        }
    }
    Some((year, month))
}
