//! Live sessions: a handle that writes as the session's own program would.

mod copy;
mod create;
mod keeping;
mod metadata;
mod navigate;
mod reading;
mod recorder;
mod snapshot;

pub use copy::Fork;
pub use create::NewSession;
pub use navigate::RewindPoint;
pub use recorder::Recorder;
pub use snapshot::Snapshot;

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use crate::chain::{self, Expected, Tail, Writing};
use crate::error::{Error, Result};
use crate::format::live::{BranchSummary, Live};
use crate::format::stored_text;
use crate::model::{Draft, DraftRuntime, Format, Json, SessionKey, Timestamp};
use crate::store::{Store, records, sessions};

/// A session: everything that can be asked of it, and everything it can be told.
///
/// Every method that writes is one transaction: it takes the active entry as
/// it is then, adds one record in the bytes that the session's own program
/// would have written, and brings every table up to date. So handles in any
/// number of threads and processes never lose or overwrite an entry of each
/// other; two that append at once follow one another.
///
/// A handle is cheap to clone. [`at`](Self::at), [`with_id`](Self::with_id) and
/// [`expecting`](Self::expecting) give handles that write differently.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
/// use sessile::NewSession;
///
/// let session = store.create(&NewSession::new("/home/me/project"))?;
/// let question = session.append_message(r#"{"role":"user","content":"What is a leaf?"}"#)?;
/// session.append_message(r#"{"role":"assistant","content":"The active entry."}"#)?;
///
/// session.branch(&question)?; // what comes next is another answer
/// session.append_message(r#"{"role":"assistant","content":"Where one goes on."}"#)?;
///
/// assert_eq!(session.children(&question)?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    store: Store,
    key: SessionKey,
    format: Format,
    at: Option<Timestamp>,
    id: Option<String>,
    expected: Option<Expected>,
    /// Of a handle that made the session.
    session_id: Option<String>,
}

/// A label that was set or cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LabelChange {
    /// The id of its record.
    pub label_id: String,
    /// Whether the session has the entry that is labelled.
    pub is_known: bool,
}

/// A system prompt that was handed over to be recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptSnapshot {
    /// `sha256:` and the digest of its text, in hex.
    pub hash: String,
    /// Whether it was written; not, if it is empty or the one recorded last.
    pub is_written: bool,
}

/// Settings of the model that a session talks to; empty ones are not recorded.
#[derive(Clone, Copy, Debug, Default)]
pub struct RuntimeUpdate<'a> {
    /// The provider.
    pub provider: Option<&'a str>,
    /// The model.
    pub model: Option<&'a str>,
    /// The reasoning effort.
    pub reasoning_effort: Option<&'a str>,
}

impl Session {
    /// Names the session in this store, for as long as it is there.
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// The program whose session it is.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the session's id; `None` where its file has no usable header. A
    /// handle that made the session knows it without reading.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound) when it was purged since.
    pub fn session_id(&self) -> Result<Option<String>> {
        match &self.session_id {
            Some(id) => Ok(Some(id.clone())),
            None => Ok(self.info()?.session_id),
        }
    }

    /// A handle whose records carry this time. Default: the system's clock.
    #[must_use]
    pub fn at(&self, time: Timestamp) -> Self {
        Self { at: Some(time), ..self.clone() }
    }

    /// A handle whose next entry or label has this id, which must be new to the
    /// session; a session that it makes has it, too.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self.clone() }
    }

    /// A handle that appends only behind this leaf: messages, compactions and
    /// other entries.
    ///
    /// When the leaf has moved, by another writer or by an append through this
    /// handle itself, an append fails with [`LeafMoved`](Error::LeafMoved) and
    /// writes nothing; make a handle for each append. Names, labels, branches
    /// and records beside the tree do not ask.
    #[must_use]
    pub fn expecting(&self, leaf: Option<&str>) -> Self {
        let leaf = leaf.map(str::to_owned);
        Self { expected: Some(Expected { leaf, branches: false }), ..self.clone() }
    }

    /// A handle that appends behind this entry, wherever the leaf is by then:
    /// when another writer has moved it, the append is a sibling branch.
    #[must_use]
    pub fn branching_from(&self, leaf: Option<&str>) -> Self {
        let leaf = leaf.map(str::to_owned);
        Self { expected: Some(Expected { leaf, branches: true }), ..self.clone() }
    }

    /// Appends a message, a JSON object, behind the leaf and returns its entry's id.
    ///
    /// Key order and the spelling of numbers are kept. A message that has an
    /// id keeps it; one without gets a new one, as its last key. A message of a
    /// pi session has no id, and gets what it lacks of what pi reads without
    /// asking: content as blocks, usage, a time, and for an answer the model
    /// that the session talks to.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for what is no object, is nested
    /// deeper than Kward reads, holds no finite number where one stands, or is
    /// such that the session's program could not open the session with it;
    /// [`EntryExists`](Error::EntryExists), [`LeafMoved`](Error::LeafMoved).
    pub fn append_message<'j>(&self, message: impl Into<Json<'j>>) -> Result<String> {
        self.append_of_message("message", text_of(&message.into())?)
    }

    /// Appends a compaction and returns its entry's id: from here on, `message`
    /// and what it says to keep stand for everything before. Of a pi session,
    /// `message` has the entry's own keys: `summary`, `firstKeptEntryId` and so on.
    /// The [crate's page](crate) has the keys of each format. They are taken as
    /// they are given: without a `role`, the message that stands for the rest has
    /// none, and where what is to be kept is no entry of the branch, nothing is kept.
    ///
    /// # Errors
    ///
    /// As [`append_message`](Self::append_message).
    pub fn compact<'j>(&self, message: impl Into<Json<'j>>) -> Result<String> {
        self.append_of_message("compaction", text_of(&message.into())?)
    }

    fn append_of_message(&self, entry_type: &'static str, message: &str) -> Result<String> {
        self.append_line(|writing, tail| {
            tail.format.live().message(writing, tail, entry_type, message)
        })
    }

    /// Appends a summary of a branch that was left, under `parent_id`, and
    /// makes it the leaf. Returns its id. `details` is a JSON value; null stands for none.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) for an unknown parent;
    /// [`InvalidRecord`](Error::InvalidRecord) for details that are no JSON.
    pub fn append_branch_summary<'j>(
        &self,
        parent_id: Option<&str>,
        from_id: Option<&str>,
        summary: Option<&str>,
        details: impl Into<Json<'j>>,
    ) -> Result<String> {
        let details = details.into();
        let details = text_of(&details)?;
        let new = BranchSummary { parent_id, from_id, summary, details };
        self.append_line(|writing, tail| {
            if let Some(parent_id) = parent_id {
                writing.require(parent_id)?;
            }
            tail.format.live().branch_summary(writing, tail, &new)
        })
    }

    /// Makes an entry the leaf: the next append is its child. Of Kward, an
    /// empty id leaves every branch, as [`reset_leaf`](Self::reset_leaf) does.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) when the session has no such entry.
    pub fn branch(&self, entry_id: &str) -> Result<()> {
        self.change(|live, writing| live.branch(writing, entry_id))
    }

    /// Leaves every branch: the next append is a root.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](Error::Unsupported) for formats that are not written here.
    pub fn reset_leaf(&self) -> Result<()> {
        self.change(|live, writing| live.move_leaf(writing, None))
    }

    /// Sets the label of an entry, without white space around it (pi keeps
    /// that); `None` or a blank one clears it. A label may come before its entry.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for an empty id.
    pub fn append_label_change(&self, entry_id: &str, label: Option<&str>) -> Result<LabelChange> {
        if entry_id.is_empty() {
            return Err(Error::InvalidRecord("a label needs the id of an entry".to_owned()));
        }
        let (label_id, is_known) =
            self.change(|live, writing| live.label(writing, entry_id, label))?;
        Ok(LabelChange { label_id, is_known })
    }

    /// Gives the session a name, without white space around it; `None` or a
    /// blank one takes it away.
    ///
    /// The name of a Kimi session is its title, of which Kimi keeps 200
    /// characters; it stands in its `state.json`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn rename(&self, name: Option<&str>) -> Result<()> {
        self.change(|live, writing| live.rename(writing, name))
    }

    /// Records the model's settings; those that are empty stay as they are.
    ///
    /// The record repeats the session's name, which would be lost otherwise.
    ///
    /// A pi session has an entry for the model, where the provider is given with
    /// it, and one for the effort; both are written, or neither.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](Error::Unsupported) for formats without such a record;
    /// [`EntryExists`](Error::EntryExists) and [`LeafMoved`](Error::LeafMoved)
    /// for pi, whose records of this are entries.
    pub fn update_runtime(&self, runtime: RuntimeUpdate<'_>) -> Result<()> {
        let runtime = DraftRuntime {
            provider: runtime.provider,
            model: runtime.model,
            reasoning_effort: runtime.reasoning_effort,
        };
        self.change(|live, writing| live.update_runtime(writing, runtime))
    }

    /// Records the session's memory: an array, and what was last retrieved,
    /// both JSON. What is no array becomes one, null an empty one.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for what is no JSON.
    pub fn update_memory_state<'j, 'k>(
        &self,
        memories: impl Into<Json<'j>>,
        last_retrieval: impl Into<Json<'k>>,
    ) -> Result<()> {
        let (memories, last_retrieval) = (memories.into(), last_retrieval.into());
        let (memories, last_retrieval) = (text_of(&memories)?, text_of(&last_retrieval)?);
        self.append_line(|writing, tail| {
            let value = |text| chain::compact(text, tail.depth_below(2));
            let memories = match value(memories)? {
                array if array.starts_with('[') => array,
                null if null == "null" => "[]".to_owned(),
                other => format!("[{other}]"),
            };
            let last_retrieval = value(last_retrieval)?;
            let draft = Draft::Memory { memories: &memories, last_retrieval: &last_retrieval };
            Ok((writing.line(tail, &draft)?, ()))
        })
    }

    /// Records the system prompt, unless it is empty or the one recorded last.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](Error::Unsupported) for formats without such a record.
    pub fn append_system_prompt_snapshot(
        &self,
        content: &str,
        reason: &str,
    ) -> Result<PromptSnapshot> {
        let digest = Sha256::digest(content.as_bytes());
        let hash =
            digest.iter().fold("sha256:".to_owned(), |hash, byte| format!("{hash}{byte:02x}"));
        let written = self.append(|writing, tail| {
            let last = records::system_prompt_hash(writing.tx, self.key)?;
            if content.is_empty() || last.is_some_and(|last| stored_text(&last) == hash) {
                return Ok(None);
            }
            let draft = Draft::SystemPrompt { reason, hash: &hash, content };
            Ok(Some((writing.line(tail, &draft)?, ())))
        })?;
        Ok(PromptSnapshot { hash, is_written: written.is_some() })
    }

    /// Records that a tool ran: `tool_call`, a JSON object with `id` and
    /// `function` (`name`, `arguments`), and what it answered.
    ///
    /// It stands beside the tree and in no context: the call itself is part of an
    /// assistant's message, and the answer a message of its own, both by
    /// [`append_message`](Self::append_message). The record has Kward's shape,
    /// whatever the call looked like: short tool names, arguments decoded and in
    /// camel case, the diff and the changed files of edits. Returns the record,
    /// one object of JSON.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for a call that is no JSON.
    pub fn append_tool_execution<'j>(
        &self,
        tool_call: impl Into<Json<'j>>,
        content: &str,
    ) -> Result<String> {
        let tool_call = tool_call.into();
        let tool_call = text_of(&tool_call)?;
        self.append_line(|writing, tail| {
            let tool_call = chain::compact(tool_call, tail.depth_below(1))?;
            let draft = Draft::ToolExecution { tool_call: &tool_call, content };
            let line = writing.line(tail, &draft)?;
            let record = line.trim_end().to_owned();
            Ok((line, record))
        })
    }

    /// Appends any record of the session's format, a JSON object, as it is but
    /// for white space and escapes. Returns the number of its line.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for what is no object.
    pub fn append_record<'j>(&self, record: impl Into<Json<'j>>) -> Result<u32> {
        let record = record.into();
        let record = text_of(&record)?;
        self.append_line(|_, tail| {
            let line = chain::compact(record, tail.depth_below(0))?;
            if !line.starts_with('{') {
                return Err(Error::InvalidRecord("a record must be a JSON object".to_owned()));
            }
            Ok((format!("{line}\n"), tail.line_count + 1))
        })
    }

    /// A handle on a session that is there.
    fn of(store: &Store, key: SessionKey, format: Format) -> Self {
        let store = store.clone();
        Self { store, key, format, at: None, id: None, expected: None, session_id: None }
    }

    /// A handle on the session of this key.
    fn find(store: &Store, conn: &Connection, key: SessionKey) -> Result<Self> {
        let (source, _) = sessions::place(conn, key)?.ok_or_else(|| not_found(key))?;
        Ok(Self::of(store, key, source.format))
    }

    fn time(&self) -> Timestamp {
        self.at.unwrap_or_else(Timestamp::now)
    }

    /// A change of the session in this transaction, as the handle says.
    fn writing<'a>(&'a self, tx: &'a Connection) -> Writing<'a> {
        Writing {
            tx,
            session: self.key,
            at: self.time(),
            id: self.id.as_deref(),
            expected: self.expected.as_ref(),
        }
    }

    /// Reads the session on one snapshot.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.store.read(body)
    }

    /// Changes the session as its format does.
    fn change<T>(&self, change: impl FnOnce(&dyn Live, &Writing<'_>) -> Result<T>) -> Result<T> {
        self.store.write(|tx| self.change_in(tx, change))
    }

    /// Makes a session of a part of this one as its format does.
    pub(crate) fn make_fork(
        &self,
        make: impl FnOnce(&dyn Live, &Writing<'_>) -> Result<(SessionKey, String)>,
    ) -> Result<Fork> {
        let (session, text) = self.make(make)?;
        Ok(Fork { session, text })
    }

    /// Makes a session of this one as its format does.
    fn make<T>(
        &self,
        make: impl FnOnce(&dyn Live, &Writing<'_>) -> Result<(SessionKey, T)>,
    ) -> Result<(Self, T)> {
        self.store.make(|tx| self.change_in(tx, make))
    }

    fn change_in<T>(
        &self,
        tx: &Connection,
        change: impl FnOnce(&dyn Live, &Writing<'_>) -> Result<T>,
    ) -> Result<T> {
        if sessions::place(tx, self.key)?.is_none() {
            return Err(not_found(self.key));
        }
        change(self.format.live(), &self.writing(tx))
    }

    fn append<T>(
        &self,
        make: impl FnOnce(&Writing<'_>, &Tail) -> Result<Option<(String, T)>>,
    ) -> Result<Option<T>> {
        self.store.write(|tx| {
            let writing = self.writing(tx);
            writing.append(|tail| make(&writing, tail))
        })
    }

    pub(crate) fn append_line<T>(
        &self,
        make: impl FnOnce(&Writing<'_>, &Tail) -> Result<(String, T)>,
    ) -> Result<T> {
        self.store.write(|tx| {
            let writing = self.writing(tx);
            writing.append_line(|tail| make(&writing, tail))
        })
    }
}

fn not_found(session: SessionKey) -> Error {
    Error::SessionNotFound(session.0.to_string())
}

/// The text of JSON that was handed over.
pub(crate) fn text_of<'a>(json: &'a Json<'_>) -> Result<&'a str> {
    json.text().map_err(Error::InvalidRecord)
}
