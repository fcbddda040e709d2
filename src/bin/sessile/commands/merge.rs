//! `sessile merge`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::json;
use sessile::{MergeOptions, MergeReport, Store};

use crate::amounts;
use crate::args::MergeArgs;
use crate::output::{self, note, one_line};

/// Merges one after another; returns whether everything was taken over.
pub(super) fn run(store: &Store, args: &MergeArgs) -> Result<bool> {
    let mut options = MergeOptions::new();
    if let Some(origin) = &args.origin {
        options = options.origin(origin);
    }
    let mut is_whole = true;
    for other in &args.others {
        let report = store.merge(other, &options)?;
        is_whole &= report.refused.is_empty();
        print(other, &report, args.json)?;
    }
    Ok(is_whole)
}

fn print(other: &Path, report: &MergeReport, json: bool) -> Result<()> {
    if json {
        let mut out = output::content();
        writeln!(out, "{}", report_json(other, report))?;
        return Ok(out.flush()?);
    }
    let mut out = output::report();
    writeln!(out, "{}: merged", other.display())?;
    for (what, number) in [
        ("new", report.new),
        ("grew in the other store", report.longer),
        ("grew in both stores", report.united),
        ("known already", report.unchanged),
        ("purged here, skipped", report.purged),
        ("lines added", report.lines),
        ("events added", report.events),
    ] {
        if 0 < number || what == "new" {
            writeln!(out, "  {:>11} {what}", amounts::number(number))?;
        }
    }
    for kept in &report.kept {
        let file = one_line(&kept.file.to_string_lossy());
        match kept.generation {
            Some(generation) => {
                writeln!(
                    out,
                    "  {file} differs there, and that version is kept as generation {generation}"
                )?;
            }
            None => {
                let kept_as = one_line(&kept.kept_as.to_string_lossy());
                writeln!(out, "  {file} is another session there, which is kept as {kept_as}")?;
            }
        }
    }
    out.flush()?;
    for refused in &report.refused {
        let file = one_line(&refused.file.to_string_lossy());
        note!("sessile: {file} was not merged: {}", one_line(&refused.reason));
    }
    Ok(())
}

/// A report in the form of `merge --json`.
pub(super) fn report_json(other: &Path, report: &MergeReport) -> serde_json::Value {
    let mut json = json!(report);
    json["other"] = other.to_string_lossy().into();
    json
}
