//! The fold: turns records into rows.
//!
//! It is a pure function: the same lines give the same rows, including keys,
//! whether they were imported at once, appended line by line, or read back from the
//! log. It therefore serves import, live appends, `rebuild` and `check` alike.
//!
//! An entry that continues the active branch updates the session's summary in
//! constant time. After anything that reshapes the tree (a leaf move, a compaction
//! that keeps something, a repeated id, an orphan whose parent appears), the
//! summary is computed once from the branch, when the fold ends.

mod header;
mod losses;
mod session_fold;
mod settle;
mod summary;
mod tree;

use std::borrow::Cow;

pub(crate) use header::{earlier_header, header_of};
pub(crate) use losses::{note_losses, settle_losses};
use rusqlite::{CachedStatement, Connection};
use settle::text_to_search;
pub(crate) use settle::{
    fold_labels, search_text, settle_event, settle_if_recovered, settle_mtime, settle_recovered,
};

use crate::error::Result;
use crate::format::projection::SessionFold;
use crate::format::rules::{Labels, Leaf};
use crate::model::{
    Change, Format, Header, ProblemKind, Record, RecordPlace, Runtime, SessionKey, Span, Stored,
    Timestamp,
};
use crate::store::files::FileRow;
use crate::store::heads::{self, Head};
use crate::store::labels::{self, LabelRow};
use crate::store::problems::{self, NewProblem};
use crate::store::{ends, entries, events, log, projections, records};

/// A fold of one session's log.
pub(crate) struct Fold<'a> {
    conn: &'a Connection,
    file: Cow<'a, FileRow>,
    format: Format,
    session: SessionKey,
    head: Head,
    /// Whether each entry follows the one before it unless it says otherwise.
    linear: bool,
    /// The key of the entry that `head.leaf_id` names, as long as the summary is up
    /// to date.
    leaf_key: Option<i64>,
    /// Whether the summary has to be recomputed.
    reshaped: bool,
    /// Whether an edge was added that may close a cycle.
    knotted: bool,
    has_orphans: bool,
    /// Whether the header may be made from the file's name.
    vouched: bool,
    /// How many records there were, not counting headers.
    seen: u32,
    has_ids: bool,
    /// The settings of runtime records that came before the header.
    early: Runtime,
    /// The head that the fold started from, which includes the effect of the
    /// session's events.
    before: Option<Head>,
    /// The line of the first prompt, `head.first_message`, if that was determined.
    previewed: Option<Option<i64>>,
    /// The position of that prompt in its line, if this fold has found it.
    preview_span: Option<Span>,
    /// The text of that prompt, if its line was at hand.
    first_message: Option<(RecordPlace, Stored)>,
    /// The statement that inserts entries, prepared at the first one.
    inserter: Option<CachedStatement<'a>>,
    /// The work dir that the header names.
    work_dir: Option<(i64, String)>,
    /// Whether the session had no lines and no events before.
    is_new: bool,
    /// The ordinal of the next new entry.
    next_ordinal: u32,
    /// The previous entry: the usual parent of the next.
    last: Option<(String, i64)>,
    /// The number of the line that moved the leaf last.
    moved_at: Option<u32>,
    /// The format's own fold of the whole session, if it has one.
    whole: Option<Box<dyn SessionFold + 'a>>,
}

/// Folds a log from its first line to its last, replacing the session's rows.
pub(crate) fn refold(
    conn: &Connection,
    file: &FileRow,
    format: Format,
    session: SessionKey,
) -> Result<()> {
    let fold_all = |linear: bool| {
        projections::delete_projection(conn, session)?;
        let mut fold = Fold::begin(conn, file, format, session);
        fold.linear = linear;
        log::each_line_left(conn, file, |key, raw| {
            fold.apply_line(key, raw, format.meaning().parse(raw))
        })?;
        fold.finish()
    };
    if fold_all(false)? == Shape::Linear {
        fold_all(true)?;
    }
    Ok(())
}

/// Whether each of a session's entries follows the one before it unless it says
/// otherwise.
///
/// The version in the header tells. If the file has no header of its own, ids tell: a
/// version that has ids would have been named in one.
pub(crate) fn is_chain(
    format: Format,
    head: &Head,
    has_ids: impl FnOnce() -> Result<bool>,
) -> Result<bool> {
    match head.header {
        Header::Stored => Ok(format.meaning().is_linear(head.version.as_ref())),
        _ => Ok(!has_ids()?),
    }
}

/// How a log's entries turned out to be connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As the fold assumed.
    Assumed,
    /// As a chain, or in another way that only a late record showed, so the log must
    /// be folded again.
    Linear,
}

impl<'a> Fold<'a> {
    /// Starts at the first line of a log, for a session without rows.
    pub(crate) fn begin(
        conn: &'a Connection,
        file: &'a FileRow,
        format: Format,
        session: SessionKey,
    ) -> Self {
        Self::begin_with(conn, Cow::Borrowed(file), format, session)
    }

    fn begin_with(
        conn: &'a Connection,
        file: Cow<'a, FileRow>,
        format: Format,
        session: SessionKey,
    ) -> Self {
        let whole = format.projection().session_fold(&file.path);
        Self {
            conn,
            file,
            format,
            session,
            head: Head::empty(),
            linear: false,
            leaf_key: None,
            reshaped: false,
            knotted: false,
            has_orphans: false,
            vouched: false,
            seen: 0,
            has_ids: false,
            early: Runtime::default(),
            before: None,
            previewed: None,
            preview_span: None,
            first_message: None,
            inserter: None,
            work_dir: None,
            is_new: false,
            next_ordinal: 0,
            last: None,
            moved_at: None,
            whole,
        }
    }

    /// Starts at the first line of a log that is completely new.
    pub(crate) fn first(
        conn: &'a Connection,
        file: &'a FileRow,
        format: Format,
        session: SessionKey,
    ) -> Self {
        Self { is_new: true, ..Self::begin(conn, file, format, session) }
    }

    /// Continues after the last line, from the session's stored head; `None` if only
    /// a fold from the start can tell.
    pub(crate) fn resume(
        conn: &'a Connection,
        file: &'a FileRow,
        format: Format,
        session: SessionKey,
        head: Head,
    ) -> Result<Option<Self>> {
        Self::resume_with(conn, Cow::Borrowed(file), format, session, head)
    }

    /// As [`resume`](Self::resume), for a log that is written during the fold.
    pub(crate) fn resume_owned(
        conn: &'a Connection,
        file: FileRow,
        format: Format,
        session: SessionKey,
        head: Head,
    ) -> Result<Option<Self>> {
        Self::resume_with(conn, Cow::Owned(file), format, session, head)
    }

    fn resume_with(
        conn: &'a Connection,
        file: Cow<'a, FileRow>,
        format: Format,
        session: SessionKey,
        head: Head,
    ) -> Result<Option<Self>> {
        if head.header != Header::Stored {
            return Ok(None);
        }
        let whole = format.projection().session_fold_after(conn, session, &file, &head)?;
        if whole.is_none() && format.projection().session_fold(&file.path).is_some() {
            return Ok(None);
        }
        let end = ends::end(conn, session, head.last_entry_key)?;
        let last = end.last_id.zip(head.last_entry_key);
        let leaf_key = match (&head.leaf_id, &last) {
            (Some(leaf_id), Some((id, key))) if leaf_id == id => Some(*key),
            (Some(leaf_id), _) => entries::entry_key(conn, session, leaf_id)?,
            (None, _) => None,
        };
        // If an event moved the leaf, the move was at or after this line, so the
        // event applies again.
        let moved_at = match leaf_key.filter(|_| format.rules().leaf == Leaf::Event) {
            Some(key) => Some(log::line_number(entries::line_key(conn, key)?)),
            None => None,
        };
        Ok(Some(Self {
            last,
            moved_at,
            linear: format.meaning().is_linear(head.version.as_ref()),
            leaf_key,
            has_orphans: end.has_orphans,
            has_ids: true,
            next_ordinal: end.next_ordinal,
            previewed: Some(head.preview_line_key),
            before: Some(head.clone()),
            head,
            whole,
            ..Self::begin_with(conn, file, format, session)
        }))
    }

    /// As [`apply`](Self::apply), with the line at hand, so that it need not be read
    /// again for the preview.
    pub(crate) fn apply_line(&mut self, line_key: i64, raw: &[u8], record: Record) -> Result<()> {
        let before = self.head.preview_line_key;
        self.apply(line_key, record)?;
        if before != Some(line_key) && self.head.preview_line_key == Some(line_key) {
            let place = RecordPlace { line_key, span: self.preview_span };
            self.first_message = Some((place, self.format.meaning().first_message(place.of(raw))));
        }
        Ok(())
    }

    /// Folds the next line; `record` is its first record.
    pub(crate) fn apply(&mut self, line_key: i64, mut record: Record) -> Result<()> {
        let more = std::mem::take(&mut record.more);
        self.apply_record(line_key, record)?;
        more.into_iter().try_for_each(|record| self.apply_record(line_key, record))
    }

    fn apply_record(&mut self, line_key: i64, mut record: Record) -> Result<()> {
        if let Some(whole) = &mut self.whole {
            whole.take(line_key, &mut record)?;
        }
        for (kind, detail) in &record.problems {
            self.note(Some(line_key), *kind, detail)?;
        }
        self.take_activity(&record);
        self.vouched |= record.vouches;
        let is_record = |(kind, _): &(ProblemKind, String)| *kind != ProblemKind::Malformed;
        let is_header = matches!(record.change, Some(Change::Header(_)));
        let counts = record.entry.is_some() || record.problems.iter().any(is_record);
        self.seen += u32::from(counts && !is_header);
        if let Some(entry) = &record.entry {
            let key = self.add_entry(line_key, entry, &record)?;
            if let Some(usage) = &record.usage {
                records::insert_usage(self.conn, self.session, key, usage, None)?;
            }
        }
        match record.change {
            None => Ok(()),
            Some(change) => self.change(line_key, record.at, change),
        }
    }

    /// Folds what a line changes outside the tree.
    fn change(&mut self, line_key: i64, at: Option<Timestamp>, change: Change) -> Result<()> {
        let (conn, session) = (self.conn, self.session);
        match change {
            Change::Header(header) => self.take_header(*header),
            Change::Leaf(target) => self.move_leaf(target),
            Change::Label { target_id, label, labelled_at } => {
                self.set_label(line_key, &target_id, label.as_ref(), labelled_at.as_ref())
            }
            Change::Info { name, runtime } => {
                self.take_info(name, runtime);
                Ok(())
            }
            Change::SystemPrompt { hash, reason } => {
                let (hash, reason) = (hash.as_ref(), reason.as_deref());
                records::insert_system_prompt(conn, session, line_key, hash, reason, at)
            }
            Change::ToolExecution { tool_call_id, tool_name, is_error } => {
                let (id, name) = (tool_call_id.as_deref(), tool_name.as_deref());
                records::insert_tool_execution(conn, session, line_key, id, name, is_error, at)
            }
            Change::MemoryState => records::insert_memory_state(conn, session, line_key, at),
        }
    }

    fn set_label(
        &self,
        line_key: i64,
        target_id: &str,
        label: Option<&Stored>,
        labelled_at: Option<&Stored>,
    ) -> Result<()> {
        let Some(label) = label else {
            return labels::delete_label(self.conn, self.session, target_id);
        };
        let row = LabelRow {
            target_id,
            label,
            labelled_at,
            position: i64::from(log::position(line_key)),
            keeps_position: self.format.rules().labels == Labels::First,
            line_key: Some(line_key),
        };
        labels::set_label(self.conn, self.session, &row)
    }

    /// As [`finish`](Self::finish), for a log that was written under this row
    /// meanwhile.
    pub(crate) fn finish_as(mut self, file: FileRow) -> Result<Shape> {
        self.file = Cow::Owned(file);
        self.finish()
    }

    /// Writes the session's row.
    pub(crate) fn finish(mut self) -> Result<Shape> {
        self.make_header()?;
        let is_chain = is_chain(self.format, &self.head, || Ok(self.has_ids))?;
        if is_chain && !self.linear && 0 < self.head.entry_count {
            return Ok(Shape::Linear);
        }
        self.note_shape()?;
        let is_moved = self.move_to_decided_leaf()?;
        match self.whole.take() {
            Some(whole) => {
                if !self.conclude(whole, is_moved)? {
                    return Ok(Shape::Linear);
                }
            }
            None => self.settle_summary()?,
        }
        if self.before.is_none() && !self.is_new {
            if self.format.rules().labels == Labels::Event {
                fold_labels(self.conn, self.session)?;
            }
            note_losses(self.conn, self.session, self.file.source_id, &self.file.path)?;
            events::apply_all(self.conn, self.session, &mut self.head)?;
        }
        self.settle_search_text()?;
        if self.is_new {
            heads::write_first(self.conn, self.session, &self.head)?;
        } else {
            heads::update_head(self.conn, self.session, &self.head, self.before.as_ref())?;
        }
        self.format.projection().settle_listed(self.conn, self.session)?;
        Ok(Shape::Assumed)
    }

    /// After an append, the search text is usually the same.
    fn settle_search_text(&mut self) -> Result<()> {
        let is_as_before = self.before.as_ref().is_some_and(|before| {
            before.title == self.head.title && before.work_dir_id == self.head.work_dir_id
        });
        if !is_as_before {
            self.head.search_text = match &self.work_dir {
                Some((id, path)) if self.head.work_dir_id == Some(*id) => {
                    text_to_search(&self.head, path)
                }
                _ => search_text(self.conn, &self.head)?,
            };
        }
        Ok(())
    }

    fn note(&self, line_key: Option<i64>, kind: ProblemKind, detail: &str) -> Result<()> {
        problems::insert_problem(
            self.conn,
            &NewProblem {
                source_id: self.file.source_id,
                file_id: Some(self.file.file_id),
                session: Some(self.session),
                path: &self.file.path,
                line: line_key.map(log::line_number),
                kind,
                detail,
            },
        )
    }
}
