//! What was typed of tags and metadata.

use clap::Subcommand;

use super::said;

/// What is said of a session beside its conversation.
#[derive(Debug, Subcommand)]
pub(crate) enum TagCommand {
    /// File a session under tags; without one, print those that it has
    Tag {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The tags
        #[arg(value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Take tags away
    Untag {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The tags
        #[arg(value_name = "TAG", required_unless_present = "all", conflicts_with = "all")]
        tags: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
    /// Say something of a session, to find it by; no session file shows it
    Set {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// What to say: VALUE is JSON; what is none is text
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = said)]
        metadata: Vec<(String, String)>,
    },
    /// Take back what was said of a session
    Unset {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// What was said
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
    /// Print what was said of a session, as one JSON object
    Metadata {
        /// The session: its id, a prefix of it, or its file
        session: String,
    },
}
