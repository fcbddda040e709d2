//! What the paths below the program's folder mean.
//!
//! A root may be that folder, its `projects`, or the folder of one project. The
//! first name of a path shows which.

use super::Claude;
use super::text::object;
use crate::format::{Home, Layout};
use crate::model::{HeaderRecord, Timestamp};

/// The longest name of a work dir's folder, without the hash of longer paths.
const MAX_FOLDER: usize = 200;

/// The role of a path in its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// `<session>.jsonl` in the folder of a project.
    Transcript {
        session_id: &'a str,
    },
    /// `agent-<id>.jsonl` beside the transcripts, as releases before 2.1 wrote it.
    OldAgent {
        agent_id: &'a str,
    },
    /// `<session>/subagents/…/agent-<id>.jsonl`.
    Agent {
        session_id: &'a str,
        agent_id: &'a str,
    },
    /// Anything else below `<session>/`, or that folder.
    Inside {
        session_id: &'a str,
    },
    Other,
}

/// A path, split into names.
pub(super) struct Split<'a> {
    /// The folder of the project with a trailing slash; empty if that is the root.
    pub(super) project: &'a [u8],
    pub(super) place: Place<'a>,
}

pub(super) fn split(path: &[u8]) -> Split<'_> {
    let below = path.strip_prefix(b"projects/");
    let rest = match below {
        Some(below) => behind_first(below),
        None if begins_in_project(path) => path,
        // A work dir's path contains a slash, which becomes a dash.
        None if first_name(path).contains(&b'-') => behind_first(path),
        None => &[],
    };
    let project = if rest.is_empty() { 0 } else { path.len() - rest.len() };
    let place = std::str::from_utf8(rest).map_or(Place::Other, place_in_project);
    Split { project: &path[..project], place }
}

fn first_name(path: &[u8]) -> &[u8] {
    path.split(|byte| *byte == b'/').next().unwrap_or_default()
}

/// What follows the first name of a path; empty if there is nothing.
fn behind_first(path: &[u8]) -> &[u8] {
    path.get(first_name(path).len() + 1..).unwrap_or_default()
}

/// Whether a path starts below the folder of a project.
fn begins_in_project(path: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(first_name(path)) else { return false };
    !matches!(place_in_project(name), Place::Other)
}

fn place_in_project(path: &str) -> Place<'_> {
    let Some((session_id, below)) = path.split_once('/') else {
        let stem = path.strip_suffix(".jsonl");
        return match (stem, stem.and_then(agent)) {
            (Some(session_id), _) if is_session_id(session_id) => Place::Transcript { session_id },
            (_, Some(agent_id)) => Place::OldAgent { agent_id },
            _ if is_session_id(path) => Place::Inside { session_id: path },
            _ => Place::Other,
        };
    };
    if !is_session_id(session_id) {
        return Place::Other;
    }
    let name = below.rsplit('/').next().unwrap_or(below);
    match name.strip_suffix(".jsonl").and_then(agent) {
        Some(agent_id) if below.starts_with("subagents/") => Place::Agent { session_id, agent_id },
        _ => Place::Inside { session_id },
    }
}

fn agent(stem: &str) -> Option<&str> {
    stem.strip_prefix("agent-")
}

/// `8-4-4-4-12` hex digits, in either case.
pub(super) fn is_session_id(name: &str) -> bool {
    let lengths = name.split('-').map(|part| {
        let is_hex = part.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { part.len() } else { 0 }
    });
    lengths.eq([8, 4, 4, 4, 12])
}

/// The document that describes the agent of a log.
pub(super) fn sidecar(log: &[u8]) -> Vec<u8> {
    let stem = log.strip_suffix(b".jsonl").unwrap_or(log);
    [stem, b".meta.json"].concat()
}

/// The folder of the project in which a document describes an agent of old releases.
fn project_of_sidecar(path: &[u8]) -> Option<Vec<u8>> {
    let stem = path.strip_suffix(b".meta.json")?;
    let log = [stem, b".jsonl"].concat();
    let Split { project, place } = split(&log);
    matches!(place, Place::OldAgent { .. }).then(|| project.to_vec())
}

impl Layout for Claude {
    /// An agent's file is no session of its own.
    fn resume_command(&self, id: &str, file: &str) -> Option<String> {
        let is_session =
            uuid::Uuid::parse_str(id).is_ok() && file.ends_with(&format!("/{id}.jsonl"));
        is_session.then(|| format!("claude --resume {id}"))
    }

    fn home(&self) -> Option<Home> {
        Some(Home { variable: "CLAUDE_CONFIG_DIR", names_a_file: false, folder: ".claude" })
    }

    fn covered(&self) -> &'static [&'static str] {
        &["projects", "todos", "history.jsonl"]
    }

    fn is_log(&self, path: &[u8]) -> bool {
        matches!(
            split(path).place,
            Place::Transcript { .. } | Place::OldAgent { .. } | Place::Agent { .. }
        )
    }

    fn is_part(&self, path: &[u8]) -> bool {
        matches!(split(path).place, Place::OldAgent { .. } | Place::Agent { .. })
    }

    /// By its name; for a name elsewhere, also by its first record. A session can have
    /// thousands of agents, which then are found before it.
    fn recognises(&self, path: &[u8], first_line: &[u8]) -> bool {
        let Split { project, place } = split(path);
        if matches!(place, Place::Agent { .. }) {
            return project.starts_with(b"projects/");
        }
        matches!(place, Place::Transcript { .. })
            && (project.starts_with(b"projects/")
                || object(first_line).is_some_and(|record| {
                    record.get("sessionId").is_some()
                        || record.get("snapshot").is_some()
                        || record.get("leafUuid").is_some()
                }))
    }

    /// The session's own folder, and the project's, in which agents of old releases
    /// are.
    fn units(&self, path: &[u8], _is_folder: bool) -> Vec<Vec<u8>> {
        let Split { project, place } = split(path);
        let folder = |session_id: &str| [project, session_id.as_bytes()].concat();
        match place {
            Place::Transcript { session_id } => vec![folder(session_id), project.to_vec()],
            Place::OldAgent { .. } => vec![project.to_vec()],
            Place::Agent { session_id, .. } | Place::Inside { session_id } => {
                vec![folder(session_id)]
            }
            Place::Other => project_of_sidecar(path).into_iter().collect(),
        }
    }

    fn sessions_of_path(&self, path: &[u8], _is_folder: bool) -> Vec<String> {
        match split(path).place {
            Place::Transcript { session_id }
            | Place::Agent { session_id, .. }
            | Place::Inside { session_id } => vec![session_id.to_owned()],
            Place::OldAgent { .. } | Place::Other => Vec::new(),
        }
    }

    /// Only the file name contains the id.
    fn header_from_name(&self, path: &[u8]) -> Option<HeaderRecord> {
        let (session_id, parent_session_id) = match split(path).place {
            Place::Transcript { session_id } => (session_id.to_owned(), None),
            Place::OldAgent { agent_id } => (format!("agent-{agent_id}"), None),
            Place::Agent { session_id, agent_id } => {
                (format!("agent-{agent_id}"), Some(session_id.to_owned()))
            }
            Place::Inside { .. } | Place::Other => return None,
        };
        let session_id = Some(session_id);
        Some(HeaderRecord { session_id, parent_session_id, ..HeaderRecord::default() })
    }

    fn is_session_id(&self, id: &str) -> bool {
        is_session_id(id)
    }

    /// `projects/<work dir>/<id>.jsonl`.
    fn path_of(&self, cwd: &str, session_id: &str, _at: Timestamp) -> Option<String> {
        Some(format!("projects/{}/{session_id}.jsonl", folder_of(cwd)))
    }
}

/// The folder of a work dir: its path, with `-` for everything except letters and
/// digits.
fn folder_of(cwd: &str) -> String {
    let dash = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    let folder: String = cwd.chars().map(dash).collect();
    match folder.get(..MAX_FOLDER) {
        Some(start) if MAX_FOLDER < folder.len() => format!("{start}-{}", hash(cwd)),
        _ => folder,
    }
}

/// A hash that distinguishes long paths, in base 36.
fn hash(path: &str) -> String {
    let step = |hash: i32, c: char| hash.wrapping_mul(31).wrapping_add(u32::from(c) as i32);
    let mut left = path.chars().fold(0, step).unsigned_abs();
    let mut digits = Vec::new();
    while 0 < left || digits.is_empty() {
        digits.push(char::from_digit(left % 36, 36).unwrap_or('0'));
        left /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ABCDEF91-0000-4000-8000-0000000000ee";

    #[test]
    fn each_path_has_its_place_below_whatever_root() {
        for above in ["projects/-home-me/", "-home-me/", ""] {
            let check = |path: &str, expected: Place<'_>| {
                let path = format!("{above}{path}");
                let found = split(path.as_bytes());
                assert_eq!(found.place, expected, "{path}");
                if expected != Place::Other {
                    assert_eq!(found.project, above.as_bytes(), "{path}");
                }
            };
            let session_id = ID;
            check(&format!("{ID}.jsonl"), Place::Transcript { session_id });
            check("agent-0a0b.jsonl", Place::OldAgent { agent_id: "0a0b" });
            let agent = Place::Agent { session_id, agent_id: "x" };
            check(&format!("{ID}/subagents/agent-x.jsonl"), agent);
            check(&format!("{ID}/subagents/workflows/w/agent-x.jsonl"), agent);
            check(&format!("{ID}/agent-x.jsonl"), Place::Inside { session_id });
            check(&format!("{ID}/tool-results/t.txt"), Place::Inside { session_id });
            check(ID, Place::Inside { session_id });
            check(&format!("{ID}.orphaned-1-ab.jsonl"), Place::Other);
            check("memory/agent-x.jsonl", Place::Other);
        }
        assert_eq!(split(b"history.jsonl").place, Place::Other);
        assert_eq!(split(b"projects/-home-me").place, Place::Other);
        assert_eq!(split(format!("todos/{ID}-agent-{ID}.json").as_bytes()).place, Place::Other);
    }

    #[test]
    fn a_work_dirs_folder_has_letters_digits_and_dashes() {
        assert_eq!(folder_of("/home/me/a_b.é"), "-home-me-a-b--");
        let long = format!("/{}", "x".repeat(250));
        let folder = folder_of(&long);
        assert!(folder.starts_with(&format!("-{}-", "x".repeat(199))), "{folder}");
        assert_eq!(hash(""), "0");
        assert_eq!(hash("/a/b"), "w1id");
    }
}
