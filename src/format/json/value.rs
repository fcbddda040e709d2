//! Values for those who compute with them.

use serde_json::{Map, Number, Value};

use super::{Kind, Raw};

/// A value as `serde_json` has it: of duplicate keys the last, half surrogate
/// pairs as U+FFFD, what is no number there as null.
///
/// It recurses over its input, which has to be [`clean`](super::clean).
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
