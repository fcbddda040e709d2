//! Serialisation of what is read from a store.
//!
//! Ids, times and names are text as in reports, a session's key is its number, and
//! a path is text in which invalid UTF-8 is replaced by U+FFFD. Rows are objects
//! with a key for each field. The traits come with `serde_json`; a small macro
//! avoids the dependency on `serde_derive`.

use std::borrow::Cow;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, SerializeStruct, Serializer};

use super::{
    Entry, FileKind, FileState, Format, Header, Label, Message, Metadata, Problem, ProblemKind,
    SessionInfo, SessionKey, Stored, Timestamp, Turn, Usage,
};

/// Serialises a type as an object of these fields, each unchanged or converted by a
/// function.
macro_rules! as_object {
    ($type:ident { $($field:ident $(by $via:path)?,)+ }) => {
        impl serde::ser::Serialize for $type {
            /// An object with a key for each field.
            fn serialize<S: serde::ser::Serializer>(
                &self,
                serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                use serde::ser::SerializeStruct;

                let fields = [$(stringify!($field)),+].len();
                let mut object = serializer.serialize_struct(stringify!($type), fields)?;
                $(
                    let field = &self.$field;
                    $(let field = &$via(field);)?
                    object.serialize_field(stringify!($field), field)?;
                )+
                object.end()
            }
        }
    };
}
pub(crate) use as_object;

/// A path as text.
pub(crate) fn shown_path(path: &Path) -> Cow<'_, str> {
    path.to_string_lossy()
}

as_object! { SessionInfo {
    key, format, root by shown_path, origin, file by shown_path, session_id, header, version, work_dir,
    title, name, provider, model, reasoning_effort, parent_session_id, parent_session_path, leaf,
    created_at, modified_at, first_message, message_count, entry_count, archived_at, trashed_at,
} }

as_object! { Entry { id, parent_id, entry_type, role, created_at, label, line, } }

as_object! { Label { target_id, label, labelled_at, } }

as_object! { Turn { index, text, created_at, } }

as_object! { Problem { session_id, file by shown_path, line, kind, detail, } }

as_object! { Usage {
    provider, model, input, output, cache_read, cache_write, total_tokens, cost,
} }

impl Serialize for Message {
    /// An object: `entry_id`, and `message`, which is the message object.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Message", 2)?;
        object.serialize_field("entry_id", &self.entry_id)?;
        object.serialize_field("message", &self.value())?;
        object.end()
    }
}

impl Serialize for Metadata {
    /// An object: `key` and `value`.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Metadata", 2)?;
        object.serialize_field("key", &self.key)?;
        object.serialize_field("value", &self.value())?;
        object.end()
    }
}

impl Serialize for Stored {
    /// The value itself: a string as text, with lone surrogates replaced by U+FFFD;
    /// anything else as JSON.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Json(json) => match serde_json::from_str::<serde_json::Value>(json) {
                Ok(value) => value.serialize(serializer),
                Err(_) => serializer.serialize_str(&self.to_text()),
            },
            Self::Text(text) => serializer.serialize_str(text),
        }
    }
}

impl Serialize for Timestamp {
    /// RFC 3339, as [`Display`](std::fmt::Display) writes it.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("{text:?} is not an RFC 3339 time")))
    }
}

impl Serialize for SessionKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for SessionKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(i64::deserialize(deserializer)?))
    }
}

macro_rules! by_name {
    ($($name:ty),*) => {
        $(
            impl Serialize for $name {
                /// Its name.
                fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.serialize_str(self.name())
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let name = String::deserialize(deserializer)?;
                    Self::from_name(&name)
                        .ok_or_else(|| D::Error::custom(format!("there is none called {name:?}")))
                }
            }
        )*
    };
}

by_name!(FileKind, FileState, Format, Header, ProblemKind);
