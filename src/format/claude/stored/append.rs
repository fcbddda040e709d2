//! What a further record changes of a session, told from its rows.
//!
//! Most records go on from the leaf, or stand beside the conversation: what
//! they change is known without any other. Where that is not certain, as where
//! a uuid comes again, a branch is left or an answer comes from elsewhere, the
//! session is folded from its first record on.

use rusqlite::Connection;

use super::{GIT_BRANCH, IS_ODD, STRANGERS, facts, is_agent};
use crate::error::Result;
use crate::format::claude::facts::{Node, Told};
use crate::format::claude::parse::{is_said, role};
use crate::format::claude::stored::facts_of_line;
use crate::format::projection::{Folded, Whole};
use crate::model::{Record, SessionKey, Stored};
use crate::store::files::FileRow;
use crate::store::heads::Head;
use crate::store::{entries, events, log, metadata, paths, ranges, records, runs};

/// A session behind its last record.
struct Behind<'a> {
    conn: &'a Connection,
    session: SessionKey,
    is_agent: bool,
    /// The head that it goes on from.
    head: Head,
    /// Whether the leaf is an entry of the conversation itself.
    is_main: bool,
    /// Whether a leaf was ever moved without a record.
    was_moved: bool,
    leaf: i64,
    leaf_id: String,
    /// What the branch goes on with.
    added: Vec<i64>,
    messages: i64,
    /// Whether an entry came.
    has_entries: bool,
    /// Whether only all records tell.
    is_lost: bool,
}

pub(super) fn behind<'a>(
    conn: &'a Connection,
    session: SessionKey,
    file: &FileRow,
    head: &Head,
) -> Result<Option<Box<dyn Whole + 'a>>> {
    let Some(leaf_id) = head.leaf_id.clone() else { return Ok(None) };
    let Some(leaf) = entries::entry_key(conn, session, &leaf_id)? else { return Ok(None) };
    if metadata::said(conn, session, IS_ODD)?.is_some() {
        return Ok(None);
    }
    Ok(Some(Box::new(Behind {
        conn,
        session,
        is_agent: is_agent(&file.path),
        head: head.clone(),
        is_main: entries::role(conn, leaf)?.is_some(),
        was_moved: events::moved_leaf(conn, session)?.is_some(),
        leaf,
        leaf_id,
        added: Vec::new(),
        messages: 0,
        has_entries: false,
        is_lost: false,
    })))
}

impl Whole for Behind<'_> {
    fn take(&mut self, line_key: i64, record: &mut Record) -> Result<()> {
        let Some(facts) = facts(record).filter(|_| !self.is_lost) else { return Ok(()) };
        self.is_lost = !self.says_nothing_new(&facts.told)?;
        let Some(node) = facts.node.filter(|_| !self.is_lost) else { return Ok(()) };
        if let Some(entry) = record.entry.as_mut().filter(|_| self.is_agent) {
            entry.role = role(&node).map(str::to_owned);
        }
        self.has_entries = true;
        self.is_lost = !self.goes_on(&node)?;
        if self.is_lost {
            return Ok(());
        }
        self.take_tools(&node, line_key)?;
        if let Some(reported) = &node.usage {
            self.take_back_usage(&node, reported.request_id.as_deref())?;
            record.usage = Some(reported.usage.clone());
        }
        Ok(())
    }

    fn conclude(self: Box<Self>, folded: &Folded<'_>, head: &mut Head) -> Result<bool> {
        let is_here = |decided: Option<i64>| decided == Some(self.leaf) && !self.has_entries;
        if self.is_lost || folded.decided.is_some_and(|decided| !is_here(decided)) {
            return Ok(false);
        }
        ranges::extend(self.conn, self.session, &self.added)?;
        head.leaf_id = Some(self.leaf_id);
        head.message_count = self.head.message_count + self.messages;
        head.version = self.head.version;
        head.model = self.head.model;
        Ok(true)
    }
}

impl Behind<'_> {
    /// Whether a record leaves the summary as it is, but for version and model.
    fn says_nothing_new(&mut self, told: &Told) -> Result<bool> {
        let head = &mut self.head;
        let has_prompt = head.preview_line_key.is_some();
        let has_first = is_said(&head.first_message);
        let parent = if self.is_agent { &told.session_id } else { &told.forked_from };
        let is_title = told.custom_title.is_some()
            || told.ai_title.is_some()
            || told.last_prompt.is_some()
            || told.summary.is_some();
        if is_title
            || told.tag.is_some()
            || told.summary_of.is_some()
            || told.unknown.is_some()
            || told.work_dir.is_some() && head.work_dir_id.is_none()
            || told.at.is_some() && head.created_at.is_none()
            || parent.is_some() && head.parent_session_id.is_none()
            || told.prompt.text.is_some() && !has_prompt
            || told.prompt.command.is_some() && !has_first
        {
            return Ok(false);
        }
        if let Some(branch) = &told.git_branch {
            let known = metadata::said(self.conn, self.session, GIT_BRANCH)?;
            if known != is_said(branch).then(|| branch.to_json()) {
                return Ok(false);
            }
        }
        for (known, said) in [(&mut head.version, &told.version), (&mut head.model, &told.model)] {
            if let Some(said) = said {
                *known = Some(said.clone()).filter(is_said);
            }
        }
        Ok(true)
    }

    /// Takes in a node; says whether it is known what it changes.
    fn goes_on(&mut self, node: &Node) -> Result<bool> {
        let (conn, session) = (self.conn, self.session);
        if entries::entry_key(conn, session, &node.uuid)?.is_some()
            || runs::is_awaited(conn, session, &node.uuid)?
            || 1 < node.calls.len() + node.answers.len()
            || self.is_strangers(&node.uuid)?
        {
            return Ok(false);
        }
        if let Some(source) = &node.source
            && entries::entry_key(conn, session, source)?.is_none()
        {
            return Ok(false);
        }
        let parent = match &node.parent {
            Some(parent) => entries::entry_key(conn, session, parent)?,
            None => None,
        };
        if parent.is_none() && node.parent.is_some() {
            return Ok(false);
        }
        let above = self.above(parent)?;
        let is_counted = node.kind.is_message() && (self.is_agent || node.is_main());
        match is_counted {
            true if above.message == Some(self.leaf) => self.extend(node, above.between),
            true => Ok(false),
            false => Ok(self.stands_aside(node, &above)),
        }
    }

    /// Whether a summary that was taken for a stranger's is of this node.
    fn is_strangers(&self, uuid: &str) -> Result<bool> {
        let strangers = metadata::said(self.conn, self.session, STRANGERS)?;
        let strangers = strangers.and_then(|json| serde_json::from_str::<Vec<String>>(&json).ok());
        Ok(strangers.is_some_and(|strangers| strangers.iter().any(|one| one == uuid)))
    }

    /// The nearest message at or above an entry, and what stands between, root first.
    fn above(&self, parent: Option<i64>) -> Result<Above> {
        let mut above = Above::default();
        let Some(parent) = parent else { return Ok(above) };
        paths::walk_up(self.conn, parent, |step| {
            match step.entry_type == "message" {
                true => above.message = Some(step.entry_key),
                false => above.between.push(step.entry_key),
            }
            Ok(above.message.is_none())
        })?;
        above.between.reverse();
        Ok(above)
    }

    /// Whether a node that is no part of the conversation leaves it as it is.
    fn stands_aside(&self, node: &Node, above: &Above) -> bool {
        if self.is_agent {
            return true;
        }
        let takes_part = node.message_id.is_some() || node.is_answer || !node.calls.is_empty();
        let is_behind_leaf = above.message == Some(self.leaf);
        // What ends with another message is a candidate for the leaf only where
        // that stands later.
        let may_lead = above.message.is_some_and(|message| self.leaf < message);
        let ends_leaf = node.kind.is_message() && is_behind_leaf;
        self.is_main && !self.was_moved && !takes_part && !may_lead && !ends_leaf
    }

    /// Lets the branch go on with a message behind the leaf.
    fn extend(&mut self, node: &Node, between: Vec<i64>) -> Result<bool> {
        let (conn, session) = (self.conn, self.session);
        for (call, _) in &node.calls {
            if !records::tool_answers(conn, session, call)?.is_empty() {
                return Ok(false);
            }
        }
        for answer in &node.answers {
            // To be answered twice, or by two, may move what was put back.
            let known = records::tool_answers(conn, session, &answer.call_id)?;
            if !self.is_agent && !matches!(&known[..], [] | [false]) {
                return Ok(false);
            }
        }
        if let Some(message_id) = &node.message_id
            && !self.is_agent
            && !self.is_next_part(message_id)?
        {
            return Ok(false);
        }
        let key = entries::key(session, entries::count(conn, session)?);
        self.added.extend(between);
        self.added.push(key);
        self.leaf = key;
        self.leaf_id.clone_from(&node.uuid);
        self.is_main = true;
        self.messages += 1;
        Ok(true)
    }

    /// Whether a part of a response is its first, or follows the last right
    /// behind which nothing is put back.
    fn is_next_part(&self, message_id: &str) -> Result<bool> {
        let id = Stored::Text(message_id.to_owned());
        let parts = entries::entries_by_message_id(self.conn, self.session, &id)?;
        if parts.is_empty() {
            return Ok(true);
        }
        if !parts.contains(&self.leaf) {
            return Ok(false);
        }
        let last = match self.added.last() {
            Some(added) => Some(*added),
            None => ranges::of(self.conn, self.session)?.last().map(|range| range.last),
        };
        Ok(last.is_none_or(|last| last == self.leaf))
    }

    fn take_tools(&self, node: &Node, line_key: i64) -> Result<()> {
        let (conn, session) = (self.conn, self.session);
        if let Some((id, name)) = node.calls.first() {
            let (id, name) = (Some(&id[..]), Some(&name[..]));
            records::insert_tool_execution(conn, session, line_key, id, name, false, node.at)?;
        }
        for answer in &node.answers {
            let (id, is_error) = (&answer.call_id, answer.is_error);
            records::set_tool_result(conn, session, id, line_key, is_error, node.at)?;
        }
        Ok(())
    }

    /// Takes back what earlier parts of a response report.
    fn take_back_usage(&self, node: &Node, request_id: Option<&str>) -> Result<()> {
        let Some(message_id) = &node.message_id else { return Ok(()) };
        let id = Stored::Text(message_id.clone());
        for part in entries::entries_by_message_id(self.conn, self.session, &id)? {
            let line = log::record(self.conn, entries::place(self.conn, part)?)?;
            let usage = facts_of_line(&line).and_then(|facts| facts.node?.usage);
            if usage.is_some_and(|usage| usage.request_id.as_deref() == request_id) {
                records::delete_usage(self.conn, part)?;
            }
        }
        Ok(())
    }
}

/// What an entry stands below.
#[derive(Default)]
struct Above {
    message: Option<i64>,
    between: Vec<i64>,
}
