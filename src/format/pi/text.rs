//! Text and values as JavaScript converts them.

use std::borrow::Cow;

use super::date;
use crate::format::json::{self, Kind, Raw};
use crate::model::Stored;

/// The deepest nesting of lists that is joined.
const MAX_JOINED_DEPTH: usize = 500;

pub(super) fn is_space(c: char) -> bool {
    c == '\u{feff}' || c != '\u{85}' && c.is_whitespace()
}

/// Whether JavaScript's `trim` leaves nothing.
pub(super) fn is_blank(line: &[u8]) -> bool {
    // Nearly every line begins with a brace, and needs no further look.
    if line.first().is_some_and(u8::is_ascii_graphic) {
        return false;
    }
    String::from_utf8_lossy(line).chars().all(is_space)
}

/// A name as pi writes it: runs of line ends become one space, and there is no white
/// space around it.
pub(crate) fn written_name(name: &str) -> String {
    let lines: Vec<&str> = name.split(['\r', '\n']).filter(|line| !line.is_empty()).collect();
    lines.join(" ").trim_matches(is_space).to_owned()
}

/// Code points without surrounding white space.
pub(super) fn trim(points: &[u32]) -> &[u32] {
    let is_text = |point: &u32| !char::from_u32(*point).is_some_and(is_space);
    let start = points.iter().position(is_text).unwrap_or(points.len());
    let end = points.iter().rposition(is_text).map_or(start, |last| last + 1);
    &points[start..end]
}

/// The code points of a message's text: its content, or its text blocks joined by
/// spaces.
pub(super) fn points_of(message: Raw<'_>) -> Vec<u32> {
    let content = message.get("content").unwrap_or(Raw::NULL);
    if let Some(points) = json::code_points(content) {
        return points;
    }
    let is_text = |block: &Raw<'_>| string(block.get("type")).as_deref() == Some("text");
    let texts: Vec<Vec<u32>> = content
        .items()
        .filter(is_text)
        .map(|block| block.get("text").map(|text| joined(text, 0)).unwrap_or_default())
        .collect();
    texts.join(&u32::from(' '))
}

/// JavaScript's `join` of a value: the values of a list, recursively, separated by
/// commas.
fn joined(value: Raw<'_>, depth: usize) -> Vec<u32> {
    let points = |text: &str| text.chars().map(u32::from).collect();
    match value.kind() {
        Kind::Number | Kind::True | Kind::False => points(&json::clean_doubles(value, "Infinity")),
        Kind::Object => points("[object Object]"),
        // The bound prevents a stack overflow.
        Kind::Array if MAX_JOINED_DEPTH < depth => Vec::new(),
        Kind::Array => {
            let values: Vec<_> = value.items().map(|item| joined(item, depth + 1)).collect();
            values.join(&u32::from(','))
        }
        Kind::Null | Kind::String => json::code_points(value).unwrap_or_default(),
    }
}

/// As [`joined`], as text.
pub(super) fn joined_text(value: Raw<'_>) -> String {
    json::stored_points(&joined(value, 0)).to_text()
}

/// As [`points_of`], as text.
pub(super) fn text_of(message: Raw<'_>) -> String {
    json::stored_points(&points_of(message)).to_text()
}

/// Whether a message with this content has a text that is not empty, as [`text_of`]
/// returns it.
pub(super) fn has_text(content: Option<Raw<'_>>) -> bool {
    let content = content.unwrap_or(Raw::NULL);
    if content.kind() == Kind::String {
        return !content.is_empty_string();
    }
    let is_text = |block: &Raw<'_>| string(block.get("type")).as_deref() == Some("text");
    let mut texts = content.items().filter(is_text);
    let Some(first) = texts.next() else { return false };
    // A second text adds at least a space.
    texts.next().is_some()
        || first.get("text").is_some_and(|text| match text.kind() {
            Kind::String => !text.is_empty_string(),
            _ => !joined(text, 0).is_empty(),
        })
}

/// What JavaScript treats as false.
pub(super) fn is_falsy(value: Raw<'_>) -> bool {
    match value.kind() {
        Kind::Null | Kind::False => true,
        Kind::String => value.bytes().len() <= 2,
        Kind::Number => date::number(value) == Some(0.0),
        _ => false,
    }
}

/// An id of any JSON type, as text.
pub(super) fn id_text(value: Raw<'_>) -> String {
    match value.string() {
        Some(text) => text.into_owned(),
        None => json::clean_doubles(value, "null"),
    }
}

pub(super) fn string(value: Option<Raw<'_>>) -> Option<String> {
    value.and_then(Raw::string).map(Cow::into_owned)
}

pub(super) fn stored(value: Option<Raw<'_>>) -> Option<Stored> {
    let value = value.filter(|value| value.kind() != Kind::Null)?;
    Some(match value.string() {
        Some(text) if !json::has_lone_surrogate(value) => Stored::Text(text.into_owned()),
        _ => Stored::Json(json::clean(value, "null")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_are_no_text_are_joined_as_javascript_joins_them() {
        let message = br#"{"content":[{"type":"text","text":5.0},{"type":"text","text":true},
            {"type":"text","text":null},{"type":"image","text":"i"},{"type":"text","text":"z"},
            {"type":"text","text":["a",[1,null],{}]},{"type":"text","text":{"a":1}}]}"#;
        let (message, _) = json::scan(message).unwrap();
        assert_eq!(text_of(message), "5 true  z a,1,,[object Object] [object Object]");
    }

    #[test]
    fn whether_there_is_text_is_told_without_reading_it() {
        for content in [
            r#""""#,
            r#""a""#,
            "null",
            "[]",
            r#"[{"type":"text","text":""}]"#,
            r#"[{"type":"text","text":0}]"#,
            r#"[{"type":"text","text":null}]"#,
            r#"[{"type":"text","text":{}}]"#,
            r#"[{"type":"text","text":[]}]"#,
            r#"[{"type":"text","text":[null,""]}]"#,
            r#"[{"type":"text","text":[[null]]}]"#,
            r#"[{"type":"text"},{"type":"text"}]"#,
            r#"[{"type":"image","text":"a"}]"#,
            r#"[{"type":"image"},{"type":"text","text":"a"}]"#,
        ] {
            let message = format!("{{\"content\":{content}}}");
            let (message, _) = json::scan(message.as_bytes()).unwrap();
            let text = text_of(message);
            assert_eq!(has_text(message.get("content")), !text.is_empty(), "{content}");
        }
    }
}
