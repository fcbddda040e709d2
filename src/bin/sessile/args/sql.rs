//! Arguments of `sql`.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct SqlArgs {
    /// Print one JSON object per row, with bytes in hex; otherwise a table on a
    /// terminal, and tab-separated in a pipe
    #[arg(long)]
    pub(crate) json: bool,
    /// One read-only statement; standard input when absent. docs/schema.md describes
    /// views and functions
    #[arg(value_name = "QUERY")]
    pub(crate) query: Option<String>,
}
