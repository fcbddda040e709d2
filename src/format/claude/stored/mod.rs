//! Folds the records of a transcript into a session.

mod append;
mod branch;
mod dump;
mod results;
mod settle;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use rusqlite::Connection;

use self::branch::IS_KNOTTED;
use super::Claude;
use super::chain::Tree;
use super::facts::{Facts, Node};
use super::layout::{self, Place};
use super::parse::{parse, role};
use super::summary::{Fold, Summary};
use crate::error::Result;
use crate::format::json::{self, Kind};
use crate::format::projection::{Folded, SessionFold};
use crate::model::{ProblemKind, Record, SessionKey, Stored};
use crate::store::files::{self, FileKind};
use crate::store::heads::Head;
use crate::store::problems::{self, NewProblem};
use crate::store::ranges::Range;
use crate::store::{documents, entries, generations, log, metadata, ranges, records, sessions};

/// Metadata keys for what a transcript says and no column holds.
const GIT_BRANCH: &str = "gitBranch";
const TAG: &str = "tag";
/// The nodes that summaries name and the file lacks so far.
const STRANGERS: &str = "summaries";
/// Marks a session whose rows do not tell what a further record changes.
const IS_ODD: &str = "odd";

/// A transcript that is being read.
struct Reading {
    is_agent: bool,
    nodes: Vec<Node>,
    /// The line of each of them.
    lines: Vec<i64>,
    fold: Fold,
}

impl Reading {
    fn of(path: &[u8]) -> Self {
        let is_agent = is_agent(path);
        Self { is_agent, nodes: Vec::new(), lines: Vec::new(), fold: Fold::default() }
    }
}

impl SessionFold for Reading {
    fn take(&mut self, line_key: i64, record: &mut Record) -> Result<()> {
        let Some(facts) = facts(record) else { return Ok(()) };
        self.fold.take(line_key, facts.told);
        let Some(node) = facts.node else { return Ok(()) };
        if let Some(entry) = record.entry.as_mut().filter(|_| self.is_agent) {
            // An agent's transcript is all its own conversation.
            entry.role = role(&node).map(str::to_owned);
        }
        self.nodes.push(node);
        self.lines.push(line_key);
        Ok(())
    }

    fn conclude(self: Box<Self>, folded: &Folded<'_>, head: &mut Head) -> Result<bool> {
        let Self { is_agent, nodes, lines, fold } = *self;
        let tree = Tree::new(&nodes);
        let summary = fold.finish(|uuid| tree.has(uuid));
        let conversation = Conversation { folded, is_agent, nodes: &nodes, lines: &lines, tree };
        conversation.settle_branch(head)?;
        conversation.insert_tools()?;
        conversation.insert_usage()?;
        note_unknown(folded, &summary)?;
        if is_agent {
            note_sidecar(folded)?;
        }
        if branch::is_knotted(&nodes, &conversation.tree, is_agent) {
            sessions::insert_metadata(folded.conn, folded.session, IS_KNOTTED, "true")?;
        }
        let is_odd = conversation.is_odd();
        settle_head(folded, is_agent, is_odd, summary, head)?;
        Ok(true)
    }
}

/// The facts that the format's parser attached to a record.
fn facts(record: &mut Record) -> Option<Facts> {
    let own = record.own.take()?.downcast::<Facts>().ok()?;
    Some(Arc::unwrap_or_clone(own))
}

/// The facts of a line.
fn facts_of_line(line: &[u8]) -> Option<Facts> {
    facts(&mut parse(line))
}

/// Whether a log is an agent's, even if it is kept under another name.
fn is_agent(path: &[u8]) -> bool {
    let path = generations::without_kept(path);
    !matches!(layout::split(&path).place, Place::Transcript { .. })
}

/// The conversation of a transcript, to be written as rows.
struct Conversation<'a> {
    folded: &'a Folded<'a>,
    is_agent: bool,
    nodes: &'a [Node],
    lines: &'a [i64],
    tree: Tree<'a>,
}

impl Conversation<'_> {
    /// Determines the leaf, the branch to it, and its number of messages.
    fn settle_branch(&self, head: &mut Head) -> Result<()> {
        let leaf = match self.folded.decided {
            Some(decided) => decided.and_then(|key| self.tree.last(entries::ordinal(key) as usize)),
            None if self.is_agent => self.tree.agent_leaf(),
            None => self.tree.leaf(),
        };
        let path = leaf.map(|leaf| self.tree.path(leaf)).unwrap_or_default();
        let length = path.len();
        let branch = if self.is_agent { path } else { self.tree.put_back(path) };
        head.leaf_id = leaf.map(|leaf| self.nodes[leaf].uuid.clone());
        let is_message = |record: &&usize| {
            let node = &self.nodes[**record];
            node.kind.is_message() && (self.is_agent || node.is_main())
        };
        head.message_count = branch.iter().filter(is_message).count() as i64;
        // An empty id finds no branch, although it is an id.
        let is_found = head.leaf_id.as_deref() != Some("");
        if branch.len() == length
            && is_found
            && branch.iter().all(|record| self.tree.counts(*record))
        {
            return Ok(());
        }
        ranges::insert(self.folded.conn, self.folded.session, &self.ranges(&branch))
    }

    /// A branch as ranges of entries.
    fn ranges(&self, branch: &[usize]) -> Vec<Range> {
        let mut ranges: Vec<Range> = Vec::new();
        for &record in branch {
            let key = self.key(record);
            let line_key = (!self.tree.counts(record)).then(|| self.lines[record]);
            match ranges.last_mut() {
                Some(Range { last, line_key: None, .. })
                    if *last + 1 == key && line_key.is_none() =>
                {
                    *last = key;
                }
                _ => ranges.push(Range { first: key, last: key, line_key }),
            }
        }
        ranges
    }

    /// The key of a record's entry.
    fn key(&self, record: usize) -> i64 {
        let ordinal = u32::try_from(self.tree.place(record)).unwrap_or(u32::MAX);
        entries::key(self.folded.session, ordinal)
    }

    /// Whether its rows do not tell what a further record changes.
    fn is_odd(&self) -> bool {
        let is_odd = |node: &Node| {
            1 < node.calls.len() + node.answers.len()
                || node.uuid.is_empty()
                || node.source.as_ref().is_some_and(|source| !self.tree.has(source))
        };
        self.counted().count() < self.nodes.len() || self.nodes.iter().any(is_odd)
    }

    /// The records that count for their uuids.
    fn counted(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter(|(record, _)| self.tree.counts(*record))
    }

    /// Writes the tool calls, with their results.
    fn insert_tools(&self) -> Result<()> {
        let Folded { conn, session, .. } = *self.folded;
        // Of each id, the lines of the calls without an answer.
        let mut open: HashMap<&str, BTreeSet<i64>> = HashMap::new();
        for (record, node) in self.counted() {
            // A line represents one call; hardly any contains more.
            if let Some((id, name)) = node.calls.first() {
                let (line, call) = (self.lines[record], (Some(&id[..]), Some(&name[..])));
                records::insert_tool_execution(
                    conn, session, line, call.0, call.1, false, node.at,
                )?;
                open.entry(id).or_default().insert(line);
            }
        }
        for (record, node) in self.counted() {
            for answer in &node.answers {
                let (id, is_error) = (&answer.call_id[..], answer.is_error);
                let line = self.lines[record];
                match open.get_mut(id).and_then(BTreeSet::pop_last) {
                    Some(call) => records::answer_tool_call(conn, call, line, is_error)?,
                    None => {
                        records::insert_tool_answer(conn, session, id, line, is_error, node.at)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes the usage of each response once, from its last node.
    fn insert_usage(&self) -> Result<()> {
        let Folded { conn, session, .. } = *self.folded;
        let mut last = HashMap::new();
        for (record, node) in self.counted() {
            let Some(reported) = &node.usage else { continue };
            let response = match &node.message_id {
                Some(id) => (Some(id), reported.request_id.as_ref()),
                // Without an id, it is a response by itself.
                None => (Some(&node.uuid), None),
            };
            last.insert(response, record);
        }
        let mut counted: Vec<usize> = last.into_values().collect();
        counted.sort_unstable();
        for record in counted {
            if let Some(reported) = &self.nodes[record].usage {
                records::insert_usage(conn, session, self.key(record), &reported.usage, None)?;
            }
        }
        Ok(())
    }
}

/// Determines what lists show.
fn settle_head(
    folded: &Folded<'_>,
    is_agent: bool,
    is_odd: bool,
    summary: Summary,
    head: &mut Head,
) -> Result<()> {
    let Folded { conn, session, .. } = *folded;
    if is_odd {
        sessions::insert_metadata(conn, session, IS_ODD, "true")?;
    }
    if !summary.strangers.is_empty() {
        let strangers = serde_json::Value::from(summary.strangers).to_string();
        sessions::insert_metadata(conn, session, STRANGERS, &strangers)?;
    }
    for (key, value) in [(GIT_BRANCH, &summary.git_branch), (TAG, &summary.tag)] {
        if let Some(value) = value {
            sessions::insert_metadata(conn, session, key, &value.to_json())?;
        }
    }
    if let Some(tag) = &summary.tag {
        metadata::insert_tag(conn, session, &tag.to_text())?;
    }
    if let Some(work_dir) = &summary.work_dir {
        head.work_dir_id = Some(sessions::work_dir_id(conn, work_dir, sessions::LOCAL)?);
    }
    let parent = if is_agent { summary.session_id } else { summary.forked_from };
    head.parent_session_id = head.parent_session_id.take().or(parent);
    head.created_at = summary.created_at;
    head.version = summary.version;
    head.model = summary.model;
    head.name = summary.custom_title;
    head.title = summary.title;
    head.preview_line_key = summary.prompt_line;
    head.first_message = summary.first_prompt.unwrap_or_else(|| Stored::Text(String::new()));
    head.is_listed = !summary.is_hidden && !is_agent;
    Ok(())
}

/// Records which types of records the program was never seen to write, once for each
/// type.
fn note_unknown(folded: &Folded<'_>, summary: &Summary) -> Result<()> {
    for (name, line_key, count) in &summary.unknown {
        let records = if *count == 1 { "record" } else { "records" };
        let detail = if name.is_empty() {
            format!("{count} {records} without a type; this is the first")
        } else {
            format!("{count} {records} of the unknown type {name}; this is the first")
        };
        let line = Some(log::line_number(*line_key));
        note(folded, &folded.file.path, line, ProblemKind::UnknownType, &detail)?;
    }
    Ok(())
}

/// Records what is wrong with the document that describes an agent.
fn note_sidecar(folded: &Folded<'_>) -> Result<()> {
    let path = layout::sidecar(&folded.file.path);
    match read_sidecar(folded.conn, folded.file.source_id, &path)? {
        Sidecar::Broken => {
            let detail = "not a JSON object; there is no description of the agent";
            note(folded, &path, None, ProblemKind::Unreadable, detail)
        }
        Sidecar::None | Sidecar::Described { .. } => Ok(()),
    }
}

fn note(
    folded: &Folded<'_>,
    path: &[u8],
    line: Option<u32>,
    kind: ProblemKind,
    detail: &str,
) -> Result<()> {
    problems::insert_problem(
        folded.conn,
        &NewProblem {
            source_id: folded.file.source_id,
            file_id: Some(folded.file.file_id),
            session: Some(folded.session),
            path,
            line,
            kind,
            detail,
        },
    )
}

/// The document that describes an agent.
enum Sidecar {
    None,
    Broken,
    /// The whole document, and the caller of the agent as JSON, if it is named.
    Described {
        json: String,
        tool_use_id: Option<String>,
        parent_agent_id: Option<String>,
    },
}

fn read_sidecar(conn: &Connection, source_id: i64, path: &[u8]) -> Result<Sidecar> {
    let file = files::newest(conn, source_id, path)?;
    let Some(file) = file.filter(|file| file.kind == FileKind::Document) else {
        return Ok(Sidecar::None);
    };
    let content = documents::readable(conn, &file, MAX_DOCUMENT)?.unwrap_or_default();
    let found = std::str::from_utf8(&content).ok();
    let found = found.and_then(|text| Some((text.trim(), json::scan(&content).ok()?.0)));
    let Some((whole, meta)) = found.filter(|(_, meta)| meta.kind() == Kind::Object) else {
        return Ok(Sidecar::Broken);
    };
    let text = |key: &str| {
        let value = meta.get(key).filter(|value| value.kind() == Kind::String)?;
        Some(json::clean(value, "null"))
    };
    Ok(Sidecar::Described {
        json: whole.to_owned(),
        tool_use_id: text("toolUseId"),
        parent_agent_id: text("parentAgentId"),
    })
}

/// The longest document that is read as the description of an agent. All are far
/// shorter.
const MAX_DOCUMENT: u64 = 1 << 20;

/// The sessions of a session's agents, by path.
fn agents(conn: &Connection, source_id: i64, path: &[u8]) -> Result<Vec<(SessionKey, Vec<u8>)>> {
    let layout::Split { project, place: Place::Transcript { session_id } } = layout::split(path)
    else {
        return Ok(Vec::new());
    };
    let folder = [project, session_id.as_bytes()].concat();
    let beside = |end: &[u8]| [project, end].concat();
    // '0' is the byte after '/', and '.' the one after '-'.
    let (from, to) = ([&folder[..], b"/"].concat(), [&folder[..], b"0"].concat());
    let own = sessions::sessions_between(conn, source_id, &from, &to)?;
    let old = sessions::sessions_between(conn, source_id, &beside(b"agent-"), &beside(b"agent."))?;
    let old = old.into_iter().filter(|agent| {
        agent.parent_id.as_deref() == Some(session_id)
            && matches!(layout::split(&agent.path).place, Place::OldAgent { .. })
    });
    let mut found: Vec<(SessionKey, Vec<u8>)> =
        own.into_iter().chain(old).map(|agent| (agent.session, agent.path)).collect();
    found.sort_by(|(_, one), (_, other)| one.cmp(other));
    Ok(found)
}

impl Claude {
    fn reading(path: &[u8]) -> Box<dyn SessionFold> {
        Box::new(Reading::of(path))
    }
}
