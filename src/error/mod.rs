//! The one error type.

mod display;

use std::path::{Path, PathBuf};
use std::{error, fmt, io};

use rusqlite::ErrorCode;

/// The error of a library that this crate uses. Its type and message are no part of
/// the API.
pub(crate) type Cause = Box<dyn error::Error + Send + Sync>;

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong, sorted by what a caller can do about it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    // Name something else.
    /// No session has this name.
    SessionNotFound(String),
    /// Several sessions match this name.
    AmbiguousSession {
        /// The name that was given.
        name: String,
        /// The file of each match.
        matches: Vec<String>,
    },
    /// The session has no entry with this id.
    EntryNotFound {
        /// The id that was given.
        entry_id: String,
    },
    /// Several entries of the session have an id with this prefix.
    AmbiguousEntry {
        /// The prefix that was given.
        name: String,
        /// The ids that match.
        matches: Vec<String>,
    },
    /// The session has no turn of this number.
    TurnNotFound {
        /// The turn that was asked for, from 0.
        turn: u32,
        /// The number of turns.
        turns: u64,
    },
    /// The session's file has no generation of this number, or it was pruned.
    GenerationNotFound {
        /// The number that was given.
        generation: i64,
        /// The numbers that exist.
        known: Vec<i64>,
    },
    /// The session's format does not support this.
    Unsupported(&'static str),
    /// There is no folder at the path of the root.
    RootNotFound(PathBuf),
    /// The session already has an entry with this id.
    EntryExists {
        /// The id that was given.
        entry_id: String,
    },
    /// There already is a session with this id, or in this file.
    SessionExists(String),
    /// What was to be written cannot be one valid line.
    InvalidRecord(String),
    /// The query contains nothing to search for.
    InvalidQuery(String),
    /// The SQL is not a query, or not a read-only one.
    InvalidSql(String),
    /// Another writer has moved the leaf.
    LeafMoved {
        /// The leaf that the caller expected.
        expected: Option<String>,
        /// The leaf now.
        found: Option<String>,
    },
    /// Nothing was imported from this root.
    SourceNotFound(PathBuf),
    /// The root's folder of sessions is a symbolic link, and links are not followed.
    RootIsLink {
        /// The link.
        link: PathBuf,
        /// Its target.
        target: PathBuf,
    },
    /// The root, or one inside or around it, is known with another format.
    RootKnownAs {
        /// The known root.
        root: PathBuf,
        /// The format that it was imported with.
        known: &'static str,
        /// The format that was asked for.
        asked: &'static str,
        /// The root that was to be imported, if the known one is inside it.
        outer: Option<PathBuf>,
    },
    /// The path is that of a known root, or is inside or around one.
    RootKnown {
        /// The path that was given.
        root: PathBuf,
        /// The known root.
        known: PathBuf,
    },
    /// The folder is not a root, but folders in it are.
    RootBelow {
        /// The folder that was given.
        root: PathBuf,
        /// The folders in it that are roots.
        below: Vec<PathBuf>,
    },
    /// The root holds no sessions of the format that was asked for.
    NoSessions {
        /// The root.
        root: PathBuf,
        /// The format's name.
        format: &'static str,
    },
    /// The files of the root match no format, or several.
    UnknownFormat(PathBuf),

    // Choose another target.
    /// The folder to write into is not empty.
    TargetNotEmpty(PathBuf),
    /// The file to write exists already.
    TargetExists(PathBuf),
    /// The database contains a file name that would lead out of the target folder.
    UnsafePath(PathBuf),

    // Look at what is named.
    /// Some files or sessions were left out, because the database is damaged there or
    /// the file system refuses the name. All others were completed.
    Incomplete {
        /// How many were completed.
        done: u64,
        /// Each that was left out.
        failed: Vec<Failure>,
    },

    // Make room.
    /// What is to be imported will not fit on the database's file system.
    DiskFull {
        /// Bytes that it would take, estimated.
        needed: u64,
        /// Bytes that are free.
        available: u64,
        /// The database.
        path: PathBuf,
    },

    // Open another file, or open it otherwise.
    /// There is no database at this path, and the options forbid creating one.
    DatabaseMissing(PathBuf),
    /// The path of the database is a folder.
    DatabaseIsFolder(PathBuf),
    /// The database, or a file that belongs to it, is not a regular file but, for
    /// example, a pipe, on which SQLite would block.
    NotAFile(PathBuf),
    /// There is no database, but a journal: SQLite would write its content into a new
    /// database.
    JournalAlone(PathBuf),
    /// The file is not an SQLite database.
    NotADatabase(PathBuf),
    /// The file is an SQLite database of another program.
    ForeignDatabase(PathBuf),
    /// A newer release wrote this database, so this one must not touch it.
    SchemaTooNew {
        /// The database.
        path: PathBuf,
        /// Its schema version.
        found: u32,
        /// The newest version that this release knows.
        known: u32,
    },
    /// An older release wrote this database, and it was opened read-only, so it
    /// cannot be migrated.
    SchemaTooOld(PathBuf),
    /// The database that was opened is no longer at this path: it was deleted, moved
    /// or replaced. Nothing was written.
    DatabaseReplaced(PathBuf),
    /// The schema is not the one that this program makes, so nothing in the database
    /// can be trusted. [`recover`](crate::recover()) reads what is left.
    SchemaDiffers {
        /// The database.
        path: PathBuf,
        /// The first object that differs, for example "table lines".
        object: String,
        /// How it differs, for example "is missing".
        difference: &'static str,
        /// Whether another build made it, rather than damage: its migrations are not
        /// those of this one.
        is_of_another_build: bool,
    },
    /// A change was interrupted before the database was in WAL mode, and it was
    /// opened read-only, so that the change cannot be rolled back.
    ChangeInterrupted(PathBuf),
    /// SQLite cannot open the database.
    Unopenable {
        /// The database.
        path: PathBuf,
        /// Why.
        source: Box<dyn error::Error + Send + Sync>,
    },

    // Try again.
    /// Another process held the write lock for longer than the busy timeout, or other
    /// threads held every connection of the store.
    Busy,

    // Look before you repeat.
    /// The change may or may not have been made: the disk failed after all of it was
    /// written. Every other error means that nothing happened.
    CommitUnknown(Box<dyn error::Error + Send + Sync>),

    // Look into the machine.
    /// The file system returned an error.
    Io {
        /// What was attempted, for example "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// The linked SQLite has a bug that can corrupt a database in WAL mode.
    SqliteTooOld(&'static str),
    /// SQLite returned an error.
    Sqlite(Box<dyn error::Error + Send + Sync>),
    /// The schema could not be created or migrated.
    Migration(Box<dyn error::Error + Send + Sync>),
    /// The database is open, but no further connection to it could be opened.
    Pool(Box<dyn error::Error + Send + Sync>),
    /// The database holds data that this program never wrote there, or SQLite cannot
    /// read it. [`check`](crate::Store::check) says more, and
    /// [`recover`](crate::recover()) reads what is left.
    Damaged(String),
}

/// Something that was left out, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The root that it was imported from; empty if it was created here.
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
        // In a list of failures of one database, the advice is given once.
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
    /// Returns the name of the variant, for callers in other languages.
    pub fn kind(&self) -> &'static str {
        kinds!(self; SessionNotFound AmbiguousSession EntryNotFound AmbiguousEntry EntryExists SessionExists
            InvalidRecord InvalidQuery InvalidSql LeafMoved TurnNotFound GenerationNotFound Unsupported RootNotFound SourceNotFound RootIsLink RootKnownAs RootKnown RootBelow NoSessions UnknownFormat TargetNotEmpty
            TargetExists UnsafePath Incomplete DiskFull DatabaseMissing DatabaseIsFolder NotAFile
            JournalAlone NotADatabase ForeignDatabase SchemaTooNew SchemaTooOld SchemaDiffers
            ChangeInterrupted Unopenable DatabaseReplaced CommitUnknown Busy Io SqliteTooOld Sqlite
            Migration Pool Damaged)
    }

    /// Returns whether there is nothing of the given name: no such session, entry,
    /// turn, generation, root or database.
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

    /// Returns whether others held the database; the same call may succeed later.
    pub fn is_busy(&self) -> bool {
        matches!(self, Self::Busy)
    }

    /// Returns whether the disk is full; the same call may succeed when there is room.
    ///
    /// This includes a change of which the disk kept it unknown whether it was made.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::DiskFull { .. } => true,
            Self::Sqlite(cause) | Self::CommitUnknown(cause) => {
                matches!(sqlite_code(cause), Some(ErrorCode::DiskFull))
            }
            Self::Io { source, .. } => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }

    /// Returns whether another writer came first: the leaf was moved, or what was to
    /// be created exists. Read again, and decide anew.
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

    /// Whether the error concerns a part of the database that cannot be read or
    /// trusted, so that anything that does not need that part can still be read.
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

/// SQLite's code for a failure, if it came from SQLite.
pub(crate) fn sqlite_code(cause: &Cause) -> Option<ErrorCode> {
    let failure = cause.downcast_ref().and_then(rusqlite::Error::sqlite_error)?;
    Some(match failure.extended_code {
        // The index of the WAL, which a reader needs, too, could not get its size.
        rusqlite::ffi::SQLITE_IOERR_SHMSIZE => ErrorCode::DiskFull,
        _ => failure.code,
    })
}

// Conversions from the errors of the layers below. Hidden, because callers are
// promised none of these types: another release may use another library.

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
        match cause.and_then(rusqlite::Error::sqlite_error) {
            Some(failure) if failure.code == ErrorCode::DatabaseBusy => Self::Busy,
            // Not of the schema: the same would have failed anything else.
            Some(failure)
                if matches!(failure.code, ErrorCode::DiskFull | ErrorCode::SystemIoFailure) =>
            {
                Self::Sqlite(rusqlite::Error::SqliteFailure(*failure, None).into())
            }
            _ => Self::Migration(err.into()),
        }
    }
}

#[doc(hidden)]
impl From<r2d2::Error> for Error {
    fn from(err: r2d2::Error) -> Self {
        // The pool passes on why a connection could not be opened. Otherwise all of
        // its connections are in use.
        match err.to_string().as_str() {
            "timed out waiting for connection" => Self::Busy,
            _ => Self::Pool(err.into()),
        }
    }
}
