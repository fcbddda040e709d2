//! How items are shown.

use super::context::{self, said_by, text_of};
use super::item;
use super::record::{Body, Event, Record, of_entry, owned, text};
use crate::format::json::{self, Raw};
use crate::format::{NamedModel, Part, ToolCall, TreeText};

/// Characters of a preview.
const PREVIEW_LENGTH: usize = 120;
/// Characters of a tool's arguments before they are truncated.
const ARGUMENTS_LENGTH: usize = 40;

/// The role of an item, and its parts.
pub(in crate::format) fn parts(message: &str) -> (String, Vec<Part>) {
    let Ok((item, _)) = json::scan(message.as_bytes()) else { return Default::default() };
    (item::role(item).into_owned(), parts_of(item, true))
}

/// The content of the item in a record, or what a compaction leaves.
pub(in crate::format) fn content_parts(bytes: &[u8], tools: bool) -> Vec<Part> {
    match of_entry(bytes).map(|record| record.body) {
        Some(Body::Item(item)) => parts_of(item, tools),
        Some(Body::Compacted(_)) => {
            let messages = context::messages(bytes, "null");
            messages.iter().flat_map(|message| parts(message).1).collect()
        }
        _ => Vec::new(),
    }
}

fn parts_of(item: Raw<'_>, tools: bool) -> Vec<Part> {
    match text(item, "type").as_deref() {
        Some("message") => {
            let content = item.get("content").unwrap_or(Raw::NULL);
            content.items().map(part).collect()
        }
        Some("reasoning") => vec![Part::Thinking(text_of(item))],
        Some(item_type) if item_type.ends_with("_output") => {
            let call_id = owned(item, "call_id").unwrap_or_default();
            let text = if tools { text_of(item) } else { String::new() };
            vec![Part::ToolResult { call_id, text }]
        }
        _ => {
            vec![call(item).map_or_else(
                || Part::Other(owned(item, "type").unwrap_or_default()),
                Part::ToolCall,
            )]
        }
    }
}

fn part(part: Raw<'_>) -> Part {
    match text(part, "type").as_deref() {
        Some("input_text" | "output_text") => Part::Text(owned(part, "text").unwrap_or_default()),
        Some("input_image") => Part::image_at(owned(part, "image_url").unwrap_or_default()),
        other => Part::Other(other.unwrap_or_default().to_owned()),
    }
}

/// The tool call in an item.
fn call(item: Raw<'_>) -> Option<ToolCall> {
    let item_type = text(item, "type")?;
    let (name, arguments) = match &*item_type {
        // Arguments are usually JSON as a string; the input of a custom tool is a
        // string.
        "function_call" => {
            let arguments = owned(item, "arguments").unwrap_or_default();
            let is_json = json::scan(arguments.as_bytes()).is_ok();
            (owned(item, "name")?, if is_json { arguments } else { json::spelt(&arguments) })
        }
        "custom_tool_call" => {
            (owned(item, "name")?, json::spelt(&text(item, "input").unwrap_or_default()))
        }
        "local_shell_call" => ("shell".to_owned(), action(item)),
        "web_search_call" => ("web_search".to_owned(), action(item)),
        _ => return None,
    };
    let shown = shortened(&text_of(item), ARGUMENTS_LENGTH);
    let id = owned(item, "call_id").unwrap_or_default();
    Some(ToolCall { label: format!("[{name}: {shown}]"), id, name, arguments })
}

fn action(item: Raw<'_>) -> String {
    item.get("action").map_or("null".to_owned(), |action| json::clean(action, "null"))
}

/// The model from a record on, if it names one.
pub(in crate::format) fn model(bytes: &[u8]) -> Option<NamedModel> {
    chosen(&of_entry(bytes)?).map(NamedModel::Chosen)
}

fn chosen(record: &Record<'_>) -> Option<String> {
    match &record.body {
        Body::TurnContext(payload) => owned(*payload, "model"),
        Body::Event(Event::Settings(payload)) => owned(payload.get("thread_settings")?, "model"),
        _ => None,
    }
}

/// What a tree shows of an entry's bytes.
pub(in crate::format) fn tree_text(bytes: &[u8]) -> TreeText {
    let Some(record) = of_entry(bytes) else { return TreeText::default() };
    let Body::Item(item) = record.body else {
        let text = chosen(&record).unwrap_or_else(|| preview(bytes));
        return TreeText { role: entry_type(&record), text, ..TreeText::default() };
    };
    let calls: Vec<(String, String)> =
        call(item).into_iter().map(|call| (call.id, call.label)).collect();
    TreeText {
        role: item::role(item).into_owned(),
        text: if calls.is_empty() {
            shortened(&text_of(item), PREVIEW_LENGTH)
        } else {
            String::new()
        },
        only_calls: !calls.is_empty(),
        call_id: owned(item, "call_id").filter(|_| calls.is_empty()),
        calls,
    }
}

/// The entry type of a record.
pub(crate) fn entry_type(record: &Record<'_>) -> String {
    match &record.body {
        Body::Meta(_) => "session_meta".to_owned(),
        Body::TurnContext(_) => "turn_context".to_owned(),
        Body::Item(item) => owned(*item, "type").unwrap_or_default(),
        Body::Event(event) => event.name().into_owned(),
        Body::Compacted(_) => "compaction".to_owned(),
        Body::Other(name) => name.clone().into_owned(),
    }
}

/// The first characters of an entry's text, on one line.
pub(in crate::format) fn preview(bytes: &[u8]) -> String {
    shortened(&said_by(bytes), PREVIEW_LENGTH)
}

fn shortened(text: &str, length: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(length) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(payload: &str) -> String {
        format!(r#"{{"timestamp":"t","type":"response_item","payload":{payload}}}"#)
    }

    #[test]
    fn a_tool_shows_its_call_and_its_result_names_it() {
        let call = line(
            r#"{"type":"function_call","name":"shell","arguments":"{\"a\": 1}","call_id":"c"}"#,
        );
        let shown_call = tree_text(call.as_bytes());
        assert_eq!(shown_call.calls, [("c".to_owned(), "[shell: {\"a\": 1}]".to_owned())]);
        assert!(shown_call.only_calls);
        let output = line(r#"{"type":"function_call_output","call_id":"c","output":"a\nb"}"#);
        let shown = tree_text(output.as_bytes());
        assert_eq!((shown.role.as_str(), shown.text.as_str()), ("tool", "a b"));
        assert_eq!(shown.call_id.as_deref(), Some("c"));
    }

    #[test]
    fn a_message_says_its_parts() {
        let (role, parts) = parts(
            r#"{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,xx"}]}"#,
        );
        assert_eq!(role, "user");
        assert_eq!(parts[0], Part::Text("a".to_owned()));
        let (mime, data) = ("image/png".to_owned(), "xx".to_owned());
        assert_eq!(parts[1], Part::Image { mime, path: String::new(), data });
    }
}
