//! Folds the files of a thread into the rows of one of its rollouts.
//!
//! The tree of a head contains every file of its thread: its history, and beside it what reverts
//! and rollbacks left. A superseded file only has its own history. An entry's id is the number of
//! its line, after the id of the file if that is another file.

use std::collections::HashMap;

use rusqlite::Connection;

use super::append::HAS_EARLY;
use super::history::{History, Link};
use super::own::{ParsedRollout, Thread, telling};
use super::place::Rollout;
use super::tables::{self, FoldedRollout, KnownRollout};
use crate::error::Result;
use crate::fold::{fold_labels, note_losses, search_text};
use crate::format::codex::meta::{Meta, Mode, cwd_of_item};
use crate::format::codex::names::Names;
use crate::format::codex::record::{Body, Event, Line, Record, owned, settings_of_turn};
use crate::format::codex::turns::{self, Telling};
use crate::format::codex::{context, display, item};
use crate::format::json::Raw;
use crate::model::{Header, ProblemKind, RecordPlace, SessionKey, Stored, Timestamp, Usage};
use crate::store::entries::{self, EntryRow};
use crate::store::file_time;
use crate::store::heads::{self, Head};
use crate::store::problems::{self, NewProblem};
use crate::store::runs::ParentLink;
use crate::store::{events, log, projections, records, sessions};

/// Folds a rollout, replacing its rows; returns whether it exists.
pub(super) fn refold(
    conn: &Connection,
    session: SessionKey,
    rollout: &Rollout,
    names: &Names,
) -> Result<bool> {
    projections::delete_projection(conn, session)?;
    let Some(mut own) = ParsedRollout::read(conn, session, rollout)? else { return Ok(false) };
    let thread = own.thread(conn)?;
    // It must be known first, because it may name itself as its base, and branches may begin with
    // it.
    let is_superseded = thread.is_superseded;
    let told = FoldedRollout { meta: &own.meta, is_superseded, token_count: None };
    tables::insert(conn, &own.known, &told)?;
    let history = History::of(conn, &own)?;
    own.known.base_file = history.base().map(|link| link.log.file_id);
    let mut fold = Fold::new(conn, &own);
    fold.facts.copied_at = own.copied_at(conn)?;
    for (position, (kind, detail)) in &own.problems {
        fold.note(position.map(|position| position + 1), *kind, detail)?;
    }
    if let Some(problem) = &history.problem {
        fold.note(None, ProblemKind::Header, problem)?;
    }
    fold.follow_history(&history)?;
    let is_whole = fold.base_is_whole;
    if !thread.is_superseded {
        for other in thread.others.iter().filter(|other| own.is_continued_by(other)) {
            if let Some(branch) = History::of_known(conn, other)? {
                fold.follow_branch(&branch)?;
            }
        }
    }
    let known = KnownRollout { base_is_whole: is_whole, ..own.known.clone() };
    let Facts { meta, tokens: token_count, .. } = &fold.facts;
    let told = FoldedRollout { meta, is_superseded, token_count: *token_count };
    tables::delete(conn, session)?;
    tables::insert(conn, &known, &told)?;
    fold.finish(&thread, rollout, names)?;
    Ok(true)
}

/// The state while the lines of a file are inserted.
#[derive(Default)]
struct Cursor {
    lines: u32,
    leaf: Option<i64>,
    /// For each prompt in effect, the entry that it follows, without updates to the model before
    /// it.
    prompts: Vec<Option<i64>>,
    /// What the last item follows, if that item and others directly above it are updates to the
    /// model.
    before_updates: Option<Option<i64>>,
    /// The byte at which each line ends, and the entry that a file beginning there follows.
    ends: Vec<(u64, Option<i64>)>,
}

impl Cursor {
    /// Notes what a record contains that will follow the leaf.
    fn note(&mut self, body: &Body<'_>) {
        match body {
            Body::Event(Event::RolledBack(turns)) => self.roll_back(*turns),
            Body::Item(item) if item::is_update(*item) => {
                self.before_updates.get_or_insert(self.leaf);
            }
            Body::Item(_) | Body::Compacted(_) => {
                if context::adds_prompt(body) {
                    let before = self.before_updates.filter(|_| !self.prompts.is_empty());
                    self.prompts.push(before.unwrap_or(self.leaf));
                }
                self.before_updates = None;
            }
            _ => {}
        }
    }

    /// Goes back to before the last `turns` prompts, and before the updates to the model that
    /// precede them; what is before the first prompt is kept.
    fn roll_back(&mut self, turns: u32) {
        let left = self.prompts.len().saturating_sub(turns as usize);
        if let Some(leaf) = self.prompts.get(left) {
            self.leaf = *leaf;
            self.before_updates = None;
        }
        self.prompts.truncate(left);
    }

    /// The entry that a file which begins at this byte follows.
    fn leaf_at(&self, cut: Option<u64>) -> Option<i64> {
        let Some(cut) = cut else { return self.leaf };
        let behind = self.ends.partition_point(|(end, _)| *end <= cut);
        behind.checked_sub(1).and_then(|at| self.ends[at].1)
    }
}

/// What the records say of the thread outside its tree.
pub(super) struct Facts {
    pub(super) meta: Meta,
    pub(super) first_message: Option<String>,
    pub(super) model: Option<Stored>,
    pub(super) effort: Option<Stored>,
    pub(super) tokens: Option<i64>,
    /// When copying from the forked thread began.
    pub(super) copied_at: Option<Timestamp>,
}

pub(super) struct Fold<'a> {
    conn: &'a Connection,
    own: &'a ParsedRollout,
    cursors: HashMap<i64, Cursor>,
    pub(super) count: u32,
    pub(super) facts: Facts,
    telling: Telling,
    base_is_whole: bool,
}

impl<'a> Fold<'a> {
    fn new(conn: &'a Connection, own: &'a ParsedRollout) -> Self {
        let facts = Facts {
            meta: own.meta.clone(),
            first_message: None,
            model: None,
            effort: None,
            tokens: None,
            copied_at: None,
        };
        Self::behind(conn, own, facts, 0)
    }

    /// Continues after existing entries, given the facts so far.
    pub(super) fn behind(
        conn: &'a Connection,
        own: &'a ParsedRollout,
        facts: Facts,
        count: u32,
    ) -> Self {
        let (cursors, telling) = (HashMap::new(), telling(&own.meta));
        Self { conn, own, cursors, count, facts, telling, base_is_whole: true }
    }

    /// Adds one more line of the rollout itself after `leaf`; returns the new leaf.
    pub(super) fn add(&mut self, leaf: Option<i64>, key: i64, line: &[u8]) -> Result<Option<i64>> {
        let mut cursor = Cursor { leaf, ..Cursor::default() };
        self.line(&Link::of_own(self.own), &mut cursor, (key, line), true)?;
        Ok(cursor.leaf)
    }

    fn note(&self, line: Option<u32>, kind: ProblemKind, detail: &str) -> Result<()> {
        let log = &self.own.log;
        problems::insert_problem(
            self.conn,
            &NewProblem {
                source_id: log.source_id,
                file_id: Some(log.file_id),
                session: Some(self.own.known.session),
                path: &log.path,
                line,
                kind,
                detail,
            },
        )
    }

    fn follow_history(&mut self, history: &History) -> Result<()> {
        let mut leaf = None;
        for link in &history.links {
            let id = link.known.physical_id.as_deref().unwrap_or_default();
            for (kind, detail) in &link.problems {
                self.note(None, *kind, &format!("in {id:.60}, the base of the history: {detail}"))?;
            }
            leaf = self.follow(link, leaf, true)?;
            let end = self.cursors.get(&link.log.file_id).and_then(|cursor| cursor.ends.last());
            let end = end.map_or(0, |(end, _)| *end);
            if let Some(cut) = link.cut.filter(|cut| end < *cut && !link.reaches(self.conn, *cut)) {
                self.base_is_whole = false;
                let detail =
                    format!("the history continues at byte {cut} of {id:.60}, which is shorter");
                self.note(None, ProblemKind::Header, &detail)?;
            }
        }
        Ok(())
    }

    /// Adds what another file of the thread has beside the history.
    fn follow_branch(&mut self, branch: &History) -> Result<()> {
        let mut leaf = None;
        for link in &branch.links {
            leaf = self.follow(link, leaf, false)?;
        }
        Ok(())
    }

    /// Adds the lines of a file that are new, the first of them after `leaf`; returns the new
    /// leaf.
    fn follow(&mut self, link: &Link, leaf: Option<i64>, is_main: bool) -> Result<Option<i64>> {
        let file_id = link.log.file_id;
        let mut cursor =
            self.cursors.remove(&file_id).unwrap_or_else(|| Cursor { leaf, ..Cursor::default() });
        let (conn, mut position) = (self.conn, 0);
        link.each_line(conn, |key, end, raw| {
            position += 1;
            if position <= cursor.lines {
                return Ok(());
            }
            self.line(link, &mut cursor, (key, raw), is_main)?;
            cursor.lines = position;
            cursor.ends.push((end, cursor.leaf));
            Ok(())
        })?;
        let leaf = cursor.leaf_at(link.cut);
        self.cursors.insert(file_id, cursor);
        Ok(leaf)
    }

    fn line(
        &mut self,
        link: &Link,
        cursor: &mut Cursor,
        (key, raw): (i64, &[u8]),
        is_main: bool,
    ) -> Result<()> {
        let is_own = link.known.session == self.own.known.session;
        let mut n = 0;
        link.each_record(key, raw, |place, Line { record, problems }| {
            n += 1;
            for (kind, detail) in &problems {
                if is_own {
                    self.note(Some(log::line_number(key)), *kind, detail)?;
                } else if is_main && *kind == ProblemKind::InvalidUtf8 {
                    self.note(None, *kind, "a base file of the history has invalid UTF-8")?;
                }
            }
            let Some(record) = record else {
                // Releases of 2025 wrote it differently; its settings apply all the same.
                if is_main && let Some(payload) = settings_of_turn(raw) {
                    self.facts.take_turn_context(payload, is_own);
                }
                return Ok(());
            };
            if is_own && record.ordinal.is_none() && link.known.mode == Mode::Paginated {
                let detail = "no ordinal, because an older release continued the session; Codex \
                              cannot resume it";
                self.note(Some(log::line_number(key)), ProblemKind::Unreadable, detail)?;
            }
            let id = self.entry_id(link, key, place, n);
            let entry_key = self.insert(cursor, place, &id, &record)?;
            if is_own {
                self.count_tokens(entry_key, &record)?;
            }
            if is_main {
                self.telling.take(&record);
                self.facts.take(&record, is_own);
            }
            Ok(())
        })
    }

    fn entry_id(&self, link: &Link, key: i64, place: RecordPlace, n: u32) -> String {
        let number = match place.span {
            None => log::line_number(key),
            Some(_) => n,
        };
        match &link.known.physical_id {
            Some(id) if link.known.session != self.own.known.session => format!("{id}:{number}"),
            _ => format!("line:{number}"),
        }
    }

    fn insert(
        &mut self,
        cursor: &mut Cursor,
        place: RecordPlace,
        entry_id: &str,
        record: &Record<'_>,
    ) -> Result<i64> {
        let session = self.own.known.session;
        cursor.note(&record.body);
        let role = match &record.body {
            Body::Item(item) => Some(item::role(*item).into_owned()),
            Body::Compacted(_) => Some("compaction".to_owned()),
            _ => None,
        };
        let named = self.name_of(record).map(Stored::Text);
        let entry_key = entries::key(session, self.count);
        let row = EntryRow {
            entry_key,
            place,
            session,
            entry_id,
            id_made: true,
            above: ParentLink { key: cursor.leaf, ..ParentLink::default() },
            entry_type: &display::entry_type(record),
            role: role.as_deref(),
            message_id: named.as_ref(),
            created_at: record.at(),
        };
        // Two files with the same name give the same ids; the second is kept outside the tree.
        if !entries::insert_entry(self.conn, &row)? {
            return Ok(entry_key);
        }
        self.count += 1;
        cursor.leaf = Some(entry_key);
        Ok(entry_key)
    }

    /// The turn or item that a record concerns, in threads whose items name their turn.
    fn name_of(&self, record: &Record<'_>) -> Option<String> {
        match &record.body {
            Body::Event(event) if self.own.meta.mode == Mode::Paginated => match event {
                Event::ItemCompleted { item, .. } => owned(*item, "id"),
                event => turns::named_by(event).map(str::to_owned),
            },
            _ => None,
        }
    }

    /// Records the token counts of a record, unless it repeats the one before.
    fn count_tokens(&self, entry_key: i64, record: &Record<'_>) -> Result<()> {
        let Body::Event(Event::TokenCount(payload)) = record.body else { return Ok(()) };
        let Some(info) = payload.get("info") else { return Ok(()) };
        let total = total_tokens(info);
        let Some(last) = info.get("last_token_usage") else { return Ok(()) };
        if total.is_none() || total == self.facts.tokens {
            return Ok(());
        }
        let number = |key| last.get(key).and_then(integer);
        let cached = number("cached_input_tokens");
        let usage = Usage {
            provider: self.facts.meta.provider.as_ref().map(Stored::to_text),
            model: self.facts.model.as_ref().map(Stored::to_text),
            input: number("input_tokens").map(|all| all.saturating_sub(cached.unwrap_or(0))),
            output: number("output_tokens"),
            cache_read: cached,
            cache_write: number("cache_write_input_tokens"),
            total_tokens: number("total_tokens"),
            cost: None,
        };
        let source = self.facts.meta.forked_from.as_deref();
        let source = source.filter(|_| self.facts.is_copy(entry_key, record));
        records::insert_usage(self.conn, self.own.known.session, entry_key, &usage, source)
    }

    fn finish(self, thread: &Thread, rollout: &Rollout, names: &Names) -> Result<()> {
        let (conn, own, session) = (self.conn, self.own, self.own.known.session);
        if thread.is_superseded && thread.is_double && own.known.segment_id.is_none() {
            let detail = "another file of the same thread is used instead";
            self.note(None, ProblemKind::Unreadable, detail)?;
        }
        for file in rollout.files() {
            note_losses(conn, session, file.source_id, &file.path)?;
        }
        let modified_at = self.modified_at()?;
        if self.telling.has_early() {
            sessions::insert_metadata(conn, session, HAS_EARLY, "true")?;
        }
        let turns = self.telling.finish();
        let Facts { meta, first_message, model, effort, .. } = self.facts;
        let leaf_key = self.cursors.get(&own.log.file_id).and_then(|cursor| cursor.leaf);
        let name = own.known.thread_id.as_deref().and_then(|id| names.get(id)).map(str::to_owned);
        let first_at = thread.first_at.filter(|_| own.known.segment_id.is_some());
        let mut head = Head {
            header: if own.has_header { Header::Stored } else { Header::Missing },
            session_id: own.known.thread_id.clone(),
            version: (meta.mode == Mode::Bare).then(|| Stored::Json("0".to_owned())),
            work_dir_id: match &meta.cwd {
                Some(cwd) => Some(sessions::work_dir_id(conn, cwd, sessions::LOCAL)?),
                None => None,
            },
            created_at: first_at.or(own.known.meta_at),
            modified_at,
            parent_session_id: meta.parent_id,
            title: name.clone().or_else(|| first_message.clone()).map(Stored::Text),
            name: name.map(Stored::Text),
            provider: meta.provider,
            model,
            reasoning_effort: effort,
            // Today's program finds no records in a file without envelopes.
            is_listed: !thread.is_superseded
                && meta.mode != Mode::Bare
                && own.known.thread_id.is_some()
                && first_message.is_some(),
            is_aside: !matches!(meta.source, "cli" | "vscode"),
            first_message: Stored::Text(first_message.unwrap_or_default()),
            message_count: turns::message_count(&turns),
            archived_at: own.known.is_archived.then_some(modified_at),
            leaf_id: leaf_key.map(|key| entries::entry_id(conn, key)).transpose()?,
            entry_count: i64::from(self.count),
            last_entry_key: self.count.checked_sub(1).map(|last| entries::key(session, last)),
            ..Head::empty()
        };
        fold_labels(conn, session)?;
        events::apply_all(conn, session, &mut head)?;
        head.search_text = search_text(conn, &head)?;
        heads::update_head(conn, session, &head, None)
    }

    /// When the file was last written, in milliseconds, by which the program sorts.
    fn modified_at(&self) -> Result<Timestamp> {
        let mtime = self.own.log.mtime;
        if mtime.is_beyond() {
            self.note(None, ProblemKind::Time, file_time::BEYOND)?;
        }
        let at = mtime.nearest().0;
        Ok(Timestamp(at.saturating_sub(at.rem_euclid(1_000_000))))
    }
}

impl Facts {
    fn take(&mut self, record: &Record<'_>, is_own: bool) {
        if self.first_message.is_none() {
            self.first_message = turns::preview_of(record);
        }
        match &record.body {
            Body::Meta(payload) if is_own => self.meta.update(*payload),
            Body::TurnContext(payload) => self.take_turn_context(*payload, is_own),
            Body::Event(Event::Settings(payload)) => {
                let settings = payload.get("thread_settings");
                let model = settings.and_then(|settings| owned(settings, "model"));
                self.model = model.map(Stored::Text).or(self.model.take());
            }
            Body::Event(Event::TokenCount(payload)) => {
                self.tokens = payload.get("info").and_then(total_tokens).or(self.tokens);
            }
            Body::Item(item) if self.meta.mode == Mode::Bare => {
                if self.first_message.is_none() && item::is_prompt(*item) {
                    let text = item::texts(*item).collect::<Vec<_>>().join("\n");
                    self.first_message = turns::preview(&text, None);
                }
                self.meta.cwd = self.meta.cwd.take().or_else(|| cwd_of_item(*item));
            }
            _ => {}
        }
    }

    /// Whether a record was copied from the forked thread. Copies are written in one go, some
    /// forty in a millisecond, each with the current time; an answer of a model takes longer.
    fn is_copy(&self, entry_key: i64, record: &Record<'_>) -> bool {
        let millis = 60 + i64::from(entries::ordinal(entry_key)) / 4;
        let is_within = |(began, at): (Timestamp, Timestamp)| {
            at.0.saturating_sub(began.0) <= millis * 1_000_000
        };
        self.copied_at.zip(record.at()).is_some_and(is_within)
    }

    fn take_turn_context(&mut self, payload: Raw<'_>, is_own: bool) {
        if is_own && let Some(cwd) = owned(payload, "cwd") {
            self.meta.cwd = Some(cwd);
        }
        self.model = owned(payload, "model").map(Stored::Text).or(self.model.take());
        let of_mode = || {
            let settings = payload.get("collaboration_mode")?.get("settings")?;
            owned(settings, "reasoning_effort")
        };
        self.effort = owned(payload, "effort").or_else(of_mode).map(Stored::Text);
    }
}

fn total_tokens(info: Raw<'_>) -> Option<i64> {
    let total = info.get("total_token_usage")?.get("total_tokens")?;
    integer(total).map(|total| total.max(0))
}

fn integer(value: Raw<'_>) -> Option<i64> {
    std::str::from_utf8(value.bytes()).ok()?.parse().ok()
}
