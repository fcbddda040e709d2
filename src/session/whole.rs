//! A whole session at once, in the forms that leave the store.

use std::io::Write;

use super::Session;
use crate::capture::{self, CapturedBranch, CapturedEntry, CapturedTree};
use crate::dump;
use crate::error::Result;
use crate::model::Timestamp;

impl Session {
    /// Returns the active branch with its messages, including what was compacted, and
    /// the session's system prompts: what a converter or viewer needs.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let branch = store.find("edge-97")?.capture()?;
    ///
    /// assert_eq!(branch.info.work_dir.as_deref(), Some("/edge"));
    /// assert_eq!(branch.entries.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture(&self) -> Result<CapturedBranch> {
        self.read(|conn| capture::branch(conn, self.key))
    }

    /// Returns every entry of the session, each once: the active branch as
    /// [`capture`](Self::capture) returns it, then the others.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let session = store.find("edge-97")?;
    /// let tree = session.capture_tree()?;
    ///
    /// assert_eq!(tree.active.entries.len(), 3);
    /// assert_eq!(tree.active.entries.len() + tree.others.len(), session.tree()?.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn capture_tree(&self) -> Result<CapturedTree> {
        self.read(|conn| capture::tree(conn, self.key))
    }

    /// Returns the entries after a line, as [`entries_after`](Self::entries_after)
    /// does, with their messages as they were appended. `model` is set only if an
    /// entry's own line names it.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn capture_after(&self, line: u32, limit: usize) -> Result<Vec<CapturedEntry>> {
        self.read(|conn| capture::after(conn, self.key, line, limit))
    }

    /// Returns the path to an entry with its messages, as [`capture`](Self::capture)
    /// returns that to the leaf.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session has no such
    /// entry.
    pub fn capture_path(&self, entry_id: &str) -> Result<CapturedBranch> {
        self.read(|conn| capture::path_to(conn, self.key, entry_id))
    }

    /// Returns the context as Markdown, a heading for each message, in the form in
    /// which the program itself exports it. Kimi's form includes the time of the
    /// export, `exported_at`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
    /// let text = store.find("edge-97")?.markdown(sessile::Timestamp::now())?;
    ///
    /// assert!(text.starts_with("# Kward Session\n\n## User\n\nfirst\n"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn markdown(&self, exported_at: Timestamp) -> Result<String> {
        self.read(|conn| capture::markdown(conn, self.key, exported_at))
    }

    /// Writes everything that is known of the session as one JSON object, in the form
    /// of [`Store::dump`](crate::Store::dump).
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound); [`Io`](crate::Error::Io)
    /// if `out` fails; [`Damaged`](crate::Error::Damaged), in which case nothing is
    /// written.
    pub fn dump(&self, out: &mut dyn Write) -> Result<()> {
        self.read(|conn| dump::dump_session(conn, self.key, out))
    }
}
