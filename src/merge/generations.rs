//! The generations of a file that the other store keeps apart from the current one.

use std::collections::HashMap;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::logs::{Cut, terminated};
use super::place::LogPlace;
use super::report::KeptAside;
use super::{Merge, Pair, Writing};
use crate::error::Result;
use crate::model::path_of;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::log::{self, CHUNK_SIZE};
use crate::store::{generations, sharing, sources};

impl Merge<'_> {
    /// Merges the earlier generations of a source, and the root's files of sessions
    /// that continued there.
    pub(super) fn kept(&mut self, conn: &Connection, pair: &Pair<'_>) -> Result<()> {
        let mut after = 0;
        loop {
            let page =
                generations::unshown_after(self.theirs, pair.source.source_id, after, super::PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.file_id;
            self.batches(conn, pair, page, Self::earlier)?;
        }
    }

    fn earlier(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        theirs: &FileRow,
        _writing: &mut Writing,
    ) -> Result<()> {
        let ours = match theirs.kind {
            FileKind::Link | FileKind::Folder => None,
            FileKind::Document => {
                let source_id = pair.partner.owner(tx, pair.format, &theirs.path)?;
                files::newest(tx, source_id, &theirs.path)?
            }
            FileKind::Log => match pair.partner.log(tx, pair, theirs, self.theirs)? {
                LogPlace::Here(ours) | LogPlace::Other(ours) => Some(ours),
                LogPlace::Free(..) => None,
            },
        };
        match ours.filter(|ours| matches!(ours.kind, FileKind::Log | FileKind::Document)) {
            Some(ours) if self.is_all_in(tx, pair, &ours, theirs)? => Ok(()),
            Some(ours) => self.generation(tx, &ours, theirs),
            // Nothing is taken of what was purged or refused.
            None => Ok(()),
        }
    }

    /// Keeps a generation that differs from ours, unless we have all of it.
    pub(super) fn generation(
        &mut self,
        tx: &Connection,
        ours: &FileRow,
        theirs: &FileRow,
    ) -> Result<()> {
        let mut digest = Sha256::new();
        log::each_piece_of_whole(self.theirs, theirs, |raw| {
            digest.update(raw);
            Ok(())
        })?;
        let digest = digest.finalize().to_vec();
        let lines = match (ours.kind, theirs.kind) {
            (FileKind::Log, FileKind::Log) => our_lines(tx, ours)?,
            _ => HashMap::new(),
        };
        if self.is_known(tx, ours, theirs, &digest, &lines)? {
            self.report.unchanged += u64::from(theirs.state != FileState::Superseded);
            return Ok(());
        }
        let file = FileRow {
            source_id: ours.source_id,
            path: ours.path.clone(),
            state: FileState::Superseded,
            mode: theirs.mode & 0o777,
            inode: 0,
            sha256: Some(digest),
            read_at: self.now,
            missing_at: None,
            base_id: None,
            base_count: 0,
            line_count: 0,
            size: 0,
            lost: 0,
            ..theirs.clone()
        };
        let file = files::insert_next(tx, file)?;
        let file = self.fill(tx, file, theirs, &lines)?;
        self.report.kept.push(KeptAside {
            file: path_of(theirs.path.clone()),
            kept_as: path_of(file.path),
            generation: Some(file.generation),
        });
        Ok(())
    }

    fn is_known(
        &self,
        tx: &Connection,
        ours: &FileRow,
        theirs: &FileRow,
        digest: &[u8],
        lines: &HashMap<[u8; 32], OurLine>,
    ) -> Result<bool> {
        let rows = generations::rows(tx, ours.source_id, &ours.path)?;
        if rows.iter().any(|row| row.sha256.as_deref() == Some(digest)) {
            return Ok(true);
        }
        if theirs.kind != FileKind::Log || ours.kind != FileKind::Log {
            return Ok(false);
        }
        let mut counts: HashMap<[u8; 32], u32> = HashMap::new();
        let mut is_held = true;
        log::each_line(self.theirs, theirs, |_, raw| {
            let digest = digest_of(raw);
            let count = counts.entry(digest).or_default();
            *count += 1;
            is_held &= lines.get(&digest).is_some_and(|held| *count <= held.count);
            Ok(())
        })?;
        Ok(is_held)
    }

    fn fill(
        &mut self,
        tx: &Connection,
        mut file: FileRow,
        theirs: &FileRow,
        lines: &HashMap<[u8; 32], OurLine>,
    ) -> Result<FileRow> {
        if theirs.kind == FileKind::Document {
            log::each_chunk(self.theirs, theirs, |_, raw| {
                for raw in raw.chunks(CHUNK_SIZE) {
                    log::insert_chunk(tx, log::key(file.file_id, file.line_count), raw)?;
                    file.line_count += 1;
                    file.size += raw.len() as u64;
                }
                Ok(())
            })?;
            files::update_file(tx, &file)?;
            return Ok(file);
        }
        let mut cut = Cut::new(sources::by_id(tx, file.source_id)?.format);
        log::each_line(self.theirs, theirs, |_, raw| {
            cut.take(raw)?;
            let key = log::key(file.file_id, file.line_count);
            match lines.get(&digest_of(raw)).filter(|_| raw.ends_with(b"\n")) {
                Some(held) => sharing::insert(tx, key, held.key, raw)?,
                None => {
                    self.report.lines += 1;
                    log::insert_packed(tx, key, raw, &mut self.packer)?;
                }
            }
            file.line_count += 1;
            file.size += raw.len() as u64;
            Ok(())
        })?;
        files::update_file(tx, &file)?;
        Ok(file)
    }
}

/// A line of ours, and how often it occurs.
struct OurLine {
    key: i64,
    count: u32,
}

/// The lines of a log by their digests.
fn our_lines(conn: &Connection, file: &FileRow) -> Result<HashMap<[u8; 32], OurLine>> {
    let mut lines = HashMap::new();
    log::each_line(conn, file, |key, raw| {
        let digest = digest_of(raw);
        let held = lines.entry(digest).or_insert(OurLine { key, count: 0 });
        held.count += 1;
        if !raw.ends_with(b"\n") {
            // A line without terminator may be continued in place, so no other line
            // may refer to it.
            held.key = 0;
        }
        Ok(())
    })?;
    Ok(lines)
}

fn digest_of(line: &[u8]) -> [u8; 32] {
    Sha256::digest(terminated(line)).into()
}
