//! The text of an entry, extracted from its line by its format.

use serde_json::Value;

use super::prepare::{Prepared, prepare};
use crate::format::{Meaning, Part, ToolCall};

/// Bytes of each tool text that are indexed. Most are shorter; the rest is the output
/// of files and programs.
const TOOL_BYTES: usize = 4 << 10;

/// Bytes of prose and of thinking that are indexed of an entry. FTS5 holds the words of
/// a row in memory: those of 500 MB took 19 GB.
const TEXT_BYTES: usize = 16 << 20;

/// The text of an entry, for each column of the index.
#[derive(Clone, Debug, Default)]
pub(crate) struct EntryText {
    /// Prose, thinking, and the arguments and answers of tools.
    pub(crate) texts: [String; 3],
    /// The indexed part of each tool text, as ranges in the last of `texts`.
    tools: Vec<std::ops::Range<usize>>,
    /// The tools that are called: the id of the call, and the name.
    pub(crate) calls: Vec<(String, String)>,
    /// The ids of the calls that it answers, in a message of any role.
    pub(crate) answers: Vec<String>,
    /// For each column, whether it is wanted.
    is_wanted: [bool; 3],
}

/// The columns, by their position.
pub(crate) const PROSE: usize = 0;
pub(crate) const THINKING: usize = 1;
pub(crate) const TOOLS: usize = 2;

impl EntryText {
    /// The text that an entry's record has in these columns; the others are empty.
    pub(crate) fn of(
        meaning: &dyn Meaning,
        record: &[u8],
        columns: impl IntoIterator<Item = usize>,
    ) -> Self {
        let mut said = Self::default();
        for column in columns {
            said.is_wanted[column] = true;
        }
        let parts = meaning.content_parts(record, said.is_wanted[TOOLS]);
        parts.into_iter().for_each(|part| said.take(part));
        said
    }

    /// The text of a title.
    pub(super) fn of_title(title: String) -> Self {
        Self { texts: [title, String::new(), String::new()], ..Self::default() }
    }

    fn take(&mut self, part: Part) {
        match part {
            Part::Text(text) => self.add(PROSE, &text),
            Part::Thinking(text) => self.add(THINKING, &text),
            Part::ToolResult { call_id, text } => {
                self.answers.push(call_id);
                self.add_tool(&text);
            }
            Part::ToolCall(call) => {
                if self.is_wanted[TOOLS] {
                    self.add_tool(&given(&call));
                }
                self.calls.push((call.id, call.name));
            }
            Part::Image { path, .. } => self.add(PROSE, &path),
            _ => {}
        }
    }

    fn add(&mut self, column: usize, text: &str) {
        if !self.is_wanted[column] {
            return;
        }
        let column = &mut self.texts[column];
        if !column.is_empty() && !text.is_empty() {
            column.push('\n');
        }
        column.push_str(text);
    }

    fn add_tool(&mut self, text: &str) {
        if !self.is_wanted[TOOLS] {
            return;
        }
        self.add(TOOLS, text);
        let start = self.texts[TOOLS].len() - text.len();
        let end = start + text.floor_char_boundary(TOOL_BYTES);
        self.tools.push(start..end);
    }

    /// A column, prepared for the index.
    pub(crate) fn prepared(&self, column: usize) -> Prepared {
        if column != TOOLS {
            let text = &self.texts[column];
            return prepare(&text[..text.floor_char_boundary(TEXT_BYTES)]);
        }
        let mut text = String::with_capacity(self.texts[TOOLS].len());
        // What is not indexed is blanked, so that positions stay the same.
        for tool in &self.tools {
            text.push_str(&" ".repeat(tool.start - text.len()));
            text.push_str(&self.texts[TOOLS][tool.clone()]);
        }
        prepare(&text)
    }
}

/// The arguments of a tool call as text: its name, and every string in its arguments
/// with its key, without JSON escapes.
fn given(call: &ToolCall) -> String {
    let mut text = call.name.clone();
    match call.arguments_value() {
        // Nested deeper than anyone reads.
        Value::Null => text = format!("{text} {}", call.arguments),
        arguments => add_value(&mut text, &arguments),
    }
    text
}

fn add_value(text: &mut String, value: &Value) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::Number(number) => text.push_str(&format!(" {number}")),
        Value::String(said) => text.push_str(&format!(" {said}")),
        Value::Array(items) => items.iter().for_each(|item| add_value(text, item)),
        Value::Object(members) => {
            for (key, value) in members {
                text.push_str(&format!("\n{key}:"));
                add_value(text, value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Format;
    use std::path::{Path, PathBuf};

    /// The lines of every log below a folder.
    fn lines(folder: &Path, lines: &mut Vec<Vec<u8>>) {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self::lines(&path, lines);
            } else if path.extension().is_some_and(|extension| extension == "jsonl") {
                let bytes = std::fs::read(&path).unwrap();
                lines.extend(bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec));
            }
        }
    }

    /// Lines that no fixture has, with values that are repeated, missing or of
    /// another type.
    const ODD: [&str; 14] = [
        r#"{"type":"user","uuid":"u","message":{"role":"user","content":"a","content":[{"type":"text","text":"b","text":"c"}]}}"#,
        r#"{"type":"user","message":{"role":"user","content":"without an id"}}"#,
        r#"{"type":"user","uuid":null,"message":"no object"}"#,
        r#"{"type":"assistant","uuid":"u","message":{"content":[{"type":"tool_use","id":"c","name":"N","input":null},{"type":"tool_result","tool_use_id":"c","content":"t"},{"type":"image"},5,"x"]}}"#,
        r#"{"type":"message","id":"m","message":{"role":"toolResult","toolCallId":"c","content":[{"type":"text","text":5},{"type":"thinking","thinking":"t"},{"type":"image","mimeType":"m"}]}}"#,
        r#"{"type":"message","id":"m","message":{"role":"bashExecution","command":"c","output":"o"}}"#,
        r#"{"type":"message","id":"m","message":{"role":"assistant","summary":"s","content":null}}"#,
        r#"{"type":"custom_message","id":"m","content":"own"}"#,
        r#"{"type":"branch_summary","id":"m","summary":" "}"#,
        r#"{"type":"compaction","id":"m","summary":"s","systemMessage":{"role":"system","content":"y"}}"#,
        r#"{"type":"message","id":"m","message":{"role":"tool","tool_call_id":"c","reasoning_summary":"r","content":["p",{"type":"image","path":"q"},{"text":"t"}]}}"#,
        r#"{"type":"response_item","payload":{"type":"function_call_output","call_id":"c","output":"o"}}"#,
        r#"{"type":"response_item","payload":{"type":"odd"}}"#,
        r#"{"type":"compacted","payload":{"message":"m","replacement_history":[{"type":"message","role":"user","content":[{"type":"input_text","text":"h"}]}]}}"#,
    ];

    #[test]
    fn a_line_says_what_its_messages_say() {
        let mut all: Vec<Vec<u8>> = ODD.iter().map(|line| line.as_bytes().to_vec()).collect();
        let odd = all.len();
        lines(&Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures"), &mut all);
        assert!(odd + 200 < all.len());
        for line in all {
            for format in Format::ALL {
                let meaning = format.meaning();
                let messages = meaning.messages(None, &line, None, "null");
                let expected: Vec<Part> =
                    messages.iter().flat_map(|message| meaning.parts(message).1).collect();
                let spelt = String::from_utf8_lossy(&line);

                // An empty text is equivalent to none.
                for is_wanted in [[true, true, true], [true, true, false]] {
                    let said_in = |parts: Vec<Part>| {
                        let mut said = EntryText { is_wanted, ..EntryText::default() };
                        parts.into_iter().for_each(|part| said.take(part));
                        (said.texts, said.tools, said.calls, said.answers)
                    };
                    let found = said_in(meaning.content_parts(&line, is_wanted[TOOLS]));
                    assert_eq!(found, said_in(expected.clone()), "{format:?}: {spelt}");
                }
            }
        }
    }
}
