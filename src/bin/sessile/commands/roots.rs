//! `sessile roots`, `forget`, `move` and `relink`.

use std::io::Write;
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::json;
use sessile::{Error, MovedRoot, RootInfo, Store, Timestamp, Traces};

use super::confirm::{Answer, confirm, is_asked};
use super::{open_to_read, open_to_write, work_dirs};
use crate::amounts::{counted, number};
use crate::args::RootCommand;
use crate::output::{self, note};
use crate::render::Clock;
use crate::text::{columns, cut_middle, padded, terminal_width};

pub(super) fn run(db: &Path, command: &RootCommand) -> Result<bool> {
    match command {
        RootCommand::Roots { json } => list(&open_to_read(db)?, *json),
        RootCommand::Forget { root, yes, json } => forget(&open_to_write(db)?, root, *yes, *json),
        RootCommand::Move { old, new } => relocate(&open_to_write(db)?, old, new),
        RootCommand::Relink { from, to, json } => relink(&open_to_write(db)?, (from, to), *json),
    }
}

/// The smallest width of a root's name.
const LEAST_OF_NAME: usize = 24;

fn list(store: &Store, json: bool) -> Result<bool> {
    let roots = store.imported_roots()?;
    if json {
        let mut out = output::content();
        for root in &roots {
            writeln!(out, "{}", json!(root))?;
        }
        out.flush()?;
        return Ok(true);
    }
    let mut out = output::report();
    // Output to programs is complete and does not depend on the terminal.
    let width = output::is_terminal().then(terminal_width);
    let clock = Clock::Near { now: Timestamp::now() };
    let shown = |at: Timestamp| if width.is_some() { clock.show(at) } else { at.to_string() };
    let mut rows: Vec<[String; 4]> = roots
        .iter()
        .map(|root| {
            let last = root.imported_at.map(|at| format!(", last import {}", shown(at)));
            [name(root), root.format.name().to_owned(), held(root), last.unwrap_or_default()]
        })
        .collect();
    if let Some(width) = width {
        align(&mut rows, width);
    }
    for [name, format, held, last] in &rows {
        writeln!(out, "{name}  {format}  {held}{last}")?;
    }
    out.flush()?;
    Ok(true)
}

/// The name of a root, and its origin.
fn name(root: &RootInfo) -> String {
    let name = match root.root.as_os_str().is_empty() {
        true if root.origin.is_some() => "(taken over)".into(),
        true => "(made here)".into(),
        false => root.root.to_string_lossy(),
    };
    let origin = root.origin.as_ref().map(|origin| format!(" of {}", origin.escape_debug()));
    format!("{}{}", name.escape_debug(), origin.unwrap_or_default())
}

/// Fits rows into a width: truncates names; if too little would be left of them,
/// drops the time of the last import.
fn align(rows: &mut [[String; 4]], width: usize) {
    let longest = |rows: &[[String; 4]], n: usize| rows.iter().map(|row| columns(&row[n])).max();
    let formats = longest(rows, 1).unwrap_or_default();
    let behind = |row: &[String; 4]| formats + 4 + columns(&row[2]) + columns(&row[3]);
    let room = |rows: &[[String; 4]]| {
        width.saturating_sub(rows.iter().map(behind).max().unwrap_or_default())
    };
    let names = longest(rows, 0).unwrap_or_default();
    if room(rows) < names.min(LEAST_OF_NAME) {
        rows.iter_mut().for_each(|row| row[3].clear());
    }
    let names = names.min(room(rows).max(LEAST_OF_NAME));
    for [name, format, ..] in rows {
        *name = padded(&cut_middle(name, names), names);
        *format = padded(format, formats);
    }
}

fn forget(store: &Store, root: &Path, yes: bool, json: bool) -> Result<bool> {
    let Some(info) = store.imported_root(root)? else {
        return Err(Error::SourceNotFound(root.to_owned()).into());
    };
    let mut what = format!("{}: {}", info.root.display(), held(&info));
    if 0 < info.changed {
        let have = if info.changed == 1 { "has" } else { "have" };
        what.push_str(&format!(
            "; {} of the sessions {have} content or changes that are only in the store",
            number(info.changed)
        ));
    }
    if 0 < info.changed && !yes && !is_asked() {
        bail!("{what}. Nothing was forgotten; to forget it anyway, give --yes");
    }
    if !yes && confirm(&format!("{what}. Forget all of it?"))? == Answer::No {
        note!("sessile: nothing was forgotten");
        return Ok(false);
    }
    let traces = store.forget_root(root)?.traces;
    if json {
        return super::print_json(&json!({"root": info, "traces": traces}));
    }
    let mut out = output::report();
    writeln!(out, "forgotten: {}", what.escape_debug())?;
    out.flush()?;
    if traces != Traces::Gone {
        note!("sessile: forgotten, but {traces}");
    }
    Ok(true)
}

fn relocate(store: &Store, old: &Path, new: &Path) -> Result<bool> {
    let mut out = output::report();
    for MovedRoot { from, to, .. } in store.move_root(old, new)? {
        let (from, to) = (from.to_string_lossy(), to.to_string_lossy());
        writeln!(out, "{} is {} now", from.escape_debug(), to.escape_debug())?;
    }
    out.flush()?;
    Ok(true)
}

/// Returns `false`, for exit status 1, if no session is in the work dir.
fn relink(store: &Store, (from, to): (&str, &str), json: bool) -> Result<bool> {
    let to = work_dirs::absolute(to);
    let mut sessions = 0;
    for from in work_dirs::named(store, from)? {
        sessions += store.relink(&from, &to, Timestamp::now())?;
    }
    if json {
        super::print_json(&json!({ "sessions": sessions }))?;
        return Ok(0 < sessions);
    }
    if sessions == 0 {
        note!(
            "sessile: no session is in the work dir {from:?}; `sessile list` shows the work dirs"
        );
        return Ok(false);
    }
    let are = if sessions == 1 { "is" } else { "are" };
    note!("{} {are} in {to} now", counted(sessions, "session"));
    Ok(true)
}

fn held(root: &RootInfo) -> String {
    format!("{}, {}", counted(root.sessions, "session"), counted(root.files, "file"))
}
