//! `sessile log`.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Result;
use sessile::{Error, Session};

use crate::args::LogArgs;
use crate::output::{self, note, one_line};

pub(crate) fn run(session: &Session, args: &LogArgs) -> Result<bool> {
    let mut notes: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    if !args.raw {
        for problem in session.problems()? {
            if let Some(line) = problem.line {
                notes.entry(line).or_default().push(problem.kind.name().to_owned());
            }
        }
    }
    let mut out = if args.raw { output::content() } else { output::report() };
    let mut found = args.line.is_none();
    session.each_line(|number, raw| {
        if args.line.is_some_and(|line| line != number) {
            return Ok(());
        }
        found = true;
        let written = if args.raw {
            out.write_all(raw)
        } else {
            let note = notes.remove(&number).unwrap_or_default().join(", ");
            let what = [record_type(raw), note].into_iter().filter(|part| !part.is_empty());
            let what = one_line(&what.collect::<Vec<_>>().join("  "));
            writeln!(out, "{number:>7} {:>10}  {what}", raw.len())
        };
        written.map_err(|source| Error::Io {
            action: "write to",
            path: "standard output".into(),
            source,
        })
    })?;
    out.flush()?;
    if !found {
        note!("sessile: the session has no line {}", args.line.unwrap_or_default());
    }
    Ok(found)
}

/// The type of a line's record; empty if it is not a plain object.
fn record_type(raw: &[u8]) -> String {
    #[derive(serde::Deserialize)]
    struct Typed {
        #[serde(rename = "type")]
        record_type: Option<String>,
    }
    serde_json::from_slice::<Typed>(raw)
        .ok()
        .and_then(|record| record.record_type)
        .unwrap_or_default()
}
