//! From records to rows: the projection of a log.
//!
//! A pure fold: the same lines give the same rows, keys included, whether they
//! came in at once, line by line, or are read back from the log. It therefore
//! serves import, live appends, `rebuild` and `check` alike.
//!
//! An entry that continues the active branch extends the session's summary in
//! constant time. What reshapes the tree (a leaf move, a compaction that keeps
//! something, a repeated id, an orphan that finds its parent) has the summary
//! computed once, from the branch, when the fold ends.

pub(crate) mod kimi;
mod settle;

use std::collections::BTreeSet;

pub(crate) use kimi::Touched;
use rusqlite::Connection;
pub(crate) use settle::{search_text, settle_events, settle_if_recovered, settle_recovered};

use crate::context;
use crate::error::Result;
use crate::format::stored_text;
use crate::model::{
    Change, Format, Header, HeaderRecord, NewEntry, Parent, ProblemKind, Record, Role, Runtime,
    SessionKey, Stored, Timestamp,
};
use crate::store::entries::{self, EntryRow};
use crate::store::file_time;
use crate::store::files::{FileRow, Source};
use crate::store::heads::{self, Head};
use crate::store::problems::{self, NewProblem};
use crate::store::sessions;
use crate::store::{events, labels, log, projections, records};

/// A fold over one session's log.
pub(crate) struct Fold<'a> {
    conn: &'a Connection,
    file: &'a FileRow,
    format: Format,
    session: SessionKey,
    head: Head,
    /// Whether entries follow one another unless they say otherwise.
    linear: bool,
    /// The entry that `head.leaf_id` names, while the summary is up to date.
    leaf_key: Option<i64>,
    /// Whether the summary has to be computed anew.
    reshaped: bool,
    /// Whether an edge was added that may close a cycle.
    knotted: bool,
    has_orphans: bool,
    /// Whether a header may be made from the file's name.
    vouched: bool,
    /// Records so far, headers apart.
    seen: u32,
    has_ids: bool,
    /// What runtime records before the header set.
    early: Runtime,
    /// The head that the fold went on from; it has the effect of the session's events already.
    before: Option<Head>,
    /// The entry that `head.first_message` shows, once that is known.
    previewed: Option<Option<i64>>,
    /// The entry seen last: the usual parent of the next.
    last: Option<(String, i64)>,
    /// The number of the line that moved the leaf last.
    moved_at: Option<u32>,
}

/// Folds a log from its first line to its last, replacing what was there.
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
        log::each_line_left(conn, file, |key, raw| fold.apply(key, format.parse(raw)))?;
        fold.finish()
    };
    if fold_all(false)? == Shape::Linear {
        fold_all(true)?;
    }
    Ok(())
}

/// Paths of the files, folders and links that a session is made of.
pub(crate) fn paths_of(conn: &Connection, session: SessionKey) -> Result<BTreeSet<Vec<u8>>> {
    let Some((source, path)) = sessions::place(conn, session)? else { return Ok(BTreeSet::new()) };
    let mut paths = BTreeSet::new();
    if source.format.has_folders() {
        let unit = kimi::unit_of(conn, source.source_id, &path)?;
        for file in unit.into_iter().flat_map(|unit| unit.files) {
            paths.extend(kimi::folder_of(&file.path));
            paths.insert(file.path);
        }
    }
    paths.insert(path);
    Ok(paths)
}

/// Paths of a source whose content stands in a file that was written here.
pub(crate) fn merged(conn: &Connection, source: &Source) -> Result<BTreeSet<Vec<u8>>> {
    match source.format.has_folders() {
        true => kimi::merged(conn, source.source_id),
        false => Ok(BTreeSet::new()),
    }
}

/// How the entries of a log turned out to hang together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As the fold assumed.
    Assumed,
    /// One after another, which the fold learnt too late: fold again.
    Linear,
}

impl<'a> Fold<'a> {
    /// Starts at the first line of a log; the session has nothing in it.
    pub(crate) fn begin(
        conn: &'a Connection,
        file: &'a FileRow,
        format: Format,
        session: SessionKey,
    ) -> Self {
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
            last: None,
            moved_at: None,
        }
    }

    /// Goes on behind the last line, from the session's head as it is; `None`
    /// when only a fold from the start can tell.
    pub(crate) fn resume(
        conn: &'a Connection,
        file: &'a FileRow,
        format: Format,
        session: SessionKey,
        head: Head,
    ) -> Result<Option<Self>> {
        if head.header != Header::Stored {
            return Ok(None);
        }
        let leaf_key = match &head.leaf_id {
            Some(leaf_id) => entries::entry_key(conn, session, leaf_id)?,
            None => None,
        };
        let linear = format.is_linear(head.version.as_ref());
        let has_orphans = entries::has_orphans(conn, session)?;
        // A leaf that an event moved is no later than the event: it is moved there again.
        let moved_at = match leaf_key.filter(|_| format.lists_by_file()) {
            Some(key) => Some(log::line_number(entries::line_key(conn, key)?)),
            None => None,
        };
        Ok(Some(Self {
            moved_at,
            previewed: Some(head.first_entry_key),
            before: Some(head.clone()),
            head,
            linear,
            leaf_key,
            has_orphans,
            has_ids: true,
            ..Self::begin(conn, file, format, session)
        }))
    }

    /// Takes in the next line.
    pub(crate) fn apply(&mut self, line_key: i64, record: Record) -> Result<()> {
        for (kind, detail) in &record.problems {
            self.note(Some(line_key), *kind, detail)?;
        }
        self.take_activity(&record);
        self.vouched |= record.vouches;
        let is_record = |(kind, _): &(ProblemKind, String)| *kind != ProblemKind::Malformed;
        self.seen += u32::from(record.entry.is_some() || record.problems.iter().any(is_record));
        if let Some(entry) = &record.entry {
            let key = self.add_entry(line_key, entry, &record)?;
            if let Some(usage) = &record.usage {
                records::insert_usage(self.conn, self.session, key, usage)?;
            }
        }
        match record.change {
            None => Ok(()),
            Some(Change::Header(header)) => self.take_header(*header),
            Some(Change::Leaf(target)) => self.move_leaf(target),
            Some(Change::Label { target_id, label, labelled_at }) => match label {
                Some(label) => labels::set_label(
                    self.conn,
                    self.session,
                    &target_id,
                    &label,
                    labelled_at.as_ref(),
                    line_key,
                    self.format.lists_by_file(),
                ),
                None => labels::delete_label(self.conn, self.session, &target_id),
            },
            Some(Change::Info { name, runtime }) => {
                self.head.name = name;
                if self.head.header == Header::Missing {
                    let early = std::mem::replace(&mut self.early, runtime.clone());
                    self.early.provider = self.early.provider.take().or(early.provider);
                    self.early.model = self.early.model.take().or(early.model);
                    self.early.reasoning_effort =
                        self.early.reasoning_effort.take().or(early.reasoning_effort);
                }
                self.take_runtime(runtime);
                Ok(())
            }
            Some(Change::SystemPrompt { hash, reason }) => records::insert_system_prompt(
                self.conn,
                self.session,
                line_key,
                hash.as_ref(),
                reason.as_deref(),
                record.at,
            ),
            Some(Change::ToolExecution { tool_call_id, tool_name, is_error }) => {
                records::insert_tool_execution(
                    self.conn,
                    self.session,
                    line_key,
                    tool_call_id.as_deref(),
                    tool_name.as_deref(),
                    is_error,
                    record.at,
                )
            }
            Some(Change::MemoryState) => {
                records::insert_memory_state(self.conn, self.session, line_key, record.at)
            }
        }
    }

    /// Writes the session's row.
    pub(crate) fn finish(mut self) -> Result<Shape> {
        self.make_header()?;
        let is_chain = match self.head.header {
            Header::Stored => self.format.is_linear(self.head.version.as_ref()),
            _ => !self.has_ids || self.format.is_linear(self.head.version.as_ref()),
        };
        if is_chain && !self.linear && 0 < self.head.entry_count {
            return Ok(Shape::Linear);
        }
        if self.has_orphans {
            problems::delete_problems(self.conn, self.session, ProblemKind::Orphan)?;
            problems::insert_orphans(self.conn, self.session)?;
        }
        if self.knotted {
            problems::delete_problems(self.conn, self.session, ProblemKind::Cycle)?;
            for position in context::cycles(&entries::parents(self.conn, self.session)?) {
                let detail =
                    "the entry is its own ancestor; the first of the circle stands as a root";
                self.note(Some(i64::from(position)), ProblemKind::Cycle, detail)?;
            }
        }
        self.move_to_decided_leaf()?;
        if self.reshaped {
            self.summarise()?;
        }
        if self.previewed != Some(self.head.first_entry_key) {
            self.head.first_message = match self.head.first_entry_key {
                Some(key) => {
                    let line_key = match self.format.lists_by_file() {
                        true => key,
                        false => entries::line_key(self.conn, key)?,
                    };
                    self.format.first_message(&log::line(self.conn, line_key)?)
                }
                None => Stored::Text(String::new()),
            };
        }
        let name = self.head.name.as_ref().map(stored_text).filter(|name| !is_blank(name));
        let is_empty = matches!(&self.head.first_message, Stored::Text(text) if text.is_empty());
        let first_message = Some(&self.head.first_message).filter(|_| !is_empty);
        self.head.title = name.map(Stored::Text).or_else(|| first_message.cloned());
        let began = self.head.created_at.filter(|_| self.format.lists_by_file());
        self.head.modified_at = match self.head.activity_at.or(began) {
            Some(at) => at,
            None => self.time_of_file()?,
        };
        if self.before.is_none() {
            events::apply(self.conn, self.session, &mut self.head)?;
        }
        self.head.search_text = search_text(self.conn, &self.head)?;
        heads::update_head(self.conn, self.session, &self.head, self.before.as_ref())?;
        Ok(Shape::Assumed)
    }

    /// The time of the file, where no record tells one.
    fn time_of_file(&self) -> Result<Timestamp> {
        if self.file.mtime.is_beyond() {
            self.note(None, ProblemKind::Time, file_time::BEYOND)?;
        }
        Ok(self.file.mtime.nearest())
    }

    /// The last time counts, or the latest where a list goes by the whole file.
    fn take_activity(&mut self, record: &Record) {
        let by_file = self.format.lists_by_file();
        if let Some(at) = record.activity_at {
            let earlier = self.head.activity_at.filter(|_| by_file);
            self.head.activity_at = earlier.max(Some(at));
        }
        self.head.message_count += i64::from(by_file && record.in_file.is_message);
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

    /// The first header counts, even if it is unusable.
    fn take_header(&mut self, header: HeaderRecord) -> Result<()> {
        if self.head.header != Header::Missing {
            return Ok(());
        }
        if header.session_id.is_none() {
            self.head.header = Header::Unusable;
            return Ok(());
        }
        self.head.header = Header::Stored;
        for (key, value) in &header.unknown {
            sessions::insert_metadata(self.conn, self.session, key, value)?;
        }
        self.set_header(header)?;
        // A runtime record may stand before the header; it is the later word all the same.
        let early = std::mem::take(&mut self.early);
        self.take_runtime(early);
        if self.format.lists_by_file() && 0 < self.seen {
            let detail = "records stand before the header; pi cannot open the file";
            self.note(None, ProblemKind::Header, detail)?;
        }
        if self.head.entry_count == 0 {
            self.linear = self.format.is_linear(self.head.version.as_ref());
        }
        Ok(())
    }

    /// Where no header is usable, makes one from the file's name, if records vouch for it.
    fn make_header(&mut self) -> Result<()> {
        if self.head.header == Header::Stored {
            return Ok(());
        }
        let made = self.format.header_from_name(&self.file.path).filter(|_| self.vouched);
        let (header, detail) = match (made, self.head.header) {
            (Some(made), _) => {
                self.set_header(made)?;
                (Header::Recovered, "no usable header; id and time were taken from the file's name")
            }
            (None, Header::Unusable) => (Header::Unusable, "the header has no id"),
            (None, _) => (Header::Missing, "no header"),
        };
        self.head.header = header;
        self.note(None, ProblemKind::Header, detail)
    }

    fn set_header(&mut self, header: HeaderRecord) -> Result<()> {
        self.head.session_id = header.session_id;
        self.head.version = header.version;
        self.head.created_at = header.created_at;
        self.head.parent_session_id = header.parent_session_id;
        self.head.parent_session_path = header.parent_session_path;
        if let Some(work_dir) = header.work_dir {
            self.head.workspace_id =
                Some(sessions::workspace(self.conn, &work_dir, sessions::LOCAL)?);
        }
        self.take_runtime(header.runtime);
        Ok(())
    }

    fn take_runtime(&mut self, runtime: Runtime) {
        let set = |setting: &mut Option<Stored>, new: Option<Option<Stored>>| {
            if let Some(new) = new {
                *setting = new;
            }
        };
        set(&mut self.head.provider, runtime.provider);
        set(&mut self.head.model, runtime.model);
        set(&mut self.head.reasoning_effort, runtime.reasoning_effort);
    }

    fn add_entry(&mut self, line_key: i64, entry: &NewEntry, record: &Record) -> Result<i64> {
        let made;
        // pi numbers the entries of a chain anew, whatever ids they have.
        let is_numbered = self.linear && self.format.lists_by_file();
        let own_id = entry.id.as_ref().filter(|_| !is_numbered);
        let id = match own_id {
            Some(id) => id,
            None => {
                made = format!("message:{}", self.head.entry_count);
                if !self.linear {
                    self.note(Some(line_key), ProblemKind::MissingId, "an entry without an id")?;
                }
                &made
            }
        };
        self.has_ids |= entry.id.is_some();
        let (parent_key, parent_id) = self.find_parent(entry, id)?;
        self.has_orphans |= parent_id.is_some();
        let row = EntryRow {
            entry_key: line_key,
            line_key: None,
            session: self.session,
            entry_id: id,
            id_made: own_id.is_none(),
            parent_key,
            parent_id,
            entry_type: &entry.entry_type,
            role: entry.role.as_deref(),
            message_id: entry.message_id.as_ref(),
            created_at: record.at,
        };
        let key = match entries::insert_entry(self.conn, &row)? {
            true => line_key,
            false => self.replace(&row)?,
        };
        if entry.entry_type == "compaction" {
            let by_position = entry.kept_position.filter(|_| is_numbered);
            let by_position = by_position.map(|n| Stored::Json(n.to_string()));
            let first_kept = by_position.as_ref().or(entry.first_kept.as_ref());
            entries::insert_compaction(self.conn, self.session, key, first_kept)?;
        }
        if let Some(runtime) = &entry.runtime {
            records::insert_settings(self.conn, self.session, key, runtime)?;
        }
        if record.in_file.is_prompt && self.format.lists_by_file() {
            self.head.first_entry_key.get_or_insert(line_key);
        }
        if self.has_orphans && 0 < entries::adopt_orphans(self.conn, self.session, key, id)? {
            self.reshaped = true;
            self.knotted = true;
        }
        self.head.entry_count += 1;
        self.head.last_entry_key = Some(key);
        self.last = Some((id.clone(), key));
        // Kward's own reader passes entries without an id by; in a chain they are all there is.
        if entry.id.is_some() || self.linear {
            self.extend(key, parent_key, entry);
            self.head.leaf_id = Some(id.clone());
            self.leaf_key = Some(key);
            self.moved_at = Some(log::line_number(line_key));
        } else if self.head.leaf_id.as_deref() == Some(id) {
            // The leaf named no entry until now.
            self.reshaped |= self.leaf_key != Some(key);
            self.leaf_key = Some(key);
        }
        Ok(key)
    }

    /// The parent's key, or the id of a parent that is not there (yet).
    fn find_parent<'e>(
        &self,
        entry: &'e NewEntry,
        id: &str,
    ) -> Result<(Option<i64>, Option<&'e str>)> {
        match &entry.parent {
            // pi chains what is older than ids, whatever else it says.
            _ if self.linear && self.format.lists_by_file() => Ok((self.head.last_entry_key, None)),
            Parent::Id(parent) if parent == id => Ok((None, Some(parent))),
            Parent::Id(parent) => {
                if let Some((_, key)) = self.last.as_ref().filter(|(last, _)| last == parent) {
                    return Ok((Some(*key), None));
                }
                match entries::entry_key(self.conn, self.session, parent)? {
                    Some(key) => Ok((Some(key), None)),
                    None => Ok((None, Some(parent))),
                }
            }
            Parent::Unsaid if self.linear || entry.id.is_none() => {
                Ok((self.head.last_entry_key, None))
            }
            Parent::Unsaid | Parent::None => Ok((None, None)),
        }
    }

    /// Of lines with the same id the last counts; returns the key of the entry.
    fn replace(&mut self, row: &EntryRow<'_>) -> Result<i64> {
        let Some(key) = entries::entry_key(self.conn, self.session, row.entry_id)? else {
            return Ok(row.entry_key);
        };
        let earlier = log::line_number(entries::line_key(self.conn, key)?);
        let detail = format!("line {earlier} has the same id; this one counts");
        self.note(Some(row.entry_key), ProblemKind::DuplicateId, &detail)?;
        entries::replace_entry(self.conn, key, row)?;
        // Even as a root: the preview may be of the line that counted before.
        self.previewed = None;
        self.reshaped = true;
        self.knotted = true;
        Ok(key)
    }

    fn move_leaf(&mut self, target: Option<String>) -> Result<()> {
        let leaf_key = match &target {
            Some(target) => entries::entry_key(self.conn, self.session, target)?,
            None => None,
        };
        self.reshaped |= leaf_key != self.leaf_key;
        self.head.leaf_id = target;
        self.leaf_key = leaf_key;
        Ok(())
    }

    /// Moves the leaf where a format without leaf records had it moved, unless
    /// an entry has moved it since, or the file was rewritten.
    fn move_to_decided_leaf(&mut self) -> Result<()> {
        if !self.format.lists_by_file() {
            return Ok(());
        }
        let Some(moved) = events::moved_leaf(self.conn, self.session)? else { return Ok(()) };
        if self.moved_at.is_some_and(|moved_at| moved.lines < moved_at) {
            return Ok(());
        }
        let last = log::checksum_without_end(self.conn, self.file, moved.lines)?;
        match last == moved.checksum {
            true => self.move_leaf(moved.leaf_id),
            false => Ok(()),
        }
    }

    /// Brings the summary from the parent's branch to that of its new child.
    fn extend(&mut self, key: i64, parent_key: Option<i64>, entry: &NewEntry) {
        if parent_key.is_none() {
            // A root begins a branch of its own.
            self.reshaped = self.knotted;
            self.forget();
        } else if parent_key != self.leaf_key || has_empty_parent(entry) {
            self.reshaped = true;
        }
        if self.reshaped {
            return;
        }
        if self.format.lists_by_file() {
            self.take_runtime(entry.runtime.clone().unwrap_or_default());
            return;
        }
        if entry.role.is_none() {
            return;
        }
        if entry.entry_type == "compaction" {
            self.forget();
            self.reshaped = entry.first_kept.is_some();
        }
        self.count(key, self.format.role(entry.role.as_deref()));
    }

    fn forget(&mut self) {
        if self.format.lists_by_file() {
            self.head.provider = None;
            self.head.model = None;
            self.head.reasoning_effort = None;
            return;
        }
        self.head.message_count = 0;
        self.head.first_entry_key = None;
    }

    fn count(&mut self, key: i64, role: Role) {
        match role {
            Role::Prompt | Role::CompactionSummary => {
                self.head.message_count += 1;
                self.head.first_entry_key.get_or_insert(key);
            }
            Role::Counted => self.head.message_count += 1,
            Role::System | Role::Other => {}
        }
    }

    fn summarise(&mut self) -> Result<()> {
        self.forget();
        let leaf_key = match &self.head.leaf_id {
            Some(leaf_id) => entries::entry_key(self.conn, self.session, leaf_id)?,
            None => None,
        };
        if let Some(leaf_key) = leaf_key.filter(|_| self.format.lists_by_file()) {
            let settings = context::settings(self.conn, leaf_key)?;
            self.take_runtime(settings);
        } else if let Some(leaf_key) = leaf_key {
            for step in context::restored(self.conn, self.format, self.session, leaf_key)? {
                self.count(step.key, step.role);
            }
        }
        Ok(())
    }
}

/// Whether an entry hangs in the tree where no path goes on.
fn has_empty_parent(entry: &NewEntry) -> bool {
    matches!(&entry.parent, Parent::Id(parent) if parent.is_empty())
}

fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{b}'))
}
