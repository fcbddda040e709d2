//! The error type, sorted by what a caller can do about it.

use std::error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use parquet::errors::ParquetError;

/// Everything that can go wrong.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The folder is not a lake: it has no manifest.
    NotALake(PathBuf),
    /// A later release wrote the manifest.
    TooNew {
        /// The lake.
        lake: PathBuf,
        /// The version of the manifest.
        version: u64,
    },
    /// The folder contains something that is not part of a lake.
    NotEmpty(PathBuf),
    /// Another process is exporting into the lake, or did so meanwhile. Nothing was
    /// added.
    Busy(PathBuf),
    /// The bucket's server ignores the condition of a write, so two exports at once
    /// could lose one another's files. Nothing was added.
    NoConditions(PathBuf),
    /// The lake belongs to another store: nothing of this one is in it.
    OtherStore(PathBuf),
    /// A file of the lake is not as it was written.
    Damaged {
        /// The file, or the lake.
        file: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Damaged files of the store were left out. All others are in the lake.
    Incomplete {
        /// Each file that was left out, and what is wrong with it.
        failed: Vec<(PathBuf, String)>,
    },
    /// The database made from the lake is not consistent. Nothing was written.
    Unsound {
        /// The first finding of `check`.
        finding: String,
    },
    /// The store returned an error.
    Store(Box<sessile::Error>),
    /// The database of the store could not be read or written.
    Sqlite(rusqlite::Error),
    /// A file or folder could not be read or written.
    Io {
        /// What was attempted, for example "read".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error.
        source: io::Error,
    },
    /// A table could not be written as Parquet.
    Parquet {
        /// What was attempted.
        action: &'static str,
        /// The table or column.
        name: String,
        /// The error.
        source: ParquetError,
    },
}

/// `Result` with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(
        action: &'static str,
        path: impl AsRef<Path>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(crate) fn parquet(action: &'static str, name: &str, source: ParquetError) -> Self {
        Self::Parquet { action, name: name.to_owned(), source }
    }

    pub(crate) fn damaged(file: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self::Damaged { file: file.as_ref().to_owned(), reason: reason.into() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotALake(path) => write!(
                f,
                "{} is not a lake: it has no manifest.json; `export` creates one",
                path.display()
            ),
            Self::TooNew { lake, version } => write!(
                f,
                "{} was written by a newer release (version {version}); upgrade to read it",
                lake.display()
            ),
            Self::NotEmpty(path) => write!(
                f,
                "{} is neither empty nor a lake; give an empty folder, or one that does not \
                     exist",
                path.display()
            ),
            Self::Busy(path) => {
                write!(f, "another process is exporting into {}; try again later", path.display())
            }
            Self::NoConditions(path) => write!(
                f,
                "the server of {} does not support conditional writes (If-Match, If-None-Match), \
                 without which two exports at once would overwrite each other; use another \
                 server, or a folder",
                path.display()
            ),
            Self::OtherStore(path) => write!(
                f,
                "{} has the sessions of another store, and a lake is for one store; export into \
                 another folder",
                path.display()
            ),
            Self::Damaged { file, reason } => write!(f, "{} is damaged: {reason}", file.display()),
            Self::Incomplete { failed } => {
                write!(
                    f,
                    "{} files of the store are damaged and were left out; all others were exported",
                    failed.len()
                )?;
                failed
                    .iter()
                    .try_for_each(|(file, reason)| write!(f, "\n  {}: {reason}", file.display()))
            }
            Self::Unsound { finding } => write!(
                f,
                "the store made from the lake did not pass its check, and nothing was \
                     written: {finding}"
            ),
            Self::Store(_) => write!(f, "the store failed"),
            Self::Sqlite(_) => write!(f, "the database of the store failed"),
            Self::Io { action, path, .. } => write!(f, "cannot {action} {}", path.display()),
            Self::Parquet { action, name, .. } => write!(f, "cannot {action} {name}"),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Store(err) => Some(err),
            Self::Sqlite(err) => Some(err),
            Self::Io { source, .. } => Some(source),
            Self::Parquet { source, .. } => Some(source),
            Self::NotALake(_)
            | Self::TooNew { .. }
            | Self::NotEmpty(_)
            | Self::Busy(_)
            | Self::NoConditions(_)
            | Self::OtherStore(_)
            | Self::Damaged { .. }
            | Self::Incomplete { .. }
            | Self::Unsound { .. } => None,
        }
    }
}

impl From<sessile::Error> for Error {
    fn from(err: sessile::Error) -> Self {
        Self::Store(Box::new(err))
    }
}

impl From<rusqlite::Error> for Error {
    fn from(err: rusqlite::Error) -> Self {
        Self::Sqlite(err)
    }
}
