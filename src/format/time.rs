//! Parses the timestamps of session files, as the original programs do.

use crate::model::Timestamp;

const NANOS: i128 = 1_000_000_000;

/// A time that was parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parsed {
    pub(crate) at: Timestamp,
    /// Whether it was out of range for a [`Timestamp`], and clamped.
    pub(crate) clamped: bool,
}

/// Parses an XML Schema date and time, for example `2026-01-02T03:04:05.678Z`.
///
/// Surrounding white space and lower case are accepted; the zone may be `Z`, `+HH`,
/// `+HHMM` or `+HH:MM`, and is UTC if absent. Years have at least four digits; day 31
/// in any month, hour 24 and second 60 roll over. A date only, a time without
/// seconds, and a space instead of the `T` are rejected.
pub(crate) fn parse(text: &str) -> Option<Parsed> {
    let text = text.trim_matches(|c: char| c.is_ascii_whitespace() || c == '\u{b}');
    let mut rest = text.as_bytes();
    let negative = take(&mut rest, b"-");
    let year_digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if year_digits == 0 {
        return None;
    }
    let year: i128 = std::str::from_utf8(&rest[..year_digits]).ok()?.parse().ok()?;
    let year = if negative { -year } else { year };
    rest = &rest[year_digits..];
    expect(&mut rest, b"-")?;
    let month = two_digits(&mut rest)?;
    expect(&mut rest, b"-")?;
    let day = two_digits(&mut rest)?;
    expect(&mut rest, b"Tt")?;
    let hour = two_digits(&mut rest)?;
    expect(&mut rest, b":")?;
    let minute = two_digits(&mut rest)?;
    expect(&mut rest, b":")?;
    let second = two_digits(&mut rest)?;
    let nanos = fraction(&mut rest)?;
    let offset = zone(&mut rest)?;
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && (hour < 24 || hour == 24 && minute == 0 && second == 0)
        && minute < 60
        && second <= 60;
    if !rest.is_empty() || !in_range || year.abs() > 1_000_000_000 {
        return None;
    }
    let seconds = days_from_civil(year, month) * 86_400
        + (day - 1) * 86_400
        + hour * 3600
        + minute * 60
        + second
        - offset;
    let nanos = seconds * NANOS + nanos;
    let clamped = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
    Some(Parsed { at: Timestamp(clamped as i64), clamped: clamped != nanos })
}

/// Nanoseconds of a fraction, if there is one; finer digits are cut off.
fn fraction(rest: &mut &[u8]) -> Option<i128> {
    let mut nanos = 0;
    if !take(rest, b".") {
        return Some(nanos);
    }
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    for place in 0..9 {
        let digit = rest[..digits].get(place).map_or(0, |byte| byte - b'0');
        nanos = nanos * 10 + i128::from(digit);
    }
    *rest = &rest[digits..];
    Some(nanos)
}

/// Seconds of a zone; UTC if there is none.
fn zone(rest: &mut &[u8]) -> Option<i128> {
    if take(rest, b"Zz") || rest.is_empty() {
        return Some(0);
    }
    let sign = match rest.first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    *rest = &rest[1..];
    let mut offset = two_digits(rest)? * 3600;
    if take(rest, b":") || !rest.is_empty() {
        offset += two_digits(rest)? * 60;
    }
    // Minutes may be any two digits, but an offset of a day is rejected.
    (offset < 86_400).then_some(offset * sign)
}

/// Days from the epoch to the first of a month, in the Gregorian calendar.
pub(super) fn days_from_civil(year: i128, month: i128) -> i128 {
    // Years begin in March here, so that a leap day comes last.
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

pub(super) fn take(rest: &mut &[u8], any: &[u8]) -> bool {
    let found = rest.first().is_some_and(|byte| any.contains(byte));
    if found {
        *rest = &rest[1..];
    }
    found
}

fn expect(rest: &mut &[u8], any: &[u8]) -> Option<()> {
    take(rest, any).then_some(())
}

pub(super) fn two_digits(rest: &mut &[u8]) -> Option<i128> {
    let (digits, behind) = rest.split_at_checked(2)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    *rest = behind;
    Some(i128::from((digits[0] - b'0') * 10 + (digits[1] - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(parse(text).unwrap().at.to_string(), expected, "{text}");
    }

    #[test]
    fn every_spelling_of_a_time_is_read() {
        check("2026-01-02T03:04:05.678Z", "2026-01-02T03:04:05.678Z");
        check(" 2026-03-01t10:00:00z\n", "2026-03-01T10:00:00.000Z");
        check("2026-03-01T10:00:00", "2026-03-01T10:00:00.000Z");
        check("2026-03-01T10:00:00+0200", "2026-03-01T08:00:00.000Z");
        check("2026-03-01T10:00:00-02:30", "2026-03-01T12:30:00.000Z");
        check("2026-03-01T10:00:00+02", "2026-03-01T08:00:00.000Z");
        check("2026-03-01T10:00:00+02:60", "2026-03-01T07:00:00.000Z");
        check("2026-03-01T10:00:00-23:59", "2026-03-02T09:59:00.000Z");
        check("2026-03-01T10:00:00.1234567891Z", "2026-03-01T10:00:00.123456789Z");
        check("1969-12-31T23:59:59.5Z", "1969-12-31T23:59:59.500Z");
        check("2024-02-29T00:00:00Z", "2024-02-29T00:00:00.000Z");
    }

    #[test]
    fn what_exceeds_its_unit_rolls_over() {
        check("2026-03-01T10:00:60Z", "2026-03-01T10:01:00.000Z");
        check("2026-03-01T24:00:00Z", "2026-03-02T00:00:00.000Z");
        check("2026-02-31T00:00:00Z", "2026-03-03T00:00:00.000Z");
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "2026-03-01",
            "2026-03-01T10:00Z",
            "2026-03-01 10:00:00Z",
            "2026-03-01T10:00:00,5Z",
            "2026-13-01T10:00:00Z",
            "2026-03-32T10:00:00Z",
            "2026-03-01T25:00:00Z",
            "2026-03-01T10:60:00Z",
            "2026-03-01T10:00:00.Z",
            "2026-03-01T10:00:00Zx",
            "2026-03-01T10:00:00+24:00",
            "2026-03-01T10:00:00-23:60",
            "é",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_beyond_the_range_stands_at_its_end() {
        let parsed = parse("12026-03-01T10:00:00Z").unwrap();

        assert_eq!(parsed, Parsed { at: Timestamp(i64::MAX), clamped: true });
    }
}
