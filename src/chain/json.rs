//! JSON from callers, checked and made compact, so that it fits into a line.

use crate::error::{Error, Result};
use crate::format::json;
use crate::model::Json;

/// A JSON value in compact spelling, if it nests no more than `most` containers.
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

/// A message that has its id.
pub(crate) struct GivenMessage {
    pub(crate) id: String,
    pub(crate) json: String,
}

impl GivenMessage {
    /// Reads a message that nests no more than `most` containers; its own id
    /// counts, else `id`, else a new one.
    pub(crate) fn read(text: &str, id: Option<&str>, most: usize) -> Result<Self> {
        let json = compact(text, most)?;
        let (value, _) = json::scan(json.as_bytes())
            .map_err(|err| Error::InvalidRecord(err.reason.to_owned()))?;
        if value.kind() != json::Kind::Object {
            return Err(Error::InvalidRecord("a message must be a JSON object".to_owned()));
        }
        let own = value.get("id").filter(|id| !id.is_falsy());
        let own = own.map(|id| match id.string() {
            Some(text) => text.into_owned(),
            None => String::from_utf8_lossy(id.bytes()).into_owned(),
        });
        if let Some(id) = own.filter(|id| !id.is_empty()) {
            return Ok(Self { id, json });
        }
        let id = match id {
            Some("") => return Err(Error::InvalidRecord("an entry needs an id".to_owned())),
            Some(id) => id.to_owned(),
            None => uuid::Uuid::new_v4().simple().to_string(),
        };
        // A null or empty id gives way to the new one, at the end.
        let mut members: Vec<String> = json::distinct_members(value)
            .into_iter()
            .filter(|(key, _)| !key.is("id"))
            .map(|(key, value)| format!("{}:{}", json::spelt(&key.text()), json::compact(value)))
            .collect();
        members.push(format!("\"id\":{}", json::spelt(&id)));
        Ok(Self { id, json: format!("{{{}}}", members.join(",")) })
    }
}

/// Without the white space around it.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{b}'))
}
