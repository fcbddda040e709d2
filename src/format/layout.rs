//! The facet of paths and bytes: where a program keeps its files, and how they are cut into lines.

use crate::error::Result;
use crate::model::{HeaderRecord, Timestamp};

/// Hands each line that a whole document unpacks to on, end included; none of
/// one that cannot be unpacked to its end.
pub(crate) type Unpacker = fn(&[u8], &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;

/// Where a program's files lie, and what each of them is.
///
/// The defaults are those of a program that keeps one log a session below
/// `sessions`, whose lines end at LF.
pub(crate) trait Layout: Sync {
    /// Folders and files below a root that an import covers.
    fn covered(&self) -> &'static [&'static str] {
        &["sessions"]
    }

    /// Where the program keeps its files, where it has such a place.
    fn home(&self) -> Option<Home> {
        None
    }

    /// Whether the folder of sessions is a root, too, and one in it, where a
    /// session is several files. Of a program with one log a session it is.
    fn has_inner_roots(&self) -> bool {
        false
    }

    /// Whether a file of this name is a log of sessions.
    fn is_log(&self, path: &[u8]) -> bool;

    /// Whether the name or the first line of a file shows that this program wrote it.
    fn recognises(&self, path: &[u8], first_line: &[u8]) -> bool;

    /// The units that a file, link or folder of this path belongs to: what is
    /// folded together, under names of the format's own. None where each log is
    /// a session by itself.
    fn units(&self, _path: &[u8], _is_folder: bool) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Whether all sessions of a root depend on the file of this path.
    fn is_shared(&self, _path: &[u8]) -> bool {
        false
    }

    /// Whether a line of such a file is about this session, and about no other.
    fn speaks_of(&self, _line: &[u8], _session_id: &str) -> bool {
        false
    }

    /// Other paths below a root at which a file of this path may lie: its program moves
    /// a session that it puts away, say.
    fn other_places(&self, _path: &[u8]) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// The path that a file may have had before its program renamed it.
    fn renamed_from(&self, _path: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// The path that its program gives a log of this path when it puts it aside to
    /// begin another, the `n`th; `None` where it rewrites none.
    fn rotated_to(&self, _path: &[u8], _n: u32) -> Option<Vec<u8>> {
        None
    }

    /// The path of the session that a file is of: its own, or that of the folder
    /// that all files of the session lie in.
    fn session_of<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        path
    }

    /// Whether the log of this path is a session that belongs to another: a dump
    /// shows it there, and nothing counts it.
    fn is_part(&self, _path: &[u8]) -> bool {
        false
    }

    /// What unpacks the document of this path to lines, where the program
    /// compresses its logs.
    fn unpacker(&self, _path: &[u8]) -> Option<Unpacker> {
        None
    }

    /// The document that two lead to which both come from a third; `None` where
    /// nothing is known of such a file but its bytes.
    fn union(&self, _path: &[u8], _versions: &Versions<'_>) -> Option<Vec<u8>> {
        None
    }

    /// The file beside a work dir's sessions that names the last one used.
    fn pointer_file(&self) -> Option<&'static str> {
        None
    }

    /// The name of the file that such a pointer file names.
    fn pointed_file(&self, _content: &[u8]) -> Option<String> {
        None
    }

    /// Where the first line of some bytes ends, behind its terminator.
    fn line_end(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memchr(b'\n', bytes).map(|end| end + 1)
    }

    /// Where the last line ends whose terminator is certain to lie within these bytes.
    fn last_line_end(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memrchr(b'\n', bytes).map(|end| end + 1)
    }

    /// The header that the name of a file gives when it has none itself.
    fn header_from_name(&self, _path: &[u8]) -> Option<HeaderRecord> {
        None
    }

    /// The ids of sessions that a file or folder of this path belongs to, where
    /// the path alone says so.
    fn sessions_of_path(&self, _path: &[u8], _is_folder: bool) -> Vec<String> {
        Vec::new()
    }

    /// A new id for a session, as its program makes one.
    fn new_session_id(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// Whether a session can have this id.
    fn is_session_id(&self, _id: &str) -> bool {
        true
    }

    /// Where a new session's file lies below its root; `None` where a session
    /// is no single file.
    fn path_of(&self, cwd: &str, session_id: &str, at: Timestamp) -> Option<String>;
}

/// Where a program keeps its files unless it is told otherwise.
pub(crate) struct Home {
    /// The environment variable that names another place.
    pub(crate) variable: &'static str,
    /// Whether the variable names a file in that place, not the folder itself.
    pub(crate) names_a_file: bool,
    /// The folder below the user's own.
    pub(crate) folder: &'static str,
}

/// A document that was changed here and at its root.
pub(crate) struct Versions<'a> {
    /// What both come from, where there was anything.
    pub(crate) base: Option<&'a [u8]>,
    pub(crate) ours: &'a [u8],
    pub(crate) theirs: &'a [u8],
    /// Whether theirs is the later one.
    pub(crate) later: bool,
}
