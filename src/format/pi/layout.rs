//! Where pi's files lie, and what their names say.

use super::Pi;
use super::text::string;
use super::write::stamp;
use crate::format::json;
use crate::format::{Layout, safe_cwd};
use crate::model::Timestamp;

impl Layout for Pi {
    fn is_log(&self, path: &[u8]) -> bool {
        file_name(path).ends_with(b".jsonl")
    }

    /// pi's file names have no dot before the milliseconds; its headers have version 3, or none.
    fn recognises(&self, path: &[u8], first_line: &[u8]) -> bool {
        if is_own_name(path) {
            return true;
        }
        let Ok((record, _)) = json::scan(first_line) else { return false };
        let is_session = string(record.get("type")).as_deref() == Some("session");
        is_session
            && match record.get("version") {
                Some(version) => version.bytes() == b"3" && record.get("cwd").is_some(),
                None => record.get("modelId").is_some(),
            }
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
