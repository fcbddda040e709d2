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
    /// A consistent database, perhaps without its last moments.
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
    /// How it is read; found out when it is opened.
    pub(super) reading: Access,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl StoreOptions {
    /// The defaults named at each setter.
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

    /// What survives a power cut. Default: [`Durability::Full`].
    ///
    /// Choose `Normal` when losing the last moments is better than a wait for
    /// the disk at each append; a crash of the program loses nothing either way.
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// How long to wait for another process that writes, or for a free
    /// connection of the pool. Default: 10 seconds.
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Connections at most; they are opened as they are needed. Default: 4.
    ///
    /// More serve a program with more threads that read at once. Values below
    /// 2 count as 2: an import reads beside its writes.
    pub fn pool_size(mut self, connections: u32) -> Self {
        self.pool_size = connections.max(2);
        self
    }

    /// Refuses every write. Default: `false`.
    ///
    /// A database in a folder where nothing can be written is read, too, as long
    /// as nobody has it open: [`Store::is_read_alone`] tells.
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Whether to make a database where there is none. Default: `true`.
    pub fn create(mut self, create: bool) -> Self {
        self.create = create;
        self
    }

    /// Lets imports pack lines by zstd, at a level from 1, the quickest, to 19,
    /// the smallest. Default: none.
    ///
    /// It costs an import time and saves about three fifths of what lines take;
    /// those under 64 bytes stay as they are, and so do those appended live. Each
    /// line says how it is stored, so that stores opened with and without this
    /// can take turns, and everything is read, checked and exported alike.
    /// [`Store::seal`](super::Store::seal) packs what is there already.
    pub fn compression(mut self, level: i32) -> Self {
        self.compression = Some(level.clamp(1, 19));
        self
    }

    /// Whether a program replicates the database by its journal, as Litestream does.
    /// Default: found out at each opening, by the tables that Litestream keeps in it.
    ///
    /// Then the journal (the file `-wal`) is left to that program: nothing here empties
    /// it, not even the last connection that closes, so that what is written while the
    /// program is down costs no new copy of the whole database. Where none is at work, the
    /// journal is copied into the database once it is longer than 128 MiB.
    ///
    /// Say `true` where the database is to be replicated from its first write on, and
    /// `false` for one that was restored and is replicated no more.
    pub fn replicated(mut self, replicated: bool) -> Self {
        self.replicated = Some(replicated);
        self
    }

    /// Opens the database at `path`.
    ///
    /// When this fails, nothing was created or changed.
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
