//! Shapes: what the values of a record must be for the program to read it.
//!
//! The program accepts a record as a whole or not at all: one key with a value of
//! the wrong kind makes it skip the line. Unknown keys do not matter.
//! [`super::shapes`] has the shape of each record.

use super::layout;
use super::record::text;
use crate::format::json::{Kind, Raw};

/// What a value must be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape {
    Any,
    Text,
    /// One of these strings.
    Word(&'static [&'static str]),
    /// The id of a thread.
    Id,
    Flag,
    Integer,
    /// An integer from 0 to this one.
    UpTo(u64),
    Number,
    List(&'static Shape),
    /// An object with any keys, whose values have this shape.
    Map(&'static Shape),
    Struct(&'static [Field]),
    /// An object whose `type` determines its further keys.
    Tagged(&'static [(&'static str, &'static [Field])]),
    /// As `Tagged`, but an unlisted type may have any further keys.
    Open(&'static [(&'static str, &'static [Field])]),
    /// An object with one of these keys.
    Variant(&'static [Field]),
    Either(&'static [Shape]),
}

/// A key, and what its value must be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    key: &'static str,
    shape: Shape,
    may_lack: bool,
    may_be_null: bool,
}

/// A required key.
pub(super) const fn must(key: &'static str, shape: Shape) -> Field {
    Field { key, shape, may_lack: false, may_be_null: false }
}

/// A key that may be absent, but not null.
pub(super) const fn lacks(key: &'static str, shape: Shape) -> Field {
    Field { key, shape, may_lack: true, may_be_null: false }
}

/// A key that may be absent or null.
pub(super) const fn may(key: &'static str, shape: Shape) -> Field {
    Field { key, shape, may_lack: true, may_be_null: true }
}

/// The most keys of any shape.
const MOST: usize = 16;

/// The first key of an object that does not match.
pub(super) fn misfit(object: Raw<'_>, fields: &'static [Field]) -> Option<&'static str> {
    let mut found = [None; MOST];
    for (key, value) in object.members() {
        // If a key is repeated, the last value counts.
        if let Some(at) = fields.iter().position(|field| key.is(field.key))
            && let Some(found) = found.get_mut(at)
        {
            *found = Some(value);
        }
    }
    let unfit = fields.iter().zip(found).find(|(field, value)| match value {
        None => !field.may_lack,
        Some(value) if value.kind() == Kind::Null && field.may_be_null => false,
        Some(value) => !fits(*value, field.shape),
    });
    unfit.map(|(field, _)| field.key)
}

/// Whether a value has a shape.
pub(super) fn fits(value: Raw<'_>, shape: Shape) -> bool {
    let kind = value.kind();
    match shape {
        Shape::Any => true,
        Shape::Text => kind == Kind::String,
        Shape::Word(words) => value.string().is_some_and(|text| words.contains(&&*text)),
        Shape::Id => value.string().is_some_and(|text| is_id(&text)),
        Shape::Flag => matches!(kind, Kind::True | Kind::False),
        Shape::Integer => integer::<i64>(value).is_some(),
        Shape::UpTo(most) => integer::<u64>(value).is_some_and(|number| number <= most),
        Shape::Number => kind == Kind::Number,
        Shape::List(each) => kind == Kind::Array && value.items().all(|item| fits(item, *each)),
        Shape::Map(each) => {
            kind == Kind::Object && value.members().all(|(_, value)| fits(value, *each))
        }
        Shape::Struct(fields) => kind == Kind::Object && misfit(value, fields).is_none(),
        Shape::Tagged(types) => fits_type(value, types) == Some(true),
        Shape::Open(types) => {
            fits_type(value, types).unwrap_or_else(|| text(value, "type").is_some())
        }
        Shape::Variant(fields) => is_variant(value, fields),
        Shape::Either(shapes) => shapes.iter().any(|shape| fits(value, *shape)),
    }
}

/// Whether an object matches its type; `None` if the type is not listed.
fn fits_type(value: Raw<'_>, types: &[(&str, &'static [Field])]) -> Option<bool> {
    let name = text(value, "type")?;
    let (_, fields) = types.iter().find(|(known, _)| *known == name)?;
    Some(misfit(value, fields).is_none())
}

fn is_variant(value: Raw<'_>, fields: &'static [Field]) -> bool {
    let mut members = value.members();
    let (Some((key, value)), None) = (members.next(), members.next()) else { return false };
    let field = fields.iter().find(|field| key.is(field.key));
    field.is_some_and(|field| fits(value, field.shape))
}

/// An integer that fits into a type.
pub(super) fn integer<N: std::str::FromStr>(value: Raw<'_>) -> Option<N> {
    std::str::from_utf8(value.bytes()).ok()?.parse().ok()
}

/// Whether a text is a UUID, in any of its forms.
fn is_id(text: &str) -> bool {
    let bare = text.strip_prefix("urn:uuid:").unwrap_or(text);
    let braced = text.strip_prefix('{').and_then(|text| text.strip_suffix('}'));
    let is_hex = |text: &str| text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
    layout::is_uuid(bare) || braced.is_some_and(layout::is_uuid) || is_hex(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json;

    #[track_caller]
    fn check(shape: Shape, fit: &[&str], unfit: &[&str]) {
        for (values, expected) in [(fit, true), (unfit, false)] {
            for value in values {
                let (read, _) = json::scan(value.as_bytes()).unwrap();
                assert_eq!(fits(read, shape), expected, "{value} as {shape:?}");
            }
        }
    }

    #[test]
    fn a_value_has_a_shape_by_its_kind() {
        check(Shape::Text, &["\"\""], &["null", "1", "[]"]);
        check(Shape::Word(&["a", "b"]), &["\"b\""], &["\"c\"", "1"]);
        check(Shape::Flag, &["true", "false"], &["null", "0", "\"true\""]);
        check(Shape::Integer, &["-1", "0"], &["1.0", "9223372036854775808", "\"1\""]);
        check(Shape::UpTo(2), &["0", "2"], &["-1", "3", "1.5"]);
        check(Shape::Number, &["1.5", "-1"], &["\"1\"", "null"]);
        check(Shape::List(&Shape::Text), &["[]", "[\"a\"]"], &["[1]", "{}", "\"a\""]);
        check(Shape::Map(&Shape::Text), &["{}", "{\"a\":\"b\"}"], &["{\"a\":1}", "[]"]);
        let id = "019b8d00-0003-7000-8000-000000000003";
        let (quoted, bare) = (format!("\"{id}\""), format!("\"{}\"", id.replace('-', "")));
        let (braced, urn) = (format!("\"{{{id}}}\""), format!("\"urn:uuid:{id}\""));
        check(Shape::Id, &[&quoted, &bare, &braced, &urn], &["\"x\"", "1"]);
    }

    #[test]
    fn an_object_fits_by_the_keys_that_are_known() {
        const FIELDS: &[Field] =
            &[must("a", Shape::Text), lacks("b", Shape::Text), may("c", Shape::Text)];
        check(
            Shape::Struct(FIELDS),
            &[r#"{"a":"","x":1}"#, r#"{"a":1,"a":"","b":"","c":null}"#],
            &["{}", r#"{"a":null}"#, r#"{"a":"","b":null}"#, r#"{"a":"","c":1}"#, "[]"],
        );
        check(
            Shape::Tagged(&[("x", FIELDS), ("y", &[])]),
            &[r#"{"type":"y"}"#, r#"{"type":"x","a":""}"#],
            &[r#"{"type":"x"}"#, r#"{"type":"z"}"#, "{}", "\"y\""],
        );
        check(
            Shape::Open(&[("x", FIELDS)]),
            &[r#"{"type":"z"}"#, r#"{"type":"x","a":""}"#],
            &[r#"{"type":"x"}"#, r#"{"a":""}"#, "1"],
        );
        check(
            Shape::Variant(FIELDS),
            &[r#"{"a":""}"#, r#"{"c":""}"#],
            &["{}", r#"{"a":1}"#, r#"{"a":"","b":""}"#, r#"{"z":""}"#],
        );
    }
}
