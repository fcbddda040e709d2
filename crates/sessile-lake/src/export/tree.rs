//! The tree of a session as columns: parent, depth, and whether an entry is on the active
//! branch.

use rusqlite::Connection;

use crate::error::Result;

/// An entry in the tree of its session.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Node {
    pub(super) parent: Option<u32>,
    /// How many entries are above it. If parents form a cycle, the first of its entries that
    /// is visited again counts as a root.
    pub(super) depth: u32,
    pub(super) is_active: bool,
    /// Whether it ends paths: the tree has its parent, but a path does not continue there.
    ends_path: bool,
}

pub(super) struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) leaf: Option<u32>,
}

pub(super) fn read(conn: &Connection, session: i64) -> Result<Tree> {
    let count: u32 = conn
        .prepare_cached("SELECT count(*) FROM entries WHERE entry_key BETWEEN ?1 AND ?2")?
        .query_row(keys(session), |row| row.get(0))?;
    let mut nodes: Vec<Node> =
        (0..count).map(|n| Node { parent: n.checked_sub(1), ..Node::default() }).collect();
    let mut stmt = conn.prepare_cached(
        "SELECT first_key, parent_key, ends_path
         FROM runs
         WHERE first_key BETWEEN ?1 AND ?2",
    )?;
    let mut rows = stmt.query(keys(session))?;
    while let Some(row) = rows.next()? {
        let parent: Option<i64> = row.get("parent_key")?;
        if let Some(node) = nodes.get_mut(ordinal(row.get("first_key")?)) {
            node.parent = parent.map(|key| ordinal(key) as u32).filter(|parent| *parent < count);
            node.ends_path = row.get("ends_path")?;
        }
    }
    reckon_depths(&mut nodes);
    let leaf = leaf(conn, session)?.filter(|leaf| *leaf < count);
    if !mark_ranges(conn, session, &mut nodes)? {
        mark_path(&mut nodes, leaf);
    }
    Ok(Tree { nodes, leaf })
}

/// The keys of a session's entries.
pub(super) fn keys(session: i64) -> [i64; 2] {
    [session << 32, session << 32 | 0xFFFF_FFFF]
}

pub(super) fn ordinal(key: i64) -> usize {
    (key & 0xFFFF_FFFF) as usize
}

fn reckon_depths(nodes: &mut [Node]) {
    const UNKNOWN: u32 = u32::MAX;
    const ON_THE_WAY: u32 = u32::MAX - 1;
    nodes.iter_mut().for_each(|node| node.depth = UNKNOWN);
    let mut way = Vec::new();
    for n in 0..nodes.len() {
        let mut at = Some(n);
        let mut above = None;
        while let Some(n) = at {
            match nodes[n].depth {
                UNKNOWN => {
                    nodes[n].depth = ON_THE_WAY;
                    way.push(n);
                    at = nodes[n].parent.map(|parent| parent as usize);
                }
                ON_THE_WAY => break,
                depth => {
                    above = Some(depth);
                    break;
                }
            }
        }
        while let Some(n) = way.pop() {
            nodes[n].depth = above.map_or(0, |depth| depth + 1);
            above = Some(nodes[n].depth);
        }
    }
}

fn leaf(conn: &Connection, session: i64) -> Result<Option<u32>> {
    let mut stmt = conn.prepare_cached(
        "SELECT entry.entry_key
         FROM sessions AS session
         CROSS JOIN entries AS entry ON entry.session_key = session.session_key
                                    AND entry.entry_id = session.leaf_id
         WHERE session.session_key = ?1
           AND session.leaf_id <> ''",
    )?;
    let mut rows = stmt.query([session])?;
    Ok(match rows.next()? {
        Some(row) => Some(ordinal(row.get(0)?) as u32),
        None => None,
    })
}

/// Marks the active branch if the store has it as ranges; returns whether it does.
fn mark_ranges(conn: &Connection, session: i64, nodes: &mut [Node]) -> Result<bool> {
    let mut stmt = conn.prepare_cached(
        "SELECT first_key, last_key
         FROM active_ranges
         WHERE session_key = ?1",
    )?;
    let mut rows = stmt.query([session])?;
    let mut has_any = false;
    while let Some(row) = rows.next()? {
        has_any = true;
        let (first, last) = (ordinal(row.get("first_key")?), ordinal(row.get("last_key")?));
        if let Some(range) = nodes.get_mut(first..=last) {
            range.iter_mut().for_each(|node| node.is_active = true);
        }
    }
    Ok(has_any)
}

/// Marks the path to the leaf. A cycle ends it.
fn mark_path(nodes: &mut [Node], leaf: Option<u32>) {
    let mut at = leaf;
    while let Some(node) = at.and_then(|n| nodes.get_mut(n as usize)).filter(|node| !node.is_active)
    {
        node.is_active = true;
        at = node.parent.filter(|_| !node.ends_path);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

    use rusqlite::Connection;
    use sessile::{ImportOptions, Store};

    use super::{Node, ordinal, read, reckon_depths};

    #[test]
    fn the_columns_say_what_the_views_of_the_store_say() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("sessions.db")).unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
        for name in
            ["claude/small", "codex/small", "kimi/small", "kward/tree", "kward/edge", "pi/small"]
        {
            store.import(fixtures.join(name), &ImportOptions::new()).unwrap();
        }
        let conn = Connection::open(store.path()).unwrap();
        let pairs = |sql: &str| -> BTreeMap<i64, Option<i64>> {
            let mut stmt = conn.prepare(sql).unwrap();
            let rows = stmt.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            rows.map(Result::unwrap).collect()
        };
        let parents = pairs("SELECT entry_key, parent_key FROM parents");
        let active = pairs("SELECT entry_key, 1 FROM active_branches");
        let (mut count, mut deepest) = (0, 0);
        for session in pairs("SELECT session_key, 1 FROM sessions").into_keys() {
            for (n, node) in (0..).zip(read(&conn, session).unwrap().nodes) {
                let key = session << 32 | n;
                let parent = parents[&key].map(|key| ordinal(key) as u32);
                assert_eq!(node.parent, parent, "{session} {n}");
                assert_eq!(node.is_active, active.contains_key(&key), "{session} {n}");
                count += 1;
                deepest = deepest.max(node.depth);
            }
        }
        assert_eq!(count, parents.len());
        assert!(10 < active.len() && 5 < deepest);
    }

    #[test]
    fn depths_count_what_is_above_and_end_in_a_circle() {
        let depths = |parents: &[Option<u32>]| -> Vec<u32> {
            let node = |parent: &Option<u32>| Node { parent: *parent, ..Node::default() };
            let mut nodes: Vec<Node> = parents.iter().map(node).collect();
            reckon_depths(&mut nodes);
            nodes.iter().map(|node| node.depth).collect()
        };

        assert_eq!(depths(&[None, Some(0), Some(0), Some(2)]), [0, 1, 1, 2]);
        assert_eq!(depths(&[Some(1), None]), [1, 0]);
        assert_eq!(depths(&[Some(1), Some(0), Some(0)]), [1, 0, 2]);
        assert_eq!(depths(&[Some(0)]), [0]);
    }
}
