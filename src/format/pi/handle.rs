//! Operations of pi sessions.

use crate::error::Result;
use crate::format::Format;
use crate::model::Json;
use crate::session::{Session, text_of};

/// What only pi sessions have: [entries](Self::append_entry) with keys of their own.
/// [`Session::pi`] returns it.
#[derive(Clone, Copy, Debug)]
pub struct Pi<'a>(&'a Session);

impl Session {
    /// Returns the operations of a pi session; `None` for other formats.
    pub fn pi(&self) -> Option<Pi<'_>> {
        (self.format() == Format::Pi).then_some(Pi(self))
    }
}

impl Pi<'_> {
    /// Appends an entry as a child of the leaf, and returns its id. `fields` is a
    /// JSON object with the entry's own keys, in order: not its type, id, parent and
    /// time.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](crate::Error::InvalidRecord) if `fields` is not an object,
    /// or contains one of those keys; [`EntryExists`](crate::Error::EntryExists);
    /// [`LeafMoved`](crate::Error::LeafMoved).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// use sessile::{Format, NewSession};
    ///
    /// let session = store.create(&NewSession::new("/home/me/project").format(Format::Pi))?;
    /// if let Some(pi) = session.pi() {
    ///     pi.append_entry("model_change", r#"{"provider":"anthropic","modelId":"opus"}"#)?;
    /// }
    /// let question = session.append_message(r#"{"role":"user","content":"What is a leaf?"}"#)?;
    ///
    /// assert_eq!(session.info()?.leaf.as_deref(), Some(&question[..]));
    /// assert_eq!(question.len(), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_entry<'j>(self, entry_type: &str, fields: impl Into<Json<'j>>) -> Result<String> {
        let fields = fields.into();
        let fields = text_of(&fields)?;
        self.0.append_line(|writing, tail| {
            tail.format.live().entry(writing, tail, entry_type, fields)
        })
    }
}
