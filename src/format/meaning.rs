//! The facet of meaning: what lines mean, and what the conversation is that they
//! make up.

use std::collections::HashSet;

use super::json::{self, Kind, Raw};
use crate::model::{ProblemKind, Record, Role, Step, StepKind, Stored, Timestamp};

/// What a compaction keeps of the steps before it.
#[derive(Debug, Default)]
pub(crate) struct KeptMessages {
    /// Steps whose message has the id that the compaction names.
    pub(crate) keys: HashSet<i64>,
    /// The position that the compaction names instead.
    pub(crate) position: Option<usize>,
}

/// A conversation to be exported as Markdown.
#[derive(Debug)]
pub(crate) struct Transcript<'a> {
    pub(crate) session_id: Option<&'a str>,
    pub(crate) work_dir: Option<&'a str>,
    pub(crate) exported_at: Timestamp,
    /// The number of tokens in the context, in digits, if the format counts them.
    pub(crate) token_count: Option<&'a str>,
    /// The messages, each as JSON.
    pub(crate) messages: &'a [String],
}

/// What a tree shows of an entry.
#[derive(Debug, Default)]
pub(crate) struct TreeText {
    pub(crate) role: String,
    /// One line of text. For a tool result: the text to show if its call is not
    /// found.
    pub(crate) text: String,
    /// Whether it only calls tools and has no text.
    pub(crate) only_calls: bool,
    /// Ids and labels of the tool calls.
    pub(crate) calls: Vec<(String, String)>,
    /// For a tool result: the call that it answers.
    pub(crate) call_id: Option<String>,
}

/// A model that a line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamedModel {
    /// The model that answered in this line.
    Answered(String),
    /// The model that answers from this line on, on its branch.
    Chosen(String),
}

/// Tracks the models of a path, line by line from the root.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answering {
    chosen: Option<String>,
}

impl Answering {
    /// The model that answered in the next line of the path; `None` if the line is no
    /// answer, or no line names the model.
    pub(crate) fn next(&mut self, named: Option<NamedModel>, role: Option<&str>) -> Option<String> {
        match named {
            Some(NamedModel::Answered(model)) => return Some(model),
            Some(NamedModel::Chosen(model)) => self.chosen = Some(model),
            None => {}
        }
        self.chosen.clone().filter(|_| role == Some("assistant"))
    }
}

/// A part of a message's content.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Text, of any number of lines.
    Text(String),
    /// The model's thinking.
    Thinking(String),
    /// A tool call.
    ToolCall(ToolCall),
    /// A tool's answer.
    ToolResult {
        /// The [id](ToolCall::id) of the call; empty if it is not given.
        call_id: String,
        /// The text of the answer; empty if there is none.
        text: String,
    },
    /// An image. Each field may be empty.
    Image {
        /// The media type as the message names it, for example `image/png`.
        mime: String,
        /// The file that it was read from, or its address.
        path: String,
        /// The bytes in base64, if the message contains them. They are not validated.
        data: String,
    },
    /// A part of another type, which is given.
    Other(String),
}

/// A tool call in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCall {
    /// The id that the answer refers to; empty if the call has none.
    pub id: String,
    /// The name of the tool, as in the message.
    pub name: String,
    /// The arguments as JSON, usually an object. Arguments that the message contains
    /// as a string of JSON are that JSON.
    pub arguments: String,
    /// The call on one line, possibly truncated, for example `[read: path]`.
    pub label: String,
}

impl ToolCall {
    /// Reads a call that has a name and arguments itself, or in its `function`.
    pub(crate) fn read(call: Raw<'_>, label: String) -> Self {
        let function = call.get("function").unwrap_or(call);
        let text = |value: Option<Raw<'_>>| match value {
            Some(value) if !value.is_falsy() => match value.string() {
                Some(text) => text.into_owned(),
                None => String::from_utf8_lossy(value.bytes()).into_owned(),
            },
            _ => String::new(),
        };
        let given = function.get("arguments").filter(|given| given.kind() != Kind::Null);
        let arguments = match (given, given.and_then(Raw::string)) {
            (None, _) => "{}".to_owned(),
            (Some(given), None) => json::clean(given, "null"),
            (Some(_), Some(spelt)) if spelt.trim().is_empty() => "{}".to_owned(),
            (Some(_), Some(spelt)) => match json::scan(spelt.as_bytes()) {
                Ok((decoded, _)) => json::clean(decoded, "null"),
                // Arguments that are not JSON, for example because the model was
                // cut off, become a string.
                Err(_) => json::spelt(&spelt),
            },
        };
        Self { id: text(call.get("id")), name: text(function.get("name")), arguments, label }
    }

    /// A call of which only id and name are needed.
    pub(crate) fn named(id: String, name: String) -> Self {
        Self { id, name, arguments: String::new(), label: String::new() }
    }

    /// Returns the arguments; null if they are nested deeper than `serde_json` reads.
    pub fn arguments_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.arguments).unwrap_or_default()
    }
}

impl Part {
    /// Returns the text of a text part or an answer; `None` for thinking, calls and
    /// images.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::ToolResult { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The image at an address, which may be a data URL.
    pub(crate) fn image_at(url: String) -> Self {
        let Some(rest) = url.strip_prefix("data:") else {
            return Self::Image { mime: String::new(), path: url, data: String::new() };
        };
        let (head, data) = rest.split_once(',').unwrap_or((rest, ""));
        let mime = head.split_once(';').map_or(head, |(mime, _)| mime).to_owned();
        let data = if head.ends_with(";base64") { data.to_owned() } else { String::new() };
        Self::Image { mime, path: String::new(), data }
    }

    /// The parts of a message that answers a call: its texts are joined to one
    /// result.
    pub(crate) fn answering(call_id: String, parts: Vec<Self>) -> Vec<Self> {
        let (texts, others): (Vec<Self>, Vec<Self>) =
            parts.into_iter().partition(|part| matches!(part, Self::Text(_)));
        let texts: Vec<&str> = texts.iter().filter_map(Self::text).collect();
        let mut parts = vec![Self::ToolResult { call_id, text: texts.join("\n") }];
        parts.extend(others);
        parts
    }
}

/// What lines mean.
///
/// Nothing here fails: what cannot be understood becomes a problem of its record.
pub(crate) trait Meaning: Sync {
    /// What a line means in a session whose log is one file.
    fn parse(&self, line: &[u8]) -> Record;

    /// The problems of a line in the log with this path.
    fn line_problems(&self, _path: &[u8], line: &[u8]) -> Vec<(ProblemKind, String)> {
        self.parse(line).problems
    }

    /// Whether each entry follows the one before it in the file unless it says
    /// otherwise.
    fn is_linear(&self, _version: Option<&Stored>) -> bool {
        false
    }

    /// Whether entries of this version are in the form that the program writes today.
    fn is_current(&self, _version: Option<&Stored>) -> bool {
        true
    }

    /// How messages of a role are counted and compacted.
    fn role(&self, role: Option<&str>) -> Role {
        match role {
            Some("user") => Role::Prompt,
            Some("assistant" | "tool") => Role::Counted,
            Some("system") => Role::System,
            _ => Role::Other,
        }
    }

    /// The steps of a path, root first, that make up the restored conversation.
    /// `kept` says what each compaction keeps.
    fn restore(&self, path: &[Step], _kept: &[(i64, Option<KeptMessages>)]) -> Vec<Step> {
        path.iter().filter(|step| step.kind == StepKind::Message).copied().collect()
    }

    /// The position that a compaction names instead of an id.
    fn kept_position(&self, _first_kept: &Stored) -> Option<usize> {
        None
    }

    /// The messages that an entry's line adds, as JSON, after the edit in another
    /// line, if there is one. `instead` replaces values that common JSON readers
    /// cannot read.
    fn messages(
        &self,
        version: Option<&Stored>,
        line: &[u8],
        edit: Option<&[u8]>,
        instead: &str,
    ) -> Vec<String>;

    /// The id of the entry that an edit changes.
    fn edit_target(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// What lists show of the first prompt.
    fn first_message(&self, line: &[u8]) -> Stored {
        Stored::Text(self.preview(line))
    }

    /// The first characters of an entry's message, on one line.
    fn preview(&self, line: &[u8]) -> String;

    /// The full text of a user's message, without surrounding white space.
    fn full_text(&self, line: &[u8]) -> String;

    /// What a tree shows of the entry in this line.
    fn tree_text(&self, line: &[u8]) -> TreeText {
        TreeText { text: self.preview(line), ..TreeText::default() }
    }

    /// The model that a line names.
    fn model(&self, _line: &[u8]) -> Option<NamedModel> {
        None
    }

    /// The role of a message, and the parts of its content.
    fn parts(&self, message: &str) -> (String, Vec<Part>);

    /// Whether an entry of this role contains only answers of tools, so that searches
    /// for anything else can skip its line. Half of a log can be such lines.
    fn is_answer(&self, _role: Option<&str>) -> bool {
        false
    }

    /// The content of the messages that an entry's line adds. Without `tools`, the
    /// arguments and answers of tools may be left empty. A search calls this for
    /// every line, so formats read the message in place.
    fn content_parts(&self, line: &[u8], _tools: bool) -> Vec<Part> {
        let messages = self.messages(None, line, None, "null");
        messages.iter().flat_map(|message| self.parts(message).1).collect()
    }

    /// A conversation as Markdown, in the form in which the program itself exports
    /// it, if it does.
    fn markdown(&self, transcript: &Transcript<'_>) -> String {
        let mut text = "# Session\n".to_owned();
        for message in transcript.messages {
            let (role, parts) = self.parts(message);
            let texts: Vec<&str> = parts.iter().filter_map(Part::text).collect();
            let body = texts.join("\n\n");
            text.push_str(&format!("\n## {role}\n\n{body}\n"));
        }
        text
    }
}
