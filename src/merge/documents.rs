//! Documents: files that are not logs, and are merged as a whole.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::place;
use super::{Merge, Pair, Writing};
use crate::error::{Error, Result};
use crate::format::Versions;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::generations;
use crate::store::log::{self, CHUNK_SIZE};

/// The longest document that is parsed.
const MAX_DOCUMENT: u64 = 64 << 20;

impl Merge<'_> {
    pub(super) fn document(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        theirs: &FileRow,
        writing: &mut Writing,
    ) -> Result<()> {
        let layout = pair.format.layout();
        let purged = layout.sessions_of_path(&theirs.path, false);
        if purged.into_iter().any(|id| self.purged.contains(&(pair.format, id))) {
            self.report.purged += 1;
            return Ok(());
        }
        let source_id = pair.partner.owner(tx, pair.format, &theirs.path)?;
        self.place_session(pair, theirs, source_id, &theirs.path);
        match files::newest(tx, source_id, &theirs.path)? {
            None if pair.partner.has_document(tx, pair.format, theirs, self.theirs)? => {
                self.report.unchanged += 1;
                Ok(())
            }
            None => {
                self.report.new += 1;
                self.new_document(tx, pair, source_id, theirs, writing)
            }
            Some(ours) => match ours.kind {
                FileKind::Document => self.two_documents(tx, pair, &ours, theirs, writing),
                FileKind::Log => self.generation(tx, &ours, theirs),
                FileKind::Link | FileKind::Folder => {
                    Err(Error::Damaged("a folder or link is at its path in this store".to_owned()))
                }
            },
        }
    }

    fn new_document(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        source_id: i64,
        theirs: &FileRow,
        writing: &mut Writing,
    ) -> Result<()> {
        place::folders(tx, pair.format, source_id, &theirs.path, self.now, writing)?;
        let file = FileRow {
            kind: FileKind::Document,
            mode: theirs.mode & 0o777,
            mtime: theirs.mtime,
            ..place::blank(source_id, theirs.path.clone(), self.now)
        };
        let mut file = files::insert_next(tx, file)?;
        log::each_piece_of_whole(self.theirs, theirs, |raw| push(tx, &mut file, raw))?;
        files::update_file(tx, &file)?;
        writing.add(pair.format, &file);
        Ok(())
    }

    fn two_documents(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        ours: &FileRow,
        theirs: &FileRow,
        writing: &mut Writing,
    ) -> Result<()> {
        let (our, their) = (digest(tx, ours)?, digest(self.theirs, theirs)?);
        let rows = generations::rows(tx, ours.source_id, &ours.path)?;
        // What was merged before has become an earlier generation.
        if our == their || rows.iter().any(|row| row.sha256.as_ref() == Some(&their)) {
            self.report.unchanged += 1;
            return Ok(());
        }
        let is_long = MAX_DOCUMENT < ours.size.max(theirs.size);
        let later = (ours.mtime, &our) < (theirs.mtime, &their);
        let union = if is_long {
            None
        } else {
            let (our, their) = (content(tx, ours)?, content(self.theirs, theirs)?);
            let versions = Versions { base: None, ours: &our, theirs: &their, later };
            pair.format.layout().union(&ours.path, &versions).map(|union| (union, our))
        };
        let kept = self.report.kept.len();
        self.generation(tx, ours, theirs)?;
        let Some((union, our_content)) = union else { return Ok(()) };
        self.report.kept.truncate(kept);
        if union == our_content {
            self.report.united += 1;
            return Ok(());
        }
        self.report.united += 1;
        let (base_id, base_count) = match ours.state {
            FileState::Local => {
                generations::supersede_local(tx, ours.file_id, &our)?;
                (ours.base_id, 0)
            }
            _ => (Some(ours.file_id), 0),
        };
        let mut file = FileRow {
            state: FileState::Local,
            mtime: ours.mtime.max(theirs.mtime),
            sha256: None,
            missing_at: None,
            base_id,
            base_count,
            size: 0,
            line_count: 0,
            ..ours.clone()
        };
        file = files::insert_next(tx, file)?;
        push(tx, &mut file, &union)?;
        files::update_file(tx, &file)?;
        writing.add(pair.format, &file);
        Ok(())
    }
}

impl Merge<'_> {
    /// Whether ours contains everything that a document about many sessions says.
    pub(super) fn is_all_in(
        &self,
        tx: &Connection,
        pair: &Pair<'_>,
        ours: &FileRow,
        theirs: &FileRow,
    ) -> Result<bool> {
        let layout = pair.format.layout();
        let is_document =
            |file: &FileRow| file.kind == FileKind::Document && file.size <= MAX_DOCUMENT;
        if !layout.is_shared(&ours.path) || !is_document(ours) || !is_document(theirs) {
            return Ok(false);
        }
        let (our, their) = (content(tx, ours)?, content(self.theirs, theirs)?);
        let versions = Versions { base: None, ours: &our, theirs: &their, later: false };
        Ok(layout.union(&ours.path, &versions).is_some_and(|union| union == our))
    }
}

fn push(tx: &Connection, file: &mut FileRow, raw: &[u8]) -> Result<()> {
    for raw in raw.chunks(CHUNK_SIZE) {
        log::insert_chunk(tx, log::key(file.file_id, file.line_count), raw)?;
        file.line_count += 1;
        file.size += raw.len() as u64;
    }
    Ok(())
}

pub(super) fn digest(conn: &Connection, file: &FileRow) -> Result<Vec<u8>> {
    let mut digest = Sha256::new();
    log::each_piece_of_whole(conn, file, |raw| {
        digest.update(raw);
        Ok(())
    })?;
    Ok(digest.finalize().to_vec())
}

fn content(conn: &Connection, file: &FileRow) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    log::each_piece_of_whole(conn, file, |raw| {
        content.extend_from_slice(raw);
        Ok(())
    })?;
    Ok(content)
}
