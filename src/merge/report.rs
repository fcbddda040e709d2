//! The result of a merge.

use std::path::PathBuf;

use crate::model::{as_object, shown_path};

/// What a merge did: numbers of files, unless noted otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MergeReport {
    /// Files that were not here before.
    pub new: u64,
    /// Logs that had continued only in the other store.
    pub longer: u64,
    /// Logs that had continued in both, and documents that had changed in both.
    pub united: u64,
    /// Files that contained nothing new.
    pub unchanged: u64,
    /// Files that were added beside something else that has their path here.
    pub kept: Vec<KeptAside>,
    /// What was not taken over.
    pub refused: Vec<Refused>,
    /// Files of sessions that were purged here, which were skipped.
    pub purged: u64,
    /// Lines that were added.
    pub lines: u64,
    /// Decisions that were added: archive, tags, metadata and others.
    pub events: u64,
}

as_object! { MergeReport {
    new, longer, united, unchanged, kept, refused, purged, lines, events,
} }

impl MergeReport {
    /// Returns whether the merge changed the store.
    pub fn is_change(&self) -> bool {
        let files = self.new + self.longer + self.united;
        0 < files + self.events || !self.kept.is_empty()
    }
}

/// A file of the other store that differs from what this store has at its path: a log
/// of another session, or one that was changed in place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeptAside {
    /// Its path below its root.
    pub file: PathBuf,
    /// The path that it has now, if it became a session of its own.
    pub kept_as: PathBuf,
    /// The generation that holds it, if it became a generation of an existing file.
    pub generation: Option<i64>,
}

as_object! { KeptAside { file by shown_path, kept_as by shown_path, generation, } }

/// A file, or the events of a session, that were not taken over.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refused {
    /// Its path below its root.
    pub file: PathBuf,
    /// Why.
    pub reason: String,
}

as_object! { Refused { file by shown_path, reason, } }
