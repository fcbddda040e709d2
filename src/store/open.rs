//! Opening and creating a database.
//!
//! A database is untrusted input. The kind of file is decided by its first 100
//! bytes before SQLite sees it: SQLite itself would create files beside a foreign
//! database, and block on a pipe. Then a connection is opened that executes nothing
//! from the file (no triggers, no views, no extensions), the schema is compared
//! with ours, and only then the database is used.
//!
//! A path is always a file: as it is built here, SQLite would take `file:x` for a
//! URI and `:memory:` for no file at all, so it only gets absolute paths.
//!
//! A new database is created under a temporary name, complete and in WAL mode, and
//! then renamed without replacing anything. A crash leaves no half-made database.
//! If several processes create the same database at once, the first wins and the
//! others use its file.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use rustix::fs::OFlags;

use super::identity::Identity;
use super::options::{Durability, StoreOptions};
use super::schema::Proven;
use super::{Store, parent_folder, pool, replicator, schema};
use crate::error::{Cause, Error, Result, sqlite_code};

/// The first release of SQLite without the bug that can corrupt a database in WAL
/// mode (version 3.51.3).
const SQLITE_FLOOR: i32 = 3_051_003;

/// Rows of 1 to 2 KB waste less space in larger pages: 8 KiB measured best.
const PAGE_SIZE: &str = "PRAGMA page_size = 8192;";

pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Store> {
    if rusqlite::version_number() < SQLITE_FLOOR {
        return Err(Error::SqliteTooOld(rusqlite::version()));
    }
    match header(path)? {
        Some(header) if is_ours(&header) => {}
        Some(_) => return Err(Error::ForeignDatabase(path.to_owned())),
        None if options.create && !options.read_only => make(path)?,
        None => return Err(Error::DatabaseMissing(path.to_owned())),
    }
    connect(path, options)
}

/// Whether a header has our application id.
fn is_ours(header: &[u8; 100]) -> bool {
    header[68..72] == schema::APPLICATION_ID.to_be_bytes()
}

/// The header of an SQLite database; `None` if there is no file. Changes nothing, and
/// never blocks.
pub(crate) fn header(path: &Path) -> Result<Option<[u8; 100]>> {
    let Some(mut file) = open_regular(path)? else { return Ok(None) };
    check_companions(path)?;
    let mut header = [0; 100];
    match file.read_exact(&mut header) {
        Ok(()) if header.starts_with(b"SQLite format 3\0") => Ok(Some(header)),
        Err(err) if err.kind() != io::ErrorKind::UnexpectedEof => Err(Error::io("read", path)(err)),
        _ => Err(Error::NotADatabase(path.to_owned())),
    }
}

/// Opens a regular file for reading; `None` if there is no file. Never blocks.
pub(crate) fn open_regular(path: &Path) -> Result<Option<File>> {
    let failed = |err| Error::io("open", path)(err);
    match path.metadata() {
        Ok(metadata) => regular(path, &metadata)?,
        Err(err) if err.kind() == io::ErrorKind::NotFound && !path.as_os_str().is_empty() => {
            return Ok(None);
        }
        Err(err) => return Err(failed(err)),
    }
    // If the file has been replaced by a pipe since, this does not wait for its
    // other end.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits().cast_signed());
    let file = options.open(path).map_err(failed)?;
    regular(path, &file.metadata().map_err(failed)?)?;
    Ok(Some(file))
}

fn regular(path: &Path, metadata: &fs::Metadata) -> Result<()> {
    if metadata.is_dir() {
        return Err(Error::DatabaseIsFolder(path.to_owned()));
    }
    if !metadata.is_file() {
        return Err(Error::NotAFile(path.to_owned()));
    }
    Ok(())
}

/// SQLite opens the files of these names beside a database, and would block on a
/// pipe.
fn check_companions(path: &Path) -> Result<()> {
    // If the path is a link, the companions are beside its target.
    let real = fs::canonicalize(path).map_err(Error::io("open", path))?;
    for end in ["-journal", "-wal", "-shm"] {
        let companion = companion(&real, end);
        match companion.symlink_metadata() {
            Ok(metadata) if !metadata.is_file() => return Err(Error::NotAFile(companion)),
            _ => {}
        }
    }
    Ok(())
}

fn companion(path: &Path, end: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(end);
    PathBuf::from(name)
}

/// The temporary folder in which a database is created. Dropping it removes it.
struct TempFolder(PathBuf);

impl Drop for TempFolder {
    fn drop(&mut self) {
        // The second attempt is for an entry that appeared during the first.
        let _ = fs::remove_dir_all(&self.0).or_else(|_| fs::remove_dir_all(&self.0));
    }
}

fn make(path: &Path) -> Result<()> {
    let folder = parent_folder(path);
    for end in ["-journal", "-wal"] {
        let journal = companion(path, end);
        let Ok(metadata) = journal.symlink_metadata() else { continue };
        if !metadata.is_file() {
            return Err(Error::NotAFile(journal));
        }
        // Another process may have created and opened the database meanwhile.
        if 0 < metadata.len() && path.symlink_metadata().is_err() {
            return Err(Error::JournalAlone(journal));
        }
    }
    make_folder(&folder)?;
    // A folder of its own takes all files with it that SQLite leaves after a
    // failure.
    let temp = tempfile::Builder::new()
        .prefix(".sessile-new-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(&folder)
        .map_err(Error::io("write into", &folder))?;
    let temp = TempFolder(temp.keep());
    let aside =
        tempfile::Builder::new().tempfile_in(&temp.0).map_err(Error::io("write into", &temp.0))?;
    let mut conn = connection(aside.path(), Access::Write).map_err(unopenable(path))?;
    conn.execute_batch(PAGE_SIZE)?;
    schema::create(&mut conn)?;
    // Switching to WAL later, under the final name, would leave a rollback journal
    // beside it after a crash, which no read-only connection can roll back.
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    // Closing checkpoints and removes the WAL, so that everything is in the file.
    conn.close().map_err(|(_, err)| Error::from(err))?;
    aside.as_file().sync_all().map_err(Error::io("write", path))?;
    match aside.persist_noclobber(path) {
        Ok(_) => {}
        // Another process created it at the same time.
        Err(err) if err.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(err) => return Err(Error::io("make", path)(err.error)),
    }
    // Syncs the folder, so that the name survives a power cut.
    sync_folder(&folder)
}

/// Creates a folder and its missing parents, for the owner only, and syncs them.
fn make_folder(folder: &Path) -> Result<()> {
    let is_missing = |folder: &&Path| *folder != Path::new("") && !folder.exists();
    let missing: Vec<&Path> = folder.ancestors().take_while(is_missing).collect();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(Error::io("create the folder", folder))?;
    missing.into_iter().rev().try_for_each(|made| sync_folder(&parent_folder(made)))
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("write into", folder))
}

fn connect(path: &Path, options: &StoreOptions) -> Result<Store> {
    if !options.read_only {
        // SQLite would fall back to reading only, and fail at the first write.
        OpenOptions::new().write(true).open(path).map_err(Error::io("write to", path))?;
    }
    // The process may change its working directory before the next connection is
    // opened.
    let full = std::path::absolute(path).map_err(Error::io("open", path))?;
    // Not through the pool, which would retry until the timeout before it reports
    // that a database cannot be opened.
    let (first, options) = match opened(&full, options) {
        Ok(first) => (first, options.clone()),
        Err(err) => {
            let alone = opened_alone(&full, options, &err);
            alone.map_err(|_| explain(path, &full, err))?
        }
    };
    // Whoever reads a database in WAL mode has the WAL open.
    let identity = match options.reading {
        Access::Read | Access::Write => Identity::of(&full)?,
        Access::Alone | Access::AloneWithJournal => Identity::of_alone(&full)?,
    };
    let pool = pool::pool(first, &full, &options)?;
    Ok(Store {
        pool,
        identity: Arc::new(identity),
        path: Arc::from(full),
        busy_timeout: options.busy_timeout,
        compression: options.compression,
        replicated: options.replicated,
        reading: options.reading,
        state: None,
    })
}

/// How a connection may use the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    /// Read without locks and companion files, while nobody writes.
    Alone,
    /// As `Alone`, with a WAL beside the database.
    AloneWithJournal,
}

/// Opens a connection that executes nothing from the database: no code in its schema,
/// and no extensions.
pub(crate) fn connection(path: &Path, access: Access) -> rusqlite::Result<Connection> {
    let flags = match access {
        Access::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
        Access::Write => OpenFlags::SQLITE_OPEN_READ_WRITE,
        Access::Alone | Access::AloneWithJournal => {
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI
        }
    };
    let path = match access {
        Access::Read | Access::Write => literal(path),
        Access::Alone => uri(path, "immutable=1"),
        Access::AloneWithJournal => uri(path, "vfs=unix-none"),
    };
    let conn = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    if access == Access::AloneWithJournal {
        // With exclusive locking, the WAL's index is kept in memory, and the WAL
        // stays as it is.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        conn.execute_batch("PRAGMA locking_mode = EXCLUSIVE;")?;
    }
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    // Reports a damaged page when it is read, before it does harm.
    conn.execute_batch("PRAGMA cell_size_check = ON;")?;
    conn.set_prepared_statement_cache_capacity(96);
    Ok(conn)
}

/// A path that SQLite takes for a file.
fn literal(path: &Path) -> PathBuf {
    // An absolute path stays as it is.
    Path::new("./").join(path)
}

/// An absolute path as an SQLite URI.
fn uri(path: &Path, query: &str) -> PathBuf {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02x}")),
        }
    }
    PathBuf::from(format!("{uri}?{query}"))
}

/// Opens a database for reading where not even the companion files of a reader can be
/// created, if nobody else has it open: without companions there are no locks. `err`
/// is the error of the normal way.
fn opened_alone(
    path: &Path,
    options: &StoreOptions,
    err: &Error,
) -> Result<(Connection, StoreOptions)> {
    let is_for_companions = matches!(err, Error::Sqlite(cause) if needs_companion(cause));
    if !options.read_only || !is_for_companions || may_write_beside(path) {
        return Err(Error::Busy);
    }
    // If the path is a link, the companions are beside its target.
    let real = fs::canonicalize(path).map_err(Error::io("open", path))?;
    // Whoever has a database open in WAL mode has this file open. It can also be
    // left by a crash.
    if companion(&real, "-shm").symlink_metadata().is_ok() {
        return Err(Error::Busy);
    }
    let has_journal = companion(&real, "-wal").metadata().is_ok_and(|wal| 0 < wal.len());
    let reading = if has_journal { Access::AloneWithJournal } else { Access::Alone };
    let options = StoreOptions { reading, ..options.clone() };
    Ok((opened(path, &options)?, options))
}

/// Opens a connection and proves the schema; it is ready for use.
pub(super) fn opened(path: &Path, options: &StoreOptions) -> Result<Connection> {
    let access = if options.read_only { options.reading } else { Access::Write };
    let mut conn = connection(path, access)?;
    conn.busy_timeout(options.busy_timeout)?;
    let proven = schema::prove(path, &conn)?;
    if options.read_only && matches!(proven, Proven::Older(_)) {
        return Err(Error::SchemaTooOld(path.to_owned()));
    }
    prepare(&conn, options)?;
    if !options.read_only {
        if replicator::follows(&conn, options.replicated)? {
            replicator::leave_journal(&conn)?;
        }
        match proven {
            Proven::Current { is_marked: true } => {}
            Proven::Current { is_marked: false } => schema::mark(&conn)?,
            Proven::Older(_) => schema::migrate(path, &mut conn)?,
        }
    }
    Ok(conn)
}

fn unopenable<E: Into<Cause>>(path: &Path) -> impl FnOnce(E) -> Error {
    move |source| Error::Unopenable { path: path.to_owned(), source: source.into() }
}

/// Adds the path that the caller gave to an error of opening.
fn explain(path: &Path, full: &Path, err: Error) -> Error {
    // Results of SQLite that say more than their primary code.
    const READONLY_ROLLBACK: i32 = rusqlite::ffi::SQLITE_READONLY_ROLLBACK;
    let given = path.to_owned();
    match err {
        Error::Damaged(detail) => Error::Damaged(format!("{}: {detail}", path.display())),
        Error::SchemaTooOld(_) => Error::SchemaTooOld(given),
        Error::SchemaTooNew { found, known, .. } => {
            Error::SchemaTooNew { path: given, found, known }
        }
        Error::SchemaDiffers { object, difference, is_of_another_build, .. } => {
            Error::SchemaDiffers { path: given, object, difference, is_of_another_build }
        }
        Error::Sqlite(cause) => match extended_code(&cause) {
            Some(READONLY_ROLLBACK) => Error::ChangeInterrupted(given),
            // A database in WAL mode is read through a companion file, which has to
            // be created.
            Some(_) if needs_companion(&cause) && !may_write_beside(full) => {
                let reason = "even a reader needs to; copy the database to a folder of your own";
                let denied = io::Error::new(io::ErrorKind::PermissionDenied, reason);
                Error::io("write beside", path)(denied)
            }
            _ => unopenable(path)(cause),
        },
        _ => err,
    }
}

fn extended_code(cause: &Cause) -> Option<i32> {
    let failure = cause.downcast_ref().and_then(rusqlite::Error::sqlite_error)?;
    Some(failure.extended_code)
}

fn needs_companion(cause: &Cause) -> bool {
    matches!(sqlite_code(cause), Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen))
}

fn may_write_beside(path: &Path) -> bool {
    // If the path is a link, the companions are beside its target.
    let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    rustix::fs::access(parent_folder(&real), rustix::fs::Access::WRITE_OK).is_ok()
}

/// Applies the settings of a connection. All but the journal mode are per connection.
fn prepare(conn: &Connection, options: &StoreOptions) -> rusqlite::Result<()> {
    conn.execute_batch(
        "-- Projections cascade from their session.
         PRAGMA foreign_keys = ON;
         -- What is removed does not stay in unused parts of pages.
         PRAGMA secure_delete = ON;
         -- 8 MiB: more gained nothing in measurements, and imports promise to stay small.
         PRAGMA cache_size = -8192;",
    )?;
    if options.read_only {
        return Ok(());
    }
    // In WAL mode, readers and the writer do not block each other.
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    conn.execute_batch(match options.durability {
        // An append that returned Ok survives a power cut, not only a crash.
        Durability::Full => "PRAGMA synchronous = FULL;",
        Durability::Normal => "PRAGMA synchronous = NORMAL;",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_database_is_in_wal_mode_before_anyone_can_open_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");

        make(&path).unwrap();

        let header = header(&path).unwrap().unwrap();
        assert_eq!(header[18..20], [2, 2]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
