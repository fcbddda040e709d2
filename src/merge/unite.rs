//! Unites two sequences that continue one beginning.
//!
//! The order depends only on the content of the two, not on which of them is ours:
//! by time, keeping the order within each side, children after their parents, ties
//! broken by digest.

use std::collections::{HashMap, HashSet};

use crate::model::Timestamp;

/// An element of a sequence: a line, or an event.
#[derive(Clone, Debug, Default)]
pub(super) struct Item {
    /// The digest of its content.
    pub(super) digest: [u8; 32],
    /// Its time. An item without one belongs to the item before it.
    pub(super) at: Option<Timestamp>,
    /// The entries that it makes, and their parents.
    pub(super) ids: Vec<String>,
    pub(super) parents: Vec<String>,
}

/// Where an item of the union comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Ours(usize),
    Theirs(usize),
}

/// The union of two sequences; `None` if ours contains all of theirs.
///
/// Repeated items within one sequence are different items.
pub(super) fn unite(ours: &[Item], theirs: &[Item]) -> Option<Vec<Piece>> {
    let (ours, theirs) = (Side::new(ours), Side::new(theirs));
    if theirs.keys.iter().all(|key| ours.at.contains_key(key)) {
        return None;
    }
    if ours.keys.iter().all(|key| theirs.at.contains_key(key)) {
        let pieces = theirs.keys.iter().enumerate();
        return Some(pieces.map(|(n, key)| here_or_there(&ours, key, n)).collect());
    }
    Some(interleave(ours, theirs))
}

/// Ours if both have it, because its bytes are already here.
fn here_or_there(ours: &Side<'_>, key: &Key, theirs: usize) -> Piece {
    ours.at.get(key).map_or(Piece::Theirs(theirs), |n| Piece::Ours(*n))
}

/// The content of an item, and how often it occurred before on its side.
type Key = ([u8; 32], u32);

struct Side<'a> {
    items: &'a [Item],
    keys: Vec<Key>,
    at: HashMap<Key, usize>,
    /// The index of the first item that is not in the union yet.
    next: usize,
    /// The last time that was seen.
    time: Option<Timestamp>,
    /// For each entry, how many of the remaining items make it.
    pending: HashMap<&'a str, u32>,
}

impl<'a> Side<'a> {
    fn new(items: &'a [Item]) -> Self {
        let mut said = HashMap::new();
        let mut keys = Vec::with_capacity(items.len());
        let mut pending = HashMap::new();
        for item in items {
            let nth = said.entry(item.digest).or_insert(0_u32);
            keys.push((item.digest, *nth));
            *nth += 1;
            item.ids.iter().for_each(|id| *pending.entry(id.as_str()).or_insert(0) += 1);
        }
        let at = keys.iter().enumerate().map(|(n, key)| (*key, n)).collect();
        Self { items, keys, at, next: 0, time: None, pending }
    }

    /// Skips items that are in the union, and returns the next one.
    fn head(&mut self, taken: &HashSet<Key>) -> Option<usize> {
        while self.keys.get(self.next).is_some_and(|key| taken.contains(key)) {
            self.pass();
        }
        (self.next < self.items.len()).then_some(self.next)
    }

    fn pass(&mut self) {
        let item = &self.items[self.next];
        self.time = item.at.or(self.time);
        for id in &item.ids {
            if let Some(left) = self.pending.get_mut(id.as_str()) {
                *left = left.saturating_sub(1);
            }
        }
        self.next += 1;
    }

    fn makes(&self, id: &str) -> bool {
        self.pending.get(id).is_some_and(|left| 0 < *left)
    }

    /// Whether the parent of the next item is still to come from the other side.
    fn waits_for(&self, other: &Side<'_>) -> bool {
        let item = &self.items[self.next];
        item.parents.iter().any(|id| other.makes(id) && !self.makes(id))
    }

    fn is_timeless(&self) -> bool {
        self.items[self.next].at.is_none()
    }

    fn rank(&self) -> (Option<Timestamp>, Key) {
        (self.items[self.next].at.or(self.time), self.keys[self.next])
    }
}

fn interleave(mut ours: Side<'_>, mut theirs: Side<'_>) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(ours.items.len() + theirs.items.len());
    let mut taken = HashSet::new();
    // The sides that had the item which was taken last.
    let mut last = (false, false);
    loop {
        let (here, there) = (ours.head(&taken), theirs.head(&taken));
        let (is_here, is_there) = match (here, there) {
            (None, None) => return pieces,
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(here), Some(there)) if ours.keys[here] == theirs.keys[there] => (true, true),
            (Some(_), Some(_)) => {
                let is_here = comes_first(&ours, &theirs, last);
                (is_here, !is_here)
            }
        };
        last = (is_here, is_there);
        let (side, n) = if is_here { (&ours, ours.next) } else { (&theirs, theirs.next) };
        let key = side.keys[n];
        pieces.push(if is_here { Piece::Ours(n) } else { here_or_there(&ours, &key, n) });
        taken.insert(key);
    }
}

/// Whether our next item comes before theirs.
fn comes_first(ours: &Side<'_>, theirs: &Side<'_>, last: (bool, bool)) -> bool {
    match (ours.waits_for(theirs), theirs.waits_for(ours)) {
        (true, false) => return false,
        (false, true) => return true,
        _ => {}
    }
    match (last.0 && ours.is_timeless(), last.1 && theirs.is_timeless()) {
        (true, false) => true,
        (false, true) => false,
        _ => ours.rank() < theirs.rank(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(digest: u8, at: i64) -> Item {
        Item { digest: [digest; 32], at: Some(Timestamp(at)), ..Item::default() }
    }

    fn digests(ours: &[Item], theirs: &[Item]) -> Option<Vec<u8>> {
        let of = |piece| match piece {
            Piece::Ours(n) => &ours[n],
            Piece::Theirs(n) => &theirs[n],
        };
        Some(unite(ours, theirs)?.into_iter().map(|piece| of(piece).digest[0]).collect())
    }

    /// Checks the union in both directions, which must be equal.
    #[track_caller]
    fn check_union(ours: &[Item], theirs: &[Item], expected: &[u8]) {
        assert_eq!(digests(ours, theirs).as_deref(), Some(expected));
        assert_eq!(digests(theirs, ours).as_deref(), Some(expected));
    }

    #[test]
    fn time_decides_then_the_digest() {
        check_union(&[item(1, 1), item(4, 4)], &[item(2, 2), item(3, 3)], &[1, 2, 3, 4]);
        check_union(&[item(9, 1)], &[item(2, 1)], &[2, 9]);
    }

    #[test]
    fn each_side_keeps_its_order() {
        check_union(&[item(1, 9), item(2, 1)], &[item(3, 5)], &[3, 1, 2]);
    }

    #[test]
    fn what_both_have_is_there_once_and_what_one_has_twice_is_twice() {
        check_union(&[item(1, 1), item(2, 2)], &[item(2, 2), item(3, 3)], &[1, 2, 3]);
        check_union(
            &[item(1, 1), item(1, 1), item(2, 2)],
            &[item(1, 1), item(3, 3)],
            &[1, 1, 2, 3],
        );
    }

    #[test]
    fn what_is_held_changes_nothing() {
        assert_eq!(unite(&[item(1, 1), item(2, 2)], &[item(2, 2)]), None);
        assert_eq!(digests(&[item(2, 2)], &[item(1, 1), item(2, 2)]), Some(vec![1, 2]));
    }

    #[test]
    fn a_child_comes_behind_its_parent() {
        let parent = Item { ids: vec!["p".to_owned()], ..item(1, 9) };
        let child = Item { parents: vec!["p".to_owned()], ..item(2, 1) };

        check_union(&[child.clone(), item(3, 3)], &[parent, item(4, 9)], &[1, 2, 3, 4]);
    }

    #[test]
    fn what_has_no_time_stays_with_what_is_before_it() {
        let timeless = |digest| Item { at: None, ..item(digest, 0) };

        check_union(
            &[item(1, 1), timeless(9), item(5, 5)],
            &[item(2, 2), timeless(8), timeless(7)],
            &[1, 9, 2, 8, 7, 5],
        );
        check_union(&[timeless(1), timeless(9)], &[timeless(2), timeless(3)], &[1, 9, 2, 3]);
    }
}
