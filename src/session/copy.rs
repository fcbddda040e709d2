//! Sessions made from others: clones and forks.

use super::Session;
use crate::error::Result;

/// A session that was forked from another.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fork {
    /// The new session.
    pub session: Session,
    /// The text of the chosen prompt, to be edited and sent again; empty if the
    /// chosen entry is not a user's prompt.
    pub text: String,
}

impl Session {
    /// Clones the session into the folder of its file, and returns the clone.
    ///
    /// The clone has everything that the session has: every branch, label, tool
    /// execution, memory and system prompt, the name and the leaf. Lines are copied
    /// byte for byte, and entries keep their ids; only torn and blank lines are left
    /// out. The header of the clone names this session as its parent.
    ///
    /// Its id is that of [`with_id`](Self::with_id), its time that of
    /// [`at`](Self::at); without these, they are new.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound);
    /// [`SessionExists`](crate::Error::SessionExists) if a session has the given id;
    /// [`InvalidRecord`](crate::Error::InvalidRecord) for an id that cannot be a file
    /// name.
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

    /// Forks the path to an entry into a new session, in the folder of this one's
    /// file. Returns the session, and the text of the chosen prompt.
    ///
    /// If the entry is a user's prompt, the path ends before it, and its full text is
    /// returned, to be edited and sent again. Otherwise the path ends with the entry,
    /// and the text is empty. Entries keep their ids, parents, times and labels; the
    /// session keeps its name and model, and names this one as its parent. Other
    /// branches, tool executions, memory and system prompts are not copied.
    ///
    /// Its id is that of [`with_id`](Self::with_id), its time that of
    /// [`at`](Self::at); without these, they are new.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound), and those of
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

    /// Forks the conversation up to and including a turn into a new session. Turns
    /// are counted as the format counts them: from 0 for Kimi, from 1 for Codex.
    ///
    /// # Errors
    ///
    /// [`TurnNotFound`](crate::Error::TurnNotFound) after the last turn;
    /// [`Unsupported`](crate::Error::Unsupported) in a format without turns; those of
    /// [`clone_session`](Self::clone_session).
    pub fn fork_at_turn(&self, turn: u32) -> Result<Fork> {
        self.make_fork(|live, writing| live.fork_at_turn(writing, turn))
    }

    /// Forks the active branch, as [`fork`](Self::fork) does, but always including
    /// its last entry.
    ///
    /// # Errors
    ///
    /// Those of [`clone_session`](Self::clone_session).
    pub fn fork_branch(&self) -> Result<Self> {
        Ok(self.make(|live, writing| Ok((live.fork_branch(writing)?, ())))?.0)
    }
}
