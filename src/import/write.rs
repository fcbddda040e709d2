//! The writing side of an import: whole files in batches, large files batch by
//! batch.

use std::collections::HashSet;

use rusqlite::Connection;

use super::chain::Complete;
use super::displaced::Exchanges;
use super::losses::{self, LostLines};
use super::moved::{Moved, Moves};
use super::once::{FIRST, Piece};
use super::plan::Counted;
use super::read::{FileEnd, Item};
use super::tally::Tally;
use super::union::{self, Before};
use super::{Inbox, Job, Outcome, Progress, displaced, overlooked, renamed};
use crate::error::Result;
use crate::fold;
use crate::format::projection::Touched;
use crate::format::rules::Sessions;
use crate::model::{ProblemKind, SessionKey, bytes_of};
use crate::store::bulk::Bulk;
use crate::store::files::{self, FileRow, FileState};
use crate::store::packing::Packer;
use crate::store::problems::{self, NewProblem};
use crate::store::transaction::Transaction;
use crate::store::{generations, seen, sessions};

const BATCH_FILES: u64 = 2_000;

/// Writes what the reader sends, and marks what it did not see as missing.
pub(super) fn write(
    job: &Job<'_>,
    inbox: &Inbox<'_>,
    progress: &mut impl FnMut(Progress),
) -> Result<Outcome> {
    let conn = job.store.connection()?;
    seen::begin(&conn)?;
    let mut writer = Writer::new(job, &conn)?;
    let mut waiting = inbox.next();
    while let Some(item) = waiting.take() {
        let item = match item {
            Item::Large { file, large } => {
                writer.large_file(&conn, &file, &large, inbox, progress)?;
                waiting = inbox.next();
                continue;
            }
            item => item,
        };
        if !writer.changes(&conn, &item)? {
            writer.tally.show(job, progress);
            waiting = inbox.next();
            continue;
        }
        let tx = writer.begin()?;
        let (bytes, files) = (writer.tally.outcome.report.bytes, writer.tally.files);
        let mut next = Some(item);
        let mut full = false;
        while let Some(item) = next.take() {
            writer.take(&tx, item, inbox)?;
            writer.tally.show(job, progress);
            full = bytes + job.sizes.batch <= writer.tally.outcome.report.bytes
                || files + BATCH_FILES <= writer.tally.files;
            // While the reader is slow, others get a chance to write.
            match inbox.next_soon() {
                Some(item) if full || matches!(item, Item::Large { .. }) => waiting = Some(item),
                item => next = item,
            }
        }
        writer.settle(&tx)?;
        tx.commit()?;
        writer.committed(full)?;
        if waiting.is_none() {
            waiting = inbox.next();
        }
    }
    // If the reader gave up, or another import took files first, unseen files are
    // not missing; another pass finds them.
    writer.bulk.take().map_or(Ok(()), Bulk::end)?;
    if writer.saw_all && writer.tally.outcome.conflicts == 0 {
        writer.finish(&conn)?;
    }
    Ok(writer.tally.outcome)
}

pub(super) struct Writer<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) packer: Packer,
    pub(super) tally: Tally,
    saw_all: bool,
    /// Sessions that are folders and were changed by this transaction.
    pub(super) touched: Touched,
    /// All such sessions of the import.
    folded: HashSet<SessionKey>,
    /// New files that may have had another name before.
    may_be_renamed: Vec<i64>,
    /// Losses at the root, with the row that has the lines.
    lost: Vec<(i64, LostLines)>,
    /// Files that may have the former content of others.
    exchanges: Exchanges,
    /// The last file that existed when this import began. Later ones may belong to
    /// another import.
    pub(super) newest: i64,
    /// The last file that exists, as far as this import knows.
    pub(super) last: i64,
    /// Whether this import added everything that is known of the root, so that no
    /// path has a row yet.
    pub(super) is_first: bool,
    conn: &'a Connection,
    /// Set once there is more than one full transaction.
    bulk: Option<Bulk<'a>>,
}

impl<'a> Writer<'a> {
    fn new(job: &'a Job<'a>, conn: &'a Connection) -> Result<Self> {
        let source_id = job.source.as_ref().map_or(0, |source| source.source_id);
        let newest = files::newest_id(conn)?;
        Ok(Self {
            job,
            packer: Packer::new(job.store.compression())?,
            tally: Tally::new(job.sizes),
            touched: Touched::default(),
            saw_all: false,
            folded: HashSet::new(),
            may_be_renamed: Vec::new(),
            lost: Vec::new(),
            exchanges: Exchanges::default(),
            newest,
            last: newest,
            is_first: !files::has_any(conn, source_id)?,
            conn,
            bulk: None,
        })
    }

    /// Begins a transaction, and notices whether another import has added files since
    /// the last.
    pub(super) fn begin(&mut self) -> Result<Transaction<'a>> {
        let tx = self.job.begin(self.conn)?;
        if self.is_first {
            self.is_first = files::newest_id(&tx)? == self.last;
        }
        Ok(tx)
    }
}

impl Writer<'_> {
    /// Handles items that need no write; returns whether this one does.
    fn changes(&mut self, conn: &Connection, item: &Item) -> Result<bool> {
        match item {
            Item::Unchanged(files) => {
                seen::files(conn, files)?;
                self.tally.unchanged(files.len());
                Ok(false)
            }
            Item::Seen => {
                self.saw_all = true;
                Ok(false)
            }
            Item::Same { file, changed } => {
                if !changed {
                    seen::file(conn, file.file_id)?;
                    self.tally.unchanged(1);
                }
                Ok(*changed)
            }
            Item::Problem { path, kind, detail, file_id } => {
                seen::problem(conn, path)?;
                if *kind == ProblemKind::UnreadableFile {
                    seen::unreadable(conn, self.source_id(), path)?;
                }
                if let Some(file_id) = file_id {
                    seen::file(conn, *file_id)?;
                }
                Ok(!problems::is_recorded(conn, self.source_id(), path, *kind, detail)?)
            }
            Item::Hidden { folder } => {
                seen::hidden(conn, self.source_id(), folder)?;
                Ok(false)
            }
            Item::Void | Item::End(_) | Item::Chunk(_) => Ok(false),
            Item::Whole { .. } | Item::Tail { .. } | Item::Large { .. } => Ok(true),
        }
    }

    /// To be called after each transaction; `is_full` says that it ended because it
    /// was large.
    pub(super) fn committed(&mut self, is_full: bool) -> Result<()> {
        match &mut self.bulk {
            Some(bulk) => bulk.committed(),
            None if is_full => self.bulk = Bulk::begin(self.job.store, self.conn)?,
            None => {}
        }
        Ok(())
    }

    pub(super) fn source_id(&self) -> i64 {
        self.job.source.as_ref().map_or(0, |source| source.source_id)
    }

    fn take(&mut self, tx: &Connection, item: Item, inbox: &Inbox<'_>) -> Result<()> {
        if !self.changes(tx, &item)? {
            return Ok(());
        }
        match item {
            Item::Same { file, .. } => self.same(tx, &file),
            Item::Whole { once, chunks, end, .. } => {
                let file = end.file.clone();
                let end = std::iter::once(Piece::End(end));
                let mut pieces = chunks.into_iter().map(Piece::Chunk).chain(end);
                self.once(tx, (&file, true), &once, &mut || pieces.next())
            }
            Item::Tail { file, once } => self.tail(tx, &file, &once, inbox),
            Item::Problem { path, kind, detail, file_id } => {
                problems::delete_path_problems(tx, self.source_id(), &path)?;
                problems::insert_problem(
                    tx,
                    &NewProblem {
                        source_id: self.source_id(),
                        file_id,
                        session: None,
                        path: &path,
                        line: None,
                        kind,
                        detail: &detail,
                    },
                )
            }
            // They need no write.
            Item::Unchanged(_) | Item::Seen | Item::Hidden { .. } => Ok(()),
            Item::Large { .. } | Item::Chunk(_) | Item::End(_) | Item::Void => Ok(()),
        }
    }

    /// A file with the same content, whose mode, time or presence changed.
    fn same(&mut self, tx: &Connection, file: &FileRow) -> Result<()> {
        seen::file(tx, file.file_id)?;
        if !self.is_as_compared(tx, file)? {
            return Ok(());
        }
        let before = files::file_by_id(tx, file.file_id)?;
        let was_beyond = before.mtime.is_beyond();
        files::update_file(tx, file)?;
        if before.missing_at.is_some() {
            generations::update_lost(tx, file.file_id, 0)?;
            self.settle_losses(tx, &file.path)?;
        }
        self.touched.add(self.job.root.format, file);
        if let Some(session) = sessions::session_of_file(tx, file.file_id)? {
            if was_beyond || file.mtime.is_beyond() {
                // The fold determines whether that is a problem.
                fold::refold(tx, file, self.job.root.format, session)?;
            } else {
                fold::settle_mtime(tx, self.job.root.format, session, file.mtime.nearest())?;
            }
        }
        self.tally.unchanged(1);
        Ok(())
    }

    /// Whether a row is still what the reader compared with. If not, another import
    /// was faster.
    pub(super) fn is_as_compared(&mut self, tx: &Connection, base: &FileRow) -> Result<bool> {
        let now = files::file(tx, base.source_id, &base.path, base.state)?;
        let same = now.is_some_and(|now| {
            now.file_id == base.file_id && now.size == base.size && now.sha256 == base.sha256
        });
        self.tally.outcome.conflicts += u64::from(!same);
        Ok(same)
    }

    /// Whether the path still has no such row.
    pub(super) fn is_unknown(
        &mut self,
        tx: &Connection,
        file: &FileRow,
        state: FileState,
    ) -> Result<bool> {
        let known = files::file(tx, file.source_id, &file.path, state)?.is_some();
        self.tally.outcome.conflicts += u64::from(known);
        Ok(!known)
    }

    /// Updates what depends on more than one file, so that each transaction leaves a
    /// consistent store.
    pub(super) fn settle(&mut self, tx: &Connection) -> Result<()> {
        let source_id = self.source_id();
        let folded = self.touched.settle(tx, source_id)?;
        if self.job.root.format.rules().sessions == Sessions::Folder {
            self.folded.extend(folded);
            self.tally.outcome.report.sessions = self.folded.len() as u64;
            return Ok(());
        }
        fold::settle_recovered(tx, source_id)
    }

    /// Handles a file that was written completely.
    pub(super) fn written(
        &mut self,
        tx: &Connection,
        counted: Counted,
        complete: &Complete,
        end: &FileEnd,
        before: Before<'_>,
    ) -> Result<()> {
        let (file, format) = (complete.file(), self.job.root.format);
        // Newer files are not searched for a renamed one.
        if file.file_id <= self.newest {
            seen::file(tx, file.file_id)?;
        }
        self.touched.add(format, file);
        if counted == Counted::New && format.layout().renamed_from(&file.path).is_some() {
            self.may_be_renamed.push(file.file_id);
        }
        // A new path has no local chain.
        let is_first = file.generation == FIRST && before.file().is_none();
        let ours = if is_first { None } else { union::ours(tx, file)? };
        if let Before::Other(earlier) = before
            && let Some(earlier) = ours.as_ref().or(earlier)
            && displaced::is_of_another(tx, format, file, earlier)?
        {
            displaced::displace(tx, format, file, self.job.now)?;
            self.tally.file(format, Counted::New, end);
            return Ok(());
        }
        if let Some(ours) = ours {
            let (packer, touched) = (&mut self.packer, &mut self.touched);
            union::join(tx, format, file, ours, before, packer, touched)?;
        }
        self.note_losses(tx, file, before)?;
        if let (Counted::Rewritten, Some(base)) = (counted, before.file()) {
            self.exchanges.add(base, file);
        }
        self.tally.file(format, counted, end);
        Ok(())
    }

    /// Records what the root has lost of an earlier generation.
    fn note_losses(&mut self, tx: &Connection, file: &FileRow, before: Before<'_>) -> Result<()> {
        let lost = match before {
            Before::Other(Some(earlier)) => losses::between(tx, earlier, file)?,
            _ => None,
        };
        let Some(earlier) = before.file() else { return Ok(()) };
        // Earlier losses may be back.
        let mut is_other = losses::make_good(tx, file)?;
        if earlier.missing_at.is_some() {
            generations::update_lost(tx, file.file_id, 0)?;
        }
        is_other |= lost.is_some() || earlier.missing_at.is_some();
        // That its root has something else is said with the generation.
        if matches!(before, Before::Other(_)) {
            let ours = files::file(tx, file.source_id, &file.path, FileState::Local)?;
            is_other |= ours.is_some_and(|ours| ours.lost != 0);
        }
        if let Before::Other(Some(earlier)) = before
            && (lost.is_some() || earlier.lost != 0)
        {
            let lines = lost.as_ref().map_or(0, |lost| lost.lines);
            generations::update_lost(tx, earlier.file_id, lines)?;
        }
        self.lost.extend(lost.map(|lost| (earlier.file_id, lost)));
        if is_other { self.settle_losses(tx, &file.path) } else { Ok(()) }
    }

    /// Updates the losses of a session that is one log; other sessions are refolded.
    fn settle_losses(&self, tx: &Connection, path: &[u8]) -> Result<()> {
        let source_id = self.source_id();
        match sessions::session_at(tx, source_id, path)? {
            Some(session) if self.job.root.format.rules().sessions == Sessions::File => {
                fold::settle_losses(tx, source_id, session, path)
            }
            _ => Ok(()),
        }
    }

    /// Recognises moved files, and gives them their history.
    fn take_moved(&mut self, tx: &Connection) -> Result<()> {
        let moves = Moves {
            tx,
            source_id: self.source_id(),
            format: self.job.root.format,
            settled: self.newest.min(generations::settled(tx, self.source_id())?),
            packer: &mut self.packer,
            touched: &mut self.touched,
            lost: Vec::new(),
        };
        let Moved { adopted, lost } = moves.settle()?;
        self.lost.extend(lost);
        let newest = self.newest;
        let report = &mut self.tally.outcome.report;
        report.moved += adopted.len() as u64;
        let new = adopted.iter().filter(|file_id| newest < **file_id).count();
        report.new = report.new.saturating_sub(new as u64);
        Ok(())
    }

    /// Marks what is missing, and updates what depends on several files.
    fn finish(&mut self, conn: &Connection) -> Result<()> {
        let source_id = self.source_id();
        let now = self.job.now;
        self.remove_leftovers(conn)?;
        let tx = self.begin()?;
        let changed = {
            let report = &self.tally.outcome.report;
            0 < report.new + report.grown + report.rewritten
        };
        for file_id in std::mem::take(&mut self.may_be_renamed) {
            let new = files::file_by_id(&tx, file_id)?;
            if let Some(file) = renamed::adopt(&tx, self.job.root.format, &new)? {
                seen::file(&tx, file.file_id)?;
                self.lost.retain(|(file_id, _)| *file_id != file.file_id);
                self.touched.add(self.job.root.format, &file);
            }
        }
        let at = (&self.job.root, &self.job.away);
        overlooked::see(&tx, at, source_id, self.newest)?;
        let gone = seen::mark_missing(&tx, source_id, self.newest, now)?;
        let exchanges = std::mem::take(&mut self.exchanges);
        let format = self.job.root.format;
        for there in exchanges.found(&tx, (source_id, format), self.newest, now)? {
            displaced::displace(&tx, format, &there, now)?;
            self.touched.add(format, &there);
            self.lost.retain(|(_, lost)| bytes_of(&lost.file) != there.path);
            self.tally.outcome.report.rewritten -= 1;
            self.tally.outcome.report.new += 1;
        }
        // An import that was interrupted may have displaced something.
        let is_unsettled = generations::has_unsettled(&tx, source_id)?;
        if gone || is_unsettled || 0 < self.tally.outcome.report.new {
            self.take_moved(&tx)?;
        }
        let missing = generations::missing_since(&tx, source_id, now)?;
        for file in &missing {
            self.touched.add(self.job.root.format, file);
            self.settle_losses(&tx, &file.path)?;
        }
        self.settle(&tx)?;
        for file in missing {
            // A file that is at the root in another form or at another path is
            // already an earlier generation.
            if files::file_by_id(&tx, file.file_id)?.state == FileState::Current {
                self.lost.extend(losses::vanished(&file).map(|lost| (file.file_id, lost)));
            }
        }
        if gone || changed {
            fold::settle_recovered(&tx, source_id)?;
        }
        self.tally.outcome.report.missing = seen::count_missing(&tx, source_id)?;
        let lost = std::mem::take(&mut self.lost);
        self.tally.outcome.report.lost = lost.into_iter().map(|(_, lost)| lost).collect();
        generations::settle(&tx, source_id)?;
        seen::end(&tx)?;
        tx.commit()
    }
}

#[cfg(test)]
mod tests {
    use super::{files, seen};
    use crate::import::ImportOptions;
    use crate::model::Timestamp;
    use crate::store::{Store, sources};

    #[test]
    fn a_path_that_is_known_all_the_same_gets_no_second_row() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("sessions.db")).unwrap();
        store.import("fixtures/kward/small", &ImportOptions::new()).unwrap();
        let conn = store.connection().unwrap();
        let source_id = sources::all(&conn).unwrap()[0].source_id;
        let known = files::imported_after(&conn, source_id, b"", 1).unwrap().remove(0);
        let other = files::FileRow { path: b"other".to_vec(), ..known.clone() };

        assert!(files::insert_first(&conn, known).unwrap().is_none());
        assert!(files::insert_first(&conn, other).unwrap().is_some());
    }

    #[test]
    fn what_lies_below_a_hidden_folder_is_not_missing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path().join("sessions.db")).unwrap();
        store.import("fixtures/kward/small", &ImportOptions::new()).unwrap();
        let conn = store.connection().unwrap();
        let source_id = sources::all(&conn).unwrap()[0].source_id;
        let missing = || seen::count_missing(&conn, source_id).unwrap();

        seen::begin(&conn).unwrap();
        seen::hidden(&conn, source_id, b"sessions/--edge--").unwrap();
        seen::mark_missing(&conn, source_id, i64::MAX, Timestamp(1)).unwrap();
        // The two folders themselves were not seen.
        assert_eq!(missing(), 2);

        seen::begin(&conn).unwrap();
        seen::hidden(&conn, source_id, b"sessions/--edg").unwrap();
        seen::mark_missing(&conn, source_id, i64::MAX, Timestamp(2)).unwrap();
        assert!(2 < missing());
    }
}
