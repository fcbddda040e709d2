//! New sessions.

use rusqlite::Connection;

use super::{Session, append, compact_json};
use crate::error::{Error, Result};
use crate::format::json;
use crate::model::{Draft, DraftRuntime, Format, Role, SessionKey, Timestamp};
use crate::store::files::{self, FileKind, FileRow, FileState};
use crate::store::{Store, sessions};

/// A session to be made.
#[derive(Clone, Debug)]
#[must_use = "it is made by `Store::create`"]
pub struct NewSession {
    format: Format,
    cwd: String,
    session_id: Option<String>,
    at: Option<Timestamp>,
    provider: Option<String>,
    model: Option<String>,
    reasoning_effort: Option<String>,
    parent_id: Option<String>,
    parent_path: Option<String>,
}

impl NewSession {
    /// A session of this working directory, an absolute path.
    pub fn new(cwd: &str) -> Self {
        Self {
            format: Format::Kward,
            cwd: cwd.to_owned(),
            session_id: None,
            at: None,
            provider: None,
            model: None,
            reasoning_effort: None,
            parent_id: None,
            parent_path: None,
        }
    }

    /// The program whose session it is: Kward or pi. Default: Kward.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Its id. Default: a new UUID.
    pub fn session_id(mut self, id: &str) -> Self {
        self.session_id = Some(id.to_owned());
        self
    }

    /// When it began. Default: the system's clock.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.at = Some(time);
        self
    }

    /// The provider of its model. Default: not said.
    pub fn provider(mut self, provider: &str) -> Self {
        self.provider = Some(provider.to_owned());
        self
    }

    /// Its model. Default: not said.
    pub fn model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }

    /// The model's reasoning effort. Default: not said.
    pub fn reasoning_effort(mut self, effort: &str) -> Self {
        self.reasoning_effort = Some(effort.to_owned());
        self
    }

    /// The session that it comes from. Default: none.
    pub fn parent_id(mut self, id: &str) -> Self {
        self.parent_id = Some(id.to_owned());
        self
    }

    /// The file of the session that it comes from. Default: none.
    pub fn parent_path(mut self, path: &str) -> Self {
        self.parent_path = Some(path.to_owned());
        self
    }
}

impl Store {
    /// Makes a session and returns a live handle on it.
    ///
    /// It belongs to the store's own root, in the folder that its program
    /// would have chosen.
    ///
    /// # Errors
    ///
    /// [`SessionExists`](Error::SessionExists) when any session has its id, of
    /// whatever format or root and be it in the trash: one that repeats a call
    /// whose answer was lost is told so, and an id names one session as long as
    /// no two were imported under it. [`InvalidRecord`](Error::InvalidRecord) for
    /// what its program could make no file of: a work dir that is no absolute
    /// path, an id that is no file name, or a file or folder name of more than
    /// 255 bytes. [`Unsupported`](Error::Unsupported) for a Kimi session.
    pub fn create(&self, new: &NewSession) -> Result<Session> {
        Ok(self.make(|tx| Ok((create(tx, new)?, ())))?.0)
    }

    /// Makes a session that holds these messages, each a JSON object and the
    /// child of the one before, and returns a live handle on it.
    ///
    /// Messages keep their ids; those without get new ones. System messages
    /// are left out: a session records its system prompt by itself, see
    /// [`append_system_prompt_snapshot`](Session::append_system_prompt_snapshot).
    /// When one message is refused, there is no session.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create) and
    /// [`append_message`](Session::append_message).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// use sessile::NewSession;
    ///
    /// let session = store.create_with_messages(
    ///     &NewSession::new("/home/me/project"),
    ///     &[
    ///         r#"{"role":"user","content":"What is a leaf?","id":"q"}"#,
    ///         r#"{"role":"assistant","content":"The active entry.","id":"a"}"#,
    ///     ],
    /// )?;
    ///
    /// assert_eq!(session.info()?.leaf.as_deref(), Some("a"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_with_messages(&self, new: &NewSession, messages: &[&str]) -> Result<Session> {
        let made = self.make(|tx| {
            let session = create(tx, new)?;
            let at = new.at.unwrap_or_else(Timestamp::now);
            for message in messages {
                append_first(self, tx, session, message, at)?;
            }
            Ok((session, ()))
        })?;
        Ok(made.0)
    }

    /// A handle on a session that `body` makes. Nothing is read behind the
    /// commit, where it could fail.
    pub(super) fn make<T>(
        &self,
        body: impl FnOnce(&Connection) -> Result<(SessionKey, T)>,
    ) -> Result<(Session, T)> {
        let (key, id, value) = self.write(|tx| {
            let (key, value) = body(tx)?;
            Ok((key, sessions::session_id(tx, key)?, value))
        })?;
        Ok((Session { session_id: id, ..Session::of(self, key) }, value))
    }
}

/// Makes a session of the store's own, in the folder that its program would have chosen.
fn create(tx: &Connection, new: &NewSession) -> Result<SessionKey> {
    if !new.cwd.starts_with('/') || new.cwd.contains('\0') {
        let reason = format!("{:?} is no absolute path of a work dir", new.cwd);
        return Err(Error::InvalidRecord(reason));
    }
    let (id, at) = new.identity()?;
    let path = new.path(&id, at)?;
    let source_id = files::own_source(tx, new.format)?;
    make_folders(tx, source_id, &path, at)?;
    create_at(tx, source_id, path, new, (&id, at))
}

/// Makes a session below a root, beside the file of another.
pub(super) fn create_beside(
    tx: &Connection,
    sibling: &FileRow,
    new: &NewSession,
) -> Result<SessionKey> {
    let (id, at) = new.identity()?;
    let path = new.path(&id, at)?;
    let after_slash =
        |path: &[u8]| path.iter().rposition(|byte| *byte == b'/').map_or(0, |n| n + 1);
    let folder = &sibling.path[..after_slash(&sibling.path)];
    let path = [folder, &path[after_slash(&path)..]].concat();
    create_at(tx, sibling.source_id, path, new, (&id, at))
}

impl NewSession {
    /// Its id and time, made where they are not given.
    fn identity(&self) -> Result<(String, Timestamp)> {
        let id = self.session_id.clone();
        let id = id.unwrap_or_else(|| self.format.layout().new_session_id());
        require_id(&id)?;
        Ok((id, self.at.unwrap_or_else(Timestamp::now)))
    }

    /// Where its file lies below its root.
    fn path(&self, id: &str, at: Timestamp) -> Result<Vec<u8>> {
        let path = self.format.layout().path_of(&self.cwd, id, at);
        let reason = "a session of this format is made by its program, or by a fork";
        path.map(String::into_bytes).ok_or(Error::Unsupported(reason))
    }
}

/// Refuses an id that no file could be named by.
pub(super) fn require_id(id: &str) -> Result<()> {
    if id.is_empty() || id.contains(|c: char| c == '/' || c.is_control()) {
        return Err(Error::InvalidRecord(format!("{id:?} cannot be the id of a session")));
    }
    Ok(())
}

/// Refuses an id that a session has, wherever it comes from: no command could
/// be told which of the two is meant.
pub(super) fn require_free_id(tx: &Connection, id: &str) -> Result<()> {
    match sessions::session_of_id(tx, id)? {
        Some(_) => Err(Error::SessionExists(format!("{id:?}"))),
        None => Ok(()),
    }
}

/// Refuses names that no usual file system has room for, as the original
/// programs would fail on them: they shorten nothing.
pub(super) fn require_names(path: &[u8]) -> Result<()> {
    match path.split(|byte| *byte == b'/').find(|name| MAX_NAME < name.len()) {
        Some(name) => Err(Error::InvalidRecord(format!(
            "a file or folder of it would have a name of {} bytes, and {MAX_NAME} is the most; \
             choose a shorter work dir or id",
            name.len()
        ))),
        None => Ok(()),
    }
}

/// Bytes of a file's name.
const MAX_NAME: usize = 255;

fn create_at(
    tx: &Connection,
    source_id: i64,
    path: Vec<u8>,
    new: &NewSession,
    (id, at): (&str, Timestamp),
) -> Result<SessionKey> {
    require_names(&path)?;
    require_free_id(tx, id)?;
    let taken = [FileState::Current, FileState::Local];
    for state in taken {
        if files::file(tx, source_id, &path, state)?.is_some() {
            return Err(Error::SessionExists(String::from_utf8_lossy(&path).into_owned()));
        }
    }
    let file =
        FileRow { mode: 0o600, ..blank(source_id, path, FileKind::Log, FileState::Local, at) };
    let file_id = files::insert_file(tx, &file)?;
    let file = files::file_by_id(tx, file_id)?;
    let session = sessions::insert_session(tx, &file, new.format)?;
    let draft = Draft::Header {
        session_id: id,
        cwd: &new.cwd,
        runtime: DraftRuntime {
            provider: new.provider.as_deref(),
            model: new.model.as_deref(),
            reasoning_effort: new.reasoning_effort.as_deref(),
        },
        parent_id: new.parent_id.as_deref(),
        parent_path: new.parent_path.as_deref(),
    };
    let line = append::spelt(new.format, &draft, at)?;
    append::add_line(tx, session, new.format, file, &line, None)?;
    Ok(session)
}

/// Appends a message behind the last unless the system says it, where a session
/// keeps its system prompt by itself.
fn append_first(
    store: &Store,
    tx: &Connection,
    session: SessionKey,
    message: &str,
    at: Timestamp,
) -> Result<()> {
    let live = Session::of(store, session).at(at);
    append::append(tx, session, at, |conn, tail| {
        let message = compact_json(message, 1)?;
        let role = json::scan(message.as_bytes())
            .ok()
            .and_then(|(value, _)| value.get("role")?.string().map(std::borrow::Cow::into_owned));
        if tail.format == Format::Kward
            && tail.format.meaning().role(role.as_deref()) == Role::System
        {
            return Ok(None);
        }
        live.entry_of_message(conn, tail, "message", &message).map(Some)
    })?;
    Ok(())
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
    }
}
