//! Text and values as the program's own reader, in Python, converts them.

use std::borrow::Cow;

use crate::format::json::{self, Features, Kind, Raw};
use crate::model::{Stored, Timestamp};

/// What Python's `strip` removes.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

/// Without surrounding white space.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// As [`strip`], for code points, including lone surrogates.
pub(super) fn strip_points(points: &[u32]) -> &[u32] {
    let is_text = |point: &u32| !char::from_u32(*point).is_some_and(is_space);
    let start = points.iter().position(is_text).unwrap_or(points.len());
    let end = points.iter().rposition(is_text).map_or(start, |last| last + 1);
    &points[start..end]
}

/// Why a line is not JSON, and at which byte, from 1.
pub(super) type Malformed = (usize, &'static str);

/// The value in a line; `None` for a blank one.
pub(super) fn read(line: &[u8]) -> Option<Result<(Raw<'_>, Features), Malformed>> {
    let blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    if line.iter().all(blank) {
        return None;
    }
    let malformed = match json::scan(line) {
        Ok(found) => return Some(Ok(found)),
        Err(malformed) => (malformed.offset + 1, malformed.reason),
    };
    // Other white space may surround a record, too.
    let Ok(text) = std::str::from_utf8(line) else { return Some(Err(malformed)) };
    let bare = strip(text);
    if bare.is_empty() {
        return None;
    }
    Some(json::scan(bare.as_bytes()).map_err(|_| malformed))
}

/// The object in a line, if it was understood.
pub(super) fn object(line: &[u8]) -> Option<Raw<'_>> {
    let value = match json::well_formed(line) {
        Some(value) => value,
        None => read(line)?.ok()?.0,
    };
    (value.kind() == Kind::Object).then_some(value)
}

pub(super) fn string(value: Option<Raw<'_>>) -> Option<String> {
    value.and_then(Raw::string).map(Cow::into_owned)
}

/// A string that is not empty.
pub(super) fn text(value: Option<Raw<'_>>) -> Option<String> {
    string(value).filter(|text| !text.is_empty())
}

/// A string as a column stores it.
pub(super) fn stored(value: Option<Raw<'_>>) -> Option<Stored> {
    let value = value?;
    let text = value.string()?;
    Some(if json::has_lone_surrogate(value) {
        Stored::Json(json::compact(value))
    } else {
        Stored::Text(text.into_owned())
    })
}

/// What Python treats as true.
pub(super) fn is_true(value: Option<Raw<'_>>) -> bool {
    let Some(value) = value else { return false };
    match value.kind() {
        Kind::Null | Kind::False => false,
        Kind::True => true,
        Kind::String => 2 < value.bytes().len(),
        Kind::Number => {
            let number = std::str::from_utf8(value.bytes()).ok().and_then(|n| n.parse().ok());
            number != Some(0.0)
        }
        Kind::Array => value.items().next().is_some(),
        Kind::Object => value.members().next().is_some(),
    }
}

/// Parses an RFC 3339 time; without a zone it is UTC.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let date = text.as_bytes();
    let shape = |byte: &u8| if byte.is_ascii_digit() { b'0' } else { *byte };
    let has_shape = date.len() >= 19
        && date[..10].iter().map(shape).eq(*b"0000-00-00")
        && date[11..19].iter().map(shape).eq(*b"00:00:00")
        && &date[17..19] != b"60";
    if !has_shape {
        return None;
    }
    let has_zone = date[19..].iter().any(|byte| matches!(byte, b'Z' | b'z' | b'+' | b'-'));
    let zoned = if has_zone { Cow::Borrowed(text) } else { format!("{text}Z").into() };
    let at = chrono::DateTime::parse_from_rfc3339(&zoned).ok()?;
    let nanos =
        i128::from(at.timestamp()) * 1_000_000_000 + i128::from(at.timestamp_subsec_nanos());
    Some(Timestamp(nanos.clamp(i64::MIN.into(), i64::MAX.into()) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truth_is_pythons() {
        let is = |json: &str| is_true(json::scan(json.as_bytes()).ok().map(|(value, _)| value));
        for json in ["true", "1", "\"false\"", "[0]", "{\"a\":0}", "0.1", "NaN"] {
            assert!(is(json), "{json}");
        }
        for json in ["false", "null", "0", "-0.0", "0e5", "\"\"", "[]", "{}"] {
            assert!(!is(json), "{json}");
        }
    }

    #[test]
    fn a_time_is_one_only_by_the_calendar() {
        let millis = |text: &str| time(text).map(|at| at.0 / 1_000_000);
        assert_eq!(millis("1970-01-01T00:00:01.0019999999Z"), Some(1_001));
        assert_eq!(millis("1970-01-01T01:00:00+01:00"), Some(0));
        assert_eq!(millis("1970-01-01 00:00:00"), Some(0));
        for text in ["", "1970-02-30T00:00:00Z", "1970-01-01", "1970-01-01T00:00:60Z", "soon"] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn white_space_of_any_script_may_stand_around_a_record() {
        assert!(read(" \t\r\n".as_bytes()).is_none());
        assert!(read("\u{a0}\u{1c}\n".as_bytes()).is_none());
        assert!(object("\u{a0}{}\u{2028}\n".as_bytes()).is_some());
        assert_eq!(read("\u{feff}{}".as_bytes()).unwrap().unwrap_err().0, 1);
    }
}
