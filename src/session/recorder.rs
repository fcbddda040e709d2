//! What an application's own conversation hands over, without knowing storage.

use super::{RuntimeUpdate, Session};
use crate::error::Result;
use crate::model::Json;

/// Takes what happens in a conversation.
///
/// A conversation type of an application holds one, as a parameter or a
/// `Box<dyn Recorder>`, and tells it each event; [`Session`] is the one that
/// stores them. Messages and calls are JSON, as the session's methods of the
/// same meaning take them, and fail as those do. What a session's format has no
/// record for, such as a tool execution beside the messages that tell of it, is
/// passed by: the conversation is the messages.
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
    /// A message was added; returns its entry's id. See [`Session::append_message`].
    ///
    /// # Errors
    ///
    /// What the recorder could not take; of a session, nothing was written.
    fn message(&mut self, message: Json<'_>) -> Result<String>;

    /// A summary took the place of what was before; returns its entry's id. See
    /// [`Session::append_compaction`].
    ///
    /// # Errors
    ///
    /// As [`message`](Self::message).
    fn compaction(&mut self, message: Json<'_>) -> Result<String>;

    /// A tool ran. See [`Kward::append_tool_execution`](crate::Kward::append_tool_execution).
    ///
    /// # Errors
    ///
    /// As [`message`](Self::message).
    fn tool_execution(&mut self, tool_call: Json<'_>, content: &str) -> Result<()>;

    /// Another model, provider or effort was chosen. See [`Session::update_runtime`].
    ///
    /// # Errors
    ///
    /// As [`message`](Self::message).
    fn runtime(&mut self, runtime: RuntimeUpdate<'_>) -> Result<()>;

    /// The system prompt is this now. See
    /// [`Kward::append_system_prompt_snapshot`](crate::Kward::append_system_prompt_snapshot).
    ///
    /// # Errors
    ///
    /// As [`message`](Self::message).
    fn system_message(&mut self, content: &str) -> Result<()>;
}

impl Session {
    /// Begins to record a conversation: its system prompt first, where the format
    /// has a record for it, unless it is empty or the one recorded last.
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
