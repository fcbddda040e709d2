//! What some formats alone have: turns and a state, usage, entries by their own keys.

use super::Session;
use crate::error::{Error, Result};
use crate::model::{SessionKey, Turn, Usage};
use crate::store::{Store, records, sessions};

impl Store {
    /// Returns what the user asked of a Kimi session, in order; nothing for other formats.
    pub fn turns(&self, session: SessionKey) -> Result<Vec<Turn>> {
        self.read(|conn| match sessions::place(conn, session)? {
            Some((source, _)) => source.format.extras().turns(conn, session),
            None => Ok(Vec::new()),
        })
    }

    /// Returns the state of a Kimi session as one JSON object: every field of
    /// its `state.json` in Kimi's order, with Kimi's defaults, and what a
    /// `metadata.json` of older versions adds; `None` for other formats.
    ///
    /// A field with a value that Kimi does not take has its default; Kimi
    /// itself would drop the whole state for it. Nothing is written. This is
    /// the counterpart of Kimi's `load_session_metadata`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn session_state(&self, session: SessionKey) -> Result<Option<String>> {
        self.read(|conn| {
            let (source, _) = sessions::place(conn, session)?
                .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
            source.format.extras().state(conn, session)
        })
    }

    /// Returns the tokens and cost that a session's entries report, in sum, on
    /// whatever branch; `None` where none does.
    pub fn usage(&self, session: SessionKey) -> Result<Usage> {
        self.read(|conn| records::usage(conn, session))
    }
}

impl Session {
    /// Appends an entry of pi behind the leaf and returns its id. `fields` is a
    /// JSON object of the entry's own keys, in their order: not its type, id,
    /// parent and time.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](Error::Unsupported) for other formats;
    /// [`InvalidRecord`](Error::InvalidRecord) for what is no object, or holds
    /// one of those;
    /// [`EntryExists`](Error::EntryExists), [`LeafMoved`](Error::LeafMoved).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// use sessile::{Format, NewSession};
    ///
    /// let session = store.create(&NewSession::new("/home/me/project").format(Format::Pi))?;
    /// session.append_entry("model_change", r#"{"provider":"anthropic","modelId":"opus"}"#)?;
    /// let question = session.append_message(r#"{"role":"user","content":"What is a leaf?"}"#)?;
    ///
    /// assert_eq!(session.info()?.leaf.as_deref(), Some(&question[..]));
    /// assert_eq!(question.len(), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_entry(&self, entry_type: &str, fields: &str) -> Result<String> {
        self.append_line(|writing, tail| {
            tail.format.live().entry(writing, tail, entry_type, fields)
        })
    }

    /// Makes a Kimi session of this one up to the end of a turn, from 0, as
    /// Kimi's web does: with the wire to there, the context up to the user
    /// message that follows, and the videos that the wire names. Its title is
    /// this one's behind `Fork: `. Returns a live handle on it, and the text of
    /// the turn.
    ///
    /// It gets the id of [`with_id`](Self::with_id) and the time of
    /// [`at`](Self::at), else new ones.
    ///
    /// # Errors
    ///
    /// [`TurnNotFound`](Error::TurnNotFound) beyond the last turn;
    /// [`Unsupported`](Error::Unsupported) for a format without turns;
    /// [`SessionExists`](Error::SessionExists).
    pub fn fork_at_turn(&self, turn: u32) -> Result<(Self, String)> {
        self.make(|live, writing| live.fork_at_turn(writing, turn))
    }

    /// Makes a Kimi session of what came before a turn, as Kimi's `/undo` does,
    /// titled `Undo: …`. Returns a live handle on it, and the text of the turn,
    /// to be asked again or otherwise. This session stays as it is.
    ///
    /// # Errors
    ///
    /// As [`fork_at_turn`](Self::fork_at_turn).
    pub fn undo_to_turn(&self, turn: u32) -> Result<(Self, String)> {
        self.make(|live, writing| live.undo_to_turn(writing, turn))
    }
}
