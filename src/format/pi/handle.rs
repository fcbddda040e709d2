//! What only a pi session has.

use crate::error::Result;
use crate::format::Format;
use crate::model::Json;
use crate::session::{Session, text_of};

/// What only a pi session has: [entries](Self::append_entry) by their own
/// keys. [`Session::pi`] gives it.
#[derive(Clone, Copy, Debug)]
pub struct Pi<'a>(&'a Session);

impl Session {
    /// What only a pi session has; `None` for other formats.
    pub fn pi(&self) -> Option<Pi<'_>> {
        (self.format() == Format::Pi).then_some(Pi(self))
    }
}

impl Pi<'_> {
    /// Appends an entry behind the leaf and returns its id. `fields` is a
    /// JSON object of the entry's own keys, in their order: not its type, id,
    /// parent and time.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](crate::Error::InvalidRecord) for what is no object, or
    /// holds one of those; [`EntryExists`](crate::Error::EntryExists),
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
