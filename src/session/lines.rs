//! Lines as they are, and many messages at once: what a program needs that has
//! made its records itself, or keeps a conversation elsewhere, too.

use super::{Session, text_of};
use crate::context;
use crate::dump;
use crate::error::Result;
use crate::model::{Format, Json, Message};
use crate::store::folder::{self, SessionFile};
use crate::store::{Store, heads};

impl Store {
    /// Returns the sessions of one format whose file is at this path of the program's
    /// folder, or below it, in whatever root: the store's own first, then by path. Those
    /// in the trash are among them; sessions that are folders of files are not.
    ///
    /// The path is spelt as [`NewSession::in_file`](crate::NewSession::in_file) spells a
    /// file, as in `projects/-home-me-project`.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// store.import("fixtures/claude/small", &sessile::ImportOptions::new())?;
    ///
    /// let files = store.session_files(sessile::Format::Claude, "projects")?;
    /// assert!(files.iter().all(|row| row.root.ends_with("fixtures/claude/small")));
    /// assert_eq!(store.session_files(sessile::Format::Claude, &files[0].file)?[0], files[0]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn session_files(&self, format: Format, path: &str) -> Result<Vec<SessionFile>> {
        self.read(|conn| folder::session_files(conn, format, path))
    }
}

impl Session {
    /// Returns the lines of the session's file behind the first `after`, each byte
    /// for byte, terminator included. What lies before them costs nothing.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`Damaged`](crate::Error::Damaged) when one cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// use sessile::{Format, NewSession};
    ///
    /// let session = store.create(&NewSession::new("/home/me/project").format(Format::Claude))?;
    /// let lines = [r#"{"type":"user","uuid":"a", "n":1.0}"#, r#"{"type":"mode","mode":"plan"}"#];
    /// assert_eq!(session.append_lines(lines)?, [1, 2]);
    ///
    /// assert_eq!(session.lines(0)?[0], b"{\"type\":\"user\",\"uuid\":\"a\", \"n\":1.0}\n");
    /// assert_eq!(session.append_lines(&lines[..1])?, [1]); // it has a uuid, and is there
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn lines(&self, after: u32) -> Result<Vec<Vec<u8>>> {
        self.store.read(|conn| dump::lines(conn, self.key, after))
    }

    /// Returns the document beside the session's file that describes it, as JSON: of a
    /// sub-agent of Claude Code, what called it. `None` where there is none that can be read.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn description(&self) -> Result<Option<String>> {
        self.store.read(|conn| self.format().extras().description(conn, self.key))
    }

    /// Appends lines of the session's format as they are, byte for byte, all or
    /// none. Returns the number of each. A line without terminator gets one.
    ///
    /// Each is a JSON object. Of Claude Code, a record whose `uuid` the session has
    /// already is not written again, and its line's number is returned: a call
    /// whose answer was lost can be repeated.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](crate::Error::InvalidRecord), which says the place among the
    /// lines, for what is no object, is not UTF-8, or holds a line feed;
    /// [`LeafMoved`](crate::Error::LeafMoved) of a handle that [expects](Self::expecting)
    /// another leaf.
    pub fn append_lines<L: AsRef<[u8]>>(
        &self,
        lines: impl IntoIterator<Item = L>,
    ) -> Result<Vec<u32>> {
        let lines: Vec<L> = lines.into_iter().collect();
        let lines: Vec<&[u8]> = lines.iter().map(AsRef::as_ref).collect();
        self.change(|live, writing| live.lines(writing, &lines))
    }

    /// Appends messages, each behind the one before, all or none, as
    /// [`append_message`](Self::append_message) does. Returns the ids of their
    /// entries. An id or a leaf that the handle names is the first one's.
    ///
    /// # Errors
    ///
    /// As [`append_message`](Self::append_message).
    pub fn append_messages<'j, J: Into<Json<'j>>>(
        &self,
        messages: impl IntoIterator<Item = J>,
    ) -> Result<Vec<String>> {
        let messages: Vec<Json<'j>> = messages.into_iter().map(Into::into).collect();
        let messages = messages.iter().map(text_of).collect::<Result<Vec<_>>>()?;
        self.change(|_, writing| crate::chain::append_messages(writing, &messages))
    }

    /// Goes back behind the last message of the active branch: the entry before
    /// it becomes the leaf. Returns the message, which stays in the tree; `None`
    /// where the branch has none, and then nothing is changed.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`Unsupported`](crate::Error::Unsupported) for formats whose leaf cannot be moved.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
    /// session.append_messages([
    ///     r#"{"role":"user","content":"What is a leaf?","id":"q"}"#,
    ///     r#"{"role":"assistant","content":"A sheet of paper.","id":"a"}"#,
    /// ])?;
    ///
    /// let popped = session.pop_message()?.expect("there are two");
    ///
    /// assert_eq!(popped.text(), "A sheet of paper.");
    /// assert_eq!(session.info()?.leaf.as_deref(), Some("q"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pop_message(&self) -> Result<Option<Message>> {
        self.change(|live, writing| {
            let tx = writing.tx;
            let mut next = heads::head(tx, self.key)?.leaf_id;
            let mut seen = std::collections::HashSet::new();
            while let Some(id) = next.filter(|id| seen.insert(id.clone())) {
                if !writing.is_known(&id)? {
                    break;
                }
                let parent = writing.entry(&id)?.parent_id;
                let key = context::key_of(tx, self.key, &id)?;
                if let Some(message) = context::messages_of_entry(tx, self.key, key)?.pop() {
                    // An orphan's parent is a name that no entry has.
                    let known = match &parent {
                        Some(parent) => writing.is_known(parent)?,
                        None => false,
                    };
                    live.move_leaf(writing, parent.as_deref().filter(|_| known))?;
                    return Ok(Some(message));
                }
                next = parent;
            }
            Ok(None)
        })
    }
}
