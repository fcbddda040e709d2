//! The database: its connections, and the SQL, one file per noun.
//!
//! [`Store`] is a thin handle. Everything below it is functions over a
//! `&Connection`, so that the same function works inside any transaction.

pub(crate) mod aside;
pub(crate) mod bulk;
pub(crate) mod documents;
pub(crate) mod ends;
pub(crate) mod entries;
pub(crate) mod events;
pub(crate) mod file_time;
pub(crate) mod files;
mod filter;
pub(crate) mod folder;
pub(crate) mod free;
pub(crate) mod generations;
pub(crate) mod heads;
mod identity;
pub(crate) mod ids;
pub(crate) mod inserter;
pub(crate) mod labels;
pub(crate) mod listing;
pub(crate) mod log;
mod losses;
pub(crate) mod marks;
pub(crate) mod memory;
pub(crate) mod metadata;
pub(crate) mod narrowing;
pub(crate) mod open;
mod options;
pub(crate) mod packing;
pub(crate) mod paths;
#[cfg(test)]
mod plans;
mod pool;
pub(crate) mod problems;
pub(crate) mod projections;
pub(crate) mod purged;
pub(crate) mod ranges;
pub(crate) mod readable;
pub(crate) mod recent;
pub(crate) mod records;
pub(crate) mod replicator;
pub(crate) mod roots;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod search;
pub(crate) mod seen;
pub(crate) mod sessions;
pub(crate) mod sharing;
pub(crate) mod sources;
pub(crate) mod space;
pub(crate) mod standings;
mod state;
pub(crate) mod statements;
pub(crate) mod texts;
pub(crate) mod titles;
mod traces;
pub(crate) mod transaction;
mod trash;
pub(crate) mod unpacked;
mod values;
mod view;
mod watch;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub use filter::{Archived, Cursor, SessionFilter};
pub use folder::SessionFile;
pub use listing::{Page, SessionRow};
pub use options::{Durability, StoreOptions};
pub use packing::unpack_line;
pub use traces::Traces;
pub use watch::Watch;

use aside::TempDatabase;

use crate::error::{Error, Result};

/// A database of sessions.
///
/// A handle to a pool of connections: cheap to clone, safe to share between threads,
/// closed when the last clone is dropped. Every method is one transaction unless it
/// says otherwise. A call that fails has changed nothing, except with
/// [`CommitUnknown`](Error::CommitUnknown), which says that it is not known. What a
/// call wrote survives a power cut once it returned `Ok`. If the database at the path
/// is no longer the one that was opened, every call fails with
/// [`DatabaseReplaced`](Error::DatabaseReplaced).
///
/// # Contents
///
/// - Files in and out: [`import`](Self::import), [`import_with`](Self::import_with),
///   [`verify`](Self::verify), [`export`](Self::export); another store:
///   [`merge`](Self::merge).
/// - Lists: [`sessions`](Self::sessions), [`recent_tree`](Self::recent_tree),
///   [`trash`](Self::trash), [`work_dirs`](Self::work_dirs),
///   [`imported_roots`](Self::imported_roots),
///   [`imported_root`](Self::imported_root), [`each_problem`](Self::each_problem),
///   [`stats`](Self::stats), [`dump`](Self::dump).
/// - Across sessions: [`search`](Self::search), [`each_usage`](Self::each_usage),
///   [`query`](Self::query), [`query_first`](Self::query_first).
/// - One session: [`find`](Self::find), [`session`](Self::session),
///   [`create`](Self::create), [`create_with_messages`](Self::create_with_messages),
///   [`create_with_lines`](Self::create_with_lines),
///   [`session_files`](Self::session_files), [`remembered`](Self::remembered). They
///   return a [`Session`](crate::Session), which has everything else.
/// - Several reads of one state: [`snapshot`](Self::snapshot); a session's past:
///   [`earlier`](Self::earlier); changes to come: [`watch`](Self::watch).
/// - Roots and work dirs: [`move_root`](Self::move_root),
///   [`forget_root`](Self::forget_root), [`relink`](Self::relink).
/// - Maintenance: [`archive_older_than`](Self::archive_older_than),
///   [`purge_all`](Self::purge_all), [`prunable`](Self::prunable),
///   [`prune`](Self::prune), [`seal`](Self::seal), [`backup`](Self::backup).
/// - The database: [`open`](Self::open), [`path`](Self::path),
///   [`is_read_alone`](Self::is_read_alone),
///   [`on_network_file_system`](Self::on_network_file_system).
/// - Integrity: [`check`](Self::check), [`rebuild`](Self::rebuild),
///   [`foreign_objects`](Self::foreign_objects); [`recover`](fn@crate::recover) for a
///   database that cannot be opened.
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
    identity: Arc<identity::Identity>,
    busy_timeout: Duration,
    compression: Option<i32>,
    /// Whether a replicator follows the database, if the caller said so.
    replicated: Option<bool>,
    /// How further connections may read the database.
    reading: open::Access,
    /// The held state, if this store is a snapshot.
    state: Option<Arc<state::State>>,
}

impl Store {
    /// The `application_id` that marks a SQLite file as a sessile database.
    pub(crate) const APPLICATION_ID: u32 = schema::APPLICATION_ID;

    /// Opens a database with the default options, and creates it if there is none.
    ///
    /// The file and the two files that SQLite keeps beside it (`-wal`, `-shm`) are
    /// readable by their owner only, and so is every folder that is created for them.
    ///
    /// # Errors
    ///
    /// Those of [`StoreOptions::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        StoreOptions::new().open(path)
    }

    /// Returns whether the database is read without SQLite's locks, because it is
    /// read-only on disk and nobody else had it open. If another process begins to
    /// write it, every call fails with [`Busy`](Error::Busy).
    pub fn is_read_alone(&self) -> bool {
        self.reading != open::Access::Read
    }

    /// How further connections may read the database.
    pub(crate) fn reading(&self) -> open::Access {
        self.reading
    }

    /// Returns the path of the database.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a consistent copy of the database, while others may use it.
    ///
    /// The copy appears under its name only when it is complete; `Ok` means that copy
    /// and name are on the disk. It has neither free pages nor a WAL.
    ///
    /// # Errors
    ///
    /// [`TargetExists`](Error::TargetExists) if there is a file of this name, which
    /// is never overwritten; [`Io`](Error::Io) if the folder cannot be written.
    pub fn backup(&self, target: impl AsRef<Path>) -> Result<()> {
        let target = target.as_ref();
        if target.symlink_metadata().is_ok() {
            return Err(Error::TargetExists(target.to_owned()));
        }
        let aside = TempDatabase::make(target, "backup")?;
        aside.make_file()?;
        let conn = self.pool.get()?;
        // Paths are bytes in any encoding, so the path is bound as a blob.
        let path = aside.database();
        conn.execute("VACUUM INTO CAST(?1 AS TEXT)", [path.as_os_str().as_bytes()])?;
        aside.finish(target)
    }

    /// The zstd level at which imports pack lines.
    pub(crate) fn compression(&self) -> Option<i32> {
        self.compression
    }
}

/// The folder that contains a path.
fn parent_folder(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}
