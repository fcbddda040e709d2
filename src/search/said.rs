//! What an entry says, by the meaning that its format gives its line.

use serde_json::Value;

use super::prepare::{Prepared, prepare};
use crate::format::{Meaning, Part, ToolCall};

/// Bytes of each tool text that the index takes in. Most are shorter; the rest
/// is what files and programs printed.
const TOOL_BYTES: usize = 4 << 10;

/// What an entry says, a text for each column of the index.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// What is said: prose, thoughts, and what tools are given and answer.
    pub(crate) texts: [String; 3],
    /// How much of each tool text there is for the index, in the last of them.
    tools: Vec<std::ops::Range<usize>>,
    /// The tools that are called: the id of the call, and the name.
    pub(crate) calls: Vec<(String, String)>,
    /// The calls that tools answer in it, whoever is said to speak.
    pub(crate) answers: Vec<String>,
    /// Of each column, whether it is asked for.
    is_wanted: [bool; 3],
}

/// The columns, by their place.
pub(crate) const PROSE: usize = 0;
pub(crate) const THINKING: usize = 1;
pub(crate) const TOOLS: usize = 2;

impl Said {
    /// What the record of an entry says in these columns; the others are empty.
    pub(crate) fn of(
        meaning: &dyn Meaning,
        record: &[u8],
        columns: impl IntoIterator<Item = usize>,
    ) -> Self {
        let mut said = Self::default();
        for column in columns {
            said.is_wanted[column] = true;
        }
        for message in meaning.messages(None, record, None, "null") {
            meaning.parts(&message).1.into_iter().for_each(|part| said.take(part));
        }
        said
    }

    /// A title, as the index has it.
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

    /// A column as the index has it.
    pub(crate) fn prepared(&self, column: usize) -> Prepared {
        if column != TOOLS {
            return prepare(&self.texts[column]);
        }
        let mut text = String::with_capacity(self.texts[TOOLS].len());
        // What the index does not take in is blank, so that places are the same.
        for tool in &self.tools {
            text.push_str(&" ".repeat(tool.start - text.len()));
            text.push_str(&self.texts[TOOLS][tool.clone()]);
        }
        prepare(&text)
    }
}

/// What a tool is given as text: its name, and every text in its arguments by
/// its key, without the escapes of JSON.
fn given(call: &ToolCall) -> String {
    let mut text = call.name.clone();
    match call.arguments_value() {
        // Deeper than anyone reads.
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
