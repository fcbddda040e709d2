//! Parsed queries: words, phrases, and how they are combined.
//!
//! The same tree is used to query the index, and to prove a text.

use std::collections::BTreeSet;
use std::ops::Range;

use super::prepare::{Prepared, prepare};
use crate::error::{Error, Result};
use crate::store::texts::COLUMNS;

/// A query for words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Query {
    /// Words that follow one another, in any of these spellings.
    Phrase(Vec<Phrase>),
    And(Vec<Query>),
    Or(Vec<Query>),
    /// What matches the first, without what matches the second.
    Not(Box<Query>, Box<Query>),
}

/// Prepared words that follow one another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Phrase {
    words: Vec<String>,
    /// Whether the last is only the beginning of a word.
    is_prefix: bool,
}

/// A place in a text: its column, and a byte range.
pub(crate) type Place = (usize, Range<usize>);

impl Query {
    /// Parses a query as typed. Any syntax is accepted, unless nothing is left to
    /// search for.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let mut items = lex(text);
        words_of_loose_operators(&mut items);
        let mut rest = items.into_iter().peekable();
        let mut found = Vec::new();
        // A surplus closing parenthesis ends nothing.
        while rest.peek().is_some() {
            found.extend(either(&mut rest)?);
            rest.next_if_eq(&Item::Close);
        }
        all(found).ok_or_else(|| {
            let message = format!(
                "{text:?} has no word to search for; -F finds punctuation, and reads every text"
            );
            Error::InvalidQuery(message)
        })
    }

    /// The query in FTS5's syntax, for these columns.
    pub(crate) fn expression(&self, columns: &[usize]) -> String {
        let names: Vec<&str> = columns.iter().map(|n| COLUMNS[*n]).collect();
        format!("{{{}}} : ({})", names.join(" "), self.terms())
    }

    /// The matching entries by key, given `holding`, which finds those that contain a
    /// phrase. With one index, FTS5 could evaluate the whole query; with several, an
    /// entry may have one word in each.
    pub(crate) fn entries(
        &self,
        holding: &dyn Fn(&Self) -> Result<BTreeSet<i64>>,
    ) -> Result<BTreeSet<i64>> {
        let of = |query: &Self| query.entries(holding);
        match self {
            Self::Phrase(_) => holding(self),
            Self::And(queries) => {
                let mut all = None;
                for query in queries {
                    let found = of(query)?;
                    all = Some(match all {
                        None => found,
                        Some(all) => &all & &found,
                    });
                }
                Ok(all.unwrap_or_default())
            }
            Self::Or(queries) => {
                let mut any = BTreeSet::new();
                for query in queries {
                    any.extend(of(query)?);
                }
                Ok(any)
            }
            Self::Not(query, other) => Ok(&of(query)? - &of(other)?),
        }
    }

    /// All phrases that contribute to a match, combined by OR, to compute the rank.
    pub(crate) fn any(&self) -> Self {
        let mut phrases = Vec::new();
        self.collect_phrases(&mut phrases);
        match phrases.len() {
            1 => phrases.remove(0),
            _ => Self::Or(phrases),
        }
    }

    fn collect_phrases(&self, phrases: &mut Vec<Self>) {
        match self {
            Self::Phrase(_) => phrases.push(self.clone()),
            Self::And(queries) | Self::Or(queries) => {
                queries.iter().for_each(|query| query.collect_phrases(phrases));
            }
            Self::Not(query, _) => query.collect_phrases(phrases),
        }
    }

    /// The query in the syntax of an index of one column.
    pub(crate) fn terms(&self) -> String {
        let join = |queries: &[Self], operator: &str| {
            let terms: Vec<String> = queries.iter().map(Self::terms).collect();
            format!("({})", terms.join(operator))
        };
        match self {
            Self::Phrase(spellings) => {
                let terms: Vec<String> = spellings.iter().map(Phrase::term).collect();
                format!("({})", terms.join(" OR "))
            }
            Self::And(queries) => join(queries, " AND "),
            Self::Or(queries) => join(queries, " OR "),
            Self::Not(query, other) => format!("({} NOT {})", query.terms(), other.terms()),
        }
    }

    /// Whether it contains a prefix of a word.
    pub(crate) fn has_beginnings(&self) -> bool {
        match self {
            Self::Phrase(spellings) => spellings.iter().any(|phrase| phrase.is_prefix),
            Self::And(queries) | Self::Or(queries) => queries.iter().any(Self::has_beginnings),
            Self::Not(query, other) => query.has_beginnings() || other.has_beginnings(),
        }
    }

    /// Whether texts, one per column, match. The places of the words that contribute
    /// are added to `found`.
    pub(crate) fn is_met(&self, texts: &[(usize, Prepared)], found: &mut Vec<Place>) -> bool {
        match self {
            Self::Phrase(spellings) => {
                let before = found.len();
                for (column, text) in texts {
                    for phrase in spellings {
                        let places = text.find(&phrase.words, phrase.is_prefix);
                        found.extend(places.into_iter().map(|place| (*column, place)));
                    }
                }
                before < found.len()
            }
            Self::And(queries) => queries.iter().all(|query| query.is_met(texts, found)),
            // Both sides are evaluated: a hit shows everything that contributes.
            Self::Or(queries) => {
                0 < queries.iter().filter(|query| query.is_met(texts, found)).count()
            }
            Self::Not(query, other) => {
                query.is_met(texts, found) && !other.is_met(texts, &mut Vec::new())
            }
        }
    }
}

impl Phrase {
    /// Prepared words contain no quotation marks.
    fn term(&self) -> String {
        format!("\"{}\"{}", self.words.join(" "), if self.is_prefix { " *" } else { "" })
    }
}

/// A token of a query.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    /// Text to be found as a phrase; whether it is a prefix.
    Text(String, bool),
    And,
    Or,
    Not,
    Open,
    Close,
}

/// The deepest nesting of parentheses; FTS5 rejects queries that are much deeper.
const DEEPEST: usize = 50;

fn lex(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut groups = Groups::default();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let inner = &rest[1..];
            let end = inner.find('"').unwrap_or(inner.len());
            let behind = inner.get(end + 1..).unwrap_or_default();
            let is_prefix = behind.starts_with('*');
            items.push(Item::Text(inner[..end].to_owned(), is_prefix));
            rest = behind.strip_prefix('*').unwrap_or(behind).trim_start();
            continue;
        }
        if first == '(' {
            items.extend(groups.open());
            rest = rest[1..].trim_start();
            continue;
        }
        let end = rest.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(rest.len());
        let closed = lex_word(&rest[..end], &mut items);
        items.extend((0..closed).filter_map(|_| groups.close()));
        rest = rest[end..].trim_start();
    }
    items
}

/// The open groups of a query. One that is nested too deep is part of the one around it.
#[derive(Default)]
struct Groups {
    depth: usize,
    /// The open groups that are left out.
    too_deep: usize,
}

impl Groups {
    fn open(&mut self) -> Option<Item> {
        if self.depth == DEEPEST {
            self.too_deep += 1;
            return None;
        }
        self.depth += 1;
        Some(Item::Open)
    }

    fn close(&mut self) -> Option<Item> {
        if 0 < self.too_deep {
            self.too_deep -= 1;
            return None;
        }
        self.depth = self.depth.saturating_sub(1);
        Some(Item::Close)
    }
}

/// Splits a word from the parentheses after it that it does not open itself; returns
/// how many there are.
fn lex_word(word: &str, items: &mut Vec<Item>) -> usize {
    let mut word = word;
    let mut closed = 0;
    while let Some(shorter) = word.strip_suffix(')')
        && word.matches('(').count() < word.matches(')').count()
    {
        word = shorter;
        closed += 1;
    }
    match word {
        "" => {}
        "AND" => items.push(Item::And),
        "OR" => items.push(Item::Or),
        "NOT" => items.push(Item::Not),
        _ => {
            let is_prefix = word.len() > 1 && word.ends_with('*');
            items.push(Item::Text(word.trim_end_matches('*').to_owned(), is_prefix));
        }
    }
    closed
}

/// Turns operators that have nothing to combine into words: whoever types `OR` alone
/// searches for it.
fn words_of_loose_operators(items: &mut [Item]) {
    for n in 0..items.len() {
        let begins = |item: &Item| matches!(item, Item::Text(..) | Item::Open);
        let is_behind =
            n.checked_sub(1).is_some_and(|n| matches!(items[n], Item::Text(..) | Item::Close));
        let is_before = items.get(n + 1).is_some_and(|next| begins(next) || *next == Item::Not);
        let word = match items[n] {
            Item::And if !is_behind || !is_before => "and",
            Item::Or if !is_behind || !is_before => "or",
            Item::Not if !items.get(n + 1).is_some_and(begins) => "not",
            _ => continue,
        };
        items[n] = Item::Text(word.to_owned(), false);
    }
}

type Items = std::iter::Peekable<std::vec::IntoIter<Item>>;

/// Parses queries combined by OR.
fn either(items: &mut Items) -> Result<Option<Query>> {
    let mut found: Vec<Query> = both(items)?.into_iter().collect();
    while items.next_if_eq(&Item::Or).is_some() {
        found.extend(both(items)?);
    }
    Ok(match found.len() {
        0 | 1 => found.pop(),
        _ => Some(Query::Or(found)),
    })
}

/// Parses queries combined by AND or by nothing; NOT subtracts.
fn both(items: &mut Items) -> Result<Option<Query>> {
    let (mut wanted, mut unwanted) = (Vec::new(), Vec::new());
    let mut takes_away = false;
    while let Some(item) = items.next_if(|item| !matches!(item, Item::Or | Item::Close)) {
        let query = match item {
            Item::And => continue,
            Item::Not => {
                takes_away = true;
                continue;
            }
            Item::Open => {
                let query = either(items)?;
                items.next_if_eq(&Item::Close);
                query
            }
            Item::Text(text, is_prefix) => phrase(&text, is_prefix),
            Item::Or | Item::Close => None,
        };
        let list = if takes_away { &mut unwanted } else { &mut wanted };
        list.extend(query);
        takes_away = false;
    }
    match (all(wanted), unwanted.len()) {
        (wanted, 0) => Ok(wanted),
        (Some(wanted), 1) => {
            Ok(unwanted.pop().map(|other| Query::Not(Box::new(wanted), Box::new(other))))
        }
        (Some(wanted), _) => Ok(Some(Query::Not(Box::new(wanted), Box::new(Query::Or(unwanted))))),
        (None, _) => Err(Error::InvalidQuery(
            "NOT takes away from what else is asked for, and nothing else is".to_owned(),
        )),
    }
}

fn all(mut found: Vec<Query>) -> Option<Query> {
    match found.len() {
        0 | 1 => found.pop(),
        _ => Some(Query::And(found)),
    }
}

/// The phrase of a text; `None` if it contains no word.
fn phrase(text: &str, is_prefix: bool) -> Option<Query> {
    let prepared = prepare(text);
    let spelling = |words: Vec<&str>| Phrase {
        words: words.into_iter().map(str::to_owned).collect(),
        is_prefix,
    };
    let words = prepared.words();
    if words.is_empty() {
        return None;
    }
    let in_parts = prepared.words_in_parts().map(spelling);
    Some(Query::Phrase([spelling(words)].into_iter().chain(in_parts).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(query: &str, expected: &str) {
        assert_eq!(Query::parse(query).unwrap().terms(), expected);
    }

    #[test]
    fn words_go_together_as_they_are_typed() {
        check("one Two", r#"(("one") AND ("two"))"#);
        check("one AND two", r#"(("one") AND ("two"))"#);
        check("one OR two three", r#"(("one") OR (("two") AND ("three")))"#);
        check("(one OR two) three", r#"((("one") OR ("two")) AND ("three"))"#);
        check("one NOT two", r#"(("one") NOT ("two"))"#);
        check("one NOT two NOT three", r#"(("one") NOT (("two") OR ("three")))"#);
        check("NOT two one", r#"(("one") NOT ("two"))"#);
        check("one AND NOT two", r#"(("one") NOT ("two"))"#);
    }

    #[test]
    fn phrases_and_beginnings() {
        check(r#""one, two" three"#, r#"(("one two") AND ("three"))"#);
        check("sess*", r#"("sess" *)"#);
        check(r#""my sess"*"#, r#"("my sess" *)"#);
        check("foo-bar", r#"("foo bar")"#);
        check("使用", r#"("使 用")"#);
        check("getSession", r#"("getsession" OR "get session")"#);
        check("getSess*", r#"("getsess" * OR "get sess" *)"#);
    }

    #[test]
    fn whatever_is_typed_is_looked_for() {
        check(r#"a "b c"#, r#"(("a") AND ("b c"))"#);
        check("getSession()", r#"("getsession" OR "get session")"#);
        check("(one", r#"("one")"#);
        check("one) two", r#"(("one") AND ("two"))"#);
        check("f(x) y", r#"(("f x") AND ("y"))"#);
        check("AND", r#"("and")"#);
        check("OR OR", r#"(("or") AND ("or"))"#);
        check("one OR", r#"(("one") AND ("or"))"#);
        check("one -- two", r#"(("one") AND ("two"))"#);
        check("() one", r#"("one")"#);
        check("a\0b NEAR(c d)", r#"(("a b") AND ("near c") AND ("d"))"#);
    }

    #[test]
    fn groups_that_are_nested_too_deep_leave_those_beside_them_as_they_are() {
        let deep = format!("{}a OR b{}", "(".repeat(60), ")".repeat(60));
        check(&format!("{deep} c"), r#"((("a") OR ("b")) AND ("c"))"#);
        let flat = (0..60).map(|n| format!("(a{n} OR b)")).collect::<Vec<_>>().join(" ");
        let terms = Query::parse(&flat).unwrap().terms();
        assert_eq!(terms.matches(") AND (").count(), 59, "{terms}");
        assert_eq!(terms.matches(r#") OR ("b")"#).count(), 60, "{terms}");
    }

    #[test]
    fn nothing_to_look_for_is_an_error() {
        for query in ["", "  ", "-->", "\"\"", "()", "*", "NOT one", "one OR NOT two"] {
            let parsed = Query::parse(query);

            assert!(matches!(parsed, Err(Error::InvalidQuery(_))), "{query}: {parsed:?}");
        }
    }

    #[test]
    fn a_text_is_proven_as_the_index_finds_it() {
        let met = |query: &str, prose: &str, tools: &str| {
            let texts = [(0, prepare(prose)), (2, prepare(tools))];
            Query::parse(query).unwrap().is_met(&texts, &mut Vec::new())
        };
        assert!(met("one two", "one", "two"));
        assert!(!met("\"one two\"", "one", "two"));
        assert!(met("one NOT three", "one", "two"));
        assert!(!met("one NOT two", "one", "two"));
        assert!(met("session", "a getSession call", ""));
        assert!(met("GETSESSION", "a getSession call", ""));
    }
}
