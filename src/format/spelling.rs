//! The facet of spelling: a record to be written, in the bytes that its program would have written.

use crate::model::{Compaction, Draft, Timestamp};

/// How records are written.
///
/// The defaults are those of a program whose files nothing is appended to:
/// what it has no record for is kept as an event.
pub(crate) trait Spelling: Sync {
    /// The line of a record; `None` for what the format has no record for.
    fn serialise(&self, _draft: &Draft<'_>, _at: Timestamp) -> Option<String> {
        None
    }

    /// What is handed to `Live::compact`: JSON; `None` for a
    /// format without them.
    fn compaction(&self, _new: &Compaction) -> Option<String> {
        None
    }

    /// The keys of a compaction, for those who hand over its JSON.
    fn compaction_keys(&self) -> &'static str {
        ""
    }

    /// Why JSON that is handed over is no compaction; `None` where it is one.
    fn refuse_compaction(&self, _json: &str) -> Option<String> {
        None
    }

    /// The line of an entry with its id and parent said; `None` for a line that is no record.
    fn identified(&self, _line: &[u8], _id: &str, _parent_id: Option<&str>) -> Option<String> {
        None
    }

    /// The line of an entry with another parent, and with another entry that a
    /// compaction keeps from; `None` for a line that is no record.
    fn relinked(
        &self,
        _line: &[u8],
        _parent_id: Option<&str>,
        _first_kept: Option<&str>,
    ) -> Option<String> {
        None
    }
}
