//! `sessile problems`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use sessile::{Error, Problem, Store};

use crate::output::{self, one_line};

pub(crate) fn run(store: &Store, session: Option<&str>, json: bool) -> Result<bool> {
    let session = session.map(|name| store.find(name)).transpose()?;
    let mut out = if json { output::content() } else { output::report() };
    let each = |root: &Path, problem: &Problem| {
        let written = if json {
            writeln!(out, "{}", row_json(root, problem))
        } else {
            let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
            let (root, file) = (root.to_string_lossy(), problem.file.to_string_lossy());
            let place = format!("{} {}{line}", root.escape_debug(), file.escape_debug());
            let of = problem.session_id.as_deref().map(|id| format!(" ({})", one_line(id)));
            let of = of.unwrap_or_default();
            writeln!(out, "{place}{of} {} {}", problem.kind.name(), one_line(&problem.detail))
        };
        written.map_err(|source| Error::Io {
            action: "write to",
            path: "standard output".into(),
            source,
        })
    };
    let read = match session {
        Some(session) => session.each_problem(each),
        None => store.each_problem(each),
    };
    out.flush()?;
    read?;
    Ok(true)
}

/// A problem as `problems --json` prints it.
pub(super) fn row_json(root: &Path, problem: &Problem) -> serde_json::Value {
    serde_json::json!({
        "root": root.to_string_lossy(),
        "file": problem.file.to_string_lossy(),
        "session_id": problem.session_id,
        "line": problem.line,
        "kind": problem.kind.name(),
        "detail": problem.detail,
    })
}
