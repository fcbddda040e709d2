//! Moving through a session's tree as its program lets a user move.

use rusqlite::Connection;

use super::Session;
use crate::chain::is_prompt;
use crate::context;
use crate::error::{Error, Result};
use crate::model::{SessionKey, Timestamp};
use crate::store::{log, sessions};

/// A prompt that a conversation can be taken back to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RewindPoint {
    /// Its entry, for [`Session::navigate`].
    pub entry_id: String,
    /// Its first characters, on one line.
    pub preview: String,
    /// When it was asked.
    pub created_at: Option<Timestamp>,
}

fn rewind_points(conn: &Connection, session: SessionKey) -> Result<Vec<RewindPoint>> {
    let info = sessions::info(conn, session)?
        .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
    let mut points = Vec::new();
    for entry in context::branch(conn, session)?.into_iter().rev().filter(is_prompt) {
        let preview = info.format.meaning().preview(&log::record(conn, entry.place)?);
        if !preview.is_empty() {
            let created_at = entry.created_at;
            points.push(RewindPoint { entry_id: entry.id, preview, created_at });
        }
    }
    Ok(points)
}

impl Session {
    /// Returns the user's prompts on the active branch, newest first; those
    /// without text are left out.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn rewind_points(&self) -> Result<Vec<RewindPoint>> {
        self.store.read(|conn| rewind_points(conn, self.key))
    }

    /// Goes back or over to an entry, and returns the text to be edited.
    ///
    /// A user's prompt is to be asked again: its parent becomes the leaf (none,
    /// for a prompt that is a root), and its whole text is returned. Any other
    /// entry becomes the leaf itself, and the text is empty. Nothing is
    /// removed; where the conversation was, is a branch.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound) when the session has no such entry.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
    /// session.append_message(r#"{"role":"user","content":"Waht is a leaf?"}"#)?;
    ///
    /// let prompt = &session.rewind_points()?[0];
    /// let text = session.navigate(&prompt.entry_id)?;
    ///
    /// assert_eq!(text, "Waht is a leaf?"); // to be asked better
    /// assert_eq!(session.info()?.leaf, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn navigate(&self, entry_id: &str) -> Result<String> {
        self.change(|live, writing| {
            let entry = writing.entry(entry_id)?;
            if !live.is_to_be_edited(&entry) {
                live.move_leaf(writing, Some(entry_id))?;
                return Ok(String::new());
            }
            live.move_leaf(writing, entry.parent_id.as_deref())?;
            let line = log::record(writing.tx, entry.place)?;
            Ok(writing.format()?.meaning().full_text(&line))
        })
    }
}
