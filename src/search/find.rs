//! Finds candidates, in the index and among what it lacks, in order.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use rusqlite::Connection;

use super::hits::Prover;
use super::known::IndexState;
use super::query::Query;
use super::{Hit, Matcher, Place, Search, SearchCursor, SearchPage};
use crate::context;
use crate::error::{Error, Result};
use crate::model::{SessionKey, Timestamp};
use crate::store::memory::Memory;
use crate::store::standings::Standings;
use crate::store::texts::{self, EntryFacts, Index, SessionFacts};
use crate::store::{Archived, titles};

/// A page of hits, unless an index has to be brought up to date first.
pub(super) fn page_if_whole(
    conn: &Connection,
    memory: &Memory,
    search: &Search,
    matcher: &Matcher,
) -> Result<Option<SearchPage>> {
    if !matches!(matcher, Matcher::Words(_)) {
        return page(conn, memory, search, matcher).map(Some);
    }
    let Ok(standings) = memory.standings(conn, &search.indexes()) else { return Ok(None) };
    let is_asked_for = |session| search.session.is_none_or(|only| only == session);
    if standings.behind().any(|standing| is_asked_for(standing.session)) {
        return Ok(None);
    }
    page_of(conn, search, matcher, Ok(standings)).map(Some)
}

/// A page of hits.
pub(super) fn page(
    conn: &Connection,
    memory: &Memory,
    search: &Search,
    matcher: &Matcher,
) -> Result<SearchPage> {
    page_of(conn, search, matcher, memory.standings(conn, &search.indexes()))
}

fn page_of(
    conn: &Connection,
    search: &Search,
    matcher: &Matcher,
    standings: Result<Arc<Standings>>,
) -> Result<SearchPage> {
    let mut finder = Finder {
        conn,
        search,
        query: match matcher {
            Matcher::Words(query) => Some(query),
            Matcher::Pattern(_) => None,
        },
        prover: Prover::new(conn, search, matcher),
        among: search.narrowing.sessions(conn)?,
        indexes: search.indexes(),
        asks: 0,
        named: None,
        broken: None,
        page: SearchPage::default(),
    };
    let (known, named) = finder.named(standings)?;
    finder.titles(named.titles, &known)?;
    let skipped = match search.after {
        Some(SearchCursor(Place::Rank(skipped))) => skipped,
        _ => 0,
    };
    let mut hits = Hits { skipped, wanted: search.limit, found: Vec::new(), is_more: false };
    let indexed = match named.entries {
        Entries::Ranked(keys) => {
            finder.by_rank(keys, &known, &mut hits)?;
            Some(Vec::new())
        }
        Entries::All(keys) => Some(keys),
        Entries::Many => None,
    };
    let sources = finder.sources(indexed, &known)?;
    finder.by_time(sources, &mut hits)?;
    match finder.broken.take() {
        None => finder.finish(hits, search.ranked),
        // From here on the index is not used.
        Some(err) => page_of(conn, search, matcher, Err(err)),
    }
}

/// The hits of a page.
pub(super) struct Hits {
    skipped: u64,
    wanted: u64,
    found: Vec<(Hit, Candidate)>,
    pub(super) is_more: bool,
}

impl Hits {
    /// Adds a hit; returns whether another is wanted.
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

/// An entry that may be a hit. The newest is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) at: Timestamp,
    pub(super) key: i64,
}

/// What the indexes found.
#[derive(Default)]
struct Named {
    entries: Entries,
    /// Sessions whose titles match.
    titles: Vec<SessionKey>,
}

enum Entries {
    /// All matching entries, by key.
    All(Vec<i64>),
    /// So many that asking for those of the latest sessions, one by one, is faster.
    Many,
    Ranked(super::ranked::Ranked),
}

impl Default for Entries {
    fn default() -> Self {
        Self::All(Vec::new())
    }
}

/// Matching entries in the indexes.
pub(super) struct Matching {
    /// By key.
    pub(super) keys: Vec<i64>,
    /// If a limit was reached, the last key; what is after it is not known.
    last: Option<i64>,
}

/// How many matches are read before asking whether there are many more. It takes a
/// quarter of a millisecond.
const MANY: usize = 1_000;

/// How many matches can be read in the time that asking for those of one session
/// takes.
const OF_AN_ASK: usize = 100;

/// Sessions that a page may need. If all matches can be read faster, they are.
const FEW_ASKS: usize = 30;

pub(super) struct Finder<'a> {
    pub(super) conn: &'a Connection,
    pub(super) search: &'a Search,
    /// The query for the indexes, if they can be used.
    pub(super) query: Option<&'a Query>,
    pub(super) prover: Prover<'a>,
    /// The sessions with the origin, tags and metadata that are asked for.
    among: Option<BTreeSet<i64>>,
    /// The indexes to search.
    pub(super) indexes: Vec<Index>,
    /// How many single sessions may still be asked for, so that it takes no longer
    /// than asking for all at once.
    pub(super) asks: usize,
    /// The matches by session, once all were read.
    pub(super) named: Option<HashMap<i64, Vec<i64>>>,
    /// The error of an index, if one was damaged.
    pub(super) broken: Option<Error>,
    pub(super) page: SearchPage,
}

impl Finder<'_> {
    /// Which sessions the indexes hold, and what they found.
    fn named(&mut self, standings: Result<Arc<Standings>>) -> Result<(IndexState, Named)> {
        let Some(query) = self.query else { return Ok((IndexState::Nothing, Named::default())) };
        let named = standings.and_then(|standings| {
            let named = self.ask_indexes(query, &standings)?;
            Ok((IndexState::As(standings), named))
        });
        match named {
            Err(err) if err.is_of_content() => {
                let advice = "every text was read instead; rebuild the database to repair it";
                self.page.damaged.push(format!("the search index: {err}; {advice}"));
                Ok((IndexState::Nothing, Named::default()))
            }
            named => named,
        }
    }

    fn ask_indexes(&mut self, query: &Query, standings: &Standings) -> Result<Named> {
        let only = self.search.session;
        // FTS5 reads all words with a prefix at once, however few matches are
        // wanted.
        let is_cut = only.is_none() && !query.has_beginnings();
        let entries = if self.search.ranked {
            Entries::Ranked(self.ranked(query)?)
        } else {
            match self.matching(query, only, is_cut.then_some(MANY))? {
                Matching { keys, last: None } => Entries::All(keys),
                Matching { keys, last: Some(last) } => {
                    let all = standings.estimate(keys.len(), SessionKey(last >> 32));
                    self.asks = all / OF_AN_ASK;
                    if self.asks < FEW_ASKS {
                        Entries::All(self.matching(query, only, None)?.keys)
                    } else {
                        Entries::Many
                    }
                }
            }
        };
        let titles = if self.is_of_someone() || self.search.after.is_some() {
            Vec::new()
        } else {
            titles::matching(self.conn, &query.terms(), only)?
        };
        Ok(Named { entries, titles })
    }

    /// The matching entries by key, of one session or of all. For each phrase that is
    /// looked up, no more than the limit.
    pub(super) fn matching(
        &self,
        query: &Query,
        only: Option<SessionKey>,
        limit: Option<usize>,
    ) -> Result<Matching> {
        let last = Cell::new(None);
        let matching = |index: Index, query: &Query| {
            let expression = self.expression(index, query);
            let keys = texts::matching(self.conn, index, &expression, only, limit)?;
            if limit == Some(keys.len()) {
                last.set(keys.last().copied().into_iter().chain(last.get()).min());
            }
            Ok(keys)
        };
        let keys = match self.indexes[..] {
            [index] => matching(index, query)?,
            _ => {
                let holding = |phrase: &Query| {
                    let found = self.indexes.iter().map(|index| matching(*index, phrase));
                    Ok(found.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
                };
                query.entries(&holding)?.into_iter().collect()
            }
        };
        Ok(Matching { keys, last: last.get() })
    }

    pub(super) fn expression(&self, index: Index, query: &Query) -> String {
        let mut columns = self.search.columns();
        columns.retain(|column| index.columns().contains(column));
        query.expression(&columns)
    }

    /// Whether the search is restricted to a role, tool or model, which titles do not
    /// have.
    pub(super) fn is_of_someone(&self) -> bool {
        let search = self.search;
        !search.roles.is_empty() || !search.tools_called.is_empty() || search.model.is_some()
    }

    /// The sessions that the indexes lack, among those that are searched.
    pub(super) fn lacked(&self, known: &IndexState) -> Result<BTreeSet<i64>> {
        let is_asked_for =
            |session: &SessionKey| self.search.session.is_none_or(|only| only == *session);
        let lacked: Vec<SessionKey> = match known {
            IndexState::As(standings) => {
                standings.behind().map(|standing| standing.session).collect()
            }
            IndexState::Nothing => texts::all_sessions(self.conn)?,
        };
        Ok(lacked.into_iter().filter(is_asked_for).map(|session| session.0).collect())
    }

    pub(super) fn is_asked_for(&self, session: SessionKey, facts: &SessionFacts) -> bool {
        let search = self.search;
        let is_of_archive = match search.archived {
            Archived::Included => true,
            Archived::Only => facts.is_archived,
            Archived::Without => !facts.is_archived,
        };
        !facts.is_trashed
            && is_of_archive
            && search.work_dirs.include(facts.work_dir.as_deref())
            && search.format.is_none_or(|format| format == facts.format)
            && search.session.is_none_or(|only| only == session)
            && self.among.as_ref().is_none_or(|among| among.contains(&session.0))
    }

    pub(super) fn filter(&self, session: SessionKey) -> Result<Filter> {
        let is_on_branch = if self.search.active_branch {
            Some(context::branch_keys(self.conn, session)?.into_iter().collect())
        } else {
            None
        };
        Ok(Filter { is_on_branch })
    }

    /// The entry as a candidate, if it passes the filters.
    pub(super) fn candidate(
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

    /// Adds a candidate if its line matches; returns whether another is wanted.
    pub(super) fn prove(
        &mut self,
        (session, facts): (SessionKey, &SessionFacts),
        candidate: Candidate,
        hits: &mut Hits,
    ) -> Result<bool> {
        match self.prover.hit(session, facts, candidate.key) {
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
            SearchCursor(if is_ranked {
                Place::Rank(before.saturating_add(hits.found.len() as u64))
            } else {
                Place::Time(last.at, last.key)
            })
        });
        page.next = next;
        page.hits = hits.found.into_iter().map(|(hit, _)| hit).collect();
        Ok(page)
    }
}

/// The filters that apply to the entries of one session.
pub(super) struct Filter {
    is_on_branch: Option<HashSet<i64>>,
}
