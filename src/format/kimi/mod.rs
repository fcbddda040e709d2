//! Kimi's share directory, as its command line wrote it from the first release to
//! 1.52.
//!
//! A session is a folder of files: the context that the model sees, the wire that
//! the user saw, a state, sub-agents. Text is read as Python does: lines end in LF,
//! CRLF or CR, and JSON may contain NaN, integers of any length and lone
//! surrogates.

pub(crate) mod context;
mod display;
pub(crate) mod fork;
pub(super) mod handle;
mod lax;
pub(crate) mod layout;
mod live;
mod markdown;
mod payload;
pub(crate) mod registry;
pub(crate) mod state;
pub(crate) mod stored;
pub(crate) mod subagents;
pub(crate) mod text;
pub(crate) mod titles;
mod union;
pub(crate) mod wire;

use layout::Part as FilePart;

use super::meaning::{Meaning, Part, Transcript, TreeText};
use super::rules::{Logs, Rules, Sessions};
use super::{Home, Layout, Program, Spelling, Versions};
use crate::model::{ProblemKind, Record, Stored, Timestamp};

/// Kimi.
pub(super) struct Kimi;

pub(super) static PROGRAM: Program = Program {
    name: "kimi",
    rules: Rules {
        sessions: Sessions::Folder,
        logs: Logs::Rewritten,
        reports_usage: false,
        depth: usize::MAX,
        ..Rules::PLAIN
    },
    layout: &Kimi,
    meaning: &Kimi,
    spelling: &Kimi,
    projection: &Kimi,
    live: &Kimi,
    extras: &Kimi,
};

impl Layout for Kimi {
    fn resume_command(&self, id: &str, _file: &str) -> Option<String> {
        Some(format!("kimi --session {id}"))
    }

    fn home(&self) -> Option<Home> {
        Some(Home { variable: "KIMI_SHARE_DIR", names_a_file: false, folder: ".kimi" })
    }

    fn covered(&self) -> &'static [&'static str] {
        &[layout::REGISTRY, "sessions", "imported_sessions"]
    }

    fn is_log(&self, path: &[u8]) -> bool {
        layout::is_log(path)
    }

    fn recognises(&self, path: &[u8], _first_line: &[u8]) -> bool {
        layout::recognises(path)
    }

    fn units(&self, path: &[u8], is_folder: bool) -> Vec<Vec<u8>> {
        layout::stems(path, is_folder)
    }

    fn sessions_of_path(&self, path: &[u8], is_folder: bool) -> Vec<String> {
        let name = |stem: Vec<u8>| {
            let name = stem.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
            layout::session_id(&String::from_utf8_lossy(name))
        };
        layout::stems(path, is_folder).into_iter().map(name).collect()
    }

    fn is_shared(&self, path: &[u8]) -> bool {
        path == layout::REGISTRY.as_bytes()
    }

    fn renamed_from(&self, path: &[u8]) -> Option<Vec<u8>> {
        layout::renamed_from(path)
    }

    fn rotated_to(&self, path: &[u8], n: u32) -> Option<Vec<u8>> {
        layout::rotated_to(path, n)
    }

    fn session_of<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        layout::session_of(path)
    }

    fn union(&self, path: &[u8], versions: &Versions<'_>) -> Option<Vec<u8>> {
        match layout::part(path) {
            FilePart::State => union::states(versions),
            _ if path == layout::REGISTRY.as_bytes() => union::registries(versions),
            _ => None,
        }
    }

    fn line_end(&self, bytes: &[u8]) -> Option<usize> {
        text::line_end(bytes)
    }

    fn last_line_end(&self, bytes: &[u8]) -> Option<usize> {
        text::last_line_end(bytes)
    }

    fn path_of(&self, _cwd: &str, _session_id: &str, _at: Timestamp) -> Option<String> {
        None
    }
}

impl Meaning for Kimi {
    /// A line only has a meaning together with the other files of its session.
    fn parse(&self, _line: &[u8]) -> Record {
        Record::default()
    }

    fn line_problems(&self, path: &[u8], line: &[u8]) -> Vec<(ProblemKind, String)> {
        match layout::part(path) {
            FilePart::Wire | FilePart::SubagentWire(_) => wire::parse(line).problems,
            _ => context::parse(line).problems,
        }
    }

    fn messages(
        &self,
        _version: Option<&Stored>,
        line: &[u8],
        _edit: Option<&[u8]>,
        instead: &str,
    ) -> Vec<String> {
        context::message(line, instead).into_iter().collect()
    }

    fn preview(&self, line: &[u8]) -> String {
        display::preview(line)
    }

    fn full_text(&self, line: &[u8]) -> String {
        display::full_text(line)
    }

    fn tree_text(&self, line: &[u8]) -> TreeText {
        display::tree_text(line)
    }

    fn parts(&self, message: &str) -> (String, Vec<Part>) {
        display::parts(message)
    }

    fn markdown(&self, transcript: &Transcript<'_>) -> String {
        markdown::markdown(transcript)
    }
}

/// Nothing is appended to Kimi's logs: changes go into the state, or are events.
impl Spelling for Kimi {}
