//! The titles that a wire gives its session, by the rules of Kimi's two readers.

use super::payload::{self, Payload};
use super::wire::{MAX_DEPTH, is_header, is_true, joined, strict};
use super::{context, lax, text};
use crate::format::json::{Kind, Raw};
use crate::model::Stored;

/// Both titles from a wire, and whether the session was used at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Titles {
    /// By the rule of Kimi's web list: at most 300 code points.
    pub(crate) web: Stored,
    /// By the rule of its command line: at most 50.
    pub(crate) cli: Stored,
    /// Whether there is any line besides headers.
    pub(crate) has_records: bool,
}

const UNTITLED: &str = "Untitled";
const WEB_WIDTH: usize = 300;
const CLI_WIDTH: usize = 50;

/// Bytes that Python decodes at a time. If they are not UTF-8, no line that ends in
/// them is read.
const DECODED: u64 = 8 << 10;

/// Reads a wire line by line until both titles are known.
#[derive(Debug, Default)]
pub(crate) struct TitleSearch {
    web: Search,
    cli: Search,
    has_records: bool,
    /// Bytes read so far.
    seen: u64,
    /// The lines in the bytes that Python decodes together, and where they end.
    pending: Vec<(Vec<u8>, u64)>,
}

#[derive(Debug, Default)]
enum Search {
    #[default]
    Open,
    Found(Vec<u32>),
    Ended,
}

impl Search {
    fn is_open(&self) -> bool {
        matches!(self, Self::Open)
    }

    fn title(self, width: usize) -> Stored {
        match self {
            Self::Found(points) => text::stored(&text::shorten(&points, width)),
            Self::Open | Self::Ended => Stored::Text(UNTITLED.to_owned()),
        }
    }
}

impl TitleSearch {
    /// Whether further lines can make a difference.
    pub(crate) fn is_open(&self) -> bool {
        self.web.is_open() || self.cli.is_open() || !self.has_records
    }

    pub(crate) fn take(&mut self, line: &[u8]) {
        if !self.is_open() {
            return;
        }
        if let Err(err) = std::str::from_utf8(line) {
            let chunk = (self.seen + err.valid_up_to() as u64) / DECODED;
            self.read_pending(chunk);
            self.pending.clear();
            self.has_records = true;
            self.end();
            return;
        }
        self.seen += line.len() as u64;
        self.pending.push((line.to_vec(), self.seen));
        self.read_pending(self.seen / DECODED);
    }

    /// Reads the lines that end before these bytes.
    fn read_pending(&mut self, chunk: u64) {
        let ready = self.pending.partition_point(|(_, end)| (end - 1) / DECODED < chunk);
        for (line, _) in self.pending.drain(..ready).collect::<Vec<_>>() {
            self.read(&line);
        }
    }

    fn read(&mut self, line: &[u8]) {
        let Ok(line) = std::str::from_utf8(line) else { return };
        let line = text::strip(line);
        if line.is_empty() {
            return;
        }
        let read = strict(line);
        self.has_records |= !read.as_ref().is_ok_and(|(value, _)| is_header(*value));
        // Lines that are not JSON are skipped.
        let Ok((value, features)) = read else { return };
        if self.web.is_open() {
            let is_read = features.depth < context::DEEP && !features.long_integer;
            self.web = if is_read { web_step(value) } else { Search::Ended };
        }
        let is_read = features.depth <= MAX_DEPTH && !features.long_integer && !has_half_pair(line);
        if self.cli.is_open() && is_read {
            self.cli = cli_step(value);
        }
    }

    fn end(&mut self) {
        for search in [&mut self.web, &mut self.cli] {
            if search.is_open() {
                *search = Search::Ended;
            }
        }
    }

    /// Whether a prompt provides the web title; to be called after the last line.
    pub(crate) fn has_web_title(&mut self) -> bool {
        self.read_pending(u64::MAX);
        matches!(self.web, Search::Found(_))
    }

    pub(crate) fn finish(mut self) -> Titles {
        self.read_pending(u64::MAX);
        Titles {
            web: self.web.title(WEB_WIDTH),
            cli: self.cli.title(CLI_WIDTH),
            has_records: self.has_records,
        }
    }
}

/// Whether any string of a line has an escape of a lone surrogate.
fn has_half_pair(line: &str) -> bool {
    let is_escape = |at: usize| {
        let before = line.as_bytes()[..at].iter().rev().take_while(|byte| **byte == b'\\').count();
        before % 2 == 0
    };
    let unit = |at: usize| {
        let digits = line.get(at..at + 6)?.strip_prefix("\\u")?;
        u16::from_str_radix(digits, 16).ok()
    };
    let mut paired = None;
    for (at, _) in line.match_indices("\\u") {
        if paired == Some(at) || !is_escape(at) {
            continue;
        }
        match unit(at) {
            Some(0xD800..=0xDBFF) if matches!(unit(at + 6), Some(0xDC00..=0xDFFF)) => {
                paired = Some(at + 6);
            }
            Some(0xD800..=0xDFFF) => return true,
            _ => {}
        }
    }
    false
}

/// The web list reads what it needs from each record, and stops at the first one that
/// is not as expected.
fn web_step(value: Raw<'_>) -> Search {
    if value.kind() != Kind::Object {
        return Search::Ended;
    }
    let Some(message) = value.get("message") else { return Search::Open };
    if message.kind() != Kind::Object {
        return Search::Ended;
    }
    if message.get("type").and_then(Raw::string).as_deref() != Some("TurnBegin") {
        return Search::Open;
    }
    let Some(payload) = message.get("payload") else { return Search::Open };
    if payload.kind() != Kind::Object {
        return Search::Ended;
    }
    match payload.get("user_input") {
        Some(input) if is_true(input) => prompt_text(input).map_or(Search::Ended, Search::Found),
        _ => Search::Open,
    }
}

/// The text parts of a valid prompt, joined.
fn prompt_text(input: Raw<'_>) -> Option<Vec<u32>> {
    match input.kind() {
        Kind::String => text::points(input),
        Kind::Array if input.items().all(|part| lax::check_part(part).is_ok()) => {
            let is_text =
                |part: &Raw<'_>| part.get("type").and_then(Raw::string).as_deref() == Some("text");
            Some(joined(
                input.items().filter(is_text).filter_map(|part| text::points(part.get("text")?)),
            ))
        }
        _ => None,
    }
}

/// The command line skips what is no record, and stops at a record that it does not
/// know.
fn cli_step(value: Raw<'_>) -> Search {
    let message = value.get("message").unwrap_or(Raw::NULL);
    let payload = message.get("payload").unwrap_or(Raw::NULL);
    let message_type = message.get("type").and_then(Raw::string);
    let is_record = !is_header(value)
        && value.get("timestamp").and_then(lax::float).is_some()
        && payload.kind() == Kind::Object;
    let Some(message_type) = message_type.filter(|_| is_record) else { return Search::Open };
    match payload::check(&message_type, payload) {
        Payload::Valid if message_type == "TurnBegin" => {
            let input = payload.get("user_input").unwrap_or(Raw::NULL);
            prompt_text(input).map_or(Search::Ended, Search::Found)
        }
        Payload::Valid => Search::Open,
        Payload::Invalid | Payload::Unknown => Search::Ended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(lines: &[&[u8]]) -> (String, String, bool) {
        let mut search = TitleSearch::default();
        lines.iter().for_each(|line| search.take(line));
        let titles = search.finish();
        (titles.web.to_text(), titles.cli.to_text(), titles.has_records)
    }

    const HEADER: &[u8] = b"{\"type\": \"metadata\", \"protocol_version\": \"1.10\"}\n";

    fn turn(input: &str) -> Vec<u8> {
        format!(
            "{{\"timestamp\": 1.5, \"message\": {{\"type\": \"TurnBegin\", \"payload\": {{\"user_input\": {input}}}}}}}\n"
        )
        .into_bytes()
    }

    #[test]
    fn the_web_passes_an_empty_prompt_by_where_the_command_line_stops() {
        let lines = [HEADER, &turn("\"\""), &turn("\"second one\"")];
        assert_eq!(titles(&lines), ("second one".into(), "".into(), true));
    }

    #[test]
    fn an_unknown_record_ends_the_command_lines_search_only() {
        let unknown = b"{\"timestamp\": 1, \"message\": {\"type\": \"Future\", \"payload\": {}}}\n";
        let lines = [HEADER, unknown.as_slice(), &turn("\"a\"")];
        assert_eq!(titles(&lines), ("a".into(), "Untitled".into(), true));
    }

    #[test]
    fn an_array_or_a_null_message_ends_the_webs_search_only() {
        for odd in [b"[]\n".as_slice(), b"{\"message\": null}\n"] {
            assert_eq!(titles(&[odd, &turn("\"a\"")]), ("Untitled".into(), "a".into(), true));
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_hide_the_lines_decoded_with_them() {
        let bad = b"\xff\n".as_slice();
        assert_eq!(titles(&[&turn("\"a\""), bad]).0, "Untitled");
        let long = turn(&format!("\"a {}\"", "x".repeat(9_000)));
        assert_eq!(titles(&[&turn("\"a\""), &long, bad]).0, "a");
        assert_eq!(titles(&[&long, bad]).0, "Untitled");
    }

    #[test]
    fn a_header_alone_is_no_use_of_a_session() {
        assert_eq!(titles(&[HEADER, b"\n"]), ("Untitled".into(), "Untitled".into(), false));
        assert!(titles(&[HEADER, b"{torn"]).2);
    }

    #[test]
    fn half_a_surrogate_pair_is_too_much_for_the_command_line() {
        assert!(has_half_pair(r#""\ud83d""#));
        assert!(!has_half_pair(r#""\ud83d\ude00 \\ud83d""#));
        let (web, cli, _) = titles(&[&turn(r#""\ud83d""#)]);
        assert_eq!((web.as_str(), cli.as_str()), ("\u{fffd}", "Untitled"));
    }

    #[test]
    fn what_python_gives_up_on_ends_the_webs_search_and_is_passed_by_in_the_other() {
        let long = "9".repeat(4_301);
        let nested = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for odd in [long, nested] {
            let line = format!("{{\"x\":{odd}}}\n");
            let lines = [line.as_bytes(), &turn("\"a\"")];
            assert_eq!(titles(&lines), ("Untitled".into(), "a".into(), true));
        }
    }
}
