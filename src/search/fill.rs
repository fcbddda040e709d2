//! Brings a search index up to date with the log, before a search.
//!
//! It uses short transactions, between which others can write. If somebody else is
//! writing, or the store is read-only, the search reads from the log what the index
//! lacks. So a failure here is never an error: the search only takes longer.

use std::collections::VecDeque;

use rusqlite::Connection;

use super::ahead::{Ahead, Job, Ready};
use super::prepare::prepare;
use crate::error::Result;
use crate::format::Meaning;
use crate::model::SessionKey;
use crate::store::marks::{self, Mark, Stale};
use crate::store::texts::{self, Index};
use crate::store::{Store, entries, log, titles};

/// Bytes of prepared text per transaction.
const BATCH_BYTES: usize = 8 << 20;

/// Entries examined per transaction, with or without text.
const BATCH_ENTRIES: usize = 50_000;

/// Indexes what the index lacks; only of one session, if only that is searched.
pub(super) fn bring_up(store: &Store, index: Index, only: Option<SessionKey>) {
    let Ok(behind) = store.read(|conn| marks::behind(conn, index)) else { return };
    let mut behind: VecDeque<SessionKey> =
        behind.into_iter().filter(|session| only.is_none_or(|only| only == *session)).collect();
    while !behind.is_empty() {
        let filled = store.write_unless_busy(|tx| {
            // After a failure, this starts again from what was committed.
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

fn fill_some(tx: &Connection, index: Index, behind: &mut VecDeque<SessionKey>) -> Result<()> {
    std::thread::scope(|scope| {
        let mut filling = Filling {
            tx,
            index,
            ahead: Ahead::new(scope, index),
            opened: VecDeque::new(),
            bytes: BATCH_BYTES,
            entries: BATCH_ENTRIES,
        };
        while let Some(session) = behind.front() {
            filling.take_session(*session)?;
            if filling.is_full() {
                // It may have been the session's last entry, which the next turn
                // finds out.
                break;
            }
            behind.pop_front();
        }
        filling.finish()
    })
}

/// A transaction that fills an index.
struct Filling<'a, 'scope, 'env> {
    tx: &'a Connection,
    index: Index,
    ahead: Ahead<'scope, 'env>,
    /// Sessions whose entries are being indexed, in order.
    opened: VecDeque<Opened>,
    /// Bytes that the transaction may still index.
    bytes: usize,
    entries: usize,
}

struct Opened {
    session: SessionKey,
    before: Option<Mark>,
    mark: Mark,
    /// The session's count of entries, if all entries that the index lacks were read.
    head_count: Option<i64>,
}

impl Filling<'_, '_, '_> {
    fn is_full(&self) -> bool {
        self.bytes == 0 || self.entries == 0
    }

    /// Indexes what the index lacks of a session, within the limits of the
    /// transaction.
    fn take_session(&mut self, session: SessionKey) -> Result<()> {
        let (tx, index) = (self.tx, self.index);
        let (Some(head_count), Some(facts)) =
            (marks::head_count(tx, session)?, texts::session(tx, session)?)
        else {
            return Ok(());
        };
        let mark = marks::mark(tx, index, session)?;
        let is_stale = mark.as_ref().is_some_and(|mark| mark.stale == Stale::All);
        if is_stale {
            texts::remove(tx, index, session)?;
        }
        let before = mark.filter(|_| !is_stale);
        let mut mark = before.clone().unwrap_or_default();
        if index == Index::Said && (before.is_none() || mark.stale == Stale::Title) {
            if before.is_some() {
                let removed = titles::remove(tx, session)?;
                mark.rows = mark.rows.saturating_sub(u32::from(removed));
            }
            fill_title(tx, session, facts.own_title(), &mut mark)?;
        }
        let is_behind = mark.head_count != Some(head_count);
        let from = mark.entries;
        self.opened.push_back(Opened { session, before, mark, head_count: None });
        let is_all = !is_behind || self.take_entries(session, facts.format.meaning(), from)?;
        if let Some(opened) = self.opened.back_mut() {
            opened.head_count = is_all.then_some(head_count);
        }
        Ok(())
    }

    /// Reads the entries of a session from an ordinal on; returns whether there are
    /// no more.
    fn take_entries(
        &mut self,
        session: SessionKey,
        meaning: &'static dyn Meaning,
        from: u32,
    ) -> Result<bool> {
        let index = self.index;
        let mut is_cut = false;
        texts::each_entry_from(self.tx, session, from, |entry| {
            is_cut = self.is_full();
            if is_cut {
                return Ok(false);
            }
            let is_read = index == Index::Tools || !meaning.is_answer(entry.role.as_deref());
            let record = is_read.then(|| log::record(self.tx, entry.place)).transpose();
            let record = match record {
                Ok(record) => record.unwrap_or_default(),
                // The session stays incomplete in the index, and each search
                // reports what it cannot read.
                Err(err) if err.is_of_content() => {
                    is_cut = true;
                    return Ok(false);
                }
                Err(err) => return Err(err),
            };
            self.entries -= 1;
            let (entry_key, created_at) = (entry.key, entry.created_at);
            let ready = self.ahead.push(Job { entry_key, created_at, meaning, record });
            self.insert(ready)?;
            Ok(true)
        })?;
        Ok(!is_cut)
    }

    fn insert(&mut self, ready: Vec<Ready>) -> Result<()> {
        for Ready { entry_key, created_at, columns } in ready {
            let session = SessionKey(entry_key >> 32);
            while self.opened.front().is_some_and(|opened| opened.session != session) {
                self.close()?;
            }
            let Some(Opened { mark, .. }) = self.opened.front_mut() else { continue };
            let bytes: usize = columns.iter().map(String::len).sum();
            if 0 < bytes {
                texts::insert(self.tx, self.index, entry_key, &columns)?;
                mark.rows += 1;
            }
            mark.look_at(entries::ordinal(entry_key), created_at);
            self.bytes = self.bytes.saturating_sub(bytes);
        }
        Ok(())
    }

    /// Writes the mark of the session whose entries are all indexed.
    fn close(&mut self) -> Result<()> {
        let Some(Opened { session, before, mut mark, head_count }) = self.opened.pop_front() else {
            return Ok(());
        };
        mark.head_count = head_count;
        if before.as_ref() == Some(&mark) {
            Ok(())
        } else {
            marks::write_mark(self.tx, self.index, session, &mark, before.is_none())
        }
    }

    fn finish(&mut self) -> Result<()> {
        while let Some(ready) = self.ahead.rest() {
            self.insert(ready)?;
        }
        while !self.opened.is_empty() {
            self.close()?;
        }
        Ok(())
    }
}

/// Indexes a session's title.
fn fill_title(
    tx: &Connection,
    session: SessionKey,
    title: Option<&str>,
    mark: &mut Mark,
) -> Result<()> {
    let text = prepare(title.unwrap_or_default()).text;
    if !text.is_empty() {
        titles::insert(tx, session, &text)?;
        mark.rows += 1;
    }
    mark.stale = Stale::Nothing;
    Ok(())
}
