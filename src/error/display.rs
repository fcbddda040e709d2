//! The messages of errors: what happened, where, and what to do.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use rusqlite::ErrorCode;

use super::{Cause, Error, sqlite_code};

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
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
            | Self::Unsupported(_) => self.fmt_of_sessions(f),
            Self::RootNotFound(_)
            | Self::SourceNotFound(_)
            | Self::RootIsLink { .. }
            | Self::RootKnownAs { .. }
            | Self::RootKnown { .. }
            | Self::RootBelow { .. }
            | Self::NoSessions { .. }
            | Self::UnknownFormat(_) => self.fmt_of_roots(f),
            Self::TargetNotEmpty(_)
            | Self::TargetExists(_)
            | Self::UnsafePath(_)
            | Self::Incomplete { .. }
            | Self::DiskFull { .. } => self.fmt_of_files(f),
            Self::DatabaseMissing(_)
            | Self::DatabaseIsFolder(_)
            | Self::NotAFile(_)
            | Self::JournalAlone(_)
            | Self::NotADatabase(_)
            | Self::ForeignDatabase(_)
            | Self::DatabaseReplaced(_)
            | Self::Unopenable { .. } => self.fmt_of_opening(f),
            Self::SchemaTooNew { .. }
            | Self::SchemaTooOld(_)
            | Self::SchemaDiffers { .. }
            | Self::ChangeInterrupted(_) => self.fmt_of_schema(f),
            Self::Busy
            | Self::CommitUnknown(_)
            | Self::Io { .. }
            | Self::SqliteTooOld(_)
            | Self::Sqlite(_)
            | Self::Migration(_)
            | Self::Pool(_)
            | Self::Damaged(_) => self.fmt_of_machine(f),
        }
    }
}

/// The messages of the variants, one method per part of the enum. Only `fmt` calls
/// them.
impl Error {
    fn fmt_of_sessions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionNotFound(name) => {
                write!(f, "no session is called {name:?}; give its id, a prefix of it, or its file")
            }
            Self::AmbiguousSession { name, matches } => {
                write!(f, "several sessions are called {name:?}; give the file of one:")?;
                matches.iter().try_for_each(|file| write!(f, "\n  {file}"))
            }
            Self::EntryNotFound { entry_id } => {
                write!(f, "the session has no entry {entry_id:?}; its tree shows those that it has")
            }
            Self::AmbiguousEntry { name, matches } => write!(
                f,
                "several entries begin with {name:?}: {}; give more of the id",
                matches.join(", ")
            ),
            Self::EntryExists { entry_id } => {
                write!(f, "the session has an entry {entry_id:?} already; give another id, or none")
            }
            Self::SessionExists(name) => write!(
                f,
                "there is a session {name} already; give another id, or append to that session"
            ),
            Self::InvalidRecord(reason) => {
                write!(f, "invalid input: {reason}")
            }
            Self::InvalidQuery(reason) => write!(f, "invalid search: {reason}"),
            Self::InvalidSql(reason) => {
                write!(f, "invalid query: {reason}")
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
            Self::GenerationNotFound { generation, known } => {
                let known: Vec<String> = known.iter().map(i64::to_string).collect();
                let known = known.join(", ");
                write!(f, "the session has no generation {generation}; it has {known}")
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

    fn fmt_of_roots(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RootNotFound(root) => {
                write!(f, "there is no folder {}; check the path", path_text(root))
            }
            Self::SourceNotFound(root) => {
                write!(f, "{} is not an imported root; import it first", path_text(root))
            }
            Self::RootIsLink { link, target } => write!(
                f,
                "{} is a symbolic link to {}, which is not followed; import that folder itself, \
                 and name the format",
                path_text(link),
                path_text(target)
            ),
            Self::RootKnownAs { root, known, asked, outer } => {
                let (place, way) = ways_out(outer.as_deref());
                write!(
                    f,
                    "{}{place} was imported as {known}, not as {asked}; {way}, or forget the \
                     root and import it again",
                    path_text(root)
                )
            }
            Self::RootKnown { root, known } if root == known => {
                write!(f, "{} is a known root itself; forget one of the two first", path_text(root))
            }
            Self::RootKnown { root, known } => write!(
                f,
                "{} and the known root {} overlap; forget one of the two first",
                path_text(root),
                path_text(known)
            ),
            Self::RootBelow { root, below } => {
                let below: Vec<String> =
                    below.iter().map(|path| path_text(path).to_string()).collect();
                write!(
                    f,
                    "{} holds no sessions itself; did you mean {}?",
                    path_text(root),
                    below.join(" or ")
                )
            }
            Self::NoSessions { root, format } => write!(
                f,
                "{} holds no sessions of {format}: neither a folder \"sessions\" nor session files; \
                 check the path, and the format",
                path_text(root)
            ),
            Self::UnknownFormat(root) => write!(
                f,
                "cannot tell what wrote {}: it has no folder in which a known program keeps sessions; \
                 check the path, or name the format",
                path_text(root)
            ),
            _ => Ok(()),
        }
    }

    fn fmt_of_files(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TargetNotEmpty(path) => write!(
                f,
                "{} is not an empty folder; name one that is empty or does not exist",
                path_text(path)
            ),
            Self::TargetExists(path) => {
                write!(f, "{} exists and is not overwritten; name another file", path_text(path))
            }
            Self::UnsafePath(path) => write!(
                f,
                "the database has a file called {}, which is outside the target folder; nothing \
                 was written there",
                path_text(path)
            ),
            Self::Incomplete { done, failed } => {
                let many = failed.len() as u64;
                write!(f, "{many} of {} are left out:", done + many)?;
                failed.iter().try_for_each(|failure| write!(f, "\n  {failure}"))
            }
            Self::DiskFull { needed, available, path } => write!(
                f,
                "about {needed} bytes are needed beside {}, and {available} are free; \
                 make room, or put the database elsewhere",
                path_text(path)
            ),
            _ => Ok(()),
        }
    }

    fn fmt_of_opening(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DatabaseMissing(path) => {
                write!(f, "there is no database {}; import something first", path_text(path))
            }
            Self::DatabaseIsFolder(path) => {
                write!(f, "{} is a folder; name a file for the database", path_text(path))
            }
            Self::NotAFile(path) => write!(
                f,
                "{} is not a regular file; move it away, or name another file for the database",
                path_text(path)
            ),
            Self::JournalAlone(path) => write!(
                f,
                "{} is the journal of a database that is gone; \
                 put the database back, or move the journal away",
                path_text(path)
            ),
            Self::NotADatabase(path) => {
                write!(f, "{} is not a SQLite database; name another file", path_text(path))
            }
            Self::ForeignDatabase(path) => write!(
                f,
                "{} is the database of another program, by its application id; name another \
                 file, or recover it if it was ours",
                path_text(path)
            ),
            Self::DatabaseReplaced(path) => write!(
                f,
                "{} is not the file that was opened: it was deleted, moved or replaced since; \
                 nothing was written; open the database again",
                path_text(path)
            ),
            Self::Unopenable { path, source } => {
                write!(f, "cannot open {}: {}", path_text(path), meaning(source))
            }
            _ => Ok(()),
        }
    }

    fn fmt_of_schema(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SchemaTooNew { path, found, known } => write!(
                f,
                "{} was written by a newer release (schema {found}, this one knows {known}); \
                 upgrade to open it",
                path_text(path)
            ),
            Self::SchemaTooOld(path) => write!(
                f,
                "{} was written by an older release; open it for writing once, as `rebuild` does, \
                 to bring it up to date",
                path_text(path)
            ),
            Self::SchemaDiffers { path, is_of_another_build: true, .. } => {
                let path = path_text(path);
                write!(
                    f,
                    "{path} was made by another build of this version, which is not released yet; \
                     `sessile --db {path} recover NEW` moves its content into a new database"
                )
            }
            Self::SchemaDiffers { path, object, difference, .. } => write!(
                f,
                "{}: {} {difference}, so the database is not used; recover what is left into a \
                 new database",
                path_text(path),
                object
            ),
            Self::ChangeInterrupted(path) => write!(
                f,
                "a change to {} was interrupted; open it for writing once, as `rebuild` does, \
                 which rolls the change back",
                path_text(path)
            ),
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
            Self::CommitUnknown(_) => write!(
                f,
                "the disk failed when a change was written, and the change may or may not be \
                 stored; check before you repeat it"
            ),
            Self::Io { action, path, .. } => write!(f, "cannot {action} {}", path_text(path)),
            Self::SqliteTooOld(version) => write!(
                f,
                "SQLite {version} is linked, which can corrupt databases in WAL mode; \
                 link 3.51.3, the first that does not, or a later one"
            ),
            Self::Sqlite(err) => f.write_str(meaning(err)),
            Self::Migration(_) => {
                write!(f, "the schema could not be upgraded, and is unchanged")
            }
            Self::Pool(_) => {
                write!(f, "cannot open another connection to the database; open the store again")
            }
            Self::Damaged(detail) => write!(
                f,
                "the database is damaged: {detail}; check it, or recover what is left into a new one"
            ),
            _ => Ok(()),
        }
    }
}

/// The meaning of an SQLite failure, and what to do about it. SQLite's own message is
/// the cause.
fn meaning(cause: &Cause) -> &'static str {
    match sqlite_code(cause) {
        Some(ErrorCode::DiskFull) => {
            "the disk is full, that of the database or of temporary files; make room and try again"
        }
        Some(ErrorCode::SystemIoFailure) => {
            "the disk reports errors at the database; check the disk, then the database"
        }
        Some(ErrorCode::ReadOnly) => {
            "the database cannot be written: it is opened for reading only, or its file is protected"
        }
        Some(ErrorCode::CannotOpen) => {
            "SQLite cannot open the file, or cannot create its WAL beside it; check the \
             permissions of the folder, and keep the path below 500 bytes"
        }
        Some(ErrorCode::PermissionDenied) => {
            "access to the database is denied; check the permissions of the file"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            "the database is in use; try again"
        }
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            "the database is damaged; recover what is left into a new database"
        }
        Some(ErrorCode::FileLockingProtocolFailed) => {
            "the file system does not lock the database; put it on a local disk"
        }
        Some(ErrorCode::OutOfMemory) => "there is not enough memory; close something and try again",
        Some(ErrorCode::TooBig) => "a value is longer than SQLite can hold, which is 1 GB",
        Some(ErrorCode::ConstraintViolation) => {
            "the change violates a constraint of the schema, and nothing was written; check the \
             database"
        }
        Some(ErrorCode::OperationInterrupted | ErrorCode::OperationAborted) => {
            "SQLite was interrupted; try again"
        }
        Some(ErrorCode::SchemaChanged) => {
            "another process changed the schema; open the database again"
        }
        _ => {
            "SQLite rejected a statement of this program; check the database, and report this as \
             a bug"
        }
    }
}

/// A path for a message; an empty path becomes visible.
fn path_text(path: &Path) -> Cow<'_, str> {
    match path.to_string_lossy() {
        path if path.is_empty() => Cow::Borrowed("\"\""),
        path => path,
    }
}

/// Where a root that is known as another format's is, and an alternative to
/// forgetting it.
fn ways_out(outer: Option<&Path>) -> (String, &'static str) {
    match outer {
        Some(outer) => {
            (format!(" is in {} and", path_text(outer)), "import the roots in it one by one")
        }
        None => (String::new(), "leave the format out"),
    }
}
