//! Raw lines, and several messages at once: for programs that make their records
//! themselves, or keep the conversation elsewhere, too.

use super::{Session, text_of};
use crate::context;
use crate::dump;
use crate::error::Result;
use crate::model::{Format, Json, Message};
use crate::store::folder::{self, SessionFile};
use crate::store::{Store, heads};

impl Store {
    /// Returns the sessions of one format whose file has this path in the program's
    /// folder, or is below it, in any root: the store's own first, then by path.
    /// Sessions in the trash are included; sessions that are folders of files are
    /// not.
    ///
    /// The path is spelt as for [`NewSession::in_file`](crate::NewSession::in_file),
    /// as in `projects/-home-me-project`.
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
    /// Returns the lines of the session's file after the first `after`, each byte for
    /// byte, including its terminator. The cost does not depend on the lines before.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`Damaged`](crate::Error::Damaged) if a line cannot be read.
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
        self.read(|conn| dump::lines(conn, self.key, after))
    }

    /// Returns the JSON document beside the session's file that describes it: for a
    /// sub-agent of Claude Code, the call that started it. `None` if there is none,
    /// or it cannot be read.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn description(&self) -> Result<Option<String>> {
        self.read(|conn| self.format().extras().description(conn, self.key))
    }

    /// Appends lines in the session's format byte for byte, all or none. Returns the
    /// number of each. A line without terminator gets one.
    ///
    /// Each line is a JSON object. For Claude Code, a record whose `uuid` the session
    /// already has is not written again, and the number of its line is returned, so a
    /// call whose answer was lost can be repeated.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](crate::Error::InvalidRecord), with the position among the
    /// given lines, for a line that is not a JSON object, is not UTF-8, or contains a
    /// line feed; [`LeafMoved`](crate::Error::LeafMoved) if the handle
    /// [expects](Self::expecting) another leaf.
    pub fn append_lines<L: AsRef<[u8]>>(
        &self,
        lines: impl IntoIterator<Item = L>,
    ) -> Result<Vec<u32>> {
        let lines: Vec<L> = lines.into_iter().collect();
        let lines: Vec<&[u8]> = lines.iter().map(AsRef::as_ref).collect();
        self.change(|live, writing| live.lines(writing, &lines))
    }

    /// Appends messages, each as the child of the one before, all or none; see
    /// [`append_message`](Self::append_message). Returns the ids of their entries. If
    /// the handle names an id or an expected leaf, these apply to the first message.
    ///
    /// # Errors
    ///
    /// Those of [`append_message`](Self::append_message).
    pub fn append_messages<'j, J: Into<Json<'j>>>(
        &self,
        messages: impl IntoIterator<Item = J>,
    ) -> Result<Vec<String>> {
        let messages: Vec<Json<'j>> = messages.into_iter().map(Into::into).collect();
        let messages = messages.iter().map(text_of).collect::<Result<Vec<_>>>()?;
        let messages: Vec<(usize, &str)> = (1..).zip(messages).collect();
        self.change(|_, writing| crate::chain::append_messages(writing, &messages))
    }

    /// Moves the leaf to the entry before the last message of the active branch.
    /// Returns that message, which stays in the tree; `None`, changing nothing, if
    /// the branch has no message.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`Unsupported`](crate::Error::Unsupported) in formats whose leaf cannot be
    /// moved.
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
                    // The parent of an orphan is an id that no entry has.
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
