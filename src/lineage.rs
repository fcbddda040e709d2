//! Sessions listed under the sessions that they were cloned or forked from.

use std::collections::HashMap;

use crate::error::Result;
use crate::model::as_object;
use crate::store::{SessionFilter, SessionRow, Store, listing, sessions};

/// A session in a list that is arranged as a tree.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SessionNode {
    /// What the list shows of it.
    pub session: SessionRow,
    /// 0 for a session without a parent in the list.
    pub depth: usize,
    /// Whether it is the last of its siblings.
    pub is_last: bool,
    /// For each ancestor below the top level, topmost first: whether it has later
    /// siblings, so that its vertical line continues to the left of this row.
    pub ancestor_continues: Vec<bool>,
}

as_object! { SessionNode { session, depth, is_last, ancestor_continues, } }

impl Store {
    /// Lists sessions as [`sessions`](Self::sessions) does, each under its parent
    /// session.
    ///
    /// Siblings keep the list's order. A session whose parent is not in the page is
    /// at the top level, and so is one that is its own ancestor. If several sessions
    /// have the same id, the first gets the children.
    ///
    /// # Errors
    ///
    /// Those of [`sessions`](Self::sessions).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # let original = store.create(&sessile::NewSession::new("/home/me/project"))?;
    /// # original.clone_session()?;
    /// use sessile::SessionFilter;
    ///
    /// let project = SessionFilter::new().work_dir("/home/me/project");
    /// let rows = store.recent_tree(&project)?;
    ///
    /// for row in &rows {
    ///     println!("{}{}", "  ".repeat(row.depth), row.session.title.as_deref().unwrap_or("Untitled"));
    /// }
    /// assert_eq!(rows[1].depth, 1); // the copy
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn recent_tree(&self, filter: &SessionFilter) -> Result<Vec<SessionNode>> {
        self.read(|conn| {
            let rows = listing::select_page(conn, filter)?.rows;
            let mut parent_ids = Vec::with_capacity(rows.len());
            for row in &rows {
                parent_ids.push(sessions::parent_session_id(conn, row.key)?);
            }
            let parents = parents(&rows, &parent_ids);
            Ok(arrange(rows, &parents))
        })
    }
}

/// The index of each row's parent in the list.
fn parents(rows: &[SessionRow], parent_ids: &[Option<String>]) -> Vec<Option<usize>> {
    let mut place: HashMap<&str, usize> = HashMap::new();
    for (n, row) in rows.iter().enumerate() {
        if let Some(id) = &row.session_id {
            place.entry(id).or_insert(n);
        }
    }
    let mut parents: Vec<Option<usize>> =
        parent_ids.iter().map(|id| place.get(named(id)?).copied()).collect();
    cut_circles(&mut parents);
    parents
}

/// The parent's id, unless it is absent or empty.
fn named(id: &Option<String>) -> Option<&str> {
    id.as_deref().filter(|id| !id.is_empty())
}

/// Removes the parent of every row that is its own ancestor.
fn cut_circles(parents: &mut [Option<usize>]) {
    // The walk in which each row was first visited.
    let mut met = vec![usize::MAX; parents.len()];
    for walk in 0..parents.len() {
        let mut at = walk;
        while met[at] == usize::MAX {
            met[at] = walk;
            let Some(parent) = parents[at] else { break };
            at = parent;
        }
        // A walk that returned to itself has found a cycle. Rows that were cut have
        // no parent.
        if met[at] == walk {
            while let Some(parent) = parents[at].take() {
                at = parent;
            }
        }
    }
}

fn arrange(rows: Vec<SessionRow>, parents: &[Option<usize>]) -> Vec<SessionNode> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    let mut top = Vec::new();
    for (n, parent) in parents.iter().enumerate() {
        match parent {
            Some(parent) => children[*parent].push(n),
            None => top.push(n),
        }
    }
    let mut rows: Vec<Option<SessionRow>> = rows.into_iter().map(Some).collect();
    let mut tree = Vec::with_capacity(rows.len());
    // Row, depth, whether it is the last of its siblings, and the same for each
    // ancestor.
    let mut todo: Vec<(usize, usize, bool, Vec<bool>)> = Vec::new();
    let push = |todo: &mut Vec<_>, siblings: &[usize], depth, continues: &[bool]| {
        for (n, &row) in siblings.iter().enumerate().rev() {
            todo.push((row, depth, n + 1 == siblings.len(), continues.to_vec()));
        }
    };
    push(&mut todo, &top, 0, &[]);
    while let Some((n, depth, is_last, ancestor_continues)) = todo.pop() {
        let mut below = ancestor_continues.clone();
        if 0 < depth {
            below.push(!is_last);
        }
        push(&mut todo, &children[n], depth + 1, &below);
        if let Some(session) = rows[n].take() {
            tree.push(SessionNode { session, depth, is_last, ancestor_continues });
        }
    }
    tree
}

#[cfg(test)]
mod tests {
    use super::cut_circles;

    #[test]
    fn rows_that_descend_from_themselves_lose_their_parents_and_no_others_do() {
        // 0 -> 1 -> 2 -> 0, 3 -> 0; 4 -> 4; 5 -> 6, a plain chain.
        let mut parents = [Some(1), Some(2), Some(0), Some(0), Some(4), Some(6), None].to_vec();

        cut_circles(&mut parents);

        assert_eq!(parents, [None, None, None, Some(0), None, Some(6), None]);
    }
}
