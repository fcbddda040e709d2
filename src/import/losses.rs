//! What a root has lost of its logs: reported when it is found, and kept as an
//! earlier generation.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use rusqlite::Connection;

use crate::error::Result;
use crate::model::{as_object, path_of, shown_path};
use crate::store::files::{self, FileKind, FileRow};
use crate::store::{generations, log};

/// A log that lost lines at its root. They can still be read as an earlier
/// generation.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostLines {
    /// Its path below the root.
    pub file: PathBuf,
    /// What happened to it.
    pub cause: LossCause,
    /// The generation that has the lines.
    pub generation: i64,
    /// The number of lines.
    pub lines: u32,
}

/// A cause by its name.
fn cause_name(cause: &LossCause) -> &'static str {
    cause.name()
}

as_object! { LostLines { file by shown_path, cause by cause_name, generation, lines, } }

/// What happened to a log at its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossCause {
    /// It is gone.
    Vanished,
    /// It is empty.
    Emptied,
    /// It contains only zeros.
    Zeroed,
    /// It has only some of its lines.
    Shortened,
    /// It has other lines.
    Rewritten,
    /// Something else has its path, for example a link.
    Replaced,
}

impl LossCause {
    /// Returns the name, one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Vanished => "vanished",
            Self::Emptied => "emptied",
            Self::Zeroed => "zeroed",
            Self::Shortened => "shortened",
            Self::Rewritten => "rewritten",
            Self::Replaced => "replaced",
        }
    }
}

/// What an earlier generation has that the next one lacks.
pub(super) fn between(
    conn: &Connection,
    earlier: &FileRow,
    now: &FileRow,
) -> Result<Option<LostLines>> {
    if earlier.kind != FileKind::Log {
        return Ok(None);
    }
    let (mut held, mut kept, mut zeroed) = (HashMap::new(), true, 0 < now.size);
    let mut held_before = count_lines(conn, earlier)?;
    if now.kind == FileKind::Log {
        log::each_line_left(conn, now, |_, raw| {
            zeroed &= raw.iter().all(|byte| *byte == 0);
            if let Some(digest) = digest(raw) {
                *held.entry(digest).or_insert(0_u32) += 1;
            }
            Ok(())
        })?;
    }
    for (digest, count) in &held {
        let before = held_before.get(digest).copied().unwrap_or_default();
        kept &= *count <= before;
        held_before.insert(*digest, before.saturating_sub(*count));
    }
    let lines: u32 = held_before.values().sum();
    let cause = match now.kind {
        FileKind::Log if now.size == 0 => LossCause::Emptied,
        FileKind::Log if zeroed => LossCause::Zeroed,
        FileKind::Log if kept => LossCause::Shortened,
        FileKind::Log => LossCause::Rewritten,
        // A line of it grew too long for a log.
        FileKind::Document if earlier.size <= now.size => return Ok(None),
        _ => LossCause::Replaced,
    };
    Ok((0 < lines).then(|| LostLines {
        file: path_of(earlier.path.clone()),
        cause,
        generation: earlier.generation,
        lines,
    }))
}

/// Clears the losses of earlier generations whose lines the root has again. Returns
/// whether there were any.
pub(super) fn make_good(conn: &Connection, now: &FileRow) -> Result<bool> {
    let mut is_any = false;
    for (file_id, _, lost) in generations::with_losses(conn, now.source_id, &now.path)? {
        let earlier = files::file_by_id(conn, file_id)?;
        let left = between(conn, &earlier, now)?.map_or(0, |lost| lost.lines);
        if left < lost {
            generations::update_lost(conn, file_id, left)?;
            is_any = true;
        }
    }
    Ok(is_any)
}

/// The loss of a whole log.
pub(super) fn vanished(file: &FileRow) -> Option<LostLines> {
    (file.kind == FileKind::Log && 0 < file.line_count).then(|| LostLines {
        file: path_of(file.path.clone()),
        cause: LossCause::Vanished,
        generation: file.generation,
        lines: file.line_count,
    })
}

/// How often each line occurs in a log.
fn count_lines(conn: &Connection, file: &FileRow) -> Result<HashMap<u64, u32>> {
    let mut lines = HashMap::new();
    log::each_line_left(conn, file, |_, raw| {
        if let Some(digest) = digest(raw) {
            *lines.entry(digest).or_insert(0) += 1;
        }
        Ok(())
    })?;
    Ok(lines)
}

/// Identifies a line, whether or not it is terminated. `None` for a line that is
/// blank or consists of zeros.
fn digest(raw: &[u8]) -> Option<u64> {
    let line = if raw.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace()) {
        &[]
    } else {
        raw.trim_ascii()
    };
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    (!line.is_empty()).then(|| hasher.finish())
}
