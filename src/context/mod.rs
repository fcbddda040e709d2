//! Branches: paths, the conversation that a path restores to, and the shape of the
//! tree.

mod reference;
mod restore;
mod shape;

use rusqlite::Connection;

pub(crate) use reference::{References, raw_reference};
pub(crate) use restore::{
    each_message, messages, messages_at, messages_of_entries, messages_of_entry, restored,
};
pub use shape::Node;
pub(crate) use shape::{cycles, each_node, tree};

use crate::error::{Error, Result};
use crate::format::stored_text;
use crate::model::{Entry, Format, Message, SessionInfo, SessionKey};
use crate::store::{entries, heads, log, paths, ranges, runs};

/// The last entries of the path to an entry, root first.
pub(crate) fn path_to(
    conn: &Connection,
    session: SessionKey,
    id: &str,
    limit: usize,
) -> Result<Vec<Entry>> {
    paths::path(conn, session, key_of(conn, session, id)?, limit)
}

/// Calls `each` for the lines of the path to an entry, root first.
pub(crate) fn each_line_of_path(
    conn: &Connection,
    session: SessionKey,
    id: &str,
    each: &mut dyn FnMut(u32, &[u8]) -> Result<()>,
) -> Result<()> {
    paths::each_record_to(conn, key_of(conn, session, id)?, |entry, record| {
        each(log::line_number(entry.line_key), record)
    })
}

pub(crate) fn entry(conn: &Connection, session: SessionKey, id: &str) -> Result<Option<Entry>> {
    match entries::entry_key(conn, session, id)? {
        Some(key) => entries::entry(conn, key),
        None => Ok(None),
    }
}

pub(crate) fn children(conn: &Connection, session: SessionKey, id: &str) -> Result<Vec<Entry>> {
    entries::entries(conn, &runs::children(conn, key_of(conn, session, id)?)?)
}

pub(crate) fn is_on_path(conn: &Connection, session: SessionKey, id: &str) -> Result<bool> {
    let active = branch_key(conn, session)?;
    let key = key_of(conn, session, id)?;
    let ranges = ranges::of(conn, session)?;
    if !ranges.is_empty() {
        return Ok(ranges.iter().any(|range| (range.first..=range.last).contains(&key)));
    }
    active.map_or(Ok(false), |active| runs::is_on_path(conn, active, key))
}

/// The ends of the branches other than the active one.
pub(crate) fn abandoned(conn: &Connection, session: SessionKey) -> Result<Vec<Entry>> {
    let active = branch_key(conn, session)?;
    // On a path, only the last entry can be without children on it; but entries
    // that were put back beside a path may have none either.
    let ranges = ranges::of(conn, session)?;
    let is_active = |end: i64| ranges.iter().any(|range| (range.first..=range.last).contains(&end));
    let mut ends = runs::leaves(conn, session)?;
    ends.retain(|end| Some(*end) != active && !is_active(*end));
    entries::entries(conn, &ends)
}

pub(crate) fn common_ancestor(
    conn: &Connection,
    session: SessionKey,
    one: &str,
    other: &str,
) -> Result<Option<Entry>> {
    let (one, other) = (key_of(conn, session, one)?, key_of(conn, session, other)?);
    match runs::common_ancestor(conn, one, other)? {
        Some(key) => entries::entry(conn, key),
        None => Ok(None),
    }
}

/// The entry that the compaction with this id names to keep from, if nothing is kept
/// because of it. A compaction that names itself keeps nothing on purpose.
pub(crate) fn named_in_vain(
    conn: &Connection,
    format: Format,
    session: SessionKey,
    id: &str,
) -> Result<Option<String>> {
    let key = key_of(conn, session, id)?;
    let Some(first_kept) = entries::first_kept(conn, key)? else { return Ok(None) };
    let name = stored_text(&first_kept);
    let keeps_any = 1 < restored(conn, format, session, key)?.len();
    Ok(Some(name).filter(|name| name != id && !keeps_any))
}

pub(crate) fn key_of(conn: &Connection, session: SessionKey, id: &str) -> Result<i64> {
    entries::entry_key(conn, session, id)?
        .ok_or_else(|| Error::EntryNotFound { entry_id: id.to_owned() })
}

pub(crate) fn leaf_key(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
    match heads::head(conn, session)?.leaf_id {
        Some(leaf_id) => entries::entry_key(conn, session, &leaf_id),
        None => Ok(None),
    }
}

/// The last entry of the active branch. An empty leaf id names no entry; messages are
/// restored up to the entry with that id all the same, as pi does.
fn branch_key(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
    match heads::head(conn, session)?.leaf_id.as_deref() {
        None | Some("") => Ok(None),
        Some(leaf_id) => entries::entry_key(conn, session, leaf_id),
    }
}

pub(crate) fn branch(conn: &Connection, session: SessionKey) -> Result<Vec<Entry>> {
    branch_end(conn, session, usize::MAX)
}

/// The last entries of the active branch, root first.
pub(crate) fn branch_end(
    conn: &Connection,
    session: SessionKey,
    limit: usize,
) -> Result<Vec<Entry>> {
    let ranges = ranges::of(conn, session)?;
    if !ranges.is_empty() {
        return ranges::entries(conn, &ranges::last(&ranges, limit));
    }
    let Some(leaf_key) = branch_key(conn, session)? else { return Ok(Vec::new()) };
    paths::path(conn, session, leaf_key, limit)
}

/// The active branch, with the messages that each entry adds.
pub(crate) fn branch_with_messages(
    conn: &Connection,
    info: &SessionInfo,
) -> Result<Vec<(Entry, Vec<Message>)>> {
    let ranges = ranges::of(conn, info.key)?;
    if !ranges.is_empty() {
        let entries = ranges.into_iter().map(|range| restore::entries_of_range(conn, info, range));
        return Ok(entries.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect());
    }
    let Some(leaf_key) = branch_key(conn, info.key)? else { return Ok(Vec::new()) };
    let path = paths::path(conn, info.key, leaf_key, usize::MAX)?;
    let messages = restore::messages_of_path(conn, info, leaf_key)?;
    Ok(path.into_iter().zip(messages).collect())
}

/// The path to an entry, in the same form.
pub(crate) fn path_with_messages(
    conn: &Connection,
    info: &SessionInfo,
    id: &str,
) -> Result<Vec<(Entry, Vec<Message>)>> {
    let key = key_of(conn, info.key, id)?;
    let path = paths::path(conn, info.key, key, usize::MAX)?;
    let messages = restore::messages_of_path(conn, info, key)?;
    Ok(path.into_iter().zip(messages).collect())
}

/// The keys of the active branch, root first, for callers that cannot hold all of its
/// entries in memory.
pub(crate) fn branch_keys(conn: &Connection, session: SessionKey) -> Result<Vec<i64>> {
    let ranges = ranges::of(conn, session)?;
    if !ranges.is_empty() {
        return Ok(ranges::keys(&ranges).collect());
    }
    branch_key(conn, session)?.map_or(Ok(Vec::new()), |leaf_key| paths::keys(conn, leaf_key))
}

/// Calls `each` for the ids of the active branch, root first.
pub(crate) fn each_id_of_branch(
    conn: &Connection,
    session: SessionKey,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let ranges = ranges::of(conn, session)?;
    if !ranges.is_empty() {
        return ranges::keys(&ranges).try_for_each(|key| each(&entries::entry_id(conn, key)?));
    }
    branch_key(conn, session)?.map_or(Ok(()), |leaf_key| paths::each_id(conn, leaf_key, each))
}
