//! Names and tags given as JSON strings.
//!
//! A JSON string can contain a lone surrogate, which a Rust string cannot.

use super::{Session, text_of};
use crate::error::{Error, Result};
use crate::format::json;
use crate::model::{Json, Stored};

impl Session {
    /// As [`rename`](Self::rename), with a JSON string or null. A lone surrogate is
    /// kept if the session's program writes such.
    ///
    /// # Errors
    ///
    /// Those of [`rename`](Self::rename); [`InvalidRecord`](Error::InvalidRecord) for
    /// other JSON.
    pub fn rename_json<'j>(&self, name: impl Into<Json<'j>>) -> Result<()> {
        match read(&name.into())? {
            None => self.rename(None),
            Some(name) => self.change(|live, writing| live.rename_exactly(writing, &name)),
        }
    }

    /// As [`tag`](Self::tag), with a JSON string; null removes all tags.
    ///
    /// # Errors
    ///
    /// Those of [`tag`](Self::tag); [`InvalidRecord`](Error::InvalidRecord) for other
    /// JSON.
    pub fn tag_json<'j>(&self, tag: impl Into<Json<'j>>) -> Result<bool> {
        match read(&tag.into())? {
            None => self.clear_tags(),
            Some(tag) => self.tag_as_given(&tag),
        }
    }
}

/// The value of a JSON string; `None` for null.
fn read(given: &Json<'_>) -> Result<Option<Stored>> {
    let invalid = || Error::InvalidRecord("a string or null was expected".to_owned());
    let (value, _) = json::scan(text_of(given)?.as_bytes()).map_err(|_| invalid())?;
    if value.kind() == json::Kind::Null {
        return Ok(None);
    }
    let points = json::code_points(value).ok_or_else(invalid)?;
    Ok(Some(json::stored_points(&points)))
}
