//! Rules: the ways in which programs differ, as named facts.
//!
//! The fold, the import and the live session look at a rule. None of them asks
//! which program it is.

use crate::model::Timestamp;

/// Nanoseconds.
const MILLI: i128 = 1_000_000;

/// The rules of a format, for all of its sessions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) sessions: Sessions,
    pub(crate) logs: Logs,
    pub(crate) counts: Counts,
    pub(crate) activity: Activity,
    pub(crate) file_times: FileTimes,
    pub(crate) settings: Settings,
    pub(crate) leaf: Leaf,
    pub(crate) chain_ids: ChainIds,
    pub(crate) labels: Labels,
    pub(crate) compactions: Compactions,
    pub(crate) header: HeaderPlace,
    pub(crate) old_versions: OldVersions,
    pub(crate) system_prompt: SystemPrompt,
    pub(crate) tags: Tags,
    /// Whether messages report the tokens that they took.
    pub(crate) reports_usage: bool,
    /// How deeply nested a line may be for its program to read it.
    pub(crate) depth: usize,
}

impl Rules {
    /// The rules of a program with one log per session, whose entries all have ids,
    /// and which has no records for moved leaves and labels. Each format states where
    /// it differs.
    pub(crate) const PLAIN: Self = Self {
        sessions: Sessions::File,
        logs: Logs::Appended,
        counts: Counts::Branch,
        activity: Activity::Last,
        file_times: FileTimes::Exact,
        settings: Settings::Session,
        leaf: Leaf::Event,
        chain_ids: ChainIds::Given,
        labels: Labels::Event,
        compactions: Compactions::Chained,
        header: HeaderPlace::Anywhere,
        old_versions: OldVersions::Written,
        system_prompt: SystemPrompt::Message,
        tags: Tags::Any,
        reports_usage: true,
        depth: 100,
    };
}

/// What a session is at its root.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// One log.
    File,
    /// Several files, folded together.
    Folder,
}

/// How a program writes its logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logs {
    /// It appends: two programs that write one log append one after the other.
    Appended,
    /// It writes logs anew, and rotates the old ones.
    Rewritten,
}

/// What the number of messages and the first prompt are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    /// The active branch.
    Branch,
    /// Every line of the file.
    File,
}

/// Which record says when a session was last active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// The last one; without any, the time of the file counts.
    Last,
    /// The one with the latest time; without any, the header's time counts.
    Latest,
}

/// The precision with which the program reads the time of a file, where that counts
/// as a session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FileTimes {
    Exact,
    /// To the nearest millisecond.
    Millis,
}

impl FileTimes {
    pub(crate) fn told(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Exact => at,
            Self::Millis => {
                let millis = (i128::from(at.0) + MILLI / 2).div_euclid(MILLI);
                Timestamp(i64::try_from(millis * MILLI).unwrap_or(at.0))
            }
        }
    }
}

/// How long provider, model and effort stay in effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    /// In the whole session, until they are set again.
    Session,
    /// On the branch of the entry that sets them.
    Branch,
}

/// How many tags a session can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tags {
    /// Any number: tags are events.
    Any,
    /// One: it is a record of the program, of which the last one counts.
    One,
}

/// What moves the leaf to an existing entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// A record of the log.
    Record,
    /// An event, since the log has no record for it.
    Event,
}

/// The ids of entries that form a chain, as in first versions of a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChainIds {
    /// An entry with an id keeps it.
    Given,
    /// All are numbered, whatever ids they have.
    Numbered,
}

/// What sets a label, and the position of a label that is set again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// A record; the position of the last time.
    Last,
    /// A record; the position of the first time.
    First,
    /// An event, since the log has no record for it; the position of the last time.
    Event,
}

/// How several compactions on one path work together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compactions {
    /// Each builds on the one before it.
    Chained,
    /// Only the last counts, whatever older ones kept.
    Last,
}

/// Where a header may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderPlace {
    Anywhere,
    /// Before every other record; the program cannot open the file otherwise.
    First,
    /// Nowhere in the file: its name gives the id, and records the rest.
    FileName,
}

/// Whether sessions of a version without ids can be appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OldVersions {
    Written,
    ReadOnly,
}

/// Where a session keeps its system prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SystemPrompt {
    /// In a record of its own, outside the tree.
    Record,
    /// In a message like any other.
    Message,
}
