//! Navigation in a session's tree, as its program offers it to users.

use rusqlite::Connection;

use super::Session;
use crate::chain::is_prompt;
use crate::context;
use crate::error::Result;
use crate::model::{SessionKey, Timestamp};
use crate::store::{log, sessions};

/// A prompt that the conversation can be rewound to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RewindPoint {
    /// The id of its entry, for [`Session::navigate`].
    pub entry_id: String,
    /// Its first characters, on one line.
    pub preview: String,
    /// When it was sent.
    pub created_at: Option<Timestamp>,
}

fn rewind_points(conn: &Connection, session: SessionKey) -> Result<Vec<RewindPoint>> {
    let info = sessions::info(conn, session)?.ok_or_else(|| sessions::not_found(session))?;
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
    /// Returns the user's prompts on the active branch, newest first, without those
    /// that have no text.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn rewind_points(&self) -> Result<Vec<RewindPoint>> {
        self.read(|conn| rewind_points(conn, self.key))
    }

    /// Moves the leaf so that the conversation continues at an entry, and returns the
    /// text to edit.
    ///
    /// If the entry is a user's prompt, which is to be sent again, its parent becomes
    /// the leaf (no entry, if the prompt is a root), and its full text is returned.
    /// Any other entry becomes the leaf itself, and the text is empty. Nothing is
    /// removed; the previous conversation stays as a branch.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](crate::Error::EntryNotFound) if the session has no such entry.
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
