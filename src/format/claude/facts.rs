//! What the fold of a whole session needs of each record.

use crate::model::{Stored, Timestamp, Usage};

use super::prompt::Prompt;

/// The facts of a record.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts {
    pub(super) told: SessionFacts,
    /// Set for a record that is a node of the tree.
    pub(super) node: Option<Node>,
}

/// The type of a node.
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

/// A node, as the rules for finding the conversation see it.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) uuid: String,
    pub(super) parent: Option<String>,
    pub(super) kind: Kind,
    pub(super) is_sidechain: bool,
    /// Whether it is a note of the program itself, or from another member of a team.
    pub(super) is_aside: bool,
    /// The agent that wrote it, as JSON.
    pub(super) agent: Option<String>,
    /// As text, because it is compared as text.
    pub(super) timestamp: String,
    /// For an assistant: the response that it is part of.
    pub(super) message_id: Option<String>,
    /// Ids and names of the tools that it calls.
    pub(super) calls: Vec<(String, String)>,
    /// Whether it contains answers of tools, and the calls that they answer.
    pub(super) is_answer: bool,
    pub(super) answers: Vec<Answer>,
    /// The node that made the answered call, if it says so.
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

/// The usage of a response, as one of its nodes reports it.
#[derive(Clone, Debug)]
pub(super) struct Reported {
    pub(super) request_id: Option<String>,
    pub(super) usage: Usage,
}

impl Node {
    /// Whether it is part of the main conversation.
    pub(super) fn is_main(&self) -> bool {
        !self.is_sidechain && !self.is_aside
    }
}

/// What a record says of its session.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionFacts {
    /// For a summary, which may be of another session: the last node that it covers.
    pub(super) summary_of: Option<Option<String>>,
    /// A record type that the program was never seen to write.
    pub(super) unknown: Option<String>,
    pub(super) custom_title: Option<Stored>,
    pub(super) ai_title: Option<Stored>,
    pub(super) last_prompt: Option<Stored>,
    pub(super) summary: Option<Stored>,
    pub(super) git_branch: Option<Stored>,
    /// For a record that sets the tag: `None` clears it.
    pub(super) tag: Option<Option<Stored>>,
    pub(super) work_dir: Option<String>,
    pub(super) at: Option<Timestamp>,
    pub(super) is_sidechain: bool,
    pub(super) prompt: Prompt,
    pub(super) version: Option<Stored>,
    pub(super) model: Option<Stored>,
    pub(super) session_id: Option<String>,
    /// The session that it was forked from.
    pub(super) forked_from: Option<String>,
}
