//! Detects values that are already spelt as they would be written.
//!
//! Nearly all are: programs that write compact JSON in UTF-8 escape the same
//! characters as the writer here. Detecting that takes one pass and hardly any
//! memory; taking a value apart and spelling it again takes ten times as long.

use memchr::memchr2;

use super::Raw;

/// An object with more keys is spelt again, because searching for duplicate keys
/// among them would take long.
const MAX_KEYS: usize = 32;

/// Marks an array among the open containers.
const ARRAY: usize = usize::MAX;

/// The text of a value that is compact, has no duplicate keys, is nested no deeper
/// than `depth`, has only numbers that are `is_plain`, and escapes exactly what the
/// writer escapes, in the same way.
pub(super) fn plain<'a>(
    value: Raw<'a>,
    depth: usize,
    is_plain: impl Fn(&[u8]) -> bool,
) -> Option<&'a str> {
    let bytes = value.bytes();
    let text = std::str::from_utf8(bytes).ok()?;
    // For each open container, where its keys begin among all keys.
    let mut open: Vec<usize> = Vec::new();
    let mut keys: Vec<&[u8]> = Vec::new();
    let mut is_key = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'{' | b'[' if open.len() < depth => {
                is_key = byte == b'{';
                open.push(if is_key { keys.len() } else { ARRAY });
                1
            }
            b'}' | b']' => {
                if let Some(first) = open.pop().filter(|first| *first != ARRAY) {
                    keys.truncate(first);
                }
                1
            }
            b',' => {
                is_key = open.last().is_some_and(|first| *first != ARRAY);
                1
            }
            b':' => {
                is_key = false;
                1
            }
            b'"' => {
                let length = string_length(&bytes[at..])?;
                if is_key {
                    let (key, first) = (&bytes[at..at + length], *open.last()?);
                    let known = keys.get(first..)?;
                    if MAX_KEYS <= known.len() || known.contains(&key) {
                        return None;
                    }
                    keys.push(key);
                }
                length
            }
            b't' | b'n' => 4,
            b'f' => 5,
            b'-' | b'0'..=b'9' => {
                let length = number_length(&bytes[at..]);
                if !is_plain(&bytes[at..at + length]) {
                    return None;
                }
                length
            }
            // White space, a comment, an infinity, or too deep.
            _ => return None,
        };
    }
    Some(text)
}

/// The length, including quotes, of a string that the writer would write like this.
fn string_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return (!has_control(&bytes[1..at])).then_some(at + 1);
        }
        at += match bytes.get(at + 1)? {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' if is_needed(bytes.get(at + 2..at + 6)?) => 6,
            _ => return None,
        };
    }
}

/// Whether these four hex digits are a control character without an escape of its
/// own.
fn is_needed(digits: &[u8]) -> bool {
    matches!(
        digits,
        [b'0', b'0', b'0', b'0'..=b'7' | b'b' | b'e' | b'f']
            | [b'0', b'0', b'1', b'0'..=b'9' | b'a'..=b'f']
    )
}

fn number_length(bytes: &[u8]) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    bytes.iter().position(|byte| !is_part(byte)).unwrap_or(bytes.len())
}

/// The content of a string, if the writer would write it like this.
pub(super) fn plain_content(content: &[u8]) -> Option<&[u8]> {
    let mut at = 0;
    while let Some(length) = memchr::memchr(b'\\', &content[at..]) {
        at += length;
        at += match content.get(at + 1)? {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' if is_needed(content.get(at + 2..at + 6)?) => 6,
            _ => return None,
        };
    }
    (!has_control(content) && std::str::from_utf8(content).is_ok()).then_some(content)
}

/// Whether any byte is below U+0020. Checks eight at a time, since a string may have
/// millions, also in builds without optimisation.
pub(super) fn has_control(bytes: &[u8]) -> bool {
    const ONES: u64 = u64::MAX / 0xFF;
    let (words, rest) = bytes.as_chunks::<8>();
    // For a byte below 0x20, the subtraction borrows from its highest bit.
    let found = words.iter().fold(0, |found, word| {
        let word = u64::from_ne_bytes(*word);
        found | (word.wrapping_sub(ONES * 0x20) & !word)
    });
    found & (ONES * 0x80) != 0 || rest.iter().any(|&byte| byte < 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::json::{clean, clean_doubles, scan};

    fn plain_of(line: &str) -> Option<&str> {
        plain(scan(line.as_bytes()).unwrap().0, 3, |number| number != b"1.0")
    }

    #[test]
    fn what_would_be_written_as_it_stands_is_taken_as_it_stands() {
        for line in [
            r#"{"a":[1,-0.50e+3,true,null,false],"é":{},"":[]}"#,
            r#"{"a":{"a":1},"b":{"a":2}}"#,
            r#"["\"\\\b\f\n\r\t\u0000\u001f\u000b","/漢😀"]"#,
            "[]",
            "\"\"",
            "-1",
        ] {
            assert_eq!(plain_of(line), Some(line));
            assert_eq!(clean(scan(line.as_bytes()).unwrap().0, "0"), line);
        }
    }

    #[test]
    fn what_would_be_written_otherwise_is_not() {
        for line in [
            r#"{"a": 1}"#,
            "[1 ]",
            "[/**/1]",
            r#"{"a":1,"b":2,"a":3}"#,
            r#"["\/"]"#,
            r#"["\u0041"]"#,
            r#"["\u000a"]"#,
            r#"["\u000B"]"#,
            r#"["\ud83d"]"#,
            r#"["\x"]"#,
            "[\"a\tb\"]",
            "[NaN]",
            "[-Infinity]",
            "[1.0]",
            "[[[[]]]]",
        ] {
            assert_eq!(plain_of(line), None, "{line}");
        }
        let (value, _) = scan(b"[\"\xFF\"]").unwrap();
        assert_eq!(plain(value, 3, |_| true), None);
    }

    #[test]
    fn doubles_stand_as_they_are_where_javascript_would_write_them_so() {
        for number in ["0", "-1", "1.5", "1e+21", "0.000001", "999999999999999"] {
            assert_eq!(clean_doubles(scan(number.as_bytes()).unwrap().0, "null"), number);
        }
    }

    #[test]
    fn a_control_character_is_found_wherever_it_stands() {
        for length in 0..40 {
            let plain = vec![b' '; length];
            assert!(!has_control(&plain));
            assert!(!has_control(&vec![0xFF; length]));
            for at in 0..length {
                for byte in [0, 0x1F] {
                    let mut text = plain.clone();
                    text[at] = byte;
                    assert!(has_control(&text), "{at} of {length}");
                }
            }
        }
    }
}
