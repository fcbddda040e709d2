//! Reads JSON where it lies, as forgivingly as the most forgiving program that wrote or read it.
//!
//! The session formats were read by three JSON parsers that disagree: one takes
//! comments and invalid UTF-8, one NaN and integers of any length, one neither.
//! So this reader accepts the union and reports, as [`Features`], what it met on
//! the way; each format decides which features make a line malformed for it.
//!
//! Nothing here recurses over input except [`clean`], which is bounded, so a
//! line of 100,000 brackets costs a few kilobytes and no stack. Values are
//! slices of the line: numbers keep their spelling, objects their key order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

use memchr::{memchr, memchr2, memmem};

/// Deepest nesting that [`clean`] writes out; common readers stop not far beyond.
const MAX_CLEAN_DEPTH: usize = 500;
/// Longest integer that [`clean`] writes out; Python reads no longer one.
const MAX_CLEAN_DIGITS: usize = 4_300;

/// What a line uses beyond plain JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// Containers inside one another, the record itself counted.
    pub(crate) depth: usize,
    pub(crate) comment: bool,
    /// NaN, an infinity, or a number beyond the range of a double.
    pub(crate) non_finite: bool,
    /// A raw character below U+0020 inside a string.
    pub(crate) control_character: bool,
    /// A backslash before a character that needs none.
    pub(crate) odd_escape: bool,
    pub(crate) invalid_utf8: bool,
}

/// Why a line is no JSON, and where: a byte offset from its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) offset: usize,
    pub(crate) reason: &'static str,
}

/// A value in a line that [`scan`] has found to be well formed.
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

/// Checks a line and returns the one value in it.
pub(crate) fn scan(line: &[u8]) -> Result<(Raw<'_>, Features), Malformed> {
    let mut scanner = Scanner { line, at: 0, features: Features::default() };
    let start = scanner.document()?;
    let end = scanner.at;
    scanner.end()?;
    Ok((Raw(&line[start..end]), scanner.features))
}

struct Scanner<'a> {
    line: &'a [u8],
    at: usize,
    features: Features,
}

impl Scanner<'_> {
    /// Reads one value and leaves the position behind it; returns where it starts.
    fn document(&mut self) -> Result<usize, Malformed> {
        self.blank()?;
        let start = self.at;
        // One byte a level: the bracket that closes it.
        let mut open: Vec<u8> = Vec::new();
        'value: loop {
            self.blank()?;
            match self.peek() {
                Some(b'{') => {
                    self.push(&mut open, b'}');
                    self.blank()?;
                    if self.peek() != Some(b'}') {
                        self.key()?;
                        continue 'value;
                    }
                }
                Some(b'[') => {
                    self.push(&mut open, b']');
                    self.blank()?;
                    if self.peek() != Some(b']') {
                        continue 'value;
                    }
                }
                Some(b'"') => self.string()?,
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word(b"true")?,
                Some(b'f') => self.word(b"false")?,
                Some(b'n') => self.word(b"null")?,
                Some(b'N') => self.non_finite(b"NaN")?,
                Some(b'I') => self.non_finite(b"Infinity")?,
                Some(_) => return Err(self.error("a value was expected")),
                None => return Err(self.error("the line ends within a value")),
            }
            loop {
                let Some(&close) = open.last() else { return Ok(start) };
                self.blank()?;
                match self.peek() {
                    Some(b',') => {
                        self.at += 1;
                        if close == b'}' {
                            self.blank()?;
                            self.key()?;
                        }
                        continue 'value;
                    }
                    Some(byte) if byte == close => {
                        self.at += 1;
                        open.pop();
                    }
                    Some(_) => return Err(self.error("a comma or a closing bracket was expected")),
                    None => return Err(self.error("the line ends within a value")),
                }
            }
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        self.blank()?;
        if self.at < self.line.len() {
            return Err(self.error("more follows the value"));
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    fn error(&self, reason: &'static str) -> Malformed {
        Malformed { offset: self.at, reason }
    }

    fn push(&mut self, open: &mut Vec<u8>, close: u8) {
        self.at += 1;
        open.push(close);
        self.features.depth = self.features.depth.max(open.len());
    }

    fn blank(&mut self) -> Result<(), Malformed> {
        while let Some(byte) = self.peek() {
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'/' => {
                    self.features.comment = true;
                    self.at = comment_end(self.line, self.at).ok_or(self.error("a stray slash"))?;
                }
                _ => break,
            }
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(), Malformed> {
        if self.peek() != Some(b'"') {
            return Err(self.error("a key was expected"));
        }
        self.string()?;
        self.blank()?;
        if self.peek() != Some(b':') {
            return Err(self.error("a colon was expected"));
        }
        self.at += 1;
        Ok(())
    }

    fn string(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        self.at += 1;
        loop {
            let rest = &self.line[self.at..];
            let Some(length) = memchr2(b'"', b'\\', rest) else {
                self.at = start;
                return Err(self.error("a string without an end"));
            };
            let plain = &rest[..length];
            self.features.control_character |= plain.iter().any(|&byte| byte < 0x20);
            self.at += length + 1;
            if rest[length] == b'"' {
                break;
            }
            match self.peek() {
                Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {}
                Some(b'u') => {
                    let digits = self.line.get(self.at + 1..self.at + 5).unwrap_or_default();
                    if digits.len() != 4 || !digits.iter().all(u8::is_ascii_hexdigit) {
                        return Err(self.error("\\u needs four hex digits"));
                    }
                    self.at += 4;
                }
                Some(byte) => {
                    self.features.odd_escape = true;
                    self.features.control_character |= byte < 0x20;
                }
                None => return Err(self.error("a string without an end")),
            }
            self.at += 1;
        }
        self.features.invalid_utf8 |= std::str::from_utf8(&self.line[start..self.at]).is_err();
        Ok(())
    }

    fn number(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
            if self.peek() == Some(b'I') {
                return self.non_finite(b"Infinity");
            }
        }
        match self.peek() {
            Some(b'0') => self.at += 1,
            Some(b'1'..=b'9') => self.digits(),
            _ => return Err(self.error("a digit was expected")),
        }
        if matches!(self.peek(), Some(b'0'..=b'9')) {
            return Err(self.error("a number with a leading zero"));
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.at += 1;
            self.some_digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.some_digits()?;
        }
        // Integers are exact at any length; only fractions and exponents overflow.
        if !whole {
            let text = std::str::from_utf8(&self.line[start..self.at]).unwrap_or_default();
            self.features.non_finite |= !text.parse::<f64>().is_ok_and(f64::is_finite);
        }
        Ok(())
    }

    fn digits(&mut self) {
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
    }

    fn some_digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        self.digits();
        if self.at == start { Err(self.error("a digit was expected")) } else { Ok(()) }
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Malformed> {
        if !self.line[self.at..].starts_with(word) {
            return Err(self.error("a value was expected"));
        }
        self.at += word.len();
        Ok(())
    }

    fn non_finite(&mut self, word: &'static [u8]) -> Result<(), Malformed> {
        self.features.non_finite = true;
        self.word(word)
    }
}

/// Where the comment that starts at `at` ends; `None` if none starts there.
fn comment_end(line: &[u8], at: usize) -> Option<usize> {
    match line.get(at + 1)? {
        b'*' => memmem::find(line.get(at + 2..)?, b"*/").map(|length| at + 2 + length + 2),
        b'/' => Some(memchr(b'\n', &line[at..]).map_or(line.len(), |length| at + length)),
        _ => None,
    }
}

impl<'a> Raw<'a> {
    pub(crate) const NULL: Raw<'static> = Raw(b"null");

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

    /// The value's own bytes.
    pub(crate) fn bytes(self) -> &'a [u8] {
        self.0
    }

    /// The members of an object in file order, duplicates included; of anything else, none.
    pub(crate) fn members(self) -> Members<'a> {
        let rest = if self.kind() == Kind::Object { &self.0[1..] } else { &[] };
        Members { rest }
    }

    /// The items of an array; of anything else, none.
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

    /// The value of a key; of duplicates, the last.
    pub(crate) fn get(self, key: &str) -> Option<Raw<'a>> {
        self.members().filter(|(name, _)| name.is(key)).last().map(|(_, value)| value)
    }

    /// The text of a string, with U+FFFD for what is no character; of anything else, `None`.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        (self.kind() == Kind::String).then(|| unescape(&self.0[1..self.0.len() - 1]))
    }

    /// Whether this is `null` or `false`.
    pub(crate) fn is_falsy(self) -> bool {
        matches!(self.kind(), Kind::Null | Kind::False)
    }
}

/// A key as it stands in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a>(&'a [u8]);

impl<'a> Key<'a> {
    pub(crate) fn is(self, name: &str) -> bool {
        self.0 == name.as_bytes() || (memchr(b'\\', self.0).is_some() && unescape(self.0) == name)
    }

    pub(crate) fn text(self) -> Cow<'a, str> {
        unescape(self.0)
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
        // `take_value` has passed the colon as it passes a comma.
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

/// Takes a value, and the comma or colon behind it.
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

/// One piece of a string's content.
enum Piece<'a> {
    Plain(&'a [u8]),
    Character(char),
    LoneSurrogate(u16),
}

/// Takes a string's content apart; escapes nothing needs lose their backslash.
fn pieces(content: &[u8], mut each: impl FnMut(Piece<'_>)) {
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
                    // The backslash goes, the character stays with what follows.
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

/// Whether a string holds an escape of half a surrogate pair, which no text can hold.
pub(crate) fn has_lone_surrogate(value: Raw<'_>) -> bool {
    let mut found = false;
    if value.kind() == Kind::String {
        pieces(&value.0[1..value.0.len() - 1], |piece| {
            found |= matches!(piece, Piece::LoneSurrogate(_));
        });
    }
    found
}

/// A value spelt as Kward and its kin write it: compact, in UTF-8, escapes only where needed.
///
/// Numbers keep their spelling, keys their order. The value must be shallow
/// enough for the caller's format, which bounds the recursion.
pub(crate) fn compact(value: Raw<'_>) -> String {
    let mut out = Vec::with_capacity(value.0.len());
    write_compact(value, &mut out);
    // Every branch of `write_value` writes UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// Writes a value as JSON that every common reader takes, compact and in UTF-8.
///
/// Numbers keep their spelling, keys their order; of duplicate keys the last
/// value stands where the first stood. What common readers choke on (nesting
/// deeper than 500, an integer of more than 4,300 digits, NaN, an infinity) is
/// replaced by `instead`, itself JSON.
pub(crate) fn clean(value: Raw<'_>, instead: &str) -> String {
    let mut out = Vec::with_capacity(value.0.len());
    write_clean(value, 1, instead, &mut out);
    // Every branch of `write_clean` writes UTF-8.
    String::from_utf8(out).unwrap_or_else(|_| instead.to_owned())
}

fn write_clean(value: Raw<'_>, depth: usize, instead: &str, out: &mut Vec<u8>) {
    match value.kind() {
        Kind::Object | Kind::Array if depth > MAX_CLEAN_DEPTH => {
            out.extend_from_slice(instead.as_bytes());
        }
        Kind::Number if !is_common_number(value.0) => out.extend_from_slice(instead.as_bytes()),
        _ => write_value(value, out, &mut |inner, out| {
            write_clean(inner, depth + 1, instead, out);
        }),
    }
}

fn write_compact(value: Raw<'_>, out: &mut Vec<u8>) {
    write_value(value, out, &mut |inner, out| write_compact(inner, out));
}

/// Writes a value whose members and items `each` writes.
fn write_value(value: Raw<'_>, out: &mut Vec<u8>, each: &mut dyn FnMut(Raw<'_>, &mut Vec<u8>)) {
    match value.kind() {
        Kind::Object => {
            out.push(b'{');
            for (n, (key, value)) in distinct_members(value).into_iter().enumerate() {
                if 0 < n {
                    out.push(b',');
                }
                write_string(key.0, out);
                out.push(b':');
                each(value, out);
            }
            out.push(b'}');
        }
        Kind::Array => {
            out.push(b'[');
            for (n, item) in value.items().enumerate() {
                if 0 < n {
                    out.push(b',');
                }
                each(item, out);
            }
            out.push(b']');
        }
        Kind::String => write_string(&value.0[1..value.0.len() - 1], out),
        Kind::Number | Kind::Null | Kind::False | Kind::True => out.extend_from_slice(value.0),
    }
}

/// The members of an object, each key once: the last value at the first key's place.
pub(crate) fn distinct_members(value: Raw<'_>) -> Vec<(Key<'_>, Raw<'_>)> {
    let mut members: Vec<(Key<'_>, Raw<'_>)> = value.members().collect();
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

pub(crate) fn is_common_number(number: &[u8]) -> bool {
    if number.iter().all(|byte| byte.is_ascii_digit() || *byte == b'-') {
        return number.len() <= MAX_CLEAN_DIGITS;
    }
    std::str::from_utf8(number)
        .ok()
        .and_then(|text| text.parse::<f64>().ok())
        .is_some_and(f64::is_finite)
        && number.last().is_some_and(u8::is_ascii_digit)
}

fn write_string(content: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    pieces(content, |piece| match piece {
        Piece::Plain(plain) => {
            for character in String::from_utf8_lossy(plain).chars() {
                write_character(character, out);
            }
        }
        Piece::Character(character) => write_character(character, out),
        Piece::LoneSurrogate(unit) => out.extend_from_slice(format!("\\u{unit:04x}").as_bytes()),
    });
    out.push(b'"');
}

/// A text as a JSON string.
pub(crate) fn spelt(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len() + 2);
    write_text(text, &mut out);
    // `write_text` writes UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

/// Writes text as a JSON string.
pub(crate) fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for character in text.chars() {
        write_character(character, out);
    }
    out.push(b'"');
}

fn write_character(character: char, out: &mut Vec<u8>) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\0'..'\u{20}' => {
            out.extend_from_slice(format!("\\u{:04x}", u32::from(character)).as_bytes());
        }
        _ => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_clean(line: &str, expected: &str) {
        let (value, _) = scan(line.as_bytes()).unwrap();

        assert_eq!(clean(value, "0"), expected);
    }

    #[test]
    fn plain_json_comes_out_compact_and_otherwise_as_it_stood() {
        check_clean(
            r#" { "a" : [ 1, -0.50e+3, true ], "é\/" : { } } "#,
            r#"{"a":[1,-0.50e+3,true],"é/":{}}"#,
        );
    }

    #[test]
    fn of_duplicate_keys_the_last_value_stands_at_the_first_place() {
        check_clean(r#"{"a":1,"b":2,"\u0061":3}"#, r#"{"a":3,"b":2}"#);
    }

    #[test]
    fn surrogates_are_joined_or_kept_as_escapes() {
        check_clean(
            r#"["\ud83d\ude00","\ud83dx","\ude00","\ud83d\u0041"]"#,
            "[\"😀\",\"\\ud83dx\",\"\\ude00\",\"\\ud83dA\"]",
        );
    }

    #[test]
    fn what_common_readers_choke_on_is_replaced() {
        check_clean("[NaN,-Infinity,1e400,1.5]", "[0,0,0,1.5]");
        check_clean(&"9".repeat(4_301), "0");
        let deep = format!("{}{}", "[".repeat(501), "]".repeat(501));
        check_clean(&deep, &format!("{}0{}", "[".repeat(500), "]".repeat(500)));
    }

    #[test]
    fn comments_and_needless_escapes_vanish() {
        check_clean("/* a */ [1, /* ] */ \"\\x\\'\"] // end", "[1,\"x'\"]");
    }

    #[test]
    fn nesting_of_a_million_needs_no_stack() {
        let line = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));

        let (value, features) = scan(line.as_bytes()).unwrap();

        assert_eq!(features.depth, 1_000_000);
        assert_eq!(value.items().count(), 1);
    }

    #[test]
    fn features_say_what_a_line_uses() {
        let features = |line: &[u8]| scan(line).unwrap().1;

        assert!(features(b"[\"\xff\"]").invalid_utf8);
        assert!(features(b"[\"a\tb\"]").control_character);
        assert!(features(b"[1e400]").non_finite);
        assert!(features(b"[1] //x").comment);
        assert_eq!(features(b"[[]]"), Features { depth: 2, ..Features::default() });
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (line, offset) in [
            ("", 0),
            ("{\"a\":1,}", 7),
            ("[1,]", 3),
            ("{'a':1}", 1),
            ("01", 1),
            ("\"open", 0),
            ("{}{}", 2),
            ("\u{c}{}", 0),
            ("nil", 0),
            ("[1e]", 3),
            ("\"\\u12g4\"", 2),
        ] {
            assert_eq!(scan(line.as_bytes()).unwrap_err().offset, offset, "{line}");
        }
    }
}
