//! The shape of a tree: parents, children and cycles.

use rusqlite::Connection;

use crate::error::Result;
use crate::model::{SessionKey, as_object};
use crate::store::entries;
use crate::store::runs::{self, NO_PARENT};

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

as_object! { Node { id, depth, children, } }

pub(crate) fn tree(conn: &Connection, session: SessionKey) -> Result<Vec<Node>> {
    let mut nodes = Vec::new();
    each_node(conn, session, |node| {
        nodes.push(node);
        Ok(())
    })?;
    Ok(nodes)
}

/// Calls `each` for every node of a tree, depth first.
///
/// The shape takes a few numbers per entry. Ids are read when they are needed,
/// because they might not all fit into memory.
pub(crate) fn each_node(
    conn: &Connection,
    session: SessionKey,
    mut each: impl FnMut(Node) -> Result<()>,
) -> Result<()> {
    let mut parents = runs::parents(conn, session)?;
    // Cutting each cycle at its first entry leaves a forest.
    for ordinal in cycles(&parents) {
        parents[ordinal as usize] = NO_PARENT;
    }
    let shape = Shape::of(&parents);
    drop(parents);
    let id = |ordinal: u32| entries::entry_id(conn, entries::key(session, ordinal));
    // The next node to visit, and its depth; its later siblings follow it.
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

/// A tree by the ordinals of its entries; [`NO_PARENT`] means none.
struct Shape {
    first_root: Option<u32>,
    first_child: Vec<u32>,
    next_sibling: Vec<u32>,
}

impl Shape {
    fn of(parents: &[u32]) -> Self {
        let mut first_root = None;
        let mut first_child = vec![NO_PARENT; parents.len()];
        let mut next_sibling = vec![NO_PARENT; parents.len()];
        // In reverse order: each is put in front of the siblings that follow it.
        for (n, parent) in parents.iter().enumerate().rev() {
            let ordinal = n as u32;
            let next = match first_child.get_mut(*parent as usize) {
                Some(first_child) => std::mem::replace(first_child, ordinal),
                None => first_root.replace(ordinal).unwrap_or(NO_PARENT),
            };
            next_sibling[n] = next;
        }
        Self { first_root, first_child, next_sibling }
    }
}

/// The first entry of each cycle, given each entry's parent or [`NO_PARENT`].
///
/// Uses ordinals, four bytes per entry: a log of gigabytes has millions.
pub(crate) fn cycles(parent_of: &[u32]) -> Vec<u32> {
    let parent = |at: u32| parent_of.get(at as usize).copied().filter(|&at| at != NO_PARENT);
    // The walk in which each entry was first visited.
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
        // 1 -> 3 -> 2 -> 1, with 4 below it; 5 -> 6 -> 5; 7 -> 8, a chain.
        let parents = [NO_PARENT, 3, 1, 2, 3, 6, 5, 8, NO_PARENT];

        assert_eq!(cycles(&parents), [1, 5]);
    }
}
