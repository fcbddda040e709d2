//! `sessile stats`.

use std::io::Write;

use anyhow::Result;
use indicatif::{HumanBytes, HumanCount};
use sessile::{Stats, Store};

use crate::output::{self, note, one_line};

pub(crate) fn run(store: &Store, json: bool) -> Result<bool> {
    let stats = store.stats()?;
    let mut out = if json { output::content() } else { output::report() };
    if json {
        writeln!(out, "{}", stats_json(&stats))?;
        out.flush()?;
        return Ok(super::is_undamaged(&stats.damaged));
    }
    for (name, count) in [
        ("root", stats.sources),
        ("session", stats.sessions),
        ("entry", stats.entries),
        ("line", stats.lines),
    ] {
        writeln!(out, "{:>13} {}", HumanCount(count).to_string(), plural(name, count))?;
    }
    writeln!(out, "\nfiles")?;
    for count in &stats.files {
        let bytes = HumanBytes(count.bytes);
        let files = HumanCount(count.files).to_string();
        let kind = plural(count.kind.name(), count.files);
        writeln!(out, "{files:>13} {} {kind}, {bytes}", count.state.name())?;
    }
    writeln!(out, "\nspace")?;
    for (name, bytes) in [
        ("the database", stats.database_bytes),
        ("of that free", stats.free_bytes),
        ("lines of session files", stats.line_bytes),
        ("other files", stats.document_bytes),
        ("earlier generations", stats.superseded_bytes),
    ] {
        writeln!(out, "{:>13} {name}", HumanBytes(bytes).to_string())?;
    }
    if !stats.objects.is_empty() {
        writeln!(out, "\ntables and indexes")?;
    }
    // A terminal gets those that matter: most of the others take one page each.
    let most = if output::is_terminal() { LARGEST } else { usize::MAX };
    for object in stats.objects.iter().take(most) {
        writeln!(out, "{:>13} {}", HumanBytes(object.bytes).to_string(), one_line(&object.name))?;
    }
    out.flush()?;
    if most < stats.objects.len() {
        note!("{} smaller: --json has all", stats.objects.len() - most);
    }
    Ok(super::is_undamaged(&stats.damaged))
}

/// Tables and indexes that are listed on a terminal.
const LARGEST: usize = 15;

fn plural(name: &str, count: u64) -> String {
    match name.strip_suffix('y') {
        _ if count == 1 => name.to_owned(),
        Some(stem) => format!("{stem}ies"),
        None => format!("{name}s"),
    }
}

/// A report in the form of `stats --json`.
pub(super) fn stats_json(stats: &Stats) -> serde_json::Value {
    let files: Vec<_> = stats
        .files
        .iter()
        .map(|count| {
            serde_json::json!({
                "kind": count.kind.name(),
                "state": count.state.name(),
                "files": count.files,
                "bytes": count.bytes,
            })
        })
        .collect();
    let objects: Vec<_> = stats
        .objects
        .iter()
        .map(|object| serde_json::json!({"name": object.name, "bytes": object.bytes}))
        .collect();
    serde_json::json!({
        "sources": stats.sources,
        "sessions": stats.sessions,
        "entries": stats.entries,
        "lines": stats.lines,
        "files": files,
        "line_bytes": stats.line_bytes,
        "document_bytes": stats.document_bytes,
        "superseded_bytes": stats.superseded_bytes,
        "database_bytes": stats.database_bytes,
        "free_bytes": stats.free_bytes,
        "objects": objects,
    })
}
