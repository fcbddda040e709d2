//! The facet of changes: what each change of a session becomes.
//!
//! The defaults are those of a program with one log per session and a record for
//! most changes: a line, spelt by [`Spelling`](super::Spelling) and appended by
//! `chain`. A change that the program has no record for is an event. A program that
//! keeps something elsewhere overrides the method.

use rusqlite::Connection;

use crate::chain::{self, CopySource, GivenMessage, NewHeader, Tail, Writing, strip};
use crate::error::{Error, Result};
use crate::format::rules::{Labels, Leaf};
use crate::format::stored_text;
use crate::model::{Draft, Entry, RuntimeUpdate, SessionKey, Stored, bytes_of};
use crate::store::events::EventKind;
use crate::store::files::{self, FileState};
use crate::store::sources::Source;
use crate::store::{documents, sessions};

/// A summary of an abandoned branch.
#[derive(Clone, Copy)]
pub(crate) struct BranchSummary<'a> {
    /// The entry that it is a child of.
    pub(crate) parent_id: Option<&'a str>,
    /// The leaf of the branch.
    pub(crate) from_id: Option<&'a str>,
    pub(crate) summary: Option<&'a str>,
    /// JSON; null means none.
    pub(crate) details: &'a str,
}

/// What changes become. Lines are made for the [`Tail`] of the session.
pub(crate) trait Live: Sync {
    /// Creates a session below the store's own root.
    fn create(&self, tx: &Connection, new: &NewHeader<'_>) -> Result<SessionKey> {
        chain::create(tx, new)
    }

    /// Appends a record that is given whole; returns the number of its line.
    fn record(&self, writing: &Writing<'_>, record: &str) -> Result<u32> {
        let mut number = 0;
        writing.append(|tail| {
            let line = chain::compact(record, tail.depth_below(0))?;
            if !line.starts_with('{') {
                return Err(Error::InvalidRecord("a record must be a JSON object".to_owned()));
            }
            let known = self.known_line(writing, &line)?;
            let is_entry = || tail.format.meaning().parse(line.as_bytes()).entry.is_some();
            if known.is_none() && writing.expected.is_some() && is_entry() {
                writing.parent(tail.leaf_id.as_deref())?;
            }
            number = known.unwrap_or(tail.line_count + 1);
            Ok(known.is_none().then(|| (format!("{line}\n"), ())))
        })?;
        Ok(number)
    }

    /// Spells an entry with a message as a line; returns it with the entry's id.
    fn message(
        &self,
        writing: &Writing<'_>,
        tail: &Tail,
        entry_type: &'static str,
        message: &str,
    ) -> Result<(String, String)> {
        let message = GivenMessage::read(message, writing.id, tail.depth_below(1))?;
        if !message.is_made {
            writing.refuse_known(&message.id)?;
        }
        let parent = writing.parent(tail.leaf_id.as_deref())?;
        let draft = Draft::Entry {
            entry_type,
            id: &message.id,
            parent_id: parent.as_deref(),
            message: &message.json,
        };
        Ok((writing.line(tail, &draft)?, message.id))
    }

    /// Appends a compaction, given in the format's own keys; returns its entry's id.
    fn compact(&self, writing: &Writing<'_>, compaction: &str) -> Result<String> {
        writing.append_line(|tail| self.message(writing, tail, "compaction", compaction))
    }

    /// Spells an entry that is given by its own keys as a line; returns it with the
    /// entry's id.
    fn entry(
        &self,
        _writing: &Writing<'_>,
        _tail: &Tail,
        _entry_type: &str,
        _fields: &str,
    ) -> Result<(String, String)> {
        Err(Error::Unsupported("entries of this format are not given by their own keys"))
    }

    /// Spells a branch summary as a line; returns it with the entry's id.
    fn branch_summary(
        &self,
        writing: &Writing<'_>,
        tail: &Tail,
        new: &BranchSummary<'_>,
    ) -> Result<(String, String)> {
        let id = writing.new_id();
        writing.refuse_known(&id)?;
        let details = if new.details == "null" { "{}" } else { new.details };
        let details = chain::compact(details, tail.depth_below(2))?;
        let BranchSummary { parent_id, from_id, summary, .. } = *new;
        let draft =
            Draft::BranchSummary { id: &id, parent_id, from_id, summary, details: &details };
        Ok((writing.line(tail, &draft)?, id))
    }

    /// Makes an entry the leaf. In formats with a record for this, an empty id leaves
    /// every branch.
    fn branch(&self, writing: &Writing<'_>, entry_id: &str) -> Result<()> {
        if entry_id.is_empty() && writing.format()?.rules().leaf == Leaf::Record {
            return self.move_leaf(writing, None);
        }
        writing.require(entry_id)?;
        self.move_leaf(writing, Some(entry_id))
    }

    /// Moves the leaf to this id, even if there is no such entry; `None` leaves every
    /// branch.
    fn move_leaf(&self, writing: &Writing<'_>, leaf: Option<&str>) -> Result<()> {
        match writing.format()?.rules().leaf {
            Leaf::Record => {
                writing.append_line(|tail| Ok((writing.line(tail, &Draft::Leaf(leaf))?, ())))
            }
            Leaf::Event => chain::move_leaf(writing, leaf),
        }
    }

    /// Whether navigating to an entry means that its text is to be edited and sent
    /// again.
    fn is_to_be_edited(&self, entry: &Entry) -> bool {
        chain::is_prompt(entry)
    }

    /// Sets or clears the label of an entry; returns the id of its record, and
    /// whether there is such an entry.
    fn label(
        &self,
        writing: &Writing<'_>,
        entry_id: &str,
        label: Option<&str>,
    ) -> Result<(String, bool)> {
        let label = label.map(strip).filter(|label| !label.is_empty());
        if writing.format()?.rules().labels == Labels::Event {
            chain::label(writing, entry_id, label)?;
            return Ok((writing.new_id(), writing.is_known(entry_id)?));
        }
        writing.append_line(|tail| {
            let id = writing.new_id();
            let draft = Draft::Label { id: &id, target_id: entry_id, label };
            Ok((writing.line(tail, &draft)?, (id, writing.is_known(entry_id)?)))
        })
    }

    /// Sets or removes the session's name.
    fn rename(&self, writing: &Writing<'_>, name: Option<&str>) -> Result<()> {
        let name = name.map(strip).filter(|name| !name.is_empty());
        writing.append_line(|tail| Ok((writing.line(tail, &Draft::Name(name))?, ())))
    }

    /// As [`rename`](Self::rename), for a name that may contain lone surrogates.
    fn rename_exactly(&self, writing: &Writing<'_>, name: &Stored) -> Result<()> {
        self.rename(writing, Some(&name.to_text()))
    }

    /// Sets or clears the tag of a session, in formats whose files have one; `false`
    /// in others, in which tags are events.
    fn tag(&self, _writing: &Writing<'_>, _tag: Option<&Stored>) -> Result<bool> {
        Ok(false)
    }

    /// The number of the line that already holds a record, which is then not appended
    /// again. `record` is a line without its terminator.
    fn known_line(&self, _writing: &Writing<'_>, _record: &str) -> Result<Option<u32>> {
        Ok(None)
    }

    /// The id of a record of which there can be only one: a further line with it is
    /// not appended.
    fn kept_once(&self, _line: &[u8]) -> Option<String> {
        None
    }

    /// Appends raw lines; returns the number of each.
    fn lines(&self, writing: &Writing<'_>, lines: &[&[u8]]) -> Result<Vec<u32>> {
        chain::append_lines(writing, lines)
    }

    /// Records the model's settings. The record repeats the name, which would be lost
    /// otherwise.
    fn update_runtime(&self, writing: &Writing<'_>, runtime: RuntimeUpdate<'_>) -> Result<()> {
        writing.append_line(|tail| {
            let is_blank = |name: &&Stored| strip(&stored_text(name)).is_empty();
            let name = tail.name.as_ref().filter(|name| !is_blank(name)).map(Stored::to_json);
            let draft = Draft::Runtime { name: name.as_deref(), runtime };
            Ok((writing.line(tail, &draft)?, ()))
        })
    }

    fn archive(&self, writing: &Writing<'_>) -> Result<()> {
        let Writing { tx, session, at, .. } = *writing;
        chain::decide(tx, session, EventKind::Archive, at, None)
    }

    fn unarchive(&self, writing: &Writing<'_>) -> Result<()> {
        let Writing { tx, session, at, .. } = *writing;
        chain::decide(tx, session, EventKind::Unarchive, at, None)
    }

    /// Whether a session may be archived because of its age.
    fn may_age(&self, _conn: &Connection, _session: SessionKey) -> Result<bool> {
        Ok(true)
    }

    /// The session that the program used last in a work dir, according to a file
    /// beside the sessions in this folder, or elsewhere at the root.
    fn last_session(
        &self,
        conn: &Connection,
        source: &Source,
        folder: &[u8],
        _work_dir: &str,
    ) -> Result<Option<SessionKey>> {
        let layout = source.format.layout();
        let Some(name) = layout.pointer_file() else { return Ok(None) };
        let path = [folder, name.as_bytes()].concat();
        let Some(pointer) = files::file(conn, source.source_id, &path, FileState::Current)? else {
            return Ok(None);
        };
        let content = documents::content(conn, &pointer)?;
        let Some(name) = layout.pointed_file(&content) else { return Ok(None) };
        let path = [folder, name.as_bytes()].concat();
        for session in sessions::sessions_by_path(conn, &path)? {
            let info = sessions::info(conn, session)?;
            if info.is_some_and(|info| {
                bytes_of(&info.root) == source.root && info.trashed_at.is_none()
            }) {
                return Ok(Some(session));
            }
        }
        Ok(None)
    }

    /// Clones the session.
    fn duplicate(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        chain::duplicate(writing)
    }

    /// Forks the path to an entry. If the entry is a user's prompt, the path ends
    /// before it, and its text is returned.
    fn fork(&self, writing: &Writing<'_>, entry_id: &str) -> Result<(SessionKey, String)> {
        chain::fork(writing, entry_id)
    }

    /// Forks the active branch.
    fn fork_branch(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        chain::fork_branch(writing)
    }

    /// Copies a path into a new session, with what belongs to it.
    fn copy_path(
        &self,
        writing: &Writing<'_>,
        source: &CopySource,
        path: &[Entry],
    ) -> Result<SessionKey> {
        chain::copy_path(writing, source, path)
    }

    /// Forks a session up to the end of a turn, counted from 0; returns the turn's
    /// text, too.
    fn fork_at_turn(&self, _writing: &Writing<'_>, _turn: u32) -> Result<(SessionKey, String)> {
        Err(Error::Unsupported("sessions of this format have no turns"))
    }

    /// Forks what was before a turn; returns the turn's text, too.
    fn undo_to_turn(&self, _writing: &Writing<'_>, _turn: u32) -> Result<(SessionKey, String)> {
        Err(Error::Unsupported("sessions of this format have no turns"))
    }
}
