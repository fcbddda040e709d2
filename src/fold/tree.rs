//! The tree of a log: its entries and their parents.

use super::Fold;
use crate::context;
use crate::error::Result;
use crate::format::rules::{ChainIds, Counts};
use crate::model::{NewEntry, Parent, ProblemKind, Record, RecordPlace, Stored};
use crate::store::entries::{self, EntryRow};
use crate::store::runs::{self, ParentLink};
use crate::store::{log, problems, records};

impl Fold<'_> {
    /// Adds the entry of a record, or updates the entry with the same id; returns its
    /// key.
    pub(super) fn add_entry(
        &mut self,
        line_key: i64,
        entry: &NewEntry,
        record: &Record,
    ) -> Result<i64> {
        let place = RecordPlace { line_key, span: record.span };
        let id = self.id_of(line_key, entry)?;
        let above = self.find_parent(entry, &id)?;
        self.has_orphans |= above.missing_id.is_some();
        let row = EntryRow {
            entry_key: entries::key(self.session, self.next_ordinal),
            place,
            session: self.session,
            entry_id: &id,
            id_made: self.own_id(entry).is_none(),
            above,
            entry_type: &entry.entry_type,
            role: entry.role.as_deref(),
            message_id: entry.message_id.as_ref(),
            created_at: record.at,
        };
        let inserter = match &mut self.inserter {
            Some(inserter) => inserter,
            None => self.inserter.insert(entries::inserter(self.conn)?),
        };
        let key = if entries::insert_by(self.conn, inserter, &row)? {
            self.next_ordinal = self.next_ordinal.saturating_add(1);
            row.entry_key
        } else {
            self.replace(&row)?
        };
        self.add_settings(key, entry)?;
        if record.in_file.is_prompt && self.format.rules().counts == Counts::File {
            self.preview(place);
        }
        if self.has_orphans && 0 < runs::adopt_orphans(self.conn, self.session, key, &id)? {
            self.reshaped = true;
            self.knotted = true;
        }
        self.head.entry_count += 1;
        self.head.last_entry_key = Some(key);
        // Kward's own reader ignores entries without an id, but a chain consists of them.
        if entry.id.is_some() || self.linear {
            self.extend(place, above.key, entry)?;
            self.head.leaf_id = Some(id.clone());
            self.leaf_key = Some(key);
            self.moved_at = Some(log::line_number(line_key));
        } else if self.head.leaf_id.as_deref() == Some(&id) {
            // Until now the leaf named no entry.
            self.reshaped |= self.leaf_key != Some(key);
            self.leaf_key = Some(key);
        }
        self.last = Some((id, key));
        Ok(key)
    }

    /// The id of an entry: its own, or one that is made from its position.
    fn id_of(&mut self, line_key: i64, entry: &NewEntry) -> Result<String> {
        self.has_ids |= entry.id.is_some();
        if let Some(id) = self.own_id(entry) {
            return Ok(id.to_owned());
        }
        if !self.linear {
            self.note(Some(line_key), ProblemKind::MissingId, "an entry without an id")?;
        }
        Ok(self.made_id())
    }

    /// Whether entries are numbered by position, whatever ids they have.
    fn is_numbered(&self) -> bool {
        self.linear && self.format.rules().chain_ids == ChainIds::Numbered
    }

    fn own_id<'e>(&self, entry: &'e NewEntry) -> Option<&'e str> {
        entry.id.as_deref().filter(|_| !self.is_numbered())
    }

    fn made_id(&self) -> String {
        format!("message:{}", self.head.entry_count)
    }

    /// Adds what an entry sets for its descendants: what a compaction keeps, and
    /// settings.
    fn add_settings(&self, key: i64, entry: &NewEntry) -> Result<()> {
        if entry.entry_type == "compaction" {
            let by_position = entry.kept_position.filter(|_| self.is_numbered());
            let by_position = by_position.map(|n| Stored::Json(n.to_string()));
            let first_kept = by_position.as_ref().or(entry.first_kept.as_ref());
            entries::insert_compaction(self.conn, self.session, key, first_kept)?;
        }
        match &entry.runtime {
            Some(runtime) => records::insert_settings(self.conn, self.session, key, runtime),
            None => Ok(()),
        }
    }

    /// The parent of an entry.
    fn find_parent<'e>(&self, entry: &'e NewEntry, id: &str) -> Result<ParentLink<'e>> {
        match &entry.parent {
            // pi chains entries that are older than ids, whatever their parent
            // says.
            _ if self.is_numbered() => Ok(self.behind_last()),
            Parent::Id(parent) => {
                let known = match &self.last {
                    _ if parent == id => None,
                    Some((last, key)) if last == parent => Some(*key),
                    _ => entries::entry_key(self.conn, self.session, parent)?,
                };
                Ok(ParentLink {
                    key: known,
                    missing_id: known.is_none().then_some(parent),
                    ends_path: parent.is_empty(),
                })
            }
            Parent::Unsaid if self.linear || entry.id.is_none() => Ok(self.behind_last()),
            Parent::Unsaid | Parent::None => Ok(ParentLink::default()),
        }
    }

    fn behind_last(&self) -> ParentLink<'static> {
        let ends_path = self.last.as_ref().is_some_and(|(id, _)| id.is_empty());
        ParentLink { key: self.last.as_ref().map(|(_, key)| *key), missing_id: None, ends_path }
    }

    /// If several lines have the same id, the last one counts; returns the entry's
    /// key.
    fn replace(&mut self, row: &EntryRow<'_>) -> Result<i64> {
        let Some(key) = entries::entry_key(self.conn, self.session, row.entry_id)? else {
            return Ok(row.entry_key);
        };
        let earlier = log::line_number(entries::line_key(self.conn, key)?);
        let detail = format!("line {earlier} has the same id; this line is used");
        self.note(Some(row.place.line_key), ProblemKind::DuplicateId, &detail)?;
        entries::replace_entry(self.conn, key, row)?;
        self.reshaped = true;
        self.knotted = true;
        Ok(key)
    }

    /// Records orphans, and entries that are their own ancestors, as problems.
    pub(super) fn note_shape(&self) -> Result<()> {
        if self.has_orphans {
            problems::delete_problems(self.conn, self.session, ProblemKind::Orphan)?;
            problems::insert_orphans(self.conn, self.session)?;
        }
        if self.knotted {
            problems::delete_problems(self.conn, self.session, ProblemKind::Cycle)?;
            for ordinal in context::cycles(&runs::parents(self.conn, self.session)?) {
                let line_key = entries::line_key(self.conn, entries::key(self.session, ordinal))?;
                let detail = "the entry is its own ancestor; the first entry of the cycle is \
                              shown as a root";
                self.note(Some(line_key), ProblemKind::Cycle, detail)?;
            }
        }
        Ok(())
    }
}
