//! Live sessions: a handle that writes as the session's own program would.

mod append;
mod copy;
mod create;
mod keeping;
mod kimi;
mod navigate;
mod pi;
mod recorder;

pub use create::NewSession;
pub use navigate::RewindPoint;
pub use recorder::Recorder;

use crate::error::{Error, Result};
use crate::format::{json, stored_text, written_name};
use crate::model::{Draft, DraftRuntime, Format, SessionInfo, SessionKey, Timestamp};
use crate::store::{Store, entries, records, sessions};

/// A live handle on a session.
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
/// assert_eq!(store.children(session.key(), &question)?.len(), 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    store: Store,
    key: SessionKey,
    at: Option<Timestamp>,
    id: Option<String>,
    expected: Option<Expected>,
    /// Of a handle that made the session.
    session_id: Option<String>,
}

#[derive(Clone, Debug)]
struct Expected {
    leaf: Option<String>,
    /// Whether to become a sibling instead of failing.
    branches: bool,
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

impl Store {
    /// Returns a live handle on a session; it writes nothing.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn live(&self, session: SessionKey) -> Result<Session> {
        self.read(|conn| sessions::info(conn, session))?
            .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
        Ok(Session::of(self, session))
    }
}

impl Session {
    /// Names the session in calls to the store.
    pub fn key(&self) -> SessionKey {
        self.key
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

    /// Returns what is known of the session now.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound) when it was purged since.
    pub fn info(&self) -> Result<SessionInfo> {
        self.store.session(self.key)?.ok_or_else(|| Error::SessionNotFound(self.key.0.to_string()))
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

    /// A handle that appends only behind this leaf.
    ///
    /// When another writer has moved it, an append fails with
    /// [`LeafMoved`](Error::LeafMoved) and writes nothing.
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
    /// id keeps it; one without gets a new one, as its last key.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for what is no object, is nested
    /// deeper than Kward reads or holds no finite number where one stands;
    /// [`EntryExists`](Error::EntryExists), [`LeafMoved`](Error::LeafMoved).
    pub fn append_message(&self, message: &str) -> Result<String> {
        self.append_of_message("message", message)
    }

    /// Appends a compaction and returns its entry's id: from here on, `message`
    /// and what it says to keep stand for everything before. Of a pi session,
    /// `message` has the entry's own keys: `summary`, `firstKeptEntryId` and so on.
    ///
    /// # Errors
    ///
    /// As [`append_message`](Self::append_message).
    pub fn compact(&self, message: &str) -> Result<String> {
        self.append_of_message("compaction", message)
    }

    fn append_of_message(&self, entry_type: &'static str, message: &str) -> Result<String> {
        self.append(|conn, head| self.entry_of_message(conn, head, entry_type, message).map(Some))?
            .ok_or_else(append::nothing_written)
    }

    /// The line of an entry that holds a message, and its id.
    fn entry_of_message(
        &self,
        conn: &rusqlite::Connection,
        head: &append::Tail,
        entry_type: &'static str,
        message: &str,
    ) -> Result<(String, String)> {
        if pi::has_fields(head.format) {
            let fields = match entry_type {
                "message" => format!("{{\"message\":{}}}", pi::object(message)?),
                _ => message.to_owned(),
            };
            return self.pi_entry(conn, head, entry_type, &fields);
        }
        let message = append::Message::read(message, self.id.as_deref())?;
        append::refuse_known(conn, self.key, &message.id)?;
        let parent = self.parent(conn, head.leaf_id.as_deref())?;
        let draft = Draft::Entry {
            entry_type,
            id: &message.id,
            parent_id: parent.as_deref(),
            message: &message.json,
        };
        Ok((self.line(head, &draft)?, message.id))
    }

    /// Appends a summary of a branch that was left, under `parent_id`, and
    /// makes it the leaf. Returns its id. `details` is a JSON value; null stands for none.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) for an unknown parent;
    /// [`InvalidRecord`](Error::InvalidRecord) for details that are no JSON.
    pub fn append_branch_summary(
        &self,
        parent_id: Option<&str>,
        from_id: Option<&str>,
        summary: Option<&str>,
        details: &str,
    ) -> Result<String> {
        self.append(|conn, head| {
            if let Some(parent_id) = parent_id {
                append::require(conn, self.key, parent_id)?;
            }
            if pi::has_fields(head.format) {
                let from_id = from_id.or(head.leaf_id.as_deref()).unwrap_or("root");
                let summary = summary.unwrap_or_default();
                let mut fields = format!(
                    "{{\"fromId\":{},\"summary\":{}",
                    json::spelt(from_id),
                    json::spelt(summary)
                );
                let details = pi::value(details)?;
                if details != "null" {
                    fields.push_str(&format!(",\"details\":{details}"));
                }
                fields.push('}');
                let entry = "branch_summary";
                return self.pi_entry_under(conn, head, entry, &fields, parent_id).map(Some);
            }
            let id = self.new_id();
            append::refuse_known(conn, self.key, &id)?;
            let details = append::value(if details == "null" { "{}" } else { details })?;
            let draft =
                Draft::BranchSummary { id: &id, parent_id, from_id, summary, details: &details };
            Ok(Some((self.line(head, &draft)?, id)))
        })?
        .ok_or_else(append::nothing_written)
    }

    /// Makes an entry the leaf: the next append is its child. Of Kward, an
    /// empty id leaves every branch, as [`reset_leaf`](Self::reset_leaf) does.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) when the session has no such entry.
    pub fn branch(&self, entry_id: &str) -> Result<()> {
        if pi::has_fields(self.format()?) {
            return self.move_leaf(Some(entry_id));
        }
        if entry_id.is_empty() {
            return self.reset_leaf();
        }
        self.append(|conn, head| {
            append::require(conn, self.key, entry_id)?;
            Ok(Some((self.line(head, &Draft::Leaf(Some(entry_id)))?, ())))
        })?;
        Ok(())
    }

    /// Leaves every branch: the next append is a root.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](Error::Unsupported) for formats that are not written here.
    pub fn reset_leaf(&self) -> Result<()> {
        if pi::has_fields(self.format()?) {
            return self.move_leaf(None);
        }
        self.append(|_, head| Ok(Some((self.line(head, &Draft::Leaf(None))?, ()))))?;
        Ok(())
    }

    /// Sets the label of an entry, without white space around it (pi keeps
    /// that); `None` or a blank one clears it. Returns the id of the label's record, and whether
    /// there is such an entry: a label may come before it.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for an empty id.
    pub fn append_label_change(
        &self,
        entry_id: &str,
        label: Option<&str>,
    ) -> Result<(String, bool)> {
        if entry_id.is_empty() {
            return Err(Error::InvalidRecord("a label needs the id of an entry".to_owned()));
        }
        let exact = label;
        let label = label.map(append::strip).filter(|label| !label.is_empty());
        if self.store.read(|conn| kimi::has_state(conn, self.key))? {
            return self.store.write(|tx| {
                kimi::label(tx, self.key, entry_id, label, self.time())?;
                let known = entries::entry_key(tx, self.key, entry_id)?.is_some();
                Ok((self.new_id(), known))
            });
        }
        self.append(|conn, head| {
            let id = self.new_id();
            let known = entries::entry_key(conn, self.key, entry_id)?.is_some();
            if pi::has_fields(head.format) {
                let target = json::spelt(entry_id);
                let fields = match exact {
                    Some(label) => {
                        format!("{{\"targetId\":{target},\"label\":{}}}", json::spelt(label))
                    }
                    None => format!("{{\"targetId\":{target}}}"),
                };
                let (line, id) = self.pi_entry(conn, head, "label", &fields)?;
                return Ok(Some((line, (id, known))));
            }
            let draft = Draft::Label { id: &id, target_id: entry_id, label };
            Ok(Some((self.line(head, &draft)?, (id, known))))
        })?
        .ok_or_else(append::nothing_written)
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
        let exact = name.unwrap_or_default();
        let name = name.map(append::strip).filter(|name| !name.is_empty());
        if self.store.read(|conn| kimi::has_state(conn, self.key))? {
            return self.store.write(|tx| kimi::set_title(tx, self.key, name, self.time()));
        }
        self.append(|conn, head| {
            if pi::has_fields(head.format) {
                let name = written_name(exact);
                let fields = format!("{{\"name\":{}}}", json::spelt(&name));
                let (line, _) = self.pi_entry(conn, head, "session_info", &fields)?;
                return Ok(Some((line, ())));
            }
            Ok(Some((self.line(head, &Draft::Name(name))?, ())))
        })?;
        Ok(())
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
        if pi::has_fields(self.format()?) {
            return self.update_pi_runtime(runtime);
        }
        self.append(|_, head| {
            let is_blank =
                |name: &&crate::model::Stored| !append::strip(&stored_text(name)).is_empty();
            let name = head.name.as_ref().filter(is_blank).map(crate::model::Stored::to_json);
            let runtime = DraftRuntime {
                provider: runtime.provider,
                model: runtime.model,
                reasoning_effort: runtime.reasoning_effort,
            };
            let draft = Draft::Runtime { name: name.as_deref(), runtime };
            Ok(Some((self.line(head, &draft)?, ())))
        })?;
        Ok(())
    }

    /// Records the session's memory: an array, and what was last retrieved,
    /// both JSON. What is no array becomes one, null an empty one.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for what is no JSON.
    pub fn update_memory_state(&self, memories: &str, last_retrieval: &str) -> Result<()> {
        let memories = match append::value(memories)? {
            array if array.starts_with('[') => array,
            null if null == "null" => "[]".to_owned(),
            other => format!("[{other}]"),
        };
        let last_retrieval = append::value(last_retrieval)?;
        self.append(|_, head| {
            let draft = Draft::Memory { memories: &memories, last_retrieval: &last_retrieval };
            Ok(Some((self.line(head, &draft)?, ())))
        })?;
        Ok(())
    }

    /// Records the system prompt, unless it is empty or the one recorded last.
    ///
    /// Returns its hash, and whether it was written.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](Error::Unsupported) for formats without such a record.
    pub fn append_system_prompt_snapshot(
        &self,
        content: &str,
        reason: &str,
    ) -> Result<(String, bool)> {
        let hash = append::prompt_hash(content);
        let written = self.append(|conn, head| {
            let last = records::system_prompt_hash(conn, self.key)?;
            if content.is_empty() || last.is_some_and(|last| stored_text(&last) == hash) {
                return Ok(None);
            }
            let draft = Draft::SystemPrompt { reason, hash: &hash, content };
            Ok(Some((self.line(head, &draft)?, ())))
        })?;
        Ok((hash, written.is_some()))
    }

    /// Records that a tool ran: `tool_call`, a JSON object with `id` and
    /// `function` (`name`, `arguments`), and what it answered.
    ///
    /// The record has Kward's shape, whatever the call looked like: short tool
    /// names, arguments decoded and in camel case, the diff and the changed
    /// files of edits. It is no entry of the tree. Returns the record, one
    /// object of JSON.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for a call that is no JSON.
    pub fn append_tool_execution(&self, tool_call: &str, content: &str) -> Result<String> {
        let tool_call = compact_json(tool_call, 1)?;
        self.append(|_, head| {
            let line = self.line(head, &Draft::ToolExecution { tool_call: &tool_call, content })?;
            let record = line.trim_end().to_owned();
            Ok(Some((line, record)))
        })?
        .ok_or_else(append::nothing_written)
    }

    /// Appends any record of the session's format, a JSON object, as it is but
    /// for white space and escapes. Returns the number of its line.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for what is no object.
    pub fn append_record(&self, record: &str) -> Result<u32> {
        self.append(|_, head| {
            let line = compact_json(record, 0)?;
            if !line.starts_with('{') {
                return Err(Error::InvalidRecord("a record must be a JSON object".to_owned()));
            }
            Ok(Some((format!("{line}\n"), head.line_count + 1)))
        })?
        .ok_or_else(append::nothing_written)
    }

    /// The parent of the next entry.
    fn parent(&self, conn: &rusqlite::Connection, leaf: Option<&str>) -> Result<Option<String>> {
        // An empty leaf names no entry; Kward writes no parent then.
        let found = leaf.filter(|leaf| !leaf.is_empty()).map(str::to_owned);
        match &self.expected {
            None => Ok(found),
            Some(expected) if expected.leaf == found => Ok(found),
            Some(Expected { leaf, branches: true }) => {
                if let Some(leaf) = leaf {
                    append::require(conn, self.key, leaf)?;
                }
                Ok(leaf.clone())
            }
            Some(Expected { leaf, branches: false }) => {
                Err(Error::LeafMoved { expected: leaf.clone(), found })
            }
        }
    }

    fn new_id(&self) -> String {
        self.id.clone().unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string())
    }

    fn line(&self, head: &append::Tail, draft: &Draft<'_>) -> Result<String> {
        append::spelt(head.format, draft, self.time())
    }

    fn of(store: &Store, key: SessionKey) -> Self {
        Self { store: store.clone(), key, at: None, id: None, expected: None, session_id: None }
    }

    fn format(&self) -> Result<Format> {
        let place = self.store.read(|conn| sessions::place(conn, self.key))?;
        let (source, _) = place.ok_or_else(|| Error::SessionNotFound(self.key.0.to_string()))?;
        Ok(source.format)
    }

    fn time(&self) -> Timestamp {
        self.at.unwrap_or_else(Timestamp::now)
    }

    fn append<T>(
        &self,
        make: impl FnOnce(&rusqlite::Connection, &append::Tail) -> Result<Option<(String, T)>>,
    ) -> Result<Option<T>> {
        self.store.write(|tx| append::append(tx, self.key, self.time(), make))
    }
}

/// Kward reads no line that is nested deeper than 100.
const MAX_DEPTH: usize = 100;

/// A JSON value in compact spelling, if a line can hold it `below` other containers.
fn compact_json(text: &str, below: usize) -> Result<String> {
    compact_within(text, MAX_DEPTH - below)
}

/// A JSON value in compact spelling, if it nests no more than `most` containers.
fn compact_within(text: &str, most: usize) -> Result<String> {
    let refuse = |reason: String| Err(Error::InvalidRecord(reason));
    let (value, features) = match json::scan(text.as_bytes()) {
        Ok(scanned) => scanned,
        Err(err) => return refuse(format!("not JSON at byte {}: {}", err.offset + 1, err.reason)),
    };
    if most < features.depth {
        return refuse(format!("nested {} deep; {most} is the most", features.depth));
    }
    if features.non_finite {
        return refuse("a number that is not finite".to_owned());
    }
    Ok(json::compact(value))
}
