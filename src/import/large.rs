//! Imports files larger than a batch: into the log batch by batch, invisible until
//! they are complete.
//!
//! A batch is committed when the next chunk has arrived. So a partial file never
//! ends within a line, and the end of a file is committed by the transaction that
//! completes it.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::chain::Chain;
use super::content::Chunk;
use super::once::{session_for, supersede};
use super::plan::{Large, Leftover};
use super::read::{FileEnd, Item};
use super::union::Before;
use super::write::Writer;
use super::{Inbox, Progress};
use crate::error::Result;
use crate::fold;
use crate::store::files::{self, FileRow, FileState};
use crate::store::{generations, log, problems, seen};

/// A large file that is being written.
struct LargeWrite {
    /// Its row in the database.
    row: FileRow,
    chain: Chain,
}

/// How a batch ended.
enum Batch {
    /// It is full; the chunk belongs to the next.
    Full(Chunk),
    End(Box<FileEnd>),
    /// The file changed while it was read.
    Void,
    /// The reader gave up; the next import continues.
    Left,
}

impl Writer<'_> {
    /// Writes a file in several transactions. It becomes visible in the last one.
    pub(super) fn large_file(
        &mut self,
        conn: &Connection,
        file: &FileRow,
        large: &Large,
        inbox: &Inbox<'_>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<()> {
        let mut known = match &large.left {
            Leftover::Beginning(partial) => match Chain::resume(conn, partial)? {
                Some(chain) => Some(LargeWrite { row: (**partial).clone(), chain }),
                None => return self.start_anew(conn, partial, inbox),
            },
            Leftover::Nothing | Leftover::Other(_) => None,
        };
        let mut waiting = None;
        loop {
            let tx = self.begin()?;
            let Some(mut aside) = self.open(&tx, known.take(), file, large)? else {
                // Another import has restarted or continued the same file.
                inbox.skip();
                return Ok(());
            };
            let before = self.tally.outcome.report.bytes;
            match self.batch(&tx, &mut aside, waiting.take(), inbox)? {
                Batch::Full(chunk) => waiting = Some(chunk),
                Batch::End(end) => {
                    if self.complete(&tx, aside, large, &end)? {
                        self.settle(&tx)?;
                        tx.commit()?;
                    }
                    return Ok(());
                }
                Batch::Void => {
                    drop(tx);
                    return self.remove_void(conn, &aside.row, large);
                }
                Batch::Left => return Ok(()),
            }
            aside.row = aside.chain.so_far(&aside.row);
            files::update_file(&tx, &aside.row)?;
            tx.commit()?;
            self.committed(true)?;
            self.tally.outcome.report.bytes += aside.row.size.saturating_sub(file.size);
            self.tally.show(self.job, progress);
            self.tally.outcome.report.bytes = before;
            known = Some(aside);
        }
    }

    /// Finds the partial file, or starts a new one; `None` if another import was
    /// faster.
    fn open(
        &mut self,
        tx: &Connection,
        known: Option<LargeWrite>,
        file: &FileRow,
        large: &Large,
    ) -> Result<Option<LargeWrite>> {
        if let Some(aside) = known {
            return Ok(self.is_as_compared(tx, &aside.row)?.then_some(aside));
        }
        let fits = match &large.left {
            Leftover::Other(other) => {
                let fits = self.is_as_compared(tx, other)?;
                if fits {
                    remove(tx, other.file_id)?;
                }
                fits
            }
            Leftover::Beginning(_) | Leftover::Nothing => {
                self.is_unknown(tx, file, FileState::Partial)?
            }
        };
        if !fits {
            return Ok(None);
        }
        let nothing = Sha256::digest([]).to_vec();
        let blank = FileRow {
            state: FileState::Partial,
            sha256: Some(nothing),
            size: 0,
            line_count: 0,
            ..file.clone()
        };
        let row = files::file_by_id(tx, files::insert_file(tx, &blank)?)?;
        self.last = row.file_id;
        Ok(Some(LargeWrite { chain: Chain::new(&row), row }))
    }

    fn batch(
        &mut self,
        tx: &Connection,
        aside: &mut LargeWrite,
        mut waiting: Option<Chunk>,
        inbox: &Inbox<'_>,
    ) -> Result<Batch> {
        let format = self.job.root.format;
        let mut bytes = 0;
        loop {
            let mut chunk = match waiting.take() {
                Some(chunk) => chunk,
                None => match inbox.next() {
                    Some(Item::Chunk(chunk)) => chunk,
                    Some(Item::End(end)) => return Ok(Batch::End(end)),
                    Some(_) => return Ok(Batch::Void),
                    None => return Ok(Batch::Left),
                },
            };
            if self.job.sizes.batch <= bytes {
                return Ok(Batch::Full(chunk));
            }
            bytes += chunk.raw.len() as u64;
            aside.chain.append(tx, &mut chunk, format, &mut self.packer, None)?;
        }
    }

    /// Makes a large file visible; `false` if another import was faster.
    fn complete(
        &mut self,
        tx: &Connection,
        aside: LargeWrite,
        large: &Large,
        end: &FileEnd,
    ) -> Result<bool> {
        let LargeWrite { row, chain } = aside;
        let complete = chain.complete(&row, end)?;
        let file = complete.file();
        let base = large.base.as_deref();
        let fits = match base {
            Some(base) => self.is_as_compared(tx, base)?,
            None => self.is_unknown(tx, file, FileState::Current)?,
        };
        if !fits {
            return Ok(false);
        }
        problems::delete_path_problems(tx, self.source_id(), &file.path)?;
        let session = supersede(tx, base)?;
        generations::update_state(tx, file.file_id, FileState::Current)?;
        files::update_file(tx, file)?;
        let format = self.job.root.format;
        if let Some(session) = session_for(tx, file, base, session, format)? {
            fold::refold(tx, file, format, session)?;
        }
        self.written(tx, large.counted(), &complete, end, Before::Other(base))?;
        Ok(true)
    }

    /// Removes a partial file that is not what its row says, since it cannot be
    /// continued.
    fn start_anew(
        &mut self,
        conn: &Connection,
        partial: &FileRow,
        inbox: &Inbox<'_>,
    ) -> Result<()> {
        inbox.skip();
        let tx = self.job.begin(conn)?;
        if self.is_as_compared(&tx, partial)? {
            remove(&tx, partial.file_id)?;
            // The next pass will not find it.
            self.tally.outcome.conflicts += 1;
        }
        tx.commit()
    }

    /// Removes what was written of a file that changed, with its problems; the next
    /// attempt starts again.
    fn remove_void(&mut self, conn: &Connection, row: &FileRow, large: &Large) -> Result<()> {
        let tx = self.job.begin(conn)?;
        if let Some(found) = files::file(&tx, row.source_id, &row.path, FileState::Partial)? {
            let other = match &large.left {
                Leftover::Other(other) => Some(other.file_id),
                Leftover::Beginning(_) | Leftover::Nothing => None,
            };
            if found.file_id == row.file_id || Some(found.file_id) == other {
                remove(&tx, found.file_id)?;
            }
        }
        tx.commit()
    }

    /// Removes partial files that are gone at the root, different, or complete by
    /// now.
    pub(super) fn remove_leftovers(&mut self, conn: &Connection) -> Result<()> {
        for file_id in seen::leftovers(conn, self.source_id(), self.newest)? {
            // One per transaction: each may be large.
            let tx = self.job.begin(conn)?;
            remove(&tx, file_id)?;
            tx.commit()?;
        }
        Ok(())
    }
}

fn remove(tx: &Connection, file_id: i64) -> Result<()> {
    log::delete_content(tx, file_id)?;
    files::delete_file(tx, file_id)
}
