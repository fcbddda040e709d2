//! Returns hits from the latest to the earliest, reading no more than that takes.

use std::collections::{BTreeMap, BinaryHeap, HashMap};

use super::find::{Candidate, Filter, Finder, Hits};
use super::known::IndexState;
use crate::error::Result;
use crate::model::{SessionKey, Timestamp};
use crate::store::entries;
use crate::store::standings::Standing;
use crate::store::texts::{self, SessionFacts};

/// The candidates of a session.
pub(super) struct Source {
    session: SessionKey,
    /// An upper bound: no candidate of it is later.
    last: Candidate,
    /// The session's facts if they were read already, which means that it passes the
    /// filters.
    facts: Option<SessionFacts>,
    /// The matches of the indexes; `None` if they were not asked yet.
    indexed: Option<Vec<i64>>,
    /// The largest step back in time from an entry to a later one.
    step_back: Option<i64>,
    /// The ordinal of the first entry that the indexes do not hold, if there is one.
    scan_from: Option<u32>,
}

impl Source {
    fn of(standing: &Standing, indexed: Option<Vec<i64>>) -> Self {
        let (at, key) = standing.last();
        Self {
            session: standing.session,
            last: Candidate { at, key },
            facts: None,
            indexed,
            step_back: standing.step_back,
            scan_from: None,
        }
    }
}

/// A session whose candidates are being read, the last in its log first.
struct Open {
    facts: SessionFacts,
    filter: Filter,
    /// Candidates that were not read yet, by key.
    rest: Vec<i64>,
    /// An upper bound of their times.
    latest: Timestamp,
    step_back: Option<i64>,
}

/// Candidates, and sessions that have more of them. A session's place is the latest
/// that its next candidate can have.
type Next = BinaryHeap<(Candidate, Option<usize>)>;

impl Finder<'_> {
    /// The sessions with matches in the indexes, and those that the indexes lack, the
    /// latest last. Without a query for the indexes, all that they hold.
    pub(super) fn sources(
        &mut self,
        indexed: Option<Vec<i64>>,
        known: &IndexState,
    ) -> Result<Vec<Source>> {
        let mut named: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        let mut sources: Vec<Source> = match (indexed, known) {
            (None, IndexState::As(standings)) => {
                standings.latest_first().map(|standing| Source::of(standing, None)).collect()
            }
            (keys, _) => {
                for key in keys.unwrap_or_default() {
                    named.entry(key >> 32).or_default().push(key);
                }
                Vec::new()
            }
        };
        sources.reverse();
        for session in self.lacked(known)? {
            let keys = named.remove(&session).unwrap_or_default();
            sources.extend(self.lacked_source(SessionKey(session), keys, known)?);
        }
        for (session, keys) in named {
            let standing = known.standing(SessionKey(session));
            sources.extend(standing.map(|standing| Source::of(standing, Some(keys))));
        }
        sources.sort_by_key(|source| source.last);
        Ok(sources)
    }

    /// The candidates of a session that the indexes do not hold completely; `None` if
    /// it does not pass the filters.
    fn lacked_source(
        &mut self,
        session: SessionKey,
        mut indexed: Vec<i64>,
        known: &IndexState,
    ) -> Result<Option<Source>> {
        let standing = known.standing(session);
        let held = standing.map_or(0, |standing| standing.held);
        indexed.retain(|key| entries::ordinal(*key) < held);
        let Some(facts) = texts::session(self.conn, session)? else { return Ok(None) };
        if !self.is_asked_for(session, &facts) {
            return Ok(None);
        }
        let mut latest = facts.modified_at;
        latest = standing.map_or(latest, |standing| standing.latest.max(latest));
        self.page.scanned += 1;
        texts::each_entry_from(self.conn, session, held, |entry| {
            latest = entry.created_at.map_or(latest, |at| at.max(latest));
            Ok(true)
        })?;
        Ok(Some(Source {
            session,
            last: Candidate { at: latest, key: entries::key(session, u32::MAX) },
            facts: Some(facts),
            indexed: Some(indexed),
            step_back: None,
            scan_from: Some(held),
        }))
    }

    /// Takes hits from the latest to the earliest. A session is opened when none of
    /// the open sessions can have a later candidate.
    pub(super) fn by_time(&mut self, mut sources: Vec<Source>, hits: &mut Hits) -> Result<()> {
        let mut next = Next::new();
        let mut open: Vec<Open> = Vec::new();
        let mut places: HashMap<i64, usize> = HashMap::new();
        while !hits.is_more && self.broken.is_none() {
            let first = next.peek().map(|(candidate, _)| *candidate);
            if let Some(source) =
                sources.pop_if(|source| first.is_none_or(|first| first <= source.last))
            {
                let session = source.session.0;
                if let Some(opened) = self.open(source, open.len(), &mut next)? {
                    places.insert(session, open.len());
                    open.push(opened);
                }
                continue;
            }
            match next.pop() {
                None => return Ok(()),
                Some((_, Some(place))) => self.read_on(&mut open[place], place, &mut next)?,
                Some((candidate, None)) => {
                    let session = candidate.key >> 32;
                    if let Some(place) = places.get(&session) {
                        let facts = &open[*place].facts;
                        self.prove((SessionKey(session), facts), candidate, hits)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Opens a session at a place, if it passes the filters.
    fn open(&mut self, source: Source, place: usize, next: &mut Next) -> Result<Option<Open>> {
        if self.search.since.is_some_and(|since| source.last.at < since) {
            return Ok(None);
        }
        let facts = match source.facts {
            Some(facts) => facts,
            None => match texts::session(self.conn, source.session)? {
                Some(facts) if self.is_asked_for(source.session, &facts) => facts,
                _ => return Ok(None),
            },
        };
        let rest = match source.indexed {
            Some(keys) => keys,
            None => self.keys_of(source.session)?,
        };
        if rest.is_empty() && source.scan_from.is_none() {
            return Ok(None);
        }
        let filter = self.filter(source.session)?;
        if let Some(from) = source.scan_from {
            texts::each_entry_from(self.conn, source.session, from, |entry| {
                let candidate = self.candidate(&facts, &filter, &entry)?;
                next.extend(candidate.map(|candidate| (candidate, None)));
                Ok(true)
            })?;
        }
        let latest = source.last.at;
        let mut open = Open { facts, filter, rest, latest, step_back: source.step_back };
        self.read_on(&mut open, place, next)?;
        Ok(Some(open))
    }

    /// The matches of the indexes in a session, by key.
    fn keys_of(&mut self, session: SessionKey) -> Result<Vec<i64>> {
        let Some(query) = self.query else { return Ok(Vec::new()) };
        if let Some(named) = &mut self.named {
            return Ok(named.remove(&session.0).unwrap_or_default());
        }
        let is_one = 0 < self.asks;
        let keys = self.matching(query, is_one.then_some(session), None);
        let keys = self.unless_broken(keys.map(|matching| matching.keys))?;
        if is_one {
            self.asks -= 1;
            return Ok(keys);
        }
        let mut named: HashMap<i64, Vec<i64>> = HashMap::new();
        keys.into_iter().for_each(|key| named.entry(key >> 32).or_default().push(key));
        let keys = named.remove(&session.0).unwrap_or_default();
        self.named = Some(named);
        Ok(keys)
    }

    /// Records that an index is damaged; everything is then read without it.
    fn unless_broken<T: Default>(&mut self, asked: Result<T>) -> Result<T> {
        match asked {
            Err(err) if err.is_of_content() => {
                self.broken = Some(err);
                Ok(T::default())
            }
            asked => asked,
        }
    }

    /// Reads the last candidate of a session that was not read yet.
    fn read_on(&self, open: &mut Open, place: usize, next: &mut Next) -> Result<()> {
        let Some(key) = open.rest.pop() else { return Ok(()) };
        if let Some(entry) = texts::entry(self.conn, key)? {
            let candidate = self.candidate(&open.facts, &open.filter, &entry)?;
            next.extend(candidate.map(|candidate| (candidate, None)));
            let at = entry.created_at.unwrap_or(open.facts.modified_at);
            if let Some(step) = open.step_back {
                // Earlier entries of the log are later by at most one step back.
                open.latest = open.latest.min(Timestamp(at.0.saturating_add(step)));
            }
        }
        let is_too_old = self.search.since.is_some_and(|since| open.latest < since);
        if let Some(key) = open.rest.last().filter(|_| !is_too_old) {
            next.push((Candidate { at: open.latest, key: *key }, Some(place)));
        }
        Ok(())
    }
}
