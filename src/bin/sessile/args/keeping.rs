//! Arguments of commands for the archive, the trash and earlier generations.

use clap::{Args, Subcommand};

/// Commands that decide about sessions: archive and trash.
#[derive(Debug, Subcommand)]
pub(crate) enum KeepCommand {
    /// Archive sessions: lists leave them out
    Archive {
        /// Sessions: ids, prefixes or files
        #[arg(value_name = "ID", required_unless_present = "older_than")]
        sessions: Vec<String>,
        /// Also every session without activity for this many days, for example 15d
        #[arg(long, value_name = "DAYS", value_parser = days)]
        older_than: Option<u32>,
        /// The time to count as now, for scripts and tests
        #[arg(long, value_name = "RFC3339", value_parser = time)]
        now: Option<sessile::Timestamp>,
        /// Print the report as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Take sessions out of the archive
    Unarchive {
        /// Sessions: ids, prefixes or files
        #[arg(value_name = "ID", required = true)]
        sessions: Vec<String>,
    },
    /// Move sessions to the trash: lists and exports leave them out
    #[command(visible_alias = "delete")]
    Trash {
        /// Sessions: ids, prefixes or files
        #[arg(value_name = "ID", required = true)]
        sessions: Vec<String>,
    },
    /// Take sessions out of the trash
    Restore {
        /// Sessions: ids, prefixes or files
        #[arg(value_name = "ID", required = true)]
        sessions: Vec<String>,
    },
    /// Delete sessions in the trash for good, every line of them; asks on a terminal
    Purge {
        /// Sessions: full ids or files; on a terminal also prefixes
        #[arg(value_name = "ID", required = true)]
        sessions: Vec<String>,
        /// Print the report as one JSON object
        #[arg(long)]
        json: bool,
        /// Also sessions that are not in the trash
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Report what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SealArgs {
    /// Sessions: ids, prefixes or files
    #[arg(value_name = "ID", required_unless_present_any = ["archived", "older_than"])]
    pub(crate) sessions: Vec<String>,
    /// Also archived sessions
    #[arg(long)]
    pub(crate) archived: bool,
    /// Also every session without activity for this many days, for example 90d
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub(crate) older_than: Option<u32>,
    /// The time to count as now, for scripts and tests
    #[arg(long, value_name = "RFC3339", value_parser = time)]
    pub(crate) now: Option<sessile::Timestamp>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

fn days(text: &str) -> Result<u32, String> {
    text.strip_suffix('d')
        .and_then(|days| days.parse().ok())
        .ok_or_else(|| "a number of days was expected, as in 15d".to_owned())
}

fn time(text: &str) -> Result<sessile::Timestamp, String> {
    crate::moment::time(text)
        .ok_or_else(|| "a time was expected, as in 2026-01-02T03:04:05Z".to_owned())
}
