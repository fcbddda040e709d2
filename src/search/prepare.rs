//! Text preparation: the one function for both indexed texts and queries.
//!
//! Words are lower-cased and lose their accents; everything between words becomes a
//! space. Each Chinese, Japanese or Korean character is a word of its own, so a
//! query of two of them is a phrase. A word with an inner border from lower to
//! upper case, as in `getSession`, appears whole among the others, and once more in
//! parts after all of them. So it is found in any case, as a whole and by its
//! parts. A mark that no query contains separates these parts, so that no phrase
//! matches across words.
//!
//! An SQLite tokenizer that does this would have to be written in C, or with
//! `unsafe`. SQLite's own tokenizer uses an old Unicode version that does not know
//! the words of newer scripts. Done here, the index and the proof of a hit agree to
//! the last character.

use std::collections::HashSet;
use std::ops::Range;

use unicode_normalization::char::{compose, decompose_compatible, is_combining_mark};

/// Precedes the parts of a word; no text contains it as a word of its own.
const BREAK: char = '\u{E000}';

/// Bytes of a word that count. Anything longer is data, not language.
const LONGEST: usize = 128;

/// A typical number of bytes of text per word, including what is between words.
const BYTES_A_WORD: usize = 6;

/// Bytes of text for which memory is reserved at once; a longer text may not be
/// language.
const FORESEEN: usize = 16 << 10;

/// A text prepared for searching.
#[derive(Debug, Default)]
pub(crate) struct Prepared {
    /// Its words, separated by single spaces.
    pub(crate) text: String,
    /// The position of each word.
    tokens: Vec<Token>,
    /// The number of words of the text itself; parts of words follow them.
    words: usize,
    compounds: Vec<Compound>,
}

#[derive(Clone, Debug)]
struct Token {
    /// In the prepared text.
    at: Range<usize>,
    /// In the original text.
    of: Range<usize>,
}

/// A word with inner borders.
#[derive(Debug)]
struct Compound {
    word: usize,
    /// The positions of its borders: in the prepared word, and in the original text.
    borders: Vec<(usize, usize)>,
}

/// Prepares a text.
pub(crate) fn prepare(text: &str) -> Prepared {
    let mut prepared = Prepared {
        text: String::with_capacity(text.len().min(FORESEEN)),
        tokens: Vec::with_capacity(text.len().min(FORESEEN) / BYTES_A_WORD),
        ..Prepared::default()
    };
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        // Most text is ASCII, which needs no lookup of characters.
        if byte.is_ascii() {
            at = if byte.is_ascii_alphanumeric() { prepared.take_word(text, at) } else { at + 1 };
            continue;
        }
        let Some(first) = char_at(text, at) else { break };
        if is_ideograph(first) {
            let start = at;
            at += first.len_utf8();
            let mut c = whole_width(first);
            // A voicing mark may be a character of its own.
            if let Some((next, mark)) = char_at(text, at).and_then(|c| Some((c, voiced(c)?))) {
                c = compose(c, mark).unwrap_or(c);
                at += next.len_utf8();
            }
            prepared.push(c.encode_utf8(&mut [0; 4]), start..at);
        } else if is_of_word(first) {
            at = prepared.take_word(text, at);
        } else {
            at += first.len_utf8();
        }
    }
    prepared.words = prepared.tokens.len();
    prepared.add_parts();
    prepared
}

/// How many ASCII letters and digits these bytes begin with.
fn ascii_length(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(bytes.len())
}

fn char_at(text: &str, at: usize) -> Option<char> {
    text.get(at..)?.chars().next()
}

impl Prepared {
    /// The words of the text itself.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.tokens[..self.words].iter().map(|token| self.word(token)).collect()
    }

    /// The words of the text, with compound words replaced by their parts; `None` if
    /// there are none.
    pub(crate) fn words_in_parts(&self) -> Option<Vec<&str>> {
        let mut compounds = self.compounds.iter().peekable();
        compounds.peek()?;
        let mut words = Vec::new();
        for (n, token) in self.tokens[..self.words].iter().enumerate() {
            match compounds.next_if(|compound| compound.word == n) {
                Some(compound) => words.extend(self.parts(compound).map(|(at, _)| &self.text[at])),
                None => words.push(self.word(token)),
            }
        }
        Some(words)
    }

    /// The places in the original text where these words follow one another; if
    /// `is_prefix`, the last may be the beginning of a word.
    pub(crate) fn find(&self, words: &[String], is_prefix: bool) -> Vec<Range<usize>> {
        let Some(last) = words.len().checked_sub(1) else { return Vec::new() };
        let is_found = |window: &&[Token]| {
            window.iter().zip(words).enumerate().all(|(n, (token, word))| {
                let found = self.word(token);
                found == word || is_prefix && n == last && found.starts_with(word.as_str())
            })
        };
        let found = self.tokens.windows(words.len()).filter(is_found);
        found.map(|window| window[0].of.start..window[last].of.end).collect()
    }

    fn word(&self, token: &Token) -> &str {
        &self.text[token.at.clone()]
    }

    fn push(&mut self, word: &str, of: Range<usize>) {
        if !self.text.is_empty() {
            self.text.push(' ');
        }
        let start = self.text.len();
        self.text.push_str(word);
        self.tokens.push(Token { at: start..self.text.len(), of });
    }

    /// Adds the word that begins here; returns where it ends.
    fn take_word(&mut self, text: &str, start: usize) -> usize {
        let before = self.text.len();
        if before != 0 {
            self.text.push(' ');
        }
        let word = self.text.len();
        let mut borders = Vec::new();
        let mut was_lower = false;
        let mut at = start;
        loop {
            // Most words are ASCII, which is copied at once.
            let run = ascii_length(&text.as_bytes()[at..]);
            if 0 < run {
                let length = self.text.len() - word;
                let kept = &text[at..at + run.min(LONGEST.saturating_sub(length))];
                for (n, byte) in kept.bytes().enumerate() {
                    if was_lower && byte.is_ascii_uppercase() {
                        borders.push((length + n, at + n));
                    }
                    was_lower = byte.is_ascii_lowercase();
                }
                self.text.push_str(kept);
                self.text[word + length..].make_ascii_lowercase();
                at += run;
                was_lower = text.as_bytes()[at - 1].is_ascii_lowercase();
                continue;
            }
            let next = char_at(text, at).filter(|c| is_of_word(*c) && !is_ideograph(*c));
            let Some(c) = next else { break };
            let length = self.text.len() - word;
            if length < LONGEST {
                if was_lower && c.is_uppercase() {
                    borders.push((length, at));
                }
                fold(c, &mut self.text);
            }
            was_lower = c.is_lowercase();
            at += c.len_utf8();
        }
        if self.text.len() == word {
            self.text.truncate(before);
            return at;
        }
        self.tokens.push(Token { at: word..self.text.len(), of: start..at });
        if !borders.is_empty() {
            self.compounds.push(Compound { word: self.tokens.len() - 1, borders });
        }
        at
    }

    /// The parts of a word: in the prepared text, and in the original text.
    fn parts(&self, compound: &Compound) -> impl Iterator<Item = (Range<usize>, Range<usize>)> {
        let Token { at, of } = self.tokens[compound.word].clone();
        let mut from = (at.start, of.start);
        let ends = compound.borders.iter().map(move |(word, text)| (at.start + word, *text));
        let ends: Vec<_> = ends.chain([(at.end, of.end)]).collect();
        ends.into_iter().map(move |end| {
            let begin = std::mem::replace(&mut from, end);
            (begin.0..end.0, begin.1..end.1)
        })
    }

    /// Appends the parts of compound words, of each word once.
    fn add_parts(&mut self) {
        let mut seen = HashSet::new();
        let mut parts = Vec::new();
        for compound in &self.compounds {
            let of_one: Vec<_> =
                self.parts(compound).map(|(at, of)| (self.text[at].to_owned(), of)).collect();
            let words: Vec<String> = of_one.iter().map(|(word, _)| word.clone()).collect();
            if seen.insert(words) {
                parts.push(of_one);
            }
        }
        for of_one in parts {
            let start = of_one.first().map_or(0, |(_, of)| of.start);
            self.push(BREAK.encode_utf8(&mut [0; 4]), start..start);
            for (word, of) in of_one.into_iter().filter(|(word, _)| !word.is_empty()) {
                self.push(&word, of);
            }
        }
    }
}

/// Whether a character belongs to a word.
fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || !c.is_ascii() && is_combining_mark(c)
}

/// Whether a character is a word of its own: Chinese, Japanese and Korean.
fn is_ideograph(c: char) -> bool {
    let is_of_block = matches!(
        c,
        '\u{2E80}'..='\u{9FFF}'
            | '\u{AC00}'..='\u{D7AF}'
            | '\u{F900}'..='\u{FAFF}'
            | '\u{FF66}'..='\u{FF9D}'
            | '\u{20000}'..='\u{3FFFF}'
    );
    is_of_block && c.is_alphanumeric()
}

/// The full-width form of a half-width character.
fn whole_width(c: char) -> char {
    let mut whole = c;
    if matches!(c, '\u{FF66}'..='\u{FF9D}') {
        decompose_compatible(c, |part| whole = part);
    }
    whole
}

/// The mark that voices the kana before it, in any width.
fn voiced(c: char) -> Option<char> {
    match c {
        '\u{3099}' | '\u{FF9E}' => Some('\u{3099}'),
        '\u{309A}' | '\u{FF9F}' => Some('\u{309A}'),
        _ => None,
    }
}

/// Appends a character in lower case, without accents and compatibility forms.
fn fold(c: char, word: &mut String) {
    if c.is_ascii() {
        word.push(c.to_ascii_lowercase());
        return;
    }
    decompose_compatible(c, |part| {
        if !is_accent(part) && is_of_word(part) {
            // Sigma has another form at the end of a word.
            word.extend(part.to_lowercase().map(|c| if c == 'ς' { 'σ' } else { c }));
        }
    });
}

/// Whether a mark is an accent. In other scripts, marks are vowels.
fn is_accent(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36F}'
            | '\u{483}'..='\u{489}'
            | '\u{1AB0}'..='\u{1AFF}'
            | '\u{1DC0}'..='\u{1DFF}'
            | '\u{20D0}'..='\u{20FF}'
            | '\u{FE20}'..='\u{FE2F}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(prepare(text).text.replace(BREAK, "|"), expected);
    }

    #[test]
    fn words_are_lower_case_and_apart() {
        check("The  Quick-brown\nFOX, v2.0!", "the quick brown fox v2 0");
        check("manual_commit_hooks", "manual commit hooks");
        check("…—«»", "");
        check("\u{0}a\u{0}b", "a b");
    }

    #[test]
    fn accents_and_forms_make_no_difference() {
        check("Café cafe\u{301} ÉCOLE Ångström", "cafe cafe ecole angstrom");
        check("ﬁne ＡＢＣ ΟΔΟΣ οδός", "fine abc οδοσ οδοσ");
        check("İstanbul straße", "istanbul straße");
        // Vowels of other scripts are no accents.
        check("हिन्दी", "हिन्दी");
    }

    #[test]
    fn each_ideograph_is_a_word() {
        check("使用getSession配置。", "使 用 getsession 配 置 | get session");
        check("か\u{3099}が한글", "が が 한 글");
        check("𠀀𠀁", "𠀀 𠀁");
        check("ｶﾞ ガ", "ガ ガ");
    }

    #[test]
    fn a_word_with_borders_stands_whole_and_in_parts() {
        check("getSession fooBar", "getsession foobar | get session | foo bar");
        check("getSession getSession", "getsession getsession | get session");
        check("HTTPServer aB1C", "httpserver ab1c | a b1c");
        check("éAb aÉb ｅA", "eab aeb ea | e ab | a eb | e a");
    }

    #[test]
    fn a_word_without_end_is_cut() {
        let prepared = prepare(&"x".repeat(10_000));

        assert_eq!(prepared.text.len(), LONGEST);
        assert_eq!(prepared.tokens[0].of, 0..10_000);
    }

    #[test]
    fn a_place_is_one_in_the_text_that_was_given() {
        let text = "Où est GetSession, Élan?";
        let prepared = prepare(text);
        let find = |words: &[&str], is_prefix| -> Vec<&str> {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            prepared.find(&words, is_prefix).into_iter().map(|at| &text[at]).collect()
        };

        assert_eq!(find(&["getsession", "elan"], false), ["GetSession, Élan"]);
        assert_eq!(find(&["session"], false), ["Session"]);
        assert_eq!(find(&["el"], true), ["Élan"]);
        assert_eq!(find(&["el"], false), [""; 0]);
        assert_eq!(find(&["elan", "get"], false), [""; 0]);
        assert_eq!(find(&[], false), [""; 0]);
    }
}
