//! Arguments of commands for the machine: shells, manual pages.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;

/// Commands that need no database.
#[derive(Debug, Subcommand)]
pub(crate) enum SetupCommand {
    /// Print the completions of commands and options for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write manual pages, one per command
    Man {
        /// The folder to write to
        folder: PathBuf,
    },
}
