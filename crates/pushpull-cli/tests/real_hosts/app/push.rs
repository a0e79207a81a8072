//! A case for everything that a host can get wrong. The query contains the case and its numbers, because hosts treat
//! paths differently.

use std::io::{self, BufRead, Write};

use pushpull_gateway::{Environ, Input};

use super::control::Control;
use super::pattern::{Checked, block, write};

/// Returns a number of the query.
fn number(env: &Environ, name: &str) -> Option<u64> {
    let query = env.get_str("QUERY_STRING")?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok())
}

fn control(env: &Environ) -> io::Result<Control> {
    let port = number(env, "control").and_then(|port| u16::try_from(port).ok());
    Control::connect(port.ok_or_else(|| io::Error::other("missing port of the control connection"))?)
}

/// Returns the last part of the host's address, for tests with several hosts.
fn responder(env: &Environ) -> u64 {
    let host = env.get_str("RESPONDER").unwrap_or_default();
    host.rsplit('.').next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

pub fn answer(inp: &mut Input, out: &mut dyn Write, err: &mut dyn Write, env: &Environ) -> io::Result<()> {
    let query = env.get_str("QUERY_STRING").unwrap_or_default();
    let size = number(env, "size").unwrap_or(0);
    match query.split('&').find_map(|pair| pair.strip_prefix("case=")) {
        Some("hello") => writeln!(out, "Content-Type: text/plain\n\nhello"),
        Some("environ") => {
            writeln!(out, "Content-Type: text/plain\n")?;
            env.iter().try_for_each(|(name, value)| writeln!(out, "{}={}", name.escape_ascii(), value.escape_ascii()))
        }
        // A number of bytes, with or without their length.
        Some("out") => {
            if query.contains("announced") {
                writeln!(out, "Content-Length: {size}")?;
            }
            writeln!(out, "Content-Type: application/octet-stream\n")?;
            write(out, size)
        }
        // The number of bytes that arrived, if all are correct.
        Some("in") => {
            let mut checked = Checked::default();
            io::copy(inp, &mut checked)?;
            writeln!(out, "Content-Type: text/plain\n\n{}", checked.bytes())
        }
        // Echo the bytes as they arrive.
        Some("echo") => {
            writeln!(out, "Content-Type: text/plain\n")?;
            out.flush()?;
            loop {
                let piece = inp.fill_buf()?.to_vec();
                if piece.is_empty() {
                    return Ok(());
                }
                out.write_all(&piece)?;
                out.flush()?;
                inp.consume(piece.len());
            }
        }
        Some("cookies") => {
            (0..size).try_for_each(|n| writeln!(out, "Set-Cookie: name-{n}=value; Path=/{n}"))?;
            writeln!(out, "Content-Type: text/plain\n\ncookies")
        }
        // A piece each time the test requests it.
        Some("trickle") => {
            let mut control = control(env)?;
            writeln!(out, "Content-Type: text/plain\n")?;
            out.flush()?;
            while control.go_on()? {
                out.write_all(b"piece\n")?;
                out.flush()?;
            }
            Ok(())
        }
        // Until the writes fail.
        Some("endless") => {
            let mut control = control(env)?;
            writeln!(out, "Content-Type: application/octet-stream\n")?;
            let mut written = 0;
            loop {
                out.write_all(block())?;
                written += block().len() as u64;
                control.tell(written)?;
            }
        }
        // Until the reads end.
        Some("reading") => {
            let mut control = control(env)?;
            let mut read = 0;
            loop {
                let came = inp.fill_buf()?.len();
                if came == 0 {
                    return writeln!(out, "Content-Type: text/plain\n\n{read}");
                }
                inp.consume(came);
                read += came as u64;
                control.tell(read)?;
            }
        }
        // After the test requests it.
        Some("waiting") => {
            let mut control = control(env)?;
            control.tell(responder(env))?;
            control.go_on()?;
            writeln!(out, "Content-Type: application/octet-stream\n")?;
            write(out, size)
        }
        // A part at once, the rest after the test requests it.
        Some("begun") => {
            let mut control = control(env)?;
            writeln!(out, "Content-Type: application/octet-stream\n")?;
            let (first, rest) = block().split_at(1000);
            out.write_all(first)?;
            out.flush()?;
            control.tell(responder(env))?;
            control.go_on()?;
            out.write_all(rest)
        }
        Some("early") => {
            writeln!(err, "it fails early")?;
            Err(io::Error::other("failure before the head"))
        }
        // A part of the announced bytes.
        Some("late") => {
            if query.contains("announced") {
                writeln!(out, "Content-Length: {}", size + 1)?;
            }
            writeln!(out, "Content-Type: application/octet-stream\n")?;
            write(out, size)?;
            out.flush()?;
            Err(io::Error::other("failure after the head"))
        }
        _ => writeln!(out, "Status: 404\nContent-Type: text/plain\n\nno such case: {query}"),
    }
}
