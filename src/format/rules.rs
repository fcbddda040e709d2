//! The rules in which programs differ, as named facts.
//!
//! The fold, the import and the live session ask for a rule by its name. None
//! of them asks which program it is.

use crate::model::Timestamp;

/// Nanoseconds.
const MILLI: i128 = 1_000_000;

/// What holds for every session of a format.
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
    /// How many containers, one inside another, its program reads in a line.
    pub(crate) depth: usize,
}

impl Rules {
    /// The rules of a program with one log a session, whose entries all have
    /// ids, and which has no record for a moved leaf or a label. Each format
    /// says where it differs.
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

/// What a program does with its logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Logs {
    /// It adds to them: two who write one follow one another.
    Appended,
    /// It writes them anew, and puts the old ones aside.
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

/// How finely the program tells the time of a file, where that counts for a session's.
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

/// How long provider, model and effort hold once they are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Settings {
    /// In the whole session, until they are set again.
    Session,
    /// On the branch of the entry that sets them.
    Branch,
}

/// What moves the leaf to an entry that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaf {
    /// A record of the log.
    Record,
    /// Nothing in the log: it is an event.
    Event,
}

/// The ids of entries that simply follow one another, as in a first version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChainIds {
    /// An entry that gives an id keeps it.
    Given,
    /// All are numbered, whatever they give.
    Numbered,
}

/// What sets a label, and the place of one that is set again among the session's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Labels {
    /// A record; where it was set last.
    Last,
    /// A record; where it was set first.
    First,
    /// Nothing in the log: it is an event. Where it was set last.
    Event,
}

/// What several compactions on one path do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compactions {
    /// Each stands upon the one before it.
    Chained,
    /// The last alone counts, whatever an older one kept.
    Last,
}

/// Where a header may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderPlace {
    Anywhere,
    /// Before every other record: the program cannot open the file otherwise.
    First,
    /// Nowhere in the file: its name says the id, and records the rest.
    FileName,
}

/// Whether sessions of a version without ids are appended to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OldVersions {
    Written,
    ReadOnly,
}

/// Where a session keeps its system prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SystemPrompt {
    /// In a record of its own, outside of the tree.
    Record,
    /// In a message, as any other.
    Message,
}
