//! Records outside the tree: system prompts, memory, tool executions.
//!
//! Not every format has them. The methods here return `None` if the session's
//! format has not; the public handles of each format express the same by their
//! types.

use sha2::{Digest, Sha256};

use super::{Session, text_of};
use crate::chain;
use crate::error::Result;
use crate::format::stored_text;
use crate::model::{Draft, Json};
use crate::store::{log, records};

/// The result of recording a system prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PromptSnapshot {
    /// `sha256:` and the digest of its text in hex.
    pub hash: String,
    /// Whether it was written. It is not if it is empty or the one recorded last.
    pub is_written: bool,
}

/// The memory, and what was retrieved from it last: both JSON.
pub(crate) struct Memories<'a> {
    pub(crate) memories: Json<'a>,
    pub(crate) last_retrieval: Json<'a>,
}

impl Session {
    /// Records the memory.
    pub(crate) fn record_memory(&self, new: &Memories<'_>) -> Result<Option<()>> {
        let (memories, last_retrieval) = (text_of(&new.memories)?, text_of(&new.last_retrieval)?);
        self.append(|writing, tail| {
            let value = |text| chain::compact(text, tail.depth_below(2));
            let memories = match value(memories)? {
                array if array.starts_with('[') => array,
                null if null == "null" => "[]".to_owned(),
                other => format!("[{other}]"),
            };
            let last_retrieval = value(last_retrieval)?;
            let draft = Draft::Memory { memories: &memories, last_retrieval: &last_retrieval };
            Ok(tail.format.spelling().serialise(&draft, writing.at).map(|line| (line, ())))
        })
    }

    /// Records the system prompt, unless it is empty or the one recorded last.
    pub(crate) fn record_system_prompt(
        &self,
        content: &str,
        reason: &str,
    ) -> Result<Option<PromptSnapshot>> {
        let digest = Sha256::digest(content.as_bytes());
        let hash =
            digest.iter().fold("sha256:".to_owned(), |hash, byte| format!("{hash}{byte:02x}"));
        let draft = Draft::SystemPrompt { reason, hash: &hash, content };
        if self.format.spelling().serialise(&draft, self.time()).is_none() {
            return Ok(None);
        }
        let written = self.append(|writing, tail| {
            let last = records::system_prompt_hash(writing.tx, self.key)?;
            if content.is_empty() || last.is_some_and(|last| stored_text(&last) == hash) {
                return Ok(None);
            }
            Ok(Some((writing.line(tail, &draft)?, ())))
        })?;
        Ok(Some(PromptSnapshot { is_written: written.is_some(), hash }))
    }

    /// Records that a tool ran; returns the line's record.
    pub(crate) fn record_tool_execution(
        &self,
        tool_call: &Json<'_>,
        content: &str,
    ) -> Result<Option<String>> {
        let tool_call = text_of(tool_call)?;
        self.append(|writing, tail| {
            let tool_call = chain::compact(tool_call, tail.depth_below(1))?;
            let draft = Draft::ToolExecution { tool_call: &tool_call, content };
            let line = tail.format.spelling().serialise(&draft, writing.at);
            Ok(line.map(|line| {
                let record = line.trim_end().to_owned();
                (line, record)
            }))
        })
    }

    /// The lines of the system prompts, in file order.
    pub(crate) fn system_prompt_records(&self) -> Result<Vec<Vec<u8>>> {
        self.read(|conn| {
            let lines = records::system_prompt_lines(conn, self.key)?;
            lines.into_iter().map(|key| log::line(conn, key)).collect()
        })
    }

    /// The line with the last recorded memory; `None` if there is none.
    pub(crate) fn memory_record(&self) -> Result<Option<Vec<u8>>> {
        self.read(|conn| {
            records::memory_state(conn, self.key)?.map(|key| log::line(conn, key)).transpose()
        })
    }
}
