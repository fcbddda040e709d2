//! Branches: the path to an entry, the conversation it restores, the tree's shape.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::format::Kept;
use crate::format::kimi::context::Restoring;
use crate::model::{
    Entry, Format, Label, Message, Runtime, SessionInfo, SessionKey, Step, StepKind, Stored,
};
use crate::store::entries::NO_PARENT;
use crate::store::{Store, entries, files, heads, labels, log, paths, records, sessions};

/// A node of a tree, with its depth below its root.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Node {
    /// The entry's id.
    pub id: String,
    /// 0 for a root.
    pub depth: usize,
    /// Ids of its children, in file order.
    pub children: Vec<String>,
}

impl Store {
    /// Returns the entries from the root down to `leaf`, root first.
    ///
    /// This is one branch of the conversation, compacted parts included:
    /// siblings on other branches are left out. An entry that is its own
    /// ancestor ends the path.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) when the session has no such entry.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// # let session = store.find("edge-97")?;
    /// let path = store.path_to(session, "d")?;
    ///
    /// let ids: Vec<&str> = path.iter().map(|entry| entry.id.as_str()).collect();
    /// assert_eq!(ids, ["a", "s", "d"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path_to(&self, session: SessionKey, leaf: &str) -> Result<Vec<Entry>> {
        self.last_of_path(session, leaf, usize::MAX)
    }

    /// Returns the last `limit` entries of the path to `leaf`, root first, at
    /// a cost that does not depend on what lies before them.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) when the session has no such entry.
    pub fn last_of_path(
        &self,
        session: SessionKey,
        leaf: &str,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.read(|conn| paths::path(conn, session, key_of(conn, session, leaf)?, limit))
    }

    /// Hands the lines of the path to `leaf` to `each`, root first: each one's
    /// number, from 1, and its exact bytes, terminator included. This is the
    /// quickest way to the content of a branch.
    ///
    /// `each` must not use the store.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) when the session has no such
    /// entry, and what `each` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// let mut numbers = Vec::new();
    /// store.each_line_of_path(store.find("edge-97")?, "d", |number, _| {
    ///     numbers.push(number);
    ///     Ok(())
    /// })?;
    ///
    /// assert_eq!(numbers, [2, 5, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn each_line_of_path(
        &self,
        session: SessionKey,
        leaf: &str,
        mut each: impl FnMut(u32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.read(|conn| {
            let lines = paths::lines(conn, key_of(conn, session, leaf)?)?;
            log::each_of(conn, &lines, |key, raw| each(log::line_number(key), raw))
        })
    }

    /// Returns the path to the active entry, root first; empty when there is none.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn branch(&self, session: SessionKey) -> Result<Vec<Entry>> {
        self.read(|conn| branch(conn, session))
    }

    /// Returns the messages that the program would go on with: those of the
    /// active branch, root first, where compactions stand for what they summarise.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// let session = store.find("edge-97")?;
    ///
    /// let first = &store.context(session)?[0];
    ///
    /// assert_eq!(first.entry_id, "a");
    /// assert_eq!(first.json, r#"{"role":"user","content":"first","id":"a"}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn context(&self, session: SessionKey) -> Result<Vec<Message>> {
        self.read(|conn| messages(conn, session)?.collect())
    }

    /// Returns the entry of this id; `None` when the session has none.
    pub fn entry(&self, session: SessionKey, id: &str) -> Result<Option<Entry>> {
        self.read(|conn| match entries::entry_key(conn, session, id)? {
            Some(key) => entries::entry(conn, key),
            None => Ok(None),
        })
    }

    /// Returns the line that an entry stands in, byte for byte, terminator included.
    ///
    /// # Errors
    ///
    /// [`Damaged`](Error::Damaged) when the line is gone; after a purge, too.
    pub fn line(&self, entry: &Entry) -> Result<Vec<u8>> {
        self.read(|conn| log::line(conn, entry.key))
    }

    /// Returns the children of an entry, in file order.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) when the session has no such entry.
    pub fn children(&self, session: SessionKey, id: &str) -> Result<Vec<Entry>> {
        self.read(|conn| entries::children(conn, key_of(conn, session, id)?))
    }

    /// Returns the entries without a parent, in file order; orphans are among them.
    pub fn roots(&self, session: SessionKey) -> Result<Vec<Entry>> {
        self.read(|conn| entries::roots(conn, session))
    }

    /// Returns the entries without children, in file order: one for each branch.
    pub fn leaves(&self, session: SessionKey) -> Result<Vec<Entry>> {
        self.read(|conn| entries::leaves(conn, session))
    }

    /// Returns the whole tree, depth first; roots and children in file order.
    ///
    /// Every entry is there once. Where entries are their own ancestors, the
    /// first of them stands as a root.
    pub fn tree(&self, session: SessionKey) -> Result<Vec<Node>> {
        self.read(|conn| tree(conn, session))
    }

    /// Returns the last entry that the paths to two entries share; `None` when
    /// they have different roots.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) when the session lacks either.
    pub fn common_ancestor(
        &self,
        session: SessionKey,
        one: &str,
        other: &str,
    ) -> Result<Option<Entry>> {
        self.read(|conn| {
            let mut above = HashSet::new();
            paths::walk_up(conn, key_of(conn, session, one)?, |row| {
                above.insert(row.entry_key);
                Ok(true)
            })?;
            let mut shared = None;
            paths::walk_up(conn, key_of(conn, session, other)?, |row| {
                shared = above.contains(&row.entry_key).then_some(row.entry_key);
                Ok(shared.is_none())
            })?;
            match shared {
                Some(key) => entries::entry(conn, key),
                None => Ok(None),
            }
        })
    }

    /// Returns the current labels, in the order in which they were set.
    ///
    /// A label may name an id that no entry has.
    pub fn labels(&self, session: SessionKey) -> Result<Vec<Label>> {
        self.read(|conn| labels::labels(conn, session))
    }
}

fn key_of(conn: &Connection, session: SessionKey, id: &str) -> Result<i64> {
    entries::entry_key(conn, session, id)?
        .ok_or_else(|| Error::EntryNotFound { entry_id: id.to_owned() })
}

fn leaf_key(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
    match heads::head(conn, session)?.leaf_id {
        Some(leaf_id) => entries::entry_key(conn, session, &leaf_id),
        None => Ok(None),
    }
}

/// The entry that the active branch ends with. An empty id names none; the
/// messages are those up to its entry all the same, as pi has it.
fn branch_key(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
    match heads::head(conn, session)?.leaf_id.as_deref() {
        None | Some("") => Ok(None),
        Some(leaf_id) => entries::entry_key(conn, session, leaf_id),
    }
}

pub(crate) fn branch(conn: &Connection, session: SessionKey) -> Result<Vec<Entry>> {
    let Some(leaf_key) = branch_key(conn, session)? else { return Ok(Vec::new()) };
    paths::path(conn, session, leaf_key, usize::MAX)
}

/// The keys of the path to the active entry, root first: where a path may be too long for its entries.
pub(crate) fn branch_keys(conn: &Connection, session: SessionKey) -> Result<Vec<i64>> {
    let mut path = Vec::new();
    if let Some(leaf_key) = branch_key(conn, session)? {
        paths::walk_up(conn, leaf_key, |row| {
            path.push(row.entry_key);
            Ok(true)
        })?;
    }
    path.reverse();
    Ok(path)
}

/// The restored messages; each is read when it is asked for.
pub(crate) fn messages(
    conn: &Connection,
    session: SessionKey,
) -> Result<impl Iterator<Item = Result<Message>>> {
    let info = sessions::info(conn, session)?
        .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
    let steps = match leaf_key(conn, session)? {
        Some(leaf_key) => restored(conn, info.format, session, leaf_key)?,
        None => Vec::new(),
    };
    let mut edits = HashMap::new();
    for step in steps.iter().filter(|step| step.kind == StepKind::Edit) {
        let line_key = entries::line_key(conn, step.key)?;
        if let Some(target) = info.format.edit_target(&log::line(conn, line_key)?) {
            edits.insert(target, line_key);
        }
    }
    let adds = steps.into_iter().filter(|step| step.kind != StepKind::Edit);
    Ok(adds.flat_map(move |step| match messages_of(conn, &info, &edits, step.key) {
        Ok(messages) => messages.into_iter().map(Ok).collect(),
        Err(err) => vec![Err(err)],
    }))
}

fn messages_of(
    conn: &Connection,
    info: &SessionInfo,
    edits: &HashMap<String, i64>,
    entry_key: i64,
) -> Result<Vec<Message>> {
    let (entry_id, line_key) = entries::id_and_line(conn, entry_key)?;
    let line = log::line_number(line_key);
    let instead = match info.format.has_folders() {
        false => raw_reference(&info.file, line),
        true => raw_reference(&files::file_by_id(conn, log::file_of(line_key))?.path, line),
    };
    let edit = edits.get(&entry_id).map(|edit| log::line(conn, *edit)).transpose()?;
    let line = log::line(conn, line_key)?;
    let messages = info.format.messages(info.version.as_ref(), &line, edit.as_deref(), &instead);
    Ok(messages.into_iter().map(|json| Message { entry_id: entry_id.clone(), json }).collect())
}

/// The settings that hold at an entry: of each kind, the last on its path.
pub(crate) fn settings(conn: &Connection, leaf_key: i64) -> Result<Runtime> {
    let mut found = Runtime::default();
    paths::walk_up(conn, leaf_key, |row| {
        if let Some(settings) = records::settings(conn, row.entry_key)? {
            found.provider = found.provider.take().or(settings.provider);
            found.model = found.model.take().or(settings.model);
            found.reasoning_effort = found.reasoning_effort.take().or(settings.reasoning_effort);
        }
        Ok(found.model.is_none() || found.reasoning_effort.is_none())
    })?;
    Ok(found)
}

/// The tokens of a session's context as its program counts them, in digits;
/// `None` where that stands in no file.
pub(crate) fn token_count(conn: &Connection, info: &SessionInfo) -> Result<Option<String>> {
    if !info.format.has_folders() {
        return Ok(None);
    }
    let mut restoring = Restoring::default();
    if let Some(leaf_key) = leaf_key(conn, info.key)? {
        for line_key in paths::lines(conn, leaf_key)? {
            restoring.take(&log::line(conn, line_key)?);
        }
    }
    Ok(Some(restoring.finish().token_count_with_pending))
}

/// Stands for a value that common JSON readers choke on: the file and line that hold it.
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
        let kind = match &row.role {
            None if row.entry_type == "context_edit" => StepKind::Edit,
            None => StepKind::Silent,
            Some(_) if row.entry_type == "compaction" => StepKind::Compaction,
            Some(_) => StepKind::Message,
        };
        let role = format.role(row.role);
        path.push(Step { key: row.entry_key, kind, role });
        if kind != StepKind::Compaction {
            return Ok(true);
        }
        let first_kept = entries::first_kept(conn, row.entry_key)?;
        let keeps = first_kept.is_some();
        let first_kept = match first_kept {
            Some(first_kept) => Some(find_kept(conn, format, session, &first_kept)?),
            None => None,
        };
        kept.push((row.entry_key, first_kept));
        // Of pi's compactions the last alone counts, whatever an older one kept.
        Ok(keeps || format.lists_by_file() && 1 < kept.len())
    })?;
    path.reverse();
    kept.reverse();
    Ok(format.restore(&path, &kept))
}

fn find_kept(
    conn: &Connection,
    format: Format,
    session: SessionKey,
    first_kept: &Stored,
) -> Result<Kept> {
    let keys = entries::entries_by_message_id(conn, session, first_kept)?.into_iter().collect();
    Ok(Kept { keys, position: format.kept_position(first_kept) })
}

pub(crate) fn tree(conn: &Connection, session: SessionKey) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    each_node(conn, session, |node| {
        nodes.push(node);
        Ok(())
    })?;
    Ok(nodes)
}

/// Hands each node of a tree to `each`, depth first.
///
/// The shape is a few numbers an entry; ids are read as they are needed, since
/// a session may have more entries than memory has room for.
pub(crate) fn each_node(
    conn: &Connection,
    session: SessionKey,
    mut each: impl FnMut(Node) -> Result<()>,
) -> Result<()> {
    let parents = entries::parents(conn, session)?;
    let mut parents_cut = parents.clone();
    // Cutting each circle at its first entry leaves a forest.
    for position in cycles(&parents) {
        parents_cut[position as usize] = NO_PARENT;
    }
    drop(parents);
    let Some(shape) = Shape::read(conn, session, &parents_cut)? else { return Ok(()) };
    drop(parents_cut);
    let id = |position: u32| entries::entry_id(conn, shape.key[position as usize]);
    // The next node to show, and its depth; behind it come its later siblings.
    let mut todo: Vec<(u32, u32)> = shape.first_root.map(|root| (root, 0)).into_iter().collect();
    while let Some((at, depth)) = todo.pop() {
        let first_child = shape.first_child[at as usize];
        let mut children = Vec::new();
        let mut child = first_child;
        while child != NO_PARENT {
            children.push(id(child)?);
            child = shape.next_sibling[child as usize];
        }
        each(Node { id: id(at)?, depth: depth as usize, children })?;
        let sibling = shape.next_sibling[at as usize];
        if sibling != NO_PARENT {
            todo.push((sibling, depth));
        }
        if first_child != NO_PARENT {
            todo.push((first_child, depth + 1));
        }
    }
    Ok(())
}

/// A tree by the positions of its entries' lines; [`NO_PARENT`] stands for none.
struct Shape {
    /// By position, as the others: lines of one session may stand in two files.
    key: Vec<i64>,
    first_root: Option<u32>,
    first_child: Vec<u32>,
    next_sibling: Vec<u32>,
}

impl Shape {
    fn read(conn: &Connection, session: SessionKey, parents: &[u32]) -> Result<Option<Self>> {
        let mut shape: Option<Self> = None;
        // Last first: each goes in front of the siblings that follow it.
        entries::each_key_backwards(conn, session, |key| {
            let shape = shape.get_or_insert_with(|| Self {
                key: Vec::new(),
                first_root: None,
                first_child: Vec::new(),
                next_sibling: Vec::new(),
            });
            let position = log::position(key);
            let parent = parents.get(position as usize).copied().unwrap_or(NO_PARENT);
            let room = match parent {
                NO_PARENT => position as usize + 1,
                parent => position.max(parent) as usize + 1,
            };
            if shape.first_child.len() < room {
                shape.key.resize(room, 0);
                shape.first_child.resize(room, NO_PARENT);
                shape.next_sibling.resize(room, NO_PARENT);
            }
            shape.key[position as usize] = key;
            let next = match parent {
                NO_PARENT => shape.first_root.replace(position).unwrap_or(NO_PARENT),
                parent => std::mem::replace(&mut shape.first_child[parent as usize], position),
            };
            shape.next_sibling[position as usize] = next;
            Ok(())
        })?;
        Ok(shape)
    }
}

/// The first entry of each circle, where each entry names its parent, or [`NO_PARENT`].
///
/// By position in the file, four bytes an entry: a log of gigabytes has millions.
pub(crate) fn cycles(parent_of: &[u32]) -> Vec<u32> {
    let parent = |at: u32| parent_of.get(at as usize).copied().filter(|&at| at != NO_PARENT);
    // The walk in which an entry was met first.
    let mut met = vec![NO_PARENT; parent_of.len()];
    let mut first = Vec::new();
    for walk in 0..u32::try_from(parent_of.len()).unwrap_or(u32::MAX) {
        let mut at = walk;
        while let Some(above) = parent(at) {
            let met = &mut met[at as usize];
            if *met != NO_PARENT {
                if *met == walk {
                    first.push(smallest_of_circle(&parent, at));
                }
                break;
            }
            *met = walk;
            at = above;
        }
    }
    first.sort_unstable();
    first
}

fn smallest_of_circle(parent: &impl Fn(u32) -> Option<u32>, start: u32) -> u32 {
    let mut smallest = start;
    let mut at = start;
    while let Some(above) = parent(at) {
        smallest = smallest.min(above);
        at = above;
        if at == start {
            break;
        }
    }
    smallest
}

#[cfg(test)]
mod tests {
    use super::{NO_PARENT, cycles};

    #[test]
    fn each_circle_is_found_once_at_its_first_entry() {
        // 1 -> 3 -> 2 -> 1, with 4 hanging from it; 5 -> 6 -> 5; 7 -> 8, a plain chain.
        let parents = [NO_PARENT, 3, 1, 2, 3, 6, 5, 8, NO_PARENT];

        assert_eq!(cycles(&parents), [1, 5]);
    }
}
