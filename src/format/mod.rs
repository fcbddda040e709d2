//! What the original programs' files mean. Pure: bytes in, plain data out.
//!
//! A format is one module of four questions: which files below a root are its
//! logs, what a line means, which steps of a path the restored conversation
//! consists of, and what an entry's message looks like.

pub(crate) mod json;
pub(crate) mod kimi;
mod kward;
mod pi;
pub(crate) mod time;

use std::collections::HashSet;
use std::time::SystemTime;

pub(crate) use kward::stored_text;
pub(crate) use pi::written_name;

use crate::model::{
    Draft, Format, HeaderRecord, Message, ProblemKind, Record, Role, Step, Timestamp,
};

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

/// A part of what a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// Text, of any number of lines.
    Text(String),
    /// What the model thought before it spoke.
    Thinking(String),
    /// A tool that is called, as in `[read: path]`.
    ToolCall(String),
    /// A picture; either may be empty.
    Image {
        /// Its type, such as `image/png`.
        mime: String,
        /// The file that it was read from.
        path: String,
    },
    /// A part of another type.
    Other(String),
}

/// The folder of a working directory: its absolute path with `-` for each separator, between dashes.
fn safe_cwd(cwd: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in cwd.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            _ => names.push(name),
        }
    }
    format!("--{}--", names.join("/").replace(['/', '\\', ':'], "-"))
}

impl Message {
    /// Who speaks, and what the message says.
    pub fn parts(&self, format: Format) -> (String, Vec<Part>) {
        match format {
            Format::Kward => kward::parts(&self.json),
            Format::Kimi => kimi::parts(&self.json),
            Format::Pi => pi::parts(&self.json),
        }
    }
}

impl Timestamp {
    /// The system's clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Reads a time such as `2026-01-02T03:04:05.678Z`; one without a zone is UTC.
    pub fn parse(text: &str) -> Option<Self> {
        time::parse(text).map(|parsed| parsed.at)
    }
}

impl Format {
    /// Folders and files below a root that an import covers.
    pub(crate) fn covered(self) -> &'static [&'static str] {
        match self {
            Self::Kward => &["sessions"],
            Self::Kimi => &["kimi.json", "sessions", "imported_sessions"],
            Self::Pi => &["sessions"],
        }
    }

    /// Whether a file of this name is a log of sessions.
    pub(crate) fn is_log(self, path: &[u8]) -> bool {
        match self {
            Self::Kward => kward::is_log(path),
            Self::Kimi => kimi::layout::is_log(path),
            Self::Pi => pi::is_log(path),
        }
    }

    /// The file beside a work dir's sessions that names the last one used.
    pub(crate) fn pointer_file(self) -> Option<&'static str> {
        match self {
            Self::Kward => Some("last_session.json"),
            Self::Kimi => None,
            Self::Pi => None,
        }
    }

    /// The name of the file that such a pointer file names.
    pub(crate) fn pointed_file(self, content: &[u8]) -> Option<String> {
        match self {
            Self::Kward => kward::pointed_file(content),
            Self::Kimi => None,
            Self::Pi => None,
        }
    }

    /// Whether the name or the first line of a file shows that this format wrote it.
    pub(crate) fn recognises(self, path: &[u8], first_line: &[u8]) -> bool {
        match self {
            Self::Kward => kward::recognises(path, first_line),
            Self::Kimi => kimi::layout::recognises(path),
            Self::Pi => pi::recognises(path, first_line),
        }
    }

    /// Whether a session is a folder of files, which are folded together.
    pub(crate) fn has_folders(self) -> bool {
        match self {
            Self::Kward => false,
            Self::Kimi => true,
            Self::Pi => false,
        }
    }

    /// The path that a file may have had before its program renamed it.
    pub(crate) fn renamed_from(self, path: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Kward => None,
            Self::Kimi => kimi::layout::renamed_from(path),
            Self::Pi => None,
        }
    }

    /// Where the first line of some bytes ends, behind its terminator.
    pub(crate) fn line_end(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Kward | Self::Pi => memchr::memchr(b'\n', bytes).map(|end| end + 1),
            Self::Kimi => kimi::text::line_end(bytes),
        }
    }

    /// Where the last line ends that surely ends within some bytes.
    pub(crate) fn last_line_end(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Kward | Self::Pi => memchr::memrchr(b'\n', bytes).map(|end| end + 1),
            Self::Kimi => kimi::text::last_line_end(bytes),
        }
    }

    /// What a line of a session that is one file means. It never fails: what
    /// cannot be understood is a problem of the record.
    pub(crate) fn parse(self, line: &[u8]) -> Record {
        match self {
            Self::Kward => kward::parse(line),
            Self::Kimi => Record::default(),
            Self::Pi => pi::parse(line),
        }
    }

    /// What cannot be understood of a line in the log of this path.
    pub(crate) fn line_problems(self, path: &[u8], line: &[u8]) -> Vec<(ProblemKind, String)> {
        match self {
            Self::Kward => kward::parse(line).problems,
            Self::Kimi => kimi::line_problems(path, line),
            Self::Pi => pi::parse(line).problems,
        }
    }

    /// The header that the name of a file gives when it has none itself.
    pub(crate) fn header_from_name(self, path: &[u8]) -> Option<HeaderRecord> {
        match self {
            Self::Kward => kward::header_from_name(path),
            Self::Kimi => None,
            Self::Pi => None,
        }
    }

    /// Whether entries follow one another in file order unless they say otherwise.
    pub(crate) fn is_linear(self, version: Option<&crate::model::Stored>) -> bool {
        match self {
            Self::Kward => kward::is_linear(version),
            Self::Kimi => false,
            Self::Pi => pi::is_linear(version),
        }
    }

    /// What a message's role means.
    pub(crate) fn role(self, role: Option<&str>) -> Role {
        match self {
            Self::Kward => kward::role(role),
            Self::Kimi => kimi::role(role),
            Self::Pi => pi::role(role),
        }
    }

    /// The steps of a path, root first, that the restored conversation consists of.
    pub(crate) fn restore(self, path: &[Step], kept: &[(i64, Option<Kept>)]) -> Vec<Step> {
        match self {
            Self::Kward => kward::restore(path, kept),
            Self::Kimi => kimi::restore(path),
            Self::Pi => pi::restore(path, kept),
        }
    }

    /// The position a compaction names when it names no id, as in `message:3`.
    pub(crate) fn kept_position(self, first_kept: &crate::model::Stored) -> Option<usize> {
        match self {
            Self::Kward => kward::kept_position(&stored_text(first_kept)),
            Self::Kimi => None,
            Self::Pi => pi::kept_position(first_kept),
        }
    }

    /// The line of a record, spelt as the format's own program spells it;
    /// `None` for what it has no record for.
    pub(crate) fn serialise(self, draft: &Draft<'_>, at: Timestamp) -> Option<String> {
        match self {
            Self::Kward => kward::serialise(draft, at),
            Self::Kimi => None,
            Self::Pi => pi::serialise(draft, at),
        }
    }

    /// The line of an entry with its id and parent said; `None` for a line that is no record.
    pub(crate) fn identified(
        self,
        line: &[u8],
        id: &str,
        parent_id: Option<&str>,
    ) -> Option<String> {
        match self {
            Self::Kward => kward::identified(line, id, parent_id),
            Self::Kimi => None,
            Self::Pi => pi::identified(line, id, parent_id),
        }
    }

    /// The line of an entry with another parent, and with another entry that a
    /// compaction keeps from; `None` for a line that is no record.
    pub(crate) fn relinked(
        self,
        line: &[u8],
        parent_id: Option<&str>,
        first_kept: Option<&str>,
    ) -> Option<String> {
        match self {
            Self::Kward | Self::Kimi => None,
            Self::Pi => pi::relinked(line, parent_id, first_kept),
        }
    }

    /// Whether entries of this version stand as the format's program writes them today.
    pub(crate) fn is_current(self, version: Option<&crate::model::Stored>) -> bool {
        match self {
            Self::Kward | Self::Kimi => true,
            Self::Pi => pi::is_current(version),
        }
    }

    /// Where a session's file lies below its root.
    pub(crate) fn path_of(self, cwd: &str, session_id: &str, at: Timestamp) -> String {
        match self {
            Self::Kward => kward::path_of(cwd, session_id, at),
            Self::Kimi => String::new(),
            Self::Pi => pi::path_of(cwd, session_id, at),
        }
    }

    /// The messages that the line of an entry adds, as JSON, changed by the line
    /// of an edit; `instead` stands for what JSON readers choke on.
    pub(crate) fn messages(
        self,
        version: Option<&crate::model::Stored>,
        line: &[u8],
        edit: Option<&[u8]>,
        instead: &str,
    ) -> Vec<String> {
        match self {
            Self::Kward => kward::message(line, instead).into_iter().collect(),
            Self::Kimi => kimi::context::message(line, instead).into_iter().collect(),
            Self::Pi => pi::messages(version, line, edit, instead),
        }
    }

    /// The id of the entry that an edit changes.
    pub(crate) fn edit_target(self, line: &[u8]) -> Option<String> {
        match self {
            Self::Kward | Self::Kimi => None,
            Self::Pi => pi::edit_target(line),
        }
    }

    /// Whether a list goes by all lines of a file, and settings by the branch;
    /// else it is the other way round.
    pub(crate) fn lists_by_file(self) -> bool {
        match self {
            Self::Kward | Self::Kimi => false,
            Self::Pi => true,
        }
    }

    /// What a list shows of the first prompt.
    pub(crate) fn first_message(self, line: &[u8]) -> crate::model::Stored {
        match self {
            Self::Kward | Self::Kimi => crate::model::Stored::Text(self.preview(line)),
            Self::Pi => pi::first_message(line),
        }
    }

    /// The first characters of an entry's message on one line.
    pub(crate) fn preview(self, line: &[u8]) -> String {
        match self {
            Self::Kward => kward::preview(line),
            Self::Kimi => kimi::preview(line),
            Self::Pi => pi::preview(line),
        }
    }

    /// A conversation as Markdown, as the format's own program exports it where it does.
    pub(crate) fn markdown(self, transcript: &Transcript<'_>) -> String {
        match self {
            Self::Kward => kward::markdown(transcript.messages.iter().map(String::as_str)),
            Self::Kimi => kimi::markdown(transcript),
            Self::Pi => pi::markdown(transcript),
        }
    }

    /// What the user said in an entry's message, whole, without white space around it.
    pub(crate) fn full_text(self, line: &[u8]) -> String {
        match self {
            Self::Kward => kward::full_text(line),
            Self::Kimi => kimi::full_text(line),
            Self::Pi => pi::full_text(line),
        }
    }

    /// What a tree shows of the entry in this line.
    pub(crate) fn shown(self, line: &[u8]) -> Shown {
        match self {
            Self::Kward => kward::shown(line),
            Self::Kimi => kimi::shown(line),
            Self::Pi => pi::shown(line),
        }
    }
}
