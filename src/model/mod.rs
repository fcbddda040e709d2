//! Plain data: what a line means, what a session and an entry are.
//!
//! What a user of the crate sees stands here; what the layers hand to one
//! another, in `record`.

mod compaction;
mod file;
mod json;
mod record;
mod serial;

use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

pub use compaction::Compaction;
pub use file::{FileKind, FileState};
pub use json::Json;
pub(crate) use json::canonical;
pub use record::Usage;
pub(crate) use record::{
    Change, Draft, DraftRuntime, HeaderRecord, NewEntry, Parent, Record, RecordPlace, Role,
    Runtime, Span, Step, StepKind,
};
pub(crate) use serial::{as_object, shown_path};

// The list of formats is plain data, too; it stands beside their folders, so
// that a new one is added in one place.
pub use crate::format::Format;

/// A path of these bytes, as the database holds it.
pub(crate) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// The bytes of a path. They order paths as the database does; `Path` compares names.
pub(crate) fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

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

/// A session of one store, by its place in the database.
///
/// It stays the same while the database lives, also when the session's file is
/// imported again. After a purge it names nothing, ever: a lookup finds `None`
/// or nothing, all else is [`SessionNotFound`](crate::Error::SessionNotFound).
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

impl fmt::Display for Stored {
    /// As [`to_text`](Self::to_text).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Json(_) => f.pad(&self.to_text()),
        }
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
    /// The imported root; empty for the store's own.
    pub root: PathBuf,
    /// The machine or person that it is of, as an [import](crate::ImportOptions::origin)
    /// or a [merge](crate::MergeOptions::origin) said; `None` when none did.
    pub origin: Option<String>,
    /// The session's file, or its folder, below the root.
    pub file: PathBuf,
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
    /// Messages of the conversation, as its program's own lists count them: those of
    /// the active branch, or, where its program does, of every branch.
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
    /// Number of its line in the file, from 1; several entries may share one.
    pub line: u32,
    pub(crate) place: RecordPlace,
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

/// Something that an application says of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// What it is called.
    pub key: String,
    /// The value as JSON, compact.
    pub json: String,
}

impl Metadata {
    /// The value; null where it is nested deeper than `serde_json` reads.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.json).unwrap_or_default()
    }
}

/// A label, and when it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    /// The id that is labelled. An entry of this id need not exist.
    pub target_id: String,
    /// The text.
    pub label: String,
    /// The same as stored.
    pub(crate) exact_label: Stored,
    /// The time in the record that set it, as stored.
    pub labelled_at: Option<Stored>,
}

/// A message of the restored conversation: as [JSON](Self::json) or a
/// [value](Self::value), or what it says ([`role`](Self::role), [`text`](Self::text),
/// [`parts`](Self::parts)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The entry that it stands in.
    pub entry_id: String,
    pub(crate) json: String,
    pub(crate) format: Format,
}

/// Something that could not be understood, or that the original would not read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The id of the session that it is of; `None` where that has none, or where
    /// it belongs to no session.
    pub session_id: Option<String>,
    /// Below the root.
    pub file: PathBuf,
    /// From 1; `None` when the file as a whole is meant.
    pub line: Option<u32>,
    /// What kind of problem.
    pub kind: ProblemKind,
    /// The reason, for a person.
    pub detail: String,
}

/// An enum whose variants have names, in reports and in the database.
macro_rules! named_enum {
    (
        $(#[$about:meta])*
        $visible:vis enum $enum:ident {
            $($(#[doc = $doc:literal])* $variant:ident = $name:literal,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        $visible enum $enum {
            $($(#[doc = $doc])* $variant,)*
        }

        impl $enum {
            /// Its name in reports and in the database.
            $visible fn name(self) -> &'static str {
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
pub(crate) use named_enum;

named_enum! {
    /// Kinds of [`Problem`].
    #[non_exhaustive]
    pub enum ProblemKind {
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
        /// A file that was changed in place at its root since it went on here; both are kept.
        Diverged = "diverged",
        /// Lines that were lost at the root of their session, and are kept as an earlier generation.
        Overwritten = "overwritten",
        /// A log that is no longer at its root, and is kept.
        Vanished = "vanished",
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
        /// Lines of a file, or what was known of it, that were lost when a database was damaged.
        Lost = "lost",
    }
}
