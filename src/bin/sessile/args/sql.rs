//! What was typed to query.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// Print one JSON object a row, bytes in hex; else a table on a terminal, and tabs between in a pipe
    #[arg(long)]
    pub(crate) json: bool,
    /// One statement that reads; standard input when absent. docs/schema.md tells of views and functions
    #[arg(value_name = "QUERY")]
    pub(crate) query: Option<String>,
}
