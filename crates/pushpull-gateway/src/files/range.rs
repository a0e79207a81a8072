//! The range that a client asks for (RFC 9110, 14.1.2), in a form that has one reading.

use http::HeaderValue;

/// Returns a single range of a file with this length as `bytes=FIRST-LAST`. A range that the file does not have begins
/// beyond its end.
///
/// Returns `None` for what is to be ignored (RFC 9110, 14.2): another unit, several ranges, and what is no range.
pub(super) fn of(value: &HeaderValue, length: u64) -> Option<HeaderValue> {
    let (unit, range) = value.to_str().ok()?.split_once('=')?;
    if !unit.trim().eq_ignore_ascii_case("bytes") {
        return None;
    }
    let last = length.checked_sub(1);
    let (first, last) = match range.trim().split_once('-')? {
        ("", count) => match number(count)? {
            0 => (length, None),
            count => (length.saturating_sub(count), last),
        },
        (first, "") => (number(first)?, last),
        (first, end) => {
            let (first, end) = (number(first)?, number(end)?);
            if end < first {
                return None;
            }
            (first, last.map(|last| last.min(end)))
        }
    };
    let range = match last.filter(|last| first <= *last) {
        Some(last) => format!("bytes={first}-{last}"),
        None => format!("bytes={}-", length.saturating_add(1)),
    };
    HeaderValue::try_from(range).ok()
}

/// Parses a number. One that is too large is beyond every file.
fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_cut_to_the_file_or_ignored() {
        for (value, length, expected) in [
            ("bytes=0-4", 10, Some("bytes=0-4")),
            ("Bytes = 0-4 ", 10, Some("bytes=0-4")),
            ("bytes=5-", 10, Some("bytes=5-9")),
            ("bytes=5-99999999999999999999999", 10, Some("bytes=5-9")),
            ("bytes=-3", 10, Some("bytes=7-9")),
            ("bytes=-300", 10, Some("bytes=0-9")),
            ("bytes=007-8", 10, Some("bytes=7-8")),
            // Nothing is there.
            ("bytes=10-", 10, Some("bytes=11-")),
            ("bytes=99999999999999999999999-", 10, Some("bytes=11-")),
            ("bytes=-0", 10, Some("bytes=11-")),
            ("bytes=0-", 0, Some("bytes=1-")),
            ("bytes=-5", 0, Some("bytes=1-")),
            // Ignored.
            ("items=0-4", 10, None),
            ("bytes=5-4", 10, None),
            ("bytes=0-1,3-4", 10, None),
            ("bytes=", 10, None),
            ("bytes=-", 10, None),
            ("bytes=a-b", 10, None),
            ("bytes=+1-2", 10, None),
            ("bytes", 10, None),
        ] {
            let found = of(&HeaderValue::from_static(value), length);
            assert_eq!(found.as_ref().map(|range| range.to_str().unwrap()), expected, "{value} of {length}");
        }
    }
}
