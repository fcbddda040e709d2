//! The reading methods of a session, but for its tree. Each is one read transaction, and calls the
//! module that does the work.

use std::path::Path;

use super::Session;
use crate::capture;
use crate::context;
use crate::error::{Error, Result};
use crate::format::ResultFile;
use crate::model::{Entry, Label, Message, Problem, SessionInfo, SessionKey, Turn, Usage};
use crate::search::{Search, SearchPage};
use crate::store::{Store, labels, log, problems, records, sessions};
use crate::{dump, names};

impl Store {
    /// Finds a session by its id, by an unambiguous prefix of it (an exact match
    /// wins), or by its file: its path below the root, alone or as `root:path`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`AmbiguousSession`](crate::Error::AmbiguousSession), with the files to choose
    /// from.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let session = store.find("edge-9")?;
    ///
    /// assert_eq!(session.session_id()?.as_deref(), Some("edge-97"));
    /// assert!(store.find("nobody").unwrap_err().is_not_found());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find(&self, name: &str) -> Result<Session> {
        self.read(|conn| Session::find(self, conn, names::find(conn, name)?))
    }

    /// Returns a handle to the session with this key, as lists return it. It writes
    /// nothing.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound) if it was purged.
    pub fn session(&self, session: SessionKey) -> Result<Session> {
        self.read(|conn| Session::find(self, conn, session))
    }
}

impl Session {
    /// Returns what is known of the session, without reading any of its lines.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound) if it was purged since.
    pub fn info(&self) -> Result<SessionInfo> {
        self.read(|conn| {
            sessions::info(conn, self.key)?.ok_or_else(|| sessions::not_found(self.key))
        })
    }

    /// Returns a name for which [`Store::find`] returns this session and no other:
    /// its id, else its file as `root:path`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound) if it was purged since.
    pub fn unique_name(&self) -> Result<String> {
        self.read(|conn| names::name_of(conn, self.key))
    }

    /// Returns the user's turns in order, as the format counts them; empty in a
    /// format without turns.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn turns(&self) -> Result<Vec<Turn>> {
        self.read(|conn| self.format().extras().turns(conn, self.key))
    }

    /// Returns the file that holds a tool's answer, if the program stored a long
    /// answer beside the log and the [result](crate::Part::ToolResult) in the message
    /// only refers to it; `None` for all other results.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`Damaged`](crate::Error::Damaged) if the file cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/claude/small", &sessile::ImportOptions::new())?;
    /// use sessile::Part;
    ///
    /// let session = store.find("00000051")?;
    /// for part in session.context()?.iter().flat_map(|message| message.parts()) {
    ///     if let Part::ToolResult { call_id, text } = part {
    ///         let whole = session.result_file(&call_id, &text)?.and_then(|file| file.text);
    ///         println!("{}", whole.unwrap_or(text));
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn result_file(&self, call_id: &str, answer: &str) -> Result<Option<ResultFile>> {
        self.read(|conn| self.format().extras().result_file(conn, self.key, call_id, answer))
    }

    /// Returns the messages that the program would continue with: those of the active
    /// branch, root first, in which compactions replace what they summarise. Empty if
    /// there are none.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`Damaged`](crate::Error::Damaged) if one of its lines cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let first = &store.find("edge-97")?.context()?[0];
    ///
    /// assert_eq!(first.entry_id, "a");
    /// assert_eq!((&first.role()[..], &first.text()[..]), ("user", "first"));
    /// assert_eq!(first.json(), r#"{"role":"user","content":"first","id":"a"}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn context(&self) -> Result<Vec<Message>> {
        self.read(|conn| context::messages(conn, self.key))
    }

    /// Returns the messages that the program would continue with if this entry were
    /// the leaf: the context of any branch, without moving the leaf.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session has no such
    /// entry; else those of [`context`](Self::context).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// use serde_json::json;
    ///
    /// let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
    /// let question = session.append_message(json!({"role": "user", "content": "Tea?"}))?;
    /// session.append_message(json!({"role": "assistant", "content": "Yes."}))?;
    /// session.branch(&question)?;
    /// session.append_message(json!({"role": "assistant", "content": "No."}))?;
    ///
    /// let mut answers = Vec::new();
    /// for end in session.leaves()? {
    ///     answers.push(session.context_at(&end.id)?[1].text());
    /// }
    /// assert_eq!(answers, ["Yes.", "No."]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn context_at(&self, entry_id: &str) -> Result<Vec<Message>> {
        self.read(|conn| {
            let leaf_key = context::key_of(conn, self.key, entry_id)?;
            context::messages_at(conn, self.key, Some(leaf_key))
        })
    }

    /// Returns the messages that an entry adds to a conversation, as they were
    /// appended: usually one; none for a label, for example; for a compaction of pi
    /// also its system message.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session has no such
    /// entry; [`Damaged`](crate::Error::Damaged) if its line cannot be read.
    pub fn messages_of(&self, entry_id: &str) -> Result<Vec<Message>> {
        self.read(|conn| {
            let key = context::key_of(conn, self.key, entry_id)?;
            context::messages_of_entry(conn, self.key, key)
        })
    }

    /// Returns the text of an entry's messages, joined by line feeds; empty if it has
    /// none.
    ///
    /// # Errors
    ///
    /// Those of [`messages_of`](Self::messages_of).
    pub fn text_of(&self, entry_id: &str) -> Result<String> {
        let texts: Vec<String> = self.messages_of(entry_id)?.iter().map(Message::text).collect();
        Ok(texts.join("\n"))
    }

    /// Returns the entries of the active branch, root first, including those that
    /// were compacted; empty if there are none.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn path(&self) -> Result<Vec<Entry>> {
        self.read(|conn| context::branch(conn, self.key))
    }

    /// Returns the last `limit` entries of the active branch, root first. The cost
    /// does not depend on the entries before them.
    ///
    /// # Errors
    ///
    /// Those of [`path`](Self::path).
    pub fn last_of_branch(&self, limit: usize) -> Result<Vec<Entry>> {
        self.read(|conn| context::branch_end(conn, self.key, limit))
    }

    /// Returns the entries from the root to this one, root first.
    ///
    /// This is one branch of the conversation, including what was compacted; siblings
    /// on other branches are left out. The path ends at an entry that is its own
    /// ancestor.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session has no such
    /// entry.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let path = store.find("edge-97")?.path_to("d")?;
    ///
    /// let ids: Vec<&str> = path.iter().map(|entry| entry.id.as_str()).collect();
    /// assert_eq!(ids, ["a", "s", "d"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn path_to(&self, entry_id: &str) -> Result<Vec<Entry>> {
        self.last_of_path(entry_id, usize::MAX)
    }

    /// Returns the last `limit` entries of the path to an entry, root first. The cost
    /// does not depend on the entries before them.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session has no such
    /// entry.
    pub fn last_of_path(&self, entry_id: &str, limit: usize) -> Result<Vec<Entry>> {
        self.read(|conn| context::path_to(conn, self.key, entry_id, limit))
    }

    /// Calls `each` for the lines of the path to an entry, root first, with each
    /// line's number, from 1, and its exact bytes, including the terminator. This is
    /// the fastest way to read the content of a branch.
    ///
    /// `each` must not use the store.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session has no such
    /// entry; any error that `each` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let mut numbers = Vec::new();
    /// store.find("edge-97")?.each_line_of_path("d", |number, _| {
    ///     numbers.push(number);
    ///     Ok(())
    /// })?;
    ///
    /// assert_eq!(numbers, [2, 5, 6]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn each_line_of_path(
        &self,
        entry_id: &str,
        mut each: impl FnMut(u32, &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.read(|conn| context::each_line_of_path(conn, self.key, entry_id, &mut each))
    }

    /// Calls `each` for every line of the session's file in order, with its number,
    /// from 1, and its exact bytes, including the terminator.
    ///
    /// All lines are read in one transaction. `each` must not use the store: the
    /// transaction holds a connection, and a nested call would wait for another one.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound); any error that `each`
    /// returns.
    pub fn each_line(&self, mut each: impl FnMut(u32, &[u8]) -> Result<()>) -> Result<()> {
        self.read(|conn| dump::each_line(conn, self.key, &mut each))
    }

    /// Returns the line of one of the session's entries, byte for byte, including the
    /// terminator.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`Damaged`](crate::Error::Damaged) if the line does not exist.
    pub fn line_of(&self, entry: &Entry) -> Result<Vec<u8>> {
        self.read(|conn| log::record(conn, entry.place))
    }

    /// Returns the entries after a line of the session's file, in file order, `limit`
    /// at most: what was added since a reader last looked.
    ///
    /// 0 is before the first line. To continue, pass the [`line`](Entry::line) of the
    /// last entry returned. An entry whose id is repeated by a later line is at that
    /// line. For a Kimi session, the file is its current context: sub-agents and
    /// rotated contexts have lines of their own.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
    /// session.append_message(r#"{"role":"user","content":"one","id":"a"}"#)?;
    /// let seen = session.entries_after(0, 100)?;
    ///
    /// session.append_message(r#"{"role":"user","content":"two","id":"b"}"#)?;
    /// let new = session.entries_after(seen[0].line, 100)?;
    ///
    /// assert_eq!(new[0].id, "b");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn entries_after(&self, line: u32, limit: usize) -> Result<Vec<Entry>> {
        self.read(|conn| capture::entries_after(conn, self.key, line, limit))
    }

    /// Returns the entry with this id; `None` if the session has none.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`Damaged`](crate::Error::Damaged) if its row cannot be read.
    pub fn entry(&self, id: &str) -> Result<Option<Entry>> {
        self.read(|conn| context::entry(conn, self.key, id))
    }

    /// Finds an entry by its id, or by an unambiguous prefix of it; an exact match
    /// wins.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound);
    /// [`AmbiguousEntry`](crate::Error::AmbiguousEntry), with the ids to choose from.
    pub fn find_entry(&self, name: &str) -> Result<Entry> {
        self.read(|conn| {
            let id = names::find_entry(conn, self.key, name)?;
            context::entry(conn, self.key, &id)?
                .ok_or_else(|| Error::EntryNotFound { entry_id: id })
        })
    }

    /// Searches the text of this session's entries, as [`Store::search`] does.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound); those of [`Store::search`].
    pub fn search(&self, search: Search) -> Result<SearchPage> {
        self.read(|_| Ok(()))?;
        self.store.search(&search.session(self.key))
    }

    /// Returns the current labels, in the order in which they were set.
    ///
    /// A label may name an id that no entry has.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn labels(&self) -> Result<Vec<Label>> {
        self.read(|conn| labels::labels(conn, self.key))
    }

    /// Returns the sum of the tokens and cost that the session's entries report, on
    /// every branch; a field is `None` if no entry reports it.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn usage(&self) -> Result<Usage> {
        self.read(|conn| records::usage(conn, self.key))
    }

    /// Returns the problems of the session's files, by line.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn problems(&self) -> Result<Vec<Problem>> {
        self.read(|conn| problems::session_problems(conn, self.key))
    }

    /// Calls `each` for every problem of the session, with its root, by path.
    ///
    /// `each` must not use the store.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound); any error that `each`
    /// returns.
    pub fn each_problem(&self, mut each: impl FnMut(&Path, &Problem) -> Result<()>) -> Result<()> {
        self.read(|conn| dump::each_problem(conn, Some(self.key), &mut each))
    }
}
