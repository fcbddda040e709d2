//! A branch for those who show or convert it: what it says, whole, at one moment.

use rusqlite::Connection;

use crate::context;
use crate::error::{Error, Result};
use crate::model::{Entry, SessionInfo, SessionKey};
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
    /// Its line, byte for byte, terminator included.
    pub line: Vec<u8>,
    /// The message it adds to the conversation, as JSON that every common reader takes.
    pub message: Option<String>,
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
            let mut entries = Vec::new();
            for entry in context::branch(conn, session)? {
                let line = log::line(conn, entry.key)?;
                let instead = context::raw_reference(&info.file, entry.line);
                let message =
                    info.format.messages(info.version.as_ref(), &line, None, &instead).pop();
                entries.push(CapturedEntry { entry, line, message });
            }
            Ok(CapturedBranch { info, system_prompts, entries })
        })
    }

    /// Returns the conversation as Markdown: a heading for each message that
    /// the program would go on with, as the program itself exports it.
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
    /// let text = store.markdown(store.find("edge-97")?)?;
    ///
    /// assert!(text.starts_with("# Kward Session\n\n## User\n\nfirst\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn markdown(&self, session: SessionKey) -> Result<String> {
        self.read(|conn| {
            let format = info(conn, session)?.format;
            let messages: Vec<_> = context::messages(conn, session)?.collect::<Result<_>>()?;
            Ok(format.markdown(messages.iter().map(|message| message.json.as_str())))
        })
    }

    /// Returns the entries behind a line of the session's file, in file order,
    /// `limit` at most: what was added since a reader was there.
    ///
    /// 0 is before the first line. Go on with the [`line`](Entry::line) of the
    /// last entry returned. An entry whose id a later line repeats stands at
    /// that line.
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
            let (file, _) = sessions::file_of(conn, session)?
                .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
            let mut found = Vec::new();
            // A local chain begins with lines of another.
            if let Some(base_id) = file.base_id.filter(|_| line < file.base_count) {
                let base = log::key(base_id, line)..log::key(base_id, file.base_count);
                found = entries::in_range(conn, session, base, limit)?;
            }
            let own = log::key(file.file_id, line)..log::key(file.file_id + 1, 0);
            found.extend(entries::in_range(conn, session, own, limit - found.len())?);
            Ok(found)
        })
    }
}

fn info(conn: &Connection, session: SessionKey) -> Result<SessionInfo> {
    sessions::info(conn, session)?.ok_or_else(|| Error::SessionNotFound(session.0.to_string()))
}
