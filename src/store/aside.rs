//! The temporary folder in which a copy of a database is made.
//!
//! Its name is derived from the target's, so that the next run finds and removes
//! what a killed one left, with all files that SQLite keeps beside a database. A
//! lock shows that a run is still working.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};
use tempfile::TempPath;

use crate::error::{Error, Result};

/// How long to wait for connections that are being closed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Removed with its content when dropped.
pub(crate) struct TempDatabase {
    folder: PathBuf,
    parent: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl TempDatabase {
    /// `purpose` is a part of the folder's name.
    pub(crate) fn make(target: &Path, purpose: &str) -> Result<Self> {
        // SQLite could take a relative path for a URI.
        let target = std::path::absolute(target).map_err(Error::io("write into", target))?;
        let parent = target.parent().unwrap_or(Path::new("/")).to_owned();
        let name = target.file_name().unwrap_or_default();
        let digest = Sha256::digest(name.as_bytes());
        let id: String = digest[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = parent.join(format!(".sessile-{purpose}-{id}"));
        let failed = |err| Error::io("write into", &parent)(err);
        loop {
            match DirBuilder::new().mode(0o700).create(&folder) {
                Err(err) if err.kind() != io::ErrorKind::AlreadyExists => return Err(failed(err)),
                _ => {}
            }
            if let Some(lock) = lock(&folder).map_err(failed)? {
                let aside = Self { folder, parent, _lock: lock };
                aside.clear()?;
                return Ok(aside);
            }
        }
    }

    /// The path at which the new database is made.
    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join("new.db")
    }

    /// Makes the file of the new database, empty and for its owner only.
    pub(super) fn make_file(&self) -> Result<()> {
        let mut options = OpenOptions::new();
        let made = options.write(true).create_new(true).mode(0o600).open(self.database());
        made.map(drop).map_err(Error::io("write into", &self.parent))
    }

    /// Removes what a killed run left.
    fn clear(&self) -> Result<()> {
        let clear = || {
            // This fails for another user's folder.
            fs::set_permissions(&self.folder, Permissions::from_mode(0o700))?;
            fs::read_dir(&self.folder)?.try_for_each(|entry| {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    return fs::remove_dir_all(entry.path());
                }
                fs::remove_file(entry.path())
            })
        };
        clear().map_err(Error::io("clear", &self.folder))
    }

    /// Checkpoints the database, so that it is one file.
    pub(crate) fn leave_journal(&self) -> Result<()> {
        leave_journal(&self.database())
    }

    /// Renames the database, which nobody has open any more, to the target.
    pub(crate) fn finish(self, target: &Path) -> Result<()> {
        let database = self.database();
        let sync = |path: &Path| File::open(path)?.sync_all();
        sync(&database).map_err(Error::io("write", target))?;
        let whole = TempPath::try_from_path(database).map_err(Error::io("write", target))?;
        match whole.persist_noclobber(target) {
            Ok(()) => {}
            Err(err) if err.error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(Error::TargetExists(target.to_owned()));
            }
            Err(err) => return Err(Error::io("write", target)(err.error)),
        }
        // Syncs the folder, so that the name survives a power cut.
        sync(&self.parent).map_err(Error::io("write into", &self.parent))
    }
}

fn leave_journal(database: &Path) -> Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(database, flags)?;
    // A thread of the pool may still be closing its connection, and SQLite does not
    // wait for it.
    let end = Instant::now() + PATIENCE;
    loop {
        let mode = conn
            .query_row("PRAGMA journal_mode = DELETE", [], |row| row.get::<_, String>(0))
            .map_err(Error::from);
        match mode {
            Ok(mode) if mode == "delete" => break,
            Ok(_) | Err(Error::Busy) if Instant::now() < end => {
                std::thread::sleep(Duration::from_millis(2));
            }
            Ok(_) => return Err(Error::Busy),
            Err(err) => return Err(err),
        }
    }
    conn.close().map_err(|(_, err)| Error::from(err))
}

/// `None` if another run removed the folder meanwhile.
fn lock(folder: &Path) -> io::Result<Option<File>> {
    let link = match folder.symlink_metadata() {
        Ok(link) => link,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err),
    };
    if !link.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            format!("{} exists and is not a folder; remove it", folder.display()),
        ));
    }
    let file = match File::open(folder) {
        Ok(file) => file,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(err) => return Err(err),
    };
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => {
            let reason = "another run is writing the same file";
            return Err(io::Error::new(io::ErrorKind::WouldBlock, reason));
        }
        Err(err) => return Err(err.into()),
    }
    let locked = file.metadata()?;
    let is_there = folder
        .symlink_metadata()
        .is_ok_and(|now| (now.dev(), now.ino()) == (locked.dev(), locked.ino()));
    Ok(is_there.then_some(file))
}

impl Drop for TempDatabase {
    fn drop(&mut self) {
        // The second attempt is for an entry that appeared during the first. What
        // is left is removed by the next run.
        let _ = fs::remove_dir_all(&self.folder).or_else(|_| fs::remove_dir_all(&self.folder));
    }
}
