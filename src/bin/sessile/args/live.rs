//! Arguments of commands that write sessions.

use std::path::PathBuf;

use clap::Args;

use super::format_parser;

#[derive(Debug, Args)]
pub(crate) struct NewArgs {
    /// The program whose session it is; Kward by default
    #[arg(long, value_parser = format_parser())]
    pub(crate) format: Option<sessile::Format>,
    /// The directory that it works in
    #[arg(long, value_name = "P")]
    pub(crate) cwd: PathBuf,
    /// The provider of its model
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// Its model
    #[arg(long)]
    pub(crate) model: Option<String>,
    /// The model's reasoning effort
    #[arg(long)]
    pub(crate) reasoning_effort: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct AppendArgs {
    /// The session: its id, a prefix of it, or its file
    pub(crate) session: String,
    /// The message, a JSON object; read from standard input when absent
    pub(crate) message: Option<String>,
    /// A message of the user, as plain text
    #[arg(long, value_name = "TEXT", conflicts_with = "message", allow_hyphen_values = true)]
    pub(crate) user: Option<String>,
    /// A message of the assistant, as plain text
    #[arg(
        long,
        value_name = "TEXT",
        conflicts_with_all = ["message", "user"],
        allow_hyphen_values = true
    )]
    pub(crate) assistant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct LabelArgs {
    /// The session: its id, a prefix of it, or its file
    pub(crate) session: String,
    /// The entry: its id, or a prefix of it
    pub(crate) entry: String,
    /// The label; --clear removes it
    #[arg(allow_hyphen_values = true, required_unless_present = "clear", conflicts_with = "clear")]
    pub(crate) label: Option<String>,
    /// Remove the label
    #[arg(long)]
    pub(crate) clear: bool,
    /// Allow an id that no entry has yet
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ForkArgs {
    /// The session: its id, a prefix of it, or its file
    #[arg(value_name = "ID", required_unless_present = "file", conflicts_with = "file")]
    pub(crate) session: Option<String>,
    /// The session of this file
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
    /// Where the path ends: before it if it is a user's prompt, else with it; the
    /// active entry when absent
    #[arg(long, value_name = "ID")]
    pub(crate) entry: Option<String>,
    /// For a Kimi session: the last turn to include, counted from 0; all when absent
    #[arg(long, value_name = "K", conflicts_with = "entry")]
    pub(crate) turn: Option<u32>,
}
