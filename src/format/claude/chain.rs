//! Finds the conversation among the nodes of a transcript.
//!
//! A leaf is chosen among the nodes that are nobody's parent, not by time, and the
//! path leads from it up to a root. A response with parallel calls consists of
//! several nodes whose results fork the tree; those that are not on the path are
//! put back after the response.

use std::collections::{HashMap, HashSet};

use super::facts::Node;

/// The nodes of a transcript, identified by the number of their record, from 0.
pub(super) struct Tree<'a> {
    records: &'a [Node],
    /// For each record, the position of its uuid, in the order of first occurrence.
    place: Vec<usize>,
    /// For each uuid, its last record, which counts.
    last: Vec<usize>,
    by_uuid: HashMap<&'a str, usize>,
}

impl<'a> Tree<'a> {
    pub(super) fn new(records: &'a [Node]) -> Self {
        let mut by_uuid = HashMap::with_capacity(records.len());
        let mut last = Vec::with_capacity(records.len());
        let mut place = Vec::with_capacity(records.len());
        for (record, node) in records.iter().enumerate() {
            let at = *by_uuid.entry(node.uuid.as_str()).or_insert(last.len());
            match last.get_mut(at) {
                Some(last) => *last = record,
                None => last.push(record),
            }
            place.push(at);
        }
        Self { records, place, last, by_uuid }
    }

    pub(super) fn has(&self, uuid: &str) -> bool {
        self.by_uuid.contains_key(uuid)
    }

    /// The position of a record's uuid, in the order of entries.
    pub(super) fn place(&self, record: usize) -> usize {
        self.place[record]
    }

    /// The record that counts for the uuid at a position.
    pub(super) fn last(&self, place: usize) -> Option<usize> {
        self.last.get(place).copied()
    }

    /// Whether a record is the one that counts for its uuid.
    pub(super) fn counts(&self, record: usize) -> bool {
        self.last[self.place[record]] == record
    }

    pub(super) fn find(&self, uuid: &str) -> Option<usize> {
        self.by_uuid.get(uuid).map(|place| self.last[*place])
    }

    pub(super) fn parent(&self, record: usize) -> Option<usize> {
        self.find(self.records[record].parent.as_deref()?)
    }

    /// The last node of the conversation.
    pub(super) fn leaf(&self) -> Option<usize> {
        let mut is_named = vec![false; self.last.len()];
        for parent in self.records.iter().filter_map(|node| node.parent.as_deref()) {
            if let Some(place) = self.by_uuid.get(parent) {
                is_named[*place] = true;
            }
        }
        let mut above = Nearest { tree: self, known: vec![Known::Not; self.last.len()] };
        let ends = (0..self.records.len()).filter(|record| !is_named[self.place[*record]]);
        let candidates: Vec<usize> = ends.filter_map(|end| above.message(end)).collect();
        let mut main =
            candidates.iter().filter(|record| self.records[**record].is_main()).peekable();
        match main.peek() {
            Some(_) => self.best(main.copied()),
            None => self.best(candidates.iter().copied()),
        }
    }

    /// The first of those whose last record comes last.
    fn best(&self, candidates: impl Iterator<Item = usize>) -> Option<usize> {
        let mut best: Option<(usize, usize)> = None;
        for record in candidates {
            let stands = self.last[self.place[record]];
            if best.is_none_or(|(_, before)| before < stands) {
                best = Some((record, stands));
            }
        }
        best.map(|(record, _)| record)
    }

    /// The last node of an agent's conversation: its last message.
    pub(super) fn agent_leaf(&self) -> Option<usize> {
        self.records.iter().rposition(|node| node.kind.is_message())
    }

    /// The path from a root to a record.
    pub(super) fn path(&self, leaf: usize) -> Vec<usize> {
        let mut seen = HashSet::new();
        let mut path = Vec::new();
        let mut next = Some(leaf);
        while let Some(record) = next.filter(|record| seen.insert(self.place[*record])) {
            path.push(record);
            next = self.parent(record);
        }
        path.reverse();
        path
    }

    /// A path with the nodes of parallel calls put back.
    pub(super) fn put_back(&self, path: Vec<usize>) -> Vec<usize> {
        let missing = Missing::new(self, &path).behind();
        if missing.is_empty() {
            return path;
        }
        let with = |record: usize| {
            let behind = missing.get(&record).into_iter().flatten().copied();
            std::iter::once(record).chain(behind)
        };
        path.into_iter().flat_map(with).collect()
    }
}

#[derive(Clone, Copy)]
enum Known {
    Not,
    /// On the path that is being walked.
    Met,
    Yes(Option<usize>),
}

/// Finds the nearest message at or above a node, once for each node.
struct Nearest<'t, 'a> {
    tree: &'t Tree<'a>,
    known: Vec<Known>,
}

impl Nearest<'_, '_> {
    fn message(&mut self, record: usize) -> Option<usize> {
        let tree = self.tree;
        if tree.records[record].kind.is_message() {
            return Some(record);
        }
        // The record itself may be an earlier one of its uuid.
        let own = tree.place[record];
        let mut way = Vec::new();
        let mut next = tree.parent(record).filter(|parent| tree.place[*parent] != own);
        let mut found = None;
        while let Some(record) = next {
            let place = tree.place[record];
            match self.known[place] {
                Known::Yes(known) => found = known,
                Known::Met => {}
                Known::Not if tree.records[record].kind.is_message() => found = Some(record),
                Known::Not => {
                    self.known[place] = Known::Met;
                    way.push(place);
                    next = tree.parent(record);
                    continue;
                }
            }
            break;
        }
        for place in way {
            self.known[place] = Known::Yes(found);
        }
        found
    }
}

/// The nodes of responses on a path that the path itself lacks.
struct Missing<'t, 'a> {
    tree: &'t Tree<'a>,
    path: &'t [usize],
    /// Positions that are on the path, or were put back.
    seen: HashSet<usize>,
    /// The records of each response, by its id.
    responses: HashMap<&'a str, Vec<usize>>,
    /// Who made each call; `None` if two responses claim it.
    owners: HashMap<&'a str, Option<usize>>,
    /// The answers that may belong to a node, by its position.
    answers: HashMap<usize, Vec<usize>>,
}

impl<'t, 'a> Missing<'t, 'a> {
    fn new(tree: &'t Tree<'a>, path: &'t [usize]) -> Self {
        let seen = path.iter().map(|record| tree.place[*record]).collect();
        let (responses, owners, answers) = Default::default();
        Self { tree, path, seen, responses, owners, answers }
    }

    /// What is missing, by the record after which it is put back.
    fn behind(mut self) -> HashMap<usize, Vec<usize>> {
        let records = self.tree.records;
        let of_response = |record: &usize| Some((records[*record].message_id.as_deref()?, *record));
        let anchors: HashMap<&str, usize> = self.path.iter().filter_map(of_response).collect();
        let mut missing = HashMap::new();
        if anchors.is_empty() {
            return missing;
        }
        self.index();
        let mut done = HashSet::new();
        for (message_id, record) in self.path.iter().filter_map(of_response) {
            if !done.insert(message_id) {
                continue;
            }
            let found = self.of_response(message_id, record);
            if !found.is_empty() {
                self.seen.extend(found.iter().map(|record| self.tree.place[*record]));
                missing.insert(anchors[message_id], found);
            }
        }
        missing
    }

    /// Finds out who made which call, and who may own each answer.
    fn index(&mut self) {
        let records = self.tree.records;
        for &record in &self.tree.last {
            let node = &records[record];
            let Some(message_id) = node.message_id.as_deref() else { continue };
            self.responses.entry(message_id).or_default().push(record);
            for (call_id, _) in &node.calls {
                let owner = self.owners.entry(call_id).or_insert(Some(record));
                let is_same = |owner: usize| records[owner].message_id == node.message_id;
                *owner = owner.filter(|owner| is_same(*owner)).map(|_| record);
            }
        }
        for &record in &self.tree.last {
            let node = &records[record];
            let Some(parent) = node.parent.as_deref().filter(|_| is_answer(node)) else { continue };
            let mut owners = Vec::new();
            owners.extend(self.tree.by_uuid.get(parent).copied());
            let said = node.source.as_deref().and_then(|source| self.tree.find(source));
            let called = node.answers.iter();
            let called = called.filter_map(|answer| *self.owners.get(&answer.call_id[..])?);
            let by_content = said.into_iter().chain(called);
            let by_content = by_content.filter(|owner| is_same_writer(node, &records[*owner]));
            owners.extend(by_content.map(|owner| self.tree.place[owner]));
            for owner in owners {
                self.answers.entry(owner).or_default().push(record);
            }
        }
    }

    /// What is missing of a response: its other nodes, then their answers.
    fn of_response(&self, message_id: &str, record: usize) -> Vec<usize> {
        let (tree, records) = (self.tree, self.tree.records);
        let itself = vec![record];
        let group = self.responses.get(message_id).unwrap_or(&itself);
        let members: HashSet<usize> = group.iter().map(|record| tree.place[*record]).collect();
        let is_missing = |record: &usize| !self.seen.contains(&tree.place[*record]);
        let mut parts: Vec<usize> = group.iter().copied().filter(is_missing).collect();
        let mut collected = HashSet::new();
        let (mut answers, mut strays) = (Vec::new(), Vec::new());
        for member in group {
            let indexed = self.answers.get(&tree.place[*member]).into_iter().flatten();
            for &answer in indexed.filter(|answer| is_missing(answer)) {
                if !collected.insert(answer) {
                    continue;
                }
                let parent = records[answer].parent.as_deref();
                let parent = parent.and_then(|parent| tree.by_uuid.get(parent));
                let is_child = parent.is_some_and(|parent| members.contains(parent));
                if is_child { &mut answers } else { &mut strays }.push(answer);
            }
        }
        if !strays.is_empty() {
            strays.sort_by_key(|record| tree.place[*record]);
            self.take_strays(&members, strays, &mut answers);
        }
        let timestamp = |record: &usize| &records[*record].timestamp[..];
        parts.sort_by(|one, other| timestamp(one).cmp(timestamp(other)));
        answers.sort_by(|one, other| timestamp(one).cmp(timestamp(other)));
        parts.append(&mut answers);
        parts
    }

    /// Takes answers from elsewhere whose call has no other answer.
    fn take_strays(&self, members: &HashSet<usize>, strays: Vec<usize>, answers: &mut Vec<usize>) {
        let records = self.tree.records;
        let calls = |record: &usize| records[*record].answers.iter().map(|one| &one.call_id[..]);
        let mut answered: HashSet<&str> = self.path.iter().flat_map(calls).collect();
        answered.extend(answers.iter().flat_map(calls));
        for stray in strays {
            let is_open = |call_id: &str| {
                let owner = self.owners.get(call_id).copied().flatten();
                !answered.contains(call_id)
                    && owner.is_some_and(|owner| members.contains(&self.tree.place[owner]))
            };
            if calls(&stray).any(is_open) {
                answered.extend(calls(&stray));
                answers.push(stray);
            }
        }
    }
}

/// Whether a node is a user's message with a tool's answer.
fn is_answer(node: &Node) -> bool {
    node.kind == super::facts::Kind::User && node.is_answer
}

/// Whether two nodes were written by the same agent.
fn is_same_writer(one: &Node, other: &Node) -> bool {
    one.is_sidechain == other.is_sidechain && one.agent == other.agent
}
