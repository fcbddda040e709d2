//! Branches: the path to an entry, the conversation it restores, the tree's shape.

mod restore;
mod shape;

use rusqlite::Connection;

pub(crate) use restore::{messages, raw_reference, restored};
pub use shape::Node;
pub(crate) use shape::{cycles, each_node, tree};

use crate::error::{Error, Result};
use crate::model::{Entry, Label, Message, SessionInfo, SessionKey};
use crate::store::{Store, entries, heads, labels, log, paths, runs};

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
    /// number, from 1, and its exact bytes, terminator included. Of a line that
    /// several entries share, each comes with its own bytes alone. This is the
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
            let places = paths::places(conn, key_of(conn, session, leaf)?)?;
            // Entries that share a line mostly follow one another; it is read once.
            let mut lines: Vec<i64> = places.iter().map(|place| place.line_key).collect();
            lines.dedup();
            let mut places = places.into_iter().peekable();
            log::each_of(conn, &lines, |key, raw| {
                while let Some(place) = places.next_if(|place| place.line_key == key) {
                    each(log::line_number(key), place.of(raw))?;
                }
                Ok(())
            })
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

    /// Returns the line that an entry stands in, byte for byte, terminator
    /// included; of a line that several entries share, the bytes of this one.
    ///
    /// # Errors
    ///
    /// [`Damaged`](Error::Damaged) when the line is gone; after a purge, too.
    pub fn line(&self, entry: &Entry) -> Result<Vec<u8>> {
        self.read(|conn| log::record(conn, entry.place))
    }

    /// Returns the children of an entry, in file order.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) when the session has no such entry.
    pub fn children(&self, session: SessionKey, id: &str) -> Result<Vec<Entry>> {
        self.read(|conn| entries::entries(conn, &runs::children(conn, key_of(conn, session, id)?)?))
    }

    /// Returns the entries without a parent, in file order; orphans are among them.
    pub fn roots(&self, session: SessionKey) -> Result<Vec<Entry>> {
        self.read(|conn| entries::entries(conn, &runs::roots(conn, session)?))
    }

    /// Returns the entries without children, in file order: one for each branch.
    pub fn leaves(&self, session: SessionKey) -> Result<Vec<Entry>> {
        self.read(|conn| entries::entries(conn, &runs::leaves(conn, session)?))
    }

    /// Returns whether an entry is on the active branch, compacted parts included.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound);
    /// [`EntryNotFound`](Error::EntryNotFound) when the session has no such entry.
    pub fn is_on_branch(&self, session: SessionKey, id: &str) -> Result<bool> {
        self.read(|conn| {
            let active = branch_key(conn, session)?;
            let key = key_of(conn, session, id)?;
            active.map_or(Ok(false), |active| runs::is_on_path(conn, active, key))
        })
    }

    /// Returns the ends of the branches that the active one left, in file
    /// order: the entries without children that are not on it.
    ///
    /// [`path_to`](Self::path_to) gives such a branch, and
    /// [`common_ancestor`](Self::common_ancestor) with the leaf tells where it was left.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn abandoned(&self, session: SessionKey) -> Result<Vec<Entry>> {
        self.read(|conn| {
            let active = branch_key(conn, session)?;
            // A path goes on from an entry to its child, so only its end has none.
            let mut ends = runs::leaves(conn, session)?;
            ends.retain(|end| Some(*end) != active);
            entries::entries(conn, &ends)
        })
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
            let (one, other) = (key_of(conn, session, one)?, key_of(conn, session, other)?);
            match runs::common_ancestor(conn, one, other)? {
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

pub(crate) fn leaf_key(conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
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

/// The path to the active entry, with the messages that each of its entries adds.
pub(crate) fn branch_with_messages(
    conn: &Connection,
    info: &SessionInfo,
) -> Result<Vec<(Entry, Vec<Message>)>> {
    let Some(leaf_key) = branch_key(conn, info.key)? else { return Ok(Vec::new()) };
    let path = paths::path(conn, info.key, leaf_key, usize::MAX)?;
    let messages = restore::messages_of_path(conn, info, leaf_key)?;
    Ok(path.into_iter().zip(messages).collect())
}

/// The keys of the path to the active entry, root first: where a path may be too long for its entries.
pub(crate) fn branch_keys(conn: &Connection, session: SessionKey) -> Result<Vec<i64>> {
    branch_key(conn, session)?.map_or(Ok(Vec::new()), |leaf_key| paths::keys(conn, leaf_key))
}
