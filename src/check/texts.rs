//! Checks the full-text indexes against the log: every word, and its position.
//!
//! Both sides are reduced to one hash per session, because building a second index
//! would take as much space again. What no search has indexed yet is no finding:
//! searches read it from the log.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use rusqlite::Connection;

use super::Findings;
use crate::error::Result;
use crate::model::{SessionKey, Timestamp};
use crate::search::entry_text::EntryText;
use crate::search::prepare::prepare;
use crate::store::marks::{self, Mark, Stale};
use crate::store::texts::{self, Index};
use crate::store::{entries, log};

/// A hash of what the index holds of a session, or should hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sum {
    words: u64,
    hash: u64,
}

impl Sum {
    fn add_text(&mut self, prepared: &str, entry_key: i64, column: usize) {
        for (offset, word) in (0..).zip(prepared.split(' ').filter(|word| !word.is_empty())) {
            self.add(word.as_bytes(), entry_key, column, offset);
        }
    }

    fn add(&mut self, word: &[u8], entry_key: i64, column: usize, offset: i64) {
        let mut hasher = DefaultHasher::new();
        (word, entry_key, column, offset).hash(&mut hasher);
        self.words += 1;
        self.hash = self.hash.wrapping_add(hasher.finish());
    }
}

pub(super) fn check_texts(conn: &Connection, findings: &mut Findings) -> Result<()> {
    Index::ALL.into_iter().try_for_each(|index| check_index(conn, index, findings))
}

fn check_index(conn: &Connection, index: Index, findings: &mut Findings) -> Result<()> {
    let place = index.name();
    let mut stored: BTreeMap<i64, Sum> = BTreeMap::new();
    texts::each_word(conn, index, |word| {
        let sum = stored.entry(word.session).or_default();
        sum.add(word.text, word.key, word.column, word.offset);
        Ok(())
    })?;
    let mut is_told = false;
    for (session, mark) in marks::marks(conn, index)? {
        let found = stored.remove(&session.0).unwrap_or_default();
        if mark.stale != Stale::Nothing {
            continue;
        }
        let detail = match expected(conn, index, session, &mark)? {
            // An unreadable line is a finding of its own.
            None => continue,
            Some((_, own)) if own.rows != mark.rows => {
                "the number of its entries differs from search_marks"
            }
            Some((sum, _)) if sum != found => "its words differ from those of the log",
            Some((_, own)) if times(&own) != times(&mark) => {
                "the times of its entries in search_marks are wrong"
            }
            Some(_) if !is_up_to_date(conn, session, &mark)? => {
                "what it has of it differs from search_marks"
            }
            Some(_) => continue,
        };
        is_told = true;
        findings.add(place, format!("session {}: {detail}", session.0));
    }
    if !stored.is_empty() {
        findings.add(
            place,
            format!("it has words of {} sessions that it should not have", stored.len()),
        );
    } else if !is_told && !texts::is_whole(conn, index)? {
        findings.add(place, "its number of entries differs from search_marks");
    }
    Ok(())
}

/// What a mark says about the times of entries.
fn times(mark: &Mark) -> (u32, Option<Timestamp>, Option<i64>) {
    (mark.entries, mark.newest_at, mark.step_back)
}

/// What the index should hold of a session, and the mark that it should have; `None`
/// if a line cannot be read.
fn expected(
    conn: &Connection,
    index: Index,
    session: SessionKey,
    mark: &Mark,
) -> Result<Option<(Sum, Mark)>> {
    let Some(facts) = texts::session(conn, session)? else { return Ok(None) };
    let meaning = facts.format.meaning();
    let (mut sum, mut own) = (Sum::default(), Mark::default());
    let mut is_readable = true;
    if index == Index::Said {
        let title = prepare(facts.own_title().unwrap_or_default()).text;
        sum.add_text(&title, session.0, texts::TITLE);
        own.rows += u32::from(0 < sum.words);
    }
    texts::each_entry_from(conn, session, 0, |entry| {
        if mark.entries <= entries::ordinal(entry.key) {
            return Ok(false);
        }
        let record = match log::record(conn, entry.place) {
            Err(err) if err.is_of_content() => {
                is_readable = false;
                return Ok(false);
            }
            record => record?,
        };
        let said = EntryText::of(meaning, &record, index.columns());
        let before = sum.words;
        for column in index.columns() {
            sum.add_text(&said.prepared(column).text, entry.key, column);
        }
        own.rows += u32::from(before < sum.words);
        own.look_at(entries::ordinal(entry.key), entry.created_at);
        Ok(true)
    })?;
    Ok(is_readable.then_some((sum, own)))
}

/// Whether it is true, if a mark says that a session is completely indexed.
fn is_up_to_date(conn: &Connection, session: SessionKey, mark: &Mark) -> Result<bool> {
    let count = entries::count(conn, session)?;
    let is_all = mark.head_count == marks::head_count(conn, session)?;
    Ok(if is_all { mark.entries == count } else { mark.entries <= count })
}
