//! Where pi's files are, and what their names mean.

use super::Pi;
use super::shared::BYTE_ORDER_MARK;
use super::text::string;
use super::write::stamp;
use crate::format::json;
use crate::format::{Home, Layout, safe_cwd};
use crate::model::{HeaderRecord, Stored, Timestamp};

impl Layout for Pi {
    fn resume_command(&self, _id: &str, file: &str) -> Option<String> {
        Some(format!("pi --session {file}"))
    }

    fn home(&self) -> Option<Home> {
        Some(Home { variable: "PI_CODING_AGENT_DIR", names_a_file: false, folder: ".pi/agent" })
    }

    fn is_log(&self, path: &[u8]) -> bool {
        file_name(path).ends_with(b".jsonl")
    }

    /// pi's file names have no dot before the milliseconds; its headers have version
    /// 3, or none.
    fn recognises(&self, path: &[u8], first_line: &[u8]) -> bool {
        if is_own_name(path) {
            return true;
        }
        let first_line = first_line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(first_line);
        let Ok((record, _)) = json::scan(first_line) else { return false };
        let is_session = string(record.get("type")).as_deref() == Some("session");
        is_session
            && match record.get("version") {
                Some(version) => version.bytes() == b"3" && record.get("cwd").is_some(),
                None => record.get("modelId").is_some(),
            }
    }

    /// A name `<time>_<id>.jsonl` provides time and id, and means the current
    /// version.
    fn header_from_name(&self, path: &[u8]) -> Option<HeaderRecord> {
        let name = std::str::from_utf8(file_name(path)).ok()?;
        let (stamp, id) = name.strip_suffix(".jsonl")?.split_once('_')?;
        if !is_own_name(path) || !is_id(id) {
            return None;
        }
        // 2026-05-01T00-00-00-000Z
        let (date, clock) = stamp.strip_suffix('Z')?.split_once('T')?;
        let (clock, millis) = clock.rsplit_once('-')?;
        let time = format!("{date}T{}.{millis}Z", clock.replace('-', ":"));
        Some(HeaderRecord {
            session_id: Some(id.to_owned()),
            version: Some(Stored::Json("3".to_owned())),
            created_at: Timestamp::parse(&time),
            ..HeaderRecord::default()
        })
    }

    fn new_session_id(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }

    /// `sessions/--<cwd>--/<time>_<id>.jsonl`.
    fn path_of(&self, cwd: &str, session_id: &str, at: Timestamp) -> Option<String> {
        let folder = safe_cwd(cwd);
        let stamp = stamp(at).replace([':', '.'], "-");
        Some(format!("sessions/{folder}/{stamp}_{session_id}.jsonl"))
    }
}

/// `2026-05-01T00-00-00-000Z_<id>.jsonl`.
fn is_own_name(path: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(file_name(path)) else { return false };
    let Some((stamp, _)) = name.split_once('_') else { return false };
    let shape = |byte: u8| if byte.is_ascii_digit() { b'0' } else { byte };
    name.ends_with(".jsonl") && stamp.bytes().map(shape).eq(*b"0000-00-00T00-00-00-000Z")
}

/// Ids as pi accepts them from its caller; its own are UUIDs.
fn is_id(id: &str) -> bool {
    let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    let is_outer = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = id.as_bytes();
    is_outer(bytes.first()) && is_outer(bytes.last()) && id.bytes().all(is_inner)
}

fn file_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_lies_in_the_folder_of_its_directory() {
        for (cwd, path) in [
            ("/", "sessions/----/1970-01-01T00-00-00-000Z_i.jsonl"),
            ("/home/dev/a:b", "sessions/--home-dev-a-b--/1970-01-01T00-00-00-000Z_i.jsonl"),
        ] {
            assert_eq!(Pi.path_of(cwd, "i", Timestamp(0)).as_deref(), Some(path));
        }
    }
}
