//! The grammar: validates that a line is one value, and reports what it uses.

use memchr::{memchr, memchr2, memmem};

use super::Raw;
use super::plain::has_control;

/// The longest integer that Python reads.
pub(crate) const MAX_DIGITS: usize = 4_300;

/// What a line uses beyond plain JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Features {
    /// How deeply it is nested, including the record itself.
    pub(crate) depth: usize,
    pub(crate) comment: bool,
    /// NaN, an infinity, or a number out of range for a double.
    pub(crate) non_finite: bool,
    /// An integer with more digits than Python reads.
    pub(crate) long_integer: bool,
    /// An integer beyond 64 bits that fits into 128.
    pub(crate) wide_integer: bool,
    /// An unescaped character below U+0020 in a string.
    pub(crate) control_character: bool,
    /// A backslash before a character that needs no escape.
    pub(crate) odd_escape: bool,
    pub(crate) invalid_utf8: bool,
}

/// Why a line is not JSON, and where, as a byte offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) offset: usize,
    pub(crate) reason: &'static str,
}

/// Validates a line, and returns its value.
pub(crate) fn scan(line: &[u8]) -> Result<(Raw<'_>, Features), Malformed> {
    let mut scanner = Scanner::new(line);
    let value = scanner.whole()?;
    Ok((value, scanner.features))
}

/// The value of a line, if it is well formed, without reporting features: those of
/// strings and numbers take a third of the time of a [`scan`].
pub(crate) fn well_formed(line: &[u8]) -> Option<Raw<'_>> {
    Scanner { is_told: false, ..Scanner::new(line) }.whole().ok()
}

/// Reads the value at the start of a line; returns where it ends. Anything may
/// follow.
pub(crate) fn scan_first(line: &[u8]) -> Result<(Raw<'_>, Features, usize), Malformed> {
    let mut scanner = Scanner::new(line);
    let start = scanner.document()?;
    Ok((Raw::new(&line[start..scanner.at]), scanner.features, scanner.at))
}

struct Scanner<'a> {
    line: &'a [u8],
    at: usize,
    /// Whether the features of strings and numbers are reported.
    is_told: bool,
    features: Features,
}

impl<'a> Scanner<'a> {
    fn new(line: &'a [u8]) -> Self {
        Self { line, at: 0, is_told: true, features: Features::default() }
    }

    /// Reads the value that is the whole line.
    fn whole(&mut self) -> Result<Raw<'a>, Malformed> {
        let start = self.document()?;
        let value = Raw::new(&self.line[start..self.at]);
        self.end()?;
        Ok(value)
    }

    /// Reads one value and moves past it; returns where it starts.
    fn document(&mut self) -> Result<usize, Malformed> {
        self.blank()?;
        let start = self.at;
        // One byte per level: the bracket that closes it.
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
            self.features.control_character |= self.is_told && has_control(plain);
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
        self.features.invalid_utf8 |=
            self.is_told && std::str::from_utf8(&self.line[start..self.at]).is_err();
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
        // Integers are exact at any length; only fractions and exponents can
        // overflow.
        let number = &self.line[start..self.at];
        if whole {
            let digits = number.strip_prefix(b"-").unwrap_or(number);
            self.features.long_integer |= MAX_DIGITS < digits.len();
            self.features.wide_integer |= 19 <= digits.len() && is_wide(number);
        } else {
            let text = std::str::from_utf8(number).unwrap_or_default();
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
pub(super) fn comment_end(line: &[u8], at: usize) -> Option<usize> {
    match line.get(at + 1)? {
        b'*' => memmem::find(line.get(at + 2..)?, b"*/").map(|length| at + 2 + length + 2),
        b'/' => Some(memchr(b'\n', &line[at..]).map_or(line.len(), |length| at + length)),
        _ => None,
    }
}

fn is_wide(integer: &[u8]) -> bool {
    let text = std::str::from_utf8(integer).unwrap_or_default();
    let is_held = text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    !is_held && (text.parse::<i128>().is_ok() || text.parse::<u128>().is_ok())
}
