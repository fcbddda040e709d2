//! The one error type.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use rusqlite::ErrorCode;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, sorted by what a caller can do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    // Name something else.
    /// No session goes by this name.
    SessionNotFound(String),
    /// Several sessions go by this name.
    AmbiguousSession {
        /// The name that was given.
        name: String,
        /// Each match, as its file.
        matches: Vec<String>,
    },
    /// The session has no entry with this id.
    EntryNotFound {
        /// The id that was given.
        entry_id: String,
    },
    /// The session has fewer turns.
    TurnNotFound {
        /// The turn that was asked for, from 0.
        turn: u32,
        /// How many there are.
        turns: u64,
    },
    /// The session's format has no such thing.
    Unsupported(&'static str),
    /// There is no folder at the path of a root.
    RootNotFound(PathBuf),
    /// The session has an entry of this id already.
    EntryExists {
        /// The id that was given.
        entry_id: String,
    },
    /// There is a session in this file already.
    SessionExists(String),
    /// What was to be written cannot be one valid line.
    InvalidRecord(String),
    /// Another writer has moved the leaf.
    LeafMoved {
        /// Where it was expected.
        expected: Option<String>,
        /// Where it is.
        found: Option<String>,
    },
    /// Nothing was imported from this root.
    SourceNotFound(PathBuf),
    /// The root shows no format's marks, or those of several.
    UnknownFormat(PathBuf),

    // Choose another target.
    /// The folder to write into holds something already.
    TargetNotEmpty(PathBuf),
    /// The file to write exists already.
    TargetExists(PathBuf),
    /// The database holds a file name that would lead out of the target.
    UnsafePath(PathBuf),

    // Make room.
    /// What is to be imported will not fit on the database's file system.
    DiskFull {
        /// Bytes that it would take, by estimate.
        needed: u64,
        /// Bytes that are free.
        available: u64,
        /// The database.
        path: PathBuf,
    },

    // Open another file, or open it otherwise.
    /// There is no database at this path, and the options say not to make one.
    DatabaseMissing(PathBuf),
    /// The path of the database is a folder.
    DatabaseIsFolder(PathBuf),
    /// What lies where the database or a companion of it is to be is no regular
    /// file, but a pipe, say, at which SQLite would wait.
    NotAFile(PathBuf),
    /// There is no database, but the journal of one: SQLite would write what it
    /// holds into a new one.
    JournalAlone(PathBuf),
    /// The file is no SQLite database.
    NotADatabase(PathBuf),
    /// The file is a SQLite database of some other program.
    ForeignDatabase(PathBuf),
    /// A newer release wrote this database; this one must not touch it.
    SchemaTooNew {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest that this release knows.
        known: u32,
    },
    /// An older release wrote this database, and it is opened for reading only.
    SchemaTooOld(PathBuf),
    /// The schema is not the one that this program makes: nothing in the
    /// database is believed. [`recover`](crate::recover()) reads what is left.
    SchemaDiffers {
        /// The database.
        path: PathBuf,
        /// The first object that differs, as in "table lines".
        object: String,
        /// How it differs, as in "is missing".
        difference: &'static str,
    },
    /// A change was interrupted before the database was in WAL mode, and it is
    /// opened for reading only: to undo the change is to write.
    ChangeInterrupted(PathBuf),
    /// SQLite cannot open the database.
    Unopenable {
        /// The database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },

    // Try again.
    /// Another process held the database for longer than the busy timeout, or
    /// other threads held every connection of the store.
    Busy,

    // Look into the machine.
    /// The file system refused.
    Io {
        /// What was attempted, as in "read".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The linked SQLite can corrupt a database in WAL mode.
    SqliteTooOld(&'static str),
    /// SQLite reported a failure.
    Sqlite(rusqlite::Error),
    /// The schema could not be created or brought up to date.
    Migration(refinery::Error),
    /// The database is open, and no further connection to it could be opened.
    Pool(r2d2::Error),
    /// The database holds what this program never wrote there, or SQLite cannot
    /// read it. [`check`](crate::Store::check) says more, and
    /// [`recover`](crate::recover()) reads what is left.
    Damaged(String),
}

macro_rules! kinds {
    ($self:expr; $($variant:ident)*) => {
        match $self {
            $(Error::$variant { .. } => stringify!($variant),)*
        }
    };
}

impl Error {
    /// The name of the variant, for callers who are told of it in text.
    pub fn kind(&self) -> &'static str {
        kinds!(self; SessionNotFound AmbiguousSession EntryNotFound EntryExists SessionExists
            InvalidRecord LeafMoved TurnNotFound Unsupported RootNotFound SourceNotFound UnknownFormat TargetNotEmpty
            TargetExists UnsafePath DiskFull DatabaseMissing DatabaseIsFolder NotAFile JournalAlone NotADatabase
            ForeignDatabase SchemaTooNew SchemaTooOld SchemaDiffers ChangeInterrupted Unopenable Busy Io SqliteTooOld Sqlite Migration Pool Damaged)
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionNotFound(_)
            | Self::AmbiguousSession { .. }
            | Self::EntryNotFound { .. }
            | Self::EntryExists { .. }
            | Self::SessionExists(_)
            | Self::InvalidRecord(_)
            | Self::LeafMoved { .. }
            | Self::TurnNotFound { .. }
            | Self::Unsupported(_) => self.fmt_of_sessions(f),
            Self::RootNotFound(_)
            | Self::SourceNotFound(_)
            | Self::UnknownFormat(_)
            | Self::TargetNotEmpty(_)
            | Self::TargetExists(_)
            | Self::UnsafePath(_)
            | Self::DiskFull { .. } => self.fmt_of_files(f),
            Self::DatabaseMissing(_)
            | Self::DatabaseIsFolder(_)
            | Self::NotAFile(_)
            | Self::JournalAlone(_)
            | Self::NotADatabase(_)
            | Self::ForeignDatabase(_)
            | Self::SchemaTooNew { .. }
            | Self::SchemaTooOld(_)
            | Self::SchemaDiffers { .. }
            | Self::ChangeInterrupted(_)
            | Self::Unopenable { .. } => self.fmt_of_opening(f),
            Self::Busy
            | Self::Io { .. }
            | Self::SqliteTooOld(_)
            | Self::Sqlite(_)
            | Self::Migration(_)
            | Self::Pool(_)
            | Self::Damaged(_) => self.fmt_of_machine(f),
        }
    }
}

/// What is shown of the variants, a part of the enum each: only `fmt` calls them.
impl Error {
    fn fmt_of_sessions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionNotFound(name) => write!(
                f,
                "no session is called {name:?}; name one by its id, the beginning of it, or its file"
            ),
            Self::AmbiguousSession { name, matches } => {
                write!(f, "several sessions are called {name:?}; name one by its file:")?;
                matches.iter().try_for_each(|file| write!(f, "\n  {}", Shown(file)))
            }
            Self::EntryNotFound { entry_id } => {
                write!(f, "the session has no entry {entry_id:?}; its tree shows those that it has")
            }
            Self::EntryExists { entry_id } => {
                write!(f, "the session has an entry {entry_id:?} already; give another id, or none")
            }
            Self::SessionExists(file) => {
                write!(f, "there is a session in {} already; give another id, or none", Shown(file))
            }
            Self::InvalidRecord(reason) => {
                write!(f, "this cannot be written: {}; nothing was", Shown(reason))
            }
            Self::LeafMoved { expected, found } => {
                let name = |leaf: &Option<String>| match leaf {
                    Some(leaf) => format!("{leaf:?}"),
                    None => "no entry".to_owned(),
                };
                write!(
                    f,
                    "another writer has moved the leaf from {} to {}; read on and append again",
                    name(expected),
                    name(found)
                )
            }
            Self::TurnNotFound { turn, turns: 0 } => {
                write!(f, "there is no turn {turn}: the session has none")
            }
            Self::TurnNotFound { turn, turns } => {
                write!(f, "there is no turn {turn}: the session has {turns}, and they count from 0")
            }
            Self::Unsupported(reason) => f.write_str(reason),
            _ => Ok(()),
        }
    }

    fn fmt_of_files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootNotFound(root) => {
                write!(f, "there is no folder {}; check the path", shown(root))
            }
            Self::SourceNotFound(root) => {
                write!(f, "nothing was imported from {}; import it first", shown(root))
            }
            Self::UnknownFormat(root) => write!(
                f,
                "cannot tell what wrote {}: it has no folder \"sessions\" with session files; \
                 check the path, or name the format",
                shown(root)
            ),
            Self::TargetNotEmpty(path) => write!(
                f,
                "{} is not an empty folder; name one that is empty or does not exist",
                shown(path)
            ),
            Self::TargetExists(path) => {
                write!(f, "{} exists and is not overwritten; name another file", shown(path))
            }
            Self::UnsafePath(path) => write!(
                f,
                "the database holds a file called {}, which leads out of the target folder; \
                 nothing was written there",
                shown(path)
            ),
            Self::DiskFull { needed, available, path } => write!(
                f,
                "about {needed} bytes are needed beside {}, and {available} are free; \
                 make room, or put the database elsewhere",
                shown(path)
            ),
            _ => Ok(()),
        }
    }

    fn fmt_of_opening(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DatabaseMissing(path) => {
                write!(f, "there is no database {}; import something first", shown(path))
            }
            Self::DatabaseIsFolder(path) => {
                write!(f, "{} is a folder; name a file for the database", shown(path))
            }
            Self::NotAFile(path) => write!(
                f,
                "{} is no regular file; move it away, or name another file for the database",
                shown(path)
            ),
            Self::JournalAlone(path) => write!(
                f,
                "{} is the journal of a database that is gone; \
                 put the database back, or move the journal away",
                shown(path)
            ),
            Self::NotADatabase(path) => {
                write!(f, "{} is no SQLite database; name another file", shown(path))
            }
            Self::ForeignDatabase(path) => write!(
                f,
                "{} is marked as the database of another program; name another file, \
                 or recover it if it was ours",
                shown(path)
            ),
            Self::SchemaTooNew { path, found, known } => write!(
                f,
                "{} was written by a newer release (schema {found}, this one knows {known}); \
                 upgrade to open it",
                shown(path)
            ),
            Self::SchemaTooOld(path) => write!(
                f,
                "{} was written by an older release; open it for writing once, as `rebuild` does, \
                 to bring it up to date",
                shown(path)
            ),
            Self::SchemaDiffers { path, object, difference } => write!(
                f,
                "{}: {} {difference}, so that nothing in it is believed; \
                 recover what is left into a new database",
                shown(path),
                Shown(object)
            ),
            Self::ChangeInterrupted(path) => write!(
                f,
                "a change to {} was interrupted; open it for writing once, as `rebuild` does, \
                 which undoes what was left half done",
                shown(path)
            ),
            Self::Unopenable { path, source } => {
                write!(f, "cannot open {}: {}", shown(path), meaning(source))
            }
            _ => Ok(()),
        }
    }

    fn fmt_of_machine(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Busy => write!(
                f,
                "the database is in use by another process or by other threads of this one; \
                 try again when they are done"
            ),
            Self::Io { action, path, .. } => write!(f, "cannot {action} {}", shown(path)),
            Self::SqliteTooOld(version) => write!(
                f,
                "SQLite {version} is linked, which can corrupt databases in WAL mode; \
                 link 3.51.3, the first that does not, or a later one"
            ),
            Self::Sqlite(err) => f.write_str(meaning(err)),
            Self::Migration(_) => {
                write!(f, "the schema could not be brought up to date, and was left as it is")
            }
            Self::Pool(_) => {
                write!(f, "no further connection to the database could be opened; open it again")
            }
            Self::Damaged(detail) => write!(
                f,
                "the database is damaged: {}; check it, or recover what is left into a new one",
                Shown(detail)
            ),
            _ => Ok(()),
        }
    }
}

/// What a failure of SQLite means, and what to do; its own words are the cause.
fn meaning(err: &rusqlite::Error) -> &'static str {
    match err.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full; make room and try again",
        Some(ErrorCode::SystemIoFailure) => {
            "the disk fails where the database lies; look after it, then check the database"
        }
        Some(ErrorCode::ReadOnly) => {
            "the database cannot be written: it is opened for reading only, or its file is protected"
        }
        Some(ErrorCode::CannotOpen) => {
            "SQLite cannot open the file or make its companions beside it; look at the permissions \
             of the folder, and keep the path below 500 bytes"
        }
        Some(ErrorCode::PermissionDenied) => {
            "access to the database is denied; look at the permissions of the file"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "the database is in use; try again"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the database is damaged; recover what is left into a new one"
        }
        Some(ErrorCode::FileLockingProtocolFailed) => {
            "the file system does not lock the database; put it on a local disk"
        }
        Some(ErrorCode::OutOfMemory) => "there is not enough memory; close something and try again",
        Some(ErrorCode::TooBig) => "a value is longer than SQLite can hold, which is 1 GB",
        Some(ErrorCode::ConstraintViolation) => {
            "what was to be written breaks a rule of the schema, and nothing was; check the database"
        }
        Some(ErrorCode::OperationInterrupted | ErrorCode::OperationAborted) => {
            "SQLite was interrupted; try again"
        }
        Some(ErrorCode::SchemaChanged) => {
            "another process changed the schema meanwhile; open the database again"
        }
        _ => "SQLite refused what this program asked of it; check the database, and report this",
    }
}

/// Text of files and databases, without what a terminal would obey.
struct Shown<'a>(&'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            // What turns the direction of text can make a name read as another.
            '\u{61C}'
            | '\u{200E}'
            | '\u{200F}'
            | '\u{202A}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}' => {
                write!(f, "{}", c.escape_unicode())
            }
            _ if c.is_control() => write!(f, "{}", c.escape_debug()),
            _ => f.write_char(c),
        })
    }
}

fn shown(path: &Path) -> String {
    match path.to_string_lossy() {
        path if path.is_empty() => "\"\"".to_owned(),
        path => Shown(&path).to_string(),
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Sqlite(err) | Self::Unopenable { source: err, .. } => Some(err),
            Self::Migration(err) => Some(err),
            Self::Pool(err) => Some(err),
            Self::SessionNotFound(_)
            | Self::AmbiguousSession { .. }
            | Self::EntryNotFound { .. }
            | Self::EntryExists { .. }
            | Self::SessionExists(_)
            | Self::InvalidRecord(_)
            | Self::LeafMoved { .. }
            | Self::TurnNotFound { .. }
            | Self::Unsupported(_)
            | Self::RootNotFound(_)
            | Self::SourceNotFound(_)
            | Self::UnknownFormat(_)
            | Self::TargetNotEmpty(_)
            | Self::TargetExists(_)
            | Self::UnsafePath(_)
            | Self::DiskFull { .. }
            | Self::DatabaseMissing(_)
            | Self::DatabaseIsFolder(_)
            | Self::NotAFile(_)
            | Self::JournalAlone(_)
            | Self::NotADatabase(_)
            | Self::ForeignDatabase(_)
            | Self::SchemaTooNew { .. }
            | Self::SchemaTooOld(_)
            | Self::SchemaDiffers { .. }
            | Self::ChangeInterrupted(_)
            | Self::Busy
            | Self::SqliteTooOld(_)
            | Self::Damaged(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(err: rusqlite::Error) -> Self {
        match (&err, err.sqlite_error_code()) {
            (_, Some(ErrorCode::DatabaseBusy)) => Self::Busy,
            (_, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
            // A value that this program never wrote.
            | (
                rusqlite::Error::FromSqlConversionFailure(..)
                | rusqlite::Error::IntegralValueOutOfRange(..)
                | rusqlite::Error::InvalidColumnType(..)
                | rusqlite::Error::Utf8Error(..),
                _,
            ) => Self::Damaged(err.to_string()),
            _ => Self::Sqlite(err),
        }
    }
}

impl From<refinery::Error> for Error {
    fn from(err: refinery::Error) -> Self {
        let cause = error::Error::source(&err).and_then(|cause| cause.downcast_ref());
        match cause.and_then(rusqlite::Error::sqlite_error_code) {
            Some(ErrorCode::DatabaseBusy) => Self::Busy,
            _ => Self::Migration(err),
        }
    }
}

impl From<r2d2::Error> for Error {
    fn from(err: r2d2::Error) -> Self {
        // It says why a connection could not be opened, if that is why there is
        // none; else all that the pool may have are in use.
        match err.to_string().as_str() {
            "timed out waiting for connection" => Self::Busy,
            _ => Self::Pool(err),
        }
    }
}
