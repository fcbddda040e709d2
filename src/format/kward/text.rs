//! The text of JSON values as Ruby prints it, and previews of messages.

use crate::format::json::{self, Kind, Raw};
use crate::model::Stored;

/// Code points of a preview, including dots.
const PREVIEW_LENGTH: usize = 120;

/// The deepest nesting that a text shows.
const MAX_TEXT_DEPTH: usize = 500;

/// Ruby's `to_s`: nothing for null, numbers as Ruby prints them, collections as by
/// `inspect`.
pub(super) fn text(value: Raw<'_>) -> String {
    match value.kind() {
        Kind::Null => String::new(),
        Kind::String => value.string().unwrap_or_default().into_owned(),
        _ => {
            let mut out = String::new();
            inspect(value, 0, &mut out);
            out
        }
    }
}

/// The text of a stored value.
pub(crate) fn stored_text(value: &Stored) -> String {
    match value {
        Stored::Text(text) => text.clone(),
        Stored::Json(json) => {
            json::scan(json.as_bytes()).map(|(value, _)| text(value)).unwrap_or_default()
        }
    }
}

fn inspect(value: Raw<'_>, depth: usize, out: &mut String) {
    // The bound prevents a stack overflow.
    if MAX_TEXT_DEPTH < depth {
        out.push('…');
        return;
    }
    match value.kind() {
        Kind::Null => out.push_str("nil"),
        Kind::False => out.push_str("false"),
        Kind::True => out.push_str("true"),
        Kind::Number => out.push_str(&number(value.bytes())),
        Kind::String => inspect_string(&value.string().unwrap_or_default(), out),
        Kind::Array => {
            out.push('[');
            for (n, item) in value.items().enumerate() {
                if 0 < n {
                    out.push_str(", ");
                }
                inspect(item, depth + 1, out);
            }
            out.push(']');
        }
        Kind::Object => {
            out.push('{');
            for (n, (key, value)) in json::distinct_members(value).into_iter().enumerate() {
                if 0 < n {
                    out.push_str(", ");
                }
                inspect_string(&key.text(), out);
                out.push_str("=>");
                inspect(value, depth + 1, out);
            }
            out.push('}');
        }
    }
}

fn inspect_string(text: &str, out: &mut String) {
    out.push('"');
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{8}' => out.push_str("\\b"),
            '\u{7}' => out.push_str("\\a"),
            '\u{1b}' => out.push_str("\\e"),
            '#' if matches!(characters.peek(), Some('{' | '$' | '@')) => out.push_str("\\#"),
            _ if !is_printable(character) => {
                let code = u32::from(character);
                let escape = if code < 0x1_0000 {
                    format!("\\u{code:04X}")
                } else {
                    format!("\\u{{{code:X}}}")
                };
                out.push_str(&escape);
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// Whether Ruby's `inspect` shows a character unescaped: not controls except U+0085,
/// line separators and unassigned characters.
fn is_printable(character: char) -> bool {
    match character {
        '\u{85}' => true,
        '\u{2028}' | '\u{2029}' | '\u{fdd0}'..='\u{fdef}' => false,
        _ => !character.is_control() && u32::from(character) & 0xfffe != 0xfffe,
    }
}

/// A number as Ruby prints it: integers exactly, floats in the shortest form with a
/// point.
fn number(bytes: &[u8]) -> String {
    let spelling = String::from_utf8_lossy(bytes);
    if !spelling.contains(['.', 'e', 'E', 'N', 'I']) {
        return if spelling == "-0" { "0".to_owned() } else { spelling.into_owned() };
    }
    let value: f64 = spelling.parse().unwrap_or(f64::NAN);
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Infinity" } else { "Infinity" }.to_owned();
    }
    let size = value.abs();
    // Ruby prints a whole number of 16 digits in scientific notation, but not one
    // with a fraction.
    let is_long = 1e15 <= size && value.fract() == 0.0;
    if value == 0.0 || (1e-4..1e16).contains(&size) && !is_long {
        return format!("{value:?}");
    }
    // Rust prints 1e16 where Ruby prints 1.0e+16, and 1.5e-5 where Ruby prints 1.5e-05.
    let scientific = format!("{value:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let point = if mantissa.contains('.') { "" } else { ".0" };
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    format!("{mantissa}{point}e{sign}{digits:0>2}")
}

/// Without white space and NULs at both ends.
pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(is_blank)
}

fn is_blank(character: char) -> bool {
    matches!(character, '\0' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | ' ')
}

/// At most 120 characters of a message's text, on one line.
pub(super) fn preview(message: Raw<'_>) -> String {
    let full = if message.get("role").and_then(Raw::string).as_deref() == Some("compactionSummary")
    {
        message.get("summary").map(text).unwrap_or_default()
    } else {
        full_text(message)
    };
    let line = one_line(strip(&full));
    let line = strip(&line);
    // Where the dots would begin, and where the text is too long.
    let mut ends = line.char_indices().map(|(at, _)| at).skip(PREVIEW_LENGTH - 3);
    match (ends.next(), ends.nth(2)) {
        (Some(end), Some(_)) => format!("{}...", &line[..end]),
        _ => line.to_owned(),
    }
}

/// The words of a text, separated by spaces; for a long text, as many as a preview
/// shows.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    let blank = |c: char| c != '\0' && is_blank(c);
    for word in text.split(blank).filter(|word| !word.is_empty()) {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
        // Trailing NULs are trimmed, so the words may end before them.
        if PREVIEW_LENGTH * 4 < line.trim_matches('\0').len() {
            break;
        }
    }
    line
}

/// What the user typed, if that is recorded, else the content: its text parts, one
/// per line.
pub(super) fn full_text(message: Raw<'_>) -> String {
    let typed = ["display_content", "displayContent"]
        .iter()
        .find_map(|key| message.get(key).filter(|value| !value.is_falsy()));
    if let Some(typed) = typed {
        return text(typed);
    }
    message.get("content").map(content_text).unwrap_or_default()
}

fn content_text(content: Raw<'_>) -> String {
    if content.kind() != Kind::Array {
        return text(content);
    }
    let parts = content.items().filter_map(|part| part.get("text"));
    let parts: Vec<String> =
        parts.filter(|part| !part.is_falsy()).map(|part| joined(part, 0)).collect();
    parts.join("\n")
}

/// Ruby's `join` of a value: the values of a list, recursively, one per line.
fn joined(value: Raw<'_>, depth: usize) -> String {
    // The bound prevents a stack overflow.
    if value.kind() != Kind::Array || MAX_TEXT_DEPTH < depth {
        return text(value);
    }
    let values: Vec<String> = value.items().map(|item| joined(item, depth + 1)).collect();
    values.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Raw<'_> {
        json::scan(json.as_bytes()).unwrap().0
    }

    #[test]
    fn values_print_as_ruby_prints_them() {
        for (json, expected) in [
            ("null", ""),
            ("true", "true"),
            ("-0", "0"),
            ("123456789012345678901234567890", "123456789012345678901234567890"),
            ("1.50", "1.5"),
            ("-0.0", "-0.0"),
            ("1e3", "1000.0"),
            ("100000000000000.0", "100000000000000.0"),
            ("1000000000000000.0", "1.0e+15"),
            ("1000000000000000.5", "1000000000000000.5"),
            ("9007199254740992.0", "9.007199254740992e+15"),
            ("1e16", "1.0e+16"),
            ("1.5e-5", "1.5e-05"),
            ("5e-324", "5.0e-324"),
            ("[1,null,\"a\\n#{b}\"]", "[1, nil, \"a\\n\\#{b}\"]"),
            (
                r#"["\u007f\u0085\u2028\u00a0\ufeff\uffff"]"#,
                "[\"\\u007F\u{85}\\u2028\u{a0}\u{feff}\\uFFFF\"]",
            ),
            (r#"["\ud83f\udfff"]"#, r#"["\u{1FFFF}"]"#),
            ("{\"x\":1,\"y\":[]}", "{\"x\"=>1, \"y\"=>[]}"),
        ] {
            assert_eq!(text(raw(json)), expected, "{json}");
        }
    }

    #[track_caller]
    fn check_preview(message: &str, expected: &str) {
        assert_eq!(preview(raw(message)), expected);
    }

    #[test]
    fn a_preview_is_one_line_of_what_was_typed() {
        check_preview(r#"{"content":" a\t\nb\u00a0c "}"#, "a b\u{a0}c");
        check_preview(r#"{"content":"expanded","display_content":"typed"}"#, "typed");
        check_preview(r#"{"content":[{"text":"one"},{"data":1},"x",{"text":2}]}"#, "one 2");
        check_preview(r#"{"content":[{"text":["a",["b",null]]},{"text":[]}]}"#, "a b");
        check_preview(r#"{"content":"x","display_content":["a"]}"#, r#"["a"]"#);
        check_preview(r#"{"role":"compactionSummary","summary":"S","content":"C"}"#, "S");
    }

    #[test]
    fn a_long_preview_ends_in_dots() {
        let fits = "é".repeat(120);
        check_preview(&format!(r#"{{"content":"{fits}"}}"#), &fits);
        check_preview(&format!(r#"{{"content":"{fits}é"}}"#), &format!("{}...", "é".repeat(117)));
    }
}
