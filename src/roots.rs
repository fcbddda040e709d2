//! The roots that sessions were imported from: listing, forgetting and moving them.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::import::root::real_path;
use crate::model::{Format, Timestamp, as_object, shown_path};
use crate::store::sources::{self, Source};
use crate::store::{Store, Traces, roots};

/// A root that sessions were imported from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RootInfo {
    /// Its path, absolute and with links resolved. Empty for the store's own root,
    /// and for sessions merged from another store that are in no root here.
    pub root: PathBuf,
    /// The program that wrote it.
    pub format: Format,
    /// The machine or person that its sessions come from; `None` if it was never
    /// named.
    pub origin: Option<String>,
    /// Files and links below it, including those that are no longer there.
    pub files: u64,
    /// Sessions, including archived ones and the trash.
    pub sessions: u64,
    /// How many of them hold something that only the store has: they continued here,
    /// something was decided about them here, or the root lost part of them.
    pub changed: u64,
    /// When an import last read it; `None` for the store's own root.
    pub imported_at: Option<Timestamp>,
}

as_object! { RootInfo {
    root by shown_path, format, origin, files, sessions, changed, imported_at,
} }

/// A root that was removed from the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ForgottenRoot {
    /// What was known of the root.
    pub info: RootInfo,
    /// Whether its content is gone from the database's files, too.
    pub traces: Traces,
}

as_object! { ForgottenRoot { info, traces, } }

/// A root whose path was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MovedRoot {
    /// The old path.
    pub from: PathBuf,
    /// The new path.
    pub to: PathBuf,
}

as_object! { MovedRoot { from by shown_path, to by shown_path, } }

impl Store {
    /// Returns every root, ordered by path. The store's own root comes first, then
    /// roots merged from other stores that are in no root here, by origin.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    ///
    /// let roots = store.imported_roots()?;
    /// assert!(roots[0].root.ends_with("fixtures/kward/small"));
    /// assert_eq!(roots[0].sessions, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn imported_roots(&self) -> Result<Vec<RootInfo>> {
        self.read(|conn| sources::all(conn)?.iter().map(|source| root_info(conn, source)).collect())
    }

    /// Returns what is known of a root, in whatever spelling its path is given;
    /// `None` if nothing was imported from it.
    pub fn imported_root(&self, root: impl AsRef<Path>) -> Result<Option<RootInfo>> {
        let path = roots::kept_path(root.as_ref());
        self.read(|conn| match sources::of_root(conn, &path)? {
            Some(source) => root_info(conn, &source).map(Some),
            None => Ok(None),
        })
    }

    /// Returns the directories that sessions worked in, as the sessions spell them,
    /// in byte order.
    pub fn work_dirs(&self) -> Result<Vec<String>> {
        self.read(roots::work_dirs)
    }

    /// Removes a root and all of its sessions from the store, including everything
    /// that was written or decided here about them. Files at the root are not
    /// touched. Returns what was removed, and whether it is gone from the database's
    /// files, too: this rewrites the database, as [`purge`](crate::Session::purge)
    /// does.
    ///
    /// # Errors
    ///
    /// [`SourceNotFound`](Error::SourceNotFound).
    pub fn forget_root(&self, root: impl AsRef<Path>) -> Result<ForgottenRoot> {
        let path = roots::kept_path(root.as_ref());
        let info = self.write(|tx| {
            let source =
                sources::of_root(tx, &path)?.ok_or_else(|| Error::SourceNotFound(path.clone()))?;
            let info = root_info(tx, &source)?;
            roots::delete(tx, &source)?;
            Ok(info)
        })?;
        Ok(ForgottenRoot { info, traces: self.remove_traces() })
    }

    /// Changes the path of a root, or of every root below a folder, for example after
    /// a home directory was moved. Sessions keep their keys and what was written
    /// here. Returns each root that was moved.
    ///
    /// # Errors
    ///
    /// [`SourceNotFound`](Error::SourceNotFound) if there is no root at or below
    /// `old`; [`RootNotFound`](Error::RootNotFound) if there is no folder `new`;
    /// [`RootKnown`](Error::RootKnown) if a new path is that of another root, or lies
    /// inside or around one.
    pub fn move_root(
        &self,
        old: impl AsRef<Path>,
        new: impl AsRef<Path>,
    ) -> Result<Vec<MovedRoot>> {
        let old = roots::kept_path(old.as_ref());
        let new = real_path(new.as_ref())?;
        if !new.is_dir() {
            return Err(Error::RootNotFound(new));
        }
        self.write(|tx| {
            let (moving, staying): (Vec<Source>, Vec<Source>) = sources::all(tx)?
                .into_iter()
                .filter(|source| !source.root.is_empty())
                .partition(|source| source.root_path().starts_with(&old));
            let mut moved = Vec::with_capacity(moving.len());
            for source in moving {
                let from = source.root_path();
                let to: PathBuf = match from.strip_prefix(&old) {
                    Ok(below) if !below.as_os_str().is_empty() => new.join(below),
                    _ => new.clone(),
                };
                let meets = |other: &&Source| {
                    let other = other.root_path();
                    other.starts_with(&to) || to.starts_with(&other)
                };
                if let Some(other) = staying.iter().find(meets) {
                    return Err(Error::RootKnown { root: to, known: other.root_path() });
                }
                roots::update_root(tx, source.source_id, to.as_os_str().as_bytes())?;
                moved.push(MovedRoot { from, to });
            }
            if moved.is_empty() { Err(Error::SourceNotFound(old.clone())) } else { Ok(moved) }
        })
    }
}

fn root_info(conn: &rusqlite::Connection, source: &Source) -> Result<RootInfo> {
    let holdings = roots::holdings(conn, source.source_id)?;
    Ok(RootInfo {
        root: PathBuf::from(OsStr::from_bytes(&source.root)),
        format: source.format,
        origin: Some(source.origin.clone()).filter(|origin| !origin.is_empty()),
        files: holdings.files,
        sessions: holdings.sessions,
        changed: holdings.changed,
        imported_at: holdings.imported_at.filter(|_| !source.root.is_empty()),
    })
}
