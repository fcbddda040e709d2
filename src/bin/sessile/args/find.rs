//! Arguments of commands that list, search and show.

use std::path::PathBuf;

use clap::Args;

use super::{format_parser, said};
use crate::moment::Moment;

/// Which sessions to select: the same in lists, searches and sums.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct SessionArgs {
    /// Only sessions of this working directory
    #[arg(long, value_name = "P")]
    pub(crate) work_dir: Option<String>,
    /// Only sessions of this program
    #[arg(long, value_parser = format_parser())]
    pub(crate) format: Option<sessile::Format>,
    /// Only sessions of this machine or person, as `import` or `merge` named it
    #[arg(long, value_name = "NAME")]
    pub(crate) origin: Option<String>,
    /// Only sessions with this tag; if repeated: with all of them
    #[arg(long = "tag", value_name = "T")]
    pub(crate) tags: Vec<String>,
    /// Only sessions with this metadata, as set by `set`; if repeated: with all of it
    #[arg(long = "where", value_name = "KEY=VALUE", value_parser = said)]
    pub(crate) metadata: Vec<(String, String)>,
}

#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ListArgs {
    /// Print one JSON object per session
    #[arg(long)]
    pub(crate) json: bool,
    /// The most sessions to list; 0 or less means 100
    #[arg(long, value_name = "N", default_value_t = 100, allow_negative_numbers = true)]
    pub(crate) limit: i64,
    /// Sessions to skip; less than 0 means 0
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    pub(crate) offset: i64,
    /// Start after a page, at the position that its last line named
    #[arg(long, value_name = "PLACE")]
    pub(crate) after: Option<sessile::Cursor>,
    /// Only sessions whose title or work dir contains this text, ignoring case
    #[arg(long, value_name = "Q", allow_hyphen_values = true)]
    pub(crate) query: Option<String>,
    /// Only archived sessions
    #[arg(long, conflicts_with = "all")]
    pub(crate) archived: bool,
    /// Also archived sessions
    #[arg(long)]
    pub(crate) all: bool,
    /// Also sessions that their program's own lists hide, such as sub-agents
    #[arg(long, value_name = "WHICH", value_parser = ["shown", "all"], default_value = "shown")]
    pub(crate) sources: String,
    /// Only sessions in the trash
    #[arg(long, conflicts_with_all = ["archived", "all"])]
    pub(crate) trash: bool,
    #[command(flatten)]
    pub(crate) sessions: SessionArgs,
    /// Only sessions active since: a date, an RFC 3339 time, or how long ago, for
    /// example 2w, 3d or 12h
    #[arg(long, value_name = "T", value_parser = Moment::since)]
    pub(crate) since: Option<Moment>,
    /// Only sessions not active after; a date means its end
    #[arg(long, value_name = "T", value_parser = Moment::until)]
    pub(crate) until: Option<Moment>,
    /// The order
    #[arg(long, value_enum, default_value_t = Sort::Modified)]
    pub(crate) sort: Sort,
    /// Times in UTC
    #[arg(long)]
    pub(crate) utc: bool,
}

/// Orders of a list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sort {
    /// The newest first
    #[default]
    Modified,
    /// The oldest first
    Oldest,
    /// The one with the most messages first
    Messages,
    /// By title
    Title,
}

#[derive(Debug, Args)]
pub(crate) struct SearchArgs {
    /// Print one JSON object per hit
    #[arg(long)]
    pub(crate) json: bool,
    /// The most hits to return; 0 for all
    #[arg(long, value_name = "N", default_value_t = 20, allow_negative_numbers = true)]
    pub(crate) limit: u64,
    /// Start after a page, at the position that its last line named
    #[arg(long, value_name = "PLACE")]
    pub(crate) after: Option<sessile::SearchCursor>,
    /// Only entries of this role, such as user, assistant, tool or summary; if
    /// repeated: of any of them
    #[arg(long = "role", value_name = "R")]
    pub(crate) roles: Vec<String>,
    /// Only messages that call this tool, and its answers; if repeated: any of them
    #[arg(long = "tool", value_name = "NAME")]
    pub(crate) tool: Vec<String>,
    /// Only entries made with this model, or one whose name contains this
    #[arg(long, value_name = "M")]
    pub(crate) model: Option<String>,
    #[command(flatten)]
    pub(crate) sessions: SessionArgs,
    /// Only entries since: a date, an RFC 3339 time, or how long ago, for example 2w,
    /// 3d or 12h
    #[arg(long, value_name = "T", value_parser = Moment::since)]
    pub(crate) since: Option<Moment>,
    /// Only entries until then; a date means its end
    #[arg(long, value_name = "T", value_parser = Moment::until)]
    pub(crate) until: Option<Moment>,
    /// Only archived sessions
    #[arg(long, conflicts_with = "not_archived")]
    pub(crate) archived: bool,
    /// No archived sessions
    #[arg(long)]
    pub(crate) not_archived: bool,
    /// Only this session: its id, a prefix of it, or its file
    #[arg(long, value_name = "ID")]
    pub(crate) session: Option<String>,
    /// Only the active branch; without it, every branch
    #[arg(long, value_name = "active", value_parser = ["active"])]
    pub(crate) branch: Option<String>,
    /// Also the model's thinking
    #[arg(long)]
    pub(crate) thinking: bool,
    /// Also tool arguments and answers
    #[arg(long)]
    pub(crate) tools: bool,
    /// TEXT is a regular expression; reads every text
    #[arg(long, conflicts_with_all = ["fixed", "rank"])]
    pub(crate) regex: bool,
    /// TEXT is matched literally, also within words; reads every text
    #[arg(long, short = 'F', conflicts_with = "rank")]
    pub(crate) fixed: bool,
    /// Best matches first
    #[arg(long)]
    pub(crate) rank: bool,
    /// Times in UTC
    #[arg(long)]
    pub(crate) utc: bool,
    /// Words to find in the same entry; "…" is a phrase, word* a prefix; AND, OR, NOT
    /// and ( ) combine them
    #[arg(allow_hyphen_values = true, value_name = "TEXT")]
    first: String,
    /// More words; without quotes they are one text
    #[arg(value_name = "TEXT", num_args = 0..)]
    rest: Vec<String>,
}

impl SearchArgs {
    /// The text to search for.
    pub(crate) fn text(&self) -> String {
        let words = [&self.first].into_iter().chain(&self.rest);
        words.map(String::as_str).collect::<Vec<_>>().join(" ")
    }
}

#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Every branch, including what was compacted
    #[arg(long, conflicts_with_all = ["entry", "branch", "last"])]
    pub(crate) all: bool,
    /// Only this entry: its id, or a prefix of it
    #[arg(long, value_name = "E", conflicts_with_all = ["branch", "last"])]
    pub(crate) entry: Option<String>,
    /// With --entry: also this many messages before and after it on its branch
    #[arg(long, value_name = "N", requires = "entry")]
    pub(crate) around: Option<usize>,
    /// The branch that ends with this entry: its id, or a prefix of it
    #[arg(long, value_name = "LEAF")]
    pub(crate) branch: Option<String>,
    /// Only the last messages, this many
    #[arg(long, value_name = "N")]
    pub(crate) last: Option<std::num::NonZeroUsize>,
    /// Tool calls and results in full
    #[arg(long)]
    pub(crate) full: bool,
    /// Continue with what is added, until interrupted
    #[arg(long, conflicts_with_all = ["entry", "branch", "generation"])]
    pub(crate) follow: bool,
    /// Times in UTC
    #[arg(long)]
    pub(crate) utc: bool,
    /// As of this generation of its file; `import` and `problems` name them
    #[arg(long, value_name = "N")]
    pub(crate) generation: Option<i64>,
    /// A session: its id, a prefix of it, or its file
    pub(crate) session: String,
}

/// The groupings of usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum By {
    /// The day, in UTC
    Day,
    Model,
    Session,
    WorkDir,
    Program,
}

#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// The grouping
    #[arg(long, value_enum, default_value_t = By::Model)]
    pub(crate) by: By,
    #[command(flatten)]
    pub(crate) sessions: SessionArgs,
    /// Only messages since: a date, an RFC 3339 time, or how long ago, for example
    /// 2w, 3d or 12h
    #[arg(long, value_name = "T", value_parser = Moment::since)]
    pub(crate) since: Option<Moment>,
    /// Only messages until then; a date means its end
    #[arg(long, value_name = "T", value_parser = Moment::until)]
    pub(crate) until: Option<Moment>,
    /// Prices to use instead of the built-in ones: JSON in the form of
    /// `--print-prices`
    #[arg(long, value_name = "FILE")]
    pub(crate) prices: Option<PathBuf>,
    /// Print the built-in prices, and nothing else
    #[arg(long)]
    pub(crate) print_prices: bool,
    /// Print one JSON object per row
    #[arg(long)]
    pub(crate) json: bool,
}
