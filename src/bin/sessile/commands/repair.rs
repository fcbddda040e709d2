//! `sessile prune` and `recover`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use sessile::{Store, Traces};

use crate::output::{self, note};

pub(crate) fn prune(store: &Store) -> Result<bool> {
    let report = store.prune()?;
    note!("{} files, {} bytes removed", report.files, report.bytes);
    if report.traces != Traces::Gone {
        note!("sessile: pruned, but {}", report.traces);
    }
    Ok(true)
}

/// Whether everything could be read.
pub(crate) fn recover(damaged: &Path, new: &Path) -> Result<bool> {
    let report = sessile::recover(damaged, new)?;
    let mut out = output::report();
    for file in &report.incomplete {
        let name = String::from_utf8_lossy(&file.file).into_owned();
        writeln!(out, "{}: {}", name.escape_debug(), file.detail)?;
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
    Ok(report.incomplete.is_empty())
}
