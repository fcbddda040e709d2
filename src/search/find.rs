//! Candidates, from the index and from what it lacks, in order.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashSet};

use rusqlite::Connection;

use super::hits::Prover;
use super::{Hit, Matcher, Place, Search, SearchCursor, SearchPage};
use crate::context;
use crate::error::{Error, Result};
use crate::model::{SessionKey, Timestamp};
use crate::store::texts::{self, EntryFacts, SessionFacts};
use crate::store::{Archived, entries, metadata};

/// A page of hits.
pub(super) fn page(conn: &Connection, search: &Search, matcher: &Matcher) -> Result<SearchPage> {
    let mut finder = Finder {
        conn,
        search,
        prover: Prover::new(conn, search, matcher),
        among: match search.tags.is_empty() {
            true => None,
            false => Some(metadata::sessions_with(conn, &search.tags, &[])?),
        },
        page: SearchPage::default(),
    };
    let ranked = match matcher {
        Matcher::Words(query) if search.ranked => Some(query.expression(&search.columns())),
        _ => None,
    };
    let (known, mut left) = finder.sources(matcher, ranked.is_some())?;
    let skipped = match search.after {
        Some(SearchCursor(Place::Rank(skipped))) => skipped,
        _ => 0,
    };
    let none = || Hits { skipped, wanted: search.limit, found: Vec::new(), is_more: false };
    let mut hits = none();
    if let Some(expression) = ranked {
        match finder.by_rank(&expression, &known, &mut hits) {
            Err(err) if err.is_of_content() => {
                finder.distrust(&err);
                left = finder.all_of(BTreeMap::new(), &Known::Nothing)?;
                hits = none();
            }
            taken => taken?,
        }
    }
    finder.by_time(left, &mut hits)?;
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
    facts: SessionFacts,
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
    page: SearchPage,
}

impl Finder<'_> {
    /// The sessions that may hold hits, the latest last; in order of rank, only
    /// what the index does not hold. With them, the sessions that it holds.
    fn sources(&mut self, matcher: &Matcher, is_ranked: bool) -> Result<(Known, Vec<Source>)> {
        let mut indexed: BTreeMap<i64, Vec<i64>> = BTreeMap::new();
        let known = match matcher {
            Matcher::Pattern(_) => Known::Nothing,
            Matcher::Words(query) => {
                match self.ask_index(&query.expression(&self.search.columns()), is_ranked) {
                    Ok((known, keys)) => {
                        for key in keys {
                            indexed.entry(key >> 32).or_default().push(key);
                        }
                        known
                    }
                    Err(err) if err.is_of_content() => {
                        self.distrust(&err);
                        Known::Nothing
                    }
                    Err(err) => return Err(err),
                }
            }
        };
        let sources = self.all_of(indexed, &known)?;
        Ok((known, sources))
    }

    /// Notes that the index cannot be believed.
    fn distrust(&mut self, err: &Error) {
        let advice = "every text was read instead; rebuild the database to mend it";
        self.page.damaged.push(format!("the search index: {err}; {advice}"));
    }

    /// The sessions that hold what the index names, and those that it lacks.
    fn all_of(
        &mut self,
        mut indexed: BTreeMap<i64, Vec<i64>>,
        known: &Known,
    ) -> Result<Vec<Source>> {
        let behind = match (self.search.session, known) {
            (Some(session), _) => BTreeSet::from([session.0]),
            (None, Known::AllBut(behind)) => behind.clone(),
            (None, Known::Nothing) => {
                texts::all_sessions(self.conn)?.into_iter().map(|session| session.0).collect()
            }
        };
        let all: BTreeSet<i64> = indexed.keys().copied().chain(behind).collect();
        let mut sources = Vec::new();
        for session in all {
            let keys = indexed.remove(&session).unwrap_or_default();
            sources.extend(self.source(SessionKey(session), keys, known)?);
        }
        sources.sort_by_key(|source| (source.latest, source.session));
        Ok(sources)
    }

    /// What the index does not hold, and what it finds.
    fn ask_index(&self, expression: &str, is_ranked: bool) -> Result<(Known, Vec<i64>)> {
        if !texts::is_whole(self.conn)? {
            let detail = "it does not hold as many entries as it should".to_owned();
            return Err(Error::Damaged(detail));
        }
        let behind = texts::behind(self.conn)?.into_iter().map(|session| session.0).collect();
        let keys = if is_ranked {
            Vec::new()
        } else {
            texts::matching(self.conn, expression, self.search.session)?
        };
        Ok((Known::AllBut(behind), keys))
    }

    /// The candidates of a session; `None` where it is none of those asked for.
    fn source(
        &mut self,
        session: SessionKey,
        mut indexed: Vec<i64>,
        known: &Known,
    ) -> Result<Option<Source>> {
        let Some(facts) = texts::session(self.conn, session)? else { return Ok(None) };
        if !self.is_asked_for(session, &facts) {
            return Ok(None);
        }
        let mut latest = facts.modified_at;
        let mark = match known {
            Known::AllBut(_) => texts::mark(self.conn, session)?.filter(|mark| !mark.is_stale),
            Known::Nothing => None,
        };
        let held = mark.as_ref().map_or(0, |mark| mark.entries);
        indexed.retain(|key| entries::ordinal(*key) < held);
        latest = mark.and_then(|mark| mark.newest_at).map_or(latest, |at| at.max(latest));
        let scan_from = known.lacks(session).then_some(held);
        if let Some(from) = scan_from {
            self.page.scanned += 1;
            texts::each_entry_from(self.conn, session, from, |entry| {
                latest = entry.created_at.map_or(latest, |at| at.max(latest));
                Ok(true)
            })?;
        }
        Ok(Some(Source { latest, session, facts, indexed, scan_from }))
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

    /// Takes hits in the order of the index's rank.
    fn by_rank(&mut self, expression: &str, known: &Known, hits: &mut Hits) -> Result<()> {
        if matches!(known, Known::Nothing) {
            return Ok(());
        }
        let mut sources: BTreeMap<i64, Option<(Source, Filter)>> = BTreeMap::new();
        texts::each_ranked(self.conn, expression, |key| {
            let session = SessionKey(key >> 32);
            let known = match sources.entry(session.0) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(new) => new.insert(self.source_of_rank(session)?),
            };
            let Some((source, filter)) = known else { return Ok(true) };
            if source.scan_from.is_some_and(|from| from <= entries::ordinal(key)) {
                return Ok(true);
            }
            let Some(entry) = texts::entry(self.conn, key)? else { return Ok(true) };
            let Some(candidate) = self.candidate(source, filter, &entry)? else { return Ok(true) };
            self.prove(source, candidate, hits)
        })
    }

    /// A session of which the index names an entry: what it holds of it.
    fn source_of_rank(&self, session: SessionKey) -> Result<Option<(Source, Filter)>> {
        let Some(facts) = texts::session(self.conn, session)? else { return Ok(None) };
        if !self.is_asked_for(session, &facts) {
            return Ok(None);
        }
        let mark = texts::mark(self.conn, session)?.filter(|mark| !mark.is_stale);
        let held = mark.map_or(0, |mark| mark.entries);
        let latest = facts.modified_at;
        let source = Source { latest, session, facts, indexed: Vec::new(), scan_from: Some(held) };
        let filter = self.filter(session)?;
        Ok(Some((source, filter)))
    }

    /// Takes hits from the latest to the earliest: a session is opened when no
    /// candidate of those that are open is later than all of its own.
    fn by_time(&mut self, mut sources: Vec<Source>, hits: &mut Hits) -> Result<()> {
        let mut heap: BinaryHeap<Candidate> = BinaryHeap::new();
        let mut open: BTreeMap<i64, Source> = BTreeMap::new();
        while !hits.is_more {
            while let Some(source) = sources
                .pop_if(|source| heap.peek().is_none_or(|candidate| candidate.at <= source.latest))
            {
                self.open(&source, &mut heap)?;
                open.insert(source.session.0, source);
            }
            let Some(candidate) = heap.pop() else { return Ok(()) };
            if let Some(source) = open.get(&(candidate.key >> 32)) {
                self.prove(source, candidate, hits)?;
            }
        }
        Ok(())
    }

    fn open(&mut self, source: &Source, heap: &mut BinaryHeap<Candidate>) -> Result<()> {
        if self.search.since.is_some_and(|since| source.latest < since) {
            return Ok(());
        }
        let filter = self.filter(source.session)?;
        for key in &source.indexed {
            if let Some(entry) = texts::entry(self.conn, *key)? {
                heap.extend(self.candidate(source, &filter, &entry)?);
            }
        }
        if let Some(from) = source.scan_from {
            texts::each_entry_from(self.conn, source.session, from, |entry| {
                heap.extend(self.candidate(source, &filter, &entry)?);
                Ok(true)
            })?;
        }
        Ok(())
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
        source: &Source,
        filter: &Filter,
        entry: &EntryFacts,
    ) -> Result<Option<Candidate>> {
        let search = self.search;
        let at = entry.created_at.unwrap_or(source.facts.modified_at);
        let candidate = Candidate { at, key: entry.key };
        let is_behind = match search.after {
            Some(SearchCursor(Place::Time(at, key))) => candidate < Candidate { at, key },
            _ => true,
        };
        let is_asked_for = is_behind
            && search.since.is_none_or(|since| since <= at)
            && search.until.is_none_or(|until| at <= until)
            && is_of_role(&search.roles, entry.role.as_deref())
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
    fn prove(&mut self, source: &Source, candidate: Candidate, hits: &mut Hits) -> Result<bool> {
        match self.prover.hit(source.session, source.facts.format, candidate.key) {
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

/// Which sessions the index holds.
enum Known {
    Nothing,
    /// But for these, of which it holds some or nothing.
    AllBut(BTreeSet<i64>),
}

impl Known {
    fn lacks(&self, session: SessionKey) -> bool {
        match self {
            Self::Nothing => true,
            Self::AllBut(behind) => behind.contains(&session.0),
        }
    }
}

/// What a session's entries are asked, beside what is asked of all.
struct Filter {
    is_on_branch: Option<HashSet<i64>>,
}

/// Whether a role is among those asked for; formats name tools and summaries differently.
fn is_of_role(roles: &[String], role: Option<&str>) -> bool {
    if roles.is_empty() {
        return true;
    }
    let role = role.unwrap_or_default().to_ascii_lowercase();
    roles.iter().any(|asked| match asked.as_str() {
        "tool" => matches!(role.as_str(), "tool" | "toolresult"),
        "summary" => role.ends_with("summary"),
        asked => asked == role,
    })
}
