//! The facet of files: where a program keeps them, and how they are split into
//! lines.

use crate::error::Result;
use crate::model::{HeaderRecord, Timestamp};

/// Calls its argument for each line that a document decompresses to, including
/// terminators; for none if the document cannot be decompressed completely.
pub(crate) type Unpacker = fn(&[u8], &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()>;

/// Where a program's files are, and what each of them is.
///
/// The defaults are those of a program with one log per session below `sessions`,
/// whose lines end in LF.
pub(crate) trait Layout: Sync {
    /// Folders and files below a root that an import covers.
    fn covered(&self) -> &'static [&'static str] {
        &["sessions"]
    }

    /// The program's usual folder, if it has one.
    fn home(&self) -> Option<Home> {
        None
    }

    /// For formats whose sessions are several files: whether the folder of sessions,
    /// or a folder in it, can be a root, too. With one log per session it always can.
    fn has_inner_roots(&self) -> bool {
        false
    }

    /// Whether a file with this path is a log.
    fn is_log(&self, path: &[u8]) -> bool;

    /// Whether the name or the first line of a file shows that this program wrote it.
    fn recognises(&self, path: &[u8], first_line: &[u8]) -> bool;

    /// The units that a file, link or folder with this path belongs to: files that
    /// are folded together, under names of the format's choice. None if each log is a
    /// session by itself.
    fn units(&self, _path: &[u8], _is_folder: bool) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// Whether all sessions of a root depend on the file with this path.
    fn is_shared(&self, _path: &[u8]) -> bool {
        false
    }

    /// Whether a line of such a file is about this session, and no other.
    fn speaks_of(&self, _line: &[u8], _session_id: &str) -> bool {
        false
    }

    /// Other paths below a root that the file with this path may have, for example
    /// because its program moves archived sessions.
    fn other_places(&self, _path: &[u8]) -> Vec<Vec<u8>> {
        Vec::new()
    }

    /// The path that a file may have had before its program renamed it.
    fn renamed_from(&self, _path: &[u8]) -> Option<Vec<u8>> {
        None
    }

    /// The path that the program gives a log when it rotates it for the `n`th time;
    /// `None` in formats that do not rotate logs.
    fn rotated_to(&self, _path: &[u8], _n: u32) -> Option<Vec<u8>> {
        None
    }

    /// The path of the session that a file belongs to: the file's own, or that of the
    /// folder that contains all files of the session.
    fn session_of<'p>(&self, path: &'p [u8]) -> &'p [u8] {
        path
    }

    /// Whether the log with this path is a session that belongs to another: a dump
    /// nests it there, and it is not counted.
    fn is_part(&self, _path: &[u8]) -> bool {
        false
    }

    /// How to decompress the document with this path into lines, if it is a
    /// compressed log.
    fn unpacker(&self, _path: &[u8]) -> Option<Unpacker> {
        None
    }

    /// Merges two versions of a document with a common base; `None` if the format
    /// knows nothing about the document.
    fn union(&self, _path: &[u8], _versions: &Versions<'_>) -> Option<Vec<u8>> {
        None
    }

    /// The name of the file beside a work dir's sessions that names the session used
    /// last.
    fn pointer_file(&self) -> Option<&'static str> {
        None
    }

    /// The file name in the content of such a pointer file.
    fn pointed_file(&self, _content: &[u8]) -> Option<String> {
        None
    }

    /// The end of the first line in some bytes, after its terminator.
    fn line_end(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memchr(b'\n', bytes).map(|end| end + 1)
    }

    /// The end of the last line whose terminator is certain to be complete within
    /// these bytes.
    fn last_line_end(&self, bytes: &[u8]) -> Option<usize> {
        memchr::memrchr(b'\n', bytes).map(|end| end + 1)
    }

    /// The header that a file's name provides if the file has none.
    fn header_from_name(&self, _path: &[u8]) -> Option<HeaderRecord> {
        None
    }

    /// The ids of the sessions that a file or folder with this path belongs to, if
    /// the path alone says so.
    fn sessions_of_path(&self, _path: &[u8], _is_folder: bool) -> Vec<String> {
        Vec::new()
    }

    /// A new session id, as the program makes them.
    fn new_session_id(&self) -> String {
        uuid::Uuid::new_v4().to_string()
    }

    /// Whether a session can have this id.
    fn is_session_id(&self, _id: &str) -> bool {
        true
    }

    /// The program's own command that continues the session with this id, whose file is
    /// at this path.
    fn resume_command(&self, _id: &str, _file: &str) -> Option<String> {
        None
    }

    /// The path of a new session's file below its root; `None` if a session is not a
    /// single file.
    fn path_of(&self, cwd: &str, session_id: &str, at: Timestamp) -> Option<String>;
}

/// A program's usual folder.
pub(crate) struct Home {
    /// The environment variable that names another place.
    pub(crate) variable: &'static str,
    /// Whether the variable names a file in that place rather than the folder.
    pub(crate) names_a_file: bool,
    /// The path below the user's home folder.
    pub(crate) folder: &'static str,
}

/// Versions of a document that was changed here and at its root.
pub(crate) struct Versions<'a> {
    /// Their common base, if there was one.
    pub(crate) base: Option<&'a [u8]>,
    pub(crate) ours: &'a [u8],
    pub(crate) theirs: &'a [u8],
    /// Whether theirs is later.
    pub(crate) later: bool,
}
