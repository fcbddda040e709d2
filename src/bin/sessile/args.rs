//! What was typed.

mod find;
mod importing;
mod setup;

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
pub(crate) use importing::{SyncArgs, WatchArgs};
pub(crate) use setup::SetupCommand;

pub(crate) use self::find::{By, ListArgs, SearchArgs, ShowArgs, Sort, UsageArgs};

/// Every session of your AI agents in one SQLite file, and the JSONL files they came from back byte for byte.
#[derive(Debug, Parser)]
#[command(name = "sessile", version, propagate_version = true)]
pub(crate) struct Cli {
    /// The database; $SESSILE_DB when absent, or else one in the user's data folder
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) db: Option<PathBuf>,

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
    /// Say what is in the database, and what takes the space
    Stats {
        /// Print the result as one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Add up the tokens and the cost that messages report, each message once
    Usage(UsageArgs),
    /// Prove the database: integrity, checksums, and every table against the log
    Check,
    /// Fold every table again from the log
    Rebuild,
    /// Remove what files held before they were rewritten at their root; asks on a terminal
    Prune(PruneArgs),
    /// Read what a damaged database still holds into a new one; never writes to the damaged one
    Recover {
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

/// What is done with imported roots, and with the work dirs of sessions.
#[derive(Debug, Subcommand)]
pub(crate) enum RootCommand {
    /// List the roots that something was imported from
    Roots {
        /// Print one JSON object a root
        #[arg(long)]
        json: bool,
    },
    /// Remove a root from the database with all its sessions; touches nothing at the root
    ///
    /// On a terminal it asks. Elsewhere it goes ahead when all that goes is still at the root.
    Forget {
        /// An imported root, which may be gone
        root: PathBuf,
        /// Ask nothing
        #[arg(long)]
        yes: bool,
    },
    /// Let an imported root, or every root below a folder, be the one at another path
    Move {
        /// Where it was
        old: PathBuf,
        /// Where it is now
        new: PathBuf,
    },
    /// Give every session of a work dir that has moved its new path
    Relink {
        /// The work dir, however it is spelt
        from: String,
        /// Where it is now
        to: String,
    },
}

/// What is decided of sessions: archive and trash.
#[derive(Debug, Subcommand)]
pub(crate) enum KeepCommand {
    /// Archive sessions: lists leave them out
    Archive {
        /// Sessions: ids, prefixes or files
        #[arg(value_name = "ID", required_unless_present = "older_than")]
        sessions: Vec<String>,
        /// Also every session without activity for this many days, as in 15d
        #[arg(long, value_name = "DAYS", value_parser = days)]
        older_than: Option<u32>,
        /// The time to count as now, for scripts and tests
        #[arg(long, value_name = "RFC3339", value_parser = time)]
        now: Option<sessile::Timestamp>,
    },
    /// Take sessions out of the archive
    Unarchive {
        /// Sessions: ids, prefixes or files
        #[arg(value_name = "ID", required = true)]
        sessions: Vec<String>,
    },
    /// Put sessions into the trash: lists and exports leave them out
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
    /// Remove sessions in the trash for ever, every line of them; asks on a terminal
    Purge {
        /// Sessions: whole ids or files; on a terminal, prefixes
        #[arg(value_name = "ID", required = true)]
        sessions: Vec<String>,
        /// Also those that are not in the trash
        #[arg(long)]
        force: bool,
    },
}

/// What is said of a session beside its conversation.
#[derive(Debug, Subcommand)]
pub(crate) enum TagCommand {
    /// File a session under tags; without one, print those that it has
    Tag {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The tags
        #[arg(value_name = "TAG")]
        tags: Vec<String>,
    },
    /// Take tags away
    Untag {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// The tags
        #[arg(value_name = "TAG", required_unless_present = "all", conflicts_with = "all")]
        tags: Vec<String>,
        /// All of them
        #[arg(long)]
        all: bool,
    },
    /// Say something of a session, to find it by; no session file shows it
    Set {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// What to say: VALUE is JSON; what is none is text
        #[arg(value_name = "KEY=VALUE", required = true, value_parser = said)]
        metadata: Vec<(String, String)>,
    },
    /// Take back what was said of a session
    Unset {
        /// The session: its id, a prefix of it, or its file
        session: String,
        /// What was said
        #[arg(value_name = "KEY", required = true)]
        keys: Vec<String>,
    },
    /// Print what was said of a session, as one JSON object
    Metadata {
        /// The session: its id, a prefix of it, or its file
        session: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The program that wrote the roots; told from their files when absent
    #[arg(long, value_parser = format_parser())]
    pub(crate) format: Option<sessile::Format>,
    /// Read and report, but write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Read every file, also one whose size and time are as they were
    #[arg(long)]
    pub(crate) reread: bool,
    /// Take in again what was purged here and is still at the root
    #[arg(long)]
    pub(crate) again: bool,
    /// Start even if the disk space seems too small
    #[arg(long)]
    pub(crate) ignore_space: bool,
    /// Pack long lines by zstd, at a level from 1 to 19
    #[arg(
        long, value_name = "LEVEL", num_args = 0..=1, require_equals = true,
        default_missing_value = "3", value_parser = clap::value_parser!(i32).range(1..=19)
    )]
    pub(crate) compress: Option<i32>,
    /// Print the report as one JSON object a root
    #[arg(long)]
    pub(crate) json: bool,
    /// Session roots, such as ~/.kward
    #[arg(required = true, value_name = "ROOT")]
    pub(crate) roots: Vec<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Only this session: its id, a prefix of it, or its file
    #[arg(long, value_name = "ID")]
    pub(crate) session: Vec<String>,
    /// Only this root
    #[arg(long, value_name = "R")]
    pub(crate) root: Option<PathBuf>,
    /// Leave out what was written here: files as they were imported
    #[arg(long)]
    pub(crate) source: bool,
    /// Write what there is of damaged files, too, with .damaged behind their names
    #[arg(long)]
    pub(crate) damaged: bool,
    /// The session as it was in this generation of its file; `import` and `problems` name them
    #[arg(long, value_name = "N", requires = "session", conflicts_with = "source")]
    pub(crate) generation: Option<i64>,
    /// An empty folder, or one to be made
    pub(crate) out: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DumpArgs {
    /// Only this session: its id, a prefix of it, or its file
    #[arg(long, value_name = "ID")]
    pub(crate) session: Vec<String>,
    /// The session as it was in this generation of its file; `import` and `problems` name them
    #[arg(long, value_name = "N", requires = "session")]
    pub(crate) generation: Option<i64>,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Say what would be removed, and remove nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Print the exact bytes
    #[arg(long)]
    pub(crate) raw: bool,
    /// Only this line, counted from 1
    #[arg(long, value_name = "N")]
    pub(crate) line: Option<u32>,
    /// As it was in this generation of its file; `import` and `problems` name them
    #[arg(long, value_name = "N")]
    pub(crate) generation: Option<i64>,
    /// A session: its id, a prefix of it, or its file
    pub(crate) session: String,
}

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
    /// The entry: its id, or the beginning of it
    pub(crate) entry: String,
    /// The label; --clear takes it away
    #[arg(allow_hyphen_values = true, required_unless_present = "clear", conflicts_with = "clear")]
    pub(crate) label: Option<String>,
    /// Take the label away
    #[arg(long)]
    pub(crate) clear: bool,
    /// Label an entry that is yet to come
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
    /// Where the path ends: before a user's prompt, with any other entry; the active entry when absent
    #[arg(long, value_name = "ID")]
    pub(crate) entry: Option<String>,
    /// Of a Kimi session: the last turn to take along, from 0; all when absent
    #[arg(long, value_name = "K", conflicts_with = "entry")]
    pub(crate) turn: Option<u32>,
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

fn days(text: &str) -> Result<u32, String> {
    text.strip_suffix('d')
        .and_then(|days| days.parse().ok())
        .ok_or_else(|| "a number of days was expected, as in 15d".to_owned())
}

fn time(text: &str) -> Result<sessile::Timestamp, String> {
    sessile::Timestamp::parse(text)
        .ok_or_else(|| "a time was expected, as in 2026-01-02T03:04:05Z".to_owned())
}
