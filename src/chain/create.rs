//! Creates logs with headers.

use rusqlite::Connection;

use super::append::{add_lines, spelt};
use super::decide::decide;
use crate::error::{Error, Result};
use crate::fold;
use crate::format::rules::HeaderPlace;
use crate::model::{Draft, Format, RuntimeUpdate, SessionKey, Timestamp};
use crate::store::events::EventKind;
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::{sessions, sources};

/// What the header of a new session says.
#[derive(Clone, Copy)]
pub(crate) struct NewHeader<'a> {
    pub(crate) format: Format,
    /// An absolute path.
    pub(crate) work_dir: &'a str,
    /// A new one is made if it is `None`.
    pub(crate) session_id: Option<&'a str>,
    pub(crate) at: Timestamp,
    pub(crate) runtime: RuntimeUpdate<'a>,
    pub(crate) parent_id: Option<&'a str>,
    pub(crate) parent_path: Option<&'a str>,
    /// The whole first record, which replaces everything else.
    pub(crate) record: Option<&'a str>,
    /// The file below the store's own root, if the caller chose one.
    pub(crate) file: Option<&'a str>,
}

/// Creates a session below the store's own root, in the folder that its program would
/// have chosen, or in the file that the caller chose.
pub(crate) fn create(tx: &Connection, new: &NewHeader<'_>) -> Result<SessionKey> {
    let is_named_by_file = new.format.rules().header == HeaderPlace::FileName;
    let may_lack_work_dir = is_named_by_file && new.file.is_some();
    let is_absolute = new.work_dir.starts_with('/') && !new.work_dir.contains('\0');
    if !(is_absolute || may_lack_work_dir && new.work_dir.is_empty()) {
        let reason = format!("{:?} is not an absolute path of a work dir", new.work_dir);
        return Err(Error::InvalidRecord(reason));
    }
    let (id, path) = match new.file {
        Some(file) => new.of_file(file)?,
        None => {
            let id = new.id()?;
            let path = new.path(&id)?;
            require_free_id(tx, &id)?;
            (id, path)
        }
    };
    let source_id = sources::own(tx, new.format)?;
    make_folders(tx, source_id, &path, new.at)?;
    let session = create_at(tx, source_id, path, new, &id)?;
    if is_named_by_file && !new.work_dir.is_empty() {
        // Until the first record names a work dir, nothing in the file does.
        decide(tx, session, EventKind::Relink, new.at, Some(new.work_dir))?;
    }
    Ok(session)
}

/// Creates a session below a root, beside the file of another.
pub(super) fn create_beside(
    tx: &Connection,
    sibling: &FileRow,
    new: &NewHeader<'_>,
) -> Result<SessionKey> {
    let id = new.id()?;
    let path = new.path(&id)?;
    let path = beside(new.format, &sibling.path, &path).unwrap_or(path);
    require_free_id(tx, &id)?;
    create_at(tx, sibling.source_id, path, new, &id)
}

/// The path of a new log in the nearest folder of a file in which its program would
/// find the log: it finds none in the folder of a session's agents, for example.
fn beside(format: Format, file: &[u8], log: &[u8]) -> Option<Vec<u8>> {
    let slash = |path: &[u8]| path.iter().rposition(|byte| *byte == b'/');
    let name = &log[slash(log).map_or(0, |slash| slash + 1)..];
    let mut folder = file;
    loop {
        let end = slash(folder);
        let path = [&folder[..end.map_or(0, |slash| slash + 1)], name].concat();
        if format.layout().is_log(&path) {
            return Some(path);
        }
        folder = &folder[..end?];
    }
}

impl NewHeader<'_> {
    fn id(&self) -> Result<String> {
        let made = || self.format.layout().new_session_id();
        let id = self.session_id.map_or_else(made, str::to_owned);
        require_id(&id)?;
        if !self.format.layout().is_session_id(&id) {
            let reason = format!("{id:?} cannot be the id of a session of this format");
            return Err(Error::InvalidRecord(reason));
        }
        Ok(id)
    }

    /// The id and path of a session whose file the caller chose. The id is that of
    /// the file's name, and other sessions may have it, as with imported files.
    fn of_file(&self, file: &str) -> Result<(String, Vec<u8>)> {
        let layout = self.format.layout();
        let is_odd = |name: &str| {
            name.is_empty() || name == "." || name == ".." || name.contains(char::is_control)
        };
        if file.split('/').any(is_odd) || !layout.is_log(file.as_bytes()) {
            let reason = format!("{file:?} cannot be the file of a session of this format");
            return Err(Error::InvalidRecord(reason));
        }
        let named = layout.header_from_name(file.as_bytes()).and_then(|header| header.session_id);
        let id = match named {
            Some(id) if self.format.rules().header == HeaderPlace::FileName => id,
            _ => self.id()?,
        };
        Ok((id, file.as_bytes().to_vec()))
    }

    /// The path of its file below its root.
    fn path(&self, id: &str) -> Result<Vec<u8>> {
        let path = self.format.layout().path_of(self.work_dir, id, self.at);
        let reason = "a session of this format can only be created by its program or as a fork";
        path.map(String::into_bytes).ok_or(Error::Unsupported(reason))
    }
}

/// Rejects ids that cannot be file names.
pub(crate) fn require_id(id: &str) -> Result<()> {
    if id.is_empty() || id.contains(|c: char| c == '/' || c.is_control()) {
        return Err(Error::InvalidRecord(format!("{id:?} cannot be the id of a session")));
    }
    Ok(())
}

/// Rejects an id that any session of the store has, because commands name sessions by
/// id.
pub(crate) fn require_free_id(tx: &Connection, id: &str) -> Result<()> {
    match sessions::session_of_id(tx, id)? {
        Some(_) => Err(Error::SessionExists(format!("{id:?}"))),
        None => Ok(()),
    }
}

/// Rejects file and folder names that are too long for usual file systems, on which
/// the original programs fail, too.
pub(crate) fn require_names(path: &[u8]) -> Result<()> {
    match path.split(|byte| *byte == b'/').find(|name| MAX_NAME < name.len()) {
        Some(name) => Err(Error::InvalidRecord(format!(
            "the name of a file or folder would be {} bytes long, and the limit is {MAX_NAME}; \
             choose a shorter work dir or id",
            name.len()
        ))),
        None => Ok(()),
    }
}

/// The longest file name, in bytes.
const MAX_NAME: usize = 255;

fn create_at(
    tx: &Connection,
    source_id: i64,
    path: Vec<u8>,
    new: &NewHeader<'_>,
    id: &str,
) -> Result<SessionKey> {
    require_names(&path)?;
    let taken = [FileState::Current, FileState::Local];
    for state in taken {
        if files::file(tx, source_id, &path, state)?.is_some() {
            return Err(Error::SessionExists(String::from_utf8_lossy(&path).into_owned()));
        }
    }
    let file =
        FileRow { mode: 0o600, ..blank(source_id, path, FileKind::Log, FileState::Local, new.at) };
    let file_id = files::insert_file(tx, &file)?;
    let file = files::file_by_id(tx, file_id)?;
    let session = sessions::insert_session(tx, &file, new.format)?;
    let draft = Draft::Header {
        session_id: id,
        cwd: new.work_dir,
        runtime: new.runtime,
        parent_id: new.parent_id,
        parent_path: new.parent_path,
    };
    if new.format.rules().header == HeaderPlace::FileName {
        fold::refold(tx, &file, new.format, session)?;
        return Ok(session);
    }
    let line = spelt(new.format, &draft, new.at)?;
    add_lines(tx, session, new.format, file, &[line], None)?;
    Ok(session)
}

fn make_folders(tx: &Connection, source_id: i64, path: &[u8], at: Timestamp) -> Result<()> {
    for (slash, _) in path.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
        let folder = path[..slash].to_vec();
        if files::file(tx, source_id, &folder, FileState::Current)?.is_none() {
            let row = blank(source_id, folder, FileKind::Folder, FileState::Current, at);
            files::insert_file(tx, &FileRow { mode: 0o700, mtime: Timestamp(0).into(), ..row })?;
        }
    }
    Ok(())
}

/// The row of an empty file that is written here.
pub(super) fn blank(
    source_id: i64,
    path: Vec<u8>,
    kind: FileKind,
    state: FileState,
    at: Timestamp,
) -> FileRow {
    FileRow {
        file_id: 0,
        source_id,
        path,
        generation: 0,
        kind,
        state,
        mode: 0,
        mtime: at.into(),
        inode: 0,
        size: 0,
        line_count: 0,
        sha256: None,
        link_target: None,
        read_at: at,
        missing_at: None,
        base_id: None,
        base_count: 0,
        lost: 0,
    }
}
