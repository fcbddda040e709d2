//! Kward's session files, versions 1 and 2.
//!
//! A file is a log of records, one JSON object per line, ended by LF. Readers
//! accept keys in any order and ignore those they do not know. Messages,
//! compactions and branch summaries are the entries of a tree; leaf records move
//! the leaf; the rest is metadata.
//!
//! Where Kward fails, this reader continues. A line that is nested deeper than 100
//! or contains NaN is understood and reported. A line that is not an object is
//! reported and skipped. Entries of version 1, which have no ids, are numbered and
//! chained.

mod display;
pub(super) mod handle;
mod layout;
mod markdown;
mod parse;
mod restore;
mod stored;
mod text;
mod tools;
mod write;

pub(crate) use text::stored_text;

use super::meaning::{KeptMessages, Meaning, Part, Transcript, TreeText};
use super::rules::{Labels, Leaf, Rules, SystemPrompt};
use super::{Chains, Program, Spelling};
use crate::model::{Compaction, Draft, Record, Role, Step, Stored, Timestamp};

/// Kward.
pub(super) struct Kward;

pub(super) static PROGRAM: Program = Program {
    name: "kward",
    rules: Rules {
        leaf: Leaf::Record,
        labels: Labels::Last,
        system_prompt: SystemPrompt::Record,
        reports_usage: false,
        depth: parse::MAX_DEPTH,
        ..Rules::PLAIN
    },
    layout: &Kward,
    meaning: &Kward,
    spelling: &Kward,
    projection: &Chains,
    live: &Chains,
    extras: &Kward,
};

impl Meaning for Kward {
    fn parse(&self, line: &[u8]) -> Record {
        parse::parse(line)
    }

    /// Version 1 has no ids: messages form a chain.
    fn is_linear(&self, version: Option<&Stored>) -> bool {
        matches!(version, Some(Stored::Json(number)) if number == "1" || number == "1.0")
    }

    fn role(&self, role: Option<&str>) -> Role {
        restore::role(role)
    }

    fn restore(&self, path: &[Step], kept: &[(i64, Option<KeptMessages>)]) -> Vec<Step> {
        restore::restore(path, kept)
    }

    fn kept_position(&self, first_kept: &Stored) -> Option<usize> {
        restore::kept_position(&stored_text(first_kept))
    }

    fn messages(
        &self,
        _version: Option<&Stored>,
        line: &[u8],
        _edit: Option<&[u8]>,
        instead: &str,
    ) -> Vec<String> {
        parse::message(line, instead).into_iter().collect()
    }

    fn preview(&self, line: &[u8]) -> String {
        parse::preview(line)
    }

    fn full_text(&self, line: &[u8]) -> String {
        parse::full_text(line)
    }

    fn tree_text(&self, line: &[u8]) -> TreeText {
        display::tree_text(line)
    }

    fn parts(&self, message: &str) -> (String, Vec<Part>) {
        display::parts(message)
    }

    fn content_parts(&self, line: &[u8], _tools: bool) -> Vec<Part> {
        display::content_parts(line)
    }

    fn markdown(&self, transcript: &Transcript<'_>) -> String {
        markdown::markdown(transcript.messages.iter().map(String::as_str))
    }
}

impl Spelling for Kward {
    fn serialise(&self, draft: &Draft<'_>, at: Timestamp) -> Option<String> {
        write::serialise(draft, at)
    }

    fn compaction(&self, new: &Compaction) -> Option<String> {
        Some(write::compaction(new))
    }

    fn compaction_keys(&self) -> &'static str {
        "role (compactionSummary), summary, first_kept_entry_id, tokens_before, from_hook, details"
    }

    fn refuse_compaction(&self, json: &str) -> Option<String> {
        write::refuse_compaction(json)
    }

    fn identified(&self, line: &[u8], id: &str, parent_id: Option<&str>) -> Option<String> {
        write::identified(line, id, parent_id)
    }
}
