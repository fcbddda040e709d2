//! A trait through which an application's own conversation type hands over events
//! without knowing about storage.

use super::{RuntimeUpdate, Session};
use crate::error::Result;
use crate::model::Json;

/// Receives the events of a conversation.
///
/// An application's conversation type holds a recorder, as a type parameter or a
/// `Box<dyn Recorder>`, and tells it each event; [`Session::attach`] returns one that
/// stores them. Messages and calls are JSON, with the same meaning and errors as in
/// the session's methods. What a session's format has no record for is ignored, such
/// as a tool execution that the messages contain anyway.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
/// use sessile::{NewSession, Recorder};
///
/// struct Conversation {
///     messages: Vec<String>,
///     recorder: Box<dyn Recorder>,
/// }
///
/// impl Conversation {
///     fn say(&mut self, message: &str) -> sessile::Result<()> {
///         self.recorder.message(message.into())?;
///         self.messages.push(message.to_owned());
///         Ok(())
///     }
/// }
///
/// let session = store.create(&NewSession::new("/home/me/project"))?;
/// let recorder = Box::new(session.attach("Answer briefly.")?);
/// let mut conversation = Conversation { messages: Vec::new(), recorder };
/// conversation.say(r#"{"role":"user","content":"What is a leaf?"}"#)?;
///
/// assert_eq!(session.context()?.len(), conversation.messages.len());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Recorder {
    /// A message was added. Returns its entry's id. See [`Session::append_message`].
    ///
    /// # Errors
    ///
    /// The recorder's own. If a session's recorder fails, nothing was written.
    fn message(&mut self, message: Json<'_>) -> Result<String>;

    /// A summary replaced what was before. Returns its entry's id. See
    /// [`Session::append_compaction`].
    ///
    /// # Errors
    ///
    /// Those of [`message`](Self::message).
    fn compaction(&mut self, message: Json<'_>) -> Result<String>;

    /// A tool ran. See
    /// [`Kward::append_tool_execution`](crate::Kward::append_tool_execution).
    ///
    /// # Errors
    ///
    /// Those of [`message`](Self::message).
    fn tool_execution(&mut self, tool_call: Json<'_>, content: &str) -> Result<()>;

    /// The model, provider or effort was changed. See [`Session::update_runtime`].
    ///
    /// # Errors
    ///
    /// Those of [`message`](Self::message).
    fn runtime(&mut self, runtime: RuntimeUpdate<'_>) -> Result<()>;

    /// The system prompt was set. See
    /// [`Kward::append_system_prompt_snapshot`](crate::Kward::append_system_prompt_snapshot).
    ///
    /// # Errors
    ///
    /// Those of [`message`](Self::message).
    fn system_message(&mut self, content: &str) -> Result<()>;
}

impl Session {
    /// Starts recording a conversation. Its system prompt is recorded first, if the
    /// format has a record for it, unless it is empty or the one recorded last.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](crate::Error::SessionNotFound).
    pub fn attach(&self, system_prompt: &str) -> Result<impl Recorder + Send + use<>> {
        self.record_system_prompt(system_prompt, "attach")?;
        Ok(self.clone())
    }
}

impl Recorder for Session {
    fn message(&mut self, message: Json<'_>) -> Result<String> {
        self.append_message(message)
    }

    fn compaction(&mut self, message: Json<'_>) -> Result<String> {
        self.append_compaction(message)
    }

    fn tool_execution(&mut self, tool_call: Json<'_>, content: &str) -> Result<()> {
        self.record_tool_execution(&tool_call, content)?;
        Ok(())
    }

    fn runtime(&mut self, runtime: RuntimeUpdate<'_>) -> Result<()> {
        self.update_runtime(runtime)
    }

    fn system_message(&mut self, content: &str) -> Result<()> {
        self.record_system_prompt(content, "changed")?;
        Ok(())
    }
}
