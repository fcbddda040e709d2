//! The state that a store reports, and whether it is an expected one.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{Outcome, Place, Run};

/// The rows of a `dump`, by root and file, with what a run makes anew made equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct State(BTreeMap<String, BTreeSet<String>>);

/// What stood in a dump before a run, of all that may differ from run to run.
#[derive(Clone, Default)]
pub(crate) struct Known(HashSet<String>);

impl Known {
    pub(crate) fn of(dump: &str) -> Self {
        let mut known = HashSet::new();
        each_token(dump, |token, is_token| {
            if is_token {
                known.insert(token.to_owned());
            }
        });
        Self(known)
    }

    /// Ids and times that were not known become `*`.
    fn plain(&self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        each_token(text, |token, is_token| {
            if is_token && !self.0.contains(token) { out.push('*') } else { out.push_str(token) }
        });
        out
    }
}

/// Cuts a text into what may be an id or a time, and what stands between.
fn each_token<'a>(text: &'a str, mut each: impl FnMut(&'a str, bool)) {
    let may_be = |c: char| c.is_ascii_hexdigit() || matches!(c, '-' | ':' | '.' | '_' | 'T' | 'Z');
    let mut rest = text;
    while !rest.is_empty() {
        let len = rest.find(|c| !may_be(c)).unwrap_or(rest.len());
        let (token, behind) = rest.split_at(len);
        if !token.is_empty() {
            // One id of pi in 2,500 has no digit.
            each(token, 8 <= len);
        }
        let len = behind.find(may_be).unwrap_or(behind.len());
        if 0 < len {
            each(&behind[..len], false);
        }
        rest = &behind[len..];
    }
}

impl State {
    pub(crate) fn of(dump: &str, known: &Known) -> Self {
        let mut rows: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for line in dump.lines() {
            let row: Value = serde_json::from_str(line).unwrap_or_default();
            let name = format!("{} {} {}", row["root"], row["file"], row["session_id"].is_null());
            rows.entry(known.plain(&name)).or_default().insert(known.plain(line));
        }
        Self(rows)
    }

    /// Every row is one of two states: what may be said against that.
    pub(crate) fn differs_from_both(&self, before: &Self, after: &Self) -> Option<String> {
        let none = BTreeSet::new();
        let names: BTreeSet<&String> =
            self.0.keys().chain(before.0.keys()).chain(after.0.keys()).collect();
        for name in names {
            let [now, then, later] = [self, before, after].map(|s| s.0.get(name).unwrap_or(&none));
            if now != then && now != later {
                return Some(format!(
                    "{name} is neither as before nor as after: {} rows, {} before, {} after",
                    now.len(),
                    then.len(),
                    later.len()
                ));
            }
        }
        None
    }

    /// The first row in which two states differ.
    pub(crate) fn differs_from(&self, other: &Self) -> Option<String> {
        self.differs_from_both(other, other)
    }
}

/// The database dumps and checks; what it says, or what went wrong.
pub(crate) fn look(place: &Place, db: &Path) -> Result<String, String> {
    let command = |word: &str| -> Result<Outcome, String> {
        let outcome = Run::on(place, db, [word]).outcome();
        match outcome.misbehaved() {
            Some(why) => Err(why),
            None => Ok(outcome),
        }
    };
    if !db.exists() {
        return Ok(String::new());
    }
    let check = command("check")?;
    if !check.is_done() {
        return Err(format!("{check}: {}", head(&check.text())));
    }
    let dump = command("dump")?;
    if !dump.is_done() {
        return Err(format!("{dump}"));
    }
    Ok(dump.text())
}

/// The beginning of a text, for a finding.
pub(crate) fn head(text: &str) -> String {
    text.trim().chars().take(300).collect()
}

/// Files that a run left behind beside those that it is to make.
pub(crate) fn leftovers(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(at) = todo.pop() {
        let Ok(entries) = fs::read_dir(&at) else { continue };
        for entry in entries.map(|entry| entry.unwrap()) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.starts_with(".sessile-") {
                found.push(name);
            } else if entry.file_type().unwrap().is_dir() {
                todo.push(entry.path());
            }
        }
    }
    found
}
