//! Opening and making a database.
//!
//! What a file is, is read from its first 100 bytes before SQLite sees it:
//! SQLite itself would create companions beside a stranger's database. And a
//! database is made aside under a temporary name, complete, and then gets its
//! own without replacing anything: a crash leaves no half-made database, and of
//! processes that make the same one at once, the first wins and the others use
//! its.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::identity::Identity;
use super::options::{Durability, StoreOptions};
use super::{Store, parent_folder, pool, schema};
use crate::error::{Error, Result};

/// The first release of SQLite without the bug that can corrupt a database in WAL mode.
const SQLITE_FLOOR: i32 = 3_051_003;

/// Of a row's 1 to 2 KB, larger pages waste less: 8 KiB measured best.
const PAGE_SIZE: &str = "PRAGMA page_size = 8192;";

pub(super) fn open(path: &Path, options: &StoreOptions) -> Result<Store> {
    if rusqlite::version_number() < SQLITE_FLOOR {
        return Err(Error::SqliteTooOld(rusqlite::version()));
    }
    match examine(path)? {
        Found::Nothing if options.create && !options.read_only => make(path)?,
        Found::Nothing => return Err(Error::DatabaseMissing(path.to_owned())),
        Found::Ours { version } => schema::check_version(path, version)?,
    }
    connect(path, options)
}

enum Found {
    Nothing,
    Ours { version: u32 },
}

/// Says what lies at a path without changing anything.
fn examine(path: &Path) -> Result<Found> {
    let Some(header) = header(path)? else { return Ok(Found::Nothing) };
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    if number(68) != schema::APPLICATION_ID {
        return Err(Error::ForeignDatabase(path.to_owned()));
    }
    Ok(Found::Ours { version: number(60) })
}

/// What a SQLite database begins with; `None` where there is nothing.
pub(crate) fn header(path: &Path) -> Result<Option<[u8; 100]>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(Error::io("open", path)(err)),
    };
    let metadata = file.metadata().map_err(Error::io("open", path))?;
    if metadata.is_dir() {
        return Err(Error::DatabaseIsFolder(path.to_owned()));
    }
    let mut header = [0; 100];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"SQLite format 3\0") {
        return Err(Error::NotADatabase(path.to_owned()));
    }
    Ok(Some(header))
}

fn make(path: &Path) -> Result<()> {
    let folder = parent_folder(path);
    let made = !folder.exists();
    if made {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(Error::io("make the folder", &folder))?;
    }
    let aside = tempfile::Builder::new()
        .prefix(".sessile-new-")
        .tempfile_in(&folder)
        .map_err(Error::io("write into", &folder))?;
    let mut conn = Connection::open_with_flags(
        aside.path(),
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    // In WAL mode the header could still be in the WAL when the file gets its
    // name; a rollback journal leaves everything in the file.
    conn.execute_batch(PAGE_SIZE)?;
    schema::migrate(path, &mut conn)?;
    conn.close().map_err(|(_, err)| Error::from(err))?;
    aside.as_file().sync_all().map_err(Error::io("write", path))?;
    match aside.persist_noclobber(path) {
        Ok(_) => {}
        // Another process made it at the same time.
        Err(err) if err.error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(err) => return Err(Error::io("make", path)(err.error)),
    }
    // The name survives a power cut, too.
    File::open(&folder)
        .and_then(|folder| folder.sync_all())
        .map_err(Error::io("write into", &folder))
}

fn connect(path: &Path, options: &StoreOptions) -> Result<Store> {
    let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if options.read_only {
        flags |= OpenFlags::SQLITE_OPEN_READ_ONLY;
    } else {
        flags |= OpenFlags::SQLITE_OPEN_READ_WRITE;
        // SQLite would fall back to reading only, and fail at the first write.
        fs::OpenOptions::new().write(true).open(path).map_err(Error::io("write to", path))?;
    }
    // The process may change its working directory before the next connection.
    let absolute = std::path::absolute(path).map_err(Error::io("open", path))?;
    // Not through the pool, which would retry for the whole timeout before it
    // reports a database that cannot be opened.
    let mut first = Connection::open_with_flags(&absolute, flags)?;
    let prepared = prepare(&first, options).map_err(Error::from);
    if options.read_only {
        prepared
            .and_then(|()| schema::check_current(path, &first))
            .map_err(|err| explain_read_only(path, err))?;
    } else {
        prepared?;
        schema::migrate(path, &mut first)?;
    }
    // Whoever has read a database has its journal open, where there is one.
    let identity = Identity::of(&absolute)?;
    let pool = pool::pool(first, &absolute, flags, options)?;
    Ok(Store {
        pool,
        identity: Arc::new(identity),
        path: Arc::from(path),
        busy_timeout: options.busy_timeout,
        compression: options.compression,
    })
}

/// A journal in WAL mode is read through a companion file, which has to be made.
fn explain_read_only(path: &Path, err: Error) -> Error {
    match &err {
        Error::Sqlite(cause)
            if matches!(
                cause.sqlite_error_code(),
                Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen)
            ) =>
        {
            let reason = "even a reader needs to; copy the database to a folder of your own";
            Error::io("write beside", path)(io::Error::new(io::ErrorKind::PermissionDenied, reason))
        }
        _ => err,
    }
}

/// Settings of every connection; all but the journal mode last as long as it.
pub(super) fn prepare(conn: &Connection, options: &StoreOptions) -> rusqlite::Result<()> {
    conn.busy_timeout(options.busy_timeout)?;
    conn.set_prepared_statement_cache_capacity(96);
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
    // Readers and the writer do not wait for each other.
    conn.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    conn.execute_batch(match options.durability {
        // An append that returned Ok survives a power cut, not only a crash.
        Durability::Full => "PRAGMA synchronous = FULL;",
        Durability::Normal => "PRAGMA synchronous = NORMAL;",
    })
}
