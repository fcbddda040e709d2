//! Plain data: what a line means, what a session and an entry are.
//!
//! A [`Record`] is the meeting point of the layers: a format makes one of each
//! line, and the fold turns it into rows, without either knowing the other.

use std::borrow::Cow;
use std::fmt;

/// A point in time: nanoseconds since the Unix epoch, UTC.
///
/// Times beyond what 64 bits hold (before 1677, after 2262) stand at that end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with three decimals or as many more as are needed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = chrono::DateTime::from_timestamp_nanos(self.0);
        let format = if self.0 % 1_000_000 == 0 {
            chrono::SecondsFormat::Millis
        } else if self.0 % 1_000 == 0 {
            chrono::SecondsFormat::Micros
        } else {
            chrono::SecondsFormat::Nanos
        };
        f.write_str(&time.to_rfc3339_opts(format, true))
    }
}

/// The program that a session was written by, and whose rules it follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Kward, versions 1 and 2.
    Kward,
    /// Kimi CLI, to 1.52.
    Kimi,
    /// pi, versions 1 to 3.
    Pi,
}

impl Format {
    /// Its name, as the command line and the database spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kward => "kward",
            Self::Kimi => "kimi",
            Self::Pi => "pi",
        }
    }

    /// The format of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Kward, Self::Kimi, Self::Pi].into_iter().find(|format| format.name() == name)
    }
}

/// A session of one store, by its place in the database.
///
/// It stays the same while the database lives, also when the session's file is
/// imported again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub(crate) i64);

/// A value as a file holds it, of whatever JSON type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stored {
    /// A string.
    Text(String),
    /// Any other value, or a string that no text can hold (half a surrogate pair): its JSON.
    Json(String),
}

impl Stored {
    /// The value as JSON.
    pub fn to_json(&self) -> String {
        match self {
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Self::Json(json) => json.clone(),
        }
    }

    /// A string as text, where half surrogate pairs stand as U+FFFD; of another value, its JSON.
    pub fn to_text(&self) -> String {
        let json = match self {
            Self::Text(text) => return text.clone(),
            Self::Json(json) if json.starts_with('"') => json,
            Self::Json(json) => return json.clone(),
        };
        // Of a string that is kept as JSON, only what no text can hold is escaped so.
        let mut whole = String::with_capacity(json.len());
        let mut rest = json.as_str();
        while let Some(at) = rest.find('\\') {
            let (before, escape) = rest.split_at(at);
            whole.push_str(before);
            let is_half = escape.len() > 5 && escape[1..].starts_with("ud");
            whole.push_str(if is_half { "\u{FFFD}" } else { &escape[..2] });
            rest = &escape[if is_half { 6 } else { 2 }..];
        }
        whole.push_str(rest);
        serde_json::from_str(&whole).unwrap_or(whole)
    }
}

impl SessionInfo {
    /// The title as JSON: a string, in which half surrogate pairs are escapes, or `null`.
    pub fn title_json(&self) -> String {
        self.exact_title.as_ref().map_or("null".to_owned(), Stored::to_json)
    }
}

/// What is known of a session without reading any of its lines.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Names the session in calls to the store.
    pub key: SessionKey,
    /// The program whose session it is.
    pub format: Format,
    /// The imported root, in the bytes of the file system.
    pub root: Vec<u8>,
    /// The session's file, or its folder, below the root, separated by `/`.
    pub file: Vec<u8>,
    /// The id in its header; `None` without a usable header.
    pub session_id: Option<String>,
    /// Where the header came from.
    pub header: Header,
    /// Version in the header.
    pub version: Option<Stored>,
    /// The directory that the session worked in.
    pub work_dir: Option<String>,
    /// The name if it is not blank, else the first message, else `None`.
    ///
    /// Half surrogate pairs stand as U+FFFD; see [`title_json`](Self::title_json).
    pub title: Option<String>,
    pub(crate) exact_title: Option<Stored>,
    /// The name that a user gave it.
    pub name: Option<Stored>,
    /// The provider last used.
    pub provider: Option<Stored>,
    /// The model last used.
    pub model: Option<Stored>,
    /// The reasoning effort last used.
    pub reasoning_effort: Option<Stored>,
    /// The session that this one was cloned or forked from.
    pub parent_session_id: Option<String>,
    /// The file of that session, when this one was made.
    pub parent_session_path: Option<Stored>,
    /// The active entry. It may name none.
    pub leaf: Option<String>,
    /// When the session began: its header's time, else its file's mtime.
    pub created_at: Timestamp,
    /// Its last activity, else its file's mtime.
    pub modified_at: Timestamp,
    /// Preview of the first prompt on the active branch; empty when there is none.
    pub first_message: String,
    pub(crate) exact_first_message: Stored,
    /// Messages of the conversation on the active branch.
    pub message_count: u64,
    /// Entries in the file, on whatever branch.
    pub entry_count: u64,
    /// When it was archived; `None` when it is not.
    pub archived_at: Option<Timestamp>,
    /// When it was put into the trash; `None` when it is not there.
    pub trashed_at: Option<Timestamp>,
}

/// Where a session's header came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Header {
    /// The file has none, and nothing to make one from.
    Missing,
    /// The file has one without an id, and nothing to make a better one from.
    Unusable,
    /// Made from the name of the file, as the original program does.
    Recovered,
    /// It stands in the file.
    Stored,
}

impl Header {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Unusable => "unusable",
            Self::Recovered => "recovered",
            Self::Stored => "stored",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::Missing, Self::Unusable, Self::Recovered, Self::Stored]
            .into_iter()
            .find(|header| header.name() == name)
    }
}

/// A node of a session's tree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// Its id, unique in the session.
    pub id: String,
    /// The entry it follows; `None` for a root, and for an orphan whose parent is nowhere.
    pub parent_id: Option<String>,
    /// Such as `message` or `compaction`.
    pub entry_type: String,
    /// Who speaks; `None` when the entry adds nothing to the conversation.
    pub role: Option<String>,
    /// The record's own time.
    pub created_at: Option<Timestamp>,
    /// The label it carries.
    pub label: Option<String>,
    /// Place of its line in the file, from 1.
    pub line: u32,
    pub(crate) key: i64,
}

/// Something that the user asked, as Kimi counts: from its prompt to the next one's.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// From 0.
    pub index: u32,
    /// The text of the prompt; half surrogate pairs stand as U+FFFD.
    pub text: String,
    pub(crate) exact_text: Stored,
    /// When it began.
    pub created_at: Option<Timestamp>,
}

/// A label, and when it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    /// The id that is labelled. An entry of this id need not exist.
    pub target_id: String,
    /// The text.
    pub label: String,
    /// The time in the record that set it, as stored.
    pub labelled_at: Option<Stored>,
}

/// A message of the restored conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The entry that it stands in.
    pub entry_id: String,
    /// The message object, as JSON that every common reader takes.
    pub json: String,
}

/// Something that could not be understood, or that the original would not read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Below the root, separated by `/`.
    pub file: Vec<u8>,
    /// From 1; `None` when the file as a whole is meant.
    pub line: Option<u32>,
    /// What kind of problem.
    pub kind: ProblemKind,
    /// The reason, for a person.
    pub detail: String,
}

macro_rules! problem_kinds {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*) => {
        /// Kinds of [`Problem`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum ProblemKind {
            $($(#[doc = $doc])* $variant,)*
        }

        impl ProblemKind {
            /// Its name in reports and in the database.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            pub(crate) fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

problem_kinds! {
    /// A line that is no JSON; a torn one, say, or two in one.
    Malformed = "malformed",
    /// A line of JSON that is no record.
    NotARecord = "not-a-record",
    /// A record that the original skips or chokes on, understood here.
    Unreadable = "unreadable-by-original",
    /// Bytes that are no UTF-8 in a record's text.
    InvalidUtf8 = "invalid-utf8",
    /// A number no common reader takes.
    Number = "number",
    /// A record of a type that its program never wrote.
    UnknownType = "unknown-type",
    /// No usable header.
    Header = "header",
    /// An entry without an id.
    MissingId = "missing-id",
    /// An id that an earlier entry of the session has.
    DuplicateId = "duplicate-id",
    /// An entry whose parent is nowhere in the session.
    Orphan = "orphan",
    /// An entry that is its own ancestor.
    Cycle = "cycle",
    /// A time beyond what the store can hold.
    Time = "time",
    /// A session that went on both at its root and here; both are kept.
    Diverged = "diverged",
    /// A symbolic link, kept as one and not followed.
    Link = "link",
    /// A file that could not be read.
    UnreadableFile = "unreadable-file",
    /// A pipe, socket or device, never opened.
    SpecialFile = "special-file",
    /// A file that changed each time it was read.
    Changing = "changing",
    /// A line too long for the database, whose file is kept as a document; or an
    /// id, name or setting too long for its tables, whose line is kept as it is.
    TooLong = "too-long",
}

/// What a line means.
#[derive(Clone, Debug, Default)]
pub(crate) struct Record {
    /// The record's own time.
    pub(crate) at: Option<Timestamp>,
    /// The time in it that counts as the session's activity.
    pub(crate) activity_at: Option<Timestamp>,
    /// What it is to a list that goes by the whole file.
    pub(crate) in_file: InFile,
    pub(crate) usage: Option<Usage>,
    /// Whether a header may be made from the file's name where it occurs.
    pub(crate) vouches: bool,
    /// The tree node it adds.
    pub(crate) entry: Option<NewEntry>,
    /// What else it changes.
    pub(crate) change: Option<Change>,
    pub(crate) problems: Vec<(ProblemKind, String)>,
}

/// What a record is to a list that goes by the whole file, not by a branch.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct InFile {
    pub(crate) is_message: bool,
    /// Whether a user says something in it.
    pub(crate) is_prompt: bool,
}

/// Tokens and cost, as far as they are reported.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Usage {
    /// The provider; `None` for a sum, or where it is not said.
    pub provider: Option<String>,
    /// The model; `None` as above.
    pub model: Option<String>,
    /// Tokens read anew.
    pub input: Option<i64>,
    /// Tokens written.
    pub output: Option<i64>,
    /// Tokens read from a cache.
    pub cache_read: Option<i64>,
    /// Tokens written into a cache.
    pub cache_write: Option<i64>,
    /// All of them, as reported.
    pub total_tokens: Option<i64>,
    /// In the currency that the program reckons in.
    pub cost: Option<f64>,
}

impl Record {
    /// Bytes of its texts, beside those of problems.
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
                target_id.len() + text(label) + weight(labelled_at.as_ref())
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

/// A tree node before it has its place.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry {
    /// `None` or not empty.
    pub(crate) id: Option<String>,
    pub(crate) parent: Parent,
    pub(crate) entry_type: Cow<'static, str>,
    pub(crate) role: Option<String>,
    /// The message's id where it is not the text of `id`.
    pub(crate) message_id: Option<Stored>,
    /// Of a compaction: what it keeps of the path above.
    pub(crate) first_kept: Option<Stored>,
    /// Settings that hold from here on, on this branch.
    pub(crate) runtime: Option<Runtime>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Parent {
    /// The record does not say.
    Unsaid,
    /// It says that there is none.
    None,
    Id(String),
}

/// What a record changes beside the tree.
#[derive(Clone, Debug)]
pub(crate) enum Change {
    Header(Box<HeaderRecord>),
    Leaf(Option<String>),
    Label {
        target_id: String,
        /// `None` clears it.
        label: Option<String>,
        labelled_at: Option<Stored>,
    },
    /// The name as the record has it, and the runtime settings it carries.
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

/// Settings that a record sets (`Some(Some)`), clears (`Some(None)`) or leaves (`None`).
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
    /// `None` when it is empty: the header is unusable.
    pub(crate) session_id: Option<String>,
    pub(crate) version: Option<Stored>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) work_dir: Option<String>,
    pub(crate) parent_session_id: Option<String>,
    pub(crate) parent_session_path: Option<Stored>,
    pub(crate) runtime: Runtime,
    /// Keys that the format does not know, and their JSON.
    pub(crate) unknown: Vec<(String, String)>,
}

/// An entry of a path as the rules of restoring see it.
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
    /// Replaces what stands before it.
    Compaction,
    /// Changes the message of another entry.
    Edit,
    /// Adds nothing.
    Silent,
}

/// What a role means for counting and compaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Counts as a message and may be the first prompt.
    Prompt,
    /// Counts as a message, may be the first prompt, and starts the part that a later compaction numbers.
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
        runtime: DraftRuntime<'a>,
        parent_id: Option<&'a str>,
        parent_path: Option<&'a str>,
    },
    /// A message or compaction; `message` is a JSON object that holds its id already.
    Entry {
        entry_type: &'static str,
        id: &'a str,
        parent_id: Option<&'a str>,
        message: &'a str,
    },
    /// An entry by its own keys, in order: a JSON object.
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
        runtime: DraftRuntime<'a>,
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

/// Settings to be written; empty ones are left out.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct DraftRuntime<'a> {
    pub(crate) provider: Option<&'a str>,
    pub(crate) model: Option<&'a str>,
    pub(crate) reasoning_effort: Option<&'a str>,
}
