//! `sessile prune` and `recover`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use sessile::{Incomplete, Store, Traces};

use super::confirm::{Answer, confirm};
use crate::args::PruneArgs;
use crate::output::{self, note, one_line};

/// Says what a prune removes; returns whether that is nothing.
fn say_prunable(store: &Store) -> Result<bool> {
    let mut out = output::report();
    let all = store.prunable()?;
    for earlier in &all {
        let root = earlier.root.to_string_lossy().into_owned();
        let file = earlier.file.to_string_lossy().into_owned();
        let lines = match earlier.lines {
            0 => String::new(),
            lines => format!("{lines} lines, "),
        };
        let lost = match earlier.lost {
            0 => String::new(),
            lost => format!("; {lost} of its lines stand nowhere else at its root"),
        };
        writeln!(
            out,
            "{} {} generation {}: {lines}{} bytes{lost}",
            one_line(&root),
            one_line(&file),
            earlier.generation,
            earlier.bytes
        )?;
    }
    out.flush()?;
    Ok(all.is_empty())
}

pub(crate) fn prune(db: &Path, args: &PruneArgs) -> Result<bool> {
    if args.dry_run {
        say_prunable(&super::open_to_read(db)?)?;
        return Ok(true);
    }
    let store = super::open_to_write(db)?;
    let is_empty = say_prunable(&store)?;
    if !is_empty && !args.yes && confirm("Remove these generations for ever?")? == Answer::No {
        note!("sessile: nothing was removed");
        return Ok(false);
    }
    let report = store.prune()?;
    note!("{} files, {} bytes removed", report.files, report.bytes);
    if report.traces != Traces::Gone {
        note!("sessile: pruned, but {}", report.traces);
    }
    Ok(true)
}

/// Whether everything is there, and proven.
pub(crate) fn recover(damaged: &Path, new: &Path) -> Result<bool> {
    let report = sessile::recover(damaged, new)?;
    let mut out = output::report();
    for file in &report.incomplete {
        writeln!(out, "{}", described(file))?;
    }
    for doubt in &report.doubts {
        writeln!(out, "{doubt}")?;
    }
    note!(
        "{} files, {} lines, {} chunks and {} events read into {}; {} files are incomplete",
        report.files,
        report.lines,
        report.chunks,
        report.events,
        new.display(),
        report.incomplete.len()
    );
    out.flush()?;
    Ok(report.is_whole())
}

/// A file, its session and what it lacks.
fn described(file: &Incomplete) -> String {
    let shown = |path: &Path| one_line(&path.to_string_lossy());
    let session = match &file.session_id {
        Some(id) => format!(" (session {})", one_line(id)),
        None => String::new(),
    };
    let root = match file.root.as_os_str().is_empty() {
        true => String::new(),
        false => format!("{}: ", shown(&file.root)),
    };
    format!("{root}{}{session}: {}", shown(&file.file), one_line(&file.detail))
}
