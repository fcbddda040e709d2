//! What an import did, or would do, in numbers.

use super::content::Chunk;
use super::read::{Item, Plan, Start};
use super::{Inbox, Outcome, Progress};
use crate::fold::Touched;
use crate::model::Format;
use crate::store::files::{FileKind, FileRow};

/// What an import did so far.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) outcome: Outcome,
    pub(super) files: u64,
    shown: u64,
}

impl Tally {
    pub(super) fn unchanged(&mut self, files: usize) {
        self.files += files as u64;
        self.outcome.report.unchanged += files as u64;
    }

    pub(super) fn file(&mut self, start: &Start, end: &FileRow) {
        self.files += 1;
        let report = &mut self.outcome.report;
        match &start.plan {
            Plan::New | Plan::Resumed { base: None, .. } => report.new += 1,
            Plan::Grown { .. } => report.grown += 1,
            Plan::Rewritten { .. } | Plan::Resumed { .. } => report.rewritten += 1,
        }
        // Of sessions that are folders, the fold says how many there were.
        report.sessions += u64::from(end.kind == FileKind::Log);
        report.lines += if end.kind == FileKind::Log { u64::from(end.line_count) } else { 0 };
        report.bytes += end.size - start.file.size;
    }

    pub(super) fn show(&mut self, progress: &mut impl FnMut(Progress)) {
        // Often enough for an eye, seldom enough to cost nothing.
        let now = self.files / 64 + self.outcome.report.bytes / (1 << 20);
        if self.shown != now {
            self.shown = now;
            progress(Progress { files: self.files, bytes: self.outcome.report.bytes });
        }
    }
}

/// Reports what an import would do.
pub(super) fn count(
    format: Format,
    inbox: &Inbox<'_>,
    progress: &mut impl FnMut(Progress),
) -> Outcome {
    let mut tally = Tally::default();
    let mut kinds = std::collections::BTreeMap::new();
    let mut open: Option<Start> = None;
    let mut touched = Touched::default();
    while let Some(item) = inbox.next() {
        let mut count_problems = |file: &FileRow, chunk: &mut Chunk| {
            let mut records = std::mem::take(&mut chunk.records).into_iter();
            for line in chunk.lines(format).filter(|_| file.kind == FileKind::Log) {
                let problems = match records.next() {
                    Some(record) => record.problems,
                    None => format.line_problems(&file.path, line),
                };
                for (kind, _) in problems {
                    *kinds.entry(kind).or_insert(0) += 1;
                }
            }
        };
        match item {
            Item::Unchanged(files) => tally.unchanged(files.len()),
            Item::Same { .. } => tally.unchanged(1),
            Item::Whole { start, mut chunks, end } => {
                chunks.iter_mut().for_each(|chunk| count_problems(&start.file, chunk));
                touched.add(format, &end);
                tally.file(&start, &end);
            }
            Item::Start(start) => open = Some(start),
            Item::Chunk(mut chunk) => {
                if let Some(start) = &open {
                    count_problems(&start.file, &mut chunk);
                }
            }
            Item::End(end) => {
                if let Some(start) = open.take() {
                    touched.add(format, &end);
                    tally.file(&start, &end);
                }
            }
            Item::Problem { kind, .. } => *kinds.entry(kind).or_insert(0) += 1,
            Item::Void | Item::Hidden { .. } | Item::Seen => {}
        }
        tally.show(progress);
    }
    let mut outcome = tally.outcome;
    if format.has_folders() {
        outcome.report.sessions = touched.names() as u64;
    }
    outcome.report.problems = kinds.into_iter().collect();
    outcome.report.problems.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    outcome
}
