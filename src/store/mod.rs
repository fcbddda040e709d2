//! The database: connections, and one file of SQL a noun.
//!
//! [`Store`] is a thin handle. Everything below it is functions over a
//! `&Connection`, so that the same function serves in any transaction.

pub(crate) mod entries;
pub(crate) mod events;
pub(crate) mod files;
pub(crate) mod free;
pub(crate) mod heads;
pub(crate) mod kimi;
pub(crate) mod labels;
pub(crate) mod listing;
pub(crate) mod log;
pub(crate) mod open;
mod options;
pub(crate) mod packing;
pub(crate) mod paths;
#[cfg(test)]
mod plans;
mod pool;
pub(crate) mod problems;
pub(crate) mod projections;
pub(crate) mod records;
mod schema;
pub(crate) mod search;
pub(crate) mod seen;
pub(crate) mod sessions;
pub(crate) mod space;
mod values;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub use listing::{Archived, Cursor, Page, SessionFilter, SessionRow};
pub use options::{Durability, StoreOptions};
use rusqlite::{Connection, Transaction, TransactionBehavior};

pub use watch::Watch;

use crate::error::{Error, Result};

/// A database of sessions.
///
/// A handle to a pool of connections: cheap to clone, safe to share between
/// threads, closed when the last clone is dropped. Every method is one
/// transaction, so a failed call leaves nothing behind, and what a call has
/// written survives a power cut once it returned `Ok`.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("sessions.db");
/// let store = sessile::Store::open(&path)?;
///
/// assert_eq!(store.sessions(&sessile::SessionFilter::new())?.rows.len(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Store {
    pool: pool::Pool,
    path: Arc<Path>,
    busy_timeout: Duration,
    compression: Option<i32>,
}

impl Store {
    /// Marks a SQLite file as ours.
    pub(crate) const APPLICATION_ID: u32 = schema::APPLICATION_ID;

    /// Opens a database, and makes it if there is none.
    ///
    /// The file and SQLite's two companions beside it are readable by their
    /// owner only; a folder that had to be made for them likewise.
    ///
    /// # Errors
    ///
    /// As [`StoreOptions::open`].
    pub fn open(path: &Path) -> Result<Self> {
        StoreOptions::new().open(path)
    }

    /// Where the database lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a consistent copy of the database, while others use it.
    ///
    /// The copy is complete or not there: it gets its name last. It holds
    /// neither free pages nor a journal.
    ///
    /// # Errors
    ///
    /// [`TargetExists`](Error::TargetExists) rather than overwriting anything;
    /// [`Io`](Error::Io) when the folder cannot be written.
    pub fn backup(&self, target: &Path) -> Result<()> {
        if target.symlink_metadata().is_ok() {
            return Err(Error::TargetExists(target.to_owned()));
        }
        let folder = parent_folder(target);
        let aside = tempfile::Builder::new()
            .prefix(".sessile-backup-")
            .tempfile_in(&folder)
            .map_err(Error::io("write into", &folder))?;
        let conn = self.pool.get()?;
        conn.execute("VACUUM INTO ?1", [path_text(aside.path())?])?;
        aside.as_file().sync_all().map_err(Error::io("write", target))?;
        match aside.persist_noclobber(target) {
            Ok(_) => Ok(()),
            Err(err) if err.error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(Error::TargetExists(target.to_owned()))
            }
            Err(err) => Err(Error::io("write", target)(err.error)),
        }
    }

    /// Runs `body` on one connection and one snapshot.
    ///
    /// Never call it from inside another `read` or `write`: each holds a
    /// connection, and the pool is small.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let mut conn = self.pool.get()?;
        let tx = conn.transaction()?;
        body(&tx)
    }

    /// Runs `body` in a transaction, committed if it returns `Ok`.
    pub(crate) fn write<T>(&self, body: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        let conn = self.pool.get()?;
        let tx = self.begin(&conn)?;
        let value = body(&tx)?;
        tx.commit()?;
        Ok(value)
    }

    /// Begins a transaction that holds the write lock from its start.
    ///
    /// A deferred one that reads first fails with `SQLITE_BUSY` at its first
    /// write if anyone has written since, and no busy timeout helps.
    pub(crate) fn begin<'c>(&self, conn: &'c Connection) -> Result<Transaction<'c>> {
        // SQLite's own wait grows to 100 ms between looks: where others write
        // all the time, it can miss every gap. So this waits a moment at a time.
        let end = Instant::now() + self.busy_timeout;
        conn.busy_timeout(Duration::ZERO)?;
        let begun = loop {
            // Nothing else uses this connection: the pool has handed it out.
            let begun = Transaction::new_unchecked(conn, TransactionBehavior::Immediate);
            match begun.map_err(Error::from) {
                Err(Error::Busy) if Instant::now() < end => std::thread::sleep(a_moment()),
                begun => break begun,
            }
        };
        conn.busy_timeout(self.busy_timeout)?;
        begun
    }

    /// The level of zstd at which imports pack long lines.
    pub(crate) fn compression(&self) -> Option<i32> {
        self.compression
    }

    /// A connection of its own, for work of many transactions.
    pub(crate) fn connection(&self) -> Result<r2d2::PooledConnection<pool::Manager>> {
        Ok(self.pool.get()?)
    }
}

/// A quarter of a millisecond to four; uneven, lest waiters look in step.
fn a_moment() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Duration::from_micros(250 + u64::from(now.subsec_nanos()) / 7 % 3_750)
}

/// The folder that a file lies in.
fn parent_folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

fn path_text(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| Error::NotADatabase(path.to_owned()))
}
