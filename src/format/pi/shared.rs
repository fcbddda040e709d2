//! Lines that contain more than one record.
//!
//! Two appends can end up on one line, after a crash or when programs without locks
//! write to one file. pi drops such a line with everything on it, and also a line
//! that begins with a byte order mark. Here each complete record on it is read by
//! its span, and the line itself is one problem.

use std::ops::Range;

use super::text::string;
use crate::format::json::{self, Kind, Raw};
use crate::model::{ProblemKind, Record, Span};

pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The most positions at which a record is searched after one that was cut off. A cut
/// record rarely contains as many objects, and each attempt may read the rest of the
/// line.
const LOOKS: usize = 64;

/// The readable part of a line that is not JSON.
pub(super) struct Readable {
    /// Its complete records, in order.
    pub(super) spans: Vec<Range<usize>>,
    /// Why pi reads none of it.
    pub(super) detail: String,
}

/// Finds the records on a line that is not JSON as a whole; `None` if there are none.
pub(super) fn readable(line: &[u8]) -> Option<Readable> {
    let rest = line.strip_prefix(BYTE_ORDER_MARK);
    let start = if rest.is_some() { BYTE_ORDER_MARK.len() } else { 0 };
    let (spans, cut) = records(line, start);
    let detail = match (rest.is_some(), spans.len() + cut) {
        _ if spans.is_empty() => return None,
        (true, 1) => "a byte order mark before the record; pi drops the line".to_owned(),
        // A record followed by something else: pi's reader could not know where it
        // ends.
        (false, 1) => return None,
        (_, count) => {
            let read = match cut {
                0 => "each is read".to_owned(),
                cut => format!("{cut} of them cut off, the others are read"),
            };
            format!("{count} records on one line, {read}; pi drops the line")
        }
    };
    Some(Readable { spans, detail })
}

/// The complete records from `start` on, and how many others are cut off. If anything
/// else is between them, nothing counts.
fn records(line: &[u8], start: usize) -> (Vec<Range<usize>>, usize) {
    let mut spans = Vec::new();
    let mut cut = 0;
    let mut at = start;
    loop {
        let blank = line[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        at += blank;
        if at == line.len() {
            return (spans, cut);
        }
        if !line[at..].starts_with(b"{\"") {
            return (Vec::new(), 0);
        }
        let end = match record_at(line, at) {
            Some(end) => {
                spans.push(at..end);
                end
            }
            None => {
                cut += 1;
                next_record(line, at + 1).unwrap_or(line.len())
            }
        };
        at = end;
    }
}

/// The end of the record at `at`, if there is one.
fn record_at(line: &[u8], at: usize) -> Option<usize> {
    let (value, _, length) = json::scan_first(&line[at..]).ok()?;
    is_record(value).then_some(at + length)
}

/// Where the next complete record begins. Objects within a message have a type, too,
/// but no parent.
fn next_record(line: &[u8], from: usize) -> Option<usize> {
    memchr::memmem::find_iter(&line[from..], b"{\"type\":\"")
        .take(LOOKS)
        .map(|found| from + found)
        .find(|at| record_at(line, *at).is_some())
}

fn is_record(value: Raw<'_>) -> bool {
    let Some(record_type) = string(value.get("type")) else { return false };
    let has = |key: &str| value.get(key).is_some_and(|value| value.kind() == Kind::String);
    has("id") && (record_type == "session" || value.get("parentId").is_some())
}

/// Reads each record; the first contains the others, and the problems of the line.
pub(super) fn read(
    line: &[u8],
    readable: Readable,
    parse: impl Fn(&[u8]) -> Record,
) -> Option<Record> {
    let mut problems = vec![(ProblemKind::Unreadable, readable.detail)];
    let mut records = Vec::with_capacity(readable.spans.len());
    for span in readable.spans {
        let mut record = parse(&line[span.clone()]);
        record.span = Some(Span::new(&span)?);
        problems.append(&mut record.problems);
        records.push(record);
    }
    let mut records = records.into_iter();
    let first = records.next()?;
    Some(Record { problems, more: records.collect(), ..first })
}

#[cfg(test)]
mod tests {
    use crate::format::pi::parse::parse;
    use crate::model::ProblemKind;

    const A: &str = r#"{"type":"message","id":"a","parentId":null,"message":{"role":"user","content":[{"type":"text","text":"A"}]}}"#;
    const B: &str = r#"{"type":"label","id":"b","parentId":"a","targetId":"a","label":"{"}"#;

    #[track_caller]
    fn check(line: &str, expected: &[&str]) {
        let record = parse(line.as_bytes());
        let found: Vec<&str> = std::iter::once(&record)
            .chain(&record.more)
            .filter_map(|record| record.span)
            .map(|span| std::str::from_utf8(span.of(line.as_bytes())).unwrap())
            .collect();
        assert_eq!(found, expected, "{line}");
        let kinds: Vec<ProblemKind> = record.problems.iter().map(|(kind, _)| *kind).collect();
        let kind =
            if expected.is_empty() { ProblemKind::Malformed } else { ProblemKind::Unreadable };
        assert_eq!(kinds, [kind], "{line}");
    }

    #[test]
    fn every_whole_record_of_a_line_is_read() {
        check(&format!("{A}{B}\n"), &[A, B]);
        check(&format!("{A} {B}\t{A}\r\n"), &[A, B, A]);
        check(&format!("\u{feff}{A}\n"), &[A]);
        check(&format!("\u{feff}{A}{B}\n"), &[A, B]);
    }

    #[test]
    fn one_that_is_cut_off_hides_no_other() {
        check(&format!("{}{B}\n", &A[..100]), &[B]);
        check(&format!("{}{B}\n", &A[..20]), &[B]);
        check(&format!("{B}{}\n", &A[..100]), &[B]);
    }

    #[test]
    fn what_is_no_record_makes_none() {
        check(&format!("{A}]\n"), &[]);
        check(&format!("{A}null\n"), &[]);
        check(&A[..100], &[]);
        check("{\"type\":\"message\"}{\"type\":\"message\"}", &[]);
    }
}
