//! Writes values compactly, or so that every reader can read them.

use std::borrow::Cow;

use memchr::memchr2;

use super::plain::{has_control, plain, plain_content};
use super::raw::{Piece, pieces};
use super::{Kind, MAX_DIGITS, Raw, distinct_members};
use crate::model::Stored;

/// The deepest nesting that [`clean`] writes; common readers fail not far beyond.
const MAX_CLEAN_DEPTH: usize = 500;

/// A value as Kward and others write it: compact, in UTF-8, with escapes only where
/// needed.
///
/// Numbers keep their spelling, keys their order. The caller bounds the nesting, and
/// with it the recursion.
pub(crate) fn compact(value: Raw<'_>) -> String {
    let mut out = Vec::with_capacity(value.bytes().len());
    write_compact(value, &mut out);
    // `write_value` only writes UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// Writes a value as JSON that every common reader can read, compact and in UTF-8.
///
/// Numbers keep their spelling, keys their order; the last value of a duplicate key
/// is at its first position. What common readers cannot read (nesting deeper than
/// 500, an integer of more than 4,300 digits, NaN, an infinity) is replaced by
/// `instead`, which is JSON.
pub(crate) fn clean(value: Raw<'_>, instead: &str) -> String {
    match clean_slice(value) {
        Some(text) => text.to_owned(),
        None => respelt(value, instead, |number| {
            is_common_number(number).then(|| String::from_utf8_lossy(number))
        }),
    }
}

/// The text of a value that [`clean`] would not change.
pub(crate) fn clean_slice(value: Raw<'_>) -> Option<&str> {
    plain(value, MAX_CLEAN_DEPTH, is_common_number)
}

/// As [`clean`], with numbers as JavaScript has them: doubles, in its spelling.
pub(crate) fn clean_doubles(value: Raw<'_>, instead: &str) -> String {
    let is_plain = |number: &[u8]| double(number).is_some_and(|double| double.as_bytes() == number);
    match plain(value, MAX_CLEAN_DEPTH, is_plain) {
        Some(text) => text.to_owned(),
        None => respelt(value, instead, double),
    }
}

fn respelt(
    value: Raw<'_>,
    instead: &str,
    number: impl Fn(&[u8]) -> Option<Cow<'_, str>>,
) -> String {
    let mut out = Vec::with_capacity(value.bytes().len());
    write_clean(value, 1, instead, &number, &mut out);
    // `write_clean` only writes UTF-8.
    String::from_utf8(out).unwrap_or_else(|_| instead.to_owned())
}

fn write_clean(
    value: Raw<'_>,
    depth: usize,
    instead: &str,
    number: &dyn Fn(&[u8]) -> Option<Cow<'_, str>>,
    out: &mut Vec<u8>,
) {
    match value.kind() {
        Kind::Object | Kind::Array if depth > MAX_CLEAN_DEPTH => {
            out.extend_from_slice(instead.as_bytes());
        }
        Kind::Number => {
            let number = number(value.bytes());
            out.extend_from_slice(number.as_deref().unwrap_or(instead).as_bytes());
        }
        _ => write_value(value, out, &mut |inner, out| {
            write_clean(inner, depth + 1, instead, number, out);
        }),
    }
}

/// A number as JavaScript spells it; `None` if it is out of range for a double.
fn double(number: &[u8]) -> Option<Cow<'_, str>> {
    let text = std::str::from_utf8(number).ok()?;
    // A double represents every integer of 15 digits.
    if text.len() <= 15 && number.iter().all(u8::is_ascii_digit) {
        return Some(Cow::Borrowed(text));
    }
    let value: f64 = text.parse().ok()?;
    let size = value.abs();
    Some(Cow::Owned(if !size.is_finite() {
        return None;
    } else if size == 0.0 {
        "0".to_owned()
    } else if (1e-6..1e21).contains(&size) {
        value.to_string()
    } else {
        let text = format!("{value:e}");
        if size < 1.0 { text } else { text.replace('e', "e+") }
    }))
}

fn write_compact(value: Raw<'_>, out: &mut Vec<u8>) {
    write_value(value, out, &mut |inner, out| write_compact(inner, out));
}

/// Writes a value; `each` writes its members and items.
fn write_value(value: Raw<'_>, out: &mut Vec<u8>, each: &mut dyn FnMut(Raw<'_>, &mut Vec<u8>)) {
    match value.kind() {
        Kind::Object => {
            out.push(b'{');
            for (n, (key, value)) in distinct_members(value).into_iter().enumerate() {
                if 0 < n {
                    out.push(b',');
                }
                write_string(key.content(), out);
                out.push(b':');
                each(value, out);
            }
            out.push(b'}');
        }
        Kind::Array => {
            out.push(b'[');
            for (n, item) in value.items().enumerate() {
                if 0 < n {
                    out.push(b',');
                }
                each(item, out);
            }
            out.push(b']');
        }
        Kind::String => write_string(value.content(), out),
        Kind::Number | Kind::Null | Kind::False | Kind::True => {
            out.extend_from_slice(value.bytes());
        }
    }
}

fn is_common_number(number: &[u8]) -> bool {
    if number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
        return number.strip_prefix(b"-").unwrap_or(number).len() <= MAX_DIGITS;
    }
    std::str::from_utf8(number)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .is_some_and(f64::is_finite)
        && number.last().is_some_and(u8::is_ascii_digit)
}

fn write_string(content: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    if let Some(content) = plain_content(content) {
        out.extend_from_slice(content);
        out.push(b'"');
        return;
    }
    pieces(content, |piece| match piece {
        Piece::Plain(plain) => write_characters(&String::from_utf8_lossy(plain), out),
        Piece::Character(character) => write_character(character, out),
        Piece::LoneSurrogate(unit) => out.extend_from_slice(format!("\\u{unit:04x}").as_bytes()),
    });
    out.push(b'"');
}

/// A text as a JSON string.
pub(crate) fn spelt(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_text(text, &mut out);
    // `write_text` only writes UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// Code points as a column stores them: JSON if there are lone surrogates.
pub(crate) fn stored_points(points: &[u32]) -> Stored {
    match points.iter().map(|&point| char::from_u32(point)).collect::<Option<String>>() {
        Some(text) => Stored::Text(text),
        None => Stored::Json(spelt_points(points)),
    }
}

/// Code points as a JSON string, with lone surrogates as escapes.
fn spelt_points(points: &[u32]) -> String {
    let mut out = vec![b'"'];
    for &point in points {
        match char::from_u32(point) {
            Some(character) => write_character(character, &mut out),
            None => out.extend_from_slice(format!("\\u{point:04x}").as_bytes()),
        }
    }
    out.push(b'"');
    // `write_character` only writes UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// Writes text as a JSON string.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_characters(text, out);
    out.push(b'"');
}

/// Writes text run by run, since few characters need an escape.
fn write_characters(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    loop {
        let end = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
        let (run, behind) = rest.split_at(end);
        write_run(run, out);
        let Some((&escaped, behind)) = behind.split_first() else { return };
        out.extend_from_slice(&[b'\\', escaped]);
        rest = behind;
    }
}

/// Writes text that needs no escapes except those of control characters.
fn write_run(mut run: &[u8], out: &mut Vec<u8>) {
    if has_control(run) {
        while let Some(at) = run.iter().position(|&byte| byte < 0x20) {
            out.extend_from_slice(&run[..at]);
            write_character(char::from(run[at]), out);
            run = &run[at + 1..];
        }
    }
    out.extend_from_slice(run);
}

fn write_character(character: char, out: &mut Vec<u8>) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..'\u{20}' => {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
        }
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}
