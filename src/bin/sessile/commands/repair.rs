//! `sessile prune` and `recover`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use indicatif::HumanBytes;
use serde_json::json;
use sessile::{Incomplete, Prunable, PruneReport, RecoverReport, Traces};

use super::confirm::{Answer, confirm};
use super::{counted, print_json, traces_json};
use crate::args::PruneArgs;
use crate::output::{self, note, one_line};

/// Lists what a prune removes.
fn say_prunable(all: &[Prunable]) -> Result<()> {
    let mut out = output::report();
    for earlier in all {
        let root = earlier.root.to_string_lossy().into_owned();
        let file = earlier.file.to_string_lossy().into_owned();
        let lines = match earlier.lines {
            0 => String::new(),
            lines => format!("{lines} lines, "),
        };
        let lost = match earlier.lost {
            0 => String::new(),
            lost => format!("; {lost} of its lines are nowhere else at its root"),
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
    Ok(out.flush()?)
}

/// The same in the form of `--json`, with what was removed, if anything was.
pub(super) fn prunable_json(all: &[Prunable], removed: Option<&PruneReport>) -> serde_json::Value {
    let generations = all.iter().map(|earlier| {
        json!({
            "root": earlier.root.to_string_lossy(),
            "file": earlier.file.to_string_lossy(),
            "generation": earlier.generation,
            "lines": earlier.lines,
            "bytes": earlier.bytes,
            "lost": earlier.lost,
        })
    });
    json!({
        "dry_run": removed.is_none(),
        "generations": generations.collect::<Vec<_>>(),
        "files": removed.map_or(0, |report| report.files),
        "bytes": removed.map_or(0, |report| report.bytes),
        "traces": removed.map(|report| traces_json(&report.traces)),
    })
}

pub(crate) fn prune(db: &Path, args: &PruneArgs) -> Result<bool> {
    if args.dry_run {
        let all = super::open_to_read(db)?.prunable()?;
        if args.json {
            return print_json(&prunable_json(&all, None));
        }
        say_prunable(&all)?;
        return Ok(true);
    }
    let store = super::open_to_write(db)?;
    let all = store.prunable()?;
    if !args.json {
        say_prunable(&all)?;
    }
    if !all.is_empty()
        && !args.yes
        && confirm("Remove these generations permanently?")? == Answer::No
    {
        note!("sessile: nothing was removed");
        return Ok(false);
    }
    let report = store.prune()?;
    if args.json {
        return print_json(&prunable_json(&all, Some(&report)));
    }
    let (files, bytes) = (counted(report.files), HumanBytes(report.bytes));
    note!("{files}, {bytes} removed");
    if report.traces != Traces::Gone {
        note!("sessile: pruned, but {}", report.traces);
    }
    Ok(true)
}

/// Returns whether everything was recovered and proven.
pub(crate) fn recover(damaged: &Path, new: &Path, json: bool) -> Result<bool> {
    let report = sessile::recover(damaged, new)?;
    if json {
        print_json(&recovered_json(&report))?;
        return Ok(report.is_whole());
    }
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

fn recovered_json(report: &RecoverReport) -> serde_json::Value {
    let incomplete = report.incomplete.iter().map(|file| {
        json!({
            "root": file.root.to_string_lossy(),
            "file": file.file.to_string_lossy(),
            "session_id": file.session_id,
            "detail": file.detail,
        })
    });
    json!({
        "files": report.files,
        "lines": report.lines,
        "chunks": report.chunks,
        "events": report.events,
        "incomplete": incomplete.collect::<Vec<_>>(),
        "doubts": report.doubts,
    })
}

/// A file, its session, and what it lacks.
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
