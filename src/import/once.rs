//! Imports files in one transaction: new ones, grown ones, and rewritten ones.

use rusqlite::Connection;

use super::Inbox;
use super::chain::Chain;
use super::content::Chunk;
use super::plan::SingleTransaction;
use super::read::{FileEnd, Item};
use super::union::{self, Before};
use super::write::Writer;
use crate::error::Result;
use crate::fold::{self, Fold, Shape};
use crate::format::rules::Sessions;
use crate::model::{Format, SessionKey};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::{generations, heads, problems, projections, sessions};

/// The first generation of a path.
pub(super) const FIRST: i64 = 1;

/// Part of a file's content, or its final row.
pub(super) enum Piece {
    Chunk(Chunk),
    End(Box<FileEnd>),
}

/// Returns the pieces of a file; `None` if the end will not come.
pub(super) type Next<'a> = &'a mut dyn FnMut() -> Option<Piece>;

impl Writer<'_> {
    /// Writes one file. If its end does not come, the caller rolls back. `file` is
    /// the final row if the end is already known, which `is_whole` says.
    pub(super) fn once(
        &mut self,
        tx: &Connection,
        (file, is_whole): (&FileRow, bool),
        once: &SingleTransaction,
        next: Next<'_>,
    ) -> Result<()> {
        let fits = match once.base() {
            Some(base) => self.is_as_compared(tx, base)?,
            None => self.is_first || self.is_unknown(tx, file, FileState::Current)?,
        };
        if !fits {
            while let Some(Piece::Chunk(_)) = next() {}
            return Ok(());
        }
        if !self.is_first {
            problems::delete_path_problems(tx, self.source_id(), &file.path)?;
        }
        match once {
            SingleTransaction::Grown(base) => self.grow(tx, file, base, once, next),
            SingleTransaction::New | SingleTransaction::Rewritten(_) => {
                self.fill(tx, (file, is_whole), once, next)
            }
        }
    }

    /// Writes the long tail of a file that grew, in one transaction, so that readers
    /// see all of it or none.
    pub(super) fn tail(
        &mut self,
        tx: &Connection,
        file: &FileRow,
        once: &SingleTransaction,
        inbox: &Inbox<'_>,
    ) -> Result<()> {
        tx.execute_batch("SAVEPOINT tail")?;
        let mut void = false;
        self.once(tx, (file, false), once, &mut || match inbox.next()? {
            Item::Chunk(chunk) => Some(Piece::Chunk(chunk)),
            Item::End(end) => Some(Piece::End(end)),
            _ => {
                void = true;
                None
            }
        })?;
        if void {
            tx.execute_batch("ROLLBACK TO tail")?;
        }
        Ok(tx.execute_batch("RELEASE tail")?)
    }

    fn grow(
        &mut self,
        tx: &Connection,
        start: &FileRow,
        base: &FileRow,
        once: &SingleTransaction,
        next: Next<'_>,
    ) -> Result<()> {
        let format = self.job.root.format;
        let (mut chain, torn) = Chain::behind(tx, base)?;
        let file = FileRow { mtime: start.mtime, ..base.clone() };
        let mut session = sessions::session_of_file(tx, base.file_id)?;
        if session.is_none()
            && format.rules().sessions == Sessions::File
            && !sessions::went_on_here(tx, base.source_id, &base.path)?
        {
            session = Some(sessions::insert_session(tx, base, format)?);
        }
        let mut fold = match session {
            Some(session) if torn.is_empty() => {
                Fold::resume(tx, &file, format, session, heads::head(tx, session)?)?
            }
            _ => None,
        };
        let Some(end) = self.take_pieces(tx, &mut chain, fold.as_mut(), next)? else {
            return Ok(());
        };
        let shape = match fold {
            Some(fold) => fold.finish()?,
            None => Shape::Linear,
        };
        let complete = chain.complete(base, &end)?;
        files::update_file(tx, complete.file())?;
        if let (Shape::Linear, Some(session)) = (shape, session) {
            fold::refold(tx, complete.file(), format, session)?;
        }
        let before = Before::Shorter { file: base, torn: &torn };
        self.written(tx, once.counted(), &complete, &end, before)
    }

    /// Writes a new file, or a new generation of one.
    fn fill(
        &mut self,
        tx: &Connection,
        (start, is_whole): (&FileRow, bool),
        once: &SingleTransaction,
        next: Next<'_>,
    ) -> Result<()> {
        let format = self.job.root.format;
        // The digest usually comes last; until then the row has an empty one.
        let has_content = matches!(start.kind, FileKind::Log | FileKind::Document);
        let blank = if is_whole {
            start.clone()
        } else {
            FileRow { sha256: has_content.then(Vec::new), ..start.clone() }
        };
        let Some((row, session)) = self.next_generation(tx, blank, once.base())? else {
            // The path was found twice. The next pass knows it.
            self.tally.outcome.conflicts += 1;
            while let Some(Piece::Chunk(_)) = next() {}
            return Ok(());
        };
        let mut chain = Chain::new(&row);
        let mut fold = session.map(|session| match row.generation {
            FIRST => Fold::first(tx, &row, format, session),
            _ => Fold::begin(tx, &row, format, session),
        });
        let Some(end) = self.take_pieces(tx, &mut chain, fold.as_mut(), next)? else {
            return Ok(());
        };
        let shape = fold.map(Fold::finish).transpose()?;
        let complete = chain.complete(&row, &end)?;
        if !is_whole {
            files::update_file(tx, complete.file())?;
        }
        if let (Some(Shape::Linear), Some(session)) = (shape, session) {
            fold::refold(tx, complete.file(), format, session)?;
        }
        self.written(tx, once.counted(), &complete, &end, Before::Other(once.base()))
    }

    fn take_pieces(
        &mut self,
        tx: &Connection,
        chain: &mut Chain,
        mut fold: Option<&mut Fold<'_>>,
        next: Next<'_>,
    ) -> Result<Option<Box<FileEnd>>> {
        let format = self.job.root.format;
        loop {
            match next() {
                None => return Ok(None),
                Some(Piece::End(end)) => return Ok(Some(end)),
                Some(Piece::Chunk(mut chunk)) => {
                    chain.append(tx, &mut chunk, format, &mut self.packer, fold.as_deref_mut())?;
                }
            }
        }
    }

    /// Inserts a row that replaces its earlier generation, and gives a log its
    /// session. `None` if the path was unknown and has a row all the same.
    fn next_generation(
        &mut self,
        tx: &Connection,
        file: FileRow,
        base: Option<&FileRow>,
    ) -> Result<Option<(FileRow, Option<SessionKey>)>> {
        let session = supersede(tx, base)?;
        let file = if self.is_first {
            files::insert_first(tx, file)?
        } else {
            Some(files::insert_next(tx, file)?)
        };
        let Some(file) = file else { return Ok(None) };
        self.last = file.file_id;
        let session = session_for(tx, &file, base, session, self.job.root.format)?;
        Ok(Some((file, session)))
    }
}

/// Turns a generation into an earlier one; returns its session.
pub(super) fn supersede(tx: &Connection, base: Option<&FileRow>) -> Result<Option<SessionKey>> {
    let Some(base) = base else { return Ok(None) };
    generations::update_state(tx, base.file_id, FileState::Superseded)?;
    sessions::session_of_file(tx, base.file_id)
}

/// Gives a log its session: that of its earlier generation, or a new one.
///
/// If a link, folder or document has the log's path now, its session stays as it was.
pub(super) fn session_for(
    tx: &Connection,
    file: &FileRow,
    base: Option<&FileRow>,
    session: Option<SessionKey>,
    format: Format,
) -> Result<Option<SessionKey>> {
    let is_folder = format.rules().sessions == Sessions::Folder;
    if let Some(log) = base.filter(|base| base.kind == FileKind::Log && file.kind != base.kind)
        && (is_folder || session.is_some())
        && !sessions::went_on_here(tx, log.source_id, &log.path)?
    {
        union::keep(tx, log, session)?;
    }
    if is_folder {
        return Ok(None);
    }
    match (file.kind, session) {
        (FileKind::Log, Some(session)) => {
            projections::delete_projection(tx, session)?;
            sessions::update_session_file(tx, session, file.file_id)?;
            Ok(Some(session))
        }
        (FileKind::Log, None)
            if FIRST < file.generation
                && sessions::went_on_here(tx, file.source_id, &file.path)? =>
        {
            Ok(None)
        }
        (FileKind::Log, None) => Ok(Some(sessions::insert_session(tx, file, format)?)),
        _ => Ok(None),
    }
}
