//! The summary of a session: leaf, counts, settings and title.

use super::Fold;
use crate::context;
use crate::error::Result;
use crate::format::rules::{Activity, Counts, Leaf, Settings};
use crate::format::stored_text;
use crate::model::{
    Format, NewEntry, Parent, ProblemKind, Record, RecordPlace, Role, Stored, Timestamp,
};
use crate::store::heads::Head;
use crate::store::{entries, events, file_time, log, paths};

impl Fold<'_> {
    /// Takes a record's time, and counts the record in formats that count every line
    /// of the file.
    pub(super) fn take_activity(&mut self, record: &Record) {
        let rules = self.format.rules();
        if let Some(at) = record.activity_at {
            let is_latest = rules.activity == Activity::Latest;
            let earlier = self.head.activity_at.filter(|_| is_latest);
            self.head.activity_at = earlier.max(Some(at));
        }
        let counts = rules.counts == Counts::File && record.in_file.is_message;
        self.head.message_count += i64::from(counts);
    }

    pub(super) fn move_leaf(&mut self, target: Option<String>) -> Result<()> {
        let leaf_key = match &target {
            Some(target) => entries::entry_key(self.conn, self.session, target)?,
            None => None,
        };
        self.reshaped |= leaf_key != self.leaf_key;
        self.head.leaf_id = target;
        self.leaf_key = leaf_key;
        Ok(())
    }

    /// Applies the last event that moved the leaf, unless a later entry moved it or
    /// the file was rewritten; for formats without leaf records. Returns whether it
    /// did.
    pub(super) fn move_to_decided_leaf(&mut self) -> Result<bool> {
        if self.format.rules().leaf != Leaf::Event {
            return Ok(false);
        }
        let Some(moved) = events::moved_leaf(self.conn, self.session)? else { return Ok(false) };
        if self.moved_at.is_some_and(|moved_at| moved.lines < moved_at) {
            return Ok(false);
        }
        let last = log::checksum_without_end(self.conn, &self.file, moved.lines)?;
        if last != moved.checksum {
            return Ok(false);
        }
        self.move_leaf(moved.leaf_id)?;
        Ok(true)
    }

    /// Advances the summary from the parent's branch to its new child.
    pub(super) fn extend(
        &mut self,
        place: RecordPlace,
        parent_key: Option<i64>,
        entry: &NewEntry,
    ) -> Result<()> {
        if self.whole.is_some() {
            return Ok(());
        }
        if parent_key.is_none() {
            // A new root starts a branch of its own.
            self.reshaped = self.knotted;
            self.forget();
        } else if parent_key != self.leaf_key || has_empty_parent(entry) {
            self.reshaped = true;
        }
        if self.reshaped {
            return Ok(());
        }
        let rules = self.format.rules();
        if rules.settings == Settings::Branch {
            self.take_runtime(entry.runtime.clone().unwrap_or_default());
        }
        if rules.counts != Counts::Branch || entry.role.is_none() {
            return Ok(());
        }
        if entry.entry_type == "compaction" {
            self.forget();
            self.reshaped = entry.first_kept.is_some();
        }
        self.count(self.format.meaning().role(entry.role.as_deref()), || Ok(place))
    }

    fn forget(&mut self) {
        let rules = self.format.rules();
        if rules.settings == Settings::Branch {
            self.head.provider = None;
            self.head.model = None;
            self.head.reasoning_effort = None;
        }
        if rules.counts == Counts::Branch {
            self.head.message_count = 0;
            self.head.preview_line_key = None;
        }
    }

    /// Uses this prompt as the preview, unless there is one.
    pub(super) fn preview(&mut self, place: RecordPlace) {
        if self.head.preview_line_key.is_none() {
            self.head.preview_line_key = Some(place.line_key);
            self.preview_span = place.span;
        }
    }

    /// Counts a message; `place` is called only for the first prompt.
    fn count(&mut self, role: Role, place: impl FnOnce() -> Result<RecordPlace>) -> Result<()> {
        let is_prompt = matches!(role, Role::Prompt | Role::CompactionSummary);
        if is_prompt && self.head.preview_line_key.is_none() {
            self.preview(place()?);
        }
        self.head.message_count += i64::from(is_prompt || role == Role::Counted);
        Ok(())
    }

    /// Computes what the records say of the session, if each speaks for itself.
    pub(super) fn settle_summary(&mut self) -> Result<()> {
        if self.reshaped {
            self.summarise()?;
        }
        self.settle_title()
    }

    /// Recomputes the summary from the branch.
    fn summarise(&mut self) -> Result<()> {
        self.forget();
        let leaf_key = match &self.head.leaf_id {
            Some(leaf_id) => entries::entry_key(self.conn, self.session, leaf_id)?,
            None => None,
        };
        let Some(leaf_key) = leaf_key else { return Ok(()) };
        let conn = self.conn;
        let rules = self.format.rules();
        if rules.settings == Settings::Branch {
            self.take_runtime(paths::settings(conn, leaf_key)?);
        }
        if rules.counts != Counts::Branch {
            return Ok(());
        }
        for step in context::restored(conn, self.format, self.session, leaf_key)? {
            self.count(step.role, || entries::place(conn, step.key))?;
        }
        Ok(())
    }

    /// Determines what lists show: the preview, the title and the time.
    fn settle_title(&mut self) -> Result<()> {
        if self.previewed != Some(self.head.preview_line_key) {
            self.head.first_message = self.read_first_message()?;
        }
        let name = self.head.name.as_ref().map(stored_text).filter(|name| !is_blank(name));
        let is_empty = matches!(&self.head.first_message, Stored::Text(text) if text.is_empty());
        let first_message = Some(&self.head.first_message).filter(|_| !is_empty);
        self.head.title = name.map(Stored::Text).or_else(|| first_message.cloned());
        self.head.modified_at = match time_told(self.format, &self.head) {
            Some(at) => at,
            None => self.time_of_file()?,
        };
        Ok(())
    }

    fn read_first_message(&mut self) -> Result<Stored> {
        let Some(line_key) = self.head.preview_line_key else {
            return Ok(Stored::Text(String::new()));
        };
        let place = RecordPlace { line_key, span: self.preview_span };
        match self.first_message.take() {
            Some((known, text)) if known == place => Ok(text),
            _ => Ok(self.format.meaning().first_message(&log::record(self.conn, place)?)),
        }
    }

    /// The time of the file, for sessions whose records have none.
    pub(super) fn time_of_file(&self) -> Result<Timestamp> {
        if self.file.mtime.is_beyond() {
            self.note(None, ProblemKind::Time, file_time::BEYOND)?;
        }
        Ok(self.format.rules().file_times.told(self.file.mtime.nearest()))
    }
}

/// The latest time in a session's own records.
pub(super) fn time_told(format: Format, head: &Head) -> Option<Timestamp> {
    let header_counts = format.rules().activity == Activity::Latest;
    head.activity_at.or(head.created_at.filter(|_| header_counts))
}

/// Whether an entry has an empty parent id, at which paths end.
fn has_empty_parent(entry: &NewEntry) -> bool {
    matches!(&entry.parent, Parent::Id(parent) if parent.is_empty())
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{b}'))
}
