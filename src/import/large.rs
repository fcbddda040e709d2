//! Files larger than a batch: into the log batch by batch, unseen until they are complete.

use rusqlite::Connection;

use super::content::Chunk;
use super::read::{Item, Plan, Start};
use super::write::{BATCH_BYTES, Writer, session_for};
use super::{Inbox, Progress};
use crate::error::Result;
use crate::fold;
use crate::model::Format;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::packing::Packer;
use crate::store::{log, problems, seen, sessions};

impl Writer<'_> {
    /// A file that takes several transactions. Nothing shows it before the last.
    pub(super) fn large_file(
        &mut self,
        conn: &Connection,
        start: &Start,
        inbox: &Inbox<'_>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<()> {
        let base = match &start.plan {
            Plan::Rewritten { base } => Some(base.clone()),
            Plan::Resumed { base, .. } => base.clone(),
            Plan::New | Plan::Grown { .. } => None,
        };
        let mut unfinished = match &start.plan {
            Plan::Resumed { partial, .. } => Some((**partial).clone()),
            _ => None,
        };
        loop {
            let tx = self.job.store.begin(conn)?;
            let mut file = match unfinished.take() {
                // Another import of the same file may have started it anew.
                Some(file) if !self.is_as_compared(&tx, &file, &file)? => {
                    while let Some(Item::Chunk(_)) = inbox.next() {}
                    return Ok(());
                }
                Some(file) => file,
                None => {
                    // What an interrupted import left of another content goes.
                    if let Some(old) = files::file(
                        &tx,
                        start.file.source_id,
                        &start.file.path,
                        FileState::Partial,
                    )? {
                        log::delete_content(&tx, old.file_id)?;
                        files::delete_file(&tx, old.file_id)?;
                    }
                    let blank = FileRow {
                        state: FileState::Partial,
                        sha256: Some(digest_of_nothing()),
                        size: 0,
                        ..start.file.clone()
                    };
                    let file_id = files::insert_file(&tx, &blank)?;
                    files::file_by_id(&tx, file_id)?
                }
            };
            let mut batch = 0;
            loop {
                match inbox.next() {
                    Some(Item::Chunk(chunk)) => {
                        batch += chunk.raw.len() as u64;
                        let format = self.job.root.format;
                        append_raw(&tx, &mut file, &chunk, format, &mut self.packer)?;
                        if BATCH_BYTES <= batch {
                            break;
                        }
                    }
                    Some(Item::End(end)) => {
                        self.complete(&tx, start, &file, &end, base.as_deref())?;
                        self.settle_touched(&tx)?;
                        return tx.commit();
                    }
                    // It changed while it was read; the next attempt starts anew.
                    _ => return Ok(()),
                }
            }
            files::update_file(&tx, &file)?;
            tx.commit()?;
            self.tally.outcome.report.bytes += batch;
            self.tally.show(progress);
            self.tally.outcome.report.bytes -= batch;
            unfinished = Some(file);
        }
    }

    fn complete(
        &mut self,
        tx: &Connection,
        start: &Start,
        partial: &FileRow,
        end: &FileRow,
        base: Option<&FileRow>,
    ) -> Result<()> {
        let current = files::file(tx, partial.source_id, &partial.path, FileState::Current)?;
        if current.as_ref().map(|file| file.file_id) != base.map(|base| base.file_id) {
            self.tally.outcome.conflicts += 1;
            return Ok(());
        }
        problems::delete_path_problems(tx, self.source_id(), &partial.path)?;
        let mut session = None;
        if let Some(base) = base {
            files::update_state(tx, base.file_id, FileState::Superseded)?;
            session = sessions::session_of_file(tx, base.file_id)?;
        }
        let file = FileRow {
            file_id: partial.file_id,
            generation: partial.generation,
            line_count: partial.line_count,
            ..end.clone()
        };
        files::update_state(tx, file.file_id, FileState::Current)?;
        files::update_file(tx, &file)?;
        if let Some(session) = session_for(tx, &file, session, self.job.root.format)? {
            fold::refold(tx, &file, self.job.root.format, session)?;
        }
        seen::file(tx, file.file_id)?;
        self.written(start, &file);
        self.tally.file(start, end);
        Ok(())
    }
}

/// Adds a chunk to a large file, and carries its digest on.
fn append_raw(
    tx: &Connection,
    file: &mut FileRow,
    chunk: &Chunk,
    format: Format,
    packer: &mut Packer,
) -> Result<()> {
    if file.kind == FileKind::Log {
        for line in chunk.lines(format) {
            log::insert_packed(tx, log::key(file.file_id, file.line_count), line, packer)?;
            file.line_count += 1;
        }
    } else {
        log::insert_chunk(tx, log::key(file.file_id, file.line_count), &chunk.raw)?;
        file.line_count += 1;
    }
    file.size += chunk.raw.len() as u64;
    file.sha256.clone_from(&chunk.digest);
    Ok(())
}

fn digest_of_nothing() -> Vec<u8> {
    use sha2::{Digest, Sha256};
    Sha256::new().finalize().to_vec()
}
