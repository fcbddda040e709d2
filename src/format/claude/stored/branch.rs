//! Determines from the rows the conversation that ends at another entry than
//! before.
//!
//! Two paths through a tree have a common beginning. Everything on it stays as it
//! is, including what was put back, up to the response in which the paths part;
//! that response and everything after it are determined again. This requires that
//! the nodes and answers of each response are contiguous, as the program writes
//! them. A session that violates this is marked [`IS_KNOTTED`].

use std::collections::{BTreeMap, HashSet};

use rusqlite::Connection;

use super::facts_of_line;
use crate::error::{Error, Result};
use crate::format::claude::chain::Tree;
use crate::format::claude::facts::{Kind, Node};
use crate::model::{SessionKey, Stored};
use crate::store::ranges::{self, Range};
use crate::store::runs::{self, Stretch};
use crate::store::{entries, log, paths};

/// Marks a session whose responses are not contiguous.
pub(super) const IS_KNOTTED: &str = "knotted";

/// The number of entries of two paths that are compared first; eight times as many
/// after that.
const WINDOW: usize = 256;

/// Where the conversation is to end.
#[derive(Clone, Copy)]
pub(super) struct BranchEnd<'n> {
    /// The last existing entry on the path.
    pub(super) above: Option<i64>,
    /// A node after it that is no entry yet, and the key that it will get.
    pub(super) new: Option<(i64, &'n Node)>,
}

/// The active branch of a session.
#[derive(Clone, Copy)]
pub(super) struct Branch<'a> {
    pub(super) conn: &'a Connection,
    pub(super) session: SessionKey,
    /// Whether it is an agent's, in which nothing is put back.
    pub(super) is_agent: bool,
}

/// The new part of the path to an end.
struct NewPart {
    /// The last entry before it.
    kept: Option<i64>,
    /// The entries, in the order of the branch.
    keys: Vec<i64>,
    messages: i64,
    /// Whether any of them is not on the path itself.
    is_aside: bool,
}

impl Branch<'_> {
    /// Changes the end of the branch from `leaf`; returns its number of messages,
    /// given the former number, `messages`.
    pub(super) fn turn(&self, leaf: Option<i64>, end: BranchEnd<'_>, messages: i64) -> Result<i64> {
        let shared = match (leaf, end.above) {
            (Some(leaf), Some(above)) => self.shared(leaf, above)?,
            _ => None,
        };
        let kept = match shared {
            Some(shared) if !self.is_agent => self.before_response(shared)?,
            shared => shared,
        };
        let behind = self.behind(kept, end)?;
        let left = self.cut(leaf, kept, messages)?;
        self.go_on(&behind)?;
        Ok(left + behind.messages)
    }

    /// The last entry that the paths to two entries have in common. Parents come
    /// before their children.
    fn shared(&self, one: i64, other: i64) -> Result<Option<i64>> {
        let mut window = WINDOW;
        loop {
            let [one, other] = [one, other].map(|end| runs::stretches(self.conn, end, window));
            let (one, other) = (one?, other?);
            let length = |path: &[Stretch]| path.iter().map(|part| part.len()).sum::<usize>();
            let shared = last_shared(&one, &other);
            let low = |path: &[Stretch]| path.first().map(|part| part.first);
            // The rest of a path comes before what is known of it.
            let ends_above = |path: &[Stretch], other: &[Stretch]| {
                length(path) < window && low(other) <= low(path)
            };
            if shared.is_some() || ends_above(&one, &other) || ends_above(&other, &one) {
                return Ok(shared);
            }
            window = window.saturating_mul(8);
        }
    }

    /// The entry before the response that an entry belongs to; if it belongs to none,
    /// the entry itself.
    fn before_response(&self, entry: i64) -> Result<Option<i64>> {
        let mut response: Option<(String, i64)> = None;
        let mut is_over = false;
        let mut walked = Ok(());
        paths::walk_up(self.conn, entry, |step| {
            if step.entry_type != "message" {
                return Ok(true);
            }
            match self.node(step.entry_key) {
                Ok(node) if is_answer(&node) => {}
                Ok(Node { message_id: Some(id), .. })
                    if response.as_ref().is_none_or(|(known, _)| *known == id) =>
                {
                    response = Some((id, step.entry_key));
                }
                Ok(_) => is_over = true,
                Err(err) => (walked, is_over) = (Err(err), true),
            }
            Ok(!is_over)
        })?;
        walked?;
        match response {
            None => Ok(Some(entry)),
            Some((_, first)) => runs::parent(self.conn, first),
        }
    }

    /// What follows an entry on the path to an end, including what is put back.
    fn behind(&self, kept: Option<i64>, end: BranchEnd<'_>) -> Result<NewPart> {
        let mut path = match end.above {
            Some(above) if end.above != kept => self.path_between(kept, above)?,
            _ => Vec::new(),
        };
        let mut nodes = BTreeMap::new();
        for key in &path {
            nodes.insert(*key, self.node(*key)?);
        }
        if let Some((key, node)) = end.new {
            path.push(key);
            nodes.insert(key, node.clone());
        }
        let length = path.len();
        if !self.is_agent {
            self.add_responses(&mut nodes)?;
        }
        let (keys, nodes): (Vec<i64>, Vec<Node>) = nodes.into_iter().unzip();
        let place = |key: i64| keys.binary_search(&key).ok();
        let mut branch: Vec<usize> = path.into_iter().filter_map(place).collect();
        if !self.is_agent {
            branch = Tree::new(&nodes).put_back(branch);
        }
        let is_message = |at: &&usize| {
            let node = &nodes[**at];
            node.kind.is_message() && (self.is_agent || node.is_main())
        };
        Ok(NewPart {
            kept,
            messages: branch.iter().filter(is_message).count() as i64,
            is_aside: length < branch.len(),
            keys: branch.into_iter().map(|at| keys[at]).collect(),
        })
    }

    /// The entries after one on the path to another, root first.
    fn path_between(&self, kept: Option<i64>, to: i64) -> Result<Vec<i64>> {
        let mut stretches = Vec::new();
        runs::each_stretch(self.conn, to, |stretch| {
            let is_last = kept.is_some_and(|kept| stretch.first <= kept);
            let first = kept.filter(|_| is_last).map_or(stretch.first, |kept| kept + 1);
            stretches.push(first..=stretch.last);
            Ok(!is_last)
        })?;
        Ok(stretches.into_iter().rev().flatten().collect())
    }

    /// Adds the other nodes of the responses among these nodes, and their answers.
    fn add_responses(&self, nodes: &mut BTreeMap<i64, Node>) -> Result<()> {
        let mut responses: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for (key, node) in &*nodes {
            if let Some(id) = &node.message_id {
                responses.entry(id.clone()).or_default().push(*key);
            }
        }
        for (id, mut parts) in responses {
            let stored = Stored::Text(id.clone());
            for key in entries::entries_by_message_id(self.conn, self.session, &stored)? {
                let node = self.node(key)?;
                if node.message_id.as_ref() == Some(&id) && !nodes.contains_key(&key) {
                    nodes.insert(key, node);
                    parts.push(key);
                }
            }
            for part in parts {
                self.add_answers(part, nodes)?;
            }
        }
        Ok(())
    }

    /// Adds the answers below a node; nodes in between that are no messages are
    /// skipped.
    fn add_answers(&self, part: i64, nodes: &mut BTreeMap<i64, Node>) -> Result<()> {
        let mut todo = runs::children(self.conn, part)?;
        while let Some(key) = todo.pop() {
            let node = self.node(key)?;
            if !node.kind.is_message() {
                todo.extend(runs::children(self.conn, key)?);
            } else if is_answer(&node) {
                nodes.entry(key).or_insert(node);
            }
        }
        Ok(())
    }

    /// Removes what follows an entry from the branch that ends at `leaf`; returns how
    /// many of its messages are left.
    fn cut(&self, leaf: Option<i64>, kept: Option<i64>, messages: i64) -> Result<i64> {
        let (conn, session) = (self.conn, self.session);
        let Some(kept) = kept else {
            ranges::clear(conn, session)?;
            return Ok(0);
        };
        let Some(leaf) = leaf.filter(|leaf| *leaf != kept) else { return Ok(messages) };
        let way = self.path_between(Some(kept), leaf)?;
        let cut = match (ranges::before(conn, session, i64::MAX)?, way.first()) {
            (Some(_), Some(first)) => ranges::cut(conn, session, *first)?,
            _ => ranges::joined(way),
        };
        let mut left = messages;
        for Range { first, last, .. } in cut {
            left -= entries::count_with_role(conn, first, last)?;
        }
        Ok(left)
    }

    /// Extends a branch that ends with what was kept.
    fn go_on(&self, behind: &NewPart) -> Result<()> {
        let (conn, session) = (self.conn, self.session);
        let is_stored = ranges::before(conn, session, i64::MAX)?.is_some();
        if is_stored && !behind.is_aside && self.is_path(behind.kept)? {
            // The branch is the path to the leaf again.
            ranges::clear(conn, session)?;
        } else if is_stored {
            ranges::extend(conn, session, &behind.keys)?;
        } else if behind.is_aside {
            let kept = behind.kept.map(|kept| runs::stretches(conn, kept, usize::MAX));
            let kept = kept.transpose()?.unwrap_or_default();
            let kept = kept.into_iter().map(|part| part.first..=part.last);
            let all = kept.flatten().chain(behind.keys.iter().copied());
            ranges::insert(conn, session, &ranges::joined(all))?;
        }
        Ok(())
    }

    /// Whether the stored branch is the path to its last entry.
    fn is_path(&self, last: Option<i64>) -> Result<bool> {
        let Some(last) = last else { return Ok(true) };
        let (conn, session) = (self.conn, self.session);
        let (mut position, mut range, mut is_path) = (i64::MAX, None, true);
        runs::each_stretch(conn, last, |mut part| {
            while is_path && part.first <= part.last {
                if range.is_none() {
                    let before = ranges::before(conn, session, position)?;
                    range = before.map(|(at, range)| {
                        position = at;
                        Stretch { first: range.first, last: range.last }
                    });
                }
                let Some(known) = range.filter(|known| known.last == part.last) else {
                    is_path = false;
                    break;
                };
                let first = known.first.max(part.first);
                part.last = first - 1;
                range = (known.first < first).then_some(Stretch { last: part.last, ..known });
            }
            Ok(is_path)
        })?;
        Ok(is_path && range.is_none() && ranges::before(conn, session, position)?.is_none())
    }

    pub(super) fn node(&self, key: i64) -> Result<Node> {
        let line = log::record(self.conn, entries::place(self.conn, key)?)?;
        let node = facts_of_line(&line).and_then(|facts| facts.node);
        node.ok_or_else(|| {
            Error::Damaged(format!("the line of entry {key} is not a node; rebuild the store"))
        })
    }
}

/// Whether a node is a user's message with a tool's answer.
pub(super) fn is_answer(node: &Node) -> bool {
    node.kind == Kind::User && node.is_answer
}

/// The last key in both of two paths, root first.
fn last_shared(one: &[Stretch], other: &[Stretch]) -> Option<i64> {
    let (mut one, mut other) = (one.iter().rev().peekable(), other.iter().rev().peekable());
    while let (Some(a), Some(b)) = (one.peek(), other.peek()) {
        let last = a.last.min(b.last);
        if a.first.max(b.first) <= last {
            return Some(last);
        }
        if a.last < b.last {
            other.next()
        } else {
            one.next()
        };
    }
    None
}

/// Whether the nodes and answers of the responses in a transcript are not contiguous.
/// They are if each node of a response has another directly above it, unless it is
/// the first, and each answer is below its call, whose id is unique and which has no
/// other answer. Parents come first.
pub(super) fn is_knotted(nodes: &[Node], tree: &Tree<'_>, is_agent: bool) -> bool {
    let parents: Vec<Option<usize>> = (0..nodes.len()).map(|record| tree.parent(record)).collect();
    if parents.iter().enumerate().any(|(at, parent)| parent.is_some_and(|parent| at <= parent)) {
        return true;
    }
    if is_agent {
        return false;
    }
    let mut callers = BTreeMap::new();
    for (at, node) in nodes.iter().enumerate() {
        if node.calls.iter().any(|(call, _)| callers.insert(&call[..], at).is_some()) {
            return true;
        }
    }
    let mut found: Vec<(Option<usize>, Option<usize>)> = Vec::with_capacity(nodes.len());
    let (mut responses, mut answered) = (HashSet::new(), HashSet::new());
    for (node, parent) in nodes.iter().zip(parents) {
        let (message, speech) = match parent {
            None => (None, None),
            Some(parent) if !nodes[parent].kind.is_message() => found[parent],
            Some(parent) if is_answer(&nodes[parent]) => (Some(parent), found[parent].1),
            Some(parent) => (Some(parent), Some(parent)),
        };
        found.push((message, speech));
        if let Some(id) = &node.message_id
            && !responses.insert(id)
            && speech.and_then(|at| nodes[at].message_id.as_ref()) != Some(id)
        {
            return true;
        }
        let is_elsewhere = |at: Option<usize>| at.is_some() && at != message;
        if node.source.as_deref().is_some_and(|source| is_elsewhere(tree.find(source)))
            || node.answers.iter().any(|answer| {
                let call = &answer.call_id[..];
                !answered.insert(call) || is_elsewhere(callers.get(call).copied())
            })
        {
            return true;
        }
    }
    false
}
