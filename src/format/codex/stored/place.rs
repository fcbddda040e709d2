//! The files of a rollout, and the log that is read of them.
//!
//! A compressed rollout is a document, whose bytes are kept. The decompressed lines
//! are stored as well, under the same file, so that entries have lines as in any
//! log. A document of April 2025 is one such line, in which items are spans.

use rusqlite::Connection;

use super::packed;
use crate::error::Result;
use crate::format::codex::layout::{self, Form};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::log;
use crate::store::{documents, unpacked};

/// The files of a rollout at one place.
#[derive(Clone, Debug)]
pub(crate) struct Rollout {
    /// Its path without `.zst`.
    pub(crate) place: Vec<u8>,
    plain: Option<FileRow>,
    packed: Option<FileRow>,
}

impl Rollout {
    /// The rollout at a path in either form.
    pub(crate) fn at(conn: &Connection, source_id: i64, path: &[u8]) -> Result<Self> {
        let place = layout::place(path).to_vec();
        let found = |path: &[u8]| -> Result<Option<FileRow>> {
            let file = files::newest(conn, source_id, path)?;
            Ok(file.filter(|file| matches!(file.kind, FileKind::Log | FileKind::Document)))
        };
        let mut plain = found(&place)?;
        if let (Some(Form::Document), Some(file)) = (layout::form(&place), &plain)
            && !packed::is_of_april(&content(conn, file)?)
        {
            plain = None;
        }
        let packed = match layout::form(&place) {
            Some(Form::Plain) => found(&layout::packed(&place))?,
            _ => None,
        };
        Ok(Self { place, plain, packed })
    }

    /// The file that counts: the plain one, unless it was replaced by the other.
    pub(crate) fn main(&self) -> Option<&FileRow> {
        match (&self.plain, &self.packed) {
            (Some(plain), Some(packed)) if is_gone(plain) && !is_gone(packed) => Some(packed),
            (plain, packed) => plain.as_ref().or(packed.as_ref()),
        }
    }

    /// Whether no file of it is at its root any more, or was written here.
    pub(crate) fn is_gone(&self) -> bool {
        self.main().is_none_or(is_gone)
    }

    /// Whether it was written here.
    pub(crate) fn is_local(&self) -> bool {
        self.main().is_some_and(|file| file.state == FileState::Local)
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &FileRow> {
        self.plain.iter().chain(&self.packed)
    }

    /// The file that is no longer at its root because the other has replaced it, and
    /// the other.
    pub(crate) fn left_behind(&self) -> Option<(&FileRow, &FileRow)> {
        let (plain, packed) = (self.plain.as_ref()?, self.packed.as_ref()?);
        match (is_gone(plain), is_gone(packed)) {
            (true, false) => Some((plain, packed)),
            (false, true) => Some((packed, plain)),
            _ => None,
        }
    }
}

fn is_gone(file: &FileRow) -> bool {
    file.missing_at.is_some() && file.state != FileState::Local
}

/// Whether the root has something at the place of a file.
pub(crate) fn is_at_root(conn: &Connection, file: &FileRow) -> Result<bool> {
    let there = files::file(conn, file.source_id, &file.path, FileState::Current)?;
    Ok(there.is_some_and(|there| there.missing_at.is_none()))
}

/// A file as the log that is read of it.
pub(crate) fn readable(conn: &Connection, file: &FileRow) -> Result<FileRow> {
    unpacked::as_log(conn, file.clone())
}

/// The key of a line of a log, by its position from 0.
pub(crate) fn line_key(log: &FileRow, position: u32) -> i64 {
    let file_id = match log.base_id {
        Some(base_id) if position < log.base_count => base_id,
        _ => log.file_id,
    };
    log::key(file_id, position)
}

/// The content of a document; empty if a recovered database lacks part of it.
fn content(conn: &Connection, file: &FileRow) -> Result<Vec<u8>> {
    match file.kind {
        FileKind::Document => Ok(documents::readable(conn, file, u64::MAX)?.unwrap_or_default()),
        _ => Ok(Vec::new()),
    }
}

/// Whether one log contains another: the same lines at the same positions. The
/// other's last line may be incomplete.
pub(crate) fn holds(conn: &Connection, whole: &FileRow, part: &FileRow) -> Result<bool> {
    let (whole, part) = (readable(conn, whole)?, readable(conn, part)?);
    if whole.line_count < part.line_count {
        return Ok(false);
    }
    for position in 0..part.line_count {
        let [one, other] = [&whole, &part].map(|log| log::line(conn, line_key(log, position)));
        match (one, other) {
            (Ok(one), Ok(other)) if one == other => {}
            (Ok(one), Ok(other)) if position + 1 == part.line_count && one.starts_with(&other) => {}
            (Err(err), _) | (_, Err(err)) if !err.is_of_content() => return Err(err),
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The files of a rollout that was moved here, as far as the file at the new place
/// contains them: the root may have other files at the old place since.
pub(crate) fn held_elsewhere(
    conn: &Connection,
    one: &Rollout,
    other: &Rollout,
) -> Result<Vec<Vec<u8>>> {
    let Some(whole) = other.main().filter(|_| other.place != one.place) else {
        return Ok(Vec::new());
    };
    let mut held = Vec::new();
    for file in one.files() {
        let is_readable = 0 < readable(conn, file)?.line_count;
        if whole.size == file.size || is_readable && holds(conn, whole, file)? {
            held.push(file.path.clone());
        }
    }
    Ok(held)
}

/// Stores the lines that a document decompresses to, unless they are there.
pub(crate) fn unpack(conn: &Connection, file: &FileRow) -> Result<()> {
    packed::unpacker(&file.path).map_or(Ok(()), |unpacker| unpacked::unpack(conn, file, unpacker))
}

/// What is wrong with a document that has no decompressed lines; `None` if nothing
/// is.
pub(crate) fn damage(conn: &Connection, file: &FileRow) -> Result<Option<String>> {
    match layout::form(&file.path) {
        Some(Form::Packed) => Ok(packed::damage_of(&content(conn, file)?)),
        _ => Ok(Some("it is too long, or has a line that is".to_owned())),
    }
}
