//! Operations of Kward sessions.

use super::text::stored_text;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::format::json::{self, Raw};
use crate::model::{Json, Stored, Timestamp};
use crate::session::{Memories, PromptSnapshot, Session};

/// What only Kward sessions have: records of [system prompts](Self::system_prompts),
/// [memory](Self::memory) and [tool executions](Self::append_tool_execution), outside
/// the tree. [`Session::kward`] returns it.
#[derive(Clone, Copy, Debug)]
pub struct Kward<'a>(&'a Session);

/// A recorded system prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedPrompt {
    /// Its text.
    pub content: String,
    /// Why it was recorded, for example `attach` or `changed`.
    pub reason: String,
    /// `sha256:` and the digest of its text in hex.
    pub hash: String,
    /// When it was recorded.
    pub created_at: Option<Timestamp>,
}

/// The memory of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// The memories: a JSON array, `[]` if none were recorded.
    pub memories: String,
    /// What was retrieved from them last, as JSON; `null` if nothing was.
    pub last_retrieval: String,
}

impl Session {
    /// Returns the operations of a Kward session; `None` for other formats.
    pub fn kward(&self) -> Option<Kward<'_>> {
        (self.format() == Format::Kward).then_some(Kward(self))
    }
}

impl Kward<'_> {
    /// Records the system prompt, unless it is empty or the one recorded last.
    /// `reason` is any text; Kward itself writes `attach` and `changed`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
    /// let session = store.create(&sessile::NewSession::new("/home/me/project"))?;
    /// let kward = session.kward().expect("sessions are Kward's unless it is said");
    ///
    /// kward.append_system_prompt_snapshot("Answer briefly.", "attach")?;
    ///
    /// assert_eq!(kward.system_prompts()?[0].content, "Answer briefly.");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_system_prompt_snapshot(
        self,
        content: &str,
        reason: &str,
    ) -> Result<PromptSnapshot> {
        written(self.0.record_system_prompt(content, reason)?)
    }

    /// Returns the recorded system prompts in file order. The last one is in effect.
    ///
    /// # Errors
    ///
    /// [`Damaged`](Error::Damaged) if a line with one of them cannot be read.
    pub fn system_prompts(self) -> Result<Vec<RecordedPrompt>> {
        let lines = self.0.system_prompt_records()?;
        Ok(lines.iter().map(|line| prompt(line)).collect())
    }

    /// Records the memories, an array, and what was retrieved from them last, both as
    /// JSON. A value that is not an array is wrapped in one; null becomes an empty one.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for a value that is not JSON;
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn update_memory_state<'j, 'k>(
        self,
        memories: impl Into<Json<'j>>,
        last_retrieval: impl Into<Json<'k>>,
    ) -> Result<()> {
        let new = Memories { memories: memories.into(), last_retrieval: last_retrieval.into() };
        written(self.0.record_memory(&new)?)
    }

    /// Returns the memory that was recorded last.
    ///
    /// # Errors
    ///
    /// [`Damaged`](Error::Damaged) if its line cannot be read.
    pub fn memory(self) -> Result<Memory> {
        let line = self.0.memory_record()?.unwrap_or_default();
        let record = json::scan(&line).map_or(Raw::NULL, |(record, _)| record);
        let value = |key, default: &str| {
            record.get(key).map_or(default.to_owned(), |value| json::clean(value, "null"))
        };
        Ok(Memory {
            memories: value("sessionMemories", "[]"),
            last_retrieval: value("lastRetrieval", "null"),
        })
    }

    /// Records that a tool ran: `tool_call` is a JSON object with `id` and `function`
    /// (`name`, `arguments`), `content` what the tool answered.
    ///
    /// The record is outside the tree and in no context: the call itself is part of
    /// an assistant's message, and the answer is a message of its own, both appended
    /// with [`append_message`](Session::append_message). The record is normalised as
    /// Kward does: short tool names, arguments decoded and in camel case, the diff
    /// and the changed files of edits. Returns the record, a JSON object.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for a call that is not JSON;
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn append_tool_execution<'j>(
        self,
        tool_call: impl Into<Json<'j>>,
        content: &str,
    ) -> Result<String> {
        written(self.0.record_tool_execution(&tool_call.into(), content)?)
    }
}

/// `None` means that the format has no record for it, but Kward has.
fn written<T>(written: Option<T>) -> Result<T> {
    written.ok_or(Error::Unsupported("the session's format has no record for this"))
}

fn prompt(line: &[u8]) -> RecordedPrompt {
    let record = json::scan(line).map_or(Raw::NULL, |(record, _)| record);
    let text = |key| match record.get(key) {
        Some(value) => match value.string() {
            Some(text) => text.into_owned(),
            None => stored_text(&Stored::Json(json::compact(value))),
        },
        None => String::new(),
    };
    RecordedPrompt {
        content: text("content"),
        reason: text("reason"),
        hash: text("hash"),
        created_at: Timestamp::parse(&text("timestamp")),
    }
}
