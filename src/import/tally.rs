//! The numbers of an import or a dry run.

use std::sync::atomic::Ordering;

use super::content::Chunk;
use super::plan::Counted;
use super::read::{FileEnd, Item};
use super::{Inbox, Job, Outcome, Progress, Sizes};
use crate::format::projection::Touched;
use crate::format::rules::Sessions;
use crate::model::{Format, ProblemKind};
use crate::store::files::{FileKind, FileRow};

/// The numbers so far.
pub(super) struct Tally {
    pub(super) outcome: Outcome,
    pub(super) files: u64,
    shown: u64,
    step: u64,
}

impl Tally {
    pub(super) fn new(sizes: Sizes) -> Self {
        Self { outcome: Outcome::default(), files: 0, shown: 0, step: sizes.step }
    }

    pub(super) fn unchanged(&mut self, files: usize) {
        self.files += files as u64;
        self.outcome.report.unchanged += files as u64;
    }

    pub(super) fn file(&mut self, format: Format, counted: Counted, end: &FileEnd) {
        self.files += 1;
        let report = &mut self.outcome.report;
        let is_part = format.layout().is_part(&end.file.path);
        match counted {
            Counted::New => report.new += 1,
            Counted::Grown => report.grown += 1,
            Counted::Rewritten => report.rewritten += 1,
        }
        let is_log = end.file.kind == FileKind::Log;
        // For sessions that are folders, the fold reports how many there were.
        report.sessions += u64::from(is_log && !is_part);
        report.lines += if is_log { end.lines } else { 0 };
        report.bytes += end.bytes;
    }

    pub(super) fn show(&mut self, job: &Job<'_>, progress: &mut impl FnMut(Progress)) {
        // Often enough to look live, rarely enough to cost nothing.
        let now = self.files / 64 + self.outcome.report.bytes / self.step;
        if self.shown != now {
            self.shown = now;
            progress(Progress {
                files: self.files,
                bytes: self.outcome.report.bytes,
                passed: job.passed.load(Ordering::Relaxed),
                total: job.total,
            });
        }
    }
}

/// How many problems there are of each kind.
type Kinds = std::collections::BTreeMap<ProblemKind, u64>;

/// Adds the problems of the lines of a log to `kinds`.
fn count_problems(format: Format, file: &FileRow, chunk: &mut Chunk, kinds: &mut Kinds) {
    let mut records = std::mem::take(&mut chunk.records).into_iter();
    for line in chunk.lines(format).filter(|_| file.kind == FileKind::Log) {
        let problems = match records.next() {
            Some(record) => record.problems,
            None => format.meaning().line_problems(&file.path, line),
        };
        for (kind, _) in problems {
            *kinds.entry(kind).or_insert(0) += 1;
        }
    }
}

/// Counts what an import would do.
pub(super) fn count(
    job: &Job<'_>,
    inbox: &Inbox<'_>,
    progress: &mut impl FnMut(Progress),
) -> Outcome {
    let format = job.root.format;
    let mut tally = Tally::new(job.sizes);
    let mut kinds = Kinds::new();
    // Problems of a file that is still being read: it may have to be read again.
    let mut of_open = Kinds::new();
    let mut open: Option<(Box<FileRow>, Counted)> = None;
    let mut touched = Touched::default();
    while let Some(item) = inbox.next() {
        match item {
            Item::Unchanged(files) => tally.unchanged(files.len()),
            Item::Same { .. } => tally.unchanged(1),
            Item::Whole { file, once, mut chunks, end } => {
                chunks
                    .iter_mut()
                    .for_each(|chunk| count_problems(format, &file, chunk, &mut kinds));
                touched.add(format, &end.file);
                tally.file(format, once.counted(), &end);
            }
            Item::Tail { file, once } => open = Some((file, once.counted())),
            Item::Large { file, large } => open = Some((file, large.counted())),
            Item::Chunk(mut chunk) => {
                if let Some((file, _)) = &open {
                    count_problems(format, file, &mut chunk, &mut of_open);
                }
            }
            Item::End(end) => {
                for (kind, count) in std::mem::take(&mut of_open) {
                    *kinds.entry(kind).or_insert(0) += count;
                }
                if let Some((_, counted)) = open.take() {
                    touched.add(format, &end.file);
                    tally.file(format, counted, &end);
                }
            }
            Item::Problem { kind, .. } => *kinds.entry(kind).or_insert(0) += 1,
            Item::Void => of_open.clear(),
            Item::Hidden { .. } | Item::Seen => {}
        }
        tally.show(job, progress);
    }
    let mut outcome = tally.outcome;
    if format.rules().sessions == Sessions::Folder {
        outcome.report.sessions = touched.units.len() as u64;
    }
    outcome.report.problems = kinds.into_iter().collect();
    outcome.report.problems.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    outcome
}
