//! A branch for those who show or convert it: what it says, whole, at one moment.

use rusqlite::Connection;

use crate::context;
use crate::error::{Error, Result};
use crate::format::{Transcript, projection};
use crate::model::{Entry, Message, SessionInfo, SessionKey, Timestamp};
use crate::store::{Store, entries, log, records, sessions};

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
    /// Its line, byte for byte, terminator included; of a line that several share, its own bytes.
    pub line: Vec<u8>,
    /// The messages it adds to the conversation, as the context has them: one,
    /// none, or for a compaction of pi also the system message.
    pub messages: Vec<Message>,
}

impl Store {
    /// Returns the active branch with its messages, compacted parts included,
    /// and the session's system prompts: what a converter or viewer asks for.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// let branch = store.capture_branch(store.find("edge-97")?)?;
    ///
    /// assert_eq!(branch.info.work_dir.as_deref(), Some("/edge"));
    /// assert_eq!(branch.entries.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_branch(&self, session: SessionKey) -> Result<CapturedBranch> {
        self.read(|conn| {
            let info = info(conn, session)?;
            let system_prompts = records::system_prompt_lines(conn, session)?
                .into_iter()
                .map(|key| log::line(conn, key))
                .collect::<Result<_>>()?;
            let branch = context::branch_with_messages(conn, &info)?.into_iter();
            let entries = branch.map(|(entry, messages)| {
                let line = log::record(conn, entry.place)?;
                Ok(CapturedEntry { entry, line, messages })
            });
            let entries = entries.collect::<Result<_>>()?;
            Ok(CapturedBranch { info, system_prompts, entries })
        })
    }

    /// Returns the conversation as Markdown: a heading for each message that
    /// the program would go on with, as the program itself exports it. Kimi's
    /// says when that was.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// let text = store.markdown(store.find("edge-97")?, sessile::Timestamp::now())?;
    ///
    /// assert!(text.starts_with("# Kward Session\n\n## User\n\nfirst\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn markdown(&self, session: SessionKey, exported_at: Timestamp) -> Result<String> {
        self.read(|conn| {
            let info = info(conn, session)?;
            let messages: Vec<String> = context::messages(conn, session)?
                .map(|message| message.map(|message| message.json))
                .collect::<Result<_>>()?;
            let token_count = info.format.extras().token_count(conn, session)?;
            Ok(info.format.meaning().markdown(&Transcript {
                session_id: info.session_id.as_deref(),
                work_dir: info.work_dir.as_deref(),
                exported_at,
                token_count: token_count.as_deref(),
                messages: &messages,
            }))
        })
    }

    /// Returns the entries behind a line of the session's file, in file order,
    /// `limit` at most: what was added since a reader was there.
    ///
    /// 0 is before the first line. Go on with the [`line`](Entry::line) of the
    /// last entry returned. An entry whose id a later line repeats stands at
    /// that line. Of a Kimi session, the file is its context: sub-agents and
    /// contexts that were rotated away have lines of their own.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
    /// session.append_message(r#"{"role":"user","content":"one","id":"a"}"#)?;
    /// let seen = store.entries_after(session.key(), 0, 100)?;
    ///
    /// session.append_message(r#"{"role":"user","content":"two","id":"b"}"#)?;
    /// let new = store.entries_after(session.key(), seen[0].line, 100)?;
    ///
    /// assert_eq!(new[0].id, "b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entries_after(
        &self,
        session: SessionKey,
        line: u32,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        self.read(|conn| {
            let file = projection::log_of(conn, session)?
                .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
            entries::after(conn, session, &file, line, limit)
        })
    }
}

fn info(conn: &Connection, session: SessionKey) -> Result<SessionInfo> {
    sessions::info(conn, session)?.ok_or_else(|| Error::SessionNotFound(session.0.to_string()))
}
