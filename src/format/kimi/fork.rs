//! Determines what of a session's files a fork contains.
//!
//! Kimi cuts the wire by turns and the context by user messages, which differ:
//! reminders, notifications and steers are user messages, too. A fork made here is
//! cut as Kimi cuts it, so that both have the same bytes.

use super::wire::{is_metadata, strict};
use super::{context, text};
use crate::format::json::{self, Kind, Raw};

/// Extensions of files that Kimi treats as videos, the only uploads that a fork
/// keeps.
const VIDEOS: [&str; 16] = [
    "mp4", "m4v", "mov", "qt", "mpeg", "mpg", "mpe", "mpa", "m1v", "avi", "movie", "webm", "mkv",
    "ogv", "flv", "wmv",
];

/// A line without surrounding white space, ended by LF; `None` for a blank one.
fn stripped(line: &[u8]) -> Option<Vec<u8>> {
    let bare = match std::str::from_utf8(line) {
        Ok(line) => text::strip(line).as_bytes(),
        Err(_) => line.trim_ascii(),
    };
    (!bare.is_empty()).then(|| [bare, b"\n"].concat())
}

/// Cuts a wire after a turn, line by line.
#[derive(Debug)]
pub(crate) struct CutWire {
    last_turn: Option<i64>,
    /// The turn that the last line belongs to; -1 before the first.
    turn: i64,
    ended: bool,
}

impl CutWire {
    /// Keeps everything, or everything up to the end of a turn, counted from 0; -1
    /// keeps what comes before the first.
    pub(crate) fn new(last_turn: Option<i64>) -> Self {
        Self { last_turn, turn: -1, ended: false }
    }

    /// The line in the fork; `None` if it is not part of it.
    pub(crate) fn take(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let Some(last_turn) = self.last_turn else { return stripped(line) };
        let kept = stripped(line)?;
        let decoded = String::from_utf8_lossy(&kept);
        let (value, _) = strict(text::strip(&decoded)).ok()?;
        if value.kind() != Kind::Object {
            return None;
        }
        let message_type = if is_metadata(value) {
            None
        } else {
            value.get("message").and_then(|message| message.get("type")?.string())
        };
        if message_type.as_deref() == Some("TurnBegin") {
            self.turn += 1;
            self.ended |= last_turn < self.turn;
        }
        if self.ended {
            return None;
        }
        self.ended = message_type.as_deref() == Some("TurnEnd") && self.turn == last_turn;
        Some(kept)
    }

    /// The last turn of the wire, if it ends before the one to cut after.
    pub(crate) fn lacks(&self) -> Option<i64> {
        self.last_turn.filter(|last_turn| self.turn < *last_turn).map(|_| self.turn)
    }
}

/// Cuts a context before the user message after a turn, line by line.
#[derive(Debug)]
pub(crate) struct CutContext {
    last_turn: Option<i64>,
    users: i64,
    ended: bool,
}

impl CutContext {
    pub(crate) fn new(last_turn: Option<i64>) -> Self {
        Self { last_turn, users: 0, ended: false }
    }

    /// The line in the fork; `None` if it is not part of it.
    pub(crate) fn take(&mut self, line: &[u8]) -> Option<Vec<u8>> {
        let Some(last_turn) = self.last_turn else { return stripped(line) };
        let kept = stripped(line).filter(|_| !self.ended)?;
        let decoded = String::from_utf8_lossy(&kept);
        let (value, _) = strict(text::strip(&decoded)).ok()?;
        if is_turn(value) {
            self.ended = last_turn < self.users;
            self.users += 1;
        }
        (!self.ended).then_some(kept)
    }
}

/// Whether a line of a context is a user message that counts as a turn: any except a
/// checkpoint marker.
pub(crate) fn begins_turn(line: &[u8]) -> bool {
    let line = String::from_utf8_lossy(line);
    context::read(text::strip(&line)).is_ok_and(|(value, _)| is_turn(value))
}

fn is_turn(record: Raw<'_>) -> bool {
    if record.get("role").and_then(Raw::string).as_deref() != Some("user") {
        return false;
    }
    let content = record.get("content").unwrap_or(Raw::NULL);
    let mut parts = content.items();
    let said = match (content.string(), parts.next(), parts.next()) {
        (Some(text), ..) => Some(text),
        (None, Some(only), None) => only.get("text").and_then(Raw::string),
        _ => None,
    };
    !said.is_some_and(|said| is_checkpoint(text::strip(&said)))
}

fn is_checkpoint(said: &str) -> bool {
    let number =
        said.strip_prefix("<system>CHECKPOINT ").and_then(|rest| rest.strip_suffix("</system>"));
    number.is_some_and(|number| {
        !number.is_empty() && number.chars().all(|c| text::decimal(c).is_some())
    })
}

/// The videos in the folder of uploads that a kept line of the wire names.
///
/// A name that leads out of the folder is ignored.
pub(crate) fn videos(line: &[u8]) -> Vec<String> {
    let line = String::from_utf8_lossy(line);
    let mut found = Vec::new();
    let mut rest = &*line;
    while let Some((_, behind)) = rest.split_once("uploads/") {
        let end = behind
            .find(|c: char| matches!(c, '"' | '\\' | '<' | '>') || text::is_space(u32::from(c)))
            .unwrap_or(behind.len());
        let name;
        (name, rest) = behind.split_at(end);
        let file = name.rsplit('/').next().and_then(|file| file.rsplit_once('.'));
        // A leading dot does not begin an extension.
        let extension = file.filter(|(stem, _)| !stem.is_empty());
        let is_video = extension
            .is_some_and(|(_, video)| VIDEOS.contains(&video.to_ascii_lowercase().as_str()));
        if is_video && name.split('/').all(|part| !matches!(part, "" | "." | "..")) {
            found.push(name.to_owned());
        }
    }
    found
}

/// The list of uploads that the model has seen, as Kimi writes it.
pub(crate) fn sent(names: &[String]) -> String {
    let ascii = |name: &String| {
        json::spelt(name).chars().fold(String::new(), |mut out, c| {
            if c.is_ascii() && c != '\u{7f}' {
                out.push(c);
            } else {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            out
        })
    };
    let names: Vec<String> = names.iter().map(ascii).collect();
    format!("[{}]", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(name: &str) -> String {
        format!(r#"{{"timestamp": 1, "message": {{"type": "{name}", "payload": {{}}}}}}"#)
    }

    fn cut(last_turn: Option<i64>, lines: &[&str]) -> (usize, Option<i64>) {
        let mut cut = CutWire::new(last_turn);
        let kept = lines.iter().filter(|line| cut.take(line.as_bytes()).is_some()).count();
        (kept, cut.lacks())
    }

    #[test]
    fn a_wire_is_cut_behind_the_end_of_a_turn() {
        let (begin, end, other) = (turn("TurnBegin"), turn("TurnEnd"), turn("X"));
        let lines = ["{}", &begin, &end, &other, "torn", "", &begin, &other];

        assert_eq!(cut(Some(0), &lines), (3, None));
        assert_eq!(cut(Some(1), &lines), (6, None));
        assert_eq!(cut(Some(-1), &lines), (1, None));
        assert_eq!(cut(Some(2), &lines), (6, Some(1)));
        assert_eq!(cut(None, &lines), (7, None));
    }

    #[test]
    fn a_context_is_cut_before_the_next_user_message() {
        let lines = [
            r#"{"role": "_system_prompt", "content": "s"}"#,
            r#" {"role":"user","content":"<system>CHECKPOINT 0</system>"} "#,
            r#"{"role":"user","content":"a"}"#,
            r#"{"role":"user","content":"b"}"#,
        ];
        let mut cut = CutContext::new(Some(0));
        let kept: Vec<Vec<u8>> =
            lines.iter().filter_map(|line| cut.take(line.as_bytes())).collect();

        assert_eq!(kept.len(), 3);
        assert!(kept[1].ends_with(b"}\n") && kept[1].starts_with(b"{"));
    }

    #[test]
    fn videos_are_found_by_name_and_stay_in_their_folder() {
        let line =
            r#""<video path=\"/x/uploads/a b.mp4\">uploads/b.MOV uploads/../c.mp4 uploads/d.txt""#;
        assert_eq!(videos(line.as_bytes()), ["b.MOV"]);
        let line = "uploads/uploads/a.mp4 uploads/.mp4 uploads/\"uploads/é.mkv<uploads/b.mov";
        assert_eq!(videos(line.as_bytes()), ["uploads/a.mp4", "é.mkv", "b.mov"]);
        assert_eq!(sent(&["a.mp4".to_owned(), "é.mov".to_owned()]), r#"["a.mp4", "\u00e9.mov"]"#);
    }
}
