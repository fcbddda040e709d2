//! How messages are shown.

use super::facts::Kind;
use super::parse::SYNTHETIC;
use super::prompt::is_type;
use super::text::{object, string, strip};
use crate::format::json::{self, Object, Raw};
use crate::format::{NamedModel, Part, ToolCall, TreeText};

/// Characters of a preview, including dots.
const PREVIEW_LENGTH: usize = 120;
/// Characters of a tool's input before it is truncated.
const INPUT_LENGTH: usize = 40;

/// A message in the form of the conversation: type, id, session, and the message
/// itself.
pub(super) fn message(line: &[u8], instead: &str) -> Option<String> {
    let record = object(line)?;
    let value = |key: &str| record.get(key).map(|value| json::clean(value, instead));
    let session_id = value("sessionId").unwrap_or_else(|| "\"\"".to_owned());
    Some(format!(
        "{{\"type\":{},\"uuid\":{},\"session_id\":{session_id},\"message\":{}}}",
        value("type")?,
        value("uuid")?,
        value("message").unwrap_or_else(|| "null".to_owned()),
    ))
}

/// The role of a message, and its parts.
pub(super) fn parts(message: &str) -> (String, Vec<Part>) {
    let Ok((record, _)) = json::scan(message.as_bytes()) else { return Default::default() };
    let record = record.object();
    let message = record.get("message").unwrap_or(Raw::NULL).object();
    let role = string(message.get("role")).or_else(|| string(record.get("type")));
    (role.unwrap_or_default(), parts_of(message.get("content"), true))
}

/// The content of the message in a line.
pub(super) fn content_parts(line: &[u8], tools: bool) -> Vec<Part> {
    let Some(record) = object(line) else { return Vec::new() };
    let record = record.object();
    let is_message = record.get("type").is_some() && record.get("uuid").is_some();
    let message = record.get("message").filter(|_| is_message).unwrap_or(Raw::NULL);
    parts_of(message.get("content"), tools)
}

fn parts_of(content: Option<Raw<'_>>, tools: bool) -> Vec<Part> {
    let content = content.unwrap_or(Raw::NULL);
    let mut parts: Vec<Part> = string(Some(content)).map(Part::Text).into_iter().collect();
    for block in content.items() {
        let block = block.object();
        let field = |key: &str| string(block.get(key)).unwrap_or_default();
        let block_type = block.get("type").and_then(Raw::string).unwrap_or_default();
        parts.push(match &*block_type {
            "text" => Part::Text(field("text")),
            "thinking" => Part::Thinking(field("thinking")),
            "tool_use" => Part::ToolCall(call(&block, tools)),
            "tool_result" => {
                let text = block.get("content").filter(|_| tools).map(text_of).unwrap_or_default();
                parts.push(Part::ToolResult { call_id: field("tool_use_id"), text });
                let shown = block.get("content").unwrap_or(Raw::NULL).items();
                parts.extend(shown.filter(|block| is_type(*block, "image")).map(image));
                continue;
            }
            "image" => image(block.value),
            other => Part::Other(other.to_owned()),
        });
    }
    parts
}

fn image(block: Raw<'_>) -> Part {
    let field = |key| block.get("source").and_then(|source| string(source.get(key)));
    Part::Image {
        mime: field("media_type").unwrap_or_default(),
        path: field("url").unwrap_or_default(),
        data: field("data").unwrap_or_default(),
    }
}

/// The model of the answer in a line.
pub(super) fn model(line: &[u8]) -> Option<NamedModel> {
    let record = object(line).filter(|record| is_type(*record, "assistant"))?;
    let model = string(record.get("message")?.get("model")).filter(|model| model != SYNTHETIC)?;
    Some(NamedModel::Answered(model))
}

/// What a tree shows of an entry's line.
pub(super) fn tree_text(line: &[u8]) -> TreeText {
    let Some(record) = object(line) else { return TreeText::default() };
    let field = |key: &str| string(record.get(key)).unwrap_or_default();
    let of =
        |role: &str, text: String| TreeText { role: role.to_owned(), text, ..TreeText::default() };
    let record_type = field("type");
    match Kind::from_name(&record_type) {
        Some(Kind::User | Kind::Assistant) => {
            shown_message(record_type, record.get("message").unwrap_or(Raw::NULL))
        }
        Some(Kind::System) => {
            of("system", cut(&format!("{} {}", field("subtype"), field("content"))))
        }
        Some(Kind::Progress) => of("progress", type_of(record.get("data"))),
        Some(Kind::Attachment) => of("attachment", type_of(record.get("attachment"))),
        None => of(&record_type, String::new()),
    }
}

fn type_of(value: Option<Raw<'_>>) -> String {
    value.and_then(|value| string(value.get("type"))).unwrap_or_default()
}

fn shown_message(role: String, message: Raw<'_>) -> TreeText {
    let content = message.get("content").unwrap_or(Raw::NULL);
    if let Some(answer) = content.items().find(|block| is_type(*block, "tool_result")) {
        return TreeText {
            role: "tool".to_owned(),
            text: cut(&text_of_message(answer)),
            call_id: string(answer.get("tool_use_id")),
            ..TreeText::default()
        };
    }
    let text = cut(&text_of_message(message));
    let calls: Vec<(String, String)> = content
        .items()
        .filter(|block| is_type(*block, "tool_use"))
        .map(Raw::object)
        .map(|call| (string(call.get("id")).unwrap_or_default(), call_label(&call)))
        .collect();
    TreeText { only_calls: text.is_empty() && !calls.is_empty(), text, calls, role, call_id: None }
}

/// The tool call in a block; with its arguments if `tools` is set.
fn call(block: &Object<'_>, tools: bool) -> ToolCall {
    let field = |key: &str| string(block.get(key)).unwrap_or_default();
    let (id, name) = (field("id"), field("name"));
    if !tools {
        return ToolCall::named(id, name);
    }
    let label = call_label(block);
    let arguments = block.get("input").filter(|input| input.kind() != json::Kind::Null);
    let arguments = arguments.map_or("{}".to_owned(), |input| json::clean(input, "null"));
    ToolCall { id, name, arguments, label }
}

/// A tool call on one line, for example `[Read: {"path":"a"}]`.
fn call_label(call: &Object<'_>) -> String {
    let input = call.get("input").map_or("{}".to_owned(), |input| json::clean(input, "null"));
    let mut cut: String = input.chars().take(INPUT_LENGTH).collect();
    if cut.len() < input.len() {
        cut.push('…');
    }
    format!("[{}: {cut}]", string(call.get("name")).unwrap_or_default())
}

/// The first characters of the message in a line, on one line.
pub(super) fn preview(line: &[u8]) -> String {
    cut(&full_text(line))
}

/// The full text of the message in a line.
pub(super) fn full_text(line: &[u8]) -> String {
    let message = object(line).and_then(|record| record.get("message"));
    message.map(|message| strip(&text_of_message(message)).to_owned()).unwrap_or_default()
}

/// The text of a message, or of a tool's answer.
fn text_of_message(value: Raw<'_>) -> String {
    value.get("content").map(text_of).unwrap_or_default()
}

/// The text of content.
fn text_of(content: Raw<'_>) -> String {
    if let Some(text) = content.string() {
        return text.into_owned();
    }
    let texts = content.items().filter(|block| is_type(*block, "text"));
    let texts = texts.filter_map(|block| string(block.get("text")));
    texts.collect::<Vec<_>>().join("\n")
}

fn cut(text: &str) -> String {
    // Only the beginning of a long text is processed.
    let start: String = text.chars().take(4 * PREVIEW_LENGTH).collect();
    let line = start.split_whitespace().collect::<Vec<_>>().join(" ");
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

    const CALL: &str = r#"{"type":"assistant","uuid":"u","message":{"role":"assistant","content":[{"type":"thinking","thinking":"hm"},{"type":"tool_use","id":"c","name":"Read","input":{"path":"x"}}]}}"#;
    const ANSWER: &str = r#"{"type":"user","uuid":"v","sessionId":"s","message":{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":[{"type":"text","text":"a\nb"}]}]}}"#;

    #[test]
    fn an_entry_shows_what_it_says_calls_or_answers() {
        let call = tree_text(CALL.as_bytes());
        assert!(call.only_calls);
        assert_eq!(call.calls, [("c".to_owned(), "[Read: {\"path\":\"x\"}]".to_owned())]);
        let answer = tree_text(ANSWER.as_bytes());
        assert_eq!((&answer.role[..], &answer.text[..]), ("tool", "a b"));
        assert_eq!(answer.call_id.as_deref(), Some("c"));
        let boundary =
            br#"{"type":"system","subtype":"compact_boundary","content":"x","uuid":"w"}"#;
        assert_eq!(tree_text(boundary).text, "compact_boundary x");
    }

    #[test]
    fn a_message_of_the_conversation_keeps_what_is_stored() {
        let message = message(ANSWER.as_bytes(), "0").unwrap();
        assert!(message.starts_with(r#"{"type":"user","uuid":"v","session_id":"s","message":{"#));
        let answer = Part::ToolResult { call_id: "c".to_owned(), text: "a\nb".to_owned() };
        assert_eq!(parts(&message), ("user".to_owned(), vec![answer]));
        let (_, called) = parts(&super::message(CALL.as_bytes(), "0").unwrap());
        assert_eq!(called[0], Part::Thinking("hm".to_owned()));
        assert!(matches!(&called[1], Part::ToolCall(call) if call.arguments == "{\"path\":\"x\"}"));
        let bare = super::message(br#"{"type":"user","uuid":"u","message":null}"#, "0");
        assert_eq!(
            bare.as_deref(),
            Some(r#"{"type":"user","uuid":"u","session_id":"","message":null}"#)
        );
    }
}
