//! Appends many lines at once: raw lines, kept byte for byte, and messages.

use std::collections::{HashMap, HashSet};

use super::Writing;
use super::append::Open;
use super::json::object;
use crate::error::{Error, Result};
use crate::model::Format;
use crate::store::log;

/// Appends raw lines; returns the number of each. If a record has a unique id and is
/// there already, it is not appended again.
pub(crate) fn append_lines(writing: &Writing<'_>, given: &[&[u8]]) -> Result<Vec<u32>> {
    let open = Open::read(writing)?;
    let leaf = open.tail.leaf_id.as_deref();
    writing.parent(leaf)?;
    let known = ExistingRecords::read(writing, &open, given)?;
    let mut numbers = Vec::with_capacity(given.len());
    let mut lines = Vec::with_capacity(given.len());
    let mut added: HashMap<String, u32> = HashMap::new();
    for (line, id) in given.iter().zip(known.ids) {
        let there = id.as_ref().and_then(|id| known.numbers.get(id).or_else(|| added.get(id)));
        if let Some(number) = there {
            numbers.push(*number);
            continue;
        }
        let end: &[u8] = if line.ends_with(b"\n") { b"" } else { b"\n" };
        lines.push([line, end].concat());
        let number = open.tail.line_count + lines.len() as u32;
        added.extend(id.map(|id| (id, number)));
        numbers.push(number);
    }
    if !lines.is_empty() {
        open.add(writing, &lines)?;
    }
    Ok(numbers)
}

/// Rejects what is not a line of a session of this format. `n` is its position among
/// the given lines, from 1.
pub(crate) fn line_as_given(format: Format, n: usize, line: &[u8]) -> Result<()> {
    let refuse = |reason: &str| Err(Error::InvalidRecord(format!("line {n}: {reason}")));
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    if format.layout().line_end(&[body, b"\n"].concat()) != Some(body.len() + 1) {
        return refuse("a line feed inside; one record a line");
    }
    let Ok(text) = std::str::from_utf8(body) else { return refuse("not UTF-8") };
    match object(text, format.rules().depth) {
        Ok(_) => Ok(()),
        Err(Error::InvalidRecord(reason)) => refuse(&reason),
        Err(err) => Err(err),
    }
}

/// Which of the given lines hold records that are there already, and where.
struct ExistingRecords {
    /// The id of each line's record, if it has one.
    ids: Vec<Option<String>>,
    numbers: HashMap<String, u32>,
}

impl ExistingRecords {
    fn read(writing: &Writing<'_>, open: &Open, given: &[&[u8]]) -> Result<Self> {
        let live = open.format.live();
        let mut known = Self { ids: Vec::with_capacity(given.len()), numbers: HashMap::new() };
        // Records outside the tree can only be found by reading their lines.
        let mut is_beside_tree = false;
        for (n, line) in given.iter().enumerate() {
            line_as_given(open.format, n + 1, line)?;
            let id = live.kept_once(line);
            if let Some(id) = &id {
                match writing.line_of_entry(id)? {
                    Some(number) => drop(known.numbers.insert(id.clone(), number)),
                    None => is_beside_tree |= open.format.meaning().parse(line).entry.is_none(),
                }
            }
            known.ids.push(id);
        }
        if is_beside_tree {
            log::each_line(writing.tx, open.file(), |key, line| {
                let id = live.kept_once(line);
                known.numbers.extend(id.map(|id| (id, log::line_number(key))));
                Ok(())
            })?;
        }
        Ok(known)
    }
}

/// Appends messages, each as a child of the one before; returns the ids of their
/// entries. Each is given with its number, by which an error names it.
pub(crate) fn append_messages(
    writing: &Writing<'_>,
    messages: &[(usize, &str)],
) -> Result<Vec<String>> {
    // A session that cannot be appended to can have none.
    if messages.is_empty() {
        return Ok(Vec::new());
    }
    let mut open = Open::read(writing)?;
    let live = open.format.live();
    let (mut ids, mut lines) = (Vec::<String>::new(), Vec::new());
    let mut known = HashSet::new();
    let mut writing = *writing;
    for (n, message) in messages {
        let made = live.message(&writing, &open.tail, "message", message);
        let (line, id) = made.map_err(|err| match err {
            Error::InvalidRecord(reason) => Error::InvalidRecord(format!("message {n}: {reason}")),
            err => err,
        })?;
        if !known.insert(id.clone()) {
            return Err(Error::EntryExists { entry_id: id });
        }
        // The id and leaf that the caller gave apply to the first message only.
        (writing.id, writing.expected) = (None, None);
        open.tail.leaf_id = Some(id.clone());
        open.tail.line_count += 1;
        ids.push(id);
        lines.push(line);
    }
    if !lines.is_empty() {
        open.add(&writing, &lines)?;
    }
    Ok(ids)
}
