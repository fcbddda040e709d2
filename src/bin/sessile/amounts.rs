//! Numbers for people: counts with their noun, and sizes.

use indicatif::{HumanBytes, HumanCount};

/// A count, with separators between thousands.
pub(crate) fn number(count: u64) -> String {
    HumanCount(count).to_string()
}

/// A count of things, in the singular or plural.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {}", number(count), noun_of(count, noun))
}

/// The noun alone, in the singular or plural.
pub(crate) fn noun_of(count: u64, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == 1 => noun.to_owned(),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{noun}s"),
    }
}

/// A size in bytes, in the largest fitting unit.
pub(crate) fn size(bytes: u64) -> String {
    HumanBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_singular_and_thousands_are_apart() {
        assert_eq!(counted(1, "session"), "1 session");
        assert_eq!(counted(0, "session"), "0 sessions");
        assert_eq!(counted(12_084, "line"), "12,084 lines");
        assert_eq!(counted(2, "entry"), "2 entries");
        assert_eq!(counted(2, "day"), "2 days");
        assert_eq!(size(3413), "3.33 KiB");
    }
}
