//! Merges a file that was read at a root with the local chain of its session.
//!
//! A log is append-only, so two programs that write to it append one after the
//! other. The beginning that the root's file and our chain have in common is one
//! history. The root's further lines are appended to ours, in the order in which
//! they arrived. If ours has no further lines, the root's file has everything: our
//! chain ends, and the next append starts another.
//!
//! Every line of ours is terminated. So if the root's last line is not terminated
//! yet, it is appended with a terminator. When the root continues that line, it is
//! appended again, complete.
//!
//! Only bytes that were changed in place cannot be appended to ours. They stay in
//! the root's chain, ours continues to be shown, and the session has a problem.
//! What the root appends later is appended to ours again.

use std::borrow::Cow;
use std::collections::HashSet;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::chain::torn_line;
use super::losses;
use crate::error::Result;
use crate::fold::{self, Fold, Shape};
use crate::format::Versions;
use crate::format::projection::Touched;
use crate::format::rules::{Logs, Sessions};
use crate::model::{Format, SessionKey};
use crate::store::file_time::FileTime;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::packing::Packer;
use crate::store::{documents, generations, heads, log, sessions, sources};

/// The root's file before.
#[derive(Clone, Copy)]
pub(super) enum Before<'a> {
    /// It was shorter by the tail that was read now. `torn` is its last line, if that
    /// had no terminator.
    Shorter { file: &'a FileRow, torn: &'a [u8] },
    /// It was something else, or unknown.
    Other(Option<&'a FileRow>),
}

impl Before<'_> {
    /// The row of the previous file.
    pub(super) fn file(&self) -> Option<&FileRow> {
        match self {
            Self::Shorter { file, .. } => Some(file),
            Self::Other(file) => *file,
        }
    }
}

/// The local chain of a path at the root, if there is one.
pub(super) fn ours(tx: &Connection, theirs: &FileRow) -> Result<Option<FileRow>> {
    files::file(tx, theirs.source_id, &theirs.path, FileState::Local)
}

/// Merges a file that was read with the local chain.
pub(super) fn join(
    tx: &Connection,
    format: Format,
    theirs: &FileRow,
    ours: FileRow,
    before: Before<'_>,
    packer: &mut Packer,
    touched: &mut Touched,
) -> Result<()> {
    touched.add(format, &ours);
    match (ours.kind, theirs.kind) {
        (FileKind::Log, FileKind::Log) => {
            let session = sessions::session_of_file(tx, ours.file_id)?;
            Join { tx, format, theirs, ours, session, packer }.logs(before)
        }
        (FileKind::Document, FileKind::Document) => documents(tx, format, theirs, &ours),
        // They have no lines to merge.
        (_, FileKind::Link | FileKind::Folder) => Ok(()),
        _ => set_unheld(tx, format, theirs, &ours),
    }
}

struct Join<'a> {
    tx: &'a Connection,
    format: Format,
    theirs: &'a FileRow,
    ours: FileRow,
    /// The session of our chain, if a session is one log.
    session: Option<SessionKey>,
    packer: &'a mut Packer,
}

impl Join<'_> {
    fn logs(mut self, before: Before<'_>) -> Result<()> {
        let common = self.common()?;
        if common == self.ours.line_count {
            return self.end();
        }
        if self.format.rules().logs == Logs::Rewritten {
            return self.give_way();
        }
        let new = match before {
            _ if self.is_beginning(common)? => Some(self.theirs.line_count),
            // If the root has lines again that it had lost, ours may have them
            // already.
            Before::Shorter { file, .. } if 0 < file.line_count && !self.has_lost()? => None,
            Before::Shorter { .. } | Before::Other(_) => self.first_new(common)?,
        };
        let first = match (new, before) {
            (Some(first), _) => {
                clear_unheld(self.tx, self.format, &self.ours)?;
                first
            }
            (None, Before::Shorter { file, torn }) if 0 < file.line_count => {
                self.behind(file.line_count, torn)?
            }
            // There was nothing to continue.
            _ => return set_unheld(self.tx, self.format, self.theirs, &self.ours),
        };
        let is_moved = self.rest_upon_theirs(common)?;
        self.append(first.max(common), is_moved)
    }

    /// Whether the root lost lines that ours may have after others.
    fn has_lost(&self) -> Result<bool> {
        let lost = generations::with_losses(self.tx, self.ours.source_id, &self.ours.path)?;
        Ok(!lost.is_empty())
    }

    /// The number of lines that both chains begin with.
    fn common(&self) -> Result<u32> {
        let mut common =
            if self.ours.base_id == Some(self.theirs.file_id) { self.ours.base_count } else { 0 };
        let both = self.ours.line_count.min(self.theirs.line_count);
        while common < both && self.our(common)? == self.their(common)? {
            common += 1;
        }
        Ok(common)
    }

    /// For a file that grew: the first line that it did not have before.
    fn behind(&self, line_count: u32, torn: &[u8]) -> Result<u32> {
        let Some(last) = line_count.checked_sub(1).filter(|_| !torn.is_empty()) else {
            return Ok(line_count);
        };
        let whole = self.their(last)?;
        // If a copy of ours breaks off within a line, ours may lack the broken
        // form.
        let is_held = whole == torn
            || whole == *terminated(torn)
                && self.our_lines(self.ours.base_count)?.contains(&digest(&whole));
        Ok(if is_held { line_count } else { last })
    }

    /// For a file that does not begin with its former content: the first line that
    /// ours lacks; `None` if bytes were changed in place.
    fn first_new(&self, common: u32) -> Result<Option<u32>> {
        let count = self.theirs.line_count;
        if common < self.ours.base_count.max(1) {
            return Ok(None);
        }
        // The root's lines are among ours, in the same order.
        let mut first = common;
        let mut theirs = None;
        for position in common..self.ours.line_count {
            if first == count {
                break;
            }
            let line = match theirs.take() {
                Some(line) => line,
                None => terminated(&self.their(first)?).into_owned(),
            };
            if self.our(position)? == line {
                first += 1;
            } else {
                theirs = Some(line);
            }
        }
        let held = self.our_lines(common)?;
        for position in first..count {
            let line = self.their(position)?;
            if !line.trim_ascii().is_empty() && held.contains(&digest(&terminated(&line))) {
                return Ok(None);
            }
        }
        Ok(Some(first))
    }

    /// Whether ours begins with all of the root's file, which may break off within a
    /// line.
    fn is_beginning(&self, common: u32) -> Result<bool> {
        Ok(match self.theirs.line_count - common {
            0 => true,
            1 => self.our(common)?.starts_with(&self.their(common)?),
            _ => false,
        })
    }

    /// Makes our chain begin with lines of the root's present file instead of its
    /// former one.
    fn rest_upon_theirs(&mut self, common: u32) -> Result<bool> {
        let is_other = self.ours.base_id.is_some_and(|base_id| base_id != self.theirs.file_id);
        if !is_other || common < self.ours.base_count || self.ours.base_count == 0 {
            return Ok(false);
        }
        generations::update_base(self.tx, self.ours.file_id, self.theirs.file_id)?;
        self.ours.base_id = Some(self.theirs.file_id);
        Ok(true)
    }

    /// Appends the root's lines from `first` on to ours; `is_moved` says that the
    /// keys of ours have changed.
    fn append(&mut self, first: u32, is_moved: bool) -> Result<()> {
        let (tx, format) = (self.tx, self.format);
        if first == self.theirs.line_count && !is_moved {
            return Ok(());
        }
        let before = self.ours.line_count;
        for position in first..self.theirs.line_count {
            let line = self.their(position)?;
            let line = terminated(&line);
            log::insert_packed(tx, self.our_key(self.ours.line_count), &line, self.packer)?;
            self.ours.line_count += 1;
            self.ours.size += line.len() as u64;
            let at = format.meaning().parse(&line).at;
            self.ours.mtime = at.map_or(self.ours.mtime, FileTime::from);
        }
        files::update_progress(tx, &self.ours)?;
        let Some(session) = self.session else { return Ok(()) };
        let fold = if is_moved {
            None
        } else {
            Fold::resume(tx, &self.ours, format, session, heads::head(tx, session)?)?
        };
        let Some(mut fold) = fold else { return fold::refold(tx, &self.ours, format, session) };
        for position in before..self.ours.line_count {
            let key = self.our_key(position);
            fold.apply(key, format.meaning().parse(&log::line(tx, key)?))?;
        }
        match fold.finish()? {
            Shape::Assumed => Ok(()),
            Shape::Linear => fold::refold(tx, &self.ours, format, session),
        }
    }

    /// Ends our chain, because the root's file contains all of it. The session
    /// continues from the root's file.
    fn end(self) -> Result<()> {
        let (tx, ours) = (self.tx, &self.ours);
        if let Some(session) = self.session {
            sessions::update_session_file(tx, session, self.theirs.file_id)?;
            fold::refold(tx, self.theirs, self.format, session)?;
        }
        log::delete_content(tx, ours.file_id)?;
        files::delete_file(tx, ours.file_id)
    }

    /// In formats that rewrite their logs, the root's file is current. Ours becomes
    /// what the program makes of a log that it rotates, unless the root has that
    /// already.
    fn give_way(self) -> Result<()> {
        let (tx, ours) = (self.tx, &self.ours);
        // A chain that only kept lines has them in an earlier generation.
        let mut is_held = ours.base_id.is_some();
        for n in 1.. {
            let Some(path) = self.format.layout().rotated_to(&ours.path, n) else { break };
            match files::newest(tx, ours.source_id, &path)?.filter(|_| !is_held) {
                Some(there) => is_held = self.is_head_of(&there)?,
                None if is_held => break,
                None => return generations::move_file(tx, ours.file_id, &path),
            }
        }
        if is_held {
            log::delete_content(tx, ours.file_id)?;
            return files::delete_file(tx, ours.file_id);
        }
        let mut all = Sha256::new();
        log::each_line(tx, ours, |_, raw| {
            all.update(raw);
            Ok(())
        })?;
        generations::supersede_local(tx, ours.file_id, &all.finalize())?;
        let lost = losses::between(tx, ours, self.theirs)?;
        generations::update_lost(tx, ours.file_id, lost.map_or(0, |lost| lost.lines))
    }

    /// Whether a log begins with all lines of ours.
    fn is_head_of(&self, file: &FileRow) -> Result<bool> {
        if file.kind != FileKind::Log || file.line_count < self.ours.line_count {
            return Ok(false);
        }
        for position in 0..self.ours.line_count {
            let line = log::line(self.tx, log::key_of(file, position))?;
            if *terminated(&line) != *terminated(&self.our(position)?) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Digests of our lines from `first` on.
    fn our_lines(&self, first: u32) -> Result<HashSet<[u8; 32]>> {
        let lines = first..self.ours.line_count;
        lines.map(|position| Ok(digest(&self.our(position)?))).collect()
    }

    fn our(&self, position: u32) -> Result<Vec<u8>> {
        log::line(self.tx, self.our_key(position))
    }

    fn our_key(&self, position: u32) -> i64 {
        log::key_of(&self.ours, position)
    }

    fn their(&self, position: u32) -> Result<Vec<u8>> {
        log::line(self.tx, log::key(self.theirs.file_id, position))
    }
}

/// Merges a document with our version of it, if the format can.
fn documents(tx: &Connection, format: Format, theirs: &FileRow, ours: &FileRow) -> Result<()> {
    let base = ours.base_id.map(|base_id| files::file_by_id(tx, base_id)).transpose()?;
    let base = base.filter(|base| base.kind == FileKind::Document);
    let is_long = |file: &FileRow| MAX_DOCUMENT < file.size;
    if is_long(ours) || is_long(theirs) || base.as_ref().is_some_and(is_long) {
        return set_unheld(tx, format, theirs, ours);
    }
    let base = base.map(|base| documents::content(tx, &base)).transpose()?;
    let (our, their) = (documents::content(tx, ours)?, documents::content(tx, theirs)?);
    if our == their {
        log::delete_content(tx, ours.file_id)?;
        return files::delete_file(tx, ours.file_id);
    }
    let later = ours.mtime < theirs.mtime;
    let versions = Versions { base: base.as_deref(), ours: &our, theirs: &their, later };
    let Some(union) = format.layout().union(&theirs.path, &versions) else {
        return set_unheld(tx, format, theirs, ours);
    };
    clear_unheld(tx, format, ours)?;
    if union == our {
        return generations::update_base(tx, ours.file_id, theirs.file_id);
    }
    // Our version stays readable.
    generations::supersede_local(tx, ours.file_id, &Sha256::digest(&our))?;
    if union == their {
        return Ok(());
    }
    let mut file = FileRow {
        mtime: ours.mtime.max(theirs.mtime),
        base_id: Some(theirs.file_id),
        size: union.len() as u64,
        line_count: 0,
        ..ours.clone()
    };
    file.file_id = files::insert_file(tx, &file)?;
    for raw in union.chunks(log::CHUNK_SIZE) {
        log::insert_chunk(tx, log::key(file.file_id, file.line_count), raw)?;
        file.line_count += 1;
    }
    files::update_file(tx, &file)
}

/// Records how many of the root's lines ours lacks.
fn set_unheld(tx: &Connection, format: Format, theirs: &FileRow, ours: &FileRow) -> Result<()> {
    let lost = losses::between(tx, theirs, ours)?;
    generations::update_lost(tx, ours.file_id, lost.map_or(1, |lost| lost.lines))?;
    settle_losses(tx, format, ours)
}

/// Records that ours has all of the root's lines again.
fn clear_unheld(tx: &Connection, format: Format, ours: &FileRow) -> Result<()> {
    if ours.lost == 0 {
        return Ok(());
    }
    generations::update_lost(tx, ours.file_id, 0)?;
    settle_losses(tx, format, ours)
}

/// The losses are recomputed here; those of a session of several files when it is
/// folded.
fn settle_losses(tx: &Connection, format: Format, ours: &FileRow) -> Result<()> {
    match sessions::session_of_file(tx, ours.file_id)? {
        Some(session) if format.rules().sessions == Sessions::File => {
            fold::settle_losses(tx, ours.source_id, session, &ours.path)
        }
        _ => Ok(()),
    }
}

/// Continues a session here from an earlier generation of its log, because the root
/// has nothing of it any more. A session of several files is folded later.
pub(super) fn keep(tx: &Connection, earlier: &FileRow, session: Option<SessionKey>) -> Result<()> {
    let torn = torn_line(tx, earlier)?;
    let base_count = earlier.line_count - u32::from(!torn.is_empty());
    let mut ours = FileRow {
        state: FileState::Local,
        size: 0,
        line_count: base_count,
        sha256: None,
        missing_at: None,
        base_id: Some(earlier.file_id),
        base_count,
        ..earlier.clone()
    };
    ours.file_id = files::insert_file(tx, &ours)?;
    if !torn.is_empty() {
        let line = terminated(&torn);
        log::insert_line(tx, log::key(ours.file_id, base_count), &line)?;
        ours.size += line.len() as u64;
        ours.line_count += 1;
        files::update_progress(tx, &ours)?;
    }
    let Some(session) = session else { return Ok(()) };
    sessions::update_session_file(tx, session, ours.file_id)?;
    if torn.is_empty() {
        Ok(())
    } else {
        fold::refold(tx, &ours, sources::by_id(tx, ours.source_id)?.format, session)
    }
}

/// The longest document that is parsed.
const MAX_DOCUMENT: u64 = 64 << 20;

fn terminated(line: &[u8]) -> Cow<'_, [u8]> {
    if line.ends_with(b"\n") { line.into() } else { [line, b"\n"].concat().into() }
}

fn digest(line: &[u8]) -> [u8; 32] {
    Sha256::digest(line).into()
}
