//! Arguments of commands that import.

use std::path::PathBuf;

use clap::Args;

use super::format_parser;

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The program that wrote the roots; detected from their files when absent
    #[arg(long, value_parser = format_parser())]
    pub(crate) format: Option<sessile::Format>,
    /// The machine or person that the sessions come from, from now on
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<String>,
    /// Read and report, but write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read every file, even if its size and time are unchanged
    #[arg(long)]
    pub(crate) reread: bool,
    /// Also import what was purged here and is still at the root
    #[arg(long)]
    pub(crate) again: bool,
    /// Start even if the disk space seems too small
    #[arg(long)]
    pub(crate) ignore_space: bool,
    /// Compress lines with zstd, at a level from 1 to 19
    #[arg(
        long, value_name = "LEVEL", num_args = 0..=1, require_equals = true,
        default_missing_value = "3", value_parser = clap::value_parser!(i32).range(1..=19)
    )]
    pub(crate) compress: Option<i32>,
    /// Print the report as one JSON object per root
    #[arg(long)]
    pub(crate) json: bool,
    /// Session roots, such as ~/.kward
    #[arg(required = true, value_name = "ROOT")]
    pub(crate) roots: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// The machine or person for sessions without an origin in the other database
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<String>,
    /// Print the report as one JSON object per merge
    #[arg(long)]
    pub(crate) json: bool,
    /// Databases, or folders of session files
    #[arg(required = true, value_name = "OTHER")]
    pub(crate) others: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct SyncArgs {
    /// The machine or person that the sessions come from, from now on
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<String>,
    /// Report the folders and what an import would do; write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the report as one JSON object per folder
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArgs {
    /// Folders to watch; every program's folder of this user when absent
    #[arg(value_name = "ROOT")]
    pub(crate) roots: Vec<PathBuf>,
}
