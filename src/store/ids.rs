//! How the ids and the type and role words of entries are stored in columns.
//!
//! Most ids consist of hex digits, and make up most of a row and of an index entry.
//! Stored as the bytes that the digits spell, they take half the space and half the
//! time to compare. Only ids that can be restored exactly are stored this way;
//! others are text. Types and roles are few, and are stored as numbers.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// Numbers of hex digits for which ids are stored as bytes: those of pi, of Kimi, and
/// a UUID without dashes.
const LENGTHS: [usize; 3] = [8, 16, 32];

/// The byte that follows the bytes of a UUID with dashes.
const DASHED: u8 = 1;

/// The positions of its dashes.
const DASHES: [usize; 4] = [8, 13, 18, 23];

/// An id as a parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id<'a> {
    text: &'a str,
    bytes: [u8; 17],
    /// The length of its bytes; 0 for an id that is stored as text.
    length: usize,
}

impl<'a> Id<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        let mut id = Self { text, bytes: [0; 17], length: 0 };
        let given = text.as_bytes();
        if LENGTHS.contains(&given.len()) && unhex(given, &mut id.bytes) {
            id.length = given.len() / 2;
        } else if given.len() == 36 && DASHES.iter().all(|&dash| given[dash] == b'-') {
            let mut digits = [0; 32];
            let without = given.iter().enumerate().filter(|(n, _)| !DASHES.contains(n));
            without.zip(&mut digits).for_each(|((_, byte), digit)| *digit = *byte);
            if unhex(&digits, &mut id.bytes) {
                id.bytes[16] = DASHED;
                id.length = 17;
            }
        }
        id
    }
}

/// Decodes lower-case hex digits; `false` if there are others.
fn unhex(digits: &[u8], bytes: &mut [u8]) -> bool {
    // Every digit of every id passes here, so all are looked up first and checked
    // once.
    let mut all = 0;
    for (pair, byte) in digits.chunks_exact(2).zip(bytes) {
        let (high, low) = (VALUES[usize::from(pair[0])], VALUES[usize::from(pair[1])]);
        all |= high | low;
        *byte = high << 4 | low & 0xF;
    }
    all < 16
}

/// The value of a lower-case hex digit; 16 or more for any other byte.
const VALUES: [u8; 256] = {
    let mut values = [0xFF; 256];
    let digits = b"0123456789abcdef";
    let mut n = 0;
    while n < digits.len() {
        values[digits[n] as usize] = n as u8;
        n += 1;
    }
    values
};

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}

impl ToSql for Id<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.length {
            0 => ValueRef::Text(self.text.as_bytes()),
            length => ValueRef::Blob(&self.bytes[..length]),
        }))
    }
}

/// An id read from a column, as text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IdText(pub(crate) String);

impl FromSql for IdText {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let ValueRef::Blob(bytes) = value else { return String::column_result(value).map(Self) };
        let mut text = match bytes.split_last() {
            Some((&DASHED, bytes)) if bytes.len() == 16 => hex(bytes),
            _ if LENGTHS.contains(&(2 * bytes.len())) => return Ok(Self(hex(bytes))),
            _ => return Err(FromSqlError::InvalidType),
        };
        DASHES.iter().for_each(|&dash| text.insert(dash, '-'));
        Ok(Self(text))
    }
}

/// The range of bytes of all ids that begin with this prefix and are stored as bytes.
pub(crate) fn range(prefix: &str) -> Option<[Vec<u8>; 2]> {
    let mut digits: Vec<u8> = prefix.bytes().filter(|byte| *byte != b'-').collect();
    digits.truncate(32);
    let whole = |last: u8| {
        let mut digits = digits.clone();
        if !digits.len().is_multiple_of(2) {
            digits.push(last);
        }
        let mut bytes = vec![0; digits.len() / 2];
        unhex(&digits, &mut bytes).then_some(bytes)
    };
    let mut high = whole(b'f')?;
    high.resize(18, 0xFF);
    Some([whole(b'0')?, high])
}

/// Types and roles by their numbers, which are on disk. Words that are not in this
/// list are stored as text.
const WORDS: [&str; 24] = [
    "message",
    "user",
    "assistant",
    "tool",
    "toolResult",
    "system",
    "compaction",
    "compactionSummary",
    "branch_summary",
    "branchSummary",
    "custom_message",
    "custom",
    "label",
    "session_info",
    "model_change",
    "thinking_level_change",
    "context_edit",
    "bashExecution",
    "system_prompt",
    "checkpoint",
    "usage",
    "unknown",
    "attachment",
    "progress",
];

/// A type or role as a parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word<'a>(pub(crate) &'a str);

impl ToSql for Word<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        let number = WORDS.iter().position(|word| *word == self.0);
        Ok(ToSqlOutput::Borrowed(match number {
            Some(number) => ValueRef::Integer(number as i64),
            None => ValueRef::Text(self.0.as_bytes()),
        }))
    }
}

/// A type or role read from a column.
pub(crate) fn word(value: ValueRef<'_>) -> FromSqlResult<&str> {
    match value {
        ValueRef::Integer(number) => {
            let word = usize::try_from(number).ok().and_then(|number| WORDS.get(number));
            word.copied().ok_or(FromSqlError::OutOfRange(number))
        }
        _ => value.as_str(),
    }
}

/// As [`word`], for a column that may be NULL.
pub(crate) fn word_or_null(value: ValueRef<'_>) -> FromSqlResult<Option<&str>> {
    match value {
        ValueRef::Null => Ok(None),
        _ => word(value).map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(text: &str) -> (usize, String) {
        let id = Id::of(text);
        let ToSqlOutput::Borrowed(value) = id.to_sql().unwrap() else { panic!("{text}") };
        (id.length, IdText::column_result(value).unwrap().0)
    }

    #[test]
    fn each_id_comes_back_as_it_was() {
        for (text, length) in [
            ("0123abcd", 4),
            ("0123456789abcdef", 8),
            ("00112233445566778899aabbccddeeff", 16),
            ("00112233-4455-6677-8899-aabbccddeeff", 17),
            ("00112233-4455-6677-8899-aabbccddeeFF", 0),
            ("00112233-4455-6677-8899aabbccddeeff1-", 0),
            ("0123ABCD", 0),
            ("0123abc", 0),
            ("0123456789", 0),
            ("message:0", 0),
            ("", 0),
            ("é", 0),
        ] {
            assert_eq!(kept(text), (length, text.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_an_id_begins_with_bounds_its_bytes() {
        for (prefix, id) in [
            ("0", "0123abcd"),
            ("0123a", "0123abcd"),
            ("0123abcd", "0123abcd"),
            ("00112233-44", "00112233-4455-6677-8899-aabbccddeeff"),
            ("ff", "ffffffff-ffff-ffff-ffff-ffffffffffff"),
        ] {
            let [low, high] = range(prefix).unwrap();
            let id = Id::of(id);
            let bytes = &id.bytes[..id.length];
            assert!(low.as_slice() <= bytes && bytes <= high.as_slice(), "{prefix}");
        }
        assert_eq!(range("message:"), None);
    }

    #[test]
    fn words_have_their_numbers() {
        for (number, text) in WORDS.iter().enumerate() {
            assert_eq!(word(ValueRef::Integer(number as i64)), Ok(*text));
        }
        assert_eq!(Word("user").to_sql().unwrap(), ToSqlOutput::Borrowed(ValueRef::Integer(1)));
        assert_eq!(word(ValueRef::Text(b"later")), Ok("later"));
        assert!(word(ValueRef::Integer(99)).is_err());
        assert!(word(ValueRef::Integer(-1)).is_err());
    }

    #[test]
    fn views_have_the_same_words() {
        let views = include_str!("../../migrations/V11__views.sql");
        let list = views.split('\'').find(|text| text.starts_with("[\"message\"")).unwrap();

        assert_eq!(serde_json::from_str::<Vec<&str>>(list).unwrap(), WORDS);
    }
}
