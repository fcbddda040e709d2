//! Restores the conversation of a path.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::leaf_key;
use super::reference::{References, raw_reference};
use crate::error::Result;
use crate::format::KeptMessages;
use crate::format::rules::{Compactions, Sessions};
use crate::model::{
    Entry, Format, Message, RecordPlace, SessionInfo, SessionKey, Step, StepKind, Stored, bytes_of,
};
use crate::store::{entries, files, log, paths, ranges, sessions};

/// The messages of the active branch.
pub(crate) fn messages(conn: &Connection, session: SessionKey) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    each_message(conn, session, |message| {
        messages.push(message);
        Ok(())
    })?;
    Ok(messages)
}

/// The messages that would be restored if this entry were the leaf.
pub(crate) fn messages_at(
    conn: &Connection,
    session: SessionKey,
    leaf_key: Option<i64>,
) -> Result<Vec<Message>> {
    let mut messages = Vec::new();
    each_message_at(conn, session, leaf_key, |message| {
        messages.push(message);
        Ok(())
    })?;
    Ok(messages)
}

/// Calls `each` for the restored messages, in order.
pub(crate) fn each_message(
    conn: &Connection,
    session: SessionKey,
    mut each: impl FnMut(Message) -> Result<()>,
) -> Result<()> {
    let ranges = ranges::of(conn, session)?;
    if ranges.is_empty() {
        return each_message_at(conn, session, leaf_key(conn, session)?, each);
    }
    let info = info(conn, session)?;
    for range in ranges {
        let entries = entries_of_range(conn, &info, range)?.into_iter();
        entries.flat_map(|(_, messages)| messages).try_for_each(&mut each)?;
    }
    Ok(())
}

fn each_message_at(
    conn: &Connection,
    session: SessionKey,
    leaf_key: Option<i64>,
    mut each: impl FnMut(Message) -> Result<()>,
) -> Result<()> {
    let info = info(conn, session)?;
    let Some(leaf_key) = leaf_key else { return Ok(()) };
    if let Some(whole) = info.format.extras().restored(conn, &info, leaf_key)? {
        return whole.into_iter().try_for_each(each);
    }
    let steps = restored(conn, info.format, session, leaf_key)?;
    let edits = edits(conn, info.format, &steps)?;
    let adds = steps.iter().filter(|step| step.kind != StepKind::Edit);
    let keys: Vec<i64> = adds.map(|step| step.key).collect();
    each_of(conn, &info, &keys, |_| &edits, |messages| messages.into_iter().try_for_each(&mut each))
}

/// The entries of a range of an active branch that is stored as ranges, with the
/// messages that each adds.
pub(super) fn entries_of_range(
    conn: &Connection,
    info: &SessionInfo,
    range: ranges::Range,
) -> Result<Vec<(Entry, Vec<Message>)>> {
    let meaning = info.format.meaning();
    let entries = ranges::entries(conn, &[range])?.into_iter();
    let with_messages = entries.map(|entry| {
        let record = log::record(conn, entry.place)?;
        // If another line than the entry's own counts, that line says what the
        // entry adds.
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

/// By entry id, the record that edits the entry's message.
type Edits = HashMap<String, RecordPlace>;

/// The edits among these steps.
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

/// The messages that each entry of a path adds in the context's form, including
/// entries that were compacted.
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
    let edits_at = |key| if in_context.contains(&key) { &edits_of_context } else { &edits_of_path };
    let keys: Vec<i64> = steps.iter().map(|step| step.key).collect();
    let mut found = Vec::with_capacity(keys.len());
    each_of(conn, info, &keys, edits_at, |messages| {
        found.push(messages);
        Ok(())
    })?;
    Ok(found)
}

/// The messages that an entry adds, as they were appended.
pub(crate) fn messages_of_entry(
    conn: &Connection,
    session: SessionKey,
    entry_key: i64,
) -> Result<Vec<Message>> {
    let mut found = Vec::new();
    let no_edits = Edits::new();
    each_of(
        conn,
        &info(conn, session)?,
        &[entry_key],
        |_| &no_edits,
        |messages| {
            found = messages;
            Ok(())
        },
    )?;
    Ok(found)
}

/// The messages that each of these entries adds, as they were appended.
pub(crate) fn messages_of_entries(
    conn: &Connection,
    info: &SessionInfo,
    keys: &[i64],
) -> Result<Vec<Vec<Message>>> {
    let mut found = Vec::with_capacity(keys.len());
    let no_edits = Edits::new();
    each_of(
        conn,
        info,
        keys,
        |_| &no_edits,
        |messages| {
            found.push(messages);
            Ok(())
        },
    )?;
    Ok(found)
}

fn info(conn: &Connection, session: SessionKey) -> Result<SessionInfo> {
    sessions::info(conn, session)?.ok_or_else(|| sessions::not_found(session))
}

/// Calls `each` for these entries with the messages that they add, in order.
fn each_of<'e>(
    conn: &Connection,
    info: &SessionInfo,
    keys: &[i64],
    edits_at: impl Fn(i64) -> &'e Edits,
    mut each: impl FnMut(Vec<Message>) -> Result<()>,
) -> Result<()> {
    let mut references = References::default();
    paths::each_record(conn, keys, |entry, record| {
        let (line_key, entry_id) = (entry.line_key, entry.entry_id()?);
        let edit = edits_at(entry.entry_key).get(&entry_id);
        let edit = edit.map(|edit| log::record(conn, *edit)).transpose()?;
        let instead = references.at(line_key, || match info.format.rules().sessions {
            Sessions::File => Ok(bytes_of(&info.file).to_vec()),
            Sessions::Folder => Ok(files::file_by_id(conn, log::file_of(line_key))?.path),
        })?;
        let format = info.format;
        let version = info.version.as_ref();
        let mut found = format.meaning().messages(version, record, edit.as_deref(), &instead);
        let message = |entry_id, json| Message { entry_id, json, format };
        // Usually there is one message, which takes the id without a copy.
        let last = found.pop();
        let others = found.into_iter().map(|json| message(entry_id.clone(), json));
        let mut messages: Vec<Message> = others.collect();
        messages.extend(last.map(|json| message(entry_id, json)));
        each(messages)
    })
}

/// The steps of the path to `leaf_key` that make up its restored conversation.
///
/// Nothing above a compaction that keeps nothing is read.
pub(crate) fn restored(
    conn: &Connection,
    format: Format,
    session: SessionKey,
    leaf_key: i64,
) -> Result<Vec<Step>> {
    let mut path = Vec::new();
    let mut kept: Vec<(i64, Option<KeptMessages>)> = Vec::new();
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
) -> Result<KeptMessages> {
    let keys = entries::entries_by_message_id(conn, session, first_kept)?.into_iter().collect();
    Ok(KeptMessages { keys, position: format.meaning().kept_position(first_kept) })
}
