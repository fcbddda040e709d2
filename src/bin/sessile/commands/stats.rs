//! `sessile stats`.

use std::io::Write;

use anyhow::Result;
use sessile::{Stats, Store};

use crate::amounts::{noun_of, number, size};
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
        writeln!(out, "{:>13} {}", number(count), noun_of(count, name))?;
    }
    writeln!(out, "\nfiles")?;
    for count in &stats.files {
        let bytes = size(count.bytes);
        let files = number(count.files);
        let kind = noun_of(count.files, count.kind.name());
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
        writeln!(out, "{:>13} {name}", size(bytes))?;
    }
    if !stats.objects.is_empty() {
        writeln!(out, "\ntables and indexes")?;
    }
    // A terminal gets those that matter: most of the others take one page each.
    let most = if output::is_terminal() { LARGEST } else { usize::MAX };
    for object in stats.objects.iter().take(most) {
        writeln!(out, "{:>13} {}", size(object.bytes), one_line(&object.name))?;
    }
    out.flush()?;
    if most < stats.objects.len() {
        note!("{} smaller: --json has all", stats.objects.len() - most);
    }
    Ok(super::is_undamaged(&stats.damaged))
}

/// Tables and indexes that are listed on a terminal.
const LARGEST: usize = 15;

/// A report in the form of `stats --json`.
pub(super) fn stats_json(stats: &Stats) -> serde_json::Value {
    let mut json = serde_json::json!(stats);
    // Standard error has it.
    if let Some(keys) = json.as_object_mut() {
        keys.remove("damaged");
    }
    json
}
