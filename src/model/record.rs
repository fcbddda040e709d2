//! What the layers pass to one another: records that were read, and drafts of
//! records to be written.
//!
//! A [`Record`] connects the layers: a format makes one of each line, and the fold
//! turns it into rows, without either knowing the other.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

use super::{ProblemKind, Stored, Timestamp};

/// What a line means.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// The record's own time.
    pub(crate) at: Option<Timestamp>,
    /// The time that counts as activity of the session.
    pub(crate) activity_at: Option<Timestamp>,
    /// What it counts as in formats whose lists count the whole file.
    pub(crate) in_file: InFile,
    pub(crate) usage: Option<Usage>,
    /// Whether it shows that the program wrote the file, so that a header may be made
    /// from the file's name.
    pub(crate) vouches: bool,
    /// The entry that it adds.
    pub(crate) entry: Option<NewEntry>,
    /// What it changes outside the tree.
    pub(crate) change: Option<Change>,
    pub(crate) problems: Vec<(ProblemKind, String)>,
    /// Its bytes in its line, unless it is the whole line.
    pub(crate) span: Option<Span>,
    /// Further records of the same line, in order.
    pub(crate) more: Vec<Record>,
    /// What its format needs of it to fold the session as a whole.
    pub(crate) own: Option<Arc<dyn Any + Send + Sync>>,
}

/// A range of bytes in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: u32,
    pub(crate) length: u32,
}

/// The position of a record: its line, and its bytes in that line unless it is the
/// whole line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RecordPlace {
    pub(crate) line_key: i64,
    pub(crate) span: Option<Span>,
}

impl RecordPlace {
    /// The record's bytes, given its line.
    pub(crate) fn of(self, line: &[u8]) -> &[u8] {
        self.span.map_or(line, |span| span.of(line))
    }
}

impl Span {
    pub(crate) fn new(range: &Range<usize>) -> Option<Self> {
        let start = u32::try_from(range.start).ok()?;
        let length = u32::try_from(range.len()).ok().filter(|length| *length <= i32::MAX as u32)?;
        Some(Self { start, length })
    }

    /// The bytes of this range, or those that exist if the line is shorter.
    pub(crate) fn of(self, line: &[u8]) -> &[u8] {
        let start = (self.start as usize).min(line.len());
        let end = start.saturating_add(self.length as usize).min(line.len());
        &line[start..end]
    }
}

/// What a record counts as in a list that counts the whole file, not a branch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InFile {
    pub(crate) is_message: bool,
    /// Whether it is a user's prompt.
    pub(crate) is_prompt: bool,
}

/// Tokens and cost, as far as they are reported.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// The provider; `None` for a sum, or if it is not reported.
    pub provider: Option<String>,
    /// The model; `None` for a sum, or if it is not reported.
    pub model: Option<String>,
    /// Input tokens that did not come from a cache.
    pub input: Option<i64>,
    /// Output tokens.
    pub output: Option<i64>,
    /// Input tokens read from a cache.
    pub cache_read: Option<i64>,
    /// Input tokens written into a cache.
    pub cache_write: Option<i64>,
    /// The total, as reported.
    pub total_tokens: Option<i64>,
    /// In the currency that the program uses.
    pub cost: Option<f64>,
}

impl Record {
    /// The bytes of its texts, without those of problems.
    pub(crate) fn weight(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        let entry = self.entry.as_ref().map_or(0, |entry| {
            let parent = if let Parent::Id(id) = &entry.parent { id.len() } else { 0 };
            text(&entry.id)
                + parent
                + text(&entry.role)
                + entry.entry_type.len()
                + entry.runtime.as_ref().map_or(0, Runtime::weight)
                + weight(entry.message_id.as_ref())
                + weight(entry.first_kept.as_ref())
        });
        let change = match &self.change {
            None | Some(Change::MemoryState) => 0,
            Some(Change::Header(header)) => {
                let unknown = header.unknown.iter().map(|(key, value)| key.len() + value.len());
                text(&header.session_id)
                    + weight(header.version.as_ref())
                    + text(&header.work_dir)
                    + text(&header.parent_session_id)
                    + weight(header.parent_session_path.as_ref())
                    + header.runtime.weight()
                    + unknown.sum::<usize>()
            }
            Some(Change::Leaf(target)) => text(target),
            Some(Change::Label { target_id, label, labelled_at }) => {
                target_id.len() + weight(label.as_ref()) + weight(labelled_at.as_ref())
            }
            Some(Change::Info { name, runtime }) => weight(name.as_ref()) + runtime.weight(),
            Some(Change::SystemPrompt { hash, reason }) => weight(hash.as_ref()) + text(reason),
            Some(Change::ToolExecution { tool_call_id, tool_name, .. }) => {
                text(tool_call_id) + text(tool_name)
            }
        };
        entry + change
    }
}

fn weight(value: Option<&Stored>) -> usize {
    match value {
        Some(Stored::Text(text) | Stored::Json(text)) => text.len(),
        None => 0,
    }
}

/// An entry before it has its place in the tree.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry {
    /// Empty only in files of pi.
    pub(crate) id: Option<String>,
    pub(crate) parent: Parent,
    pub(crate) entry_type: Cow<'static, str>,
    pub(crate) role: Option<String>,
    /// The message's id, if it is not the text of `id`.
    pub(crate) message_id: Option<Stored>,
    /// For a compaction: the entry of the path that it keeps from.
    pub(crate) first_kept: Option<Stored>,
    /// The same by position, in sessions whose entries form a chain: 0 is the first.
    pub(crate) kept_position: Option<usize>,
    /// Settings in effect from here on, on this branch.
    pub(crate) runtime: Option<Runtime>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// The record does not say.
    Unsaid,
    /// The record says that there is none.
    None,
    Id(String),
}

/// What a record changes outside the tree.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Header(Box<HeaderRecord>),
    Leaf(Option<String>),
    Label {
        target_id: String,
        /// `None` clears the label.
        label: Option<Stored>,
        labelled_at: Option<Stored>,
    },
    /// The name as the record has it, and its runtime settings.
    Info {
        name: Option<Stored>,
        runtime: Runtime,
    },
    SystemPrompt {
        hash: Option<Stored>,
        reason: Option<String>,
    },
    ToolExecution {
        tool_call_id: Option<String>,
        tool_name: Option<String>,
        is_error: bool,
    },
    MemoryState,
}

/// Settings that a record sets (`Some(Some)`), clears (`Some(None)`) or leaves
/// unchanged (`None`).
#[derive(Clone, Debug, Default)]
pub(crate) struct Runtime {
    pub(crate) provider: Option<Option<Stored>>,
    pub(crate) model: Option<Option<Stored>>,
    pub(crate) reasoning_effort: Option<Option<Stored>>,
}

impl Runtime {
    fn weight(&self) -> usize {
        let settings = [&self.provider, &self.model, &self.reasoning_effort];
        settings.into_iter().map(|setting| weight(setting.as_ref().and_then(Option::as_ref))).sum()
    }
}

#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderRecord {
    /// `None` if it is empty, which makes the header unusable.
    pub(crate) session_id: Option<String>,
    pub(crate) version: Option<Stored>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) work_dir: Option<String>,
    pub(crate) parent_session_id: Option<String>,
    pub(crate) parent_session_path: Option<Stored>,
    pub(crate) runtime: Runtime,
    /// Keys that the format does not know, with their JSON.
    pub(crate) unknown: Vec<(String, String)>,
}

/// An entry of a path, as the rules of restoring see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) key: i64,
    pub(crate) kind: StepKind,
    pub(crate) role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StepKind {
    /// Adds its message.
    Message,
    /// Replaces what is before it.
    Compaction,
    /// Changes the message of another entry.
    Edit,
    /// Adds nothing.
    Silent,
}

/// How messages of a role are counted and compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Counts as a message and may be the first prompt.
    Prompt,
    /// Counts as a message, may be the first prompt, and starts the part in which a
    /// later compaction counts messages.
    CompactionSummary,
    /// Counts as a message.
    Counted,
    System,
    Other,
}

/// A record to be written, before its format spells it.
#[derive(Debug)]
pub(crate) enum Draft<'a> {
    Header {
        session_id: &'a str,
        cwd: &'a str,
        runtime: RuntimeUpdate<'a>,
        parent_id: Option<&'a str>,
        parent_path: Option<&'a str>,
    },
    /// A message or compaction; `message` is a JSON object that includes its id.
    Entry {
        entry_type: &'static str,
        id: &'a str,
        parent_id: Option<&'a str>,
        message: &'a str,
    },
    /// An entry with its own keys, in order: a JSON object.
    Fields {
        entry_type: &'a str,
        id: &'a str,
        parent_id: Option<&'a str>,
        fields: &'a str,
    },
    BranchSummary {
        id: &'a str,
        parent_id: Option<&'a str>,
        from_id: Option<&'a str>,
        summary: Option<&'a str>,
        /// JSON.
        details: &'a str,
    },
    Leaf(Option<&'a str>),
    Label {
        id: &'a str,
        target_id: &'a str,
        label: Option<&'a str>,
    },
    Name(Option<&'a str>),
    Runtime {
        /// JSON.
        name: Option<&'a str>,
        runtime: RuntimeUpdate<'a>,
    },
    Memory {
        /// JSON.
        memories: &'a str,
        /// JSON.
        last_retrieval: &'a str,
    },
    SystemPrompt {
        reason: &'a str,
        hash: &'a str,
        content: &'a str,
    },
    ToolExecution {
        /// JSON.
        tool_call: &'a str,
        content: &'a str,
    },
}

/// The model settings of a session; empty ones are not recorded.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuntimeUpdate<'a> {
    /// The provider.
    pub provider: Option<&'a str>,
    /// The model.
    pub model: Option<&'a str>,
    /// The reasoning effort.
    pub reasoning_effort: Option<&'a str>,
}
