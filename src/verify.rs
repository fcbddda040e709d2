//! Verify: compares a root, byte for byte, with what was imported from it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::import::purged::Away;
use crate::import::walk::{FileStat, Found, FoundKind, Walk};
use crate::import::{known, root};
use crate::model::{as_object, path_of, shown_path};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::sources::Source;
use crate::store::{Store, log, seen};

/// The result of comparing a root with the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Files and links that were compared.
    pub files: u64,
    /// Folders that were compared.
    pub folders: u64,
    /// Bytes that were compared.
    pub bytes: u64,
    /// Files of sessions that were purged here, which are not compared.
    pub purged: u64,
    /// What differs. If it is empty, the store holds exactly what the root holds.
    pub differences: Vec<Difference>,
}

as_object! { VerifyReport { files, folders, bytes, purged, differences, } }

/// A difference between the root and the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Difference {
    /// Its path below the root.
    pub file: PathBuf,
    /// What differs, for a person.
    pub detail: String,
}

as_object! { Difference { file by shown_path, detail, } }

impl Store {
    /// Compares every covered file below a root with what was imported: bytes,
    /// permissions, modification times, link targets and empty folders.
    ///
    /// Every byte is read on both sides; sizes and digests are not relied on. Changes
    /// that were made here since the import do not matter. It reads one state of the
    /// store, so writes during the comparison do not matter either.
    ///
    /// # Errors
    ///
    /// [`RootNotFound`](Error::RootNotFound);
    /// [`SourceNotFound`](Error::SourceNotFound) if the root was never imported;
    /// [`Io`](Error::Io) if it cannot be listed.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # let root = std::path::Path::new("fixtures/kward/small");
    /// store.import(root, &sessile::ImportOptions::new())?;
    ///
    /// assert!(store.verify(root)?.differences.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn verify(&self, root: impl AsRef<Path>) -> Result<VerifyReport> {
        let path = root::real_path(root.as_ref())?;
        self.read(|conn| {
            let source =
                known::covering(conn, &path)?.ok_or_else(|| Error::SourceNotFound(path.clone()))?;
            let root = known::examine(conn, &source, None)?;
            let own = root::own_files(&root, self.path());
            // If the path is inside a known root, only that part is compared.
            let below = path.strip_prefix(&root.path).unwrap_or(Path::new("")).to_owned();
            let covered =
                if below.as_os_str().is_empty() { root.covered } else { vec![below.clone()] };
            let walk = Walk::new(&root.path, &covered)?;
            let report = VerifyReport::default();
            let away = Away::of_source(conn, source.source_id, source.format)?;
            let mut comparison = Comparison { conn, source, below, away, report };
            comparison.run(walk, &own)?;
            comparison.report.purged = comparison.away.take_passed();
            Ok(comparison.report)
        })
    }
}

/// A comparison of a root with one state of the store.
struct Comparison<'a> {
    conn: &'a Connection,
    source: Source,
    /// The part of the root to compare; empty for all of it.
    below: PathBuf,
    away: Away,
    report: VerifyReport,
}

impl Comparison<'_> {
    fn run(&mut self, mut walk: Walk, own: &[Vec<u8>]) -> Result<()> {
        seen::begin(self.conn)?;
        while let Some(found) = walk.next() {
            if !found.path.is_empty() && !own.contains(&found.path) {
                self.compare_if_readable(&walk, &found)?;
            }
        }
        for path in seen::unseen(self.conn, self.source.source_id)? {
            if !Path::new(OsStr::from_bytes(&path)).starts_with(&self.below) {
                continue;
            }
            // What is replaced while its folder is read may not be listed.
            let is_ours =
                |found: &Found| !own.contains(&path) && !self.away.has(&walk, found, true);
            match walk.look_again(&path).filter(is_ours) {
                Some(found) => self.compare_if_readable(&walk, &found)?,
                None => self.differ(&path, "is no longer at the root"),
            }
        }
        seen::end(self.conn)
    }

    /// A file that the store cannot read does not prevent the comparison of others.
    fn compare_if_readable(&mut self, walk: &Walk, found: &Found) -> Result<()> {
        match self.compare(walk, found) {
            Err(err) if err.is_of_content() => {
                self.differ(&found.path, err.to_string());
                Ok(())
            }
            compared => compared,
        }
    }

    fn differ(&mut self, file: &[u8], detail: impl Into<String>) {
        self.report
            .differences
            .push(Difference { file: path_of(file.to_vec()), detail: detail.into() });
    }

    fn compare(&mut self, walk: &Walk, found: &Found) -> Result<()> {
        let source_id = self.source.source_id;
        let known = files::file(self.conn, source_id, &found.path, FileState::Current)?;
        if !self.away.is_empty() && self.away.holds(walk, found, known.as_ref()) {
            return Ok(());
        }
        if let Some(known) = &known {
            seen::file(self.conn, known.file_id)?;
        }
        let kind = match &found.kind {
            FoundKind::Unreadable(reason) => {
                self.differ(&found.path, format!("cannot be read: {reason}"));
                // What is below it may well exist.
                return seen::hidden(self.conn, source_id, &found.path);
            }
            FoundKind::Special => match &known {
                Some(known) if known.missing_at.is_none() => "a pipe, socket or device",
                // Nothing of it could be imported, and the import reported that.
                _ => return Ok(()),
            },
            FoundKind::File => "a file",
            FoundKind::Folder => "a folder",
            FoundKind::Link(_) => "a link",
        };
        match found.kind {
            FoundKind::Folder => self.report.folders += 1,
            _ => self.report.files += 1,
        }
        let Some(known) = known else {
            self.differ(&found.path, "was not imported");
            return Ok(());
        };
        match (&found.kind, known.kind) {
            (FoundKind::Link(target), FileKind::Link) => {
                if known.link_target.as_ref() != Some(target) {
                    self.differ(&found.path, "the link leads elsewhere");
                }
            }
            (FoundKind::Folder, FileKind::Folder) => {
                self.compare_modes(&found.path, &found.stat, &known);
            }
            (FoundKind::File, FileKind::Log | FileKind::Document) => {
                self.compare_content(walk, &found.path, &known)?;
            }
            _ => self.differ(&found.path, format!("is {kind} now")),
        }
        Ok(())
    }

    fn compare_modes(&mut self, file: &[u8], stat: &FileStat, known: &FileRow) {
        if stat.mode != known.mode {
            let (mode, imported) = (stat.mode, known.mode);
            self.differ(file, format!("the mode is {mode:o}, imported was {imported:o}"));
        }
    }

    fn compare_content(&mut self, walk: &Walk, path: &[u8], known: &FileRow) -> Result<()> {
        // Mode and time of the file whose bytes are compared: another may have taken its
        // place since it was listed.
        let (file, stat) = match walk.open_file(path) {
            Ok(opened) => opened,
            Err(err) => {
                self.report.files -= 1;
                self.differ(path, format!("cannot be read: {err}"));
                return Ok(());
            }
        };
        self.compare_modes(path, &stat, known);
        if stat.mtime != known.mtime {
            let (time, imported) = (stat.mtime, known.mtime);
            let detail = format!("the modification time is {time}, imported was {imported}");
            self.differ(path, detail);
        }
        // Does not rely on the size: the bytes are compared.
        self.report.bytes = self.report.bytes.saturating_add(known.size);
        if let Some(detail) = compare_bytes(self.conn, known, file)? {
            self.differ(path, detail);
        }
        Ok(())
    }
}

/// Reads both sides to the end; returns where they differ first.
fn cannot_be_read(err: &std::io::Error) -> String {
    format!("cannot be read: {err}")
}

fn compare_bytes(conn: &Connection, known: &FileRow, file: File) -> Result<Option<String>> {
    let mut disk = BufReader::with_capacity(256 << 10, file);
    let mut offset = 0_u64;
    let mut found = None;
    let mut bytes = Vec::new();
    let mut each = |_, raw: &[u8]| {
        if found.is_some() {
            return Ok(());
        }
        bytes.clear();
        let read = disk.by_ref().take(raw.len() as u64).read_to_end(&mut bytes);
        found = match read {
            Err(err) => Some(cannot_be_read(&err)),
            Ok(_) if bytes == raw => None,
            Ok(_) => {
                let same = bytes.iter().zip(raw).take_while(|(one, other)| one == other).count();
                Some(format!("differs at byte {}", offset + same as u64 + 1))
            }
        };
        offset += raw.len() as u64;
        Ok(())
    };
    log::each_piece(conn, known, &mut each)?;
    Ok(match (found, disk.bytes().next()) {
        (None, Some(Ok(_))) => {
            Some(format!("continues after byte {offset}, where the import ends"))
        }
        (None, Some(Err(err))) => Some(cannot_be_read(&err)),
        (found, _) => found,
    })
}
