//! A session's tree as rows to draw, in the way its program draws it.

use std::collections::HashMap;

use rusqlite::Connection;

use crate::context::{self, Node};
use crate::error::Result;
use crate::format::{Answering, NamedModel, TreeText};
use crate::model::{SessionKey, Stored, as_object};
use crate::store::{entries, heads, labels, paths, sessions};

/// The most levels that are drawn; deeper branches stay at the last level.
///
/// The prefix of a row takes memory for each level.
const MAX_DEPTH: usize = 200;

/// An entry as a row of a drawn tree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TreeRow {
    /// The entry's id.
    pub entry_id: String,
    /// Its parent in the tree, even if that is not shown; `None` for a root.
    pub parent_id: Option<String>,
    /// Who speaks: `tool` for a tool result, `compaction`, `summary` for a branch
    /// summary, `message` if no role is named, else the role as stored.
    pub role: String,
    /// The model that produced the answer; `None` for entries that are no answer, and
    /// where no line names the model.
    pub model: Option<String>,
    /// A preview of its text. For a tool result, the call that it answers.
    pub text: String,
    /// Whether it is the leaf.
    pub current: bool,
    /// Level of indentation, at most 200. Consecutive turns are on the same level.
    pub depth: usize,
    /// Whether it is the last row of its parent.
    pub is_last: bool,
    /// For each level of the prefix, whether an ancestor's vertical line continues
    /// there.
    pub ancestor_continues: Vec<bool>,
    /// Whether it is on the active branch.
    pub active_path: bool,
    /// Its label.
    pub label: Option<String>,
    /// When the label was set, as stored.
    pub labelled_at: Option<Stored>,
    /// The lines to draw to the left of it, three characters per level.
    pub prefix: String,
}

as_object! { TreeRow {
    entry_id, parent_id, role, model, text, current, depth, is_last, ancestor_continues, active_path,
    label, labelled_at, prefix,
} }

/// The rows of a session's tree, from top to bottom.
pub(crate) fn tree_rows(conn: &Connection, session: SessionKey) -> Result<Vec<TreeRow>> {
    let nodes = context::tree(conn, session)?;
    let (mut shown, named) = read_shown(conn, session, &nodes)?;
    let leaf_id = heads::head(conn, session)?.leaf_id;
    let forest = Forest::new(&nodes, leaf_id.as_deref(), &shown);
    let mut models = models(named, &forest.parents, &shown);
    let mut labels: HashMap<String, (String, Option<Stored>)> = labels::labels(conn, session)?
        .into_iter()
        .map(|label| (label.target_id, (label.label, label.labelled_at)))
        .collect();
    let rows = forest.draw().into_iter().map(|place| {
        let n = place.node;
        let label = labels.remove(&nodes[n].id);
        let (label, labelled_at) = label.map_or((None, None), |(text, at)| (Some(text), at));
        TreeRow {
            entry_id: nodes[n].id.clone(),
            parent_id: forest.parents[n].map(|parent| nodes[parent].id.clone()),
            role: std::mem::take(&mut shown[n].role),
            model: models[n].take(),
            text: std::mem::take(&mut shown[n].text),
            current: leaf_id.as_deref() == Some(&nodes[n].id),
            depth: place.depth,
            is_last: place.is_last,
            prefix: place.prefix(),
            ancestor_continues: place.continues,
            active_path: forest.active[n],
            label,
            labelled_at,
        }
    });
    Ok(rows.collect())
}

/// Reads what is shown of each node. A tool result shows its call.
fn read_shown(
    conn: &Connection,
    session: SessionKey,
    nodes: &[Node],
) -> Result<(Vec<TreeText>, Vec<Option<NamedModel>>)> {
    let (source, _) =
        sessions::place(conn, session)?.ok_or_else(|| sessions::not_found(session))?;
    let place: HashMap<&str, usize> =
        nodes.iter().enumerate().map(|(n, node)| (node.id.as_str(), n)).collect();
    let mut shown: Vec<TreeText> = nodes.iter().map(|_| TreeText::default()).collect();
    let mut named = vec![None; nodes.len()];
    let mut calls = HashMap::new();
    let keys = (0..entries::count(conn, session)?).map(|n| entries::key(session, n));
    paths::each_record(conn, &keys.collect::<Vec<i64>>(), |entry, record| {
        if let Some(&n) = place.get(entry.entry_id()?.as_str()) {
            shown[n] = source.format.meaning().tree_text(record);
            named[n] = source.format.meaning().model(record);
            calls.extend(std::mem::take(&mut shown[n].calls));
        }
        Ok(())
    })?;
    for shown in &mut shown {
        if let Some(label) = shown.call_id.as_ref().and_then(|id| calls.get(id)) {
            shown.text.clone_from(label);
        }
    }
    Ok((shown, named))
}

/// The model of each node; parents come before their children.
fn models(
    named: Vec<Option<NamedModel>>,
    parents: &[Option<usize>],
    shown: &[TreeText],
) -> Vec<Option<String>> {
    let mut paths: Vec<Answering> = Vec::with_capacity(named.len());
    let mut models = Vec::with_capacity(named.len());
    for (n, named) in named.into_iter().enumerate() {
        let mut path = parents[n].map(|parent| paths[parent].clone()).unwrap_or_default();
        models.push(path.next(named, Some(&shown[n].role)));
        paths.push(path);
    }
    models
}

/// The visible part of a tree, with nodes numbered depth first.
struct Forest {
    /// The parent in the tree.
    parents: Vec<Option<usize>>,
    active: Vec<bool>,
    /// Visible children, in drawing order.
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

/// The position of a row in the drawing.
#[derive(Clone)]
struct Place {
    node: usize,
    depth: usize,
    /// Whether a connector is drawn to it.
    connected: bool,
    /// Whether it has siblings.
    grouped: bool,
    is_last: bool,
    has_children: bool,
    continues: Vec<bool>,
}

impl Forest {
    fn new(nodes: &[Node], leaf_id: Option<&str>, shown: &[TreeText]) -> Self {
        let mut parents = vec![None; nodes.len()];
        let mut above: Vec<usize> = Vec::new();
        for (n, node) in nodes.iter().enumerate() {
            above.truncate(node.depth);
            parents[n] = above.last().copied();
            above.push(n);
        }
        let leaf = leaf_id.and_then(|id| nodes.iter().position(|node| node.id == id));
        let mut active = vec![false; nodes.len()];
        let mut at = leaf;
        while let Some(n) = at {
            active[n] = true;
            at = parents[n];
        }
        let mut children: Vec<Vec<usize>> = vec![Vec::new(); nodes.len()];
        let mut roots = Vec::new();
        for (n, parent) in parents.iter().enumerate() {
            parent.map_or(&mut roots, |parent| &mut children[parent]).push(n);
        }
        let hidden: Vec<bool> =
            (0..nodes.len()).map(|n| shown[n].only_calls && leaf != Some(n)).collect();
        // Each hidden node is passed once: its row is below one that is shown, or a root.
        let visible = |siblings: &[usize]| {
            let mut list = Vec::new();
            let mut todo: Vec<usize> = siblings.iter().rev().copied().collect();
            while let Some(n) = todo.pop() {
                if hidden[n] { todo.extend(children[n].iter().rev()) } else { list.push(n) }
            }
            // The active child first, the others in file order.
            list.sort_by_key(|&n| !active[n]);
            list
        };
        let roots = visible(&roots);
        let of_shown = |n: usize| if hidden[n] { Vec::new() } else { visible(&children[n]) };
        let children = (0..nodes.len()).map(of_shown).collect();
        Self { parents, active, children, roots }
    }

    fn draw(&self) -> Vec<Place> {
        let several_roots = 1 < self.roots.len();
        let top = Place {
            node: 0,
            depth: 0,
            connected: false,
            grouped: several_roots,
            is_last: true,
            has_children: false,
            continues: Vec::new(),
        };
        let mut drawn: Vec<Place> = Vec::new();
        let mut todo = Vec::new();
        self.push(&self.roots, &top, &mut todo);
        while let Some(place) = todo.pop() {
            let children = &self.children[place.node];
            let several = 1 < children.len();
            let mut below = Place {
                depth: MAX_DEPTH.min(place.depth + usize::from(several || place.grouped)),
                connected: several,
                grouped: several,
                ..place.clone()
            };
            if let Some(own) = place.depth.checked_sub(1).filter(|_| place.connected) {
                below.continues[own] = !place.is_last;
            }
            below.continues.resize(below.depth, false);
            self.push(children, &below, &mut todo);
            drawn.push(place);
        }
        drawn
    }

    /// Pushes siblings onto a stack, the first on top.
    fn push(&self, siblings: &[usize], like: &Place, todo: &mut Vec<Place>) {
        let last = siblings.last().copied();
        todo.extend(siblings.iter().rev().map(|&node| Place {
            node,
            is_last: Some(node) == last,
            has_children: !self.children[node].is_empty(),
            ..like.clone()
        }));
    }
}

impl Place {
    fn prefix(&self) -> String {
        let own = self.depth.checked_sub(1).filter(|_| self.connected);
        let mut prefix = String::new();
        for (level, &continues) in self.continues.iter().enumerate() {
            prefix.push_str(match (own == Some(level), continues) {
                (true, _) => match (self.is_last, self.has_children) {
                    (false, true) => "├⊟ ",
                    (false, false) => "├─ ",
                    (true, true) => "└⊟ ",
                    (true, false) => "└─ ",
                },
                (false, true) => "│  ",
                (false, false) => "   ",
            });
        }
        prefix
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_below_calls_that_follow_one_another_are_held_once() {
        // Each call has the next one and its own result as children, in this order.
        let calls = 1_000;
        let called = (0..calls).map(|n| (format!("call {n}"), n));
        let answered = (0..calls).rev().map(|n| (format!("result {n}"), n + 1));
        let nodes: Vec<Node> = called
            .chain(answered)
            .map(|(id, depth)| Node { id, depth, children: Vec::new() })
            .collect();
        let shown: Vec<TreeText> = (0..nodes.len())
            .map(|n| TreeText { only_calls: n < calls, ..TreeText::default() })
            .collect();

        let forest = Forest::new(&nodes, None, &shown);

        assert_eq!(forest.roots, (calls..2 * calls).collect::<Vec<_>>());
        let held: usize = forest.children.iter().map(Vec::capacity).sum();
        assert!(held <= nodes.len(), "{held}");
    }
}
