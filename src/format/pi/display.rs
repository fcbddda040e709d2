//! How entries are shown.

use super::context::{self, text_of_line};
use super::text::{string, text_of};
use crate::format::json::{self, Kind, Object, Raw};
use crate::format::{NamedModel, Part, ToolCall, Transcript, TreeText};

/// Code points of a preview, including dots.
const PREVIEW_LENGTH: usize = 120;
/// Code points of a tool's arguments before they are truncated.
const ARGUMENTS_LENGTH: usize = 40;

/// The role of a message, and its parts.
pub(in crate::format) fn parts(message: &str) -> (String, Vec<Part>) {
    let Ok((message, _)) = json::scan(message.as_bytes()) else { return Default::default() };
    let message = message.object();
    let role = string(message.get("role")).unwrap_or_default();
    let parts = parts_of(&role, &message, true);
    (role, parts)
}

/// The content of the messages that a line adds.
pub(in crate::format) fn content_parts(line: &[u8], tools: bool) -> Vec<Part> {
    let Some(value) = json::well_formed(line) else { return Vec::new() };
    let value = value.object();
    if string(value.get("type")).as_deref() == Some("message") {
        let message = value.get("message").unwrap_or(Raw::NULL).object();
        return parts_of(&string(message.get("role")).unwrap_or_default(), &message, tools);
    }
    let messages = context::messages(None, line, None, "null");
    messages.iter().flat_map(|message| parts(message).1).collect()
}

fn parts_of(role: &str, message: &Object<'_>, tools: bool) -> Vec<Part> {
    let is_answer = role == "toolResult";
    let text = |value: Option<Raw<'_>>| {
        let is_text = |value: &Raw<'_>| value.kind() == Kind::String;
        if is_answer && !tools {
            value.filter(is_text).map(|_| Part::Text(String::new()))
        } else {
            string(value).map(Part::Text)
        }
    };
    let mut parts: Vec<Part> = match role {
        "bashExecution" => {
            let keys = ["command", "output"];
            keys.iter().filter_map(|key| text(message.get(key))).collect()
        }
        _ => text(message.get("content"))
            .or_else(|| text(message.get("summary")))
            .into_iter()
            .collect(),
    };
    for block in message.get("content").unwrap_or(Raw::NULL).items() {
        let block = block.object();
        let field = |key: &str| string(block.get(key)).unwrap_or_default();
        let block_type = block.get("type").and_then(Raw::string).unwrap_or_default();
        parts.push(match &*block_type {
            "text" => text(block.get("text")).unwrap_or(Part::Text(String::new())),
            // A tool result has no thinking: everything in it is the answer.
            "thinking" if is_answer => {
                text(block.get("thinking")).unwrap_or(Part::Text(String::new()))
            }
            "thinking" => Part::Thinking(field("thinking")),
            "toolCall" if tools => Part::ToolCall(ToolCall::read(block.value, call_label(&block))),
            "toolCall" => Part::ToolCall(ToolCall::named(field("id"), field("name"))),
            "image" => {
                Part::Image { mime: field("mimeType"), path: String::new(), data: field("data") }
            }
            other => Part::Other(other.to_owned()),
        });
    }
    if is_answer {
        Part::answering(string(message.get("toolCallId")).unwrap_or_default(), parts)
    } else {
        parts
    }
}

/// The model that a line names.
pub(in crate::format) fn model(line: &[u8]) -> Option<NamedModel> {
    let (value, _) = json::scan(line).ok()?;
    if string(value.get("type")).as_deref() == Some("model_change") {
        return string(value.get("modelId")).map(NamedModel::Chosen);
    }
    let message = value.get("message")?;
    let is_answer = string(message.get("role")).as_deref() == Some("assistant");
    string(message.get("model")).filter(|_| is_answer).map(NamedModel::Answered)
}

/// A conversation as Markdown, with a heading for each message. pi itself exports
/// HTML pages; this is their text.
pub(in crate::format) fn markdown(transcript: &Transcript<'_>) -> String {
    let mut out = String::from("# pi Session\n");
    for message in transcript.messages {
        let (role, parts) = parts(message);
        out.push_str(&format!("\n## {}\n", if role.is_empty() { "message" } else { &role }));
        for part in parts {
            let text = match part {
                Part::Text(text) | Part::ToolResult { text, .. } => text.trim_end().to_owned(),
                Part::Thinking(text) => {
                    let lines: Vec<String> =
                        text.trim_end().lines().map(|line| format!("> {line}")).collect();
                    lines.join("\n")
                }
                Part::ToolCall(call) => format!("`{}`", call.label),
                Part::Image { .. } => "[image]".to_owned(),
                Part::Other(kind) => format!("[{kind}]"),
            };
            out.push_str(&format!("\n{text}\n"));
        }
    }
    out
}

/// What a tree shows of an entry's line.
pub(in crate::format) fn tree_text(line: &[u8]) -> TreeText {
    let Ok((value, _)) = json::scan(line) else { return TreeText::default() };
    let field = |key: &str| string(value.get(key)).unwrap_or_default();
    let of =
        |role: &str, text: String| TreeText { role: role.to_owned(), text, ..TreeText::default() };
    let entry_type = field("type");
    match entry_type.as_str() {
        "message" => shown_message(value.get("message").unwrap_or(Raw::NULL)),
        "model_change" => of("model", format!("{}/{}", field("provider"), field("modelId"))),
        "thinking_level_change" => of("thinking", field("thinkingLevel")),
        "session_info" => of("name", one_line(&field("name"))),
        "label" => of("label", one_line(&field("label"))),
        "context_edit" => of("edit", field("targetId")),
        "custom" => of("custom", field("customType")),
        "branch_summary" => of("summary", cut(&field("summary"))),
        "compaction" => of("compacted", cut(&field("summary"))),
        other => of(if other.is_empty() { "entry" } else { other }, cut(&text_of_line(line))),
    }
}

fn shown_message(message: Raw<'_>) -> TreeText {
    let field = |key: &str| string(message.get(key)).unwrap_or_default();
    let role = field("role");
    match role.as_str() {
        "toolResult" => TreeText {
            role: "tool".to_owned(),
            text: format!("[{}]", field("toolName")),
            call_id: Some(field("toolCallId")).filter(|id| !id.is_empty()),
            ..TreeText::default()
        },
        "bashExecution" => TreeText {
            text: cut(&field("command")),
            role: "bash".to_owned(),
            ..TreeText::default()
        },
        _ => {
            let text = cut(&text_of(message));
            let blocks = message.get("content").unwrap_or(Raw::NULL);
            let is_call =
                |block: &Raw<'_>| string(block.get("type")).as_deref() == Some("toolCall");
            let calls: Vec<(String, String)> = blocks
                .items()
                .filter(is_call)
                .map(Raw::object)
                .map(|call| (string(call.get("id")).unwrap_or_default(), call_label(&call)))
                .collect();
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

/// A tool call on one line, for example `[read: {"path":"a"}]`.
fn call_label(call: &Object<'_>) -> String {
    let arguments = call.get("arguments").filter(|arguments| arguments.kind() != Kind::Null);
    let arguments = arguments.map_or("{}".to_owned(), |arguments| json::clean(arguments, "null"));
    let mut cut: String = arguments.chars().take(ARGUMENTS_LENGTH).collect();
    if cut.len() < arguments.len() {
        cut.push('…');
    }
    format!("[{}: {cut}]", string(call.get("name")).unwrap_or_default())
}

/// The first characters of the message in a line, on one line.
pub(in crate::format) fn preview(line: &[u8]) -> String {
    cut(&text_of_line(line))
}

/// The full text of the message in a line.
pub(in crate::format) fn full_text(line: &[u8]) -> String {
    text_of_line(line)
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(text: &str) -> String {
    // Only the beginning of a long text is processed.
    let start: String = text.chars().take(4 * PREVIEW_LENGTH).collect();
    let line = one_line(&start);
    if line.chars().count() <= PREVIEW_LENGTH {
        return line;
    }
    let mut cut: String = line.chars().take(PREVIEW_LENGTH - 1).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_shows_what_it_says_or_does() {
        let text = |line: &str| {
            let shown = tree_text(line.as_bytes());
            format!("{} {}", shown.role, shown.text)
        };
        assert_eq!(text(r#"{"type":"model_change","provider":"p","modelId":"m"}"#), "model p/m");
        assert_eq!(
            text(
                r#"{"type":"message","message":{"role":"user","content":[{"type":"text","text":"a\nb"}]}}"#
            ),
            "user a b"
        );
        let messages = [r#"{"role":"user","content":"a"}"#.to_owned()];
        let transcript = Transcript {
            session_id: None,
            work_dir: None,
            exported_at: crate::model::Timestamp(0),
            token_count: None,
            messages: &messages,
        };
        assert_eq!(markdown(&transcript), "# pi Session\n\n## user\n\na\n");
        let calls = r#"{"role":"assistant","content":[{"type":"toolCall","id":"c","name":"read","arguments":{"path":"x"}}]}"#;
        let Part::ToolCall(call) = &parts(calls).1[0] else { panic!("no call") };
        assert_eq!(call.label, "[read: {\"path\":\"x\"}]");
        assert_eq!(
            (&call.id[..], &call.name[..], &call.arguments[..]),
            ("c", "read", r#"{"path":"x"}"#)
        );
        let result =
            r#"{"role":"toolResult","toolCallId":"c","content":[{"type":"text","text":"y"}]}"#;
        let answer = Part::ToolResult { call_id: "c".to_owned(), text: "y".to_owned() };
        assert_eq!(parts(result).1, [answer]);
    }
}
