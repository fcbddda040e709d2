//! Proves hits: a candidate is a hit if its line matches.

use std::ops::Range;

use rusqlite::Connection;

use super::entry_text::EntryText;
use super::{Hit, Matcher, Search, TitleHit, snippet};
use crate::error::Result;
use crate::model::{Format, SessionKey};
use crate::store::texts::SessionFacts;
use crate::store::{entries, log, paths, texts};

/// Proves candidates.
pub(super) struct Prover<'a> {
    conn: &'a Connection,
    search: &'a Search,
    matcher: &'a Matcher,
    columns: Vec<usize>,
}

impl<'a> Prover<'a> {
    pub(super) fn new(conn: &'a Connection, search: &'a Search, matcher: &'a Matcher) -> Self {
        Self { conn, search, matcher, columns: search.columns() }
    }

    /// The entry as a hit, if it is one.
    pub(super) fn hit(
        &self,
        session: SessionKey,
        facts: &SessionFacts,
        key: i64,
    ) -> Result<Option<Hit>> {
        let format = facts.format;
        let (entry_id, place) = entries::id_and_place(self.conn, key)?;
        let record = log::record(self.conn, place)?;
        let said = EntryText::of(format.meaning(), &record, self.columns.iter().copied());
        let Some(entry) = texts::entry(self.conn, key)? else { return Ok(None) };
        let is_of_role = self.search.is_of_role(entry.role.as_deref())
            || !said.answers.is_empty() && self.search.asks_for_answers();
        let Some((column, found)) = self.find(&said).filter(|_| is_of_role) else {
            return Ok(None);
        };
        if !self.is_of_tool(session, format, key, &said)? {
            return Ok(None);
        }
        let (snippet, marks) = snippet::cut(&said.texts[column], &found);
        Ok(Some(Hit {
            session,
            format,
            session_id: facts.session_id.clone(),
            file: facts.file.clone(),
            title: facts.title.clone(),
            work_dir: facts.work_dir.clone(),
            entry_id,
            line: log::line_number(place.line_key),
            role: entry.role,
            at: entry.created_at,
            snippet,
            marks,
        }))
    }

    /// The title of a session as a hit, if it is one.
    pub(super) fn title(&self, session: SessionKey, facts: &SessionFacts) -> Option<TitleHit> {
        let text = facts.title.clone().unwrap_or_default();
        let said = EntryText::of_title(text);
        let (column, found) = self.find(&said)?;
        let (snippet, marks) = snippet::cut(&said.texts[column], &found);
        Some(TitleHit {
            session,
            format: facts.format,
            session_id: facts.session_id.clone(),
            file: facts.file.clone(),
            work_dir: facts.work_dir.clone(),
            at: facts.modified_at,
            snippet,
            marks,
        })
    }

    /// Whether an entry calls one of the tools that are asked for, or has an answer
    /// of one.
    fn is_of_tool(
        &self,
        session: SessionKey,
        format: Format,
        key: i64,
        said: &EntryText,
    ) -> Result<bool> {
        let asked = &self.search.tools_called;
        let is_asked_for = |name: &str| asked.iter().any(|asked| asked.eq_ignore_ascii_case(name));
        if asked.is_empty() || said.calls.iter().any(|(_, name)| is_asked_for(name)) {
            return Ok(true);
        }
        if said.answers.is_empty() {
            return Ok(false);
        }
        // The call is a few entries above its answer.
        let mut is_answer = false;
        let mut left: Vec<&String> = said.answers.iter().filter(|id| !id.is_empty()).collect();
        for entry in paths::path(self.conn, session, key, CALLS_ABOVE)?.iter().rev() {
            if left.is_empty() || is_answer {
                break;
            }
            let record = log::record(self.conn, entry.place)?;
            for (id, name) in EntryText::of(format.meaning(), &record, []).calls {
                let before = left.len();
                left.retain(|answered| **answered != id);
                is_answer |= left.len() < before && is_asked_for(&name);
            }
        }
        Ok(is_answer)
    }

    /// The first column that matches, and the places of the matches in it.
    fn find(&self, said: &EntryText) -> Option<(usize, Vec<Range<usize>>)> {
        let places = match self.matcher {
            Matcher::Words(query) => {
                let texts: Vec<_> =
                    self.columns.iter().map(|column| (*column, said.prepared(*column))).collect();
                let mut places = Vec::new();
                query.is_met(&texts, &mut places).then_some(places)?
            }
            Matcher::Pattern(pattern) => {
                let found = |column: &usize| {
                    let places = pattern.find_iter(&said.texts[*column]).take(MARKS);
                    places.map(|place| (*column, place.range())).collect::<Vec<_>>()
                };
                self.columns.iter().flat_map(found).collect()
            }
        };
        let column = places.iter().map(|(column, _)| *column).min()?;
        let of_column = places.into_iter().filter(|place| place.0 == column);
        Some((column, of_column.map(|(_, place)| place).collect()))
    }
}

/// Matches in one text that are collected; a snippet does not show more.
const MARKS: usize = 200;

/// Entries above an answer in which its call is searched: many parallel calls, and
/// their program's notes about them, may be in between.
const CALLS_ABOVE: usize = 200;
