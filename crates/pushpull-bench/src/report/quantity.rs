//! Parses and formats bytes and times.

/// Parses a number of bytes: `4096`, `4KiB`, `4k` or `1MiB`.
pub fn parse_bytes(text: &str) -> Result<usize, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        _ => return Err(format!("expected bytes such as 4096, 4KiB or 1MiB, got {text:?}")),
    };
    let number: usize =
        number.parse().map_err(|_| format!("expected bytes such as 4096, 4KiB or 1MiB, got {text:?}"))?;
    number.checked_mul(1 << shift).ok_or_else(|| format!("expected fewer bytes, got {text:?}"))
}

/// Formats bytes in a suitable unit, with one decimal if the number is not whole.
pub fn bytes(count: f64) -> String {
    let (value, unit) = match count {
        count if count < 1024.0 => (count, "B"),
        count if count < 1024.0 * 1024.0 => (count / 1024.0, "KiB"),
        count if count < 1024.0 * 1024.0 * 1024.0 => (count / 1048576.0, "MiB"),
        count => (count / 1073741824.0, "GiB"),
    };
    if value.fract() == 0.0 { format!("{value:.0} {unit}") } else { format!("{value:.1} {unit}") }
}

/// Formats seconds in a suitable unit, with three digits.
pub fn seconds(time: f64) -> String {
    let (value, unit) = match time {
        time if time < 1e-6 => (time * 1e9, "ns"),
        time if time < 1e-3 => (time * 1e6, "µs"),
        time if time < 1.0 => (time * 1e3, "ms"),
        time => (time, "s"),
    };
    format!("{} {unit}", digits(value))
}

/// Returns bytes per second, for people.
pub fn per_second(rate: f64) -> String {
    let (value, unit) = match rate {
        rate if rate < 1e6 => (rate / 1e3, "kB/s"),
        rate if rate < 1e9 => (rate / 1e6, "MB/s"),
        rate => (rate / 1e9, "GB/s"),
    };
    format!("{} {unit}", digits(value))
}

/// Formats a number with three significant digits, or with all digits before the point.
pub fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_parse_and_format() {
        for (text, count) in [("0", 0), ("64", 64), ("4k", 4096), ("4KiB", 4096), ("1MiB", 1 << 20), ("2g", 2 << 30)] {
            assert_eq!(parse_bytes(text), Ok(count), "{text}");
        }
        for text in ["", "KiB", "-1", "1.5k", "4 KiB", "4kb", "99999999999999999999", "99999999999999999g"] {
            assert!(parse_bytes(text).is_err(), "{text}");
        }
        assert_eq!([64.0, 4096.0, 1536.0, 1048576.0].map(bytes), ["64 B", "4 KiB", "1.5 KiB", "1 MiB"]);
    }

    #[test]
    fn times_and_rates_have_three_digits() {
        assert_eq!([5e-9, 1.23e-5, 0.0456, 2.0].map(seconds), ["5.00 ns", "12.3 µs", "45.6 ms", "2.00 s"]);
        assert_eq!([5e5, 1.5e9, 123e6].map(per_second), ["500 kB/s", "1.50 GB/s", "123 MB/s"]);
    }
}
