//! What the paths below `$CODEX_HOME` mean.
//!
//! A rollout is the log of a thread, in the folder of its day or in the archive:
//! `rollout-<time>-<thread>.jsonl`. After a revert, a thread continues in a
//! segment, `rollout-<time>-<thread>_<segment>.jsonl`. A rollout that is not in use
//! is compressed in place, with `.zst` appended to its name. The folder has no
//! further meaning: a rollout in the wrong folder is found all the same.

use crate::format::time;
use crate::model::Timestamp;

/// The names of threads, one per line.
pub(crate) const NAMES: &str = "session_index.jsonl";
pub(crate) const HISTORY: &str = "history.jsonl";
pub(crate) const ARCHIVE: &str = "archived_sessions";
pub(crate) const SESSIONS: &str = "sessions";

const PACKED: &[u8] = b".zst";

/// The form of a rollout on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Plain,
    Packed,
    /// A single JSON document, as the releases of April 2025 wrote it.
    Document,
}

/// The form of a rollout; `None` for any other file.
pub(crate) fn form(path: &[u8]) -> Option<Form> {
    let name = name_of(path);
    if !name.starts_with(b"rollout-") {
        return None;
    }
    if name.ends_with(b".jsonl") {
        Some(Form::Plain)
    } else if name.ends_with(b".jsonl.zst") {
        Some(Form::Packed)
    } else {
        name.ends_with(b".json").then_some(Form::Document)
    }
}

/// The path of a rollout without `.zst`.
pub(crate) fn place(path: &[u8]) -> &[u8] {
    match form(path) {
        Some(Form::Packed) => path.strip_suffix(PACKED).unwrap_or(path),
        _ => path,
    }
}

/// The path of a rollout's compressed form.
pub(crate) fn packed(place: &[u8]) -> Vec<u8> {
    [place, PACKED].concat()
}

pub(crate) fn name_of(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or(path)
}

pub(crate) fn is_archived(path: &[u8]) -> bool {
    path.strip_prefix(ARCHIVE.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// Whether a file with this path shows that the program wrote the root.
pub(crate) fn recognises(path: &[u8]) -> bool {
    path == NAMES.as_bytes() || form(path).is_some()
}

/// The parts of a rollout's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name {
    pub(crate) thread_id: Option<String>,
    /// Set for a file that a revert made.
    pub(crate) segment_id: Option<String>,
    /// When it was made, in its machine's time zone, which is treated as UTC.
    pub(crate) at: Option<Timestamp>,
}

/// Parses the name of a rollout. Ids become lower case.
pub(crate) fn name(path: &[u8]) -> Name {
    let name = String::from_utf8_lossy(name_of(place(path))).into_owned();
    let Some(rest) = name.strip_prefix("rollout-") else { return Name::default() };
    let stem = rest.strip_suffix(".jsonl").or_else(|| rest.strip_suffix(".json")).unwrap_or(rest);
    let (stem, segment_id) = match stem.rsplit_once('_') {
        Some((before, segment)) if is_uuid(segment) => (before, Some(segment.to_lowercase())),
        _ => (stem, None),
    };
    let thread_id = stem.len().checked_sub(36).and_then(|at| stem.get(at..));
    let thread_id = thread_id.filter(|id| is_uuid(id)).map(str::to_lowercase);
    Name { thread_id, segment_id, at: time_of(stem) }
}

/// Parses `2026-11-26T11-03-10`, or only the day.
fn time_of(stem: &str) -> Option<Timestamp> {
    if let Some(text) = stem.get(..19)
        && let (Some((day, clock)), true) = (text.split_once('T'), text.is_ascii())
    {
        return time::parse(&format!("{day}T{}Z", clock.replace('-', ":"))).map(|parsed| parsed.at);
    }
    let day = stem.get(..10)?;
    time::parse(&format!("{day}T00:00:00Z")).map(|parsed| parsed.at)
}

/// A UUID in its usual form, in any case.
pub(crate) fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// The path of a new rollout at this time.
pub(crate) fn path_of(thread_id: &str, at: Timestamp) -> String {
    let text = at.to_string();
    let (day, clock) = text.split_once('T').unwrap_or((&text, ""));
    let seconds = clock.get(..8).unwrap_or_default().replace(':', "-");
    let folder = day.replace('-', "/");
    format!("{SESSIONS}/{folder}/rollout-{day}T{seconds}-{thread_id}.jsonl")
}

/// The path of a rollout in the archive.
pub(crate) fn archived(path: &[u8]) -> Vec<u8> {
    [ARCHIVE.as_bytes(), b"/", name_of(path)].concat()
}

/// The paths of a rollout in and outside of the archive, without its own.
pub(crate) fn other_places(path: &[u8]) -> Vec<Vec<u8>> {
    let places = [archived(path), unarchived(path)];
    // If it is in neither place, it may be moved to each.
    let others = places.into_iter().filter(|place| form(path).is_some() && place != path);
    others.collect()
}

/// The path of a rollout that is taken out of the archive: in the folder of the day
/// in its name; directly below `sessions` if the name has none.
pub(crate) fn unarchived(path: &[u8]) -> Vec<u8> {
    let name = name_of(path);
    let day = name.get(8..18).and_then(|day| std::str::from_utf8(day).ok());
    let is_day = |day: &&str| {
        day.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    };
    match day.filter(is_day) {
        Some(day) => {
            let folder = format!("{SESSIONS}/{}/", day.replace('-', "/"));
            [folder.as_bytes(), name].concat()
        }
        None => [SESSIONS.as_bytes(), b"/", name].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const THREAD: &str = "019b8d4f-004f-7000-8000-00000000004f";
    const SEGMENT: &str = "019b8d4f-004f-7003-8000-00000000004f";

    #[test]
    fn a_rollout_is_told_by_its_name_wherever_it_lies() {
        for (path, expected) in [
            ("sessions/2026/01/02/rollout-x.jsonl", Some(Form::Plain)),
            ("sessions/rollout-2026-01-02T03-04-05-x.jsonl.zst", Some(Form::Packed)),
            ("archived_sessions/a/rollout-.jsonl", Some(Form::Plain)),
            ("sessions/rollout-2025-04-16-x.json", Some(Form::Document)),
            ("sessions/2026/01/02/notes.txt", None),
            ("sessions/2026/01/02/rollout-x.jsonl.tmp", None),
            ("sessions/2026/01/02/xrollout-x.jsonl", None),
            ("history.jsonl", None),
        ] {
            assert_eq!(form(path.as_bytes()), expected, "{path}");
        }
    }

    #[test]
    fn a_name_gives_thread_segment_and_time() {
        let path = format!("sessions/rollout-2026-03-25T09-05-00-{THREAD}_{SEGMENT}.jsonl.zst");
        let read = name(path.as_bytes());
        assert_eq!(read.thread_id.as_deref(), Some(THREAD));
        assert_eq!(read.segment_id.as_deref(), Some(SEGMENT));
        assert_eq!(read.at.unwrap().to_string(), "2026-03-25T09:05:00.000Z");

        let upper = format!("rollout-2026-13-45T09-00-00-{}.jsonl", THREAD.to_uppercase());
        let read = name(upper.as_bytes());
        assert_eq!((read.thread_id.as_deref(), read.at), (Some(THREAD), None));
        assert_eq!(name(b"rollout-.jsonl"), Name::default());
        let old = name(format!("rollout-2025-04-16-{THREAD}.json").as_bytes());
        assert_eq!(old.at.unwrap().to_string(), "2025-04-16T00:00:00.000Z");
        assert_eq!(old.thread_id.as_deref(), Some(THREAD));
    }

    #[test]
    fn a_file_goes_to_the_archive_and_back_to_its_day() {
        let at = Timestamp::parse("2026-03-25T09:05:00.999Z").unwrap();
        let path = path_of(THREAD, at);
        assert_eq!(path, format!("sessions/2026/03/25/rollout-2026-03-25T09-05-00-{THREAD}.jsonl"));
        let archive = archived(path.as_bytes());
        assert!(is_archived(&archive) && !is_archived(path.as_bytes()));
        assert_eq!(unarchived(&archive), path.as_bytes());
        assert_eq!(unarchived(b"archived_sessions/rollout-x.jsonl"), b"sessions/rollout-x.jsonl");
    }
}
