//! JSON arguments.

use std::borrow::Cow;

use serde::Serialize;

use crate::format::json::{self, Kind, Raw};

/// A JSON value as an argument: text, a [`Value`](serde_json::Value), or anything
/// that serialises.
///
/// Every method that takes JSON takes `impl Into<Json<'_>>`, so a string of JSON or a
/// `Value` can be passed directly; pass a value of your own type with [`Json::of`].
/// In text, the order of keys and the spelling of numbers are kept; white space and
/// escapes become those of the session's format.
///
/// A `&str` is JSON, not a string to be quoted: `"4711"` is a number, and `"a word"`
/// is rejected. To pass a string, use `json!("a word")`.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
/// # let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
/// use serde_json::json;
/// use sessile::Json;
///
/// session.append_message(r#"{"role":"user","content":"What is a leaf?"}"#)?;
/// session.append_message(json!({"role": "assistant", "content": "The active entry."}))?;
///
/// #[derive(serde::Serialize)]
/// struct Message<'a> {
///     role: &'a str,
///     content: &'a str,
/// }
/// session.append_message(Json::of(&Message { role: "user", content: "And a path?" }))?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Json<'a>(Result<Cow<'a, str>, String>);

impl Json<'_> {
    /// Serialises a value.
    ///
    /// If it cannot be serialised, for example a map whose keys are not strings, the
    /// call that takes it fails with [`InvalidRecord`](crate::Error::InvalidRecord).
    pub fn of<T: Serialize + ?Sized>(value: &T) -> Json<'static> {
        Json(serde_json::to_string(value).map(Cow::Owned).map_err(|err| err.to_string()))
    }

    /// The text, or why there is none.
    pub(crate) fn text(&self) -> Result<&str, String> {
        self.0.as_deref().map_err(Clone::clone)
    }

    /// The compact form, if it is nested no deeper than `most`, or why there is none.
    pub(crate) fn compact(&self, most: usize) -> Result<String, String> {
        let text = self.text()?;
        let (value, features) = json::scan(text.as_bytes())
            .map_err(|err| format!("not JSON at byte {}: {}", err.offset + 1, err.reason))?;
        if most < features.depth {
            return Err(format!("nested {} deep; {most} is the most", features.depth));
        }
        if features.non_finite {
            return Err("a number that is not finite".to_owned());
        }
        Ok(json::compact(value))
    }
}

/// Compact JSON with the keys of each object sorted, which is equal for equal values.
/// If a key is repeated, the last one counts.
pub(crate) fn canonical(compact: &str) -> String {
    match json::scan(compact.as_bytes()) {
        Ok((value, _)) => sorted(value),
        Err(_) => compact.to_owned(),
    }
}

/// Recursion is bounded by the depth that metadata may have.
fn sorted(value: Raw<'_>) -> String {
    match value.kind() {
        Kind::Object => {
            let mut members: Vec<(String, String)> = json::distinct_members(value)
                .into_iter()
                .map(|(key, value)| (json::spelt(&key.text()), sorted(value)))
                .collect();
            members.sort();
            let members: Vec<String> =
                members.into_iter().map(|(key, value)| format!("{key}:{value}")).collect();
            format!("{{{}}}", members.join(","))
        }
        Kind::Array => {
            format!("[{}]", value.items().map(sorted).collect::<Vec<_>>().join(","))
        }
        _ => json::compact(value),
    }
}

impl<'a> From<&'a str> for Json<'a> {
    fn from(text: &'a str) -> Self {
        Self(Ok(Cow::Borrowed(text)))
    }
}

impl<'a> From<&&'a str> for Json<'a> {
    fn from(text: &&'a str) -> Self {
        Self::from(*text)
    }
}

impl<'a> From<&'a String> for Json<'a> {
    fn from(text: &'a String) -> Self {
        Self(Ok(Cow::Borrowed(text)))
    }
}

impl From<String> for Json<'_> {
    fn from(text: String) -> Self {
        Self(Ok(Cow::Owned(text)))
    }
}

/// Values whose `Display` is JSON.
macro_rules! from_printed {
    ($($type:ty),+) => {$(
        impl From<$type> for Json<'_> {
            fn from(value: $type) -> Self {
                Self(Ok(Cow::Owned(value.to_string())))
            }
        }
    )+};
}

from_printed!(bool, i32, i64, u32, u64, usize);

impl From<serde_json::Value> for Json<'_> {
    fn from(value: serde_json::Value) -> Self {
        Self::from(&value)
    }
}

impl From<&serde_json::Value> for Json<'_> {
    fn from(value: &serde_json::Value) -> Self {
        Self(Ok(Cow::Owned(value.to_string())))
    }
}
