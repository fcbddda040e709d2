//! New sessions.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Session, text_of};
use crate::chain::{self, NewHeader};
use crate::error::{Error, Result};
use crate::format::json;
use crate::format::rules::SystemPrompt;
use crate::model::{DraftRuntime, Format, Json, Role, SessionKey, Timestamp};
use crate::store::{Store, sessions};

/// A session to be made.
#[derive(Clone, Debug)]
#[must_use = "it is made by `Store::create`"]
pub struct NewSession {
    format: Format,
    work_dir: PathBuf,
    session_id: Option<String>,
    at: Option<Timestamp>,
    provider: Option<String>,
    model: Option<String>,
    reasoning_effort: Option<String>,
    parent_id: Option<String>,
    parent_path: Option<String>,
    record: Option<String>,
    file: Option<String>,
}

impl NewSession {
    /// A session of this work dir, an absolute path.
    pub fn new(work_dir: impl AsRef<Path>) -> Self {
        Self {
            format: Format::default(),
            work_dir: work_dir.as_ref().to_owned(),
            session_id: None,
            at: None,
            provider: None,
            model: None,
            reasoning_effort: None,
            parent_id: None,
            parent_path: None,
            record: None,
            file: None,
        }
    }

    /// A session whose file lies here below the store's own root, as in
    /// `projects/-home-me-project/<id>.jsonl`: what an export writes, and a name
    /// for [`Store::find`] with a colon before it. Its program must be one whose
    /// files name their sessions, as those of Claude Code do; the file of a
    /// sub-agent makes a sub-agent. Its id need not be free, and its work dir is
    /// what its records say.
    pub fn in_file(format: Format, path: &str) -> Self {
        Self { file: Some(path.to_owned()), ..Self::new("").format(format) }
    }

    /// The program whose session it is: Kward, pi or Claude Code. Default: Kward.
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

    /// Its first record, a JSON object as the program would write it, in the
    /// place of all else: what a Codex session is made of. Default: none.
    pub fn record(mut self, json: &str) -> Self {
        self.record = Some(json.to_owned());
        self
    }

    fn header(&self, at: Timestamp) -> Result<NewHeader<'_>> {
        let work_dir = self.work_dir.to_str().ok_or_else(|| {
            Error::InvalidRecord(format!("the work dir {:?} is not UTF-8", self.work_dir))
        })?;
        Ok(NewHeader {
            format: self.format,
            work_dir,
            session_id: self.session_id.as_deref(),
            at,
            runtime: DraftRuntime {
                provider: self.provider.as_deref(),
                model: self.model.as_deref(),
                reasoning_effort: self.reasoning_effort.as_deref(),
            },
            parent_id: self.parent_id.as_deref(),
            parent_path: self.parent_path.as_deref(),
            record: self.record.as_deref(),
            file: self.file.as_deref(),
        })
    }
}

impl Store {
    /// Makes a session and returns it.
    ///
    /// It belongs to the store's own root, in the folder that its program
    /// would have chosen.
    ///
    /// # Errors
    ///
    /// [`SessionExists`](crate::Error::SessionExists) when any session has its id, of
    /// whatever format or root and be it in the trash: one that repeats a call
    /// whose answer was lost is told so, and an id names one session as long as
    /// no two were imported under it. [`InvalidRecord`](crate::Error::InvalidRecord) for
    /// what its program could make no file of: a work dir that is no absolute
    /// path, an id that is no file name, or a file or folder name of more than
    /// 255 bytes. [`Unsupported`](crate::Error::Unsupported) for a Kimi session.
    pub fn create(&self, new: &NewSession) -> Result<Session> {
        let at = new.at.unwrap_or_else(Timestamp::now);
        Ok(self.make(|tx| Ok((new.format.live().create(tx, &new.header(at)?)?, ())))?.0)
    }

    /// Makes a session that holds these messages, each a JSON object and the
    /// child of the one before, and returns it.
    ///
    /// Messages keep their ids; those without get new ones. System messages
    /// are left out where a session records its system prompt by itself, as by
    /// [`Kward::append_system_prompt_snapshot`](crate::Kward::append_system_prompt_snapshot).
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
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// use sessile::NewSession;
    ///
    /// let session = store.create_with_messages(
    ///     &NewSession::new("/home/me/project"),
    ///     [
    ///         r#"{"role":"user","content":"What is a leaf?","id":"q"}"#,
    ///         r#"{"role":"assistant","content":"The active entry.","id":"a"}"#,
    ///     ],
    /// )?;
    ///
    /// assert_eq!(session.info()?.leaf.as_deref(), Some("a"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_with_messages<'j, J: Into<Json<'j>>>(
        &self,
        new: &NewSession,
        messages: impl IntoIterator<Item = J>,
    ) -> Result<Session> {
        let made = self.make(|tx| {
            let at = new.at.unwrap_or_else(Timestamp::now);
            let key = new.format.live().create(tx, &new.header(at)?)?;
            let session = Session::of(self, key, new.format).at(at);
            for message in messages {
                append_first(&session, tx, &message.into())?;
            }
            Ok((key, ()))
        })?;
        Ok(made.0)
    }

    /// Makes a session of these lines, as [`append_lines`](Session::append_lines)
    /// adds them, and returns it. When one is refused, there is no session.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create) and [`append_lines`](Session::append_lines).
    pub fn create_with_lines<L: AsRef<[u8]>>(
        &self,
        new: &NewSession,
        lines: impl IntoIterator<Item = L>,
    ) -> Result<Session> {
        let lines: Vec<L> = lines.into_iter().collect();
        let lines: Vec<&[u8]> = lines.iter().map(AsRef::as_ref).collect();
        let made = self.make(|tx| {
            let at = new.at.unwrap_or_else(Timestamp::now);
            let key = new.format.live().create(tx, &new.header(at)?)?;
            let session = Session::of(self, key, new.format).at(at);
            session.change_in(tx, |live, writing| live.lines(writing, &lines))?;
            Ok((key, ()))
        })?;
        Ok(made.0)
    }

    /// A handle on a session that `body` makes. Nothing is read behind the
    /// commit, where it could fail.
    pub(super) fn make<T>(
        &self,
        body: impl FnOnce(&Connection) -> Result<(SessionKey, T)>,
    ) -> Result<(Session, T)> {
        self.write(|tx| {
            let (key, value) = body(tx)?;
            let made = Session::find(self, tx, key)?;
            Ok((Session { session_id: sessions::session_id(tx, key)?, ..made }, value))
        })
    }
}

/// Appends a message behind the last; one of the system is passed by where a
/// session records its system prompt by itself.
fn append_first(session: &Session, tx: &Connection, message: &Json<'_>) -> Result<()> {
    let message = text_of(message)?;
    let writing = session.writing(tx);
    writing.append(|tail| {
        let message = chain::compact(message, tail.depth_below(1))?;
        let role = json::scan(message.as_bytes())
            .ok()
            .and_then(|(value, _)| value.get("role")?.string().map(std::borrow::Cow::into_owned));
        if tail.format.rules().system_prompt == SystemPrompt::Record
            && tail.format.meaning().role(role.as_deref()) == Role::System
        {
            return Ok(None);
        }
        tail.format.live().message(&writing, tail, "message", &message).map(Some)
    })?;
    Ok(())
}
