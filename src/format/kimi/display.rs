//! How messages are shown.

use super::context::read;
use super::text;
use crate::format::json::{Kind, Raw};
use crate::format::{Part, ToolCall, TreeText};

/// Code points of a preview.
const PREVIEW_LENGTH: usize = 120;
/// Code points of a tool's arguments before they are truncated.
const ARGUMENTS_LENGTH: usize = 40;

/// The role of a message, and its parts.
pub(in crate::format) fn parts(message: &str) -> (String, Vec<Part>) {
    let Ok((message, _)) = read(message) else { return Default::default() };
    let mut parts = Vec::new();
    let content = message.get("content").unwrap_or(Raw::NULL);
    if let Some(text) = content.string() {
        parts.push(Part::Text(text.into_owned()));
    }
    for part in content.items() {
        let part_type = string(part.get("type"));
        parts.push(match part_type.as_str() {
            "text" => Part::Text(string(part.get("text"))),
            "think" => Part::Thinking(string(part.get("think"))),
            "image_url" => {
                let url = part.get("image_url").and_then(|image| image.get("url"));
                Part::image_at(string(url))
            }
            _ => Part::Other(part_type),
        });
    }
    parts.extend(calls(message).map(|call| Part::ToolCall(ToolCall::read(call, label_of(call)))));
    let role = string(message.get("role"));
    if role == "tool" {
        parts = Part::answering(string(message.get("tool_call_id")), parts);
    }
    (role, parts)
}

/// What a tree shows of an entry's line.
pub(in crate::format) fn tree_text(line: &[u8]) -> TreeText {
    let line = String::from_utf8_lossy(line);
    let Ok((record, _)) = read(&line) else { return TreeText::default() };
    let role = string(record.get("role"));
    let of_own =
        |role: &str, text: String| TreeText { role: role.to_owned(), text, ..TreeText::default() };
    match role.as_str() {
        "_system_prompt" => of_own("system prompt", preview_of(record)),
        "_checkpoint" => of_own("checkpoint", spelt(record.get("id"))),
        "_usage" => of_own("usage", spelt(record.get("token_count"))),
        "tool" => TreeText {
            text: preview_of(record),
            call_id: Some(string(record.get("tool_call_id"))).filter(|id| !id.is_empty()),
            role,
            ..TreeText::default()
        },
        _ => {
            let text = preview_of(record);
            let calls: Vec<(String, String)> =
                calls(record).map(|call| (string(call.get("id")), label_of(call))).collect();
            TreeText {
                only_calls: text.is_empty() && !calls.is_empty(),
                text,
                calls,
                role,
                call_id: None,
            }
        }
    }
}

/// The first characters of the message in a line, on one line.
pub(in crate::format) fn preview(line: &[u8]) -> String {
    read(&String::from_utf8_lossy(line)).map(|(record, _)| preview_of(record)).unwrap_or_default()
}

/// The full text of the message in a line.
pub(in crate::format) fn full_text(line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let Ok((record, _)) = read(&line) else { return String::new() };
    text::strip(&text_of_parts(record)).to_owned()
}

fn preview_of(record: Raw<'_>) -> String {
    let points: Vec<u32> = text_of_parts(record).chars().map(u32::from).collect();
    text::stored(&text::shorten(&points, PREVIEW_LENGTH)).to_text()
}

/// The text parts of a message, joined by spaces.
fn text_of_parts(record: Raw<'_>) -> String {
    let content = record.get("content").unwrap_or(Raw::NULL);
    if let Some(text) = content.string() {
        return text.into_owned();
    }
    let is_text = |part: &Raw<'_>| string(part.get("type")) == "text";
    let texts: Vec<String> =
        content.items().filter(is_text).map(|part| string(part.get("text"))).collect();
    texts.join(" ")
}

/// A message's tool calls.
fn calls(message: Raw<'_>) -> impl Iterator<Item = Raw<'_>> {
    let calls = message.get("tool_calls").filter(|calls| calls.kind() == Kind::Array);
    calls.into_iter().flat_map(Raw::items)
}

/// A tool call on one line, for example `[ReadFile: {"path":"a"}]`.
fn label_of(call: Raw<'_>) -> String {
    let function = call.get("function").unwrap_or(Raw::NULL);
    let arguments = string(function.get("arguments"));
    let points: Vec<u32> = arguments.chars().map(u32::from).collect();
    let cut = text::stored(&text::shorten(&points, ARGUMENTS_LENGTH)).to_text();
    format!("[{}: {cut}]", string(function.get("name")))
}

fn string(value: Option<Raw<'_>>) -> String {
    value.and_then(Raw::string).unwrap_or_default().into_owned()
}

fn spelt(value: Option<Raw<'_>>) -> String {
    value.map(|value| String::from_utf8_lossy(value.bytes()).into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shows_what_it_says_and_calls() {
        let line = br#"{"role":"assistant","content":[{"type":"think","think":"hm"},{"type":"text","text":"a\nb"}],"tool_calls":[{"type":"function","id":"c","function":{"name":"ReadFile","arguments":"{}"}}]}"#;
        let shown = tree_text(line);
        assert_eq!((shown.role.as_str(), shown.text.as_str()), ("assistant", "a b"));
        assert_eq!(shown.calls, [("c".to_owned(), "[ReadFile: {}]".to_owned())]);
        assert_eq!(parts(std::str::from_utf8(line).unwrap()).1.len(), 3);
        assert_eq!(full_text(line), "a\nb");
    }
}
