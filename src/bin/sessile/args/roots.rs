//! Arguments of commands for roots and work dirs.

use std::path::PathBuf;

use clap::Subcommand;

/// Commands for imported roots, and for the work dirs of sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum RootCommand {
    /// List the roots that something was imported from
    Roots {
        /// Print one JSON object per root
        #[arg(long)]
        json: bool,
    },
    /// Remove a root from the database with all its sessions; touches nothing at the root
    ///
    /// Asks on a terminal. Elsewhere it goes ahead if everything it removes is still
    /// at the root.
    Forget {
        /// An imported root, which need not exist any more
        root: PathBuf,
        /// Print the report as one JSON object
        #[arg(long)]
        json: bool,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Change the path of an imported root, or of every root below a folder
    Move {
        /// The old path
        old: PathBuf,
        /// The new path
        new: PathBuf,
    },
    /// Change the work dir of every session in a work dir that was moved
    Relink {
        /// The work dir, in any spelling
        from: String,
        /// Print the report as one JSON object
        #[arg(long)]
        json: bool,
        /// The new path
        to: String,
    },
}
