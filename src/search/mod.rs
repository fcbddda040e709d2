//! Search: finds entries by their text.
//!
//! A full-text index of entries is brought up to date with the log when somebody
//! searches. It only names candidates. Each is proven against its line before it is
//! returned, and what the index does not hold is read from the log. So results are
//! right whether the index is current, outdated or missing.
//!
//! Newest first needs no order in the index: sessions with candidates are opened in
//! the order of their latest time, and only as many as a page needs.

mod ahead;
pub(crate) mod entry_text;
mod fill;
mod find;
mod hits;
mod known;
mod newest;
pub(crate) mod prepare;
mod query;
mod ranked;
mod snippet;
mod titled;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use regex::Regex;

use self::query::Query;
use crate::error::{Error, Result};
use crate::model::{Format, Json, SessionKey, Timestamp};
use crate::store::narrowing::{Narrowing, WorkDirs};
use crate::store::texts::Index;
use crate::store::{Archived, Store};

/// What to search for, and where.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
/// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
/// use sessile::Search;
///
/// let search = Search::words("first OR second").role("user").limit(20);
/// for hit in store.search(&search)?.hits {
///     println!("{} {}: {}", hit.file, hit.entry_id, hit.snippet);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a search does nothing until it is used"]
pub struct Search {
    text: String,
    kind: Kind,
    roles: Vec<String>,
    tools_called: Vec<String>,
    model: Option<String>,
    work_dirs: WorkDirs,
    format: Option<Format>,
    narrowing: Narrowing,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    archived: Archived,
    session: Option<SessionKey>,
    active_branch: bool,
    thinking: bool,
    tools: bool,
    ranked: bool,
    limit: u64,
    after: Option<SearchCursor>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Words,
    Literal,
    Pattern,
}

/// An entry that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hit {
    /// Identifies its session in calls to the store.
    pub session: SessionKey,
    /// The format of the session's program.
    pub format: Format,
    /// The id of the session; `None` without a usable header.
    pub session_id: Option<String>,
    /// The session's file or folder, below its root; invalid UTF-8 is replaced by
    /// U+FFFD.
    pub file: String,
    /// The title of the session.
    pub title: Option<String>,
    /// The directory that the session worked in.
    pub work_dir: Option<String>,
    /// The entry's id.
    pub entry_id: String,
    /// The number of its line, from 1.
    pub line: u32,
    /// Who speaks, in the format's own terms; `None` if it has no role.
    pub role: Option<String>,
    /// The entry's own time; `None` if it has none.
    pub at: Option<Timestamp>,
    /// An excerpt of its text around the first match, on one line.
    pub snippet: String,
    /// Byte ranges of the matches in the snippet.
    pub marks: Vec<Range<usize>>,
}

/// A session whose title matches.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TitleHit {
    /// Identifies the session in calls to the store.
    pub session: SessionKey,
    /// The format of the session's program.
    pub format: Format,
    /// The id of the session; `None` without a usable header.
    pub session_id: Option<String>,
    /// The session's file or folder, below its root; invalid UTF-8 is replaced by
    /// U+FFFD.
    pub file: String,
    /// The directory that the session worked in.
    pub work_dir: Option<String>,
    /// When it was last active.
    pub at: Timestamp,
    /// An excerpt of the title around the first match, on one line.
    pub snippet: String,
    /// Byte ranges of the matches in the snippet.
    pub marks: Vec<Range<usize>>,
}

/// A page of search results.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SearchPage {
    /// The newest first, or the best matches first if [`ranked`](Search::ranked).
    pub hits: Vec<Hit>,
    /// Sessions whose title matches, the newest first; only on the first page, and at
    /// most as many as a page has hits. Empty if a role, tool or model is asked for,
    /// which titles do not have. A title that is the beginning of the first message
    /// is found as that message instead.
    pub titles: Vec<TitleHit>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<SearchCursor>,
    /// Sessions whose text was read from the log because the index does not hold it.
    pub scanned: u64,
    /// Which parts of the database cannot be read, so that hits may be missing.
    /// Usually empty.
    pub damaged: Vec<String>,
}

/// A position among hits. It converts to text and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchCursor(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// After the entry with this time and key.
    Time(Timestamp, i64),
    /// After this many of the best matches.
    Rank(u64),
}

impl Search {
    /// Finds entries that contain these words: whole words, ignoring case and
    /// accents. Several words must be in the same entry, in any order; `AND`, `OR`,
    /// `NOT` and parentheses combine them. `"…"` is a phrase, `word*` the beginning
    /// of a word. Chinese, Japanese and Korean characters need no spaces, and a name
    /// such as `getSession` is also found by its parts.
    ///
    /// Of a text longer than 16 MiB, and of a tool's arguments or answer longer than
    /// 4 KiB, the beginning is searched.
    pub fn words(text: &str) -> Self {
        Self::new(text, Kind::Words)
    }

    /// Finds entries that contain exactly this text, also within words. Every text is
    /// read.
    pub fn literal(text: &str) -> Self {
        Self::new(text, Kind::Literal)
    }

    /// Finds entries whose text matches a regular expression. Every text is read.
    pub fn pattern(text: &str) -> Self {
        Self::new(text, Kind::Pattern)
    }

    fn new(text: &str, kind: Kind) -> Self {
        Self {
            text: text.to_owned(),
            kind,
            roles: Vec::new(),
            tools_called: Vec::new(),
            model: None,
            work_dirs: WorkDirs::default(),
            format: None,
            narrowing: Narrowing::default(),
            since: None,
            until: None,
            archived: Archived::Included,
            session: None,
            active_branch: false,
            thinking: false,
            tools: false,
            ranked: false,
            limit: 20,
            after: None,
        }
    }

    /// Only entries of this role; if given several times, of any of them. `tool`
    /// finds the answers of tools, whatever the format calls them, and `summary` the
    /// summaries of branches and compactions. With `tool`, the text of tools is
    /// [searched](Self::tools).
    pub fn role(mut self, role: &str) -> Self {
        self.tools |= role.eq_ignore_ascii_case("tool");
        self.roles.push(role.to_ascii_lowercase());
        self
    }

    /// Only messages that call this tool, and its answers; if given several times,
    /// any of them. Case is ignored. The text of tools is [searched](Self::tools).
    pub fn tool(mut self, name: &str) -> Self {
        self.tools = true;
        self.tools_called.push(name.to_owned());
        self
    }

    /// Only entries that were made while this was the model, or one whose name
    /// contains this.
    pub fn model(mut self, name: &str) -> Self {
        self.model = Some(name.to_lowercase());
        self
    }

    /// Only sessions of this work dir; a trailing slash is ignored. If given several times,
    /// sessions of any of them.
    pub fn work_dir(mut self, path: &str) -> Self {
        self.work_dirs.add(path);
        self
    }

    /// Only sessions of this program.
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Only sessions with this [tag](crate::Session::tag). If given several times,
    /// sessions must have all of them.
    pub fn tag(mut self, tag: &str) -> Self {
        self.narrowing.tags.push(tag.to_owned());
        self
    }

    /// Only sessions of this origin, see
    /// [`SessionFilter::origin`](crate::SessionFilter::origin).
    pub fn origin(mut self, origin: &str) -> Self {
        self.narrowing.origin = Some(origin.to_owned());
        self
    }

    /// Only sessions whose metadata has this value under this key, see
    /// [`SessionFilter::metadata`](crate::SessionFilter::metadata). If given several
    /// times, all must match.
    pub fn metadata<'v>(mut self, key: &str, value: impl Into<Json<'v>>) -> Self {
        self.narrowing.metadata(key, value);
        self
    }

    /// Only entries at this time or later. An entry without a time counts with its
    /// session's last activity.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.since = Some(time);
        self
    }

    /// Only entries at this time or earlier.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// Which archived sessions to search. Default: all, like other sessions. Sessions
    /// in the trash are not searched.
    pub fn archived(mut self, archived: Archived) -> Self {
        self.archived = archived;
        self
    }

    /// Only this session.
    pub fn session(mut self, session: SessionKey) -> Self {
        self.session = Some(session);
        self
    }

    /// Only the active branch of each session. Default: every branch.
    pub fn active_branch(mut self) -> Self {
        self.active_branch = true;
        self
    }

    /// Also searches the model's thinking.
    pub fn thinking(mut self) -> Self {
        self.thinking = true;
        self
    }

    /// Also searches the arguments and answers of tools, of each text the first 4
    /// KiB.
    pub fn tools(mut self) -> Self {
        self.tools = true;
        self
    }

    /// Returns the best matches first, instead of the newest. Has no effect if every
    /// text is read.
    pub fn ranked(mut self) -> Self {
        self.ranked = true;
        self
    }

    /// Hits per page; 0 for all. Default: 20.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Starts after a page of the same search. A cursor of a [ranked](Self::ranked)
    /// search does not fit one that is not ranked, nor the other way round.
    pub fn after(mut self, cursor: SearchCursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// The columns of the index to search.
    fn columns(&self) -> Vec<usize> {
        let thinking = self.thinking.then_some(entry_text::THINKING);
        let tools = self.tools.then_some(entry_text::TOOLS);
        [Some(entry_text::PROSE), thinking, tools].into_iter().flatten().collect()
    }

    /// Whether a role is among those asked for; formats name tools and summaries
    /// differently.
    fn is_of_role(&self, role: Option<&str>) -> bool {
        let role = role.unwrap_or_default().to_ascii_lowercase();
        let is_role = |asked: &String| match asked.as_str() {
            "tool" => matches!(role.as_str(), "tool" | "toolresult"),
            "summary" => role.ends_with("summary"),
            asked => asked == role,
        };
        self.roles.is_empty() || self.roles.iter().any(is_role)
    }

    /// Whether answers of tools are asked for. In some programs a user's message
    /// contains them, so only its line tells.
    fn asks_for_answers(&self) -> bool {
        self.roles.iter().any(|role| role == "tool")
    }

    /// The indexes that have these columns.
    fn indexes(&self) -> Vec<Index> {
        let columns = self.columns();
        let is_asked = |index: &Index| columns.iter().any(|n| index.columns().contains(n));
        Index::ALL.into_iter().filter(is_asked).collect()
    }

    fn matcher(&self) -> Result<Matcher> {
        let is_of_rank = |cursor: &SearchCursor| matches!(cursor.0, Place::Rank(_));
        if self.after.as_ref().is_some_and(|after| is_of_rank(after) != self.ranked) {
            return Err(Error::InvalidQuery(
                "the cursor is from a search in another order".to_owned(),
            ));
        }
        let pattern = |text: &str| {
            Regex::new(text)
                .map(Matcher::Pattern)
                .map_err(|err| Error::InvalidQuery(err.to_string()))
        };
        if self.text.is_empty() {
            return Err(Error::InvalidQuery("the text to look for is empty".to_owned()));
        }
        match self.kind {
            Kind::Words => Query::parse(&self.text).map(Matcher::Words),
            Kind::Literal => pattern(&regex::escape(&self.text)),
            Kind::Pattern => pattern(&self.text),
        }
    }
}

/// Decides whether a text matches.
enum Matcher {
    Words(Query),
    Pattern(Regex),
}

impl Store {
    /// Finds entries by their text, on every branch.
    ///
    /// The full-text index is first brought up to date with the log, in short
    /// transactions; this is the one read that writes. If somebody else is writing,
    /// or the store is read-only, the texts that it lacks are read from the log
    /// instead.
    ///
    /// # Errors
    ///
    /// [`InvalidQuery`](Error::InvalidQuery) if there is nothing to search for, or the
    /// cursor is that of a search in another order;
    /// [`InvalidRecord`](Error::InvalidRecord) if a metadata value is not JSON.
    pub fn search(&self, search: &Search) -> Result<SearchPage> {
        let matcher = search.matcher()?;
        if let Some(page) = self
            .read_remembering(|conn, memory| find::page_if_whole(conn, memory, search, &matcher))?
        {
            return Ok(page);
        }
        for index in search.indexes() {
            fill::bring_up(self, index, search.session);
        }
        self.read_remembering(|conn, memory| find::page(conn, memory, search, &matcher))
    }
}

impl fmt::Display for SearchCursor {
    /// Digits, dots and a letter only, so that it can be part of a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Place::Time(time, key) => write!(f, "t{}.{key}", time.0),
            Place::Rank(count) => write!(f, "r{count}"),
        }
    }
}

impl FromStr for SearchCursor {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) wrote.
    ///
    /// # Errors
    ///
    /// [`InvalidQuery`](Error::InvalidQuery) for anything else.
    fn from_str(text: &str) -> Result<Self> {
        let place = match text.split_at_checked(1) {
            Some(("t", rest)) => rest.split_once('.').and_then(|(time, key)| {
                Some(Place::Time(Timestamp(time.parse().ok()?), key.parse().ok()?))
            }),
            Some(("r", rest)) => rest.parse().ok().map(Place::Rank),
            _ => None,
        };
        place
            .map(Self)
            .ok_or_else(|| Error::InvalidQuery(format!("{text:?} is not a cursor of this search")))
    }
}
