//! Sessions made from others: whole copies, and forks at an entry.

use super::Session;
use crate::error::Result;

impl Session {
    /// Makes a copy of the session in the folder of its file, and returns a
    /// live handle on it.
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
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// let original = store.live(store.find("edge-97")?)?;
    ///
    /// let copy = original.duplicate()?;
    ///
    /// assert_eq!(copy.info()?.parent_session_id.as_deref(), Some("edge-97"));
    /// assert_eq!(store.tree(copy.key())?, store.tree(original.key())?);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn duplicate(&self) -> Result<Self> {
        Ok(self.make(|live, writing| Ok((live.duplicate(writing)?, ())))?.0)
    }

    /// Makes a session of the path to an entry, in the folder of this one's
    /// file. Returns a live handle on it, and the text of the chosen prompt.
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
    /// [`duplicate`](Self::duplicate).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small".as_ref(), &sessile::ImportOptions::new())?;
    /// let original = store.live(store.find("edge-97")?)?;
    ///
    /// let (fork, text) = original.fork("c")?;
    ///
    /// assert_eq!(text, "second");
    /// let ids: Vec<String> = store.branch(fork.key())?.into_iter().map(|entry| entry.id).collect();
    /// assert_eq!(ids, ["a", "b"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fork(&self, entry_id: &str) -> Result<(Self, String)> {
        self.make(|live, writing| live.fork(writing, entry_id))
    }

    /// Makes a session of the active branch, as [`fork`](Self::fork) does, up
    /// to and with its last entry, whatever that is.
    ///
    /// # Errors
    ///
    /// As [`duplicate`](Self::duplicate).
    pub fn fork_branch(&self) -> Result<Self> {
        Ok(self.make(|live, writing| Ok((live.fork_branch(writing)?, ())))?.0)
    }
}
