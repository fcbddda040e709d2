//! What only a Kimi session has.

use crate::error::{Error, Result};
use crate::format::Format;
use crate::model::Turn;
use crate::session::{Fork, Session};

/// What only a Kimi session has: [turns](Self::turns), a [state](Self::state),
/// and forks at a turn. [`Session::kimi`] gives it.
#[derive(Clone, Copy, Debug)]
pub struct Kimi<'a>(&'a Session);

impl Session {
    /// What only a Kimi session has; `None` for other formats.
    pub fn kimi(&self) -> Option<Kimi<'_>> {
        (self.format() == Format::Kimi).then_some(Kimi(self))
    }
}

impl Kimi<'_> {
    /// Returns what the user asked, in order: a turn goes from one prompt to the next.
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

    /// Returns the session's state as one JSON object: every field of
    /// its `state.json` in Kimi's order, with Kimi's defaults, and what a
    /// `metadata.json` of older versions adds.
    ///
    /// A field with a value that Kimi does not take has its default; Kimi
    /// itself would drop the whole state for it. Nothing is written. This is
    /// the counterpart of Kimi's `load_session_metadata`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn state(self) -> Result<String> {
        let state = self.0.read(|conn| Format::Kimi.extras().state(conn, self.0.key()))?;
        state.ok_or_else(|| Error::SessionNotFound(self.0.key().0.to_string()))
    }

    /// Makes a session of this one up to the end of a turn, from 0, as
    /// Kimi's web does: with the wire to there, the context up to the user
    /// message that follows, and the videos that the wire names. Its title is
    /// this one's behind `Fork: `. Returns the session, and the text of the turn.
    ///
    /// It gets the id of [`with_id`](Session::with_id) and the time of
    /// [`at`](Session::at), else new ones.
    ///
    /// # Errors
    ///
    /// [`TurnNotFound`](Error::TurnNotFound) beyond the last turn;
    /// [`SessionExists`](Error::SessionExists).
    pub fn fork_at_turn(self, turn: u32) -> Result<Fork> {
        self.0.make_fork(|live, writing| live.fork_at_turn(writing, turn))
    }

    /// Makes a session of what came before a turn, as Kimi's `/undo` does,
    /// titled `Undo: …`. Returns it, and the text of the turn, to be asked
    /// again or otherwise. This session stays as it is.
    ///
    /// # Errors
    ///
    /// As [`fork_at_turn`](Self::fork_at_turn).
    pub fn undo_to_turn(self, turn: u32) -> Result<Fork> {
        self.0.make_fork(|live, writing| live.undo_to_turn(writing, turn))
    }
}
