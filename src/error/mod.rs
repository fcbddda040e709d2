//! The one error type.

mod display;

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use rusqlite::ErrorCode;

/// What another library said of a failure. Whose words they are is no promise.
pub(crate) type Cause = Box<dyn error::Error + Send + Sync>;

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
    /// Several entries of the session have ids that begin with this.
    AmbiguousEntry {
        /// What was given.
        name: String,
        /// The ids.
        matches: Vec<String>,
    },
    /// The session has fewer turns.
    TurnNotFound {
        /// The turn that was asked for, from 0.
        turn: u32,
        /// How many there are.
        turns: u64,
    },
    /// No generation of the session's file has this number, or it was pruned.
    GenerationNotFound {
        /// The number that was given.
        generation: i64,
        /// Those that there are.
        known: Vec<i64>,
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
    /// There is a session of this id, or in this file, already.
    SessionExists(String),
    /// What was to be written cannot be one valid line.
    InvalidRecord(String),
    /// There is nothing in it that could be searched for.
    InvalidQuery(String),
    /// SQL that is no query, or not one that only reads.
    InvalidSql(String),
    /// Another writer has moved the leaf.
    LeafMoved {
        /// Where it was expected.
        expected: Option<String>,
        /// Where it is.
        found: Option<String>,
    },
    /// Nothing was imported from this root.
    SourceNotFound(PathBuf),
    /// A folder of the root that holds the sessions is a symbolic link, and no
    /// link is followed.
    RootIsLink {
        /// The link.
        link: PathBuf,
        /// What it leads to.
        target: PathBuf,
    },
    /// The root, or one inside or around it, is known as another format's.
    RootKnownAs {
        /// The known root.
        root: PathBuf,
        /// What it was imported as.
        known: &'static str,
        /// What it was to be read as.
        asked: &'static str,
        /// The root that was to be imported, where the known one lies inside it.
        outer: Option<PathBuf>,
    },
    /// The path is that of a known root, or lies inside or around one.
    RootKnown {
        /// The path that was given.
        root: PathBuf,
        /// The known root.
        known: PathBuf,
    },
    /// The folder is no root, but folders in it are.
    RootBelow {
        /// The folder that was given.
        root: PathBuf,
        /// Folders in it that are roots.
        below: Vec<PathBuf>,
    },
    /// The root holds no sessions of the format that was named.
    NoSessions {
        /// The root.
        root: PathBuf,
        /// The format's name.
        format: &'static str,
    },
    /// The root shows no format's marks, or those of several.
    UnknownFormat(PathBuf),

    // Choose another target.
    /// The folder to write into holds something already.
    TargetNotEmpty(PathBuf),
    /// The file to write exists already.
    TargetExists(PathBuf),
    /// The database holds a file name that would lead out of the target.
    UnsafePath(PathBuf),

    // Look at what is named.
    /// Some files or sessions are left out: the database is damaged there, or
    /// the file system refuses the name. All others are done, and right.
    Incomplete {
        /// How many are done.
        done: u64,
        /// Each that is left out.
        failed: Vec<Failure>,
    },

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
    /// What was opened lies at this path no more: it was deleted, moved or
    /// replaced. Nothing was written.
    DatabaseReplaced(PathBuf),
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
        source: Box<dyn error::Error + Send + Sync>,
    },

    // Try again.
    /// Another process held the database for longer than the busy timeout, or
    /// other threads held every connection of the store.
    Busy,

    // Look before you repeat.
    /// The change may have been made, or not: the disk failed when all of it was
    /// written. Every other error means that nothing happened.
    CommitUnknown(Box<dyn error::Error + Send + Sync>),

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
    Sqlite(Box<dyn error::Error + Send + Sync>),
    /// The schema could not be created or brought up to date.
    Migration(Box<dyn error::Error + Send + Sync>),
    /// The database is open, and no further connection to it could be opened.
    Pool(Box<dyn error::Error + Send + Sync>),
    /// The database holds what this program never wrote there, or SQLite cannot
    /// read it. [`check`](crate::Store::check) says more, and
    /// [`recover`](crate::recover()) reads what is left.
    Damaged(String),
}

/// Something that is left out, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The root that it was imported from; empty if it was made here.
    pub root: PathBuf,
    /// Its path below the root; empty if that cannot be read.
    pub file: PathBuf,
    /// Why.
    pub error: Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.root, &self.file].into_iter().filter(|part| **part != *Path::new(""));
        let place = parts.map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        if !place.is_empty() {
            write!(f, "{}: ", place.escape_debug())?;
        }
        // Of many in one database, the advice once is enough.
        match &self.error {
            Error::Damaged(detail) => write!(f, "damaged: {detail}")?,
            error => write!(f, "{error}")?,
        }
        let mut cause = error::Error::source(&self.error);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
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
        kinds!(self; SessionNotFound AmbiguousSession EntryNotFound AmbiguousEntry EntryExists SessionExists
            InvalidRecord InvalidQuery InvalidSql LeafMoved TurnNotFound GenerationNotFound Unsupported RootNotFound SourceNotFound RootIsLink RootKnownAs RootKnown RootBelow NoSessions UnknownFormat TargetNotEmpty
            TargetExists UnsafePath Incomplete DiskFull DatabaseMissing DatabaseIsFolder NotAFile
            JournalAlone NotADatabase ForeignDatabase SchemaTooNew SchemaTooOld SchemaDiffers
            ChangeInterrupted Unopenable DatabaseReplaced CommitUnknown Busy Io SqliteTooOld Sqlite
            Migration Pool Damaged)
    }

    /// Whether what was named is not there: no session, entry, turn, generation, root
    /// or database of this name. Another name may help.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::SessionNotFound(_)
                | Self::EntryNotFound { .. }
                | Self::TurnNotFound { .. }
                | Self::GenerationNotFound { .. }
                | Self::RootNotFound(_)
                | Self::SourceNotFound(_)
                | Self::DatabaseMissing(_)
        )
    }

    /// Whether others were in the way: the same call may succeed later.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy)
    }

    /// Whether somebody was there first: the leaf was moved, or what was to be
    /// made exists. Read again, and decide anew.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::LeafMoved { .. }
                | Self::EntryExists { .. }
                | Self::SessionExists(_)
                | Self::TargetExists(_)
                | Self::TargetNotEmpty(_)
        )
    }

    /// Whether it tells of a place in the database that cannot be read or
    /// believed: what does not need that place can be read all the same.
    pub(crate) fn is_of_content(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::Sqlite(cause) => !matches!(
                sqlite_code(cause),
                Some(
                    ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted | ErrorCode::DiskFull
                )
            ),
            _ => false,
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Sqlite(cause)
            | Self::CommitUnknown(cause)
            | Self::Unopenable { source: cause, .. }
            | Self::Migration(cause)
            | Self::Pool(cause) => Some(cause.as_ref()),
            Self::SessionNotFound(_)
            | Self::AmbiguousSession { .. }
            | Self::EntryNotFound { .. }
            | Self::AmbiguousEntry { .. }
            | Self::EntryExists { .. }
            | Self::SessionExists(_)
            | Self::InvalidRecord(_)
            | Self::InvalidQuery(_)
            | Self::InvalidSql(_)
            | Self::LeafMoved { .. }
            | Self::TurnNotFound { .. }
            | Self::GenerationNotFound { .. }
            | Self::Unsupported(_)
            | Self::RootNotFound(_)
            | Self::SourceNotFound(_)
            | Self::RootIsLink { .. }
            | Self::RootKnownAs { .. }
            | Self::RootKnown { .. }
            | Self::RootBelow { .. }
            | Self::NoSessions { .. }
            | Self::UnknownFormat(_)
            | Self::TargetNotEmpty(_)
            | Self::TargetExists(_)
            | Self::UnsafePath(_)
            | Self::Incomplete { .. }
            | Self::DiskFull { .. }
            | Self::DatabaseMissing(_)
            | Self::DatabaseIsFolder(_)
            | Self::NotAFile(_)
            | Self::JournalAlone(_)
            | Self::NotADatabase(_)
            | Self::ForeignDatabase(_)
            | Self::SchemaTooNew { .. }
            | Self::SchemaTooOld(_)
            | Self::DatabaseReplaced(_)
            | Self::SchemaDiffers { .. }
            | Self::ChangeInterrupted(_)
            | Self::Busy
            | Self::SqliteTooOld(_)
            | Self::Damaged(_) => None,
        }
    }
}

/// SQLite's code for a failure, where it comes from there.
pub(crate) fn sqlite_code(cause: &Cause) -> Option<ErrorCode> {
    cause.downcast_ref().and_then(rusqlite::Error::sqlite_error_code)
}

// How the layers below speak. Hidden, because callers are promised none of
// these types: another release may use another library.

#[doc(hidden)]
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
            _ => Self::Sqlite(err.into()),
        }
    }
}

#[doc(hidden)]
impl From<refinery::Error> for Error {
    fn from(err: refinery::Error) -> Self {
        let cause = error::Error::source(&err).and_then(|cause| cause.downcast_ref());
        match cause.and_then(rusqlite::Error::sqlite_error_code) {
            Some(ErrorCode::DatabaseBusy) => Self::Busy,
            _ => Self::Migration(err.into()),
        }
    }
}

#[doc(hidden)]
impl From<r2d2::Error> for Error {
    fn from(err: r2d2::Error) -> Self {
        // It says why a connection could not be opened, if that is why there is
        // none; else all that the pool may have are in use.
        match err.to_string().as_str() {
            "timed out waiting for connection" => Self::Busy,
            _ => Self::Pool(err.into()),
        }
    }
}
