//! The command line arguments.

mod export;
mod find;
mod help;
mod importing;
mod keeping;
mod live;
mod roots;
mod serve;
mod setup;
mod sql;
mod tags;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Parser, Subcommand};

pub(crate) use self::export::{DumpArgs, ExportArgs, LogArgs};
pub(crate) use self::find::{By, ListArgs, SearchArgs, SessionArgs, ShowArgs, Sort, UsageArgs};
pub(crate) use self::help::command;
pub(crate) use self::importing::{ImportArgs, MergeArgs, SyncArgs, WatchArgs};
pub(crate) use self::keeping::{KeepCommand, PruneArgs, SealArgs};
pub(crate) use self::live::{AppendArgs, ForkArgs, LabelArgs, NewArgs};
pub(crate) use self::roots::RootCommand;
pub(crate) use self::serve::ServeArgs;
pub(crate) use self::setup::SetupCommand;
pub(crate) use self::sql::SqlArgs;
pub(crate) use self::tags::TagCommand;

/// Every session of your AI agents in one SQLite file, and the JSONL files they came from back byte for byte.
#[derive(Debug, Parser)]
#[command(name = "sessile", version, propagate_version = true)]
pub(crate) struct Cli {
    /// The database; $SESSILE_DB when absent, else one in the user's data folder
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) db: Option<PathBuf>,

    /// Never send output longer than the terminal through $PAGER or less
    #[arg(long, global = true, display_order = 1_000)]
    pub(crate) no_pager: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Import session roots; never writes to them
    Import(ImportArgs),
    /// Import the folder of every program of this user that exists, such as ~/.kward
    /// and ~/.pi/agent
    Sync(SyncArgs),
    /// Import what programs write, as they write it, until it is interrupted
    Watch(WatchArgs),
    /// Merge other databases into this one, such as those of other machines; never
    /// writes to them
    Merge(MergeArgs),
    #[command(flatten)]
    Root(RootCommand),
    /// Compare every byte that an import of a root covers with what was imported
    Verify {
        /// Print the result as one JSON object
        #[arg(long)]
        json: bool,
        /// An imported root
        root: PathBuf,
    },
    /// Write the imported files again, byte for byte
    Export(ExportArgs),
    /// Print everything the database knows, one JSON object per session
    Dump(DumpArgs),
    /// List sessions, newest first
    List(ListArgs),
    /// Find entries by their text, newest first
    Search(SearchArgs),
    /// Draw a session's tree; • marks the path to the active entry
    Tree {
        /// Print one JSON object per row
        #[arg(long)]
        json: bool,
        /// Times in UTC
        #[arg(long)]
        utc: bool,
        /// A session: its id, a prefix of it, or its file
        session: String,
    },
    /// Print a session's conversation
    Show(ShowArgs),
    /// List the lines of a session's file, or print them byte for byte
    Log(LogArgs),
    /// List what could not be understood
    Problems {
        /// Print one JSON object per problem
        #[arg(long)]
        json: bool,
        /// Only this session: its id, a prefix of it, or its file
        session: Option<String>,
    },
    /// Run a read-only SQL query
    Sql(SqlArgs),
    /// Show what is in the database, and what takes the space
    Stats {
        /// Print the result as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Add up the tokens and the cost that messages report, each message once
    Usage(UsageArgs),
    /// Check the database: integrity, checksums, and every table against the log
    Check {
        /// Print the report as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Fold every table again from the log
    Rebuild {
        /// Print the report as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Remove earlier generations of files, from before they were rewritten at their
    /// root; asks on a terminal
    Prune(PruneArgs),
    /// Compress the lines of sessions that are not in daily use; every byte is
    /// returned as before
    Seal(SealArgs),
    /// Recover what is left of a damaged database into a new one; never writes to the
    /// damaged one
    Recover {
        /// Print the report as one JSON object
        #[arg(long)]
        json: bool,
        /// A file that does not exist
        new: PathBuf,
    },
    #[command(flatten)]
    Keep(KeepCommand),
    /// Create a session and print its id
    New(NewArgs),
    /// Append a message after the active entry and print its entry's id
    Append(AppendArgs),
    /// Make an entry the active one: the next one appended is its child
    Branch {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The entry
        #[arg(required_unless_present = "root", conflicts_with = "root")]
        entry: Option<String>,
        /// Leave every branch: the next entry appended is a root
        #[arg(long)]
        root: bool,
    },
    /// Set or remove the label of an entry
    Label(LabelArgs),
    /// Set or remove the name of a session
    Rename {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The name; --clear removes it
        #[arg(
            allow_hyphen_values = true,
            required_unless_present = "clear",
            conflicts_with = "clear"
        )]
        name: Option<String>,
        /// Remove the name
        #[arg(long)]
        clear: bool,
    },
    #[command(flatten)]
    Tags(TagCommand),
    /// Copy a session with all its branches and print the copy's id
    Clone {
        /// The session: its id, a prefix of it, or its file
        session: String,
    },
    /// Create a session from one path of another and print its id
    Fork(ForkArgs),
    /// Print the conversation as Markdown
    Markdown {
        /// With tool calls and results in full, and the id and time of each message;
        /// not in the program's own form
        #[arg(long)]
        full: bool,
        /// The session: its id, a prefix of it, or its file
        session: String,
    },
    /// Write the conversation, with all branches, as one HTML page
    Html {
        /// Write the page to a new file instead of standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The session: its id, a prefix of it, or its file
        session: String,
    },
    /// Show all sessions in a browser on this machine, read-only, until interrupted
    Serve(ServeArgs),
    /// Serve the live API to other programs: JSON-RPC 2.0, one object per line
    Rpc {
        /// Print the methods and their parameters as JSON, and exit
        #[arg(long)]
        schema: bool,
    },
    /// Write a consistent copy of the database
    Backup {
        /// A file that does not exist
        path: PathBuf,
    },
    #[command(flatten)]
    Setup(SetupCommand),
}

/// Parses the name of a format; help and errors list all of them.
fn format_parser() -> impl TypedValueParser<Value = sessile::Format> {
    let names = sessile::Format::ALL.iter().map(|format| format.name());
    PossibleValuesParser::new(names)
        .try_map(|name| sessile::Format::from_name(&name).ok_or("there is no format of this name"))
}

/// A key, and the JSON of its value.
fn said(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| "KEY=VALUE was expected, as in team=core".to_owned())?;
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok();
    let json = if is_json { value.to_owned() } else { serde_json::Value::from(value).to_string() };
    Ok((key.to_owned(), json))
}
