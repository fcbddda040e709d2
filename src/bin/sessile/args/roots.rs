//! What was typed of roots and work dirs.

use std::path::PathBuf;

use clap::Subcommand;

/// What is done with imported roots, and with the work dirs of sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum RootCommand {
    /// List the roots that something was imported from
    Roots {
        /// Print one JSON object a root
        #[arg(long)]
        json: bool,
    },
    /// Remove a root from the database with all its sessions; touches nothing at the root
    ///
    /// On a terminal it asks. Elsewhere it goes ahead when all that goes is still at the root.
    Forget {
        /// An imported root, which may be gone
        root: PathBuf,
        /// Print the report as one JSON object
        #[arg(long)]
        json: bool,
        /// Ask nothing
        #[arg(long)]
        yes: bool,
    },
    /// Let an imported root, or every root below a folder, be the one at another path
    Move {
        /// Where it was
        old: PathBuf,
        /// Where it is now
        new: PathBuf,
    },
    /// Give every session of a work dir that has moved its new path
    Relink {
        /// The work dir, however it is spelt
        from: String,
        /// Where it is now
        to: String,
    },
}
