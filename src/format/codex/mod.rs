//! Codex's home folder, as its command line wrote it from April 2025 to 0.171.
//!
//! A thread is a rollout: a log of records in envelopes, or after a revert several
//! logs, of which one is the head. A log may begin at a byte of another log, be
//! compressed, or be in the archive. Names are in an index file. What the program
//! looks up in its database is determined from the files here.

mod context;
mod display;
mod item;
mod layout;
mod live;
mod meta;
mod names;
mod record;
mod shape;
mod shapes;
mod stored;
mod turns;
mod write;

use super::meaning::{Meaning, NamedModel, Part, TreeText};
use super::rules::{Rules, Sessions};
use super::{Home, Layout, Program, Spelling, Unpacker};
use crate::model::{Change, HeaderRecord, ProblemKind, Record, Role, Stored, Timestamp};

/// Codex.
pub(super) struct Codex;

pub(super) static PROGRAM: Program = Program {
    name: "codex",
    rules: Rules { sessions: Sessions::Folder, depth: record::DEPTH, ..Rules::PLAIN },
    layout: &Codex,
    meaning: &Codex,
    spelling: &Codex,
    projection: &Codex,
    live: &Codex,
    extras: &Codex,
};

impl Layout for Codex {
    fn resume_command(&self, id: &str, _file: &str) -> Option<String> {
        Some(format!("codex resume {id}"))
    }

    fn home(&self) -> Option<Home> {
        Some(Home { variable: "CODEX_HOME", names_a_file: false, folder: ".codex" })
    }

    fn covered(&self) -> &'static [&'static str] {
        &[layout::SESSIONS, layout::ARCHIVE, layout::NAMES, layout::HISTORY]
    }

    fn has_inner_roots(&self) -> bool {
        true
    }

    fn is_log(&self, path: &[u8]) -> bool {
        layout::form(path) == Some(layout::Form::Plain) || path == layout::NAMES.as_bytes()
    }

    fn recognises(&self, path: &[u8], _first_line: &[u8]) -> bool {
        layout::recognises(path)
    }

    fn units(&self, path: &[u8], _is_folder: bool) -> Vec<Vec<u8>> {
        layout::form(path).map(|_| layout::place(path).to_vec()).into_iter().collect()
    }

    fn other_places(&self, path: &[u8]) -> Vec<Vec<u8>> {
        layout::other_places(path)
    }

    fn unpacker(&self, path: &[u8]) -> Option<Unpacker> {
        stored::packed::unpacker(path)
    }

    fn is_shared(&self, path: &[u8]) -> bool {
        path == layout::NAMES.as_bytes()
    }

    fn speaks_of(&self, line: &[u8], session_id: &str) -> bool {
        names::thread(line).is_some_and(|id| id == session_id.to_lowercase())
    }

    fn sessions_of_path(&self, path: &[u8], is_folder: bool) -> Vec<String> {
        match layout::form(path) {
            Some(_) if !is_folder => layout::name(path).thread_id.into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn new_session_id(&self) -> String {
        uuid::Uuid::now_v7().to_string()
    }

    fn path_of(&self, _cwd: &str, session_id: &str, at: Timestamp) -> Option<String> {
        Some(layout::path_of(session_id, at))
    }
}

impl Meaning for Codex {
    /// What a line says by itself: when it was written, and which thread it begins.
    fn parse(&self, line: &[u8]) -> Record {
        let parsed = record::parse(line);
        let mut record = Record { problems: parsed.problems, ..Record::default() };
        let Some(found) = parsed.record else {
            record.at = names::at(line);
            return record;
        };
        record.at = found.at();
        if let record::Body::Meta(payload) = found.body {
            let meta = meta::Meta::read(payload, &mut Vec::new());
            record.change = Some(Change::Header(Box::new(HeaderRecord {
                session_id: meta.thread_id,
                created_at: meta.began_at,
                work_dir: meta.cwd,
                ..HeaderRecord::default()
            })));
        }
        record
    }

    fn line_problems(&self, path: &[u8], line: &[u8]) -> Vec<(ProblemKind, String)> {
        match path == layout::NAMES.as_bytes() {
            true => names::Names::default().take(line).into_iter().collect(),
            // In old files, lines have no envelope.
            false if record::parse_bare(line).record.is_some() => Vec::new(),
            false => record::parse(line).problems,
        }
    }

    fn role(&self, role: Option<&str>) -> Role {
        match role {
            Some("user") => Role::Prompt,
            Some("assistant" | "tool") => Role::Counted,
            Some("system" | "developer") => Role::System,
            _ => Role::Other,
        }
    }

    fn messages(
        &self,
        _version: Option<&Stored>,
        line: &[u8],
        _edit: Option<&[u8]>,
        instead: &str,
    ) -> Vec<String> {
        context::messages(line, instead)
    }

    fn preview(&self, line: &[u8]) -> String {
        display::preview(line)
    }

    fn full_text(&self, line: &[u8]) -> String {
        context::said_by(line).trim().to_owned()
    }

    fn tree_text(&self, line: &[u8]) -> TreeText {
        display::tree_text(line)
    }

    fn model(&self, line: &[u8]) -> Option<NamedModel> {
        display::model(line)
    }

    fn parts(&self, message: &str) -> (String, Vec<Part>) {
        display::parts(message)
    }

    fn content_parts(&self, line: &[u8], tools: bool) -> Vec<Part> {
        display::content_parts(line, tools)
    }
}

/// Only records that are given whole are written.
impl Spelling for Codex {}
