//! Text as Python has it: code points, half surrogate pairs among them.

use crate::format::json::{self, Raw};
use crate::model::Stored;

/// Where the first line of some bytes ends, behind LF, CRLF or CR.
///
/// A CR that ends the bytes ends a line, too; whoever reads a file piece by
/// piece must look at the next byte first, which may be the LF that belongs to it.
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    let end = memchr::memchr2(b'\n', b'\r', bytes)?;
    Some(if bytes[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 })
}

/// Where the last line ends that surely ends within some bytes.
pub(crate) fn last_line_end(bytes: &[u8]) -> Option<usize> {
    let sure = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    memchr::memrchr2(b'\n', b'\r', sure).map(|end| end + 1)
}

/// What Python's `split` and `strip` take for white space.
pub(crate) fn is_space(point: u32) -> bool {
    matches!(
        point,
        0x9..=0xD | 0x1C..=0x20 | 0x85 | 0xA0 | 0x1680 | 0x2000..=0x200A | 0x2028 | 0x2029
            | 0x202F | 0x205F | 0x3000
    )
}

pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(|c| is_space(u32::from(c)))
}

pub(crate) fn is_blank(line: &[u8]) -> bool {
    strip(&String::from_utf8_lossy(line)).is_empty()
}

/// The code points of a JSON string; of anything else, `None`.
pub(crate) fn points(value: Raw<'_>) -> Option<Vec<u32>> {
    json::code_points(value)
}

pub(crate) fn stored(points: &[u32]) -> Stored {
    json::stored_points(points)
}

/// A JSON string as it is kept in a column.
pub(crate) fn stored_string(value: Raw<'_>) -> Option<Stored> {
    points(value).map(|points| stored(&points))
}

/// Joins white space to single spaces and cuts at a word's end within `width` code points.
///
/// What is cut ends with an ellipsis. A single early space counts as a word's
/// end, too: what follows it is lost if it is one long run.
pub(crate) fn shorten(text: &[u32], width: usize) -> Vec<u32> {
    const SPACE: u32 = 0x20;
    const ELLIPSIS: u32 = 0x2026;
    let words = text.split(|&point| is_space(point)).filter(|word| !word.is_empty());
    let mut joined = Vec::with_capacity(text.len());
    for word in words {
        if !joined.is_empty() {
            joined.push(SPACE);
        }
        joined.extend_from_slice(word);
    }
    if joined.len() <= width {
        return joined;
    }
    let cut = width - 1;
    let space = joined[1..=cut].iter().rposition(|&point| point == SPACE).map(|at| at + 1);
    joined.truncate(space.unwrap_or(cut));
    while joined.last().is_some_and(|&point| is_space(point)) {
        joined.pop();
    }
    joined.push(ELLIPSIS);
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(text: &str, width: usize) -> String {
        let points: Vec<u32> = text.chars().map(u32::from).collect();
        stored(&shorten(&points, width)).to_text()
    }

    #[test]
    fn lines_end_at_lf_crlf_and_cr() {
        assert_eq!(line_end(b"a\nb"), Some(2));
        assert_eq!(line_end(b"a\r\nb"), Some(3));
        assert_eq!(line_end(b"a\rb"), Some(2));
        assert_eq!(line_end("a\u{2028}b".as_bytes()), None);
        assert_eq!(last_line_end(b"a\nb\r"), Some(2));
        assert_eq!(last_line_end(b"a\r"), None);
    }

    #[test]
    fn titles_are_cut_between_words() {
        assert_eq!(shortened("  a \u{a0}\n b ", 50), "a b");
        assert_eq!(shortened("aaaa bbbb", 9), "aaaa bbbb");
        assert_eq!(shortened("aaaa bbbb", 8), "aaaa…");
        assert_eq!(shortened("aaaaaaaaa", 5), "aaaa…");
        assert_eq!(shortened("aaaa bbbb", 5), "aaaa…");
        assert_eq!(shortened(&format!("hi {}", "漢".repeat(60)), 50), "hi…");
    }
}
