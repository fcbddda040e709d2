//! pi's session files, versions 1 to 3.
//!
//! A file is a log of records, one JSON object per line, ended by LF; the first is
//! the header. All others are entries of a tree, including labels and names, and
//! the last of them is the leaf. Version 1 has no ids: its entries form a chain.
//! When pi opens such a file, it gives the entries random ids and drops what it
//! cannot parse; here they have ids by position, and nothing is rewritten.
//!
//! Where pi drops a line, gives up on a file or does not terminate, this reader
//! continues and reports it.

mod complete;
mod context;
mod date;
mod display;
pub(super) mod handle;
mod layout;
mod legacy;
mod live;
mod parse;
mod shared;
mod stored;
mod text;
mod version;
mod write;

use super::meaning::{KeptMessages, Meaning, NamedModel, Part, Transcript, TreeText};
use super::rules::{
    Activity, ChainIds, Compactions, Counts, FileTimes, HeaderPlace, Labels, OldVersions, Rules,
    Settings,
};
use super::{Chains, Program, Spelling};
use crate::model::{Compaction, Draft, Record, Role, Step, Stored, Timestamp};

/// pi.
pub(super) struct Pi;

pub(super) static PROGRAM: Program = Program {
    name: "pi",
    rules: Rules {
        counts: Counts::File,
        activity: Activity::Latest,
        file_times: FileTimes::Millis,
        settings: Settings::Branch,
        chain_ids: ChainIds::Numbered,
        labels: Labels::First,
        compactions: Compactions::Last,
        header: HeaderPlace::First,
        old_versions: OldVersions::ReadOnly,
        depth: 2_000,
        ..Rules::PLAIN
    },
    layout: &Pi,
    meaning: &Pi,
    spelling: &Pi,
    projection: &Chains,
    live: &Pi,
    extras: &Pi,
};

impl Meaning for Pi {
    fn parse(&self, line: &[u8]) -> Record {
        parse::parse(line)
    }

    fn is_linear(&self, version: Option<&Stored>) -> bool {
        version::is_linear(version)
    }

    fn is_current(&self, version: Option<&Stored>) -> bool {
        version::is_current(version)
    }

    fn role(&self, role: Option<&str>) -> Role {
        match role {
            Some("user") => Role::Prompt,
            Some("compactionSummary") => Role::CompactionSummary,
            Some("assistant" | "toolResult") => Role::Counted,
            Some("system") => Role::System,
            _ => Role::Other,
        }
    }

    fn is_answer(&self, role: Option<&str>) -> bool {
        role == Some("toolResult")
    }

    fn restore(&self, path: &[Step], kept: &[(i64, Option<KeptMessages>)]) -> Vec<Step> {
        context::restore(path, kept)
    }

    fn kept_position(&self, first_kept: &Stored) -> Option<usize> {
        parse::kept_position(first_kept)
    }

    fn messages(
        &self,
        version: Option<&Stored>,
        line: &[u8],
        edit: Option<&[u8]>,
        instead: &str,
    ) -> Vec<String> {
        context::messages(version, line, edit, instead)
    }

    fn edit_target(&self, line: &[u8]) -> Option<String> {
        context::edit_target(line)
    }

    fn first_message(&self, line: &[u8]) -> Stored {
        context::first_message(line)
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

    fn markdown(&self, transcript: &Transcript<'_>) -> String {
        display::markdown(transcript)
    }
}

impl Spelling for Pi {
    fn serialise(&self, draft: &Draft<'_>, at: Timestamp) -> Option<String> {
        write::serialise(draft, at)
    }

    fn compaction(&self, new: &Compaction) -> Option<String> {
        Some(write::compaction(new))
    }

    fn compaction_keys(&self) -> &'static str {
        "summary, firstKeptEntryId, tokensBefore, details"
    }

    fn identified(&self, line: &[u8], id: &str, parent_id: Option<&str>) -> Option<String> {
        write::identified(line, id, parent_id)
    }

    fn relinked(
        &self,
        line: &[u8],
        parent_id: Option<&str>,
        first_kept: Option<&str>,
    ) -> Option<String> {
        write::relinked(line, parent_id, first_kept)
    }
}
