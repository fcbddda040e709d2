//! Dates in the non-standard forms that JavaScript engines read.
//!
//! `Jan 5, 2026`, `Mon, 05 Jan 2026 10:00:00 GMT`, `2026/01/05 10:00`: no standard
//! defines them. pi runs on V8, so V8's rules apply: a number before a colon
//! belongs to the time, any other to the date, and a word may be a month, AM or PM,
//! or a zone. Here a time without a zone is UTC.

use super::text::is_space;
use crate::format::time::days_from_civil;

/// The significant digits of a number; further ones are read and ignored.
const DIGITS: usize = 9;

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];

/// Named zones, and their hours from UTC.
const ZONES: [(&str, i128); 12] = [
    ("ut", 0),
    ("utc", 0),
    ("z", 0),
    ("gmt", 0),
    ("cdt", -5),
    ("cst", -6),
    ("edt", -4),
    ("est", -5),
    ("mdt", -6),
    ("mst", -7),
    ("pdt", -7),
    ("pst", -8),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token {
    Number { value: i128, length: usize },
    Symbol(char),
    Month(i128),
    Half(i128),
    Zone { hours: i128, is_letter: bool },
    Word,
    Space,
    Other,
}

/// Milliseconds since the epoch, of any size.
pub(super) fn parse(text: &str) -> Option<i128> {
    let mut reader = Reader { tokens: tokens(text), ..Reader::default() };
    reader.take_standard();
    while let Some(token) = reader.next() {
        reader.take(token)?;
    }
    Some(reader.date()? * 86_400_000 + reader.time()? - reader.zone()? * 60_000)
}

fn tokens(text: &str) -> Vec<Token> {
    // V8 stops at a NUL.
    let text: Vec<char> = text.chars().take_while(|c| *c != '\0').collect();
    let is_letter = |c: &char| 'A' <= *c && !is_space(*c);
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let (token, length) = match rest[0] {
            '0'..='9' => {
                let length = rest.iter().take_while(|c| c.is_ascii_digit()).count();
                let value = number(rest[..length].iter().copied());
                (Token::Number { value, length }, length)
            }
            symbol @ (':' | '-' | '+' | '.' | ')') => (Token::Symbol(symbol), 1),
            '(' => (Token::Other, remark(rest)),
            c if is_letter(&c) => {
                let length = rest.iter().take_while(|c| is_letter(c)).count();
                (word(&rest[..length]), length)
            }
            c if is_space(c) => (Token::Space, 1),
            _ => (Token::Other, 1),
        };
        tokens.push(token);
        at += length;
    }
    tokens
}

fn number(digits: impl Iterator<Item = char>) -> i128 {
    let counted = digits.skip_while(|digit| *digit == '0').take(DIGITS);
    counted.fold(0, |value, digit| value * 10 + i128::from(digit.to_digit(10).unwrap_or(0)))
}

/// The milliseconds of a fraction.
pub(super) fn fraction(digits: &str) -> i128 {
    millis(number(digits.chars()), digits.len())
}

/// The length of a comment in parentheses, including nested ones.
fn remark(text: &[char]) -> usize {
    let mut open = 0;
    for (at, c) in text.iter().enumerate() {
        match c {
            '(' => open += 1,
            ')' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return at + 1;
        }
    }
    text.len()
}

fn word(word: &[char]) -> Token {
    let start: String = word.iter().take(3).map(char::to_ascii_lowercase).collect();
    // Only the first three letters of a month count.
    if let Some(month) = MONTHS.iter().position(|name| *name == start) {
        return Token::Month(month as i128 + 1);
    }
    let zone = ZONES.iter().find(|(name, _)| *name == start);
    match (start.as_str(), zone) {
        _ if 3 < word.len() => Token::Word,
        ("am", _) => Token::Half(0),
        ("pm", _) => Token::Half(12),
        (_, Some((_, hours))) => Token::Zone { hours: *hours, is_letter: word.len() == 1 },
        _ => Token::Word,
    }
}

/// What was read so far.
#[derive(Default)]
struct Reader {
    tokens: Vec<Token>,
    at: usize,
    has_number: bool,
    date: Vec<i128>,
    month: Option<i128>,
    time: Vec<i128>,
    half: Option<i128>,
    zone_sign: Option<i128>,
    zone_hour: Option<i128>,
    zone_minute: Option<i128>,
}

impl Reader {
    fn next(&mut self) -> Option<Token> {
        let token = self.peek();
        self.at += 1;
        token
    }

    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn skip(&mut self, symbol: char) -> bool {
        let is_next = self.peek() == Some(Token::Symbol(symbol));
        self.at += usize::from(is_next);
        is_next
    }

    /// Reads a beginning in the standard form, in which a year may have a sign.
    fn take_standard(&mut self) {
        let sign = match self.peek() {
            Some(Token::Symbol('-')) => -1,
            Some(Token::Symbol('+')) => 1,
            _ => 0,
        };
        let start = self.at;
        self.at += usize::from(sign != 0);
        let digits = if sign == 0 { 4 } else { 6 };
        let Some(year) = self.fixed(digits, 0..=999_999) else {
            self.at = start;
            return;
        };
        if sign < 0 && year == 0 {
            // V8 ignores this year.
            return;
        }
        self.has_number = true;
        self.date.push(if sign < 0 { -year } else { year });
        for last in [12, 31] {
            if !self.skip('-') {
                return;
            }
            let Some(part) = self.fixed(2, 1..=last) else { return };
            self.date.push(part);
        }
    }

    /// The next token, if it is a number with this many digits within a range.
    fn fixed(&mut self, digits: usize, range: std::ops::RangeInclusive<i128>) -> Option<i128> {
        match self.peek() {
            Some(Token::Number { value, length }) if length == digits && range.contains(&value) => {
                self.at += 1;
                Some(value)
            }
            _ => None,
        }
    }

    /// Reads a token; `None` if it makes the date invalid.
    fn take(&mut self, token: Token) -> Option<()> {
        let is_utc = (self.zone_hour, self.zone_minute) == (Some(0), Some(0));
        match token {
            Token::Number { value, .. } => {
                self.has_number = true;
                return self.take_number(value);
            }
            Token::Half(hours) if !self.time.is_empty() => self.half = Some(hours),
            Token::Month(month) => {
                self.month = Some(month);
                self.skip('-');
            }
            Token::Zone { hours, .. } if self.has_number => {
                self.zone_sign = Some(if hours < 0 { -1 } else { 1 });
                self.zone_hour = Some(hours.abs());
                self.zone_minute = Some(0);
            }
            Token::Half(_) | Token::Zone { .. } | Token::Word => {
                let is_number = matches!(self.peek(), Some(Token::Number { .. }));
                return (!self.has_number && !is_number).then_some(());
            }
            Token::Symbol(sign @ ('+' | '-')) if is_utc || !self.time.is_empty() => {
                return self.take_offset(if sign == '-' { -1 } else { 1 });
            }
            Token::Symbol('+' | '-' | ')') if self.has_number => return None,
            Token::Symbol(_) | Token::Space | Token::Other => {}
        }
        Some(())
    }

    fn take_number(&mut self, value: i128) -> Option<()> {
        if self.skip(':') {
            if !self.skip(':') {
                return self.add_time(value);
            }
            // Two colons mean that there are no minutes.
            let is_first = self.time.is_empty();
            return is_first.then(|| self.time.extend([value, 0]));
        }
        if self.skip('.') && self.expects(value) {
            let Some(Token::Number { value: fraction, length }) = self.next() else { return None };
            // What does not fit is ignored.
            self.time.extend([value, millis(fraction, length)]);
            self.time.resize(4, 0);
            return Some(());
        }
        if self.zone_hour.is_some() && self.zone_minute.is_none() && value < 60 {
            self.zone_minute = Some(value);
            return Some(());
        }
        if self.expects(value) {
            self.time.push(value);
            self.time.resize(4, 0);
            let ends = match self.peek() {
                None | Some(Token::Space | Token::Symbol('+' | '-')) => true,
                Some(Token::Zone { is_letter, .. }) => is_letter,
                _ => false,
            };
            return ends.then_some(());
        }
        let has_place = self.date.len() < 3;
        self.date.push(value);
        self.skip('-');
        has_place.then_some(())
    }

    fn add_time(&mut self, value: i128) -> Option<()> {
        self.time.push(value);
        (self.time.len() <= 4).then_some(())
    }

    /// Whether a number without a colon may continue the time.
    fn expects(&self, value: i128) -> bool {
        match self.time.len() {
            1 | 2 => value < 60,
            3 => value < 1000,
            _ => false,
        }
    }

    /// Reads what follows the sign of an offset, which may be nothing.
    fn take_offset(&mut self, sign: i128) -> Option<()> {
        self.zone_sign = Some(sign);
        self.has_number = true;
        let (value, length) = match self.peek() {
            Some(Token::Number { value, length }) => {
                self.at += 1;
                (value, length)
            }
            _ => (0, 0),
        };
        let (hour, minute) = match length {
            _ if self.peek() == Some(Token::Symbol(':')) => (value, None),
            1 | 2 => (value, Some(0)),
            3 | 4 => (value / 100, Some(value % 100)),
            _ => return None,
        };
        (self.zone_hour, self.zone_minute) = (Some(hour), minute);
        Some(())
    }

    /// Days since the epoch.
    fn date(&self) -> Option<i128> {
        let is_day = |value: i128| (1..=31).contains(&value);
        let first = *self.date.first()?;
        let second = self.date.get(1).copied().unwrap_or(1);
        let third = self.date.get(2).copied().unwrap_or(1);
        let (year, month, day) = match self.month {
            None if is_day(first) => (third, first, second),
            None => (first, second, third),
            // V8 fills in missing fields before it looks: a lone day is in the year
            // 1.
            Some(month) if is_day(first) => (second, month, first),
            Some(month) => (first, month, second),
        };
        let year = match year {
            0..=49 => year + 2000,
            50..=99 => year + 1900,
            year => year,
        };
        let is_date = (1..=12).contains(&month) && is_day(day);
        is_date.then(|| days_from_civil(year, month) + day - 1)
    }

    /// Milliseconds since midnight.
    fn time(&self) -> Option<i128> {
        let part = |n: usize| self.time.get(n).copied().unwrap_or(0);
        let (hour, minute, second, millis) = (part(0), part(1), part(2), part(3));
        let hour = match self.half {
            Some(_) if 12 < hour => return None,
            Some(half) => hour % 12 + half,
            None => hour,
        };
        let is_midnight = (hour, minute, second, millis) == (24, 0, 0, 0);
        let is_time = hour < 24 && minute < 60 && second < 60 && millis < 1000 || is_midnight;
        is_time.then_some(((hour * 60 + minute) * 60 + second) * 1000 + millis)
    }

    /// Minutes from UTC.
    fn zone(&self) -> Option<i128> {
        let minutes = self.zone_hour.unwrap_or(0) * 60 + self.zone_minute.unwrap_or(0);
        (minutes * 60 <= i128::from(i32::MAX)).then_some(self.zone_sign.unwrap_or(1) * minutes)
    }
}

/// The first three digits of a fraction, as V8 takes them.
fn millis(value: i128, length: usize) -> i128 {
    match length {
        1 => value * 100,
        2 => value * 10,
        _ => value / 10_i128.pow(length.min(DIGITS) as u32 - 3),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn loose_dates_are_read_as_v8_reads_them() {
        for (text, expected) in [
            ("Jan 5, 2026", Some(1_767_571_200_000)),
            ("Jan-5-2026", Some(1_767_571_200_000)),
            ("2026 Jan 5", Some(1_767_571_200_000)),
            ("Januar 5 2026", Some(1_767_571_200_000)),
            ("5 January 2026 10:00 UTC", Some(1_767_607_200_000)),
            ("Mon, 05 Jan 2026 10:00:00 GMT", Some(1_767_607_200_000)),
            ("Mon Jan 05 2026 10:00:00 GMT+0100 (a (nested) remark)", Some(1_767_603_600_000)),
            ("2026/01/05 10:00", Some(1_767_607_200_000)),
            ("01/05/2026", Some(1_767_571_200_000)),
            ("1/5/26", Some(1_767_571_200_000)),
            ("1/5/72", Some(63_417_600_000)),
            ("5.1.2026", Some(1_777_593_600_000)),
            ("2026-1-5", Some(1_767_571_200_000)),
            ("2026-001", Some(1_767_225_600_000)),
            ("99999-01-01", Some(3_093_496_444_800_000)),
            ("12", Some(1_007_164_800_000)),
            ("0", Some(946_684_800_000)),
            ("5 Jan", Some(978_652_800_000)),
            ("foo 2026", Some(1_767_225_600_000)),
            ("Feb 30 2026", Some(1_772_409_600_000)),
            (" 2026-01-05\0junk", Some(1_767_571_200_000)),
            ("-000000-01-01", Some(978_307_200_000)),
            ("-002026 Z", Some(-126_101_577_600_000)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn so_are_times_beside_them() {
        for (text, expected) in [
            ("2026-01-05 10:00:00.5", Some(1_767_607_200_500)),
            ("2026-01-05 10:00:00.123456789", Some(1_767_607_200_123)),
            ("2026-01-05 10:00:00:5", Some(1_767_607_200_005)),
            ("2026-01-05:10:00:00", Some(1_767_607_200_000)),
            ("01/05/2026 10:00:7:050.50 +0130", Some(1_767_601_807_050)),
            ("2026-01-05 10::30", Some(1_767_607_230_000)),
            ("2026-01-05, 10:00", Some(1_767_607_200_000)),
            ("2026-01-05 10:00 +02:00", Some(1_767_600_000_000)),
            ("2026-01-05 10:00 -0230", Some(1_767_616_200_000)),
            ("2026-01-05 10:00 +99", Some(1_767_250_800_000)),
            ("2026-01-05 10:00 GMT-8", Some(1_767_636_000_000)),
            ("2026-01-05 10:00 PST", Some(1_767_636_000_000)),
            ("2026-01-05 10:00 pm", Some(1_767_650_400_000)),
            ("2026-01-05 12:00 AM", Some(1_767_571_200_000)),
            ("2026-01-05 24:00", Some(1_767_657_600_000)),
            ("Thu, 01 Jan 1970 00:00:00 GMT+0200", Some(-7_200_000)),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
    }

    #[test]
    fn what_v8_takes_for_no_date_is_none() {
        for text in [
            "",
            "x",
            "Jan",
            "13",
            "10:00",
            "foo2026",
            "2026 foo",
            "2026-W01",
            "2026-01-32",
            "2026-01-05)",
            "2026-01-05 10h",
            "2026-01-05 10:00Zulu",
            "2026-01-05 24:01",
            "2026-01-05 10:00:60",
            "2026-01-05 10:00:00.",
            "2026-01-05 13:00 PM",
            "2026-01-05 10:00-12345",
            "10z+0020263124:00",
            "2026-01-05T10:00:00 Z",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
