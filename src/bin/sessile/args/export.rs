//! Arguments of commands that export.

use std::path::PathBuf;

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Only this session: its id, a prefix of it, or its file
    #[arg(long, value_name = "ID")]
    pub(crate) session: Vec<String>,
    /// Only this root
    #[arg(long, value_name = "R")]
    pub(crate) root: Option<PathBuf>,
    /// Files as they were imported, without what was written here
    #[arg(long)]
    pub(crate) source: bool,
    /// Also write what is left of damaged files, with .damaged appended to their
    /// names
    #[arg(long)]
    pub(crate) damaged: bool,
    /// The session as of this generation of its file; `import` and `problems` name
    /// them
    #[arg(long, value_name = "N", requires = "session", conflicts_with = "source")]
    pub(crate) generation: Option<i64>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// A folder that is empty or does not exist
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// Only this session: its id, a prefix of it, or its file
    #[arg(long, value_name = "ID")]
    pub(crate) session: Vec<String>,
    /// The session as of this generation of its file; `import` and `problems` name
    /// them
    #[arg(long, value_name = "N", requires = "session")]
    pub(crate) generation: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Print the exact bytes
    #[arg(long)]
    pub(crate) raw: bool,
    /// Only this line, counted from 1
    #[arg(long, value_name = "N")]
    pub(crate) line: Option<u32>,
    /// As of this generation of its file; `import` and `problems` name them
    #[arg(long, value_name = "N")]
    pub(crate) generation: Option<i64>,
    /// A session: its id, a prefix of it, or its file
    pub(crate) session: String,
}
