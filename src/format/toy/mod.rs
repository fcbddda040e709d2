//! The smallest possible format, for tests.
//!
//! A session is a file `<id>.toy`, in which each line is an entry:
//! `{"id":"2","parent":"1","text":"…"}`. Sessions that are created here begin with
//! a header, `{"session":"<id>"}`; without one, the file's name is the id. There
//! are no other records, so leaves and labels are events.

mod tests;

use super::json::{self, Raw};
use super::rules::Rules;
use super::{Chains, Layout, Meaning, Part, Program, Spelling};
use crate::model::{Change, Draft, HeaderRecord, NewEntry, Parent, ProblemKind, Record, Timestamp};

struct Toy;

pub(super) static PROGRAM: Program = Program {
    name: "toy",
    rules: Rules::PLAIN,
    layout: &Toy,
    meaning: &Toy,
    spelling: &Toy,
    projection: &Chains,
    live: &Chains,
    extras: &Chains,
};

impl Layout for Toy {
    fn is_log(&self, path: &[u8]) -> bool {
        path.ends_with(b".toy")
    }

    fn recognises(&self, path: &[u8], _first_line: &[u8]) -> bool {
        self.is_log(path)
    }

    fn header_from_name(&self, path: &[u8]) -> Option<HeaderRecord> {
        let name = path.rsplit(|byte| *byte == b'/').next()?.strip_suffix(b".toy")?;
        let id = String::from_utf8(name.to_vec()).ok()?;
        Some(HeaderRecord { session_id: Some(id), ..HeaderRecord::default() })
    }

    fn path_of(&self, _cwd: &str, session_id: &str, _at: Timestamp) -> Option<String> {
        Some(format!("sessions/{session_id}.toy"))
    }
}

impl Meaning for Toy {
    fn parse(&self, line: &[u8]) -> Record {
        let mut record = Record { vouches: true, ..Record::default() };
        let Ok((value, _)) = json::scan(line) else {
            record.problems.push((ProblemKind::Malformed, "not JSON".to_owned()));
            return record;
        };
        let text = |key| value.get(key).and_then(Raw::string).map(std::borrow::Cow::into_owned);
        if let Some(session_id) = text("session") {
            let header = HeaderRecord { session_id: Some(session_id), ..HeaderRecord::default() };
            record.change = Some(Change::Header(Box::new(header)));
            return record;
        }
        record.entry = Some(NewEntry {
            id: text("id"),
            parent: text("parent").map_or(Parent::None, Parent::Id),
            entry_type: "message".into(),
            role: Some("user".to_owned()),
            message_id: None,
            first_kept: None,
            kept_position: None,
            runtime: None,
        });
        record
    }

    fn messages(
        &self,
        _version: Option<&crate::model::Stored>,
        line: &[u8],
        _edit: Option<&[u8]>,
        instead: &str,
    ) -> Vec<String> {
        json::scan(line).map(|(value, _)| json::clean(value, instead)).into_iter().collect()
    }

    fn preview(&self, line: &[u8]) -> String {
        let text = json::scan(line).ok().and_then(|(value, _)| value.get("text")?.string());
        text.unwrap_or_default().into_owned()
    }

    fn full_text(&self, line: &[u8]) -> String {
        self.preview(line)
    }

    fn parts(&self, message: &str) -> (String, Vec<Part>) {
        ("user".to_owned(), vec![Part::Text(self.preview(message.as_bytes()))])
    }
}

impl Spelling for Toy {
    fn serialise(&self, draft: &Draft<'_>, _at: Timestamp) -> Option<String> {
        if let Draft::Header { session_id, .. } = draft {
            return Some(format!("{{\"session\":{}}}\n", json::spelt(session_id)));
        }
        let Draft::Entry { id, parent_id, message, .. } = draft else { return None };
        let parent = parent_id.map_or("null".to_owned(), json::spelt);
        let text = json::spelt(&self.preview(message.as_bytes()));
        Some(format!("{{\"id\":{},\"parent\":{parent},\"text\":{text}}}\n", json::spelt(id)))
    }
}
