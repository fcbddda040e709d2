//! Operations of Kimi sessions.

use crate::error::{Error, Result};
use crate::format::Format;
use crate::model::Turn;
use crate::session::{Fork, Session};

/// What only Kimi sessions have: [turns](Self::turns), a [state](Self::state), and
/// forks at a turn. [`Session::kimi`] returns it.
#[derive(Clone, Copy, Debug)]
pub struct Kimi<'a>(&'a Session);

impl Session {
    /// Returns the operations of a Kimi session; `None` for other formats.
    pub fn kimi(&self) -> Option<Kimi<'_>> {
        (self.format() == Format::Kimi).then_some(Kimi(self))
    }
}

impl Kimi<'_> {
    /// Returns the user's turns in order; a turn is a prompt and everything up to the
    /// next one.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kimi/small", &sessile::ImportOptions::new())?;
    /// for row in store.sessions(&sessile::SessionFilter::new())?.rows {
    ///     let session = store.session(row.key)?;
    ///     let Some(kimi) = session.kimi() else { continue };
    ///     for turn in kimi.turns()? {
    ///         println!("{}: {}", turn.index, turn.text);
    ///     }
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn turns(self) -> Result<Vec<Turn>> {
        self.0.read(|conn| Format::Kimi.extras().turns(conn, self.0.key()))
    }

    /// Returns the session's state as one JSON object: every field of its
    /// `state.json` in Kimi's order, with Kimi's defaults, and merged with the
    /// `metadata.json` of older versions.
    ///
    /// A field with a value that Kimi does not accept has its default; Kimi itself
    /// would discard the whole state. Nothing is written. This is the counterpart of
    /// Kimi's `load_session_metadata`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn state(self) -> Result<String> {
        let state = self.0.read(|conn| Format::Kimi.extras().state(conn, self.0.key()))?;
        state.ok_or_else(|| Error::SessionNotFound(self.0.key().0.to_string()))
    }

    /// Forks the session up to the end of a turn, counted from 0, as Kimi's web
    /// interface does: with the wire up to there, the context up to the next user
    /// message, and the videos that the wire names. The title is this session's after
    /// `Fork: `. Returns the session, and the text of the turn.
    ///
    /// The id is that of [`with_id`](Session::with_id), the time that of
    /// [`at`](Session::at); without these, they are new.
    ///
    /// # Errors
    ///
    /// [`TurnNotFound`](Error::TurnNotFound) after the last turn;
    /// [`SessionExists`](Error::SessionExists).
    pub fn fork_at_turn(self, turn: u32) -> Result<Fork> {
        self.0.make_fork(|live, writing| live.fork_at_turn(writing, turn))
    }

    /// Forks what was before a turn, as Kimi's `/undo` does, with the title `Undo:
    /// …`. Returns the session, and the text of the turn, to be edited and sent
    /// again. This session does not change.
    ///
    /// # Errors
    ///
    /// Those of [`fork_at_turn`](Self::fork_at_turn).
    pub fn undo_to_turn(self, turn: u32) -> Result<Fork> {
        self.0.make_fork(|live, writing| live.undo_to_turn(writing, turn))
    }
}
