//! The end of an import: what only all of its files together show.

use std::collections::HashSet;

use rusqlite::Connection;

use super::displaced::{self, Exchanges};
use super::losses::{self, LostLines};
use super::moved::{Moved, Moves};
use super::write::Writer;
use super::{ImportReport, overlooked, renamed};
use crate::error::Result;
use crate::fold;
use crate::model::{SessionKey, bytes_of};
use crate::store::files::{self, FileState};
use crate::store::{generations, seen};

/// What the passes of an import found that only its end can judge.
#[derive(Default)]
pub(super) struct Found {
    /// Losses at the root, with the row that has the lines.
    pub(super) lost: Vec<(i64, LostLines)>,
    /// Files that may have the former content of others.
    pub(super) exchanges: Exchanges,
    /// The sessions that are folders and were changed.
    pub(super) folded: HashSet<SessionKey>,
    /// The last file that existed when the first pass began.
    pub(super) newest: Option<i64>,
    /// The numbers of the passes that another import disturbed.
    counts: ImportReport,
}

impl Found {
    /// Adds the numbers of a pass that is to be repeated.
    pub(super) fn add(&mut self, pass: &ImportReport) {
        let counts = &mut self.counts;
        counts.new += pass.new;
        counts.grown += pass.grown;
        counts.rewritten += pass.rewritten;
        counts.sessions += pass.sessions;
        counts.lines += pass.lines;
        counts.bytes += pass.bytes;
    }

    /// Completes the numbers of the last pass, to which earlier ones left their files
    /// unchanged.
    pub(super) fn complete(&self, report: &mut ImportReport) {
        let counts = &self.counts;
        let changed = counts.new + counts.grown + counts.rewritten;
        report.unchanged = report.unchanged.saturating_sub(changed);
        report.new += counts.new;
        report.grown += counts.grown;
        report.rewritten += counts.rewritten;
        report.sessions = match self.folded.len() {
            0 => report.sessions + counts.sessions,
            folded => folded as u64,
        };
        report.lines += counts.lines;
        report.bytes += counts.bytes;
    }
}

impl Writer<'_> {
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
        self.found.lost.extend(lost);
        let newest = self.newest;
        let report = &mut self.tally.outcome.report;
        report.moved += adopted.len() as u64;
        let new = adopted.iter().filter(|file_id| newest < **file_id).count();
        report.new = report.new.saturating_sub(new as u64);
        Ok(())
    }

    /// Finds new files that had another name before. Also those of an import that was
    /// interrupted: they are newer than the last one that completed.
    fn adopt_renamed(&mut self, tx: &Connection) -> Result<()> {
        if self.is_first {
            return Ok(());
        }
        let (source_id, format) = (self.source_id(), self.job.root.format);
        let settled = self.newest.min(generations::settled(tx, source_id)?);
        let mut renamed = Vec::new();
        generations::each_log_after(tx, source_id, settled, |log| {
            if format.layout().renamed_from(&log.path).is_some() {
                renamed.push(log);
            }
            Ok(())
        })?;
        for new in renamed {
            if let Some(file) = renamed::adopt(tx, format, &new)? {
                seen::file(tx, file.file_id)?;
                self.found.lost.retain(|(file_id, _)| *file_id != file.file_id);
                self.touched.add(format, &file);
            }
        }
        Ok(())
    }

    /// Marks what is missing, and updates what depends on several files.
    pub(super) fn finish(&mut self, conn: &Connection) -> Result<()> {
        let source_id = self.source_id();
        let now = self.job.now;
        self.remove_leftovers(conn)?;
        let tx = self.begin()?;
        let changed = {
            let report = &self.tally.outcome.report;
            0 < report.new + report.grown + report.rewritten
        };
        self.adopt_renamed(&tx)?;
        let at = (&self.job.root, &self.job.away);
        overlooked::see(&tx, at, source_id, self.newest)?;
        let gone = seen::mark_missing(&tx, source_id, self.newest, now)?;
        let exchanges = std::mem::take(&mut self.found.exchanges);
        let format = self.job.root.format;
        let newest = self.found.newest.unwrap_or(self.newest);
        for there in exchanges.found(&tx, (source_id, format), newest, now)? {
            displaced::displace(&tx, format, &there, now)?;
            self.touched.add(format, &there);
            self.found.lost.retain(|(_, lost)| bytes_of(&lost.file) != there.path);
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
                self.found.lost.extend(losses::vanished(&file).map(|lost| (file.file_id, lost)));
            }
        }
        if gone || changed {
            fold::settle_recovered(&tx, source_id)?;
        }
        self.tally.outcome.report.missing = seen::count_missing(&tx, source_id)?;
        let lost = std::mem::take(&mut self.found.lost);
        self.tally.outcome.report.lost = lost.into_iter().map(|(_, lost)| lost).collect();
        generations::settle(&tx, source_id)?;
        seen::end(&tx)?;
        tx.commit()
    }
}
