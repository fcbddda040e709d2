//! A branch or a whole tree with its messages and lines, read in one snapshot, for
//! converters and viewers.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use crate::context;
use crate::error::Result;
use crate::format::{Answering, Transcript, projection};
use crate::model::{Entry, Message, SessionInfo, SessionKey, Timestamp, Usage};
use crate::store::{entries, log, records, sessions};

/// The active branch of a session, read in one snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CapturedBranch {
    /// What the header and later records say about the session.
    pub info: SessionInfo,
    /// The lines of its system prompts in file order, byte for byte.
    pub system_prompts: Vec<Vec<u8>>,
    /// The entries of its active branch, root first.
    pub entries: Vec<CapturedEntry>,
}

/// An entry of a captured branch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CapturedEntry {
    /// Its position in the tree.
    pub entry: Entry,
    /// Its line, byte for byte, terminator included.
    pub line: Vec<u8>,
    /// The messages that it adds to the conversation, in the form that the context
    /// has them. Usually one; none for an entry that is no message; for a compaction
    /// of pi also the system message.
    pub messages: Vec<Message>,
    /// The model that produced the answer, or whose usage the entry reports; `None`
    /// for entries that are no answer, and where no line names the model.
    pub model: Option<String>,
    /// The tokens and the cost that the entry reports.
    pub usage: Option<Usage>,
}

/// All entries of a session, read in one snapshot.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CapturedTree {
    /// The active branch.
    pub active: CapturedBranch,
    /// The entries off the active branch, in file order. Their messages are as they
    /// were appended.
    pub others: Vec<CapturedEntry>,
}

/// The active branch with its messages, and the session's system prompts.
pub(crate) fn branch(conn: &Connection, session: SessionKey) -> Result<CapturedBranch> {
    let info = info(conn, session)?;
    let branch = context::branch_with_messages(conn, &info)?;
    captured(conn, info, branch)
}

/// The path to an entry, in the same form.
pub(crate) fn path_to(
    conn: &Connection,
    session: SessionKey,
    entry_id: &str,
) -> Result<CapturedBranch> {
    let info = info(conn, session)?;
    let path = context::path_with_messages(conn, &info, entry_id)?;
    captured(conn, info, path)
}

fn captured(
    conn: &Connection,
    info: SessionInfo,
    branch: Vec<(Entry, Vec<Message>)>,
) -> Result<CapturedBranch> {
    captured_with(conn, info, branch, &mut Answers::default())
}

/// Which model answered, by entry id.
type Answers = HashMap<String, Answering>;

/// Every entry, each once: the active branch, then the rest.
pub(crate) fn tree(conn: &Connection, session: SessionKey) -> Result<CapturedTree> {
    let info = info(conn, session)?;
    let branch = context::branch_with_messages(conn, &info)?;
    let mut answers = Answers::default();
    let active = captured_with(conn, info, branch, &mut answers)?;
    let on_branch: HashSet<i64> = context::branch_keys(conn, session)?.into_iter().collect();
    let keys = (0..entries::count_all(conn, session)?).map(|n| entries::key(session, n));
    let keys: Vec<i64> = keys.filter(|key| !on_branch.contains(key)).collect();
    let messages = context::messages_of_entries(conn, &active.info, &keys)?;
    let others = entries::entries(conn, &keys)?.into_iter().zip(messages);
    let others = others.map(|(entry, messages)| {
        let parent = entry.parent_id.as_ref().and_then(|id| answers.get(id));
        let mut answering = parent.cloned().unwrap_or_default();
        let entry = captured_entry(conn, &active.info, (entry, messages), &mut answering)?;
        answers.insert(entry.entry.id.clone(), answering);
        Ok(entry)
    });
    let others = others.collect::<Result<_>>()?;
    Ok(CapturedTree { active, others })
}

fn captured_with(
    conn: &Connection,
    info: SessionInfo,
    branch: Vec<(Entry, Vec<Message>)>,
    answers: &mut Answers,
) -> Result<CapturedBranch> {
    let session = info.key;
    let system_prompts = records::system_prompt_lines(conn, session)?
        .into_iter()
        .map(|key| log::line(conn, key))
        .collect::<Result<_>>()?;
    let mut answering = Answering::default();
    let entries = branch.into_iter().map(|(entry, messages)| {
        let entry = captured_entry(conn, &info, (entry, messages), &mut answering)?;
        answers.insert(entry.entry.id.clone(), answering.clone());
        Ok(entry)
    });
    let entries = entries.collect::<Result<_>>()?;
    Ok(CapturedBranch { info, system_prompts, entries })
}

/// Reads one entry; `answers` holds what the entries before it on the path
/// established.
fn captured_entry(
    conn: &Connection,
    info: &SessionInfo,
    (entry, messages): (Entry, Vec<Message>),
    answering: &mut Answering,
) -> Result<CapturedEntry> {
    let line = log::record(conn, entry.place)?;
    let answered = answering.next(info.format.meaning().model(&line), entry.role.as_deref());
    let usage = records::usage_of(conn, info.key, &entry.id)?;
    let reported = usage.as_ref().and_then(|usage| usage.model.clone());
    Ok(CapturedEntry { entry, line, messages, model: reported.or(answered), usage })
}

/// The conversation as Markdown, as the session's program exports it.
pub(crate) fn markdown(
    conn: &Connection,
    session: SessionKey,
    exported_at: Timestamp,
) -> Result<String> {
    let info = info(conn, session)?;
    let messages: Vec<String> =
        context::messages(conn, session)?.into_iter().map(|message| message.json).collect();
    let token_count = info.format.extras().token_count(conn, session)?;
    Ok(info.format.meaning().markdown(&Transcript {
        session_id: info.session_id.as_deref(),
        work_dir: info.work_dir.as_deref(),
        exported_at,
        token_count: token_count.as_deref(),
        messages: &messages,
    }))
}

/// The entries after a line of the session's file, with the messages that they add.
pub(crate) fn after(
    conn: &Connection,
    session: SessionKey,
    line: u32,
    limit: usize,
) -> Result<Vec<CapturedEntry>> {
    let info = info(conn, session)?;
    let entries = entries_after(conn, session, line, limit)?.into_iter();
    let captured = entries.map(|entry| {
        let key = context::key_of(conn, session, &entry.id)?;
        let messages = context::messages_of_entry(conn, session, key)?;
        captured_entry(conn, &info, (entry, messages), &mut Answering::default())
    });
    captured.collect()
}

/// The entries after a line of the session's file.
pub(crate) fn entries_after(
    conn: &Connection,
    session: SessionKey,
    line: u32,
    limit: usize,
) -> Result<Vec<Entry>> {
    let file = projection::log_of(conn, session)?.ok_or_else(|| sessions::not_found(session))?;
    entries::after(conn, session, &file, line, limit)
}

fn info(conn: &Connection, session: SessionKey) -> Result<SessionInfo> {
    sessions::info(conn, session)?.ok_or_else(|| sessions::not_found(session))
}
