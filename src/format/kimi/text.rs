//! Text as Python has it: code points, including lone surrogates.

use crate::format::json::{self, Raw};
use crate::model::Stored;

/// The end of the first line of some bytes, after LF, CRLF or CR.
///
/// A CR at the end of the bytes ends a line, too. Whoever reads a file in pieces must
/// look at the next byte first, which may be the LF that belongs to it.
pub(crate) fn line_end(bytes: &[u8]) -> Option<usize> {
    let end = memchr::memchr2(b'\n', b'\r', bytes)?;
    Some(if bytes[end..].starts_with(b"\r\n") { end + 2 } else { end + 1 })
}

/// The end of the last line that certainly ends within some bytes.
pub(crate) fn last_line_end(bytes: &[u8]) -> Option<usize> {
    let sure = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    memchr::memrchr2(b'\n', b'\r', sure).map(|end| end + 1)
}

/// What Python's `split` and `strip` treat as white space.
pub(crate) fn is_space(point: u32) -> bool {
    matches!(
        point,
        0x9..=0xD | 0x1C..=0x20 | 0x85 | 0xA0 | 0x1680 | 0x2000..=0x200A | 0x2028 | 0x2029
            | 0x202F | 0x205F | 0x3000
    )
}

/// The value of a decimal digit of any script. Digits of a script are ten consecutive
/// characters.
pub(super) fn decimal(c: char) -> Option<u32> {
    const ZEROS: [u32; 68] = [
        0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xA66, 0xAE6, 0xB66, 0xBE6, 0xC66, 0xCE6, 0xD66,
        0xDE6, 0xE50, 0xED0, 0xF20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90,
        0x1B50, 0x1BB0, 0x1C40, 0x1C50, 0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0,
        0xFF10, 0x104A0, 0x10D30, 0x11066, 0x110F0, 0x11136, 0x111D0, 0x112F0, 0x11450, 0x114D0,
        0x11650, 0x116C0, 0x11730, 0x118E0, 0x11950, 0x11C50, 0x11D50, 0x11DA0, 0x11F50, 0x16A60,
        0x16AC0, 0x16B50, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6, 0x1E140, 0x1E2F0, 0x1E4F0,
        0x1E950, 0x1FBF0,
    ];
    let code = u32::from(c);
    let zero = ZEROS[..ZEROS.partition_point(|zero| *zero <= code)].last()?;
    Some(code - zero).filter(|digit| *digit < 10)
}

pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(|c| is_space(u32::from(c)))
}

pub(crate) fn is_blank(line: &[u8]) -> bool {
    // Nearly every line begins with a brace, and needs no further look.
    if line.first().is_some_and(u8::is_ascii_graphic) {
        return false;
    }
    strip(&String::from_utf8_lossy(line)).is_empty()
}

/// The code points of a JSON string; `None` for other values.
pub(crate) fn points(value: Raw<'_>) -> Option<Vec<u32>> {
    json::code_points(value)
}

pub(crate) fn stored(points: &[u32]) -> Stored {
    json::stored_points(points)
}

/// A JSON string as a column stores it.
pub(crate) fn stored_string(value: Raw<'_>) -> Option<Stored> {
    points(value).map(|points| stored(&points))
}

/// Collapses white space, and truncates at a word's end within `width` code points.
///
/// A truncated text ends with an ellipsis. A single early space counts as a word's
/// end, too, even if one long run follows, which is lost.
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
    fn digits_are_of_any_script() {
        assert_eq!(
            "0٣९９𝟟".chars().map(decimal).collect::<Option<Vec<_>>>().unwrap(),
            [0, 3, 9, 9, 7]
        );
        assert!("/:a½²Ⅷ\u{1FBFA}\u{1F}".chars().all(|c| decimal(c).is_none()));
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
