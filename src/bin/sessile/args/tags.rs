//! Arguments of commands for tags and metadata.

use clap::Subcommand;

use super::said;

/// Commands for tags and metadata.
#[derive(Debug, Subcommand)]
pub(crate) enum TagCommand {
    /// Add tags to a session; without any, print those that it has
    Tag {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The tags
        #[arg(value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Remove tags
    Untag {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The tags
        #[arg(value_name = "TAG", required_unless_present = "all", conflicts_with = "all")]
        tags: Vec<String>,
        /// All tags
        #[arg(long)]
        all: bool,
    },
    /// Set metadata of a session; it is stored in the database only
    Set {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The value: VALUE is JSON, or else text
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = said)]
        metadata: Vec<(String, String)>,
    },
    /// Remove metadata of a session
    Unset {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The keys
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
    /// Print the metadata of a session, as one JSON object
    Metadata {
        /// The session: its id, a prefix of it, or its file
        session: String,
    },
}
