//! Values as Kimi's models accept them: strings strictly, numbers and booleans
//! leniently.

use crate::format::json::{Kind, MAX_DIGITS, Raw};

/// An integer by type: not a string, no fraction, no exponent. Booleans are integers,
/// too.
pub(super) fn exact_integer(value: Raw<'_>) -> Option<String> {
    match value.kind() {
        Kind::True => Some("1".to_owned()),
        Kind::False => Some("0".to_owned()),
        Kind::Number => {
            let digits = std::str::from_utf8(value.bytes()).ok()?;
            let is_integer = digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
            let is_read = digits.trim_start_matches('-').len() <= MAX_DIGITS;
            (is_integer && is_read).then(|| if digits == "-0" { "0" } else { digits }.to_owned())
        }
        _ => None,
    }
}

/// An integer, or what is accepted as one: a whole float, or ASCII text such as `" +3
/// "`, `3.0`, `1_000`.
pub(super) fn integer(value: Raw<'_>) -> Option<String> {
    match value.kind() {
        Kind::Number => exact_integer(value).or_else(|| whole(number(value.bytes())?)),
        Kind::String => {
            let text = value.string()?;
            // Kimi's models trim Unicode white space, unlike Python elsewhere.
            let text = text.trim();
            let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
            let whole_part = match unsigned.split_once('.') {
                Some((whole_part, zeros)) if is_zeros(zeros) => whole_part,
                Some(_) => return None,
                None => unsigned,
            };
            let digits = digits(whole_part)?;
            let digits = digits.trim_start_matches('0');
            let sign = if text.starts_with('-') && !digits.is_empty() { "-" } else { "" };
            Some(format!("{sign}{}", if digits.is_empty() { "0" } else { digits }))
        }
        _ => exact_integer(value),
    }
}

fn is_zeros(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte == b'0')
}

/// Digits, with single underscores between them.
fn digits(text: &str) -> Option<String> {
    let groups: Vec<&str> = text.split('_').collect();
    let is_number = groups
        .iter()
        .all(|group| !group.is_empty() && group.bytes().all(|byte| byte.is_ascii_digit()));
    is_number.then(|| groups.concat())
}

fn whole(number: f64) -> Option<String> {
    // Beyond 64 bits, a float is not accepted as an integer.
    (number.is_finite() && number.fract() == 0.0 && number.abs() < i64::MAX as f64)
        .then(|| format!("{number:.0}"))
        .map(|text| if text == "-0" { "0".to_owned() } else { text })
}

/// A number, including NaN and infinities.
pub(super) fn number(spelling: &[u8]) -> Option<f64> {
    match spelling {
        b"NaN" => Some(f64::NAN),
        b"Infinity" => Some(f64::INFINITY),
        b"-Infinity" => Some(f64::NEG_INFINITY),
        _ => std::str::from_utf8(spelling).ok()?.parse().ok(),
    }
}

/// A float, or what is accepted as one: a boolean, an integer in range, ASCII text of
/// a number.
pub(super) fn float(value: Raw<'_>) -> Option<f64> {
    match value.kind() {
        Kind::True => Some(1.0),
        Kind::False => Some(0.0),
        Kind::Number => {
            let number = number(value.bytes())?;
            // An integer that is too large for a float is rejected; `1e400` is an
            // infinity.
            let is_integer = exact_integer(value).is_some();
            (number.is_finite() || !is_integer).then_some(number)
        }
        Kind::String => {
            let given = value.string()?;
            let text = given.trim();
            if !text.is_ascii() || text.is_empty() {
                return None;
            }
            let lower = text.to_ascii_lowercase();
            let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
            if matches!(unsigned, "nan" | "inf" | "infinity") {
                return lower.parse().ok();
            }
            let is_number = unsigned.bytes().all(|byte| {
                byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'+' | b'-' | b'_')
            });
            let plain = match lower.contains('_') {
                true if text != given || lower.split('_').any(str::is_empty) => return None,
                true => lower.replace('_', ""),
                false => lower.clone(),
            };
            plain.parse().ok().filter(|_| is_number)
        }
        _ => None,
    }
}

/// A boolean, or what is accepted as one.
pub(super) fn boolean(value: Raw<'_>) -> Option<bool> {
    match value.kind() {
        Kind::True => Some(true),
        Kind::False => Some(false),
        Kind::Number => match number(value.bytes())? {
            0.0 => Some(false),
            1.0 => Some(true),
            _ => None,
        },
        Kind::String => match value.string()?.to_ascii_lowercase().as_str() {
            "0" | "off" | "f" | "false" | "n" | "no" => Some(false),
            "1" | "on" | "t" | "true" | "y" | "yes" => Some(true),
            _ => None,
        },
        _ => None,
    }
}

/// What is wrong with a part of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadPart {
    /// Kimi rejects the message.
    Invalid,
    /// Kimi does not know the type, and gives up on the whole session.
    UnknownType,
}

/// Checks a part; a string is not a part.
pub(super) fn check_part(part: Raw<'_>) -> Result<(), BadPart> {
    let is_string =
        |value: Option<Raw<'_>>| value.is_some_and(|value| value.kind() == Kind::String);
    let or_null = |value: Option<Raw<'_>>| {
        value.is_none_or(|value| matches!(value.kind(), Kind::String | Kind::Null))
    };
    if part.kind() != Kind::Object {
        return Err(BadPart::Invalid);
    }
    let part_type = match part.get("type").and_then(Raw::string) {
        Some(part_type) => part_type,
        None => return Err(BadPart::Invalid),
    };
    let good = match part_type.as_ref() {
        "text" => is_string(part.get("text")),
        "think" => is_string(part.get("think")) && or_null(part.get("encrypted")),
        "image_url" | "audio_url" | "video_url" => part.get(&part_type).is_some_and(|media| {
            media.kind() == Kind::Object && is_string(media.get("url")) && or_null(media.get("id"))
        }),
        _ => return Err(BadPart::UnknownType),
    };
    if good { Ok(()) } else { Err(BadPart::Invalid) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    fn raw(json: &str) -> Raw<'_> {
        json::scan(json.as_bytes()).unwrap().0
    }

    #[test]
    fn integers_are_taken_leniently() {
        for (json, expected) in [
            ("5", Some("5")),
            ("true", Some("1")),
            ("5.0", Some("5")),
            ("1e3", Some("1000")),
            ("5.5", None),
            ("\" +3 \"", Some("3")),
            ("\"3.0\"", Some("3")),
            ("\"1_000\"", Some("1000")),
            ("\"1e3\"", None),
            ("\"3.\"", None),
            ("\"\\u00a05\\u3000\"", Some("5")),
            ("\"\\u001c5\"", None),
            ("\"-7\"", Some("-7")),
            ("null", None),
            ("123456789012345678901234567890", Some("123456789012345678901234567890")),
        ] {
            assert_eq!(integer(raw(json)).as_deref(), expected, "{json}");
        }
        assert_eq!(exact_integer(raw("1e3")), None);
        assert_eq!(exact_integer(raw("1.0")), None);
    }

    #[test]
    fn booleans_are_taken_leniently_but_not_trimmed() {
        for (json, expected) in [
            ("true", Some(true)),
            ("0", Some(false)),
            ("1.0", Some(true)),
            ("2", None),
            ("\"YES\"", Some(true)),
            ("\" yes\"", None),
            ("\"off\"", Some(false)),
            ("null", None),
        ] {
            assert_eq!(boolean(raw(json)), expected, "{json}");
        }
    }

    #[test]
    fn floats_are_taken_leniently() {
        assert_eq!(float(raw("\" 1.5 \"")), Some(1.5));
        assert_eq!(float(raw("\"+_4_3.5\"")), Some(43.5));
        // Underscores and spaces cannot be combined.
        assert_eq!((float(raw("\"4_3 \"")), float(raw("\"4__3\""))), (None, None));
        assert_eq!(float(raw("true")), Some(1.0));
        assert!(float(raw("\"nan\"")).unwrap().is_nan());
        assert_eq!(float(raw("1e400")), Some(f64::INFINITY));
        assert_eq!(float(raw(&"9".repeat(400))), None);
        assert_eq!(float(raw("null")), None);
    }
}
