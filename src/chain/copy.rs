//! New sessions from others: clones and forks.
//!
//! A copy takes the source's lines unchanged, and refers to them: their bytes are
//! stored once. Entries without an id or parent of their own, as in version 1, are
//! identified by their position. The position changes, so the copy writes id and
//! parent down.

use std::collections::HashSet;

use super::append::{add_lines, push, spelt};
use super::create::{NewHeader, create_beside};
use super::{Writing, decide, strip};
use crate::context;
use crate::error::{Error, Result};
use crate::fold::{self, Fold, Shape};
use crate::format::rules::{ChainIds, Labels};
use crate::format::stored_text;
use crate::model::{
    Change, Draft, Entry, Format, Header, NewEntry, Parent, ProblemKind, Record, RecordPlace,
    RuntimeUpdate, SessionInfo, SessionKey, Stored, Timestamp,
};
use crate::store::file_time::FileTime;
use crate::store::files::{self, FileRow};
use crate::store::{entries, heads, labels, log, paths, sessions, sharing};

/// Clones a session: every branch, every record.
pub(crate) fn duplicate(writing: &Writing<'_>) -> Result<SessionKey> {
    let source = CopySource::read(writing)?;
    let mut copy = NewLog::begin(*writing, &source)?;
    log::each_line(writing.tx, &source.file, |line_key, raw| {
        copy.take(&source, RecordPlace { line_key, span: None }, raw)
    })?;
    let copied = copy.finish(source.info.leaf.as_deref())?;
    copy_decided_labels(writing, source.info.format, copied, |_| true)?;
    Ok(copied)
}

/// Forks the path to an entry. If the entry is a user's prompt, the path ends before
/// it, and its text is returned.
pub(crate) fn fork(writing: &Writing<'_>, entry_id: &str) -> Result<(SessionKey, String)> {
    let Writing { tx, session, .. } = *writing;
    let source = CopySource::read(writing)?;
    let entry_key = entries::entry_key(tx, session, entry_id)?
        .ok_or_else(|| Error::EntryNotFound { entry_id: entry_id.to_owned() })?;
    let mut path = paths::path(tx, session, entry_key, usize::MAX)?;
    let text = match path.pop_if(|entry| is_prompt(entry)) {
        Some(prompt) => source.info.format.meaning().full_text(&log::record(tx, prompt.place)?),
        None => String::new(),
    };
    Ok((source.info.format.live().copy_path(writing, &source, &path)?, text))
}

/// Forks the active branch.
pub(crate) fn fork_branch(writing: &Writing<'_>) -> Result<SessionKey> {
    let source = CopySource::read(writing)?;
    let path = context::branch(writing.tx, writing.session)?;
    source.info.format.live().copy_path(writing, &source, &path)
}

/// Copies a path into a new session: its name, its entries, and their labels.
pub(crate) fn copy_path(
    writing: &Writing<'_>,
    source: &CopySource,
    path: &[Entry],
) -> Result<SessionKey> {
    let Writing { tx, session, at, .. } = *writing;
    let format = source.info.format;
    let mut copy = NewLog::begin(*writing, source)?;
    let name = source.info.name.as_ref().map(stored_text);
    if let Some(name) = name.as_deref().map(strip).filter(|name| !name.is_empty()) {
        let line = spelt(format, &Draft::Name(Some(name)), at)?;
        copy.push(line.as_bytes(), None)?;
    }
    paths::each_record_of(tx, path.iter(), |entry, raw| {
        let record = format.meaning().parse(raw);
        let leans = record
            .entry
            .as_ref()
            .is_some_and(|new| if source.is_chain { leans(new) } else { new.id.is_none() });
        let identity = leans.then_some((&entry.id, entry.parent_id.as_deref()));
        copy.push_entry(entry.place, raw, identity, record)
    })?;
    let ids: HashSet<&str> = path.iter().map(|entry| entry.id.as_str()).collect();
    for (target_id, line_key) in labels::label_lines(tx, session)? {
        if ids.contains(target_id.as_str()) {
            let raw = log::line(tx, line_key)?;
            let record = format.meaning().parse(&raw);
            copy.push_as_is(RecordPlace { line_key, span: None }, &raw, record)?;
        }
    }
    let copied = copy.finish(path.last().map(|entry| entry.id.as_str()))?;
    copy_decided_labels(writing, format, copied, |id| ids.contains(id))?;
    Ok(copied)
}

/// Copies labels that are events, with the times at which they were set.
fn copy_decided_labels(
    writing: &Writing<'_>,
    format: Format,
    session: SessionKey,
    is_kept: impl Fn(&str) -> bool,
) -> Result<()> {
    if format.rules().labels != Labels::Event {
        return Ok(());
    }
    for label in labels::labels(writing.tx, writing.session)? {
        if is_kept(&label.target_id) {
            let at = label.labelled_at.as_ref().and_then(|at| Timestamp::parse(&stored_text(at)));
            let on_copy = Writing { session, at: at.unwrap_or(writing.at), ..*writing };
            decide::label(&on_copy, &label.target_id, Some(&label.label))?;
        }
    }
    Ok(())
}

/// Whether an entry is a user's prompt.
pub(crate) fn is_prompt(entry: &Entry) -> bool {
    entry.entry_type == "message" && entry.role.as_deref() == Some("user")
}

/// The session to copy from.
pub(crate) struct CopySource {
    pub(crate) info: SessionInfo,
    pub(crate) file: FileRow,
    /// Whether each entry follows the one before it unless it says otherwise.
    is_chain: bool,
    /// Whether its entries are in an older form than its program writes today.
    pub(crate) is_old: bool,
}

impl CopySource {
    pub(crate) fn read(writing: &Writing<'_>) -> Result<Self> {
        let Writing { tx, session, .. } = *writing;
        let not_found = || sessions::not_found(session);
        let info = sessions::info(tx, session)?.ok_or_else(not_found)?;
        let (file, _) = sessions::file_of(tx, session)?.ok_or_else(not_found)?;
        let head = heads::head(tx, session)?;
        let is_chain = fold::is_chain(info.format, &head, || entries::has_given_ids(tx, session))?;
        let says_version = info.header == Header::Stored;
        let is_old =
            is_chain || says_version && !info.format.meaning().is_current(info.version.as_ref());
        Ok(Self { info, file, is_chain, is_old })
    }

    /// Its file; for the store's own root, as that root names it.
    fn path(&self) -> String {
        self.info.root.join(&self.info.file).to_string_lossy().into_owned()
    }
}

/// The log of a session that is being created.
pub(crate) struct NewLog<'a> {
    /// The context of the change that creates it.
    writing: Writing<'a>,
    format: Format,
    file: FileRow,
    /// How many entries were copied so far.
    entry_count: usize,
    last_id: Option<String>,
    /// Folds each line as it is copied; `None` if only a fold of the whole log can
    /// tell.
    fold: Option<Fold<'a>>,
}

/// Whether an entry's id or parent depends on its position in the file.
fn leans(entry: &NewEntry) -> bool {
    entry.id.is_none() || entry.parent == Parent::Unsaid
}

impl<'a> NewLog<'a> {
    /// Creates the session to copy to, with its header.
    pub(crate) fn begin(writing: Writing<'a>, source: &CopySource) -> Result<Self> {
        let Writing { tx, at, id, .. } = writing;
        let info = &source.info;
        let text = |value: &Option<Stored>| value.as_ref().map(stored_text);
        let (provider, model) = (text(&info.provider), text(&info.model));
        let effort = text(&info.reasoning_effort);
        let new = NewHeader {
            format: info.format,
            work_dir: info.work_dir.as_deref().unwrap_or_default(),
            session_id: id,
            at,
            runtime: RuntimeUpdate {
                provider: provider.as_deref(),
                model: model.as_deref(),
                reasoning_effort: effort.as_deref(),
            },
            parent_id: info.session_id.as_deref(),
            parent_path: Some(&source.path()),
            record: None,
            file: None,
        };
        let session = create_beside(tx, &source.file, &new)?;
        let (file, _) =
            sessions::file_of(tx, session)?.ok_or_else(|| sessions::not_found(session))?;
        let writing = Writing { session, ..writing };
        let head = heads::head(tx, session)?;
        let fold = Fold::resume_owned(tx, file.clone(), info.format, session, head)?;
        Ok(Self { writing, format: info.format, file, entry_count: 0, last_id: None, fold })
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn session(&self) -> SessionKey {
        self.writing.session
    }

    /// Copies a line, unless it is a header or no record. If several records share
    /// it, each gets a line of its own.
    fn take(&mut self, source: &CopySource, place: RecordPlace, raw: &[u8]) -> Result<()> {
        let record = self.format.meaning().parse(raw);
        if record.span.is_some() {
            let spans = std::iter::once(&record).chain(&record.more).filter_map(|one| one.span);
            return spans.map(|span| (span, span.of(raw))).try_for_each(|(span, raw)| {
                self.take(source, RecordPlace { span: Some(span), ..place }, raw)
            });
        }
        let is_broken = |(kind, _): &(ProblemKind, String)| {
            matches!(kind, ProblemKind::Malformed | ProblemKind::NotARecord)
        };
        if raw.iter().all(u8::is_ascii_whitespace)
            || matches!(record.change, Some(Change::Header(_)))
            || record.problems.iter().any(is_broken)
        {
            return Ok(());
        }
        let Some(entry) = record.entry.as_ref().filter(|_| source.is_old) else {
            return self.push_as_is(place, raw, record);
        };
        let numbers = self.format.rules().chain_ids == ChainIds::Numbered;
        let is_numbered = source.is_chain && numbers;
        let id = entry.id.clone().filter(|_| !is_numbered);
        let id = id.unwrap_or_else(|| format!("message:{}", self.entry_count));
        let parent_id = match &entry.parent {
            _ if is_numbered => self.last_id.take(),
            Parent::Unsaid => self.last_id.take(),
            Parent::None => None,
            Parent::Id(parent_id) => Some(parent_id.clone()),
        };
        self.entry_count += 1;
        let leans = leans(entry) || numbers;
        let identity = leans.then_some((&id, parent_id.as_deref()));
        self.push_entry(place, raw, identity, record)?;
        self.last_id = Some(id);
        Ok(())
    }

    /// Copies the line of an entry, with its id and parent if these are given.
    fn push_entry(
        &mut self,
        place: RecordPlace,
        raw: &[u8],
        identity: Option<(&String, Option<&str>)>,
        record: Record,
    ) -> Result<()> {
        match identity
            .and_then(|(id, parent_id)| self.format.spelling().identified(raw, id, parent_id))
        {
            Some(line) => self.push(line.as_bytes(), record.at),
            None => self.push_as_is(place, raw, record),
        }
    }

    /// Copies a record of another log unchanged.
    pub(crate) fn push_as_is(
        &mut self,
        place: RecordPlace,
        raw: &[u8],
        record: Record,
    ) -> Result<()> {
        if place.span.is_some() || !raw.ends_with(b"\n") {
            return self.push(raw, record.at);
        }
        let key = log::key(self.file.file_id, self.file.line_count);
        sharing::insert(self.writing.tx, key, place.line_key, raw)?;
        self.file.size += raw.len() as u64;
        self.file.line_count += 1;
        let at = record.at;
        self.take_in(key, record, at)
    }

    /// Appends a line to the log; `at` becomes the time of its file.
    pub(crate) fn push(&mut self, raw: &[u8], at: Option<Timestamp>) -> Result<()> {
        let line = if raw.ends_with(b"\n") {
            raw.into()
        } else {
            std::borrow::Cow::Owned([raw, b"\n"].concat())
        };
        let key = push(self.writing.tx, &mut self.file, &line)?;
        self.take_in(key, self.format.meaning().parse(&line), at)
    }

    fn take_in(&mut self, key: i64, record: Record, at: Option<Timestamp>) -> Result<()> {
        self.file.mtime = at.map_or(self.file.mtime, FileTime::from);
        self.fold.as_mut().map_or(Ok(()), |fold| fold.apply(key, record))
    }

    /// Writes the session's row. The leaf is where the copied lines leave it.
    pub(crate) fn end(&mut self) -> Result<SessionKey> {
        let Writing { tx, session, .. } = self.writing;
        files::update_file(tx, &self.file)?;
        let shape = match self.fold.take() {
            Some(fold) => fold.finish_as(self.file.clone())?,
            None => Shape::Linear,
        };
        if shape == Shape::Linear {
            fold::refold(tx, &self.file, self.format, session)?;
        }
        Ok(session)
    }

    /// As [`end`](Self::end), and then moves the leaf to that of the source.
    pub(crate) fn finish(mut self, leaf: Option<&str>) -> Result<SessionKey> {
        self.end()?;
        let Writing { tx, session, at, .. } = self.writing;
        let head = heads::head(tx, session)?;
        if head.leaf_id.as_deref() == leaf {
            return Ok(session);
        }
        match self.format.spelling().serialise(&Draft::Leaf(leaf), at) {
            Some(line) => add_lines(tx, session, self.format, self.file, &[line], Some(head))?,
            None => decide::move_leaf(&self.writing, leaf)?,
        }
        Ok(session)
    }
}
