//! Metadata and tags that applications set for a session.

use rusqlite::Connection;

use super::Session;
use crate::chain::strip;
use crate::error::{Error, Result};
use crate::format::rules::Tags;
use crate::model::{Json, Metadata, Stored};
use crate::store::events::{self, EventKind};
use crate::store::metadata::{self, MAX_DEPTH};
use crate::store::sessions;

impl Session {
    /// Sets the value of a key. Returns whether this changed anything.
    ///
    /// Metadata belongs to the session in this store, in any format: no session file
    /// has a place for it, no export contains it, and clones and forks do not copy
    /// it. Lists [filter](crate::SessionFilter::metadata) by it. The key is any text
    /// but the empty one. A `&str` as value is JSON text; for a string that a user
    /// typed, pass `json!(text)`.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for an empty key, or a value that is
    /// not JSON, is nested deeper than 100 or contains a non-finite number;
    /// [`SessionNotFound`](Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
    /// use serde_json::json;
    /// use sessile::SessionFilter;
    ///
    /// session.set_metadata("ticket", 4711)?;
    /// session.tag("release")?;
    ///
    /// let filter = SessionFilter::new().tag("release").metadata("ticket", json!(4711));
    /// assert_eq!(store.sessions(&filter)?.rows[0].key, session.key());
    /// assert_eq!(session.metadata_of("ticket")?.map(|one| one.value()), Some(json!(4711)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn set_metadata<'j>(&self, key: &str, value: impl Into<Json<'j>>) -> Result<bool> {
        self.set_all_metadata([(key, value)])
    }

    /// Sets several keys, all or none, as [`set_metadata`](Self::set_metadata) does.
    /// Returns whether this changed anything.
    ///
    /// # Errors
    ///
    /// Those of [`set_metadata`](Self::set_metadata).
    pub fn set_all_metadata<'j, K: AsRef<str>, V: Into<Json<'j>>>(
        &self,
        values: impl IntoIterator<Item = (K, V)>,
    ) -> Result<bool> {
        let mut all = Vec::new();
        for (key, value) in values {
            if key.as_ref().is_empty() {
                return Err(Error::InvalidRecord("metadata needs a key".to_owned()));
            }
            let value = value.into().compact(MAX_DEPTH).map_err(Error::InvalidRecord)?;
            all.push((key, value));
        }
        self.store.write(|tx| {
            let mut is_any_new = false;
            for (key, value) in &all {
                is_any_new |= self.write_metadata(tx, key.as_ref(), Some(value))?;
            }
            Ok(is_any_new)
        })
    }

    /// Removes a key. Returns whether it had a value.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn remove_metadata(&self, key: &str) -> Result<bool> {
        self.store.write(|tx| self.write_metadata(tx, key, None))
    }

    /// Returns the value of a key; `None` if it has none.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn metadata_of(&self, key: &str) -> Result<Option<Metadata>> {
        self.read(|conn| {
            let json = metadata::own_value(conn, self.key, key)?;
            Ok(json.map(|json| Metadata { key: key.to_owned(), json }))
        })
    }

    /// Returns all metadata of the session, ordered by the bytes of the keys.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn metadata(&self) -> Result<Vec<Metadata>> {
        self.read(|conn| metadata::own(conn, self.key))
    }

    /// Adds a tag to the session, without surrounding white space. Returns whether it
    /// is new.
    ///
    /// Like [metadata](Self::set_metadata), tags belong to the session in this store.
    /// A session may have any number, and lists [filter](crate::SessionFilter::tag)
    /// by them. If the session's program has tags of its own, the tag is that
    /// program's record, of which the last one counts.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for a blank tag;
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn tag(&self, tag: &str) -> Result<bool> {
        self.tag_as_given(&Stored::Text(tag.to_owned()))
    }

    /// Adds several tags, all or none, as [`tag`](Self::tag) does. Returns whether
    /// any is new.
    ///
    /// # Errors
    ///
    /// Those of [`tag`](Self::tag); [`InvalidRecord`](Error::InvalidRecord) for two
    /// tags or more if the session's program has only one for a session.
    pub fn tag_all<T: AsRef<str>>(&self, tags: &[T]) -> Result<bool> {
        let several = tags.iter().any(|tag| strip(tag.as_ref()) != strip(tags[0].as_ref()));
        if several && self.format.rules().tags == Tags::One {
            return Err(Error::InvalidRecord(
                "a session of this format has one tag; give one".to_owned(),
            ));
        }
        self.store.write(|tx| {
            let mut is_any_new = false;
            for tag in tags {
                is_any_new |= self.tag_in(tx, &Stored::Text(tag.as_ref().to_owned()))?;
            }
            Ok(is_any_new)
        })
    }

    pub(super) fn tag_as_given(&self, given: &Stored) -> Result<bool> {
        self.store.write(|tx| self.tag_in(tx, given))
    }

    fn tag_in(&self, tx: &Connection, given: &Stored) -> Result<bool> {
        self.require_in(tx)?;
        if self.format.live().tag(&self.writing(tx), Some(given))? {
            return Ok(true);
        }
        let text = given.to_text();
        let tag = strip(&text);
        if tag.is_empty() {
            return Err(Error::InvalidRecord("a tag needs a name".to_owned()));
        }
        let is_new = !metadata::has_tag(tx, self.key, tag)?;
        if is_new {
            self.say(tx, EventKind::Tag, Some(tag))?;
        }
        Ok(is_new)
    }

    /// Removes a tag. Returns whether the session had it.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn untag(&self, tag: &str) -> Result<bool> {
        let tag = strip(tag);
        self.take_tags(Some(tag), |tx| metadata::has_tag(tx, self.key, tag))
    }

    /// Removes all tags. Returns whether the session had any.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn clear_tags(&self) -> Result<bool> {
        self.take_tags(None, |tx| metadata::has_any_tag(tx, self.key))
    }

    /// Returns the session's tags, in byte order.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn tags(&self) -> Result<Vec<String>> {
        self.read(|conn| metadata::tags(conn, self.key))
    }

    fn write_metadata(&self, tx: &Connection, key: &str, value: Option<&str>) -> Result<bool> {
        self.require_in(tx)?;
        let is_new = metadata::own_value(tx, self.key, key)?.as_deref() != value;
        if is_new {
            let event = metadata::event_value(key, value);
            self.say(tx, EventKind::Metadata, Some(&event))?;
        }
        Ok(is_new)
    }

    fn take_tags(
        &self,
        tag: Option<&str>,
        changes: impl FnOnce(&Connection) -> Result<bool>,
    ) -> Result<bool> {
        self.store.write(|tx| {
            self.require_in(tx)?;
            let changes = changes(tx)?;
            if changes && !self.format.live().tag(&self.writing(tx), None)? {
                self.say(tx, EventKind::Untag, tag)?;
            }
            Ok(changes)
        })
    }

    /// Records an event, and applies it.
    fn say(&self, tx: &Connection, kind: EventKind, value: Option<&str>) -> Result<()> {
        events::insert_event(tx, self.key, kind, self.time(), value)?;
        metadata::apply(tx, self.key, kind, value)
    }

    /// Fails if the session was purged.
    fn require_in(&self, conn: &Connection) -> Result<()> {
        match sessions::place(conn, self.key)? {
            Some(_) => Ok(()),
            None => Err(sessions::not_found(self.key)),
        }
    }
}
