//! What pi makes of a header's version.

use super::text::is_space;
use crate::model::Stored;

/// Whether entries stand as pi writes them today.
pub(super) fn is_current(version: Option<&Stored>) -> bool {
    !is_below(version, 3.0)
}

/// A version below 2: entries follow one another.
pub(super) fn is_linear(version: Option<&Stored>) -> bool {
    is_below(version, 2.0)
}

/// As JavaScript compares: no version and null are 1, text counts as its number.
fn is_below(version: Option<&Stored>, limit: f64) -> bool {
    let number = match version {
        None => Some(1.0),
        Some(Stored::Text(text)) => match text.trim_matches(is_space) {
            "" => Some(0.0),
            text => text.parse::<f64>().ok(),
        },
        Some(Stored::Json(json)) => match json.as_str() {
            "true" => Some(1.0),
            "false" => Some(0.0),
            json => json.parse().ok(),
        },
    };
    number.is_some_and(|number| number < limit)
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
            (json("[]"), false),
            (Some(Stored::Text("1".to_owned())), true),
            (Some(Stored::Text("\u{feff}1 ".to_owned())), true),
            (Some(Stored::Text("2".to_owned())), false),
            (Some(Stored::Text("new".to_owned())), false),
        ] {
            assert_eq!(is_linear(version.as_ref()), expected, "{version:?}");
        }
    }
}
