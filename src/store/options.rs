//! How a database is opened.

use std::path::Path;
use std::time::Duration;

use super::Store;
use super::open::{self, Access};
use crate::error::Result;

/// What survives a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// Everything that a call returned `Ok` for.
    Full,
    /// A consistent database, which may lack the last transactions.
    Normal,
}

/// How to open a [`Store`].
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("sessions.db");
/// # sessile::Store::open(&path)?;
/// use std::time::Duration;
/// use sessile::StoreOptions;
///
/// let store = StoreOptions::new().read_only(true).busy_timeout(Duration::from_secs(1)).open(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "options do nothing until `open`"]
pub struct StoreOptions {
    pub(super) durability: Durability,
    pub(super) busy_timeout: Duration,
    pub(super) pool_size: u32,
    pub(super) read_only: bool,
    pub(super) create: bool,
    pub(super) compression: Option<i32>,
    pub(super) replicated: Option<bool>,
    /// How the database can be read; determined when it is opened.
    pub(super) reading: Access,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl StoreOptions {
    /// The defaults, which each setter documents.
    pub fn new() -> Self {
        Self {
            durability: Durability::Full,
            busy_timeout: Duration::from_secs(10),
            pool_size: 4,
            read_only: false,
            create: true,
            compression: None,
            replicated: None,
            reading: Access::Read,
        }
    }

    /// Sets what survives a power cut. Default: [`Durability::Full`].
    ///
    /// Choose `Normal` if losing the last transactions is better than waiting for the
    /// disk at each append. A crash of the program alone loses nothing either way.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets how long to wait while another process writes, or for a free connection
    /// of the pool. Default: 10 seconds; at least a millisecond, and at most the 24 days
    /// that SQLite can count.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        let most = Duration::from_millis(i32::MAX as u64);
        self.busy_timeout = timeout.clamp(Duration::from_millis(1), most);
        self
    }

    /// Sets the maximum number of connections, which are opened on demand. Default:
    /// 4.
    ///
    /// Raise it for programs in which more threads read at once. Values below 2 count
    /// as 2: an import reads beside its writes.
    pub fn pool_size(mut self, connections: u32) -> Self {
        self.pool_size = connections.max(2);
        self
    }

    /// Refuses every write. Default: `false`.
    ///
    /// A database in a read-only folder can be read, too, as long as nobody has it
    /// open; see [`Store::is_read_alone`].
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets whether to create the database if there is none. Default: `true`.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Makes imports compress lines with zstd, at a level from 1 (fastest) to 19
    /// (smallest). Default: no compression.
    ///
    /// Imports take longer, and lines take about three fifths less space. Lines under
    /// 64 bytes stay uncompressed, and so do lines that are appended live. Each line
    /// records how it is stored, so that stores opened with and without this setting
    /// can be mixed; reading, checking and exporting work the same.
    /// [`Store::seal`](super::Store::seal) compresses existing lines.
    pub fn compression(mut self, level: i32) -> Self {
        self.compression = Some(level.clamp(1, 19));
        self
    }

    /// Sets whether a program such as Litestream replicates the database by its WAL.
    /// Default: detected at each opening, by the tables that Litestream keeps in the
    /// database.
    ///
    /// If so, the WAL is left to that program: not even the last connection to close
    /// empties it, so that writes while the program is down do not make it copy the
    /// whole database again. If no replicator is running, the WAL is checkpointed
    /// once it is longer than 128 MiB.
    ///
    /// Set it to `true` to replicate a database from its first write on, and to
    /// `false` for a restored database that is no longer replicated.
    pub fn replicated(mut self, replicated: bool) -> Self {
        self.replicated = Some(replicated);
        self
    }

    /// Opens the database at `path`.
    ///
    /// If it fails, nothing was created or changed.
    ///
    /// # Errors
    ///
    /// [`DatabaseMissing`](crate::Error::DatabaseMissing),
    /// [`DatabaseIsFolder`](crate::Error::DatabaseIsFolder),
    /// [`NotADatabase`](crate::Error::NotADatabase),
    /// [`NotAFile`](crate::Error::NotAFile),
    /// [`JournalAlone`](crate::Error::JournalAlone),
    /// [`ForeignDatabase`](crate::Error::ForeignDatabase),
    /// [`SchemaTooNew`](crate::Error::SchemaTooNew),
    /// [`SchemaTooOld`](crate::Error::SchemaTooOld),
    /// [`SchemaDiffers`](crate::Error::SchemaDiffers),
    /// [`ChangeInterrupted`](crate::Error::ChangeInterrupted),
    /// [`SqliteTooOld`](crate::Error::SqliteTooOld), each for what it says;
    /// [`Damaged`](crate::Error::Damaged) when the schema cannot be read;
    /// [`Io`](crate::Error::Io) or [`Unopenable`](crate::Error::Unopenable)
    /// when the path cannot be read or written.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Store> {
        open::open(path.as_ref(), self)
    }
}
