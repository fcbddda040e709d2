//! How entries are shown: rows of a tree, and messages as a transcript.

use super::parse::{Fields, is_text, optional_text};
use super::text::{self, full_text, strip, text};
use super::tools::short_name;
use crate::format::json::{self, Kind, Raw};
use crate::format::{Part, ToolCall, TreeText};

/// Code points of a command before it is truncated.
const COMMAND_LENGTH: usize = 50;
/// Code points of other tools' arguments before they are truncated.
const ARGUMENTS_LENGTH: usize = 40;

/// What a tree shows of an entry's line.
pub(in crate::format) fn tree_text(line: &[u8]) -> TreeText {
    let Ok((value, _)) = json::scan(line) else { return TreeText::default() };
    let fields = Fields::read(value);
    if is_text(fields.record_type, "branch_summary") {
        return TreeText {
            role: "summary".to_owned(),
            text: optional_text(fields.summary),
            ..TreeText::default()
        };
    }
    let message = fields.message.unwrap_or(Raw::NULL);
    let role = optional_text(message.get("role"));
    if is_text(fields.record_type, "compaction") {
        return TreeText {
            role: "compaction".to_owned(),
            text: text::preview(message),
            ..TreeText::default()
        };
    }
    match role.as_str() {
        "tool" | "toolResult" => {
            let name = given(message, ["name", "toolName"]);
            TreeText {
                role: "tool".to_owned(),
                text: format!("[{}]", if name.is_empty() { "tool" } else { &name }),
                call_id: Some(answered(message)).filter(|id| !id.is_empty()),
                ..TreeText::default()
            }
        }
        _ => TreeText {
            text: text::preview(message),
            only_calls: role == "assistant" && only_calls(message),
            calls: if role == "assistant" { calls(message) } else { Vec::new() },
            role: if role.is_empty() { "message".to_owned() } else { role },
            call_id: None,
        },
    }
}

/// The value of the first of these keys that a message has; empty if it has none.
fn given(message: Raw<'_>, keys: [&str; 2]) -> String {
    let texts = keys.iter().map(|key| optional_text(message.get(key)));
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default()
}

/// The call that a tool result answers; empty if it does not say.
fn answered(message: Raw<'_>) -> String {
    given(message, ["tool_call_id", "toolCallId"])
}

/// Whether a message only calls tools and has no text.
fn only_calls(message: Raw<'_>) -> bool {
    let parts = items_of_content(message);
    let has_call_part = parts.clone().any(|part| is_text(part.get("type"), "toolCall"));
    let says = parts
        .filter(|part| is_text(part.get("type"), "text"))
        .any(|part| !strip(&optional_text(part.get("text"))).is_empty());
    let has_calls = tool_calls(message).next().is_some();
    has_call_part && !says || has_calls && strip(&full_text(message)).is_empty()
}

fn items_of_content(message: Raw<'_>) -> impl Iterator<Item = Raw<'_>> + Clone {
    let content = message.get("content").filter(|content| content.kind() == Kind::Array);
    let parts: Vec<Raw<'_>> = content.into_iter().flat_map(Raw::items).collect();
    parts.into_iter()
}

fn tool_calls(message: Raw<'_>) -> impl Iterator<Item = Raw<'_>> {
    ["tool_calls", "toolCalls"]
        .iter()
        .find_map(|key| message.get(key).filter(|calls| !calls.is_falsy()))
        .into_iter()
        .flat_map(Raw::items)
}

/// Ids and labels of a message's tool calls.
fn calls(message: Raw<'_>) -> Vec<(String, String)> {
    let parts = items_of_content(message).filter(|part| is_text(part.get("type"), "toolCall"));
    parts
        .chain(tool_calls(message))
        .filter_map(|call| Some((optional_text(call.get("id")), call_label(call)?)))
        .filter(|(id, _)| !id.is_empty())
        .collect()
}

/// A tool call on one line, for example `[read: path]`; `None` if it names no tool.
fn call_label(call: Raw<'_>) -> Option<String> {
    let function = call.get("function").unwrap_or(call);
    let name = optional_text(function.get("name"));
    if name.is_empty() {
        return None;
    }
    let given = function.get("arguments");
    let decoded = given.and_then(Raw::string);
    let arguments = match &decoded {
        Some(decoded) => json::scan(decoded.as_bytes()).ok().map(|(value, _)| value),
        None => given,
    };
    let arguments = arguments.filter(|value| value.kind() == Kind::Object);
    let argument = |key| arguments.and_then(|arguments| arguments.get(key));
    let path = || optional_text(argument("path"));
    Some(match short_name(&name) {
        "read" => format!("[read: {}{}]", path(), range(argument("offset"), argument("limit"))),
        "write" => format!("[write: {}]", path()),
        "edit" => format!("[edit: {}]", path()),
        "bash" => {
            let command = optional_text(argument("command")).replace(['\n', '\t'], " ");
            format!("[bash: {}]", cut(strip(&command), COMMAND_LENGTH))
        }
        _ => {
            let json = arguments.map_or("{}".to_owned(), |value| json::clean(value, "null"));
            format!("[{name}: {}]", cut(&json, ARGUMENTS_LENGTH))
        }
    })
}

/// The lines that a `read` asks for: `:start-end`, `:start`, or nothing.
fn range(offset: Option<Raw<'_>>, limit: Option<Raw<'_>>) -> String {
    let number = |value: Option<Raw<'_>>| {
        value.filter(|value| !value.is_falsy()).and_then(|value| text(value).parse::<i64>().ok())
    };
    let (offset, limit) = (number(offset), number(limit));
    if offset.is_none() && limit.is_none() {
        return String::new();
    }
    let start = offset.unwrap_or(1);
    match limit {
        Some(limit) => format!(":{start}-{}", start.saturating_add(limit).saturating_sub(1)),
        None => format!(":{start}"),
    }
}

fn cut(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// The parts of a message.
pub(in crate::format) fn parts(message: &str) -> (String, Vec<Part>) {
    let Ok((message, _)) = json::scan(message.as_bytes()) else { return Default::default() };
    let role = optional_text(message.get("role"));
    let parts = parts_of(&role, message);
    (role, parts)
}

/// The parts of the message in a line.
pub(in crate::format) fn content_parts(line: &[u8]) -> Vec<Part> {
    let Ok((value, _)) = json::scan(line) else { return Vec::new() };
    let fields = Fields::read(value);
    if is_text(fields.record_type, "branch_summary") {
        let text = optional_text(fields.summary);
        return if strip(&text).is_empty() { Vec::new() } else { vec![Part::Text(text)] };
    }
    match fields.message.filter(|message| message.kind() == Kind::Object) {
        Some(message) => parts_of(&optional_text(message.get("role")), message),
        None => Vec::new(),
    }
}

fn parts_of(role: &str, message: Raw<'_>) -> Vec<Part> {
    let mut parts = Vec::new();
    if let Some(thought) = message.get("reasoning_summary").and_then(Raw::string) {
        parts.push(Part::Thinking(thought.into_owned()));
    }
    if role == "compactionSummary" {
        parts.push(Part::Text(optional_text(message.get("summary"))));
        return parts;
    }
    match message.get("content") {
        Some(content) if content.kind() == Kind::Array => {
            parts.extend(content.items().map(part));
        }
        Some(content) => parts.push(Part::Text(text(content))),
        None => {}
    }
    parts.extend(tool_calls(message).map(call_part));
    parts.retain(
        |part| !matches!(part, Part::Text(text) | Part::Thinking(text) if strip(text).is_empty()),
    );
    match role {
        "tool" | "toolResult" => Part::answering(answered(message), parts),
        _ => parts,
    }
}

fn part(part: Raw<'_>) -> Part {
    let kind = optional_text(part.get("type"));
    match kind.as_str() {
        "toolCall" => call_part(part),
        "image" => Part::Image {
            mime: optional_text(part.get("mimeType").or_else(|| part.get("media_type"))),
            path: optional_text(part.get("path")),
            data: optional_text(part.get("data")),
        },
        "thinking" | "reasoning" => Part::Thinking(optional_text(
            ["thinking", "reasoning", "text"].iter().find_map(|key| part.get(key)),
        )),
        _ => match part.get("text") {
            Some(said) => Part::Text(text(said)),
            None if part.kind() == Kind::String => Part::Text(text(part)),
            None => Part::Other(kind),
        },
    }
}

fn call_part(call: Raw<'_>) -> Part {
    let label = call_label(call).unwrap_or_else(|| "[tool]".to_owned());
    Part::ToolCall(ToolCall::read(call, label))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_label(name: &str, arguments: &str, expected: &str) {
        for call in [
            format!(r#"{{"id":"c","name":"{name}","arguments":{arguments}}}"#),
            format!(
                r#"{{"id":"c","function":{{"name":"{name}","arguments":{}}}}}"#,
                json::spelt(arguments)
            ),
        ] {
            let (call, _) = json::scan(call.as_bytes()).unwrap();

            assert_eq!(call_label(call).unwrap(), expected);
        }
    }

    #[test]
    fn calls_have_the_label_of_their_tool() {
        check_label("read_file", r#"{"path":"a"}"#, "[read: a]");
        check_label("read", r#"{"path":"a","offset":3,"limit":4}"#, "[read: a:3-6]");
        check_label("read", r#"{"path":"a","limit":4}"#, "[read: a:1-4]");
        check_label("read", r#"{"path":"a","offset":7}"#, "[read: a:7]");
        check_label("write_file", r#"{"path":"a","content":"b"}"#, "[write: a]");
        check_label("edit_file", r#"{"path":"é"}"#, "[edit: é]");
        check_label("run_shell_command", r#"{"command":"ls\t-la\nfoo"}"#, "[bash: ls -la foo]");
        let fifty = "é".repeat(50);
        check_label("bash", &format!(r#"{{"command":"{fifty}"}}"#), &format!("[bash: {fifty}]"));
        check_label(
            "bash",
            &format!(r#"{{"command":"{fifty}x"}}"#),
            &format!("[bash: {fifty}...]"),
        );
        check_label("web", r#"{ "q": 1 }"#, r#"[web: {"q":1}]"#);
        check_label(
            "web",
            &format!(r#"{{"q":"{}"}}"#, "a".repeat(60)),
            &format!(r#"[web: {{"q":"{}...]"#, "a".repeat(34)),
        );
        check_label("web", "[1]", "[web: {}]");
    }

    #[track_caller]
    fn check_only_calls(message: &str, expected: bool) {
        assert_eq!(only_calls(json::scan(message.as_bytes()).unwrap().0), expected, "{message}");
    }

    #[test]
    fn a_message_that_says_nothing_only_calls() {
        check_only_calls(r#"{"content":[{"type":"toolCall","id":"c"}]}"#, true);
        check_only_calls(r#"{"content":[{"type":"toolCall"},{"type":"text","text":" \n"}]}"#, true);
        check_only_calls(r#"{"content":[{"type":"toolCall"},{"type":"text","text":"a"}]}"#, false);
        check_only_calls(r#"{"content":null,"tool_calls":[{"id":"c"}]}"#, true);
        check_only_calls(r#"{"content":"a","tool_calls":[{"id":"c"}]}"#, false);
        check_only_calls(r#"{"content":null,"tool_calls":[]}"#, false);
        check_only_calls(r#"{"content":""}"#, false);
    }

    #[test]
    fn arguments_of_any_depth_need_no_stack() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        let call = format!(r#"{{"id":"c","name":"x","arguments":{{"a":{deep}}}}}"#);

        let label = call_label(json::scan(call.as_bytes()).unwrap().0).unwrap();

        assert!(label.ends_with("[[[...]"), "{label}");
    }
}
