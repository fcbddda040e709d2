//! What of a record the session as a whole is told by.

use crate::model::{Stored, Timestamp, Usage};

use super::prompt::Prompt;

/// What a record says, beside what it is in the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) told: Told,
    /// Of a record that is a node of the tree.
    pub(super) node: Option<Node>,
}

/// The type of a record that is a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    User,
    Assistant,
    Progress,
    System,
    Attachment,
}

impl Kind {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "user" => Self::User,
            "assistant" => Self::Assistant,
            "progress" => Self::Progress,
            "system" => Self::System,
            "attachment" => Self::Attachment,
            _ => return None,
        })
    }

    pub(super) fn is_message(self) -> bool {
        matches!(self, Self::User | Self::Assistant)
    }
}

/// A node as the rules of the conversation see it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) uuid: String,
    pub(super) parent: Option<String>,
    pub(super) kind: Kind,
    pub(super) is_sidechain: bool,
    /// Whether it is the program's own remark, or another member's of a team.
    pub(super) is_aside: bool,
    /// JSON of who wrote it, where that is an agent.
    pub(super) agent: Option<String>,
    /// As text, since that is what it is ordered by.
    pub(super) timestamp: String,
    /// Of an assistant: the response that it is a part of.
    pub(super) message_id: Option<String>,
    /// Ids and names of the tools that it calls.
    pub(super) calls: Vec<(String, String)>,
    /// Whether it answers a tool, and the calls that it answers.
    pub(super) is_answer: bool,
    pub(super) answers: Vec<Answer>,
    /// The node that made the call which it answers, where it says so.
    pub(super) source: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) usage: Option<Box<Reported>>,
}

/// An answer to a call.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) call_id: String,
    pub(super) is_error: bool,
}

/// What a response used, as one of its parts reports it.
#[derive(Clone, Debug)]
pub(super) struct Reported {
    pub(super) request_id: Option<String>,
    pub(super) usage: Usage,
}

impl Node {
    /// Whether it is a part of the conversation itself.
    pub(super) fn is_main(&self) -> bool {
        !self.is_sidechain && !self.is_aside
    }
}

/// What a record says of its session.
#[derive(Clone, Debug, Default)]
pub(super) struct Told {
    /// Of a summary, which may be of another session: the node that it ends with.
    pub(super) summary_of: Option<Option<String>>,
    /// A type that the program was never seen to write.
    pub(super) unknown: Option<String>,
    pub(super) custom_title: Option<Stored>,
    pub(super) ai_title: Option<Stored>,
    pub(super) last_prompt: Option<Stored>,
    pub(super) summary: Option<Stored>,
    pub(super) git_branch: Option<Stored>,
    /// Of a record that sets the tag: `None` clears it.
    pub(super) tag: Option<Option<Stored>>,
    pub(super) work_dir: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) is_sidechain: bool,
    pub(super) prompt: Prompt,
    pub(super) version: Option<Stored>,
    pub(super) model: Option<Stored>,
    pub(super) session_id: Option<String>,
    /// The session that it was copied from.
    pub(super) forked_from: Option<String>,
}
