//! What only a Kward session has.

use super::text::stored_text;
use crate::error::{Error, Result};
use crate::format::Format;
use crate::format::json::{self, Raw};
use crate::model::{Json, Stored, Timestamp};
use crate::session::{Memories, PromptSnapshot, Session};

/// What only a Kward session has: records of [system prompts](Self::system_prompts),
/// [memory](Self::memory) and [tools that ran](Self::append_tool_execution),
/// beside the tree. [`Session::kward`] gives it.
#[derive(Clone, Copy, Debug)]
pub struct Kward<'a>(&'a Session);

/// A system prompt as it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedPrompt {
    /// Its text.
    pub content: String,
    /// Why it was recorded, such as `attach` or `changed`.
    pub reason: String,
    /// `sha256:` and the digest of its text, in hex.
    pub hash: String,
    /// When it was recorded.
    pub created_at: Option<Timestamp>,
}

/// What a session remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// What is remembered: a JSON array, `[]` where nothing was recorded.
    pub memories: String,
    /// What was last retrieved of it, as JSON; `null` where nothing was.
    pub last_retrieval: String,
}

impl Session {
    /// What only a Kward session has; `None` for other formats.
    pub fn kward(&self) -> Option<Kward<'_>> {
        (self.format() == Format::Kward).then_some(Kward(self))
    }
}

impl Kward<'_> {
    /// Records the system prompt, unless it is empty or the one recorded last.
    /// `reason` is any text; Kward itself says `attach` and `changed`.
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

    /// Returns the system prompts that were recorded, in file order: the last
    /// one is the one that holds.
    ///
    /// # Errors
    ///
    /// [`Damaged`](Error::Damaged) when a line of them cannot be read.
    pub fn system_prompts(self) -> Result<Vec<RecordedPrompt>> {
        let lines = self.0.system_prompt_records()?;
        Ok(lines.iter().map(|line| prompt(line)).collect())
    }

    /// Records what is remembered, an array, and what was last retrieved of it,
    /// both JSON. What is no array becomes one, null an empty one.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for what is no JSON;
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn update_memory_state<'j, 'k>(
        self,
        memories: impl Into<Json<'j>>,
        last_retrieval: impl Into<Json<'k>>,
    ) -> Result<()> {
        let new = Memories { memories: memories.into(), last_retrieval: last_retrieval.into() };
        written(self.0.record_memory(&new)?)
    }

    /// Returns what was last recorded as remembered.
    ///
    /// # Errors
    ///
    /// [`Damaged`](Error::Damaged) when its line cannot be read.
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

    /// Records that a tool ran: `tool_call`, a JSON object with `id` and
    /// `function` (`name`, `arguments`), and what it answered.
    ///
    /// It stands beside the tree and in no context: the call itself is part of an
    /// assistant's message, and the answer a message of its own, both by
    /// [`append_message`](Session::append_message). The record has Kward's shape,
    /// whatever the call looked like: short tool names, arguments decoded and in
    /// camel case, the diff and the changed files of edits. Returns the record,
    /// one object of JSON.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for a call that is no JSON;
    /// [`SessionNotFound`](Error::SessionNotFound).
    pub fn append_tool_execution<'j>(
        self,
        tool_call: impl Into<Json<'j>>,
        content: &str,
    ) -> Result<String> {
        written(self.0.record_tool_execution(&tool_call.into(), content)?)
    }
}

/// A format has a record for it or has not; this one has.
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
