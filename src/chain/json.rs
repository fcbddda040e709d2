//! Validates JSON from callers and makes it compact, so that it fits into a line.

use crate::error::{Error, Result};
use crate::format::json;
use crate::model::Json;

/// A JSON value in compact form, if it is nested no deeper than `most`.
pub(crate) fn compact(text: &str, most: usize) -> Result<String> {
    Json::from(text).compact(most).map_err(Error::InvalidRecord)
}

/// As [`compact`], of an object.
pub(crate) fn object(text: &str, most: usize) -> Result<String> {
    let object = compact(text, most)?;
    if !object.starts_with('{') {
        return Err(Error::InvalidRecord("a JSON object was expected".to_owned()));
    }
    Ok(object)
}

/// A message with its id.
pub(crate) struct GivenMessage {
    pub(crate) id: String,
    /// Whether the id was generated here, so that no other entry can have it.
    pub(crate) is_made: bool,
    pub(crate) json: String,
}

impl GivenMessage {
    /// Reads a message that is nested no deeper than `most`. Its id is its own, else
    /// `id`, else a new one.
    pub(crate) fn read(text: &str, id: Option<&str>, most: usize) -> Result<Self> {
        let mut json = compact(text, most)?;
        let value = json::of_compact(&json);
        if value.kind() != json::Kind::Object {
            return Err(Error::InvalidRecord("a message must be a JSON object".to_owned()));
        }
        let own = value.get("id");
        let given = own.filter(|id| !id.is_falsy()).map(|id| match id.string() {
            Some(text) => text.into_owned(),
            None => String::from_utf8_lossy(id.bytes()).into_owned(),
        });
        if let Some(id) = given.filter(|id| !id.is_empty()) {
            return Ok(Self { id, is_made: false, json });
        }
        // A null or empty id is replaced by the new one, which is the last key.
        if own.is_some() {
            json = without_id(value);
        }
        let (id, is_made) = match id {
            Some("") => return Err(Error::InvalidRecord("an entry needs an id".to_owned())),
            Some(id) => (id.to_owned(), false),
            None => (uuid::Uuid::new_v4().simple().to_string(), true),
        };
        let comma = if json == "{}" { "" } else { "," };
        json.truncate(json.len() - 1);
        json += &format!("{comma}\"id\":{}}}", json::spelt(&id));
        Ok(Self { id, is_made, json })
    }
}

fn without_id(object: json::Raw<'_>) -> String {
    let members: Vec<String> = json::distinct_members(object)
        .into_iter()
        .filter(|(key, _)| !key.is("id"))
        .map(|(key, value)| format!("{}:{}", json::spelt(&key.text()), json::compact(value)))
        .collect();
    format!("{{{}}}", members.join(","))
}

/// Removes surrounding white space.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{b}'))
}
