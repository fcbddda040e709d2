//! `session_index.jsonl`: the names of threads. The last line of a thread counts.

use std::collections::HashMap;

use super::layout;
use super::record::{Problem, owned, text};
use crate::format::json::{self, Kind};
use crate::model::{ProblemKind, Timestamp};

/// The names of a root's threads.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, String>);

impl Names {
    /// Processes the next line; returns why it names nothing.
    pub(crate) fn take(&mut self, line: &[u8]) -> Option<Problem> {
        if line.trim_ascii().is_empty() {
            return None;
        }
        match read(line) {
            Ok((id, name)) => {
                self.0.insert(id, name);
                None
            }
            Err(problem) => Some(problem),
        }
    }

    /// The name of a thread, unless its last line clears it.
    pub(crate) fn get(&self, thread_id: &str) -> Option<&str> {
        self.0.get(&thread_id.to_lowercase()).map(String::as_str).filter(|name| !name.is_empty())
    }
}

/// The thread that a line names.
pub(crate) fn thread(line: &[u8]) -> Option<String> {
    read(line).ok().map(|(id, _)| id)
}

/// When a thread got its name; `None` for a line that names none.
pub(crate) fn at(line: &[u8]) -> Option<Timestamp> {
    let (value, _) = json::scan(line).ok()?;
    read(line).ok()?;
    Timestamp::parse(&text(value, "updated_at")?)
}

fn read(line: &[u8]) -> Result<(String, String), Problem> {
    let malformed = |detail: String| (ProblemKind::Malformed, detail);
    if std::str::from_utf8(line).is_err() {
        return Err(malformed("bytes that are not UTF-8".to_owned()));
    }
    let (value, _) = json::scan(line)
        .map_err(|err| malformed(format!("not JSON at byte {}: {}", err.offset + 1, err.reason)))?;
    let skipped =
        |detail: &str| (ProblemKind::NotARecord, format!("{detail}; the line names nothing"));
    if value.kind() != Kind::Object {
        return Err(skipped("no object"));
    }
    let id = owned(value, "id").filter(|id| layout::is_uuid(id));
    let id = id.ok_or_else(|| skipped("the id is not a UUID"))?;
    let name = text(value, "thread_name").ok_or_else(|| skipped("no name"))?;
    text(value, "updated_at").ok_or_else(|| skipped("no time"))?;
    Ok((id.to_lowercase(), name.trim().to_owned()))
}

/// The line that names a thread.
pub(crate) fn line(thread_id: &str, name: &str, at: Timestamp) -> String {
    format!(
        "{{\"id\":{},\"thread_name\":{},\"updated_at\":{}}}\n",
        json::spelt(thread_id),
        json::spelt(name),
        json::spelt(&time(at))
    )
}

/// With as many decimals as needed, up to nine.
fn time(at: Timestamp) -> String {
    let text = Timestamp(at.0 - at.0.rem_euclid(1_000_000_000)).to_string();
    let seconds = text.strip_suffix(".000Z").unwrap_or(&text);
    match at.0.rem_euclid(1_000_000_000) {
        0 => format!("{seconds}Z"),
        nanos => format!("{seconds}.{}Z", format!("{nanos:09}").trim_end_matches('0')),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019b8d5f-005f-7000-8000-00000000005f";

    #[test]
    fn the_last_line_of_a_thread_names_it() {
        let mut names = Names::default();
        for (name, is_fine) in [("\"First\"", true), ("\" Second \"", true), ("7", false)] {
            let line = format!(
                "{{\"id\":\"{}\",\"thread_name\":{name},\"updated_at\":\"x\"}}",
                ID.to_uppercase()
            );
            assert_eq!(names.take(line.as_bytes()).is_none(), is_fine, "{name}");
        }
        assert_eq!(names.get(ID), Some("Second"));
        assert!(
            names
                .take(b"{\"id\":\"no-uuid\",\"thread_name\":\"x\",\"updated_at\":\"x\"}")
                .is_some()
        );
        assert!(names.take(b"{\"id\":\"torn").is_some());
        assert!(names.take(b"  \n").is_none());
        names.take(line(ID, " ", Timestamp(0)).as_bytes());
        assert_eq!(names.get(ID), None);
    }

    #[test]
    fn a_line_has_no_more_decimals_than_its_time() {
        for (nanos, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (123_456_789, "1970-01-01T00:00:00.123456789Z"),
            (500_000_000, "1970-01-01T00:00:00.5Z"),
        ] {
            assert!(line(ID, "n", Timestamp(nanos)).contains(&format!("\"{expected}\"")));
        }
    }
}
