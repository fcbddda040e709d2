//! What concerns the machine: programs' folders, shells, manual pages.

use std::path::PathBuf;

use clap::Subcommand;
use clap_complete::Shell;

/// What needs no database.
#[derive(Debug, Subcommand)]
pub(crate) enum SetupCommand {
    /// Print what a shell needs to complete commands and options
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write manual pages, one a command
    Man {
        /// The folder that gets them
        folder: PathBuf,
    },
}
