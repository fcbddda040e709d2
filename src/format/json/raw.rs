//! JSON values as slices of their line.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use memchr::{memchr, memchr2};

use super::scan::comment_end;

/// A value in a line that [`scan`](super::scan()) has validated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a>(&'a [u8]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Null,
    False,
    True,
    Number,
    String,
    Array,
    Object,
}

impl<'a> Raw<'a> {
    pub(crate) const NULL: Raw<'static> = Raw(b"null");

    /// From a slice that contains one value and nothing else.
    pub(super) fn new(value: &'a [u8]) -> Self {
        Self(value)
    }

    pub(crate) fn kind(self) -> Kind {
        match self.0.first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't') => Kind::True,
            Some(b'f') => Kind::False,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// The bytes of the value.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The members of an object in file order, including duplicates; none for other
    /// values.
    pub(crate) fn members(self) -> Members<'a> {
        let rest = if self.kind() == Kind::Object { &self.0[1..] } else { &[] };
        Members { rest }
    }

    /// The items of an array; none for other values.
    pub(crate) fn items(self) -> impl Iterator<Item = Raw<'a>> {
        let mut rest: &'a [u8] = if self.kind() == Kind::Array { &self.0[1..] } else { &[] };
        std::iter::from_fn(move || {
            rest = skip_blank(rest);
            if matches!(rest.first(), None | Some(b']')) {
                return None;
            }
            Some(take_value(&mut rest))
        })
    }

    /// The value of a key; the last, if there are duplicates.
    pub(crate) fn get(self, key: &str) -> Option<Raw<'a>> {
        self.members().filter(|(name, _)| name.is(key)).last().map(|(_, value)| value)
    }

    /// The members of an object, collected. Worth it if several are needed, since
    /// each lookup in the value itself reads all of it.
    pub(crate) fn object(self) -> Object<'a> {
        Object { value: self, members: self.members().collect() }
    }

    /// The content of a string, without its quotes.
    pub(super) fn content(self) -> &'a [u8] {
        self.0.get(1..self.0.len() - 1).unwrap_or_default()
    }

    /// The text of a string, with U+FFFD for invalid characters; `None` for other
    /// values.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| unescape(self.content()))
    }

    /// Whether both are the same text, in the same spelling and without escapes.
    pub(crate) fn is_plainly(self, other: Raw<'_>) -> bool {
        self.kind() == Kind::String && self.0 == other.0 && memchr(b'\\', self.0).is_none()
    }

    /// Whether this is the string without a character.
    pub(crate) fn is_empty_string(self) -> bool {
        self.0 == b"\"\""
    }

    /// Whether this is `null` or `false`.
    pub(crate) fn is_falsy(self) -> bool {
        matches!(self.kind(), Kind::Null | Kind::False)
    }
}

/// A key as spelt in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a>(&'a [u8]);

impl<'a> Key<'a> {
    /// The content, without its quotes.
    pub(super) fn content(self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn is(self, name: &str) -> bool {
        // With escapes, the key is longer than the name.
        match self.0.len().cmp(&name.len()) {
            Ordering::Less => false,
            Ordering::Equal => self.0 == name.as_bytes(),
            Ordering::Greater => memchr(b'\\', self.0).is_some() && unescape(self.0) == name,
        }
    }

    /// The key as UTF-8, if it has no escapes.
    pub(crate) fn plain(self) -> Option<&'a [u8]> {
        memchr(b'\\', self.0).is_none().then_some(self.0)
    }

    pub(crate) fn text(self) -> Cow<'a, str> {
        unescape(self.0)
    }
}

/// An object with its members.
#[derive(Debug)]
pub(crate) struct Object<'a> {
    /// The whole value.
    pub(crate) value: Raw<'a>,
    members: Vec<(Key<'a>, Raw<'a>)>,
}

impl<'a> Object<'a> {
    /// As [`Raw::get`].
    pub(crate) fn get(&self, key: &str) -> Option<Raw<'a>> {
        self.members.iter().rev().find(|(name, _)| name.is(key)).map(|(_, value)| *value)
    }
}

pub(crate) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = (Key<'a>, Raw<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.rest = skip_blank(self.rest);
        if self.rest.first() != Some(&b'"') {
            return None;
        }
        let key = take_value(&mut self.rest).0;
        // `take_value` skips the colon as it skips a comma.
        let value = take_value(&mut self.rest);
        Some((Key(&key[1..key.len() - 1]), value))
    }
}

fn skip_blank(mut rest: &[u8]) -> &[u8] {
    while let Some(byte) = rest.first() {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => rest = &rest[1..],
            b'/' => rest = &rest[comment_end(rest, 0).unwrap_or(rest.len())..],
            _ => break,
        }
    }
    rest
}

/// Takes a value, and the comma or colon after it.
fn take_value<'a>(rest: &mut &'a [u8]) -> Raw<'a> {
    let bytes = skip_blank(rest);
    let (value, behind) = bytes.split_at(value_length(bytes));
    let behind = skip_blank(behind);
    *rest = match behind.first() {
        Some(b',' | b':') => &behind[1..],
        _ => behind,
    };
    Raw(value)
}

fn value_length(bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(b'"') => string_length(bytes),
        Some(b'{' | b'[') => {
            let mut depth = 0_usize;
            let mut at = 0;
            while let Some(byte) = bytes.get(at) {
                match byte {
                    b'"' => {
                        at += string_length(&bytes[at..]);
                        continue;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth -= 1;
                        if depth == 0 {
                            return at + 1;
                        }
                    }
                    b'/' => {
                        at = comment_end(bytes, at).unwrap_or(bytes.len());
                        continue;
                    }
                    _ => {}
                }
                at += 1;
            }
            bytes.len()
        }
        _ => bytes
            .iter()
            .position(|byte| {
                matches!(byte, b',' | b']' | b'}' | b':' | b'/' | b' ' | b'\t' | b'\r' | b'\n')
            })
            .unwrap_or(bytes.len()),
    }
}

fn string_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(length) = memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        if bytes[at + length] == b'"' {
            return at + length + 1;
        }
        at += length + 2;
    }
    bytes.len()
}

/// A piece of a string's content.
pub(super) enum Piece<'a> {
    Plain(&'a [u8]),
    Character(char),
    LoneSurrogate(u16),
}

/// Splits a string's content into pieces; unnecessary escapes lose their backslash.
pub(super) fn pieces(content: &[u8], mut each: impl FnMut(Piece<'_>)) {
    let mut rest = content;
    while let Some(length) = memchr(b'\\', rest) {
        if 0 < length {
            each(Piece::Plain(&rest[..length]));
        }
        rest = &rest[length + 1..];
        let Some(&byte) = rest.first() else { return };
        if byte != b'u' {
            let character = match byte {
                b'b' => '\u{8}',
                b'f' => '\u{c}',
                b'n' => '\n',
                b'r' => '\r',
                b't' => '\t',
                0x80.. => {
                    // The backslash is dropped, and the character belongs to what
                    // follows.
                    continue;
                }
                _ => char::from(byte),
            };
            each(Piece::Character(character));
            rest = &rest[1..];
            continue;
        }
        let unit = hex(&rest[1..]);
        rest = rest.get(5..).unwrap_or_default();
        let low = if rest.starts_with(b"\\u") { hex(&rest[2..]) } else { 0 };
        let units = [unit, low];
        match char::decode_utf16(units).next() {
            Some(Ok(character)) => {
                if u32::from(character) > 0xFFFF {
                    rest = &rest[6..];
                }
                each(Piece::Character(character));
            }
            _ => each(Piece::LoneSurrogate(unit)),
        }
    }
    if !rest.is_empty() {
        each(Piece::Plain(rest));
    }
}

fn hex(digits: &[u8]) -> u16 {
    let digits = std::str::from_utf8(digits.get(..4).unwrap_or_default()).unwrap_or_default();
    u16::from_str_radix(digits, 16).unwrap_or_default()
}

fn unescape(content: &[u8]) -> Cow<'_, str> {
    if memchr(b'\\', content).is_none() {
        return String::from_utf8_lossy(content);
    }
    let mut bytes = Vec::with_capacity(content.len());
    pieces(content, |piece| match piece {
        Piece::Plain(plain) => bytes.extend_from_slice(plain),
        Piece::Character(character) => {
            bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        Piece::LoneSurrogate(_) => bytes.extend_from_slice("\u{FFFD}".as_bytes()),
    });
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// The code points of a string, including lone surrogates; `None` for other values.
pub(crate) fn code_points(value: Raw<'_>) -> Option<Vec<u32>> {
    if value.kind() != Kind::String {
        return None;
    }
    let mut points = Vec::with_capacity(value.content().len());
    pieces(value.content(), |piece| match piece {
        Piece::Plain(plain) => {
            points.extend(String::from_utf8_lossy(plain).chars().map(u32::from));
        }
        Piece::Character(character) => points.push(u32::from(character)),
        Piece::LoneSurrogate(unit) => points.push(u32::from(unit)),
    });
    Some(points)
}

/// Whether a string has an escape of a lone surrogate, which a Rust string cannot
/// hold.
pub(crate) fn has_lone_surrogate(value: Raw<'_>) -> bool {
    let mut found = false;
    if value.kind() == Kind::String {
        pieces(value.content(), |piece| {
            found |= matches!(piece, Piece::LoneSurrogate(_));
        });
    }
    found
}

/// The members of an object without duplicates: the last value of a key, at the key's
/// first position.
pub(crate) fn distinct_members(value: Raw<'_>) -> Vec<(Key<'_>, Raw<'_>)> {
    let mut members: Vec<(Key<'_>, Raw<'_>)> = value.members().collect();
    if are_distinct(&members) {
        return members;
    }
    let mut places: HashMap<Cow<'_, str>, usize> = HashMap::with_capacity(members.len());
    let mut kept = 0;
    for n in 0..members.len() {
        let (key, value) = members[n];
        match places.entry(key.text()) {
            Entry::Occupied(place) => members[*place.get()].1 = value,
            Entry::Vacant(place) => {
                place.insert(kept);
                members[kept] = (key, value);
                kept += 1;
            }
        }
    }
    members.truncate(kept);
    members
}

/// Whether keys are certainly distinct: few, and without escapes.
fn are_distinct(members: &[(Key<'_>, Raw<'_>)]) -> bool {
    let is_plain = |key: Key<'_>| key.0.is_ascii() && memchr(b'\\', key.0).is_none();
    members.len() <= 16
        && members.iter().enumerate().all(|(n, (key, _))| {
            is_plain(*key) && members[..n].iter().all(|(other, _)| other.0 != key.0)
        })
}
