//! What a merge found.

use std::path::PathBuf;

/// What a merge did, in files unless it says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    /// Not here before.
    pub new: u64,
    /// Logs that went on in the other store alone.
    pub longer: u64,
    /// Logs that went on in both, and documents that changed in both.
    pub united: u64,
    /// Nothing of which was not here.
    pub unchanged: u64,
    /// What has a place of its own beside what is here.
    pub kept: Vec<KeptAside>,
    /// What was not taken over.
    pub refused: Vec<Refused>,
    /// Of sessions that were purged here, and passed by.
    pub purged: u64,
    /// Lines that were not here.
    pub lines: u64,
    /// Decisions that were not known here: archive, tags, metadata …
    pub events: u64,
}

impl MergeReport {
    /// Whether the store is another than before.
    pub fn is_change(&self) -> bool {
        let files = self.new + self.longer + self.united;
        0 < files + self.events || !self.kept.is_empty()
    }
}

/// A file of the other store that is not what this one has at its path: a log of
/// another session, or what was changed in place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptAside {
    /// Below its root.
    pub file: PathBuf,
    /// Where a session of its own is now.
    pub kept_as: PathBuf,
    /// The generation that holds it, where it is one of what is here.
    pub generation: Option<i64>,
}

/// A file, or what was decided of a session, that was not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Below its root.
    pub file: PathBuf,
    /// Why.
    pub reason: String,
}
