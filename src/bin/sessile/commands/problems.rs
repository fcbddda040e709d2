//! `sessile problems`.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Result;
use sessile::{Error, Problem, Store};

use crate::output::{self, Output, one_line};
use crate::text::{cut_middle, terminal_width, wrapped};

pub(crate) fn run(store: &Store, session: Option<&str>, json: bool) -> Result<bool> {
    let session = session.map(|name| store.find(name)).transpose()?;
    let mut out = if json { output::content() } else { output::report() };
    let mut shown = ProblemPrinter {
        width: output::is_terminal().then(terminal_width),
        place: None,
        run: None,
    };
    let each = |root: &Path, problem: &Problem| {
        let written = if json {
            writeln!(out, "{}", row_json(root, problem))
        } else {
            shown.write(&mut out, root, problem)
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
    shown.end_run(&mut out)?;
    out.flush()?;
    read?;
    Ok(true)
}

/// Prints problems: for programs one per line, on a terminal grouped by file.
struct ProblemPrinter {
    /// The width of the terminal.
    width: Option<usize>,
    /// The root and the file of the last problem.
    place: Option<(PathBuf, PathBuf)>,
    /// Lines of it, one after another, of which the same is said.
    run: Option<Run>,
}

/// The first and the last of some lines, and what is said of them.
struct Run {
    first: u32,
    last: u32,
    told: String,
}

impl ProblemPrinter {
    fn write(&mut self, out: &mut Output, root: &Path, problem: &Problem) -> io::Result<()> {
        let (root_name, file) = (root.to_string_lossy(), problem.file.to_string_lossy());
        let (root_name, file) = (root_name.escape_debug(), file.escape_debug());
        let of = problem.session_id.as_deref().map(|id| format!(" ({})", one_line(id)));
        let of = of.unwrap_or_default();
        let (kind, detail) = (problem.kind.name(), one_line(&problem.detail));
        let Some(width) = self.width else {
            let line = problem.line.map(|line| format!(":{line}")).unwrap_or_default();
            return writeln!(out, "{root_name} {file}{line}{of} {kind} {detail}");
        };
        let place = (root.to_owned(), problem.file.clone());
        let told = format!("{kind}: {detail}");
        if self.place.as_ref() == Some(&place)
            && let (Some(run), Some(line)) = (&mut self.run, problem.line)
            && run.told == told
            && run.last.checked_add(1) == Some(line)
        {
            run.last = line;
            return Ok(());
        }
        self.end_run(out)?;
        let is_of_root = self.place.as_ref().is_some_and(|(last, _)| last == root);
        if !is_of_root {
            writeln!(out, "{}", cut_middle(&root_name.to_string(), width))?;
        }
        if self.place.as_ref() != Some(&place) {
            // Most files are named after their session.
            let is_told = problem
                .session_id
                .as_ref()
                .is_some_and(|id| problem.file.to_string_lossy().contains(id.as_str()));
            let file = if is_told { file.to_string() } else { format!("{file}{of}") };
            let file = cut_middle(&file, width.saturating_sub(INDENT));
            writeln!(out, "{:INDENT$}{file}", "")?;
        }
        self.place = Some(place);
        match problem.line {
            Some(line) => self.run = Some(Run { first: line, last: line, told }),
            None => print(out, "", &told, width)?,
        }
        Ok(())
    }

    /// Prints the lines of which the same is said, in one row.
    fn end_run(&mut self, out: &mut Output) -> io::Result<()> {
        let (Some(Run { first, last, told }), Some(width)) = (self.run.take(), self.width) else {
            return Ok(());
        };
        let lines = if first == last { first.to_string() } else { format!("{first}–{last}") };
        print(out, &lines, &told, width)
    }
}

/// What is said of a line, or of several.
fn print(out: &mut Output, lines: &str, told: &str, width: usize) -> io::Result<()> {
    for (n, told) in wrapped(told, width.saturating_sub(BEHIND_LINE)).iter().enumerate() {
        let lines = if n == 0 { lines } else { "" };
        writeln!(out, "{lines:>0$}  {told}", BEHIND_LINE - 2)?;
    }
    Ok(())
}

/// Indentation of a file below its root.
const INDENT: usize = 2;

/// Columns before the description: the line number, and what surrounds it.
const BEHIND_LINE: usize = 10;

/// A problem in the form of `problems --json`.
pub(super) fn row_json(root: &Path, problem: &Problem) -> serde_json::Value {
    let mut row = serde_json::json!(problem);
    row["root"] = root.to_string_lossy().into();
    row
}
