//! Recognises sessions at a root that were purged here, so that an import skips
//! them.
//!
//! This is only done for roots of which something was purged, and for files that
//! changed. A session is recognised by its id, even if its file grew or moved;
//! without an id, by its bytes, with which a grown file begins. If a copy of the
//! session was kept, the inode tells the two apart, or the fact that the kept one's
//! file is still at its place.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::walk::{Found, FoundKind, Walk};
use crate::error::Result;
use crate::format::rules::Sessions;
use crate::model::{Change, Format, bytes_of};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::{generations, purged, sessions};

/// Bytes of a file in which its header is searched.
const HEAD: u64 = 1 << 20;

/// The sessions that an import skips.
#[derive(Debug)]
pub(crate) struct Away {
    format: Format,
    ids: HashSet<String>,
    /// Digests of purged logs, by size.
    digests: BTreeMap<u64, Vec<Vec<u8>>>,
    /// Inodes of purged logs and folders.
    inodes: HashSet<i64>,
    /// Sessions with the id of a purged one that were kept.
    kept: HashMap<String, Vec<KeptSession>>,
    /// Inodes of logs without an id that were kept.
    kept_inodes: HashSet<i64>,
    passed: AtomicU64,
}

/// The place of a session that was kept.
#[derive(Debug)]
struct KeptSession {
    path: Vec<u8>,
    is_folder: bool,
    inode: i64,
}

impl KeptSession {
    fn below(self, folder: &Path) -> Self {
        match bytes_of(folder) {
            b"" => self,
            folder => Self { path: [folder, b"/", &self.path].concat(), ..self },
        }
    }
}

impl Away {
    /// No purged sessions.
    pub(super) fn nothing(format: Format) -> Self {
        Self {
            format,
            ids: HashSet::new(),
            digests: BTreeMap::new(),
            inodes: HashSet::new(),
            kept: HashMap::new(),
            kept_inodes: HashSet::new(),
            passed: AtomicU64::new(0),
        }
    }

    pub(crate) fn of_source(conn: &Connection, source_id: i64, format: Format) -> Result<Self> {
        let mut away = Self::nothing(format);
        away.add(conn, source_id, Path::new(""))?;
        Ok(away)
    }

    /// Adds the purged sessions of a source, which is at this path below the root.
    pub(super) fn add(&mut self, conn: &Connection, source_id: i64, below: &Path) -> Result<()> {
        let mut ids = HashSet::new();
        for purged in purged::of_source(conn, source_id)? {
            self.inodes.extend(purged.inode.filter(|inode| *inode != 0));
            // The id identifies more: a file that grew has another digest.
            match (purged.session_id, purged.content) {
                (Some(id), _) => drop(ids.insert(id)),
                (None, Some((size, sha256))) => {
                    self.digests.entry(size).or_default().push(sha256);
                }
                (None, None) => {}
            }
        }
        if !self.digests.is_empty() {
            self.kept_inodes.extend(purged::inodes_without_id(conn, source_id)?);
        }
        for id in ids {
            let kept = kept_sessions(conn, source_id, &id)?;
            if !kept.is_empty() {
                let kept = kept.into_iter().map(|kept| kept.below(below));
                self.kept.entry(id.clone()).or_default().extend(kept);
            }
            self.ids.insert(id);
        }
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.digests.is_empty()
    }

    /// Whether something at the root belongs to a purged session. A file whose path
    /// the store knows does not, even if its name or its bytes are those of one, unless
    /// its id says so.
    ///
    /// Counts the files that do.
    pub(crate) fn holds(&self, walk: &Walk, found: &Found, known: Option<&FileRow>) -> bool {
        let holds = self.has(walk, found, known.is_some());
        if holds && found.kind == FoundKind::File {
            self.passed.fetch_add(1, Ordering::Relaxed);
        }
        holds
    }

    /// As [`holds`](Self::holds), without counting.
    pub(crate) fn has(&self, walk: &Walk, found: &Found, is_known: bool) -> bool {
        if self.is_empty() {
            return false;
        }
        let layout = self.format.layout();
        let is_file = found.kind == FoundKind::File;
        let by_path = layout.sessions_of_path(&found.path, found.kind == FoundKind::Folder);
        !is_known && by_path.iter().any(|id| self.is_away(walk, found, id))
            || is_file
                && self.format.rules().sessions == Sessions::File
                && layout.is_log(&found.path)
                && (self.holds_id(walk, found) || !is_known && self.holds_digest(walk, found))
    }

    /// The number of files that were skipped since the last call.
    pub(crate) fn take_passed(&self) -> u64 {
        self.passed.swap(0, Ordering::Relaxed)
    }

    /// Whether the file's header, or its name if it has none, has the id of a purged
    /// session.
    fn holds_id(&self, walk: &Walk, found: &Found) -> bool {
        if self.ids.is_empty() {
            return false;
        }
        let Ok((file, _)) = walk.open_file(&found.path) else { return false };
        let mut file = BufReader::new(file.take(HEAD));
        let mut line = Vec::new();
        while matches!(file.read_until(b'\n', &mut line), Ok(read) if 0 < read) {
            if let Some(Change::Header(header)) = self.format.meaning().parse(&line).change
                && let Some(id) = header.session_id
            {
                return self.is_away(walk, found, &id);
            }
            line.clear();
        }
        let path = generations::without_kept(&found.path);
        let header = self.format.layout().header_from_name(&path);
        let id = header.and_then(|header| header.session_id);
        id.is_some_and(|id| self.is_away(walk, found, &id))
    }

    /// Whether a file of a session with this id belongs to the purged one.
    fn is_away(&self, walk: &Walk, found: &Found, id: &str) -> bool {
        if !self.ids.contains(id) {
            return false;
        }
        let Some(kept) = self.kept.get(id) else { return true };
        if kept.iter().any(|kept| kept.path == found.path) {
            return false;
        }
        let layout = self.format.layout();
        let units = layout.units(&found.path, found.kind == FoundKind::Folder);
        let has_unit = |kept: &KeptSession| {
            layout.units(&kept.path, kept.is_folder).iter().any(|unit| units.contains(unit))
        };
        if kept.iter().any(has_unit) {
            return false;
        }
        let inode = match layout.session_of(&found.path) {
            path if path == found.path => Some(found.stat.inode),
            path => walk.inode_of(path),
        };
        let is_inode = |inode: i64| self.inodes.contains(&inode);
        // A kept session's file that is gone from its place may be this one.
        let is_this =
            |kept: &KeptSession| Some(kept.inode) == inode || walk.inode_of(&kept.path).is_none();
        inode.is_some_and(is_inode) || !kept.iter().any(is_this)
    }

    /// Whether the file contains, or begins with, the content of a purged log.
    fn holds_digest(&self, walk: &Walk, found: &Found) -> bool {
        let size = found.stat.size;
        // Every file begins with the empty content.
        let sizes = self.digests.range(u64::from(0 < size)..=size);
        if sizes.clone().next().is_none() || self.kept_inodes.contains(&found.stat.inode) {
            return false;
        }
        let Ok((mut file, _)) = walk.open_file(&found.path) else { return false };
        let (mut hasher, mut read) = (Sha256::new(), 0);
        for (size, digests) in sizes {
            let mut part = file.by_ref().take(size - read);
            if std::io::copy(&mut part, &mut hasher).is_err() {
                return false;
            }
            read = *size;
            if digests.contains(&hasher.clone().finalize().to_vec()) {
                return true;
            }
        }
        false
    }
}

/// Sessions with this id that a source still has, and their places.
fn kept_sessions(conn: &Connection, source_id: i64, id: &str) -> Result<Vec<KeptSession>> {
    let mut kept = Vec::new();
    for session in sessions::sessions_by_id(conn, id)? {
        let place = sessions::place(conn, session)?;
        let Some((_, path)) = place.filter(|(source, _)| source.source_id == source_id) else {
            continue;
        };
        if sessions::session_id(conn, session)?.as_deref() != Some(id) {
            continue;
        }
        let file = files::file(conn, source_id, &path, FileState::Current)?;
        let is_folder = file.as_ref().is_none_or(|file| file.kind == FileKind::Folder);
        kept.push(KeptSession { path, is_folder, inode: file.map_or(0, |file| file.inode) });
    }
    Ok(kept)
}
