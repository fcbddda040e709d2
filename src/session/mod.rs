//! Live sessions: a handle that reads a session, and writes it as its own program
//! would.

mod copy;
mod create;
mod keeping;
mod lines;
mod metadata;
mod named;
mod navigate;
mod reading;
mod recorder;
mod records;
mod snapshot;
mod tree;
mod unnamed;
mod whole;

pub use copy::Fork;
pub use create::NewSession;
pub use navigate::RewindPoint;
pub use recorder::Recorder;
pub(crate) use records::Memories;
pub use records::PromptSnapshot;
pub use snapshot::Snapshot;

use rusqlite::Connection;

use crate::chain::{Expected, Tail, Writing};
use crate::context;
use crate::error::{Error, Result};
use crate::format::live::{BranchSummary, Live};
use crate::model::{Compaction, Format, Json, RuntimeUpdate, SessionKey, Timestamp};
use crate::store::{Store, sessions};

/// A handle to a session, for reading and writing.
///
/// Every method that writes is one transaction: it reads the leaf, adds one record in
/// the bytes that the session's own program would have written, and updates every
/// table. So handles in any number of threads and processes never lose or overwrite
/// each other's entries; two that append at the same time append one after the other.
///
/// A handle outlives its session: after a purge, every method that reads or writes the
/// session fails with [`SessionNotFound`](Error::SessionNotFound).
///
/// A handle is cheap to clone. [`at`](Self::at), [`with_id`](Self::with_id),
/// [`expecting`](Self::expecting) and [`branching_from`](Self::branching_from) return
/// handles that write differently.
///
/// # Contents
///
/// - About it: [`key`](Self::key), [`format`](Self::format),
///   [`session_id`](Self::session_id), [`info`](Self::info),
///   [`unique_name`](Self::unique_name), [`description`](Self::description),
///   [`usage`](Self::usage), [`problems`](Self::problems),
///   [`each_problem`](Self::each_problem).
/// - Messages: [`context`](Self::context), [`context_at`](Self::context_at),
///   [`messages_of`](Self::messages_of), [`text_of`](Self::text_of),
///   [`turns`](Self::turns), [`result_file`](Self::result_file),
///   [`markdown`](Self::markdown), [`search`](Self::search).
/// - Messages with their entries: [`capture`](Self::capture),
///   [`capture_path`](Self::capture_path), [`capture_after`](Self::capture_after),
///   [`capture_tree`](Self::capture_tree).
/// - The tree: [`path`](Self::path), [`path_to`](Self::path_to),
///   [`last_of_path`](Self::last_of_path),
///   [`last_of_branch`](Self::last_of_branch), [`entry`](Self::entry),
///   [`find_entry`](Self::find_entry), [`children`](Self::children),
///   [`roots`](Self::roots), [`leaves`](Self::leaves),
///   [`abandoned`](Self::abandoned), [`is_on_path`](Self::is_on_path),
///   [`common_ancestor`](Self::common_ancestor), [`tree`](Self::tree),
///   [`tree_rows`](Self::tree_rows), [`labels`](Self::labels).
/// - Lines: [`lines`](Self::lines), [`each_line`](Self::each_line),
///   [`each_line_of_path`](Self::each_line_of_path), [`line_of`](Self::line_of),
///   [`entries_after`](Self::entries_after), [`generations`](Self::generations),
///   [`dump`](Self::dump).
/// - Appending: [`append_message`](Self::append_message),
///   [`append_messages`](Self::append_messages),
///   [`append_lines`](Self::append_lines), [`compact`](Self::compact),
///   [`append_compaction`](Self::append_compaction),
///   [`append_branch_summary`](Self::append_branch_summary),
///   [`append_record`](Self::append_record),
///   [`update_runtime`](Self::update_runtime), [`attach`](Self::attach).
/// - Branching: [`branch`](Self::branch), [`reset_leaf`](Self::reset_leaf),
///   [`pop_message`](Self::pop_message), [`rewind_points`](Self::rewind_points),
///   [`navigate`](Self::navigate), [`clone_session`](Self::clone_session),
///   [`fork`](Self::fork), [`fork_at_turn`](Self::fork_at_turn),
///   [`fork_branch`](Self::fork_branch).
/// - Names and labels: [`rename`](Self::rename), [`rename_json`](Self::rename_json),
///   [`append_label_change`](Self::append_label_change), [`remember`](Self::remember).
/// - Tags: [`tag`](Self::tag), [`tag_json`](Self::tag_json),
///   [`tag_all`](Self::tag_all), [`untag`](Self::untag),
///   [`clear_tags`](Self::clear_tags), [`tags`](Self::tags).
/// - Metadata: [`set_metadata`](Self::set_metadata),
///   [`set_all_metadata`](Self::set_all_metadata),
///   [`remove_metadata`](Self::remove_metadata), [`metadata`](Self::metadata),
///   [`metadata_of`](Self::metadata_of).
/// - Archive and trash: [`archive`](Self::archive), [`unarchive`](Self::unarchive),
///   [`trash`](Self::trash), [`restore`](Self::restore), [`purge`](Self::purge),
///   [`delete_if_unused`](Self::delete_if_unused).
/// - Operations of a single format: [`kward`](Self::kward), [`pi`](Self::pi),
///   [`kimi`](Self::kimi).
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
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
    /// Known to a handle that created the session.
    session_id: Option<String>,
}

/// A label that was set or cleared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LabelChange {
    /// The id of the record that sets it.
    pub label_id: String,
    /// Whether the session has the labelled entry.
    pub is_known: bool,
}

impl Session {
    /// Returns the key of the session in this store, which stays the same as long as
    /// the session exists.
    pub fn key(&self) -> SessionKey {
        self.key
    }

    /// Returns the format of the session's program.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Returns the session's id; `None` if its file has no usable header. A handle
    /// that created the session knows it without reading.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound) if the session was purged since.
    pub fn session_id(&self) -> Result<Option<String>> {
        match &self.session_id {
            Some(id) => Ok(Some(id.clone())),
            None => Ok(self.info()?.session_id),
        }
    }

    /// Returns a handle whose records carry this time. Default: the system's clock.
    #[must_use]
    pub fn at(&self, time: Timestamp) -> Self {
        Self { at: Some(time), ..self.clone() }
    }

    /// Returns a handle whose next entry or label gets this id, which must be new to
    /// the session. A session that it clones or forks gets this id, too.
    #[must_use]
    pub fn with_id(&self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self.clone() }
    }

    /// Returns a handle that appends messages, compactions and other entries only
    /// while this is the leaf.
    ///
    /// If the leaf has moved, by another writer or by an append through this handle
    /// itself, an append fails with [`LeafMoved`](Error::LeafMoved) and writes
    /// nothing, so make a handle for each append. Names, labels, branches and records
    /// outside the tree ignore the expectation.
    #[must_use]
    pub fn expecting(&self, leaf: Option<&str>) -> Self {
        let leaf = leaf.map(str::to_owned);
        Self { expected: Some(Expected { leaf, branches: false }), ..self.clone() }
    }

    /// Returns a handle that appends to this entry, even if another writer has moved
    /// the leaf since; the append is then a sibling branch.
    #[must_use]
    pub fn branching_from(&self, leaf: Option<&str>) -> Self {
        let leaf = leaf.map(str::to_owned);
        Self { expected: Some(Expected { leaf, branches: true }), ..self.clone() }
    }

    /// Appends a message, a JSON object, as a child of the leaf, and returns its
    /// entry's id.
    ///
    /// Key order and the spelling of numbers are kept. A message with an id keeps it;
    /// one without gets a new id as its last key. A message of a pi session has no
    /// id; it is completed with what pi requires: content as blocks, usage, a time,
    /// and for an answer the session's model.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) if the message is not an object, is
    /// nested deeper than Kward reads, contains a non-finite number, or would keep
    /// the session's program from opening the session;
    /// [`EntryExists`](Error::EntryExists); [`LeafMoved`](Error::LeafMoved).
    pub fn append_message<'j>(&self, message: impl Into<Json<'j>>) -> Result<String> {
        let message = message.into();
        let message = text_of(&message)?;
        self.append_line(|writing, tail| {
            tail.format.live().message(writing, tail, "message", message)
        })
    }

    /// Appends a compaction and returns its entry's id. From here on, its summary and
    /// what it keeps replace everything before.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) if the entry to keep from is not a
    /// message of the active branch, or an earlier compaction left it out;
    /// [`Unsupported`](Error::Unsupported) in formats without compactions;
    /// [`LeafMoved`](Error::LeafMoved).
    pub fn compact(&self, new: &Compaction) -> Result<String> {
        let spelt = self.format.spelling().compaction(new);
        let spelt = spelt.ok_or(Error::Unsupported("sessions of this format are not compacted"))?;
        self.store.write(|tx| {
            let id = self.compact_in(tx, &spelt)?;
            match context::named_in_vain(tx, self.format, self.key, &id)? {
                Some(name) => Err(Error::InvalidRecord(format!(
                    "nothing can be kept from {name:?} on: it is not a message of the active \
                     branch, or an earlier compaction left it out"
                ))),
                None => Ok(id),
            }
        })
    }

    /// Appends a compaction that is given in the keys of the session's format, which
    /// the [crate's documentation](crate) lists. As in the session's program, the
    /// entry to keep from is not checked: if it does not exist, nothing is kept.
    /// [`compact`](Self::compact) does check it.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord), which lists the keys, if there is no
    /// summary; else those of [`append_message`](Self::append_message).
    pub fn append_compaction<'j>(&self, compaction: impl Into<Json<'j>>) -> Result<String> {
        let compaction = compaction.into();
        let text = text_of(&compaction)?;
        self.store.write(|tx| self.compact_in(tx, text)).map_err(|err| match err {
            Error::InvalidRecord(reason) => Error::InvalidRecord(format!(
                "{reason}; the keys of a compaction of this format are {}",
                self.format.spelling().compaction_keys()
            )),
            err => err,
        })
    }

    fn compact_in(&self, tx: &Connection, compaction: &str) -> Result<String> {
        if let Some(reason) = self.format.spelling().refuse_compaction(compaction) {
            return Err(Error::InvalidRecord(reason));
        }
        self.format.live().compact(&self.writing(tx), compaction)
    }

    /// Appends a summary of an abandoned branch as a child of `parent_id`, and makes
    /// it the leaf. Returns its id. `details` is a JSON value; null means none.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) for an unknown parent;
    /// [`InvalidRecord`](Error::InvalidRecord) for details that are not JSON.
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

    /// Makes an entry the leaf, so that the next append is its child. For Kward, an
    /// empty id leaves every branch, as [`reset_leaf`](Self::reset_leaf) does.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) if the session has no such entry.
    pub fn branch(&self, entry_id: &str) -> Result<()> {
        self.change(|live, writing| live.branch(writing, entry_id))
    }

    /// Leaves every branch, so that the next append is a root.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](Error::Unsupported) in formats without this operation.
    pub fn reset_leaf(&self) -> Result<()> {
        self.change(|live, writing| live.move_leaf(writing, None))
    }

    /// Sets the label of an entry, without surrounding white space (which pi keeps);
    /// `None` or a blank one clears it. The entry need not exist yet.
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

    /// Sets the name of the session, without surrounding white space; `None` or a
    /// blank one removes it.
    ///
    /// The name of a Kimi session is its title, which is in its `state.json` and
    /// limited to 200 characters by Kimi.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn rename(&self, name: Option<&str>) -> Result<()> {
        self.change(|live, writing| live.rename(writing, name))
    }

    /// Records model settings; those that are empty stay unchanged.
    ///
    /// If the format keeps settings and name in one record, it repeats the session's
    /// name, which would be lost otherwise.
    ///
    /// A pi session gets an entry for the model, if the provider is given with it,
    /// and one for the effort; both are written, or neither.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](Error::Unsupported) in formats without such a record;
    /// [`EntryExists`](Error::EntryExists) and [`LeafMoved`](Error::LeafMoved) for
    /// pi, in which these records are entries.
    pub fn update_runtime(&self, runtime: RuntimeUpdate<'_>) -> Result<()> {
        self.change(|live, writing| live.update_runtime(writing, runtime))
    }

    /// Appends any record of the session's format, a JSON object, unchanged but for
    /// white space and escapes. Returns the number of its line. If records of the
    /// format have unique ids, a record that is already there, byte for byte, is not
    /// written again, so a call whose answer was lost can be repeated.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) if it is not a JSON object;
    /// [`LeafMoved`](Error::LeafMoved) if it is an entry.
    pub fn append_record<'j>(&self, record: impl Into<Json<'j>>) -> Result<u32> {
        let record = record.into();
        let record = text_of(&record)?;
        self.change(|live, writing| live.record(writing, record))
    }

    /// A handle to a session that exists.
    fn of(store: &Store, key: SessionKey, format: Format) -> Self {
        let store = store.clone();
        Self { store, key, format, at: None, id: None, expected: None, session_id: None }
    }

    /// A handle to the session with this key.
    fn find(store: &Store, conn: &Connection, key: SessionKey) -> Result<Self> {
        let (source, _) = sessions::place(conn, key)?.ok_or_else(|| sessions::not_found(key))?;
        Ok(Self::of(store, key, source.format))
    }

    fn time(&self) -> Timestamp {
        self.at.unwrap_or_else(Timestamp::now)
    }

    /// The context of a change in this transaction, with the handle's settings.
    fn writing<'a>(&'a self, tx: &'a Connection) -> Writing<'a> {
        Writing {
            tx,
            session: self.key,
            at: self.time(),
            id: self.id.as_deref(),
            expected: self.expected.as_ref(),
        }
    }

    /// Reads the session in one read transaction. Fails if it was purged since:
    /// nothing in the tables of its parts tells that from a session that has none.
    pub(crate) fn read<T>(&self, body: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.store.read(|conn| match sessions::is_there(conn, self.key) {
            Ok(false) => Err(sessions::not_found(self.key)),
            // If its row cannot be read, its parts may be readable.
            Err(err) if !err.is_of_content() => Err(err),
            _ => body(conn),
        })
    }

    /// Runs a change of the session through its format.
    fn change<T>(&self, change: impl FnOnce(&dyn Live, &Writing<'_>) -> Result<T>) -> Result<T> {
        self.store.write(|tx| self.change_in(tx, change))
    }

    /// Runs a change of the session's format that creates a session of part of this
    /// one.
    pub(crate) fn make_fork(
        &self,
        make: impl FnOnce(&dyn Live, &Writing<'_>) -> Result<(SessionKey, String)>,
    ) -> Result<Fork> {
        let (session, text) = self.make(make)?;
        Ok(Fork { session, text })
    }

    /// Runs a change of the session's format that creates a session.
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
            return Err(sessions::not_found(self.key));
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

/// The text of a JSON argument.
pub(crate) fn text_of<'a>(json: &'a Json<'_>) -> Result<&'a str> {
    json.text().map_err(Error::InvalidRecord)
}
