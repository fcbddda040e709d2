//! Files larger than a batch: into the log batch by batch, unseen until they are complete.
//!
//! A batch is committed when the next chunk is there, so that what an
//! interrupted import leaves never ends within a line: the end of a file goes in
//! with the transaction that completes it.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::chain::Chain;
use super::content::Chunk;
use super::once::{session_for, supersede};
use super::plan::{Large, Left};
use super::read::{End, Item};
use super::union::Before;
use super::write::Writer;
use super::{Inbox, Progress};
use crate::error::Result;
use crate::fold;
use crate::store::files::{self, FileRow, FileState};
use crate::store::{generations, log, problems, seen};

/// A large file on its way.
struct Aside {
    /// As its row stands.
    row: FileRow,
    chain: Chain,
}

/// How a batch ended.
enum Batch {
    /// With a chunk that belongs to the next.
    Full(Chunk),
    End(Box<End>),
    /// The file changed while it was read.
    Void,
    /// The reader gave up; the next import goes on.
    Left,
}

impl Writer<'_> {
    /// A file that takes several transactions. Nothing shows it before the last.
    pub(super) fn large_file(
        &mut self,
        conn: &Connection,
        file: &FileRow,
        large: &Large,
        inbox: &Inbox<'_>,
        progress: &mut impl FnMut(Progress),
    ) -> Result<()> {
        let mut known = match &large.left {
            Left::Beginning(partial) => match Chain::resume(conn, partial)? {
                Some(chain) => Some(Aside { row: (**partial).clone(), chain }),
                None => return self.start_anew(conn, partial, inbox),
            },
            Left::Nothing | Left::Other(_) => None,
        };
        let mut waiting = None;
        loop {
            let tx = self.begin()?;
            let Some(mut aside) = self.open(&tx, known.take(), file, large)? else {
                // Another import of the same file has begun it anew, or gone on with it.
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

    /// Finds a large file as it was left, or begins it; `None` when another import was faster.
    fn open(
        &mut self,
        tx: &Connection,
        known: Option<Aside>,
        file: &FileRow,
        large: &Large,
    ) -> Result<Option<Aside>> {
        if let Some(aside) = known {
            return Ok(self.is_as_compared(tx, &aside.row)?.then_some(aside));
        }
        let fits = match &large.left {
            Left::Other(other) => {
                let fits = self.is_as_compared(tx, other)?;
                if fits {
                    remove(tx, other.file_id)?;
                }
                fits
            }
            Left::Beginning(_) | Left::Nothing => self.is_unknown(tx, file, FileState::Partial)?,
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
        Ok(Some(Aside { chain: Chain::new(&row), row }))
    }

    fn batch(
        &mut self,
        tx: &Connection,
        aside: &mut Aside,
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

    /// Lets a large file be seen; `false` when another import was faster.
    fn complete(
        &mut self,
        tx: &Connection,
        aside: Aside,
        large: &Large,
        end: &End,
    ) -> Result<bool> {
        let Aside { row, chain } = aside;
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

    /// What was left is not what its row says, so nothing can go on from it.
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
            // The next look finds it gone.
            self.tally.outcome.conflicts += 1;
        }
        tx.commit()
    }

    /// Removes what was written of a file that changed, and what it found there; the next attempt starts anew.
    fn remove_void(&mut self, conn: &Connection, row: &FileRow, large: &Large) -> Result<()> {
        let tx = self.job.begin(conn)?;
        if let Some(found) = files::file(&tx, row.source_id, &row.path, FileState::Partial)? {
            let other = match &large.left {
                Left::Other(other) => Some(other.file_id),
                Left::Beginning(_) | Left::Nothing => None,
            };
            if found.file_id == row.file_id || Some(found.file_id) == other {
                remove(&tx, found.file_id)?;
            }
        }
        tx.commit()
    }

    /// Removes what interrupted imports left of files that are gone, or different, or complete by now.
    pub(super) fn remove_leftovers(&mut self, conn: &Connection) -> Result<()> {
        for file_id in seen::leftovers(conn, self.source_id(), self.newest)? {
            // One at a time: each may be large.
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
