//! Times as JavaScript reads them.

use crate::format::json::{Kind, Raw};
use crate::format::time;
use crate::model::Timestamp;

const MILLI: i64 = 1_000_000;

/// Milliseconds since the epoch that JavaScript can express.
const MAX_MILLIS: f64 = 8.64e15;

/// What `new Date(value)` makes of a value, in milliseconds; `None` for no date.
pub(super) fn millis(value: Raw<'_>) -> Option<i64> {
    match value.kind() {
        Kind::Number => whole(number(value)?),
        Kind::String => parse(&value.string()?),
        _ => None,
    }
}

/// A number as a double; what is beyond its range is infinite.
pub(super) fn number(value: Raw<'_>) -> Option<f64> {
    if value.kind() != Kind::Number {
        return None;
    }
    std::str::from_utf8(value.bytes()).ok()?.parse().ok()
}

fn whole(millis: f64) -> Option<i64> {
    (millis.abs() <= MAX_MILLIS).then_some(millis.trunc() as i64)
}

/// A time, and whether it lies beyond what a [`Timestamp`] holds.
pub(super) fn timestamp(millis: i64) -> (Timestamp, bool) {
    match millis.checked_mul(MILLI) {
        Some(nanos) => (Timestamp(nanos), false),
        None => (Timestamp(if millis < 0 { i64::MIN } else { i64::MAX }), true),
    }
}

/// The date formats of ECMAScript: a year, a month or a day is UTC, a time without a zone as well.
fn parse(text: &str) -> Option<i64> {
    let text = text.trim();
    let (date, clock) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let unsigned = date.strip_prefix(['+', '-']).unwrap_or(date);
    let sign = &date[..date.len() - unsigned.len()];
    let date = match unsigned.split('-').collect::<Vec<_>>()[..] {
        [year] => format!("{year}-01-01"),
        [year, month] => format!("{year}-{month}-01"),
        [year, month, day] => format!("{year}-{month}-{day}"),
        _ => return None,
    };
    let sign = if sign == "-" { "-" } else { "" };
    let clock = clock.trim();
    let zone = clock.find(['Z', 'z', '+', '-']).unwrap_or(clock.len());
    let (clock, zone) = clock.split_at(zone);
    let clock = match clock.matches(':').count() {
        0 if clock.is_empty() && zone.is_empty() => "00:00:00",
        1 => &format!("{clock}:00"),
        2 => clock,
        _ => return None,
    };
    let parsed = time::parse(&format!("{sign}{date}T{clock}{}", zone.trim()))?;
    (!parsed.clamped).then_some(parsed.at.0.div_euclid(MILLI))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    #[test]
    fn dates_are_read_as_ecmascript_reads_them() {
        for (json, expected) in [
            ("\"2026-01-05T10:00:00.000Z\"", Some(1_767_607_200_000)),
            ("\"2026-01-05\"", Some(1_767_571_200_000)),
            ("\"2026-01\"", Some(1_767_225_600_000)),
            ("\"2026-01-05T10:00Z\"", Some(1_767_607_200_000)),
            ("\"2026-01-05T10:00:00+01:00\"", Some(1_767_603_600_000)),
            ("1767607200000.7", Some(1_767_607_200_000)),
            ("\"yesterday\"", None),
            ("\"\"", None),
            ("9e15", None),
            ("null", None),
        ] {
            let (value, _) = json::scan(json.as_bytes()).unwrap();
            assert_eq!(millis(value), expected, "{json}");
        }
    }
}
