//! Times as JavaScript reads them.

use super::{legacy, text};
use crate::format::json::{Kind, Raw};
use crate::format::time::{days_from_civil, take, two_digits};
use crate::model::Timestamp;

const MILLI: i64 = 1_000_000;

/// The largest time in milliseconds since the epoch that JavaScript can represent.
const MAX_MILLIS: f64 = 8.64e15;

/// The result of `new Date(value)` in milliseconds; `None` for an invalid date.
pub(super) fn millis(value: Raw<'_>) -> Option<i64> {
    match value.kind() {
        Kind::Number => whole(number(value)?),
        Kind::String => parse(&value.string()?),
        Kind::Null | Kind::False => Some(0),
        Kind::True => Some(1),
        Kind::Array => parse(&text::joined_text(value)),
        Kind::Object => None,
    }
}

/// A number as a double, infinite if it is out of range.
pub(super) fn number(value: Raw<'_>) -> Option<f64> {
    if value.kind() != Kind::Number {
        return None;
    }
    std::str::from_utf8(value.bytes()).ok()?.parse().ok()
}

fn whole(millis: f64) -> Option<i64> {
    (millis.abs() <= MAX_MILLIS).then_some(millis.trunc() as i64)
}

/// A time, and whether it was out of range for a [`Timestamp`].
pub(super) fn timestamp(millis: i64) -> (Timestamp, bool) {
    match millis.checked_mul(MILLI) {
        Some(nanos) => (Timestamp(nanos), false),
        None => (Timestamp(if millis < 0 { i64::MIN } else { i64::MAX }), true),
    }
}

fn parse(text: &str) -> Option<i64> {
    standard(text).or_else(|| whole(legacy::parse(text)? as f64))
}

/// ECMAScript's date format. A year, month or day alone is UTC; here a time without a
/// zone is, too.
fn standard(text: &str) -> Option<i64> {
    let mut rest = text.as_bytes();
    let sign = match rest.first() {
        Some(b'-') => -1,
        Some(b'+') => 1,
        _ => 0,
    };
    let (digits, behind) =
        if sign == 0 { rest.split_at_checked(4) } else { rest[1..].split_at_checked(6) }?;
    rest = behind;
    let year: i128 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    if !digits.iter().all(u8::is_ascii_digit) || sign < 0 && year == 0 {
        return None;
    }
    let month = if take(&mut rest, b"-") { two_digits(&mut rest)? } else { 1 };
    let day = if take(&mut rest, b"-") { two_digits(&mut rest)? } else { 1 };
    let time = if rest.is_empty() { 0 } else { time_of_day(rest)? };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if sign < 0 { -year } else { year };
    let days = days_from_civil(year, month) + day - 1;
    let millis = i64::try_from(days * 86_400_000 + time).ok()?;
    whole(millis as f64)
}

/// Milliseconds since midnight in UTC, for example of `T10:00:00.000Z`.
fn time_of_day(mut rest: &[u8]) -> Option<i128> {
    if !take(&mut rest, b"Tt") {
        return None;
    }
    let hour = two_digits(&mut rest)?;
    let minute = take(&mut rest, b":").then(|| two_digits(&mut rest)).flatten()?;
    let second = if take(&mut rest, b":") { two_digits(&mut rest)? } else { 0 };
    let mut fraction = 0;
    if take(&mut rest, b".") {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        fraction = legacy::fraction(std::str::from_utf8(&rest[..digits]).ok()?);
        rest = &rest[digits..];
    }
    let mut offset = 0;
    if !take(&mut rest, b"Zz") && !rest.is_empty() {
        let sign = if rest[0] == b'-' { -1 } else { 1 };
        if !take(&mut rest, b"+-") {
            return None;
        }
        let hours = two_digits(&mut rest)?;
        take(&mut rest, b":");
        let minutes = two_digits(&mut rest).filter(|minutes| hours < 24 && *minutes < 60)?;
        offset = sign * (hours * 60 + minutes);
    }
    let is_midnight = hour == 24 && minute == 0 && second == 0 && fraction == 0;
    let in_range = (hour < 24 || is_midnight) && minute < 60 && second < 60;
    (in_range && rest.is_empty())
        .then_some(((hour * 60 + minute - offset) * 60 + second) * 1000 + fraction)
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
            ("\"2026-01-05 10:00 Z\"", Some(1_767_607_200_000)),
            ("\"Jan 5, 2026\"", Some(1_767_571_200_000)),
            ("\"2026-01-05T10:00:00.01234567890Z\"", Some(1_767_607_200_123)),
            ("\"20260105\"", None),
            ("[\"2026-01-05\"]", Some(1_767_571_200_000)),
            ("\"2026-01-05T10:00:00 Z\"", None),
            ("\"2026-01-05T24:00:00+0130\"", Some(1_767_652_200_000)),
            ("\"2026-01-05T10:00:00.1239Z\"", Some(1_767_607_200_123)),
            ("\"1600-01-01\"", Some(-11_676_096_000_000)),
            ("\"9999-12-31T23:59:59Z\"", Some(253_402_300_799_000)),
            ("\"-000001-01-01T00:00:00Z\"", Some(-62_198_755_200_000)),
            ("\"+275760-09-13\"", Some(8_640_000_000_000_000)),
            ("\"+275760-09-13T00:00:00.001Z\"", None),
            ("\"2026-01-05T23:59:60Z\"", None),
            ("\"2026-01-05T10:00:00+02\"", None),
            ("\"2026-01-05T10:00:00-12:60\"", None),
            ("\"2026-01-05T\"", None),
            ("\"2026-01-05T10:00:00.Z\"", None),
            ("\" 2026-01-05T10:00:00Z\"", None),
            ("\"2026-13-05\"", None),
            ("1767607200000.7", Some(1_767_607_200_000)),
            ("\"yesterday\"", None),
            ("\"\"", None),
            ("9e15", None),
            ("null", Some(0)),
            ("false", Some(0)),
            ("true", Some(1)),
            ("[0]", Some(946_684_800_000)),
        ] {
            let (value, _) = json::scan(json.as_bytes()).unwrap();
            assert_eq!(millis(value), expected, "{json}");
        }
    }
}
