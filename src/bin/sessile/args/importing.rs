//! What keeps a database up to date with the programs of this machine.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// Name the folders and what an import would do; write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the report as one JSON object a folder
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Folders to watch; every program's folder of this user when absent
    #[arg(value_name = "ROOT")]
    pub(crate) roots: Vec<PathBuf>,
}
