//! Bringing an index up to what the log says, when somebody searches.
//!
//! In short transactions, between which others write; where somebody writes
//! just now, or the store is only read, what the index lacks is read from the
//! log instead. So nothing here is an error: it only takes longer.

use std::collections::VecDeque;

use rusqlite::Connection;

use super::prepare::prepare;
use super::said::Said;
use crate::error::Result;
use crate::format::Meaning;
use crate::model::SessionKey;
use crate::store::texts::{self, Index, Mark, Stale};
use crate::store::{Store, entries, log};

/// Bytes of prepared text that one transaction takes in.
const BATCH_BYTES: usize = 4 << 20;

/// Entries that one transaction looks at, whether they say anything or not.
const BATCH_ENTRIES: usize = 10_000;

/// Takes in what the index lacks; of one session, where only that is searched.
pub(super) fn bring_up(store: &Store, index: Index, only: Option<SessionKey>) {
    let Ok(behind) = store.read(|conn| texts::behind(conn, index)) else { return };
    let mut behind: VecDeque<SessionKey> =
        behind.into_iter().filter(|session| only.is_none_or(|only| only == *session)).collect();
    while !behind.is_empty() {
        let filled = store.write_unless_busy(|tx| {
            // What fails is begun anew from what was committed.
            let mut left = behind.clone();
            fill_some(tx, index, &mut left)?;
            Ok(left)
        });
        match filled {
            Ok(Some(left)) => behind = left,
            Ok(None) | Err(_) => return,
        }
    }
}

/// What a transaction may still take in.
struct Budget {
    bytes: usize,
    entries: usize,
}

fn fill_some(tx: &Connection, index: Index, behind: &mut VecDeque<SessionKey>) -> Result<()> {
    let mut budget = Budget { bytes: BATCH_BYTES, entries: BATCH_ENTRIES };
    while let Some(session) = behind.front() {
        fill(tx, index, *session, &mut budget)?;
        if budget.bytes == 0 || budget.entries == 0 {
            // It may have been the last of the session; then the next turn finds that out.
            return Ok(());
        }
        behind.pop_front();
    }
    Ok(())
}

/// Takes in what the index lacks of a session, as far as the budget goes.
fn fill(tx: &Connection, index: Index, session: SessionKey, budget: &mut Budget) -> Result<()> {
    let (Some(head_count), Some(facts)) =
        (texts::head_count(tx, session)?, texts::session(tx, session)?)
    else {
        return Ok(());
    };
    let mark = texts::mark(tx, index, session)?;
    let is_stale = mark.as_ref().is_some_and(|mark| mark.stale == Stale::All);
    if is_stale {
        texts::remove(tx, index, session)?;
    }
    let before = mark.filter(|_| !is_stale);
    let mut mark = before.clone().unwrap_or_default();
    if index == Index::Said && (before.is_none() || mark.stale == Stale::Title) {
        fill_title(tx, session, facts.title.as_deref(), &mut mark)?;
    }
    if mark.head_count != Some(head_count) {
        let is_all = fill_entries(tx, (index, session), facts.format.meaning(), &mut mark, budget)?;
        mark.head_count = is_all.then_some(head_count);
    }
    match before.as_ref() == Some(&mark) {
        true => Ok(()),
        false => texts::write_mark(tx, index, session, &mark),
    }
}

/// Takes in a session's title in place of the one before.
fn fill_title(
    tx: &Connection,
    session: SessionKey,
    title: Option<&str>,
    mark: &mut Mark,
) -> Result<()> {
    let key = texts::title_key(session);
    mark.rows -= u32::from(texts::remove_row(tx, key)?);
    let text = prepare(title.unwrap_or_default()).text;
    if !text.is_empty() {
        texts::insert(tx, Index::Said, key, &[text, String::new()])?;
        mark.rows += 1;
    }
    mark.stale = Stale::Nothing;
    Ok(())
}

/// Takes in the entries behind those that a mark says; whether there are no more.
fn fill_entries(
    tx: &Connection,
    (index, session): (Index, SessionKey),
    meaning: &dyn Meaning,
    mark: &mut Mark,
    budget: &mut Budget,
) -> Result<bool> {
    let mut is_cut = false;
    texts::each_entry_from(tx, session, mark.entries, |entry| {
        if budget.bytes == 0 || budget.entries == 0 {
            is_cut = true;
            return Ok(false);
        }
        let record = match log::record(tx, entry.place) {
            Ok(record) => record,
            // The session stays behind, and each search says what it cannot read.
            Err(err) if err.is_of_content() => {
                is_cut = true;
                return Ok(false);
            }
            Err(err) => return Err(err),
        };
        let said = Said::of(meaning, &record, index.columns());
        let columns: Vec<String> =
            index.columns().map(|column| said.prepared(column).text).collect();
        let bytes: usize = columns.iter().map(String::len).sum();
        if 0 < bytes {
            texts::insert(tx, index, entry.key, &columns)?;
            mark.rows += 1;
        }
        mark.entries = entries::ordinal(entry.key).saturating_add(1);
        mark.newest_at = mark.newest_at.max(entry.created_at);
        budget.bytes = budget.bytes.saturating_sub(bytes);
        budget.entries -= 1;
        Ok(true)
    })?;
    Ok(!is_cut)
}
