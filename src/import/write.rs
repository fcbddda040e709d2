//! The writing side of an import: batches of whole files, and large files batch by batch.

use std::collections::HashSet;

use rusqlite::Connection;

use super::content::Chunk;
use super::read::{Item, Plan, Start};
use super::tally::Tally;
use super::{Inbox, Job, Outcome, Progress, renamed};
use crate::error::Result;
use crate::fold::{self, Fold, Shape, Touched};
use crate::model::{Format, SessionKey};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::packing::Packer;
use crate::store::problems::{self, NewProblem};
use crate::store::{heads, log, projections, seen, sessions};

pub(super) const BATCH_BYTES: u64 = 16 << 20;
const BATCH_FILES: u64 = 2_000;

/// Writes what the reader sends, and marks what it did not.
pub(super) fn write(
    job: &Job<'_>,
    inbox: &Inbox<'_>,
    progress: &mut impl FnMut(Progress),
) -> Result<Outcome> {
    let conn = job.store.connection()?;
    seen::begin(&conn)?;
    let mut writer = Writer {
        job,
        packer: Packer::new(job.store.compression())?,
        tally: Tally::default(),
        touched: Touched::default(),
        saw_all: false,
        folded: HashSet::new(),
        may_be_renamed: Vec::new(),
    };
    let mut waiting = inbox.next();
    while let Some(item) = waiting.take() {
        let item = match item {
            Item::Start(start) if !start.is_tail() => {
                writer.large_file(&conn, &start, inbox, progress)?;
                waiting = inbox.next();
                continue;
            }
            item => item,
        };
        if !writer.changes(&conn, &item)? {
            writer.tally.show(progress);
            waiting = inbox.next();
            continue;
        }
        let tx = job.store.begin(&conn)?;
        let (bytes, files) = (writer.tally.outcome.report.bytes, writer.tally.files);
        let mut next = Some(item);
        while let Some(item) = next.take() {
            writer.take(&tx, item, inbox)?;
            writer.tally.show(progress);
            let full = bytes + BATCH_BYTES <= writer.tally.outcome.report.bytes
                || files + BATCH_FILES <= writer.tally.files;
            // Others may write while the reader takes its time.
            match inbox.next_soon() {
                Some(Item::Start(start)) if !start.is_tail() => waiting = Some(Item::Start(start)),
                Some(item) if full => waiting = Some(item),
                item => next = item,
            }
        }
        writer.settle_touched(&tx)?;
        tx.commit()?;
        if waiting.is_none() {
            waiting = inbox.next();
        }
    }
    // Where the reader gave up, what it did not see is not missing.
    if writer.saw_all {
        writer.finish(&conn)?;
    }
    Ok(writer.tally.outcome)
}

pub(super) struct Writer<'a> {
    pub(super) job: &'a Job<'a>,
    pub(super) packer: Packer,
    pub(super) tally: Tally,
    saw_all: bool,
    /// What this transaction changed of sessions that are folders.
    pub(super) touched: Touched,
    /// The sessions among them, of the whole import.
    folded: HashSet<SessionKey>,
    /// New files that may have had another name before.
    may_be_renamed: Vec<i64>,
}

impl Writer<'_> {
    /// Deals with an item that leaves the database as it is; says whether it does not.
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
            Item::Whole { .. } | Item::Start(_) => Ok(true),
        }
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
            Item::Whole { start, chunks, end } => {
                let mut chunks = chunks.into_iter();
                self.file(tx, &start, &mut || {
                    Some(chunks.next().map_or(Piece::End(Box::new(end.clone())), Piece::Chunk))
                })
            }
            Item::Start(start) => self.tail(tx, &start, inbox),
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
            // They change nothing.
            Item::Unchanged(_) | Item::Seen | Item::Hidden { .. } => Ok(()),
            Item::Chunk(_) | Item::End(_) | Item::Void => Ok(()),
        }
    }

    /// Same content; mode, time or presence changed.
    fn same(&mut self, tx: &Connection, file: &FileRow) -> Result<()> {
        seen::file(tx, file.file_id)?;
        if !self.is_as_compared(tx, file, file)? {
            return Ok(());
        }
        files::update_file(tx, file)?;
        self.touched.add(self.job.root.format, file);
        if let Some(session) = sessions::session_of_file(tx, file.file_id)? {
            sessions::update_mtime(tx, session, file.mtime)?;
        }
        self.tally.unchanged(1);
        Ok(())
    }

    /// Whether a row is still what the reader compared with; if not, another import was faster.
    pub(super) fn is_as_compared(
        &mut self,
        tx: &Connection,
        file: &FileRow,
        base: &FileRow,
    ) -> Result<bool> {
        let now = files::file(tx, file.source_id, &file.path, base.state)?;
        let same = now.is_some_and(|now| {
            now.file_id == base.file_id && now.size == base.size && now.sha256 == base.sha256
        });
        self.tally.outcome.conflicts += u64::from(!same);
        Ok(same)
    }

    /// The tail of a file that grew by much: one transaction, so that readers see all of it or none.
    fn tail(&mut self, tx: &Connection, start: &Start, inbox: &Inbox<'_>) -> Result<()> {
        tx.execute_batch("SAVEPOINT tail")?;
        let counts = self.tally.outcome.report.clone();
        let mut void = false;
        self.file(tx, start, &mut || match inbox.next()? {
            Item::Chunk(chunk) => Some(Piece::Chunk(chunk)),
            Item::End(end) => Some(Piece::End(Box::new(end))),
            _ => {
                void = true;
                None
            }
        })?;
        if void {
            tx.execute_batch("ROLLBACK TO tail")?;
            self.tally.outcome.report = counts;
        }
        Ok(tx.execute_batch("RELEASE tail")?)
    }

    /// Folds the sessions that are folders of files, where one of these changed.
    pub(super) fn settle_touched(&mut self, tx: &Connection) -> Result<()> {
        let source_id = self.source_id();
        self.folded.extend(self.touched.settle(tx, source_id)?);
        if self.job.root.format.has_folders() {
            self.tally.outcome.report.sessions = self.folded.len() as u64;
        }
        Ok(())
    }

    /// Notes a file that is complete.
    pub(super) fn written(&mut self, start: &Start, file: &FileRow) {
        let format = self.job.root.format;
        self.touched.add(format, file);
        let is_new = matches!(start.plan, Plan::New | Plan::Resumed { base: None, .. });
        if is_new && format.renamed_from(&file.path).is_some() {
            self.may_be_renamed.push(file.file_id);
        }
    }

    /// Writes one file whose pieces come from `next`; without an end, the caller takes it back.
    fn file(
        &mut self,
        tx: &Connection,
        start: &Start,
        next: &mut dyn FnMut() -> Option<Piece>,
    ) -> Result<()> {
        let base = match &start.plan {
            Plan::New | Plan::Resumed { .. } => None,
            Plan::Grown { base, .. } | Plan::Rewritten { base } => Some(&**base),
        };
        let fits = match base {
            Some(base) => self.is_as_compared(tx, &start.file, base)?,
            None => {
                let known =
                    files::file(tx, start.file.source_id, &start.file.path, FileState::Current)?;
                self.tally.outcome.conflicts += u64::from(known.is_some());
                known.is_none()
            }
        };
        if !fits {
            while let Some(Piece::Chunk(_)) = next() {}
            return Ok(());
        }
        problems::delete_path_problems(tx, self.source_id(), &start.file.path)?;
        match (&start.plan, base) {
            (Plan::Grown { replaces_last_line, .. }, Some(base)) => {
                self.grow(tx, start, base, *replaces_last_line, next)
            }
            _ => self.fill(tx, start, base, next),
        }
    }

    fn grow(
        &mut self,
        tx: &Connection,
        start: &Start,
        base: &FileRow,
        replaces_last_line: bool,
        next: &mut dyn FnMut() -> Option<Piece>,
    ) -> Result<()> {
        let format = self.job.root.format;
        let mut position = base.line_count;
        if replaces_last_line {
            position -= 1;
            log::delete_line(tx, log::key(base.file_id, position))?;
        }
        let file = FileRow { mtime: start.file.mtime, ..base.clone() };
        let mut session = sessions::session_of_file(tx, base.file_id)?;
        if session.is_none()
            && !format.has_folders()
            && !sessions::went_on_here(tx, base.source_id, &base.path)?
        {
            session = Some(sessions::insert_session(tx, base, format)?);
        }
        let mut fold = match session {
            Some(session) if !replaces_last_line => {
                Fold::resume(tx, &file, format, session, heads::head(tx, session)?)?
            }
            _ => None,
        };
        let end = loop {
            match next() {
                None => return Ok(()),
                Some(Piece::End(end)) => break *end,
                Some(Piece::Chunk(mut chunk)) => {
                    let fold = fold.as_mut();
                    let place = (base.file_id, position);
                    position = write_lines(tx, place, &mut chunk, format, &mut self.packer, fold)?;
                }
            }
        };
        let shape = match fold {
            Some(fold) => fold.finish()?,
            None => Shape::Linear,
        };
        let file = FileRow {
            file_id: base.file_id,
            generation: base.generation,
            line_count: position,
            ..end.clone()
        };
        files::update_file(tx, &file)?;
        if let (Shape::Linear, Some(session)) = (shape, session) {
            fold::refold(tx, &file, format, session)?;
        }
        seen::file(tx, file.file_id)?;
        self.touched.add(format, &file);
        self.tally.file(start, &FileRow { line_count: position - base.line_count, ..end });
        Ok(())
    }

    /// A new file, or a new generation of one.
    fn fill(
        &mut self,
        tx: &Connection,
        start: &Start,
        base: Option<&FileRow>,
        next: &mut dyn FnMut() -> Option<Piece>,
    ) -> Result<()> {
        let format = self.job.root.format;
        // The digest comes last; until then an empty one stands for it.
        let has_content = matches!(start.file.kind, FileKind::Log | FileKind::Document);
        let blank = FileRow { sha256: has_content.then(Vec::new), ..start.file.clone() };
        let (row, session) = self.next_generation(tx, blank, base)?;
        let mut fold = session.map(|session| Fold::begin(tx, &row, format, session));
        let mut position = 0;
        let end = loop {
            match next() {
                None => return Ok(()),
                Some(Piece::End(end)) => break *end,
                Some(Piece::Chunk(mut chunk)) if row.kind == FileKind::Log => {
                    let fold = fold.as_mut();
                    let place = (row.file_id, position);
                    position = write_lines(tx, place, &mut chunk, format, &mut self.packer, fold)?;
                }
                Some(Piece::Chunk(chunk)) => {
                    log::insert_chunk(tx, log::key(row.file_id, position), &chunk.raw)?;
                    position += 1;
                }
            }
        };
        let shape = fold.map(Fold::finish).transpose()?;
        let file = FileRow { file_id: row.file_id, generation: row.generation, ..end.clone() };
        files::update_file(tx, &file)?;
        if let (Some(Shape::Linear), Some(session)) = (shape, session) {
            fold::refold(tx, &file, format, session)?;
        }
        seen::file(tx, file.file_id)?;
        self.written(start, &file);
        self.tally.file(start, &end);
        Ok(())
    }

    /// Inserts a row in the place of its earlier generation, and gives a log its session.
    fn next_generation(
        &self,
        tx: &Connection,
        mut file: FileRow,
        base: Option<&FileRow>,
    ) -> Result<(FileRow, Option<SessionKey>)> {
        let mut session = None;
        if let Some(base) = base {
            files::update_state(tx, base.file_id, FileState::Superseded)?;
            session = sessions::session_of_file(tx, base.file_id)?;
        }
        file.file_id = files::insert_file(tx, &file)?;
        file.generation = files::file_by_id(tx, file.file_id)?.generation;
        let session = session_for(tx, &file, session, self.job.root.format)?;
        Ok((file, session))
    }

    /// Marks what is gone, and settles what depends on several files.
    fn finish(&mut self, conn: &Connection) -> Result<()> {
        let source_id = self.source_id();
        let now = self.job.now;
        let tx = self.job.store.begin(conn)?;
        let changed = {
            let report = &self.tally.outcome.report;
            0 < report.new + report.grown + report.rewritten
        };
        for file_id in std::mem::take(&mut self.may_be_renamed) {
            let new = files::file_by_id(&tx, file_id)?;
            if let Some(file) = renamed::adopt(&tx, self.job.root.format, &new)? {
                seen::file(&tx, file.file_id)?;
                self.touched.add(self.job.root.format, &file);
            }
        }
        let gone = seen::mark_missing(&tx, source_id, now)?;
        if self.job.root.format.has_folders() {
            for file in files::missing_since(&tx, source_id, now)? {
                self.touched.add(self.job.root.format, &file);
            }
            self.settle_touched(&tx)?;
        }
        if gone || changed {
            fold::settle_recovered(&tx, source_id)?;
            problems::record_diverged(&tx, source_id)?;
        }
        self.tally.outcome.report.missing = seen::count_missing(&tx, source_id)?;
        seen::end(&tx)?;
        tx.commit()
    }
}

/// A part of a file's content, or what is known of it in the end.
enum Piece {
    Chunk(Chunk),
    End(Box<FileRow>),
}

/// Gives a log its session: the one that its earlier generation had, or a new one.
pub(super) fn session_for(
    tx: &Connection,
    file: &FileRow,
    earlier: Option<SessionKey>,
    format: Format,
) -> Result<Option<SessionKey>> {
    if format.has_folders() {
        return Ok(None);
    }
    match (file.kind, earlier) {
        (FileKind::Log, Some(session)) => {
            projections::delete_projection(tx, session)?;
            sessions::update_session_file(tx, session, file.file_id)?;
            Ok(Some(session))
        }
        (FileKind::Log, None) if sessions::went_on_here(tx, file.source_id, &file.path)? => {
            Ok(None)
        }
        (FileKind::Log, None) => Ok(Some(sessions::insert_session(tx, file, format)?)),
        (_, Some(session)) => {
            sessions::delete_session(tx, session)?;
            Ok(None)
        }
        (_, None) => Ok(None),
    }
}

fn write_lines(
    tx: &Connection,
    (file_id, mut position): (i64, u32),
    chunk: &mut Chunk,
    format: Format,
    packer: &mut Packer,
    mut fold: Option<&mut Fold<'_>>,
) -> Result<u32> {
    let mut records = std::mem::take(&mut chunk.records).into_iter();
    for line in chunk.lines(format) {
        let key = log::key(file_id, position);
        log::insert_packed(tx, key, line, packer)?;
        if let Some(fold) = &mut fold {
            fold.apply(key, records.next().unwrap_or_else(|| format.parse(line)))?;
        }
        position += 1;
    }
    Ok(position)
}

#[cfg(test)]
mod tests {
    use super::{files, seen};
    use crate::import::ImportOptions;
    use crate::model::Timestamp;
    use crate::store::Store;

    #[test]
    fn what_lies_below_a_hidden_folder_is_not_missing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        store.import("fixtures/kward/small".as_ref(), &ImportOptions::new()).unwrap();
        let conn = store.connection().unwrap();
        let source_id = files::sources(&conn).unwrap()[0].source_id;
        let missing = || seen::count_missing(&conn, source_id).unwrap();

        seen::begin(&conn).unwrap();
        seen::hidden(&conn, source_id, b"sessions/--edge--").unwrap();
        seen::mark_missing(&conn, source_id, Timestamp(1)).unwrap();
        // The two folders themselves were not seen.
        assert_eq!(missing(), 2);

        seen::begin(&conn).unwrap();
        seen::hidden(&conn, source_id, b"sessions/--edg").unwrap();
        seen::mark_missing(&conn, source_id, Timestamp(2)).unwrap();
        assert!(2 < missing());
    }
}
