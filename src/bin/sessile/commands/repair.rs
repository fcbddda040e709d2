//! `sessile prune` and `recover`.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::json;
use sessile::{Incomplete, Prunable, PruneReport, RecoverReport, Traces};

use super::confirm::{Answer, confirm, is_asked};
use super::print_json;
use crate::amounts::{counted, number, size};
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
            lines => format!("{}, ", counted(lines.into(), "line")),
        };
        let lost = match earlier.lost {
            0 => String::new(),
            1 => "; 1 of its lines is nowhere else at its root".to_owned(),
            lost => format!("; {} of its lines are nowhere else at its root", number(lost.into())),
        };
        writeln!(
            out,
            "{} {} generation {}: {lines}{}{lost}",
            one_line(&root),
            one_line(&file),
            earlier.generation,
            size(earlier.bytes)
        )?;
    }
    Ok(out.flush()?)
}

/// The same in the form of `--json`, with what was removed, if anything was.
pub(super) fn prunable_json(all: &[Prunable], removed: Option<&PruneReport>) -> serde_json::Value {
    let mut json = json!(removed.cloned().unwrap_or_default());
    json["dry_run"] = removed.is_none().into();
    json["generations"] = json!(all);
    json
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
    let lost: u64 = all.iter().map(|earlier| u64::from(earlier.lost)).sum();
    if 0 < lost && !args.yes && !is_asked() {
        bail!(
            "{} would be lost that no root has any more. Nothing was removed; to remove them \
             anyway, give --yes",
            counted(lost, "line")
        );
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
    note!("{}, {} removed", counted(report.files, "file"), size(report.bytes));
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
        "{}, {}, {} and {} read into {}; {}",
        counted(report.files, "file"),
        counted(report.lines, "line"),
        counted(report.chunks, "chunk"),
        counted(report.events, "event"),
        new.display(),
        match report.incomplete.len() {
            1 => "1 file is incomplete".to_owned(),
            many => format!("{} files are incomplete", number(many as u64)),
        }
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
    let root = if file.root.as_os_str().is_empty() {
        String::new()
    } else {
        format!("{}: ", shown(&file.root))
    };
    format!("{root}{}{session}: {}", shown(&file.file), one_line(&file.detail))
}
