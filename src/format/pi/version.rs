//! How pi reads a header's version.

use super::text;
use crate::format::json;
use crate::model::Stored;

/// Whether entries are in the form that pi writes today.
pub(super) fn is_current(version: Option<&Stored>) -> bool {
    !is_below(version, 3.0)
}

/// Whether the version is below 2, in which entries form a chain.
pub(super) fn is_linear(version: Option<&Stored>) -> bool {
    is_below(version, 2.0)
}

/// JavaScript's comparison: a missing version and null are 1, a text is its number.
fn is_below(version: Option<&Stored>, limit: f64) -> bool {
    let number = match version {
        None => Some(1.0),
        Some(Stored::Text(text)) => number(text),
        Some(Stored::Json(json)) => match json.as_str() {
            "true" => Some(1.0),
            "false" => Some(0.0),
            list if list.starts_with('[') => json::scan(list.as_bytes())
                .ok()
                .and_then(|(list, _)| number(&text::joined_text(list))),
            json => json.parse().ok(),
        },
    };
    number.is_some_and(|number| number < limit)
}

/// The number that JavaScript reads from a text.
fn number(text: &str) -> Option<f64> {
    let text = text.trim_matches(text::is_space);
    let whole = |digits: &str, radix| {
        let is_bare = digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
        u64::from_str_radix(digits, radix).ok().filter(|_| is_bare).map(|whole| whole as f64)
    };
    match text.as_bytes() {
        [] => Some(0.0),
        [b'0', b'x' | b'X', ..] => whole(&text[2..], 16),
        [b'0', b'o' | b'O', ..] => whole(&text[2..], 8),
        [b'0', b'b' | b'B', ..] => whole(&text[2..], 2),
        // Rust would read `inf` and `nan`, too.
        _ if text.ends_with("Infinity") || !text.contains(['n', 'N']) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_two_are_chains() {
        let json = |json: &str| Some(Stored::Json(json.to_owned()));
        for (version, expected) in [
            (None, true),
            (json("1"), true),
            (json("0"), true),
            (json("2"), false),
            (json("2.5"), false),
            (json("[]"), true),
            (json("[1]"), true),
            (json("[[\"1\"]]"), true),
            (json("[2]"), false),
            (json("[1,1]"), false),
            (json("{}"), false),
            (Some(Stored::Text("1".to_owned())), true),
            (Some(Stored::Text("\u{feff}1 ".to_owned())), true),
            (Some(Stored::Text("0x1".to_owned())), true),
            (Some(Stored::Text("-Infinity".to_owned())), true),
            (Some(Stored::Text("2".to_owned())), false),
            (Some(Stored::Text("0b10".to_owned())), false),
            (Some(Stored::Text("0x-1".to_owned())), false),
            (Some(Stored::Text("-inf".to_owned())), false),
            (Some(Stored::Text("new".to_owned())), false),
        ] {
            assert_eq!(is_linear(version.as_ref()), expected, "{version:?}");
        }
    }
}
