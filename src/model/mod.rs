//! Plain data: what users of the crate see of sessions, entries and problems.
//!
//! The data that the layers pass to one another is in `record`.

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
pub(crate) use record::{
    Change, Draft, HeaderRecord, NewEntry, Parent, Record, RecordPlace, Role, Runtime, Span, Step,
    StepKind,
};
pub use record::{RuntimeUpdate, Usage};
pub(crate) use serial::{as_object, shown_path};

// The list of formats is plain data, too, but is beside their folders, so that a
// format is added in one place.
pub use crate::format::Format;

/// A path from the bytes in the database.
pub(crate) fn path_of(bytes: Vec<u8>) -> PathBuf {
    PathBuf::from(OsString::from_vec(bytes))
}

/// The bytes of a path. They sort as in the database; `Path` compares component by
/// component.
pub(crate) fn bytes_of(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// A point in time: nanoseconds since the Unix epoch, UTC.
///
/// Times that do not fit into 64 bits (before 1677, after 2262) are clamped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC, with three decimals, or more if they are needed.
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

/// Identifies a session in one store.
///
/// It stays the same for the lifetime of the database, even if the session's file is
/// imported again, and is never reused. After a purge, lookups return `None` or
/// nothing for it, and everything else is
/// [`SessionNotFound`](crate::Error::SessionNotFound).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub(crate) i64);

/// A value as a file holds it, of any JSON type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stored {
    /// A string.
    Text(String),
    /// The JSON of any other value, or of a string with a lone surrogate, which a
    /// Rust string cannot hold.
    Json(String),
}

impl Stored {
    /// Returns the value as JSON.
    pub fn to_json(&self) -> String {
        match self {
            Self::Text(text) => serde_json::Value::from(text.as_str()).to_string(),
            Self::Json(json) => json.clone(),
        }
    }

    /// Returns the text of a string, with lone surrogates replaced by U+FFFD; for any
    /// other value, its JSON.
    pub fn to_text(&self) -> String {
        let json = match self {
            Self::Text(text) => return text.clone(),
            Self::Json(json) if json.starts_with('"') => json,
            Self::Json(json) => return json.clone(),
        };
        // In a string that is kept as JSON, only lone surrogates are escaped.
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

    /// The number of bytes of the text or JSON.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Text(text) | Self::Json(text) => text.len(),
        }
    }

    /// The value if it has at most so many bytes, otherwise the beginning of its text.
    pub(crate) fn beginning(self, most: usize) -> Self {
        if self.len() <= most {
            return self;
        }
        let mut text = match self {
            Self::Text(text) => text,
            json => json.to_text(),
        };
        text.truncate(text.floor_char_boundary(most));
        Self::Text(text)
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
    /// Returns the title as a JSON string, in which lone surrogates are escapes, or
    /// `null`.
    pub fn title_json(&self) -> String {
        self.exact_title.as_ref().map_or("null".to_owned(), Stored::to_json)
    }
}

/// What is known of a session without reading any of its lines.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionInfo {
    /// Identifies the session in calls to the store.
    pub key: SessionKey,
    /// The format of the session's program.
    pub format: Format,
    /// The root that it was imported from; empty for the store's own.
    pub root: PathBuf,
    /// The machine or person that it comes from, as named by an
    /// [import](crate::ImportOptions::origin) or a
    /// [merge](crate::MergeOptions::origin); `None` if none was named.
    pub origin: Option<String>,
    /// The path of the session's file or folder, below the root.
    pub file: PathBuf,
    /// The id in its header; `None` without a usable header.
    pub session_id: Option<String>,
    /// Where the header came from.
    pub header: Header,
    /// The version in the header.
    pub version: Option<Stored>,
    /// The directory that the session worked in.
    pub work_dir: Option<String>,
    /// The name unless it is blank, else the beginning of the first message, else
    /// `None`. Of a longer one its first mebibyte.
    ///
    /// Lone surrogates are replaced by U+FFFD; see [`title_json`](Self::title_json).
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
    /// The file of that session at the time when this one was made.
    pub parent_session_path: Option<Stored>,
    /// The id of the active entry. There may be no entry with this id.
    pub leaf: Option<String>,
    /// When the session began: the header's time, else its file's modification time.
    pub created_at: Timestamp,
    /// When it was last active; without a time in its records, its file's
    /// modification time.
    pub modified_at: Timestamp,
    /// A preview of the first prompt on the active branch, of at most a mebibyte; empty
    /// if there is none.
    pub first_message: String,
    pub(crate) exact_first_message: Stored,
    /// The number of messages, counted as its program's own lists count: those of the
    /// active branch, or of every branch.
    pub message_count: u64,
    /// The number of entries, on all branches.
    pub entry_count: u64,
    /// When it was archived; `None` if it is not archived.
    pub archived_at: Option<Timestamp>,
    /// When it was moved to the trash; `None` if it is not there.
    pub trashed_at: Option<Timestamp>,
}

/// Where a session's header came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Header {
    /// The file has no header, and none could be made.
    Missing,
    /// The file has a header without an id, and no better one could be made.
    Unusable,
    /// Made from the name of the file, as the original program does.
    Recovered,
    /// Read from the file.
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
    /// The id of the entry it follows; `None` for a root, and for an orphan, whose
    /// parent does not exist.
    pub parent_id: Option<String>,
    /// For example `message` or `compaction`.
    pub entry_type: String,
    /// Who speaks; `None` if the entry adds nothing to the conversation.
    pub role: Option<String>,
    /// The record's own time.
    pub created_at: Option<Timestamp>,
    /// Its label.
    pub label: Option<String>,
    /// The number of its line in the file, from 1. Several entries may share a line.
    pub line: u32,
    pub(crate) place: RecordPlace,
}

/// A turn as the format counts them: a user's prompt and everything up to the next
/// one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Turn {
    /// The number of the turn. Kimi counts from 0, Codex from 1.
    pub index: u32,
    /// The text of the prompt, with lone surrogates replaced by U+FFFD.
    pub text: String,
    pub(crate) exact_text: Stored,
    /// When it began.
    pub created_at: Option<Timestamp>,
}

/// A value that an application keeps for a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Metadata {
    /// The key.
    pub key: String,
    /// The value as compact JSON.
    pub json: String,
}

impl Metadata {
    /// Returns the value; null if it is nested deeper than `serde_json` reads.
    pub fn value(&self) -> serde_json::Value {
        serde_json::from_str(&self.json).unwrap_or_default()
    }
}

/// A label, and when it was set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Label {
    /// The id of the labelled entry. There may be no entry with this id.
    pub target_id: String,
    /// The text.
    pub label: String,
    /// The label as stored.
    pub(crate) exact_label: Stored,
    /// The time in the record that set it, as stored.
    pub labelled_at: Option<Stored>,
}

/// A message of a restored conversation: as [JSON](Self::json) or a
/// [value](Self::value), and its content in a form common to all formats
/// ([`role`](Self::role), [`text`](Self::text), [`parts`](Self::parts)).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The id of its entry.
    pub entry_id: String,
    pub(crate) json: String,
    pub(crate) format: Format,
}

/// Something that could not be understood, or that the original program would not
/// read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The id of its session; `None` if the session has none, or the problem belongs
    /// to no session.
    pub session_id: Option<String>,
    /// The file's path below the root.
    pub file: PathBuf,
    /// The line number, from 1; `None` if the problem concerns the file as a whole.
    pub line: Option<u32>,
    /// What kind of problem.
    pub kind: ProblemKind,
    /// The reason, for a person.
    pub detail: String,
}

/// An enum whose variants have names in reports and in the database.
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
            /// The name in reports and in the database.
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
        /// A line that is not JSON, for example torn, or two lines fused.
        Malformed = "malformed",
        /// A line of JSON that is not a record.
        NotARecord = "not-a-record",
        /// A record that the original program skips or fails on, and that is
        /// understood here.
        Unreadable = "unreadable-by-original",
        /// Invalid UTF-8 in a record's text.
        InvalidUtf8 = "invalid-utf8",
        /// A number that common JSON readers cannot read.
        Number = "number",
        /// A record of a type that its program never wrote.
        UnknownType = "unknown-type",
        /// There is no usable header.
        Header = "header",
        /// An entry without an id.
        MissingId = "missing-id",
        /// An entry with the id of an earlier entry of the session.
        DuplicateId = "duplicate-id",
        /// An entry whose parent does not exist in the session.
        Orphan = "orphan",
        /// An entry that is its own ancestor.
        Cycle = "cycle",
        /// A time that the store cannot represent.
        Time = "time",
        /// A file that was changed in place at its root after it continued here. Both
        /// versions are kept.
        Diverged = "diverged",
        /// Lines that the root of their session has lost. They are kept as an earlier
        /// generation.
        Overwritten = "overwritten",
        /// A log that is no longer at its root. It is kept.
        Vanished = "vanished",
        /// A symbolic link, stored as a link and not followed.
        Link = "link",
        /// A file that could not be read.
        UnreadableFile = "unreadable-file",
        /// A pipe, socket or device, which is never opened.
        SpecialFile = "special-file",
        /// A file that changed each time it was read.
        Changing = "changing",
        /// A line that is too long for the database, whose file is kept as a
        /// document; or an id, name or setting that is too long for its table, whose
        /// line is kept.
        TooLong = "too-long",
        /// Lines of a file, or metadata about it, that were lost when a database was
        /// damaged.
        Lost = "lost",
    }
}
