//! A session prepared for display: messages with roles, and branches. `show`,
//! `markdown --full` and the HTML pages each format it in their own way.

use std::collections::{HashMap, VecDeque};

use anyhow::Result;
use sessile::{CapturedEntry, Message, Part, Session, SessionInfo};

/// A session with all its branches.
pub(crate) struct Conversation {
    pub(crate) info: SessionInfo,
    pub(crate) entries: Vec<CapturedEntry>,
    /// The runs of the active branch come first; each comes after its parent.
    pub(crate) runs: Vec<Run>,
    /// The runs without a parent.
    pub(crate) roots: Vec<usize>,
    /// For each run, its position among its siblings.
    places: Vec<usize>,
}

/// Consecutive entries without a fork in between.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Indexes into the entries.
    pub(crate) entries: Vec<usize>,
    /// The run whose last entry precedes the first of this one.
    pub(crate) parent: Option<usize>,
    /// The runs that follow its last entry. On the active branch, the active one
    /// comes first.
    pub(crate) children: Vec<usize>,
    pub(crate) is_active: bool,
}

impl Conversation {
    pub(crate) fn read(session: &Session) -> Result<Self> {
        let tree = session.capture_tree()?;
        let active = tree.active.entries.len();
        let mut entries = tree.active.entries;
        entries.extend(tree.others);
        let runs = Shape::of(&entries, active).runs();
        let roots: Vec<usize> = (0..runs.len()).filter(|run| runs[*run].parent.is_none()).collect();
        let mut places = vec![0; runs.len()];
        for siblings in runs.iter().map(|run| &run.children).chain([&roots]) {
            for (place, run) in siblings.iter().enumerate() {
                places[*run] = place;
            }
        }
        Ok(Self { info: tree.active.info, entries, runs, roots, places })
    }

    /// The last run of a branch, following the first child of each run.
    pub(crate) fn end_of(&self, mut run: usize) -> usize {
        while let Some(child) = self.runs[run].children.first() {
            run = *child;
        }
        run
    }

    /// The runs with the same parent as a run, and its position among them.
    pub(crate) fn siblings(&self, run: usize) -> (&[usize], usize) {
        let siblings = match self.runs[run].parent {
            Some(parent) => &self.runs[parent].children,
            None => &self.roots,
        };
        (siblings, self.places[run])
    }
}

/// Parents and children of entries, by index.
struct Shape {
    parents: Vec<Option<usize>>,
    children: Vec<Vec<usize>>,
    /// The number of entries of the active branch, which come first.
    active: usize,
}

impl Shape {
    fn of(entries: &[CapturedEntry], active: usize) -> Self {
        let places: HashMap<&str, usize> =
            entries.iter().enumerate().map(|(n, entry)| (entry.entry.id.as_str(), n)).collect();
        let parent = |(n, entry): (usize, &CapturedEntry)| match n {
            // The active branch is already in order, whatever parents its lines
            // name.
            n if n < active => n.checked_sub(1),
            n => {
                let parent = places.get(entry.entry.parent_id.as_deref()?).copied();
                parent.filter(|parent| *parent != n)
            }
        };
        Self::new(entries.iter().enumerate().map(parent).collect(), active)
    }

    fn new(parents: Vec<Option<usize>>, active: usize) -> Self {
        let mut children = vec![Vec::new(); parents.len()];
        for (n, parent) in parents.iter().enumerate() {
            if let Some(parent) = parent {
                children[*parent].push(n);
            }
        }
        Self { parents, children, active }
    }

    /// Splits the entries into runs, each in exactly one. Of several branches, those
    /// that forked off first come first. A cycle is entered at its first entry.
    fn runs(&self) -> Vec<Run> {
        let mut runs: Vec<Run> = Vec::new();
        let mut seen = vec![false; self.parents.len()];
        let roots = (0..self.parents.len()).filter(|n| self.parents[*n].is_none());
        let first_of_circles = 0..self.parents.len();
        for root in roots.chain(first_of_circles) {
            let mut todo = VecDeque::from([(root, None)]);
            while let Some((first, parent)) = todo.pop_front() {
                if seen[first] {
                    continue;
                }
                let (entries, next) = self.run(first, &mut seen);
                let run = runs.len();
                if let Some(parent) = parent {
                    let parent: &mut Run = &mut runs[parent];
                    parent.children.push(run);
                }
                runs.push(Run {
                    entries,
                    parent,
                    children: Vec::new(),
                    is_active: first < self.active,
                });
                let mut next = next.into_iter().map(|next| (next, Some(run)));
                if let Some(first) = next.next() {
                    todo.push_front(first);
                }
                todo.extend(next);
            }
        }
        runs
    }

    /// The entries from one up to the next fork, and those that follow it.
    fn run(&self, first: usize, seen: &mut [bool]) -> (Vec<usize>, Vec<usize>) {
        let mut entries = vec![first];
        let mut at = first;
        seen[first] = true;
        loop {
            let mut next = self.children[at].clone();
            next.retain(|child| !seen[*child]);
            match next[..] {
                [only] => {
                    seen[only] = true;
                    entries.push(only);
                    at = only;
                }
                _ => return (entries, next),
            }
        }
    }
}

/// The parts of a message, and who speaks.
pub(crate) struct MessageContent {
    /// The role. Some formats have results of tools in messages of the user; these
    /// get the role `tool`.
    pub(crate) speaker: String,
    pub(crate) parts: Vec<Part>,
}

impl MessageContent {
    pub(crate) fn of(message: &Message) -> Self {
        let parts = message.parts();
        let is_result = |part: &Part| matches!(part, Part::ToolResult { .. });
        let answers = |part: &Part| is_result(part) || matches!(part, Part::Image { .. });
        if parts.iter().any(is_result) && parts.iter().all(answers) {
            return Self { speaker: "tool".to_owned(), parts };
        }
        let role = message.role();
        Self { speaker: if role.is_empty() { "message".to_owned() } else { role }, parts }
    }

    /// Includes the full results of tools that a program stores in files of their
    /// own.
    pub(crate) fn whole(message: &Message, session: &Session) -> Result<Self> {
        let said = Self::of(message);
        let parts = said.parts.into_iter().map(|part| whole(session, part));
        Ok(Self { speaker: said.speaker, parts: parts.collect::<Result<_>>()? })
    }
}

fn whole(session: &Session, part: Part) -> Result<Part> {
    let Part::ToolResult { call_id, text } = &part else { return Ok(part) };
    let Some(file) = session.result_file(call_id, text)? else { return Ok(part) };
    let text = file.text.unwrap_or_else(|| {
        format!("{}\n[the rest is in {}, which is not in the store]", text.trim_end(), file.path)
    });
    Ok(Part::ToolResult { call_id: call_id.clone(), text })
}

/// Whether an entry summarises what came before it.
pub(crate) fn is_summary(entry: &CapturedEntry) -> bool {
    matches!(entry.entry.entry_type.as_str(), "compaction" | "branch_summary")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs as their entries, their parent and whether they are active.
    fn runs(parents: &[Option<usize>], active: usize) -> Vec<(Vec<usize>, Option<usize>, bool)> {
        let runs = Shape::new(parents.to_vec(), active).runs();
        runs.into_iter().map(|run| (run.entries, run.parent, run.is_active)).collect()
    }

    #[test]
    fn a_run_ends_at_a_fork_and_the_active_one_goes_on_first() {
        // 0-1-2 is active; 3 and 4 follow 0, 5 and 6 follow 4, and 7 follows 1.
        let parents = [None, Some(0), Some(1), Some(0), Some(0), Some(4), Some(4), Some(1)];

        assert_eq!(
            runs(&parents, 3),
            [
                (vec![0], None, true),
                (vec![1], Some(0), true),
                (vec![2], Some(1), true),
                (vec![3], Some(0), false),
                (vec![4], Some(0), false),
                (vec![5], Some(4), false),
                (vec![7], Some(1), false),
                (vec![6], Some(4), false),
            ]
        );
    }

    #[test]
    fn each_entry_of_a_circle_and_of_a_second_root_is_in_one_run() {
        let parents = [None, None, Some(3), Some(2), Some(3)];

        assert_eq!(
            runs(&parents, 1),
            [(vec![0], None, true), (vec![1], None, false), (vec![2, 3, 4], None, false),]
        );
    }
}
