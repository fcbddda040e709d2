//! Sessions made from others: whole copies, and forks at an entry.

use super::Session;
use crate::error::Result;

/// A session that was made of a part of another.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fork {
    /// The session that was made.
    pub session: Session,
    /// The text of the prompt that was chosen, to be asked again or otherwise;
    /// empty where none was.
    pub text: String,
}

impl Session {
    /// Makes a copy of the session in the folder of its file, and returns it.
    ///
    /// It has all that the session has: every branch, label, tool execution,
    /// memory and system prompt, the name and the active entry. Lines are
    /// copied byte for byte, and entries keep their ids; only torn and blank
    /// lines stay behind. Its header names the session as its parent.
    ///
    /// It gets the id of [`with_id`](Self::with_id) and the time of
    /// [`at`](Self::at), else new ones.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`SessionExists`](crate::Error::SessionExists) when a session has the given id;
    /// [`InvalidRecord`](crate::Error::InvalidRecord) for an id that is no file name.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let original = store.find("edge-97")?;
    ///
    /// let copy = original.clone_session()?;
    ///
    /// assert_eq!(copy.info()?.parent_session_id.as_deref(), Some("edge-97"));
    /// assert_eq!(copy.tree()?, original.tree()?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn clone_session(&self) -> Result<Self> {
        Ok(self.make(|live, writing| Ok((live.duplicate(writing)?, ())))?.0)
    }

    /// Makes a session of the path to an entry, in the folder of this one's
    /// file. Returns it, and the text of the chosen prompt.
    ///
    /// Of a user's prompt, the path ends before it: its whole text is returned,
    /// to be asked again or otherwise. Of any other entry, the path ends with
    /// it, and the text is empty. The entries keep their ids, parents, times
    /// and labels; the session keeps its name and model, and names this one as
    /// its parent. Other branches, tool executions, memory and system prompts
    /// are not part of a path.
    ///
    /// It gets the id of [`with_id`](Self::with_id) and the time of
    /// [`at`](Self::at), else new ones.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound), and as
    /// [`clone_session`](Self::clone_session).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let fork = store.find("edge-97")?.fork("c")?;
    ///
    /// assert_eq!(fork.text, "second");
    /// let path = fork.session.path()?;
    /// let ids: Vec<&str> = path.iter().map(|entry| entry.id.as_str()).collect();
    /// assert_eq!(ids, ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fork(&self, entry_id: &str) -> Result<Fork> {
        self.make_fork(|live, writing| live.fork(writing, entry_id))
    }

    /// Makes a session of this one up to and with a turn, counted as its format
    /// counts them: of Kimi from 0, of Codex from 1.
    ///
    /// # Errors
    ///
    /// [`TurnNotFound`](crate::Error::TurnNotFound) beyond the last turn;
    /// [`Unsupported`](crate::Error::Unsupported) in a format without turns; as
    /// [`clone_session`](Self::clone_session).
    pub fn fork_at_turn(&self, turn: u32) -> Result<Fork> {
        self.make_fork(|live, writing| live.fork_at_turn(writing, turn))
    }

    /// Makes a session of the active branch, as [`fork`](Self::fork) does, up
    /// to and with its last entry, whatever that is.
    ///
    /// # Errors
    ///
    /// As [`clone_session`](Self::clone_session).
    pub fn fork_branch(&self) -> Result<Self> {
        Ok(self.make(|live, writing| Ok((live.fork_branch(writing)?, ())))?.0)
    }
}
