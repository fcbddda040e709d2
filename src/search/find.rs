//! Candidates, from the index and from what it lacks, in order.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, HashSet};

use rusqlite::Connection;

use super::hits::Prover;
use super::known::Known;
use super::query::Query;
use super::{Hit, Matcher, Place, Search, SearchCursor, SearchPage};
use crate::context;
use crate::error::{Error, Result};
use crate::model::{Format, SessionKey, Timestamp};
use crate::store::standings::{self, Standing};
use crate::store::texts::{self, EntryFacts, Index, SessionFacts};
use crate::store::{Archived, entries, metadata};

/// A page of hits, unless an index is to be brought up first.
pub(super) fn page_if_whole(
    conn: &Connection,
    search: &Search,
    matcher: &Matcher,
) -> Result<Option<SearchPage>> {
    if !matches!(matcher, Matcher::Words(_)) {
        return page(conn, search, matcher).map(Some);
    }
    let Ok(standings) = standings::of(conn, &search.indexes()) else { return Ok(None) };
    if standings.iter().any(|standing| standing.is_behind) {
        return Ok(None);
    }
    page_of(conn, search, matcher, Ok(standings)).map(Some)
}

/// A page of hits.
pub(super) fn page(conn: &Connection, search: &Search, matcher: &Matcher) -> Result<SearchPage> {
    page_of(conn, search, matcher, standings::of(conn, &search.indexes()))
}

fn page_of(
    conn: &Connection,
    search: &Search,
    matcher: &Matcher,
    standings: Result<Vec<Standing>>,
) -> Result<SearchPage> {
    let mut finder = Finder {
        conn,
        search,
        prover: Prover::new(conn, search, matcher),
        among: match search.tags.is_empty() {
            true => None,
            false => Some(metadata::sessions_with(conn, &search.tags, &[])?),
        },
        indexes: search.indexes(),
        page: SearchPage::default(),
    };
    let (known, keys) = finder.named(matcher, standings)?;
    let (titles, keys): (Vec<i64>, Vec<i64>) =
        keys.into_iter().partition(|key| entries::ordinal(*key) == u32::MAX);
    finder.titles(titles, &known)?;
    let skipped = match search.after {
        Some(SearchCursor(Place::Rank(skipped))) => skipped,
        _ => 0,
    };
    let mut hits = Hits { skipped, wanted: search.limit, found: Vec::new(), is_more: false };
    let mut indexed: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
    if search.ranked {
        finder.by_rank(&keys, &known, &mut hits)?;
    } else {
        for key in keys {
            indexed.entry(key >> 32).or_default().push(key);
        }
    }
    let sources = finder.sources(indexed, &known)?;
    finder.by_time(sources, &mut hits)?;
    finder.finish(hits, search.ranked)
}

/// Hits of a page.
struct Hits {
    skipped: u64,
    wanted: u64,
    found: Vec<(Hit, Candidate)>,
    is_more: bool,
}

impl Hits {
    /// Takes a hit; says whether another is wanted.
    fn take(&mut self, hit: Hit, candidate: Candidate) -> bool {
        if 0 < self.skipped {
            self.skipped -= 1;
        } else if self.wanted != 0 && self.found.len() as u64 == self.wanted {
            self.is_more = true;
        } else {
            self.found.push((hit, candidate));
        }
        !self.is_more
    }
}

/// An entry that may be a hit; the newest is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    at: Timestamp,
    key: i64,
}

/// The candidates of a session.
struct Source {
    /// No candidate of it is later.
    latest: Timestamp,
    session: SessionKey,
    /// Where they were read already: then it is one of those asked for.
    facts: Option<SessionFacts>,
    /// Entries that the index names.
    indexed: Vec<i64>,
    /// The ordinal of the first entry that it does not hold, where there are any.
    scan_from: Option<u32>,
}

struct Finder<'a> {
    conn: &'a Connection,
    search: &'a Search,
    prover: Prover<'a>,
    /// The sessions that carry the tags that are asked for.
    among: Option<BTreeSet<i64>>,
    /// The indexes of what is searched.
    indexes: Vec<Index>,
    page: SearchPage,
}

impl Finder<'_> {
    /// Which sessions the indexes hold, and the entries that they name: in the
    /// order of keys, or of rank.
    fn named(
        &mut self,
        matcher: &Matcher,
        standings: Result<Vec<Standing>>,
    ) -> Result<(Known, Vec<i64>)> {
        let Matcher::Words(query) = matcher else { return Ok((Known::Nothing, Vec::new())) };
        match standings.and_then(|standings| self.ask_indexes(query, standings)) {
            Err(err) if err.is_of_content() => {
                let advice = "every text was read instead; rebuild the database to mend it";
                self.page.damaged.push(format!("the search index: {err}; {advice}"));
                Ok((Known::Nothing, Vec::new()))
            }
            named => named,
        }
    }

    fn ask_indexes(&self, query: &Query, standings: Vec<Standing>) -> Result<(Known, Vec<i64>)> {
        for index in &self.indexes {
            if !texts::is_whole(self.conn, *index)? {
                let detail = "it does not hold as many entries as it should".to_owned();
                return Err(Error::Damaged(detail));
            }
        }
        let keys = match self.indexes[..] {
            [index] => self.matching(index, query)?,
            _ => {
                let holding = |phrase: &Query| {
                    let found = self.indexes.iter().map(|index| self.matching(*index, phrase));
                    Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
                };
                query.entries(&holding)?.into_iter().collect()
            }
        };
        let keys = if self.search.ranked { self.ranked(query, keys)? } else { keys };
        Ok((Known::As(standings), keys))
    }

    fn matching(&self, index: Index, query: &Query) -> Result<Vec<i64>> {
        texts::matching(self.conn, index, &self.expression(index, query), self.search.session)
    }

    fn expression(&self, index: Index, query: &Query) -> String {
        let mut columns = self.search.columns();
        columns.retain(|column| index.columns().contains(column));
        query.expression(&columns)
    }

    /// Entries in the order of their rank; of several indexes, ranks add up.
    fn ranked(&self, query: &Query, mut keys: Vec<i64>) -> Result<Vec<i64>> {
        let any = query.any();
        let mut ranks: HashMap<i64, f64> = HashMap::new();
        for index in &self.indexes {
            let expression = self.expression(*index, &any);
            for (key, rank) in texts::ranks(self.conn, *index, &expression)? {
                *ranks.entry(key).or_default() += rank;
            }
        }
        let rank = |key: &i64| ranks.get(key).copied().unwrap_or_default();
        // Of two that are alike, the later.
        keys.sort_by(|one, other| rank(one).total_cmp(&rank(other)).then(other.cmp(one)));
        Ok(keys)
    }

    /// Takes the sessions whose title is a hit: of those that the index names,
    /// and those that it lacks. A title is of no role, no tool and no model, and
    /// stands on the first page; one that is the first message is found as that.
    fn titles(&mut self, named: Vec<i64>, known: &Known) -> Result<()> {
        let search = self.search;
        let is_of_someone =
            !search.roles.is_empty() || !search.tools_called.is_empty() || search.model.is_some();
        if is_of_someone || search.after.is_some() {
            return Ok(());
        }
        let mut sessions: BTreeSet<i64> = self.lacked(known)?;
        sessions.extend(named.into_iter().map(|key| key >> 32));
        let mut asked_for = Vec::new();
        for session in sessions.into_iter().map(SessionKey) {
            let Some(facts) = texts::session(self.conn, session)? else { continue };
            let at = facts.modified_at;
            let is_of_time = search.since.is_none_or(|since| since <= at)
                && search.until.is_none_or(|until| at <= until);
            if is_of_time && !facts.is_of_message && self.is_asked_for(session, &facts) {
                asked_for.push((at, session, facts));
            }
        }
        asked_for.sort_by_key(|(at, session, _)| std::cmp::Reverse((*at, *session)));
        for (_, session, facts) in asked_for {
            let title = self.prover.title(session, &facts)?;
            self.page.titles.extend(title);
            if self.page.titles.len() as u64 == search.limit {
                break;
            }
        }
        Ok(())
    }

    /// The sessions that the indexes lack, as far as they are asked for.
    fn lacked(&self, known: &Known) -> Result<BTreeSet<i64>> {
        Ok(match (self.search.session, known) {
            (Some(session), _) => BTreeSet::from([session.0]),
            (None, Known::As(standings)) => {
                let behind = standings.iter().filter(|standing| standing.is_behind);
                behind.map(|standing| standing.session.0).collect()
            }
            (None, Known::Nothing) => {
                texts::all_sessions(self.conn)?.into_iter().map(|session| session.0).collect()
            }
        })
    }

    /// The sessions that hold what the indexes name, and those that they lack,
    /// the latest last.
    fn sources(
        &mut self,
        mut indexed: BTreeMap<i64, Vec<i64>>,
        known: &Known,
    ) -> Result<Vec<Source>> {
        let all: BTreeSet<i64> = indexed.keys().copied().chain(self.lacked(known)?).collect();
        let mut sources = Vec::new();
        for session in all {
            let keys = indexed.remove(&session).unwrap_or_default();
            sources.extend(self.source(SessionKey(session), keys, known)?);
        }
        sources.sort_by_key(|source| (source.latest, source.session));
        Ok(sources)
    }

    /// The candidates of a session; `None` where it is none of those asked for.
    /// What is asked of it is left to its opening where the indexes hold it whole.
    fn source(
        &mut self,
        session: SessionKey,
        mut indexed: Vec<i64>,
        known: &Known,
    ) -> Result<Option<Source>> {
        let standing = known.standing(session);
        let held = standing.map_or(0, |standing| standing.held);
        indexed.retain(|key| entries::ordinal(*key) < held);
        if let Some(standing) = standing.filter(|standing| !standing.is_behind) {
            let latest = standing.latest;
            return Ok(Some(Source { latest, session, facts: None, indexed, scan_from: None }));
        }
        let Some(facts) = texts::session(self.conn, session)? else { return Ok(None) };
        if !self.is_asked_for(session, &facts) {
            return Ok(None);
        }
        let mut latest = standing.map_or(facts.modified_at, |standing| standing.latest);
        self.page.scanned += 1;
        texts::each_entry_from(self.conn, session, held, |entry| {
            latest = entry.created_at.map_or(latest, |at| at.max(latest));
            Ok(true)
        })?;
        Ok(Some(Source { latest, session, facts: Some(facts), indexed, scan_from: Some(held) }))
    }

    fn is_asked_for(&self, session: SessionKey, facts: &SessionFacts) -> bool {
        let search = self.search;
        let is_of_archive = match search.archived {
            Archived::Included => true,
            Archived::Only => facts.is_archived,
            Archived::Without => !facts.is_archived,
        };
        let is_of_work_dir = search.work_dirs.is_empty()
            || facts.work_dir.as_ref().is_some_and(|dir| search.work_dirs.contains(dir));
        !facts.is_trashed
            && is_of_archive
            && is_of_work_dir
            && search.format.is_none_or(|format| format == facts.format)
            && search.session.is_none_or(|only| only == session)
            && self.among.as_ref().is_none_or(|among| among.contains(&session.0))
    }

    /// Takes hits in this order.
    fn by_rank(&mut self, keys: &[i64], known: &Known, hits: &mut Hits) -> Result<()> {
        let mut sources: BTreeMap<i64, Option<(Source, SessionFacts, Filter)>> = BTreeMap::new();
        for key in keys {
            let session = SessionKey(key >> 32);
            let source = match sources.entry(session.0) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.source_of_rank(session, known)?),
            };
            let Some((source, facts, filter)) = source else { continue };
            if source.scan_from.is_some_and(|from| from <= entries::ordinal(*key)) {
                continue;
            }
            let Some(entry) = texts::entry(self.conn, *key)? else { continue };
            let Some(candidate) = self.candidate(facts, filter, &entry)? else { continue };
            if !self.prove((source.session, facts.format), candidate, hits)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A session of which the indexes name an entry.
    fn source_of_rank(
        &self,
        session: SessionKey,
        known: &Known,
    ) -> Result<Option<(Source, SessionFacts, Filter)>> {
        let Some(facts) = texts::session(self.conn, session)? else { return Ok(None) };
        if !self.is_asked_for(session, &facts) {
            return Ok(None);
        }
        let standing = known.standing(session);
        let latest = standing.map_or(facts.modified_at, |standing| standing.latest);
        let held = standing.map_or(0, |standing| standing.held);
        let is_whole = standing.is_some_and(|standing| !standing.is_behind);
        let scan_from = (!is_whole).then_some(held);
        let source = Source { latest, session, facts: None, indexed: Vec::new(), scan_from };
        Ok(Some((source, facts, self.filter(session)?)))
    }

    /// Takes hits from the latest to the earliest: a session is opened when no
    /// candidate of those that are open is later than all of its own.
    fn by_time(&mut self, mut sources: Vec<Source>, hits: &mut Hits) -> Result<()> {
        let mut heap: BinaryHeap<Candidate> = BinaryHeap::new();
        let mut open: BTreeMap<i64, Format> = BTreeMap::new();
        while !hits.is_more {
            while let Some(source) = sources
                .pop_if(|source| heap.peek().is_none_or(|candidate| candidate.at <= source.latest))
            {
                if let Some(format) = self.open(&source, &mut heap)? {
                    open.insert(source.session.0, format);
                }
            }
            let Some(candidate) = heap.pop() else { return Ok(()) };
            let session = candidate.key >> 32;
            if let Some(format) = open.get(&session) {
                self.prove((SessionKey(session), *format), candidate, hits)?;
            }
        }
        Ok(())
    }

    /// Takes in the candidates of a session; its format, if it is one of those asked for.
    fn open(
        &mut self,
        source: &Source,
        heap: &mut BinaryHeap<Candidate>,
    ) -> Result<Option<Format>> {
        if self.search.since.is_some_and(|since| source.latest < since) {
            return Ok(None);
        }
        let read;
        let facts = match &source.facts {
            Some(facts) => facts,
            None => match texts::session(self.conn, source.session)? {
                Some(facts) if self.is_asked_for(source.session, &facts) => {
                    read = facts;
                    &read
                }
                _ => return Ok(None),
            },
        };
        let filter = self.filter(source.session)?;
        for key in &source.indexed {
            if let Some(entry) = texts::entry(self.conn, *key)? {
                heap.extend(self.candidate(facts, &filter, &entry)?);
            }
        }
        if let Some(from) = source.scan_from {
            texts::each_entry_from(self.conn, source.session, from, |entry| {
                heap.extend(self.candidate(facts, &filter, &entry)?);
                Ok(true)
            })?;
        }
        Ok(Some(facts.format))
    }

    fn filter(&self, session: SessionKey) -> Result<Filter> {
        let is_on_branch = match self.search.active_branch {
            true => Some(context::branch_keys(self.conn, session)?.into_iter().collect()),
            false => None,
        };
        Ok(Filter { is_on_branch })
    }

    /// The entry as a candidate, if it is one of those asked for.
    fn candidate(
        &self,
        facts: &SessionFacts,
        filter: &Filter,
        entry: &EntryFacts,
    ) -> Result<Option<Candidate>> {
        let search = self.search;
        let at = entry.created_at.unwrap_or(facts.modified_at);
        let candidate = Candidate { at, key: entry.key };
        let is_behind = match search.after {
            Some(SearchCursor(Place::Time(at, key))) => candidate < Candidate { at, key },
            _ => true,
        };
        let is_asked_for = is_behind
            && search.since.is_none_or(|since| since <= at)
            && search.until.is_none_or(|until| at <= until)
            && (search.is_of_role(entry.role.as_deref()) || search.asks_for_answers())
            && filter.is_on_branch.as_ref().is_none_or(|branch| branch.contains(&entry.key));
        if !is_asked_for {
            return Ok(None);
        }
        if let Some(model) = &search.model {
            let own = texts::model(self.conn, entry.key)?.unwrap_or_default();
            if !own.to_lowercase().contains(model) {
                return Ok(None);
            }
        }
        Ok(Some(candidate))
    }

    /// Takes a candidate if its line bears it out; says whether another is wanted.
    fn prove(
        &mut self,
        (session, format): (SessionKey, Format),
        candidate: Candidate,
        hits: &mut Hits,
    ) -> Result<bool> {
        match self.prover.hit(session, format, candidate.key) {
            Ok(Some(hit)) => Ok(hits.take(hit, candidate)),
            Ok(None) => Ok(true),
            Err(err) if err.is_of_content() => {
                self.page.damaged.push(err.to_string());
                Ok(true)
            }
            Err(err) => Err(err),
        }
    }

    fn finish(self, hits: Hits, is_ranked: bool) -> Result<SearchPage> {
        let mut page = self.page;
        let next = hits.found.last().filter(|_| hits.is_more).map(|(_, last)| {
            let before = match self.search.after {
                Some(SearchCursor(Place::Rank(before))) => before,
                _ => 0,
            };
            SearchCursor(match is_ranked {
                true => Place::Rank(before.saturating_add(hits.found.len() as u64)),
                false => Place::Time(last.at, last.key),
            })
        });
        page.next = next;
        page.hits = hits.found.into_iter().map(|(hit, _)| hit).collect();
        Ok(page)
    }
}

/// What a session's entries are asked, beside what is asked of all.
struct Filter {
    is_on_branch: Option<HashSet<i64>>,
}
