//! The one error type.

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
    /// There is a session of this id, or in this file, already.
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

    // Try again.
    /// Another process held the database for longer than the busy timeout.
    Busy,

    // Look before you repeat.
    /// The change may have been made, or not: the disk failed when all of it was
    /// written. Every other error means that nothing happened.
    CommitUnknown(rusqlite::Error),

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
    /// No connection could be opened.
    Pool(r2d2::Error),
    /// The database holds what this program never wrote there, or SQLite cannot
    /// read it. [`check`](crate::Store::check) says more, and
    /// [`recover`](crate::recover()) reads what is left.
    Damaged(String),
}

/// Something that is left out, and why.
#[derive(Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The root that it was imported from, in the bytes of the file system; empty if it was made here.
    pub root: Vec<u8>,
    /// Its path below the root, separated by `/`; empty if that cannot be read.
    pub file: Vec<u8>,
    /// Why.
    pub error: Error,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [&self.root, &self.file].into_iter().filter(|part| !part.is_empty());
        let place = parts.map(Vec::as_slice).collect::<Vec<_>>().join(&b'/');
        if !place.is_empty() {
            write!(f, "{}: ", String::from_utf8_lossy(&place).escape_debug())?;
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
        kinds!(self; SessionNotFound AmbiguousSession EntryNotFound EntryExists SessionExists
            InvalidRecord LeafMoved TurnNotFound Unsupported RootNotFound SourceNotFound UnknownFormat TargetNotEmpty
            TargetExists UnsafePath Incomplete DiskFull DatabaseMissing DatabaseIsFolder NotADatabase ForeignDatabase
            SchemaTooNew SchemaTooOld DatabaseReplaced CommitUnknown Busy Io SqliteTooOld Sqlite Migration Pool Damaged)
    }

    /// Whether it tells of a place in the database that cannot be read or
    /// believed: what does not need that place can be read all the same.
    pub(crate) fn is_of_content(&self) -> bool {
        match self {
            Self::Damaged(_) => true,
            Self::Sqlite(err) => !matches!(
                err.sqlite_error_code(),
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

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionNotFound(name) => write!(
                f,
                "no session is called {name:?}; name one by its id, the beginning of it, or its file"
            ),
            Self::AmbiguousSession { name, matches } => {
                write!(f, "several sessions are called {name:?}; name one by its file:")?;
                matches.iter().try_for_each(|file| write!(f, "\n  {file}"))
            }
            Self::EntryNotFound { entry_id } => write!(f, "the session has no entry {entry_id:?}"),
            Self::EntryExists { entry_id } => {
                write!(f, "the session has an entry {entry_id:?} already")
            }
            Self::SessionExists(name) => {
                write!(
                    f,
                    "there is a session {name} already; name another id, or go on with that one"
                )
            }
            Self::InvalidRecord(reason) => write!(f, "this cannot be written: {reason}"),
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
            Self::RootNotFound(root) => {
                write!(f, "there is no folder {}; check the path", root.display())
            }
            Self::SourceNotFound(root) => {
                write!(f, "nothing was imported from {}; import it first", root.display())
            }
            Self::UnknownFormat(root) => write!(
                f,
                "cannot tell what wrote {}: it has no folder \"sessions\" with session files; \
                 check the path, or name the format",
                root.display()
            ),
            Self::TargetNotEmpty(path) => write!(
                f,
                "{} is not an empty folder; name one that is empty or does not exist",
                path.display()
            ),
            Self::TargetExists(path) => {
                write!(f, "{} exists and is not overwritten; name another file", path.display())
            }
            Self::UnsafePath(path) => {
                write!(f, "the name {} leads out of the target folder", path.display())
            }
            Self::Incomplete { done, failed } => {
                let many = failed.len() as u64;
                write!(f, "{many} of {} are left out:", done + many)?;
                failed.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
            }
            Self::DiskFull { needed, available, path } => write!(
                f,
                "about {needed} bytes are needed beside {}, and {available} are free; \
                 make room, or put the database elsewhere",
                path.display()
            ),
            Self::DatabaseMissing(path) => {
                write!(f, "there is no database {}; import something first", path.display())
            }
            Self::DatabaseIsFolder(path) => {
                write!(f, "{} is a folder; name a file for the database", path.display())
            }
            Self::NotADatabase(path) => {
                write!(f, "{} is no SQLite database; name another file", path.display())
            }
            Self::ForeignDatabase(path) => write!(
                f,
                "{} is the database of another program; name another file",
                path.display()
            ),
            Self::SchemaTooNew { path, found, known } => write!(
                f,
                "{} was written by a newer release (schema {found}, this one knows {known}); \
                 upgrade to open it",
                path.display()
            ),
            Self::SchemaTooOld(path) => write!(
                f,
                "{} was written by an older release; open it for writing once to bring it up to date",
                path.display()
            ),
            Self::DatabaseReplaced(path) => write!(
                f,
                "{} is not the file that was opened: it was deleted, moved or replaced since; \
                 nothing was written; open the database again",
                path.display()
            ),
            Self::CommitUnknown(_) => write!(
                f,
                "the disk failed when a change was written, which may have been made or not; \
                 look before you repeat it"
            ),
            Self::Busy => {
                write!(f, "the database is in use by another process; try again when it is done")
            }
            Self::Io { action, path, .. } => write!(f, "cannot {action} {}", path.display()),
            Self::SqliteTooOld(version) => write!(
                f,
                "SQLite {version} is linked, which can corrupt databases in WAL mode; \
                 3.51.3 is the first that does not"
            ),
            Self::Sqlite(err)
                if matches!(
                    err.sqlite_error_code(),
                    Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure)
                ) =>
            {
                write!(f, "the disk is full, or fails; make room and try again")
            }
            // The cause speaks for itself, through `source`.
            Self::Sqlite(_) => write!(f, "SQLite failed"),
            Self::Migration(_) => write!(f, "the schema could not be brought up to date"),
            Self::Pool(_) => write!(f, "the database could not be opened"),
            Self::Damaged(detail) => write!(
                f,
                "the database is damaged: {detail}; check it, or recover what is left into a new one"
            ),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Sqlite(err) | Self::CommitUnknown(err) => Some(err),
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
            | Self::Incomplete { .. }
            | Self::DiskFull { .. }
            | Self::DatabaseMissing(_)
            | Self::DatabaseIsFolder(_)
            | Self::NotADatabase(_)
            | Self::ForeignDatabase(_)
            | Self::SchemaTooNew { .. }
            | Self::SchemaTooOld(_)
            | Self::DatabaseReplaced(_)
            | Self::Busy
            | Self::SqliteTooOld(_)
            | Self::Damaged(_) => None,
        }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(err: rusqlite::Error) -> Self {
        match err.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(err.to_string())
            }
            _ => Self::Sqlite(err),
        }
    }
}

impl From<r2d2::Error> for Error {
    fn from(err: r2d2::Error) -> Self {
        Self::Pool(err)
    }
}
