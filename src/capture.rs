//! A branch for those who show or convert it: what it says, whole, at one moment.

use rusqlite::Connection;

use crate::context;
use crate::error::{Error, Result};
use crate::format::{Answering, Transcript, projection};
use crate::model::{Entry, Message, SessionInfo, SessionKey, Timestamp};
use crate::store::{entries, log, records, sessions};

/// The active branch of a session, at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CapturedBranch {
    /// What the header and the records since say of the session.
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
    /// Its place in the tree.
    pub entry: Entry,
    /// Its line, byte for byte, terminator included.
    pub line: Vec<u8>,
    /// The messages it adds to the conversation, as the context has them: one,
    /// none, or for a compaction of pi also the system message.
    pub messages: Vec<Message>,
    /// The model that answered in it, or whose usage it reports; `None` where nobody
    /// answers, or no line says who.
    pub model: Option<String>,
}

/// The active branch with its messages, and the session's system prompts.
pub(crate) fn branch(conn: &Connection, session: SessionKey) -> Result<CapturedBranch> {
    let info = info(conn, session)?;
    let branch = context::branch_with_messages(conn, &info)?;
    captured(conn, info, branch)
}

/// The path to an entry, likewise.
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
    let session = info.key;
    let system_prompts = records::system_prompt_lines(conn, session)?
        .into_iter()
        .map(|key| log::line(conn, key))
        .collect::<Result<_>>()?;
    let mut answering = Answering::default();
    let meaning = info.format.meaning();
    let entries = branch.into_iter().map(|(entry, messages)| {
        let line = log::record(conn, entry.place)?;
        let answered = answering.next(meaning.model(&line), entry.role.as_deref());
        let model = match records::model(conn, session, &entry.id)? {
            None => answered,
            reported => reported,
        };
        Ok(CapturedEntry { entry, line, messages, model })
    });
    let entries = entries.collect::<Result<_>>()?;
    Ok(CapturedBranch { info, system_prompts, entries })
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

/// The entries behind a line of the session's file.
pub(crate) fn entries_after(
    conn: &Connection,
    session: SessionKey,
    line: u32,
    limit: usize,
) -> Result<Vec<Entry>> {
    let file = projection::log_of(conn, session)?
        .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
    entries::after(conn, session, &file, line, limit)
}

fn info(conn: &Connection, session: SessionKey) -> Result<SessionInfo> {
    sessions::info(conn, session)?.ok_or_else(|| Error::SessionNotFound(session.0.to_string()))
}
