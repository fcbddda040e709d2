//! Returns hits by rank.

use std::cmp::Ordering;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BinaryHeap};

use super::find::{Filter, Finder, Hits};
use super::known::IndexState;
use super::query::Query;
use crate::error::Result;
use crate::model::SessionKey;
use crate::store::texts::{self, SessionFacts};
use crate::store::{entries, standings};

/// Entries, the best match on top.
pub(super) type Ranked = BinaryHeap<OfRank>;

/// An entry and its rank; a smaller rank is better. The best is the greatest; of two
/// with the same rank, the later.
pub(super) struct OfRank {
    rank: f64,
    key: i64,
}

impl Ord for OfRank {
    fn cmp(&self, other: &Self) -> Ordering {
        other.rank.total_cmp(&self.rank).then(self.key.cmp(&other.key))
    }
}

impl PartialOrd for OfRank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for OfRank {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for OfRank {}

/// A session with matches in the indexes.
struct Opened {
    /// The first ordinal that the indexes do not hold.
    held: u32,
    facts: SessionFacts,
    filter: Filter,
}

impl Finder<'_> {
    /// The matches by rank; the ranks of several indexes are added.
    pub(super) fn ranked(&self, query: &Query) -> Result<Ranked> {
        let any = query.any();
        let mut ranks: Vec<(i64, f64)> = Vec::new();
        for index in &self.indexes {
            ranks.extend(texts::ranks(self.conn, *index, &self.expression(*index, &any))?);
        }
        if 1 < self.indexes.len() {
            ranks.sort_by_key(|(key, _)| *key);
            ranks.dedup_by(|(key, rank), (kept, sum)| {
                let is_same = key == kept;
                if is_same {
                    *sum += *rank;
                }
                is_same
            });
        }
        let only = self.search.session;
        let is_all = any == *query && only.is_none();
        let keys = if is_all { None } else { Some(self.matching(query, only, None)?.keys) };
        Ok(match keys {
            None => ranks.into_iter().map(|(key, rank)| OfRank { rank, key }).collect(),
            Some(keys) => {
                let rank = |key: &i64| {
                    let n = ranks.binary_search_by_key(key, |(key, _)| *key);
                    n.map_or(0.0, |n| ranks[n].1)
                };
                keys.into_iter().map(|key| OfRank { rank: rank(&key), key }).collect()
            }
        })
    }

    /// Takes hits by rank.
    pub(super) fn by_rank(
        &mut self,
        mut keys: Ranked,
        known: &IndexState,
        hits: &mut Hits,
    ) -> Result<()> {
        let mut sessions: BTreeMap<i64, Option<Opened>> = BTreeMap::new();
        while let Some(OfRank { key, .. }) = keys.pop() {
            let session = SessionKey(key >> 32);
            let opened = match sessions.entry(session.0) {
                Entry::Occupied(opened) => opened.into_mut(),
                Entry::Vacant(new) => new.insert(self.opened(session, known.standing(session))?),
            };
            let Some(Opened { held, facts, filter }) = opened else { continue };
            if *held <= entries::ordinal(key) {
                continue;
            }
            let Some(entry) = texts::entry(self.conn, key)? else { continue };
            let Some(candidate) = self.candidate(facts, filter, &entry)? else { continue };
            if !self.prove((session, facts), candidate, hits)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn opened(
        &self,
        session: SessionKey,
        standing: Option<&standings::Standing>,
    ) -> Result<Option<Opened>> {
        let Some(facts) = texts::session(self.conn, session)? else { return Ok(None) };
        if !self.is_asked_for(session, &facts) {
            return Ok(None);
        }
        let held = standing.map_or(0, |standing| standing.held);
        Ok(Some(Opened { held, facts, filter: self.filter(session)? }))
    }
}
