//! What was typed.

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
    /// The database; $SESSILE_DB when absent, or else one in the user's data folder
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) db: Option<PathBuf>,

    /// Print what is longer than the terminal as it is, not through $PAGER or less
    #[arg(long, global = true, display_order = 1_000)]
    pub(crate) no_pager: bool,

    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Read session roots into the database; never writes to them
    Import(ImportArgs),
    /// Import every program's folder of this user that exists, such as ~/.kward and ~/.pi/agent
    Sync(SyncArgs),
    /// Import what programs write, as they write it, until it is interrupted
    Watch(WatchArgs),
    /// Take in what other databases have, such as those of other machines; never writes to them
    Merge(MergeArgs),
    #[command(flatten)]
    Root(RootCommand),
    /// Compare every byte below a root with what was imported
    Verify {
        /// Print the result as one JSON object
        #[arg(long)]
        json: bool,
        /// An imported root
        root: PathBuf,
    },
    /// Write the imported files again, byte for byte
    Export(ExportArgs),
    /// Print everything the database knows, one JSON object a line and session
    Dump(DumpArgs),
    /// List sessions, newest first
    List(ListArgs),
    /// Find entries by what they say, newest first
    Search(SearchArgs),
    /// Draw a session's tree; • marks the way to the active entry
    Tree {
        /// Times in UTC
        #[arg(long)]
        utc: bool,
        /// A session: its id, a prefix of it, or its file
        session: String,
    },
    /// Print a session's conversation to read
    Show(ShowArgs),
    /// List the lines of a session's file, or print them byte for byte
    Log(LogArgs),
    /// List what could not be understood
    Problems {
        /// Print one JSON object a problem
        #[arg(long)]
        json: bool,
        /// Only this session: its id, a prefix of it, or its file
        session: Option<String>,
    },
    /// Answer a query in SQL; nothing can be written by it
    Sql(SqlArgs),
    /// Say what is in the database, and what takes the space
    Stats {
        /// Print the result as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Add up the tokens and the cost that messages report, each message once
    Usage(UsageArgs),
    /// Prove the database: integrity, checksums, and every table against the log
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
    /// Remove what files held before they were rewritten at their root; asks on a terminal
    Prune(PruneArgs),
    /// Pack the lines of sessions that are not in daily use; every byte is given back as before
    Seal(SealArgs),
    /// Read what a damaged database still holds into a new one; never writes to the damaged one
    Recover {
        /// Print the report as one JSON object
        #[arg(long)]
        json: bool,
        /// A file that does not exist
        new: PathBuf,
    },
    #[command(flatten)]
    Keep(KeepCommand),
    /// Make a session and print its id
    New(NewArgs),
    /// Append a message behind the active entry and print its entry's id
    Append(AppendArgs),
    /// Make an entry the active one: what is appended next is its child
    Branch {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The entry
        #[arg(required_unless_present = "root", conflicts_with = "root")]
        entry: Option<String>,
        /// Leave every branch: what is appended next is a root
        #[arg(long)]
        root: bool,
    },
    /// Label an entry, or take its label away
    Label(LabelArgs),
    /// Name a session, or take its name away
    Rename {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The name; --clear takes it away
        #[arg(
            allow_hyphen_values = true,
            required_unless_present = "clear",
            conflicts_with = "clear"
        )]
        name: Option<String>,
        /// Take the name away
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
    /// Make a session of one path of another and print its id
    Fork(ForkArgs),
    /// Print the conversation as Markdown
    Markdown {
        /// With what tools are given and answer, whole, and the id and time of each message; not as its program does
        #[arg(long)]
        full: bool,
        /// The session: its id, a prefix of it, or its file
        session: String,
    },
    /// Write the conversation, with all branches, as one page for a browser
    Html {
        /// Write the page to a file that does not exist, rather than to standard output
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// The session: its id, a prefix of it, or its file
        session: String,
    },
    /// Show everything in a browser of this machine, to read, until it is interrupted
    Serve(ServeArgs),
    /// Serve the live API to other programs: JSON-RPC 2.0, one object a line
    Rpc {
        /// Print the methods and what they take, as JSON, and serve nothing
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

/// Reads the name of a format, of which it knows all.
fn format_parser() -> impl TypedValueParser<Value = sessile::Format> {
    let names = sessile::Format::ALL.iter().map(|format| format.name());
    PossibleValuesParser::new(names)
        .try_map(|name| sessile::Format::from_name(&name).ok_or("no format goes by this name"))
}

/// A key, and the JSON of its value.
fn said(text: &str) -> Result<(String, String), String> {
    let (key, value) =
        text.split_once('=').ok_or_else(|| "KEY=VALUE was expected, as in team=core".to_owned())?;
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok();
    let json = if is_json { value.to_owned() } else { serde_json::Value::from(value).to_string() };
    Ok((key.to_owned(), json))
}
