//! What a root has lost of its logs: reported when it is found, and kept as an
//! earlier generation.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::model::path_of;
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
    let held = Held::of(conn, now)?;
    let mut before = count_lines(conn, earlier)?;
    let kept = held.lines.iter().all(|(line, count)| {
        let before = before.entry(*line).or_insert(0);
        let kept = *count <= *before;
        *before = before.saturating_sub(*count);
        kept
    });
    let lines: u32 = before.values().sum();
    let cause = match now.kind {
        FileKind::Log if now.size == 0 => LossCause::Emptied,
        FileKind::Log if held.is_zeros => LossCause::Zeroed,
        FileKind::Log if kept => LossCause::Shortened,
        FileKind::Log => LossCause::Rewritten,
        FileKind::Document if is_outgrown(earlier, now) => return Ok(None),
        _ => LossCause::Replaced,
    };
    Ok((0 < lines).then(|| LostLines {
        file: path_of(earlier.path.clone()),
        cause,
        generation: earlier.generation,
        lines,
    }))
}

/// Whether a log is a document now because a line of it grew too long for a log.
fn is_outgrown(earlier: &FileRow, now: &FileRow) -> bool {
    now.kind == FileKind::Document && earlier.size <= now.size
}

/// Clears the losses of earlier generations whose lines the root has again. Returns
/// whether there were any.
///
/// Generations may be many. So the present file is read once, for all of them.
pub(super) fn make_good(conn: &Connection, now: &FileRow) -> Result<bool> {
    let lossy = generations::with_losses(conn, now.source_id, &now.path)?;
    if lossy.is_empty() {
        return Ok(false);
    }
    let held = Held::of(conn, now)?;
    let mut is_any = false;
    for (file_id, _, lost) in lossy {
        let earlier = files::file_by_id(conn, file_id)?;
        let left = match earlier.kind == FileKind::Log && !is_outgrown(&earlier, now) {
            true => held.lacks(conn, &earlier, lost)?,
            false => 0,
        };
        if left < lost {
            generations::update_lost(conn, file_id, left)?;
            is_any = true;
        }
    }
    Ok(is_any)
}

/// The lines of a file, which is empty if it is no log.
struct Held {
    lines: HashMap<u64, u32>,
    is_zeros: bool,
}

impl Held {
    fn of(conn: &Connection, file: &FileRow) -> Result<Self> {
        let mut held = Self { lines: HashMap::new(), is_zeros: 0 < file.size };
        if file.kind == FileKind::Log {
            log::each_line_left(conn, file, |_, raw| {
                held.is_zeros &= raw.iter().all(|byte| *byte == 0);
                if let Some(digest) = digest(raw) {
                    *held.lines.entry(digest).or_insert(0) += 1;
                }
                Ok(())
            })?;
        }
        Ok(held)
    }

    /// How many lines of an earlier generation it lacks, counted up to `most`: what
    /// follows them is not read.
    fn lacks(&self, conn: &Connection, earlier: &FileRow, most: u32) -> Result<u32> {
        let (mut met, mut lacking) = (HashMap::new(), 0);
        let read = log::each_line_left(conn, earlier, |_, raw| {
            if let Some(digest) = digest(raw) {
                let met = met.entry(digest).or_insert(0);
                *met += 1;
                lacking += u32::from(self.lines.get(&digest).copied().unwrap_or_default() < *met);
            }
            // This error is nobody's: it ends the reading.
            if lacking < most { Ok(()) } else { Err(Error::Busy) }
        });
        match read {
            Err(_) if most <= lacking => Ok(lacking),
            read => read.map(|()| lacking),
        }
    }
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
    let line = match raw.iter().all(|byte| *byte == 0 || byte.is_ascii_whitespace()) {
        true => &[],
        false => raw.trim_ascii(),
    };
    let mut hasher = DefaultHasher::new();
    line.hash(&mut hasher);
    (!line.is_empty()).then(|| hasher.finish())
}
