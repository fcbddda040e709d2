//! How lines that are written here get into the store: one way for all of them.
//!
//! A change is a [`Draft`], which the session's format spells as a line, as its own
//! program would (`Spelling`). From there on it is a line like any other: it is
//! appended to the session's chain in the log, parsed by the format (`Meaning`),
//! and folded into rows, all in one transaction. The lines of a copied session and
//! of an imported file take the same steps.
//!
//! - `append`: lines of an existing session.
//! - `lines`: raw lines and messages, many at once.
//! - `create`: a new session with its header.
//! - `copy`: a new session from another's lines: clones and forks.
//! - `files`: whole files, for sessions that consist of several.
//! - `decide`: events, for decisions that a format has no record for.
//! - `json`: validation of JSON from callers.

mod append;
mod copy;
mod create;
mod decide;
mod files;
mod json;
mod lines;

pub(crate) use append::{Tail, spelt};
pub(crate) use copy::{CopySource, NewLog, copy_path, duplicate, fork, fork_branch, is_prompt};
pub(crate) use create::{NewHeader, create, require_free_id, require_id, require_names};
pub(crate) use decide::{decide, label, move_leaf};
pub(crate) use files::FileWriter;
pub(crate) use json::{GivenMessage, compact, object, strip};
pub(crate) use lines::{append_lines, append_messages, line_as_given};
use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::model::{Draft, Entry, Format, SessionKey, Timestamp};
use crate::store::{entries, heads, log, sessions};

/// A change of a session, in its transaction.
#[derive(Clone, Copy)]
pub(crate) struct Writing<'a> {
    pub(crate) tx: &'a Connection,
    pub(crate) session: SessionKey,
    /// The time of the records that it makes.
    pub(crate) at: Timestamp,
    /// The id of what it creates, if the caller chose one.
    pub(crate) id: Option<&'a str>,
    pub(crate) expected: Option<&'a Expected>,
}

/// The leaf that the caller expects.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    pub(crate) leaf: Option<String>,
    /// Whether to append a sibling branch if the leaf has moved, instead of failing.
    pub(crate) branches: bool,
}

impl Writing<'_> {
    /// Appends the line that `make` returns, given the session's state in this
    /// transaction. If `make` fails or returns `None`, nothing is written.
    pub(crate) fn append<T>(
        &self,
        make: impl FnOnce(&Tail) -> Result<Option<(String, T)>>,
    ) -> Result<Option<T>> {
        append::append(self, make)
    }

    /// As [`append`](Self::append), for a `make` that always returns a line.
    pub(crate) fn append_line<T>(
        &self,
        make: impl FnOnce(&Tail) -> Result<(String, T)>,
    ) -> Result<T> {
        self.append(|tail| make(tail).map(Some))?
            .ok_or_else(|| Error::InvalidRecord("nothing was written".to_owned()))
    }

    /// The parent of the next entry, given the current leaf.
    pub(crate) fn parent(&self, leaf: Option<&str>) -> Result<Option<String>> {
        // An empty leaf names no entry, so no parent is written.
        let found = leaf.filter(|leaf| !leaf.is_empty()).map(str::to_owned);
        match self.expected {
            None => Ok(found),
            Some(expected) if expected.leaf == found => Ok(found),
            Some(Expected { leaf, branches: true }) => {
                if let Some(leaf) = leaf {
                    self.require(leaf)?;
                }
                Ok(leaf.clone())
            }
            Some(Expected { leaf, branches: false }) => {
                Err(Error::LeafMoved { expected: leaf.clone(), found })
            }
        }
    }

    /// Fails if the caller expects another leaf than the session has.
    pub(crate) fn expect_leaf(&self) -> Result<()> {
        match self.expected {
            None => Ok(()),
            Some(_) => {
                let leaf = heads::head(self.tx, self.session)?.leaf_id;
                self.parent(leaf.as_deref()).map(drop)
            }
        }
    }

    /// The id that the caller chose, or a new one.
    pub(crate) fn new_id(&self) -> String {
        self.id.map_or_else(|| uuid::Uuid::new_v4().simple().to_string(), str::to_owned)
    }

    /// Spells a record as a line, if the format has one for it.
    pub(crate) fn line(&self, tail: &Tail, draft: &Draft<'_>) -> Result<String> {
        spelt(tail.format, draft, self.at)
    }

    /// The format of the session.
    pub(crate) fn format(&self) -> Result<Format> {
        let place = sessions::place(self.tx, self.session)?;
        let (source, _) = place.ok_or_else(|| sessions::not_found(self.session))?;
        Ok(source.format)
    }

    /// The entry with this id.
    pub(crate) fn entry(&self, id: &str) -> Result<Entry> {
        let entry = match entries::entry_key(self.tx, self.session, id)? {
            Some(key) => entries::entry(self.tx, key)?,
            None => None,
        };
        entry.ok_or_else(|| Error::EntryNotFound { entry_id: id.to_owned() })
    }

    pub(crate) fn is_known(&self, id: &str) -> Result<bool> {
        Ok(entries::entry_key(self.tx, self.session, id)?.is_some())
    }

    /// The number of the line that holds the entry with this id.
    pub(crate) fn line_of_entry(&self, id: &str) -> Result<Option<u32>> {
        let Some(key) = entries::entry_key(self.tx, self.session, id)? else { return Ok(None) };
        Ok(Some(log::line_number(entries::line_key(self.tx, key)?)))
    }

    pub(crate) fn require(&self, id: &str) -> Result<()> {
        if self.is_known(id)? {
            return Ok(());
        }
        Err(Error::EntryNotFound { entry_id: id.to_owned() })
    }

    pub(crate) fn refuse_known(&self, id: &str) -> Result<()> {
        if self.is_known(id)? {
            return Err(Error::EntryExists { entry_id: id.to_owned() });
        }
        Ok(())
    }
}
