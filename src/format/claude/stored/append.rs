//! Determines from the rows what a further record changes.
//!
//! Most records continue from the leaf, or are outside the conversation: what they change is known
//! without any other. If one moves the conversation to another branch, that branch is determined
//! from the fork on. If the result is not certain, for example because a uuid is repeated or an
//! answer comes from elsewhere, the session is refolded from its first record.

use rusqlite::Connection;

use super::branch::{Branch, BranchEnd, IS_KNOTTED, is_answer};
use super::{GIT_BRANCH, IS_ODD, STRANGERS, facts, is_agent};
use crate::error::Result;
use crate::format::claude::facts::{Node, SessionFacts};
use crate::format::claude::parse::{is_said, role};
use crate::format::claude::stored::facts_of_line;
use crate::format::projection::{Folded, SessionFold};
use crate::model::{Record, SessionKey, Stored};
use crate::store::files::FileRow;
use crate::store::heads::Head;
use crate::store::{entries, events, log, metadata, paths, ranges, records, runs};

/// The state of a session after its last record.
struct Appending<'a> {
    conn: &'a Connection,
    session: SessionKey,
    is_agent: bool,
    /// Whether its responses are not contiguous: then only continuations can be handled.
    is_knotted: bool,
    /// The head that it continues from.
    head: Head,
    /// Whether the leaf is an entry of the main conversation.
    is_main: bool,
    /// Whether the leaf was moved by an event after the last entry.
    was_moved: bool,
    leaf: Option<i64>,
    leaf_id: Option<String>,
    /// Keys that were added to the branch.
    added: Vec<i64>,
    /// The number of messages on the branch.
    messages: i64,
    /// Whether an entry was added.
    has_entries: bool,
    /// Whether only a fold of all records can tell.
    is_lost: bool,
}

pub(super) fn behind<'a>(
    conn: &'a Connection,
    session: SessionKey,
    file: &FileRow,
    head: &Head,
) -> Result<Option<Box<dyn SessionFold + 'a>>> {
    let leaf = match &head.leaf_id {
        Some(leaf_id) => entries::entry_key(conn, session, leaf_id)?,
        None => None,
    };
    if leaf.is_some() != head.leaf_id.is_some() || metadata::said(conn, session, IS_ODD)?.is_some()
    {
        return Ok(None);
    }
    let role = leaf.map(|leaf| entries::role(conn, leaf)).transpose()?.flatten();
    Ok(Some(Box::new(Appending {
        conn,
        session,
        is_agent: is_agent(&file.path),
        is_knotted: metadata::said(conn, session, IS_KNOTTED)?.is_some(),
        head: head.clone(),
        is_main: role.is_some(),
        was_moved: was_moved(conn, session, head)?,
        leaf,
        leaf_id: head.leaf_id.clone(),
        added: Vec::new(),
        messages: head.message_count,
        has_entries: false,
        is_lost: false,
    })))
}

fn was_moved(conn: &Connection, session: SessionKey, head: &Head) -> Result<bool> {
    let Some(moved) = events::moved_leaf(conn, session)? else { return Ok(false) };
    let last = head.last_entry_key.map(|last| entries::line_key(conn, last)).transpose()?;
    Ok(last.is_none_or(|last| log::line_number(last) <= moved.lines))
}

impl SessionFold for Appending<'_> {
    fn take(&mut self, line_key: i64, record: &mut Record) -> Result<()> {
        let Some(facts) = facts(record).filter(|_| !self.is_lost) else { return Ok(()) };
        self.is_lost = !self.says_nothing_new(&facts.told)?;
        let Some(node) = facts.node.filter(|_| !self.is_lost) else { return Ok(()) };
        if let Some(entry) = record.entry.as_mut().filter(|_| self.is_agent) {
            entry.role = role(&node).map(str::to_owned);
        }
        self.has_entries = true;
        self.is_lost = match self.goes_on(&node) {
            Err(err) if err.is_of_content() => true,
            goes_on => !goes_on?,
        };
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

    fn conclude(mut self: Box<Self>, folded: &Folded<'_>, head: &mut Head) -> Result<bool> {
        if self.is_lost {
            return Ok(false);
        }
        self.flush()?;
        if let Some(decided) = folded.decided
            && !self.move_to(decided)?
        {
            return Ok(false);
        }
        head.leaf_id = self.leaf_id;
        head.message_count = self.messages;
        head.version = self.head.version;
        head.model = self.head.model;
        Ok(true)
    }
}

impl Appending<'_> {
    /// Whether a record leaves the summary as it is, except for version and model.
    fn says_nothing_new(&mut self, told: &SessionFacts) -> Result<bool> {
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

    /// Handles a node; returns whether it is known what it changes.
    fn goes_on(&mut self, node: &Node) -> Result<bool> {
        let (conn, session) = (self.conn, self.session);
        if entries::entry_key(conn, session, &node.uuid)?.is_some()
            || runs::is_awaited(conn, session, &node.uuid)?
            || 1 < node.calls.len() + node.answers.len()
            || node.uuid.is_empty()
            || self.is_strangers(&node.uuid)?
        {
            return Ok(false);
        }
        if let Some(source) = &node.source
            && entries::entry_key(conn, session, source)?.is_none()
        {
            return Ok(false);
        }
        let parent = node.parent.as_ref().map(|id| entries::entry_key(conn, session, id));
        let parent = parent.transpose()?.flatten();
        if parent.is_none() && node.parent.is_some() {
            return Ok(false);
        }
        let above = self.above(parent)?;
        if !self.is_knotted && !self.hangs_together(node, parent, &above)? {
            return Ok(false);
        }
        if !node.kind.is_message() || !self.is_agent && !node.is_main() {
            return self.stands_aside(node, &above);
        }
        if above.message.is_some()
            && above.message == self.leaf
            && self.is_plain(node)?
            && self.answer_nothing(&above.between)?
        {
            self.extend(node, above.between)?;
        } else if !self.is_knotted {
            self.turn_to(node, parent)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether a summary that was taken for another session's names this node.
    fn is_strangers(&self, uuid: &str) -> Result<bool> {
        let strangers = metadata::said(self.conn, self.session, STRANGERS)?;
        let strangers = strangers.and_then(|json| serde_json::from_str::<Vec<String>>(&json).ok());
        Ok(strangers.is_some_and(|strangers| strangers.iter().any(|one| one == uuid)))
    }

    /// The nearest message at or above an entry, and what is in between, root first.
    fn above(&self, parent: Option<i64>) -> Result<MessageAbove> {
        let mut above = MessageAbove::default();
        let Some(parent) = parent else { return Ok(above) };
        paths::walk_up(self.conn, parent, |step| {
            if step.entry_type == "message" {
                above.message = Some(step.entry_key);
            } else {
                above.between.push(step.entry_key);
            }
            Ok(above.message.is_none())
        })?;
        above.between.reverse();
        Ok(above)
    }

    /// Whether a node keeps the nodes and answers of each response contiguous, in the sense of
    /// `is_knotted`.
    fn hangs_together(
        &self,
        node: &Node,
        parent: Option<i64>,
        above: &MessageAbove,
    ) -> Result<bool> {
        if self.is_agent {
            return Ok(true);
        }
        let (conn, session) = (self.conn, self.session);
        if let Some(source) = &node.source
            && entries::entry_key(conn, session, source)? != above.message
        {
            return Ok(false);
        }
        for (call, _) in &node.calls {
            if !records::tool_answers(conn, session, call)?.is_empty() {
                return Ok(false);
            }
        }
        for answer in &node.answers {
            let hangs = match records::tool_answers(conn, session, &answer.call_id)?[..] {
                [] => true,
                [(call, false)] => match above.message {
                    Some(message) => entries::line_key(conn, message)? == call,
                    None => false,
                },
                _ => false,
            };
            if !hangs {
                return Ok(false);
            }
        }
        match &node.message_id {
            Some(id) if !self.parts(id)?.is_empty() => {
                let speech = self.speech(parent)?;
                Ok(speech.and_then(|speech| speech.message_id).as_ref() == Some(id))
            }
            _ => Ok(true),
        }
    }

    /// The nodes of a response so far.
    fn parts(&self, message_id: &str) -> Result<Vec<i64>> {
        let id = Stored::Text(message_id.to_owned());
        let mut parts = Vec::new();
        for entry in entries::entries_by_message_id(self.conn, self.session, &id)? {
            // An entry may itself have this id without being part of a response.
            if self.branch().node(entry)?.message_id.as_deref() == Some(message_id) {
                parts.push(entry);
            }
        }
        Ok(parts)
    }

    /// The nearest message at or above an entry that is no tool's answer.
    fn speech(&self, entry: Option<i64>) -> Result<Option<Node>> {
        let mut next = entry;
        while let Some(entry) = next {
            let Some(message) = self.above(Some(entry))?.message else { return Ok(None) };
            let node = self.branch().node(message)?;
            if !is_answer(&node) {
                return Ok(Some(node));
            }
            next = runs::parent(self.conn, message)?;
        }
        Ok(None)
    }

    /// Whether a node outside the conversation leaves it as it is.
    fn stands_aside(&self, node: &Node, above: &MessageAbove) -> Result<bool> {
        if self.is_agent {
            return Ok(true);
        }
        let is_message = node.kind.is_message();
        let is_behind_leaf = above.message.is_some() && above.message == self.leaf;
        // A node that ends with another message is a candidate for the leaf only if that message
        // comes later.
        let may_lead = !is_message && above.message.is_some() && self.leaf < above.message;
        let ends_leaf = is_message && is_behind_leaf;
        Ok(self.is_main
            && !self.was_moved
            && !may_lead
            && !ends_leaf
            && !self.takes_part(node, above)?)
    }

    /// Whether a node outside the conversation may have to be put back into it.
    fn takes_part(&self, node: &Node, above: &MessageAbove) -> Result<bool> {
        if self.is_knotted {
            return Ok(node.message_id.is_some() || node.is_answer || !node.calls.is_empty());
        }
        let mut of = Vec::new();
        if let Some(id) = &node.message_id {
            of.extend(self.parts(id)?.first().copied());
        }
        of.extend(above.message.filter(|_| is_answer(node)));
        for entry in of {
            if self.added.contains(&entry) || self.is_active(entry)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether an entry is on the branch, apart from what is being added.
    fn is_active(&self, entry: i64) -> Result<bool> {
        match (ranges::before(self.conn, self.session, i64::MAX)?, self.leaf) {
            (Some(_), _) => ranges::holds(self.conn, self.session, entry),
            (None, Some(leaf)) => runs::is_on_path(self.conn, leaf, entry),
            (None, None) => Ok(false),
        }
    }

    /// Whether a message after the leaf moves nothing that was put back.
    fn is_plain(&self, node: &Node) -> Result<bool> {
        let (conn, session) = (self.conn, self.session);
        if self.is_agent {
            return Ok(true);
        }
        if self.is_knotted {
            for (call, _) in &node.calls {
                if !records::tool_answers(conn, session, call)?.is_empty() {
                    return Ok(false);
                }
            }
            for answer in &node.answers {
                // A second answer to a call, or calls with the same id, may move what was put
                // back.
                let known = records::tool_answers(conn, session, &answer.call_id)?;
                if !matches!(known[..], [] | [(_, false)]) {
                    return Ok(false);
                }
            }
        }
        match &node.message_id {
            Some(message_id) => self.is_next_part(message_id),
            None => Ok(true),
        }
    }

    /// Whether nothing between two messages of the branch answers a call: else the answer that was
    /// put back for that call would leave the branch.
    fn answer_nothing(&self, between: &[i64]) -> Result<bool> {
        for entry in between.iter().filter(|_| self.is_knotted) {
            if !self.branch().node(*entry)?.answers.is_empty() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Extends the branch by a message after the leaf.
    fn extend(&mut self, node: &Node, between: Vec<i64>) -> Result<()> {
        let key = self.next_key()?;
        self.added.extend(between);
        self.added.push(key);
        self.messages += 1;
        self.end_with(key, node);
        Ok(())
    }

    /// Makes a message elsewhere the end of the branch.
    fn turn_to(&mut self, node: &Node, parent: Option<i64>) -> Result<()> {
        self.flush()?;
        let key = self.next_key()?;
        let end = BranchEnd { above: parent, new: Some((key, node)) };
        self.messages = self.branch().turn(self.leaf, end, self.messages)?;
        self.end_with(key, node);
        Ok(())
    }

    /// Makes the branch end as an event decided; returns whether the rows tell what it is then.
    fn move_to(&mut self, decided: Option<i64>) -> Result<bool> {
        if decided == self.leaf {
            return Ok(!self.has_entries);
        }
        if self.has_entries || self.is_knotted {
            return Ok(false);
        }
        match decided {
            Some(entry) => {
                let end = BranchEnd { above: decided, new: None };
                self.messages = self.branch().turn(self.leaf, end, self.messages)?;
                self.leaf_id = Some(entries::entry_id(self.conn, entry)?);
            }
            None => {
                ranges::clear(self.conn, self.session)?;
                (self.messages, self.leaf_id) = (0, None);
            }
        }
        self.leaf = decided;
        Ok(true)
    }

    /// The key of the next entry.
    fn next_key(&self) -> Result<i64> {
        Ok(entries::key(self.session, entries::count(self.conn, self.session)?))
    }

    fn end_with(&mut self, key: i64, node: &Node) {
        self.leaf = Some(key);
        self.leaf_id = Some(node.uuid.clone());
        self.is_main = true;
        self.was_moved = false;
    }

    fn branch(&self) -> Branch<'_> {
        Branch { conn: self.conn, session: self.session, is_agent: self.is_agent }
    }

    /// Writes what was added to the branch.
    fn flush(&mut self) -> Result<()> {
        ranges::extend(self.conn, self.session, &std::mem::take(&mut self.added))
    }

    /// Whether a node of a response is its first, or directly follows the last on the branch.
    fn is_next_part(&self, message_id: &str) -> Result<bool> {
        let id = Stored::Text(message_id.to_owned());
        let parts = entries::entries_by_message_id(self.conn, self.session, &id)?;
        if parts.is_empty() {
            return Ok(true);
        }
        if !self.leaf.is_some_and(|leaf| parts.contains(&leaf)) {
            return Ok(false);
        }
        let last = match self.added.last() {
            Some(added) => Some(*added),
            None => {
                let last = ranges::before(self.conn, self.session, i64::MAX)?;
                last.map(|(_, range)| range.last)
            }
        };
        Ok(last.is_none_or(|last| Some(last) == self.leaf))
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

    /// Removes the usage that earlier nodes of a response reported.
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

/// The message above an entry.
#[derive(Default)]
struct MessageAbove {
    message: Option<i64>,
    between: Vec<i64>,
}
