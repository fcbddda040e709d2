//! Conversion to `serde_json` values.

use serde_json::{Map, Number, Value};

use super::{Kind, Raw};

/// The value as `serde_json` represents it: the last of duplicate keys, U+FFFD for
/// lone surrogates, null for numbers that it cannot represent.
///
/// It recurses over its input, which must come from [`clean`](super::clean).
pub(crate) fn value(raw: Raw<'_>) -> Value {
    match raw.kind() {
        Kind::Null => Value::Null,
        Kind::False => Value::Bool(false),
        Kind::True => Value::Bool(true),
        Kind::Number => {
            serde_json::from_slice::<Number>(raw.bytes()).map_or(Value::Null, Value::Number)
        }
        Kind::String => Value::String(raw.string().unwrap_or_default().into_owned()),
        Kind::Array => Value::Array(raw.items().map(value).collect()),
        Kind::Object => {
            let members = raw.members().map(|(key, raw)| (key.text().into_owned(), value(raw)));
            Value::Object(members.collect::<Map<_, _>>())
        }
    }
}
