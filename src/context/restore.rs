//! The conversation that a path restores to.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::leaf_key;
use crate::error::{Error, Result};
use crate::format::Kept;
use crate::format::rules::{Compactions, Sessions};
use crate::model::{
    Entry, Format, Message, RecordPlace, SessionInfo, SessionKey, Step, StepKind, Stored, bytes_of,
};
use crate::store::{entries, files, log, paths, ranges, sessions};

/// The restored messages; each is read when it is asked for.
pub(crate) fn messages(
    conn: &Connection,
    session: SessionKey,
) -> Result<impl Iterator<Item = Result<Message>>> {
    let ranges = ranges::of(conn, session)?;
    if ranges.is_empty() {
        let messages = messages_at(conn, session, leaf_key(conn, session)?)?;
        return Ok(Restored::Path(messages));
    }
    Ok(Restored::Ranges(messages_of_ranges(conn, info(conn, session)?, ranges)))
}

/// The messages that would be restored if this entry were the leaf.
pub(crate) fn messages_at(
    conn: &Connection,
    session: SessionKey,
    leaf_key: Option<i64>,
) -> Result<impl Iterator<Item = Result<Message>>> {
    let info = info(conn, session)?;
    let whole = match leaf_key {
        Some(leaf_key) => info.format.extras().restored(conn, &info, leaf_key)?,
        None => None,
    };
    let steps = match leaf_key {
        Some(leaf_key) if whole.is_none() => restored(conn, info.format, session, leaf_key)?,
        _ => Vec::new(),
    };
    let edits = edits(conn, info.format, &steps)?;
    let adds = steps.into_iter().filter(|step| step.kind != StepKind::Edit);
    let added =
        adds.flat_map(move |step| each_or_error(messages_of(conn, &info, &edits, step.key)));
    Ok(whole.unwrap_or_default().into_iter().map(Ok).chain(added))
}

/// Messages of a path, or of an active branch that is none.
enum Restored<P, R> {
    Path(P),
    Ranges(R),
}

impl<T, P: Iterator<Item = T>, R: Iterator<Item = T>> Iterator for Restored<P, R> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Self::Path(path) => path.next(),
            Self::Ranges(ranges) => ranges.next(),
        }
    }
}

/// The messages of an active branch that is not simply a path.
fn messages_of_ranges(
    conn: &Connection,
    info: SessionInfo,
    ranges: Vec<ranges::Range>,
) -> impl Iterator<Item = Result<Message>> {
    ranges.into_iter().flat_map(move |range| {
        let messages = entries_of_range(conn, &info, range);
        each_or_error(messages.map(|entries| entries.into_iter().flat_map(|(_, it)| it).collect()))
    })
}

fn each_or_error(messages: Result<Vec<Message>>) -> Vec<Result<Message>> {
    match messages {
        Ok(messages) => messages.into_iter().map(Ok).collect(),
        Err(err) => vec![Err(err)],
    }
}

/// Entries that follow one another on such a branch, with the messages that each adds.
pub(super) fn entries_of_range(
    conn: &Connection,
    info: &SessionInfo,
    range: ranges::Range,
) -> Result<Vec<(Entry, Vec<Message>)>> {
    let meaning = info.format.meaning();
    let entries = ranges::entries(conn, &[range])?.into_iter();
    let with_messages = entries.map(|entry| {
        let record = log::record(conn, entry.place)?;
        // Another line than the entry's own says itself what it adds.
        let other = range.line_key.and_then(|_| meaning.parse(&record).entry);
        if entry.role.is_none() && other.is_none_or(|other| other.role.is_none()) {
            return Ok((entry, Vec::new()));
        }
        let instead = raw_reference(bytes_of(&info.file), entry.line);
        let messages = meaning.messages(info.version.as_ref(), &record, None, &instead);
        let (id, format) = (&entry.id, info.format);
        let message = |json| Message { entry_id: id.clone(), json, format };
        let messages = messages.into_iter().map(message).collect();
        Ok((entry, messages))
    });
    with_messages.collect()
}

/// By the id of an entry, where the edit stands that changes its message.
type Edits = HashMap<String, RecordPlace>;

/// What the edits among these steps change.
fn edits(conn: &Connection, format: Format, steps: &[Step]) -> Result<Edits> {
    let mut edits = Edits::new();
    for step in steps.iter().filter(|step| step.kind == StepKind::Edit) {
        let place = entries::place(conn, step.key)?;
        if let Some(target) = format.meaning().edit_target(&log::record(conn, place)?) {
            edits.insert(target, place);
        }
    }
    Ok(edits)
}

/// What the entries of a path add, compacted parts included, each as the context
/// has it: of each entry, its messages.
pub(crate) fn messages_of_path(
    conn: &Connection,
    info: &SessionInfo,
    leaf_key: i64,
) -> Result<Vec<Vec<Message>>> {
    let mut steps = Vec::new();
    paths::walk_up(conn, leaf_key, |row| {
        steps.push(step(info.format, &row));
        Ok(true)
    })?;
    steps.reverse();
    let restored = restored(conn, info.format, info.key, leaf_key)?;
    let in_context: HashSet<i64> = restored.iter().map(|step| step.key).collect();
    let edits_of_context = edits(conn, info.format, &restored)?;
    let edits_of_path = edits(conn, info.format, &steps)?;
    let messages = steps.iter().map(|step| {
        let is_restored = in_context.contains(&step.key);
        let edits = if is_restored { &edits_of_context } else { &edits_of_path };
        messages_of(conn, info, edits, step.key)
    });
    messages.collect()
}

/// The messages that an entry adds, as they were appended.
pub(crate) fn messages_of_entry(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
) -> Result<Vec<Message>> {
    messages_of(conn, &info(conn, session)?, &Edits::new(), entry_key)
}

fn info(conn: &Connection, session: SessionKey) -> Result<SessionInfo> {
    sessions::info(conn, session)?.ok_or_else(|| Error::SessionNotFound(session.0.to_string()))
}

/// The messages that an entry adds.
fn messages_of(
    conn: &Connection,
    info: &SessionInfo,
    edits: &Edits,
    entry_key: i64,
) -> Result<Vec<Message>> {
    let (entry_id, place) = entries::id_and_place(conn, entry_key)?;
    let line = log::line_number(place.line_key);
    let instead = match info.format.rules().sessions {
        Sessions::File => raw_reference(bytes_of(&info.file), line),
        Sessions::Folder => {
            raw_reference(&files::file_by_id(conn, log::file_of(place.line_key))?.path, line)
        }
    };
    let edit = edits.get(&entry_id).map(|edit| log::record(conn, *edit)).transpose()?;
    let line = log::record(conn, place)?;
    let messages =
        info.format.meaning().messages(info.version.as_ref(), &line, edit.as_deref(), &instead);
    let format = info.format;
    let message = |json| Message { entry_id: entry_id.clone(), json, format };
    Ok(messages.into_iter().map(message).collect())
}

/// Replaces a value that common JSON readers cannot take by the file and line that hold it.
pub(crate) fn raw_reference(file: &[u8], line: u32) -> String {
    let file = serde_json::Value::from(String::from_utf8_lossy(file));
    format!("{{\"$raw\":[{file},{line}]}}")
}

/// The steps of the path to `leaf_key` that its restored conversation consists of.
///
/// Nothing above a compaction that keeps nothing is read.
pub(crate) fn restored(
    conn: &Connection,
    format: Format,
    session: SessionKey,
    leaf_key: i64,
) -> Result<Vec<Step>> {
    let mut path = Vec::new();
    let mut kept: Vec<(i64, Option<Kept>)> = Vec::new();
    paths::walk_up(conn, leaf_key, |row| {
        let step = step(format, &row);
        path.push(step);
        if step.kind != StepKind::Compaction {
            return Ok(true);
        }
        let first_kept = entries::first_kept(conn, row.entry_key)?;
        let keeps = first_kept.is_some();
        let first_kept = match first_kept {
            Some(first_kept) => Some(find_kept(conn, format, session, &first_kept)?),
            None => None,
        };
        kept.push((row.entry_key, first_kept));
        let last_counts = format.rules().compactions == Compactions::Last;
        Ok(keeps || last_counts && 1 < kept.len())
    })?;
    path.reverse();
    kept.reverse();
    Ok(format.meaning().restore(&path, &kept))
}

fn step(format: Format, row: &paths::Step<'_>) -> Step {
    let kind = match &row.role {
        None if row.entry_type == "context_edit" => StepKind::Edit,
        None => StepKind::Silent,
        Some(_) if row.entry_type == "compaction" => StepKind::Compaction,
        Some(_) => StepKind::Message,
    };
    Step { key: row.entry_key, kind, role: format.meaning().role(row.role) }
}

fn find_kept(
    conn: &Connection,
    format: Format,
    session: SessionKey,
    first_kept: &Stored,
) -> Result<Kept> {
    let keys = entries::entries_by_message_id(conn, session, first_kept)?.into_iter().collect();
    Ok(Kept { keys, position: format.meaning().kept_position(first_kept) })
}
