//! Recover: reads what is left of a damaged database into a new one.
//!
//! The damaged file is read page by page, by SQLite's file format, and SQLite never
//! opens it. So a wrong header or a lost schema does not stop the recovery, nothing
//! in the file is executed, and each page is judged by itself. What is not in the
//! log (sessions, trees, labels) is folded again.
//!
//! `writable_schema` was tried: SQLite then skips some damage, but does not get
//! past a lost schema page or a wrong page in a b-tree.

mod content;
mod image;
mod naming;
mod page;
mod record;
mod rows;
mod survey;
mod trees;
mod wal;
mod write;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use content::{CopyResult, Loss};
use image::Image;
use naming::Files;
use rows::{Columns, Table};
use survey::Survey;

use crate::error::{Error, Result};
use crate::model::path_of;
use crate::store::aside::TempDatabase;
use crate::store::files::FileKind;
use crate::store::sources::Source;
use crate::store::{Durability, Store, StoreOptions};

/// What was recovered from a damaged database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoverReport {
    /// Files, folders and links of which at least the name or a line was left.
    pub files: u64,
    /// Lines of logs.
    pub lines: u64,
    /// Chunks of documents.
    pub chunks: u64,
    /// Events: decisions such as archiving a session.
    pub events: u64,
    /// Files of which something is lost, or may be.
    pub incomplete: Vec<Incomplete>,
    /// What else is lost, or may be, described for a person.
    pub doubts: Vec<String>,
}

impl RecoverReport {
    /// Returns whether everything was recovered and proven.
    pub fn is_whole(&self) -> bool {
        self.incomplete.is_empty() && self.doubts.is_empty()
    }
}

/// A file of which something is lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Incomplete {
    /// The root; empty for the store's own.
    pub root: PathBuf,
    /// Its path below the root.
    pub file: PathBuf,
    /// The id of its session, if it is known.
    pub session_id: Option<String>,
    /// The lines that are missing, from 1; for a document, its chunks.
    pub lines: Vec<RangeInclusive<u32>>,
    /// What is lost, described for a person.
    pub detail: String,
}

/// Reads what is left of a damaged database into a new one.
///
/// The damaged database and its WAL are only read, and nobody must write to them
/// meanwhile. A line is only taken if it matches its checksum, and keeps its
/// position: missing lines leave a gap, which [`check`](Store::check) reports and
/// which is recorded as a problem. A file whose name is lost is named
/// `recovered/N.jsonl`, below the store's own root.
///
/// The new database gets its name when it is complete and on disk. The next run with
/// the same target removes what a killed run left.
///
/// # Errors
///
/// [`TargetExists`](Error::TargetExists) if there is a file at the target, which is
/// never overwritten; [`DatabaseMissing`](Error::DatabaseMissing),
/// [`DatabaseIsFolder`](Error::DatabaseIsFolder),
/// [`NotADatabase`](Error::NotADatabase) and
/// [`ForeignDatabase`](Error::ForeignDatabase) if there is nothing to read;
/// [`Io`](Error::Io) if the target cannot be written.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let damaged = dir.path().join("sessions.db");
/// # sessile::Store::open(&damaged)?;
/// let report = sessile::recover(&damaged, &dir.path().join("new.db"))?;
/// assert!(report.is_whole());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn recover(damaged: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<RecoverReport> {
    let (damaged, target) = (damaged.as_ref(), target.as_ref());
    if target.symlink_metadata().is_ok() {
        return Err(Error::TargetExists(target.to_owned()));
    }
    let image = Image::open(damaged)?;
    let aside = TempDatabase::make(target, "recover")?;
    // All of it is synced at the end.
    let options = StoreOptions::new().durability(Durability::Normal);
    let store = options.open(&aside.database())?;
    let columns = Columns::read(&*store.connection()?)?;
    let survey = Survey::of(&image, &columns);
    let is_named_ours = image.has_magic() && image.application_id() == Store::APPLICATION_ID;
    if !is_named_ours && !survey.has_any() {
        return Err(if image.has_magic() {
            Error::ForeignDatabase(damaged.to_owned())
        } else {
            Error::NotADatabase(damaged.to_owned())
        });
    }
    let report = write(survey, &image, &store)?;
    drop(store);
    aside.leave_journal()?;
    aside.finish(target)?;
    Ok(report)
}

fn write(mut survey: Survey<'_>, image: &Image, store: &Store) -> Result<RecoverReport> {
    let mut files = Files::of(&mut survey);
    let mut sources: BTreeMap<i64, Source> =
        survey.sources.iter().map(|(id, source)| (id, source.clone())).collect();
    files.settle_sources(&mut sources, &survey);
    let copied = content::copy(&survey, store, &mut files, &sources)?;
    let (lost_roots, (events, lost_events)) = store.write(|tx| {
        let lost_roots = write::sources(tx, &mut sources)?;
        write::files(tx, &files)?;
        write::sessions(tx, &survey, &files, &sources)?;
        write::session_keys(tx, survey.last_session)?;
        write::loose_problems(tx, &survey, &files)?;
        write::purged(tx, &survey, &sources)?;
        write::gaps(tx, &copied.losses, &files)?;
        Ok((lost_roots, write::events(tx, &survey)?))
    })?;
    store.rebuild()?;
    let mut report = RecoverReport {
        files: files.rows.len() as u64,
        lines: copied.lines,
        chunks: copied.chunks,
        events: store.read(write::count_events)?,
        ..RecoverReport::default()
    };
    let lost_events = lost_events + (events - report.events.min(events));
    report.doubts = doubts(&survey, image, &lost_roots, lost_events);
    let losses = losses(copied, &files);
    store.write(|tx| {
        for loss in losses {
            let incomplete = loss.incomplete(tx, &survey, &sources)?;
            report.incomplete.push(incomplete);
        }
        Ok(())
    })?;
    Ok(report)
}

/// A message about one file.
struct FileReport {
    source_id: i64,
    file_id: Option<i64>,
    path: Vec<u8>,
    /// The unit of its gaps.
    unit: &'static str,
    loss: Loss,
}

impl FileReport {
    /// Records a problem, and adds it to the report.
    fn incomplete(
        self,
        tx: &rusqlite::Connection,
        survey: &Survey<'_>,
        sources: &BTreeMap<i64, Source>,
    ) -> Result<Incomplete> {
        let Self { source_id, file_id, path, unit, loss } = self;
        let lines: Vec<RangeInclusive<u32>> = loss
            .gaps
            .iter()
            .map(|(first, last)| first.saturating_add(1)..=last.saturating_add(1))
            .collect();
        let detail = match (lines.is_empty(), loss.detail.is_empty()) {
            (true, _) => loss.detail,
            (false, true) => missing(unit, &lines),
            (false, false) => format!("{}; {}", missing(unit, &lines), loss.detail),
        };
        let first = lines.first().map(|range| *range.start());
        if sources.contains_key(&source_id) {
            write::lost_problem(tx, (source_id, &path), file_id, first, &detail)?;
        }
        Ok(Incomplete {
            root: sources.get(&source_id).map(Source::root_path).unwrap_or_default(),
            session_id: write::session_id(tx, survey, source_id, &path)?,
            file: path_of(path),
            lines,
            detail,
        })
    }
}

/// Ranges that a message lists; further ones are only counted.
const LISTED: usize = 20;

fn missing(unit: &str, lines: &[RangeInclusive<u32>]) -> String {
    let listed: Vec<String> = lines
        .iter()
        .take(LISTED)
        .map(|range| match (range.start(), range.end()) {
            (first, last) if first == last => format!("{first}"),
            (first, last) => format!("{first}-{last}"),
        })
        .collect();
    let more = match lines.len().saturating_sub(LISTED) {
        0 => String::new(),
        more => format!(" and {more} more ranges"),
    };
    format!("missing {unit}: {}{more}", listed.join(", "))
}

/// All losses, one per file.
fn losses(copied: CopyResult, files: &Files) -> Vec<FileReport> {
    let mut by_file: BTreeMap<i64, Loss> = BTreeMap::new();
    let mut add = |loss: Loss| {
        let place = by_file.entry(loss.file_id).or_default();
        place.file_id = loss.file_id;
        place.gaps.extend(loss.gaps);
        place.gaps.sort_unstable();
        if !place.detail.is_empty() && !loss.detail.is_empty() {
            place.detail += "; ";
        }
        place.detail += &loss.detail;
    };
    copied.losses.into_iter().for_each(&mut add);
    for (file_id, name) in &files.doubtful {
        let detail = format!(
            "its index has it as {}, generation {}; one of the two is wrong",
            String::from_utf8_lossy(&name.path).escape_debug(),
            name.generation
        );
        add(Loss { file_id: *file_id, gaps: Vec::new(), detail });
    }
    let mut told: Vec<FileReport> = by_file
        .into_iter()
        .filter_map(|(file_id, loss)| {
            let file = files.rows.get(&file_id)?;
            let (source_id, path) = (file.source_id, file.path.clone());
            let unit = if file.kind == FileKind::Document { "chunks" } else { "lines" };
            Some(FileReport { source_id, file_id: Some(file_id), path, unit, loss })
        })
        .collect();
    told.extend(files.gone.iter().map(|name| FileReport {
        source_id: name.source_id,
        file_id: None,
        path: name.path.clone(),
        unit: "lines",
        loss: Loss { detail: "only its name is left".to_owned(), ..Loss::default() },
    }));
    told
}

/// What may be lost apart from the files that are known.
fn doubts(survey: &Survey<'_>, image: &Image, roots: &[i64], lost_events: u64) -> Vec<String> {
    let mut doubts = Vec::new();
    if !image.damaged_frames().is_empty() {
        doubts.push(format!(
            "{} pages of the write-ahead log are damaged; the last changes may be missing",
            image.damaged_frames().len()
        ));
    }
    for source_id in roots {
        doubts
            .push(format!("the path of a root is lost; the root is named /recovered/{source_id}"));
    }
    if survey.broken.contains(&Table::Files) && !survey.has_all_names {
        doubts.push(
            "the table of files is damaged; files without remaining content are missing".to_owned(),
        );
    }
    if survey.broken.contains(&Table::Events) {
        doubts.push(
            "the table of events is damaged; some, such as archiving a session, may be missing"
                .to_owned(),
        );
    }
    if survey.broken.contains(&Table::Purged) {
        doubts.push(
            "the table of purged sessions is damaged; an import may import one again".to_owned(),
        );
    }
    if 0 < lost_events {
        doubts.push(format!("{lost_events} events are lost with their sessions"));
    }
    if survey.broken.contains(&Table::Problems) {
        doubts.push(
            "the table of problems is damaged; some, as of a link or an unreadable file, may be \
             missing"
                .to_owned(),
        );
    }
    doubts
}
