//! Moving through a session's tree as its program lets a user move.

use super::copy::is_prompt;
use super::{Session, append, pi};
use crate::context;
use crate::error::{Error, Result};
use crate::model::{Draft, SessionKey, Timestamp};
use crate::store::{Store, entries, log, sessions};

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

impl Store {
    /// Returns the user's prompts on the active branch, newest first; those
    /// without text are left out.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn rewind_points(&self, session: SessionKey) -> Result<Vec<RewindPoint>> {
        self.read(|conn| {
            let info = sessions::info(conn, session)?
                .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
            let mut points = Vec::new();
            for entry in context::branch(conn, session)?.into_iter().rev().filter(is_prompt) {
                let preview = info.format.meaning().preview(&log::line(conn, entry.line_key)?);
                if !preview.is_empty() {
                    let created_at = entry.created_at;
                    points.push(RewindPoint { entry_id: entry.id, preview, created_at });
                }
            }
            Ok(points)
        })
    }
}

impl Session {
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
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
    /// session.append_message(r#"{"role":"user","content":"Waht is a leaf?"}"#)?;
    ///
    /// let prompt = &store.rewind_points(session.key())?[0];
    /// let text = session.navigate(&prompt.entry_id)?;
    ///
    /// assert_eq!(text, "Waht is a leaf?"); // to be asked better
    /// assert_eq!(session.info()?.leaf, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn navigate(&self, entry_id: &str) -> Result<String> {
        if pi::has_fields(self.format()?) {
            return self.navigate_by_event(entry_id);
        }
        self.append(|conn, head| {
            let not_found = || Error::EntryNotFound { entry_id: entry_id.to_owned() };
            let key = entries::entry_key(conn, self.key, entry_id)?.ok_or_else(not_found)?;
            let entry = entries::entry(conn, key)?.ok_or_else(not_found)?;
            if !is_prompt(&entry) {
                return Ok(Some((self.line(head, &Draft::Leaf(Some(entry_id)))?, String::new())));
            }
            let text = head.format.meaning().full_text(&log::line(conn, entry.line_key)?);
            let line = self.line(head, &Draft::Leaf(entry.parent_id.as_deref()))?;
            Ok(Some((line, text)))
        })?
        .ok_or_else(append::nothing_written)
    }

    /// The same where the leaf is moved without a record.
    fn navigate_by_event(&self, entry_id: &str) -> Result<String> {
        self.store.write(|tx| {
            let not_found = || Error::EntryNotFound { entry_id: entry_id.to_owned() };
            let key = entries::entry_key(tx, self.key, entry_id)?.ok_or_else(not_found)?;
            let entry = entries::entry(tx, key)?.ok_or_else(not_found)?;
            let is_asked = is_prompt(&entry) || entry.entry_type == "custom_message";
            if !is_asked {
                pi::move_leaf(tx, self.key, Some(entry_id), self.time())?;
                return Ok(String::new());
            }
            let (source, _) = sessions::place(tx, self.key)?.ok_or_else(not_found)?;
            pi::move_leaf(tx, self.key, entry.parent_id.as_deref(), self.time())?;
            Ok(source.format.meaning().full_text(&log::line(tx, entry.line_key)?))
        })
    }
}
