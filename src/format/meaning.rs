//! The facet of meaning: what a line says, and what a conversation made of lines looks like.

use std::collections::HashSet;

use super::json::{self, Kind, Raw};
use crate::model::{ProblemKind, Record, Role, Step, StepKind, Stored, Timestamp};

/// What a compaction keeps of the steps before it.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    /// Steps whose message has the id that the compaction names.
    pub(crate) keys: HashSet<i64>,
    /// The position that it names instead.
    pub(crate) position: Option<usize>,
}

/// A conversation to be exported, and what is known of it.
#[derive(Debug)]
pub(crate) struct Transcript<'a> {
    pub(crate) session_id: Option<&'a str>,
    pub(crate) work_dir: Option<&'a str>,
    pub(crate) exported_at: Timestamp,
    /// Tokens of the context, in digits, where the format counts them.
    pub(crate) token_count: Option<&'a str>,
    /// Each as JSON.
    pub(crate) messages: &'a [String],
}

/// What a tree shows of an entry.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) role: String,
    /// One line; of a tool's result, what stands there when its call is nowhere.
    pub(crate) text: String,
    /// Whether it calls tools and says nothing.
    pub(crate) only_calls: bool,
    /// Ids and labels of the tools that it calls.
    pub(crate) calls: Vec<(String, String)>,
    /// Of a tool's result: the call that it answers.
    pub(crate) call_id: Option<String>,
}

/// A model that a line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NamedModel {
    /// It answered in this line.
    Answered(String),
    /// It answers from this line on, on its branch.
    Chosen(String),
}

/// The models of a path, line by line, root first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Answering {
    chosen: Option<String>,
}

impl Answering {
    /// The model that answered in the next line of the path; `None` where nobody
    /// answers in it, or no line says who.
    pub(crate) fn next(&mut self, named: Option<NamedModel>, role: Option<&str>) -> Option<String> {
        match named {
            Some(NamedModel::Answered(model)) => return Some(model),
            Some(NamedModel::Chosen(model)) => self.chosen = Some(model),
            None => {}
        }
        self.chosen.clone().filter(|_| role == Some("assistant"))
    }
}

/// A part of what a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Text, of any number of lines.
    Text(String),
    /// What the model thought before it spoke.
    Thinking(String),
    /// A tool that is called.
    ToolCall(ToolCall),
    /// What a tool answered.
    ToolResult {
        /// The [id](ToolCall::id) of the call; empty where it is not said.
        call_id: String,
        /// The text of the answer; empty where there is none.
        text: String,
    },
    /// A picture; each of its fields may be empty.
    Image {
        /// Its type, such as `image/png`, as the message says it.
        mime: String,
        /// The file that it was read from, or where it lies.
        path: String,
        /// Its bytes in base64, where the message holds them; nothing has checked them.
        data: String,
    },
    /// A part of another type.
    Other(String),
}

/// A tool that a message calls.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToolCall {
    /// Which the answer names; empty where the call has none.
    pub id: String,
    /// The tool, as the message names it.
    pub name: String,
    /// What the tool is given, as JSON: mostly an object. Arguments that stand
    /// in the message as a text of JSON are that JSON.
    pub arguments: String,
    /// The call on one line, cut, as in `[read: path]`.
    pub label: String,
}

impl ToolCall {
    /// Reads a call that has a name and arguments, or whose `function` has.
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
                // Cut short by the model, say.
                Err(_) => json::spelt(&spelt),
            },
        };
        Self { id: text(call.get("id")), name: text(function.get("name")), arguments, label }
    }

    /// A call of which only this is asked for.
    pub(crate) fn named(id: String, name: String) -> Self {
        Self { id, name, arguments: String::new(), label: String::new() }
    }

    /// The arguments; null where they are nested deeper than `serde_json` reads.
    pub fn arguments_value(&self) -> serde_json::Value {
        serde_json::from_str(&self.arguments).unwrap_or_default()
    }
}

impl Part {
    /// The text of what is said or answered; `None` for thoughts, calls and pictures.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::ToolResult { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The picture at an address, which may be the picture itself.
    pub(crate) fn image_at(url: String) -> Self {
        let Some(rest) = url.strip_prefix("data:") else {
            return Self::Image { mime: String::new(), path: url, data: String::new() };
        };
        let (head, data) = rest.split_once(',').unwrap_or((rest, ""));
        let mime = head.split_once(';').map_or(head, |(mime, _)| mime).to_owned();
        let data = if head.ends_with(";base64") { data.to_owned() } else { String::new() };
        Self::Image { mime, path: String::new(), data }
    }

    /// The parts of a message that answers a call: its texts are one result.
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
/// Nothing here fails: what cannot be understood is a problem of its record.
pub(crate) trait Meaning: Sync {
    /// What a line means in a session whose log is one file.
    fn parse(&self, line: &[u8]) -> Record;

    /// What cannot be understood of a line in the log of this path.
    fn line_problems(&self, _path: &[u8], line: &[u8]) -> Vec<(ProblemKind, String)> {
        self.parse(line).problems
    }

    /// Whether entries follow one another in file order unless they say otherwise.
    fn is_linear(&self, _version: Option<&Stored>) -> bool {
        false
    }

    /// Whether entries of this version stand as the program writes them today.
    fn is_current(&self, _version: Option<&Stored>) -> bool {
        true
    }

    /// What a message's role means.
    fn role(&self, role: Option<&str>) -> Role {
        match role {
            Some("user") => Role::Prompt,
            Some("assistant" | "tool") => Role::Counted,
            Some("system") => Role::System,
            _ => Role::Other,
        }
    }

    /// The steps of a path, root first, that the restored conversation consists
    /// of. `kept` says of each compaction that replaces something what it keeps.
    fn restore(&self, path: &[Step], _kept: &[(i64, Option<Kept>)]) -> Vec<Step> {
        path.iter().filter(|step| step.kind == StepKind::Message).copied().collect()
    }

    /// The position a compaction names when it names no id.
    fn kept_position(&self, _first_kept: &Stored) -> Option<usize> {
        None
    }

    /// The messages that the line of an entry adds, as JSON, changed by the line
    /// of an edit; `instead` stands for what JSON readers choke on.
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

    /// What a list shows of the first prompt.
    fn first_message(&self, line: &[u8]) -> Stored {
        Stored::Text(self.preview(line))
    }

    /// The first characters of an entry's message on one line.
    fn preview(&self, line: &[u8]) -> String;

    /// What the user said in an entry's message, whole, without white space around it.
    fn full_text(&self, line: &[u8]) -> String;

    /// What a tree shows of the entry in this line.
    fn shown(&self, line: &[u8]) -> Shown {
        Shown { text: self.preview(line), ..Shown::default() }
    }

    /// The model that a line names.
    fn model(&self, _line: &[u8]) -> Option<NamedModel> {
        None
    }

    /// Who speaks in a message, and what it says.
    fn parts(&self, message: &str) -> (String, Vec<Part>);

    /// Whether all that an entry of this role says is what a tool answered: then a
    /// search of anything else passes its line over. Half of a log can be such lines.
    fn is_answer(&self, _role: Option<&str>) -> bool {
        false
    }

    /// What the messages say that the line of an entry adds. Without tools, what
    /// they are given and what they answer may be left empty. A search reads every
    /// line by this, so a format reads the message where it stands.
    fn said(&self, line: &[u8], _tools: bool) -> Vec<Part> {
        let messages = self.messages(None, line, None, "null");
        messages.iter().flat_map(|message| self.parts(message).1).collect()
    }

    /// A conversation as Markdown, as the program exports it where it does.
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
