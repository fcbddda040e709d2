//! New sessions.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Session, text_of};
use crate::chain::{self, NewHeader};
use crate::error::{Error, Result};
use crate::format::json;
use crate::format::rules::SystemPrompt;
use crate::model::{Format, Json, Role, RuntimeUpdate, SessionKey, Timestamp};
use crate::store::{Store, sessions};

/// Describes a session to be created.
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
    /// Describes a session in this work dir, an absolute path.
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

    /// Describes a session in a given file below the store's own root, as in
    /// `projects/-home-me-project/<id>.jsonl`. An export writes this path, and
    /// [`Store::find`] finds the session by it, with a colon in front. The format
    /// must be one whose files are named after their sessions, like that of Claude
    /// Code; the file of a sub-agent makes a sub-agent. The id may be that of another
    /// session, and the work dir is what the records say.
    pub fn in_file(format: Format, path: &str) -> Self {
        Self { file: Some(path.to_owned()), ..Self::new("").format(format) }
    }

    /// Sets the format: Kward, pi, Claude Code or Codex. Default: Kward.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Sets the id. Default: a new UUID.
    pub fn session_id(mut self, id: &str) -> Self {
        self.session_id = Some(id.to_owned());
        self
    }

    /// Sets the time at which it began. Default: the system's clock.
    pub fn at(mut self, time: Timestamp) -> Self {
        self.at = Some(time);
        self
    }

    /// Sets the provider of its model. Default: none.
    pub fn provider(mut self, provider: &str) -> Self {
        self.provider = Some(provider.to_owned());
        self
    }

    /// Sets its model. Default: none.
    pub fn model(mut self, model: &str) -> Self {
        self.model = Some(model.to_owned());
        self
    }

    /// Sets the model's reasoning effort. Default: none.
    pub fn reasoning_effort(mut self, effort: &str) -> Self {
        self.reasoning_effort = Some(effort.to_owned());
        self
    }

    /// Sets the id of the session that it comes from. Default: none.
    pub fn parent_id(mut self, id: &str) -> Self {
        self.parent_id = Some(id.to_owned());
        self
    }

    /// Sets the file of the session that it comes from. Default: none.
    pub fn parent_path(mut self, path: &str) -> Self {
        self.parent_path = Some(path.to_owned());
        self
    }

    /// Sets its first record: a JSON object as the program would write it, which
    /// replaces everything else. A Codex session needs one. Default: none.
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
            runtime: RuntimeUpdate {
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
    /// Creates a session and returns it.
    ///
    /// It belongs to the store's own root, and its file to the folder that its
    /// program would have chosen.
    ///
    /// # Errors
    ///
    /// [`SessionExists`](crate::Error::SessionExists) if any session has its id, in
    /// any format or root, including the trash. So a caller that repeats a call whose
    /// answer was lost gets this error, and an id names one session unless several
    /// were imported with it. [`InvalidRecord`](crate::Error::InvalidRecord) if the
    /// program could make no file of it: the work dir is not an absolute path, the id
    /// cannot be a file name, or a file or folder name would have more than 255
    /// bytes. [`Unsupported`](crate::Error::Unsupported) for a Kimi session.
    pub fn create(&self, new: &NewSession) -> Result<Session> {
        let at = new.at.unwrap_or_else(Timestamp::now);
        Ok(self.make(|tx| Ok((new.format.live().create(tx, &new.header(at)?)?, ())))?.0)
    }

    /// Creates a session with these messages and returns it. Each message is a JSON
    /// object, and the child of the one before.
    ///
    /// Messages keep their ids; those without get new ones. System messages are left
    /// out if the format records system prompts separately, see
    /// [`Kward::append_system_prompt_snapshot`](crate::Kward::append_system_prompt_snapshot).
    /// If one message is refused, no session is created.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create) and
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
        // The caller's iterator may use the store itself, so it ends before a write begins.
        let messages: Vec<Json<'j>> = messages.into_iter().map(Into::into).collect();
        let messages = messages.iter().map(text_of).collect::<Result<Vec<_>>>()?;
        let numbered = (1..).zip(messages);
        let numbered: Vec<(usize, &str)> =
            numbered.filter(|(_, message)| !is_recorded_elsewhere(new.format, message)).collect();
        let made = self.make(|tx| {
            let at = new.at.unwrap_or_else(Timestamp::now);
            let key = new.format.live().create(tx, &new.header(at)?)?;
            let session = Session::of(self, key, new.format).at(at);
            session.change_in(tx, |_, writing| chain::append_messages(writing, &numbered))?;
            Ok((key, ()))
        })?;
        Ok(made.0)
    }

    /// Creates a session with these lines, which are treated as by
    /// [`append_lines`](Session::append_lines), and returns it. If one line is
    /// refused, no session is created.
    ///
    /// # Errors
    ///
    /// Those of [`create`](Self::create) and [`append_lines`](Session::append_lines).
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

    /// Runs `body`, which creates a session, and returns a handle to it. Nothing is
    /// read after the commit, where reading could fail.
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

/// Whether a message is left out because the format records system prompts separately.
fn is_recorded_elsewhere(format: Format, message: &str) -> bool {
    if format.rules().system_prompt != SystemPrompt::Record {
        return false;
    }
    let role = json::scan(message.as_bytes())
        .ok()
        .and_then(|(value, _)| value.get("role")?.string().map(std::borrow::Cow::into_owned));
    format.meaning().role(role.as_deref()) == Role::System
}
