//! Where Kward's files are, and what their names mean.

use super::Kward;
use super::parse::is_text;
use super::write::stamp;
use crate::format::json::{self, Raw};
use crate::format::{Home, Layout, safe_cwd, time};
use crate::model::{HeaderRecord, Stored, Timestamp};

impl Layout for Kward {
    fn home(&self) -> Option<Home> {
        Some(Home { variable: "KWARD_CONFIG_PATH", names_a_file: true, folder: ".kward" })
    }

    /// Session files are `*.jsonl` in any folder; Kward's lists ignore dot files.
    fn is_log(&self, path: &[u8]) -> bool {
        let name = file_name(path);
        name.ends_with(b".jsonl") && !name.starts_with(b".")
    }

    /// Kward writes a dot before the milliseconds in file names, and its headers have
    /// version 1 or 2.
    fn recognises(&self, path: &[u8], first_line: &[u8]) -> bool {
        if self.header_from_name(path).is_some() {
            return true;
        }
        let Ok((record, _)) = json::scan(first_line) else { return false };
        is_text(record.get("type"), "session")
            && record.get("version").is_some_and(|version| matches!(version.bytes(), b"1" | b"2"))
            && (record.get("reasoningEffort").is_some() || record.get("cwd").is_some())
    }

    /// `last_session.json` holds an absolute path, of which only the file name stays
    /// valid after a move.
    fn pointed_file(&self, content: &[u8]) -> Option<String> {
        let (pointer, _) = json::scan(content).ok()?;
        let path = pointer.get("path").and_then(Raw::string)?;
        path.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
    }

    /// A name `<time>_<36 hex digits or dashes>.jsonl` provides the time and the id.
    fn header_from_name(&self, path: &[u8]) -> Option<HeaderRecord> {
        let name = std::str::from_utf8(file_name(path)).ok()?;
        let (stamp, id) = name.strip_suffix(".jsonl")?.split_once('_')?;
        let is_id =
            id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        // 2026-01-02T03-04-05.678Z
        let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
        let is_stamp = stamp.bytes().map(shape).eq(*b"0000-00-00T00-00-00.000Z");
        if !is_id || !is_stamp {
            return None;
        }
        let (date, clock) = stamp.split_once('T')?;
        let created_at = time::parse(&format!("{date}T{}", clock.replace('-', ":")));
        Some(HeaderRecord {
            session_id: Some(id.to_owned()),
            version: Some(Stored::Json("2".to_owned())),
            created_at: created_at.map(|time| time.at),
            ..HeaderRecord::default()
        })
    }

    fn pointer_file(&self) -> Option<&'static str> {
        Some("last_session.json")
    }

    /// `sessions/--<cwd>--/<time>_<id>.jsonl`.
    fn path_of(&self, cwd: &str, session_id: &str, at: Timestamp) -> Option<String> {
        let folder = safe_cwd(cwd);
        Some(format!("sessions/{folder}/{}_{session_id}.jsonl", stamp(at).replace(':', "-")))
    }
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}
