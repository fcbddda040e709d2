//! Titles and tags, normalised as the program does it with a user's input.

use std::sync::OnceLock;

use unicode_normalization::UnicodeNormalization;

use super::text::strip_points;
use crate::format::json;
use crate::model::Stored;

/// Rounds of normalisation after which a tag counts as clean.
const ROUNDS: usize = 10;

/// The code points that tags cannot contain, as ranges in hex: those of the
/// categories Cf, Co and Cn in Unicode 15.0, which the program uses.
const REMOVED: &str = include_str!("removed.txt");

/// The code points of a stored text, including lone surrogates.
fn points(text: &Stored) -> Vec<u32> {
    match text {
        Stored::Text(text) => text.chars().map(u32::from).collect(),
        Stored::Json(json) => {
            let value = json::scan(json.as_bytes()).ok();
            value.and_then(|(value, _)| json::code_points(value)).unwrap_or_default()
        }
    }
}

/// Without surrounding white space; `None` for a blank text.
pub(super) fn stripped(text: &Stored) -> Option<Stored> {
    let points = points(text);
    let bare = strip_points(&points);
    (!bare.is_empty()).then(|| json::stored_points(bare))
}

/// A text with a suffix.
pub(super) fn followed(text: &Stored, end: &str) -> Stored {
    let mut points = points(text);
    points.extend(end.chars().map(u32::from));
    json::stored_points(&points)
}

/// A tag as the program writes it; `None` if nothing of it is left.
pub(super) fn clean(tag: &Stored) -> Option<Stored> {
    let mut current = points(tag);
    for _ in 0..ROUNDS {
        // Unassigned characters are removed before normalising.
        let kept: Vec<u32> = current.iter().copied().filter(|point| !is_removed(*point)).collect();
        let next: Vec<u32> =
            normalised(&kept).into_iter().filter(|point| !is_removed(*point)).collect();
        let is_clean = next == current;
        current = next;
        if is_clean {
            break;
        }
    }
    stripped(&json::stored_points(&current))
}

/// Compatibility composition (NFKC) of the text between lone surrogates.
fn normalised(points: &[u32]) -> Vec<u32> {
    let mut out = Vec::with_capacity(points.len());
    let is_half = |point: &u32| char::from_u32(*point).is_none();
    for run in points.chunk_by(|one, other| is_half(one) == is_half(other)) {
        let text: Option<String> = run.iter().map(|point| char::from_u32(*point)).collect();
        match text {
            Some(text) => out.extend(text.nfkc().map(u32::from)),
            None => out.extend_from_slice(run),
        }
    }
    out
}

fn is_removed(point: u32) -> bool {
    static RANGES: OnceLock<Vec<(u32, u32)>> = OnceLock::new();
    let ranges = RANGES.get_or_init(|| {
        let hex = |text: &str| u32::from_str_radix(text, 16).ok();
        let range = |word: &str| match word.split_once('-') {
            Some((first, last)) => Some((hex(first)?, hex(last)?)),
            None => Some((hex(word)?, hex(word)?)),
        };
        REMOVED.split_ascii_whitespace().filter_map(range).collect()
    });
    let behind = ranges.partition_point(|(first, _)| *first <= point);
    behind.checked_sub(1).is_some_and(|at| point <= ranges[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cleaned(tag: &str) -> Option<String> {
        clean(&Stored::Text(tag.to_owned())).map(|tag| tag.to_text())
    }

    #[test]
    fn a_tag_is_composed_and_holds_nothing_that_cannot_be_seen() {
        for (tag, expected) in [
            ("  trimmed ", "trimmed"),
            ("\u{202e}back\u{202c}", "back"),
            ("e\u{301}", "é"),
            ("\u{e000}private\u{f8ff}", "private"),
            ("soft\u{ad}hyphen", "softhyphen"),
            ("\u{378}unassigned", "unassigned"),
            ("\u{212b}\u{a0}\u{ff21}", "Å A"),
            // Composes only after what is between them was removed.
            ("e\u{200b}\u{301}", "é"),
            // Assigned after Unicode 15.0.
            ("a\u{2ffc}", "a"),
        ] {
            assert_eq!(cleaned(tag).as_deref(), Some(expected), "{tag:?}");
        }
        assert_eq!(cleaned("\u{feff} "), None);
        let half = Stored::Json("\"a\\ud800\"".to_owned());
        assert_eq!(clean(&half), Some(half));
    }

    #[test]
    fn a_title_is_stripped_as_python_strips() {
        let title = |text: &str| stripped(&Stored::Text(text.to_owned()));
        assert_eq!(title("\u{1}\u{1f}a\u{1c}"), Some(Stored::Text("\u{1}\u{1f}a".to_owned())));
        assert_eq!(title(" \u{a0}\u{1f}"), None);
    }
}
