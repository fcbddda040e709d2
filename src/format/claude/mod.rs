//! Claude Code's transcripts, from its first releases to 2.1.
//!
//! A session is a log of records below `projects/<work dir>`, named by its id and
//! without a header. Records with a uuid are the nodes of a tree. Which branch is
//! the conversation follows from the whole transcript, and so do title, tag and
//! work dir. Its sub-agents have transcripts of their own, in the session's folder
//! or beside it; they are sessions that lists leave out.
//!
//! The reference for the meaning of a transcript is the program's own Agent SDK,
//! except that the SDK searches parts of the file as text, and here all of it is
//! parsed.

mod chain;
mod compaction;
mod display;
mod facts;
mod layout;
mod live;
mod parse;
mod prompt;
mod results;
mod stored;
mod summary;
mod tags;
mod text;
mod write;

use super::meaning::{Meaning, NamedModel, Part, TreeText};
use super::rules::{HeaderPlace, Rules, Tags};
use super::{Program, Spelling};
use crate::model::{Compaction, Record, Stored};

/// Claude Code.
pub(super) struct Claude;

pub(super) static PROGRAM: Program = Program {
    name: "claude",
    rules: Rules { header: HeaderPlace::FileName, tags: Tags::One, depth: 2_000, ..Rules::PLAIN },
    layout: &Claude,
    meaning: &Claude,
    spelling: &Claude,
    projection: &Claude,
    live: &Claude,
    extras: &Claude,
};

impl Meaning for Claude {
    fn parse(&self, line: &[u8]) -> Record {
        parse::parse(line)
    }

    fn messages(
        &self,
        _version: Option<&Stored>,
        line: &[u8],
        _edit: Option<&[u8]>,
        instead: &str,
    ) -> Vec<String> {
        display::message(line, instead).into_iter().collect()
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

/// `live` makes the lines, because records of this program need more than a draft
/// contains.
impl Spelling for Claude {
    fn compaction(&self, new: &Compaction) -> Option<String> {
        Some(compaction::spelt(new))
    }

    fn compaction_keys(&self) -> &'static str {
        compaction::KEYS
    }

    fn refuse_compaction(&self, json: &str) -> Option<String> {
        compaction::refused(json)
    }
}
