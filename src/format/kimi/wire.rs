//! Lines of a wire: what the user saw, event by event, with the turns.
//!
//! Kimi has three readers that differ. The one that counts turns takes every
//! strict JSON record; the web's title search ends at the first surprise; the
//! command line's goes by the models of its messages and also refuses deep
//! nesting and half surrogate pairs. What one of them would choke on is a
//! problem here, and the line after it is read all the same.

use super::payload::{self, Payload};
use super::{context, lax, text};
use crate::format::json::{self, Features, Kind, Raw};
use crate::model::{ProblemKind, Stored, Timestamp};

/// Nesting beyond which the command line's reader refuses a line.
const MAX_DEPTH: usize = 200;

/// What a line of a wire says.
#[derive(Debug, Default)]
pub(crate) struct WireLine {
    /// The type of its message; `None` for a header and for what is no record.
    pub(crate) message_type: Option<String>,
    pub(crate) at: Option<Timestamp>,
    /// What the user asked, where a turn begins.
    pub(crate) turn: Option<Stored>,
    /// The id and name of a tool that is called.
    pub(crate) call: Option<(Option<String>, Option<String>)>,
    /// The call that a result belongs to, and whether it failed.
    pub(crate) result: Option<(String, bool)>,
    pub(crate) problems: Vec<(ProblemKind, String)>,
}

pub(crate) fn parse(line: &[u8]) -> WireLine {
    let mut parsed = WireLine::default();
    let text = String::from_utf8_lossy(line);
    let text = text::strip(&text);
    if text.is_empty() {
        return parsed;
    }
    if std::str::from_utf8(line).is_err() {
        parsed.problems.push((ProblemKind::InvalidUtf8, "bytes that are no UTF-8".to_owned()));
    }
    let (value, features) = match strict(text) {
        Ok(read) => read,
        Err(detail) => {
            parsed.problems.push((ProblemKind::Malformed, detail));
            return parsed;
        }
    };
    // Where turns are counted, a header is what says so.
    if is_header(value) && (is_metadata(value) || value.get("message").is_none()) {
        return parsed;
    }
    if is_metadata(value) {
        let detail = "a header whose version is no text; Kimi ignores it".to_owned();
        parsed.problems.push((ProblemKind::Unreadable, detail));
        return parsed;
    }
    let message = value.get("message").unwrap_or(Raw::NULL);
    let Some(message_type) = message.get("type").and_then(Raw::string) else {
        let detail = "no record: it has no message of a type".to_owned();
        parsed.problems.push((ProblemKind::NotARecord, detail));
        return parsed;
    };
    let payload = message.get("payload");
    if features.long_integer {
        parsed.problems.push((ProblemKind::Unreadable, context::LONG_INTEGER.to_owned()));
    }
    parsed.at = value.get("timestamp").and_then(lax::float).and_then(instant);
    if value.get("timestamp").and_then(lax::float).is_none() {
        let detail = "a record without a time; Kimi's command line skips it".to_owned();
        parsed.problems.push((ProblemKind::Unreadable, detail));
    } else if parsed.at.is_none() {
        let detail = "a time beyond what the store can hold".to_owned();
        parsed.problems.push((ProblemKind::Time, detail));
    }
    match payload::check(&message_type, payload.unwrap_or(Raw::NULL)) {
        _ if MAX_DEPTH < features.depth => {
            let detail = format!("nested {} deep; Kimi's command line skips it", features.depth);
            parsed.problems.push((ProblemKind::Unreadable, detail));
        }
        Payload::Valid => {}
        Payload::Invalid => {
            let detail = format!("a payload that is no {message_type:.60}");
            parsed.problems.push((ProblemKind::Unreadable, detail));
        }
        Payload::Unknown => {
            let detail =
                format!("a message of the type {message_type:.60}, which Kimi never wrote");
            parsed.problems.push((ProblemKind::UnknownType, detail));
        }
    }
    let payload = payload.unwrap_or(Raw::NULL);
    let field =
        |key: &str| payload.get(key).and_then(Raw::string).map(std::borrow::Cow::into_owned);
    match message_type.as_ref() {
        "TurnBegin" => parsed.turn = Some(text::stored(&turn_text(payload.get("user_input")))),
        "ToolCall" => {
            let function = payload.get("function").unwrap_or(Raw::NULL);
            let name = function.get("name").and_then(Raw::string).map(std::borrow::Cow::into_owned);
            parsed.call = Some((field("id"), name));
        }
        "ToolCallRequest" => parsed.call = Some((field("id"), field("name"))),
        "ToolResult" => {
            let value = payload.get("return_value").unwrap_or(Raw::NULL);
            let is_error = value.get("is_error").and_then(lax::boolean).unwrap_or_default();
            parsed.result = field("tool_call_id").map(|id| (id, is_error));
        }
        _ => {}
    }
    parsed.message_type = Some(message_type.into_owned());
    parsed
}

/// Reads a line as Python does where it is strict: no raw control characters in strings.
pub(super) fn strict(line: &str) -> Result<(Raw<'_>, Features), String> {
    match context::read(line)? {
        (_, features) if features.control_character => {
            Err("not JSON: a raw control character inside a string".to_owned())
        }
        read => Ok(read),
    }
}

/// The time of a number of seconds, in microseconds as Python makes them of it.
pub(crate) fn instant(seconds: f64) -> Option<Timestamp> {
    let whole = seconds.trunc();
    let micros = ((seconds - whole) * 1e6).round_ties_even();
    (whole.abs() < 9.2e9).then(|| Timestamp((whole as i64 * 1_000_000 + micros as i64) * 1_000))
}

/// A header names its version as text, and its type if at all.
fn is_header(value: Raw<'_>) -> bool {
    value.get("protocol_version").is_some_and(|version| version.kind() == Kind::String)
        && (value.get("type").is_none() || is_metadata(value))
}

pub(super) fn is_metadata(value: Raw<'_>) -> bool {
    value.get("type").and_then(Raw::string).as_deref() == Some("metadata")
}

/// The text of a prompt where turns are counted: of every part that has any.
fn turn_text(input: Option<Raw<'_>>) -> Vec<u32> {
    let Some(input) = input else { return Vec::new() };
    match input.kind() {
        Kind::String => text::points(input).unwrap_or_default(),
        Kind::Array => {
            let of_part = |part: Raw<'_>| match part.kind() {
                Kind::String => text::points(part),
                _ => part.get("text").and_then(text::points),
            };
            joined(input.items().filter_map(of_part))
        }
        // Python goes through the keys of an object.
        Kind::Object => {
            let keys = json::distinct_members(input).into_iter();
            joined(keys.map(|(key, _)| key.text().chars().map(u32::from).collect()))
        }
        _ => Vec::new(),
    }
}

fn joined(texts: impl Iterator<Item = Vec<u32>>) -> Vec<u32> {
    let texts: Vec<Vec<u32>> = texts.collect();
    texts.join(&u32::from(' '))
}

/// Both titles that a wire gives a session, and whether it was used at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Titles {
    /// By the rule of Kimi's web listing: at most 300 code points.
    pub(crate) web: Stored,
    /// By the rule of its command line: at most 50.
    pub(crate) cli: Stored,
    /// Whether any line is no header.
    pub(crate) has_records: bool,
}

const UNTITLED: &str = "Untitled";
const WEB_WIDTH: usize = 300;
const CLI_WIDTH: usize = 50;

/// Bytes that Python decodes at once. Where they are not UTF-8, none of the
/// lines that end in them are read.
const DECODED: u64 = 8 << 10;

/// Follows a wire line by line until both titles are known.
#[derive(Debug, Default)]
pub(crate) struct TitleSearch {
    web: Search,
    cli: Search,
    has_records: bool,
    /// Bytes seen.
    seen: u64,
    /// Lines of the bytes that Python would decode together, and where they end.
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
    /// Whether further lines can still make a difference.
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
        // What is no JSON is passed by.
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

    /// Whether a prompt gives the web its title; to be asked behind the last line.
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

/// Whether any string of a line holds an escape of half a surrogate pair.
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

/// The web takes what it needs from each record and ends where that is not as it expects.
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

/// What Python takes for true.
pub(super) fn is_true(value: Raw<'_>) -> bool {
    match value.kind() {
        Kind::Null | Kind::False => false,
        Kind::True => true,
        Kind::Number => lax::number(value.bytes()) != Some(0.0),
        Kind::String => value.bytes().len() > 2,
        Kind::Array => value.items().next().is_some(),
        Kind::Object => value.members().next().is_some(),
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

/// The command line passes by what is no record, and ends at a record that it does not know.
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
    fn times_are_rounded_as_python_rounds_them() {
        for (seconds, expected) in [
            (1.0000005, 1_000_001),
            (1.0000015, 1_000_001),
            (-1.5, -1_500_000),
            (0.9999999, 1_000_000),
        ] {
            assert_eq!(instant(seconds), Some(Timestamp(expected * 1_000)), "{seconds}");
        }
        assert_eq!(instant(1e10), None);
        assert_eq!(instant(f64::NAN), None);
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

    #[test]
    fn a_turn_counts_in_what_would_be_a_header() {
        let line = br#"{"protocol_version":"1","message":{"type":"TurnBegin","payload":{"user_input":"a"}}}"#;
        assert_eq!(parse(line).turn.unwrap().to_text(), "a");
        let line = br#"{"type":"metadata","protocol_version":"1","message":{"type":"TurnBegin","payload":{}}}"#;
        assert_eq!(parse(line).turn, None);
    }

    #[test]
    fn a_turn_counts_whatever_its_input_is() {
        for (input, expected) in
            [("\"a\"", "a"), ("[{\"text\":\"a\"},\"b\",{\"x\":1}]", "a b"), ("5", ""), ("null", "")]
        {
            assert_eq!(parse(&turn(input)).turn.unwrap().to_text(), expected, "{input}");
        }
    }
}
