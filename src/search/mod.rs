//! Search: entries by what they say.
//!
//! An index of words holds what entries say, and is brought up to the log when
//! somebody searches. It only names candidates: each is proven against its line
//! before it is given, and what the index does not hold is read from the log.
//! So an answer is right whether the index is new, old, or not there.
//!
//! Newest first needs no order in the index: sessions that hold candidates are
//! opened in the order of their latest time, and only as far as a page needs.

mod ahead;
mod fill;
mod find;
mod hits;
mod known;
mod newest;
pub(crate) mod prepare;
mod query;
mod ranked;
pub(crate) mod said;
mod snippet;
mod titled;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use regex::Regex;

use self::query::Query;
use crate::error::{Error, Result};
use crate::model::{Format, Json, SessionKey, Timestamp};
use crate::store::narrowing::Narrowing;
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
    work_dirs: Vec<String>,
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
    /// Names its session in calls to the store.
    pub session: SessionKey,
    /// The program whose session it is.
    pub format: Format,
    /// The id of the session; `None` without a usable header.
    pub session_id: Option<String>,
    /// The session's file, or its folder, below its root; what is no UTF-8 is U+FFFD.
    pub file: String,
    /// The title of the session.
    pub title: Option<String>,
    /// The directory that the session worked in.
    pub work_dir: Option<String>,
    /// The entry.
    pub entry_id: String,
    /// The number of its line, from 1.
    pub line: u32,
    /// Who speaks, as the format names them; `None` where nobody does.
    pub role: Option<String>,
    /// The entry's own time; `None` where it has none.
    pub at: Option<Timestamp>,
    /// A piece of its text around what was found, as one line.
    pub snippet: String,
    /// The bytes of the snippet that were looked for.
    pub marks: Vec<Range<usize>>,
}

/// A session whose title was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TitleHit {
    /// Names the session in calls to the store.
    pub session: SessionKey,
    /// The program whose session it is.
    pub format: Format,
    /// The id of the session; `None` without a usable header.
    pub session_id: Option<String>,
    /// The session's file, or its folder, below its root; what is no UTF-8 is U+FFFD.
    pub file: String,
    /// The directory that the session worked in.
    pub work_dir: Option<String>,
    /// Its last activity.
    pub at: Timestamp,
    /// A piece of the title around what was found, as one line.
    pub snippet: String,
    /// The bytes of the snippet that were looked for.
    pub marks: Vec<Range<usize>>,
}

/// Some of what was found.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SearchPage {
    /// The newest first, or the most telling.
    pub hits: Vec<Hit>,
    /// Sessions whose title holds what is looked for, the newest first; on the
    /// first page only, as many as a page has hits. None where a role, a tool or
    /// a model is asked for: a title is of nobody. A title that is the beginning
    /// of the first message is found as that message.
    pub titles: Vec<TitleHit>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<SearchCursor>,
    /// Sessions whose text was read because the index does not hold it.
    pub scanned: u64,
    /// What could not be read, so that hits may be missing. Empty as a rule.
    pub damaged: Vec<String>,
}

/// A place among hits. It can be written down as text and read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchCursor(Place);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    /// Behind the entry of this time and key.
    Time(Timestamp, i64),
    /// Behind so many of the most telling.
    Rank(u64),
}

impl Search {
    /// Entries that hold these words: whole words, in any case, with or without
    /// accents. Several are looked for in one entry, not side by side; `OR`,
    /// `NOT` and parentheses say otherwise, and so does `AND`. `"…"` is a phrase,
    /// `word*` the beginning of a word. Chinese, Japanese and Korean characters
    /// need no blanks, and a name such as `getSession` is found by its parts, too.
    pub fn words(text: &str) -> Self {
        Self::new(text, Kind::Words)
    }

    /// Entries that hold this text as it is spelt, inside of words, too. Every
    /// text is read for it.
    pub fn literal(text: &str) -> Self {
        Self::new(text, Kind::Literal)
    }

    /// Entries whose text matches a regular expression. Every text is read for it.
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
            work_dirs: Vec::new(),
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

    /// Only what is said in this role; given again, in any of them. `tool` is
    /// what tools answered, however the format names them, and `summary` what
    /// stands for a branch or for what was compacted. With `tool`, tools are
    /// [searched](Self::tools).
    pub fn role(mut self, role: &str) -> Self {
        self.tools |= role.eq_ignore_ascii_case("tool");
        self.roles.push(role.to_ascii_lowercase());
        self
    }

    /// Only messages that call this tool, and its answers; given again, any of
    /// them. Names are compared without regard to case. Tools are
    /// [searched](Self::tools).
    pub fn tool(mut self, name: &str) -> Self {
        self.tools = true;
        self.tools_called.push(name.to_owned());
        self
    }

    /// Only what was said while this was the model, or one whose name holds this.
    pub fn model(mut self, name: &str) -> Self {
        self.model = Some(name.to_lowercase());
        self
    }

    /// Only sessions of this working directory; given again, of any of them.
    pub fn work_dir(mut self, path: &str) -> Self {
        self.work_dirs.push(path.to_owned());
        self
    }

    /// Only sessions of this program.
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Only sessions that carry this [tag](crate::Session::tag); given again, all of them.
    pub fn tag(mut self, tag: &str) -> Self {
        self.narrowing.tags.push(tag.to_owned());
        self
    }

    /// Only sessions of this machine or person, as [of a list](crate::SessionFilter::origin).
    pub fn origin(mut self, origin: &str) -> Self {
        self.narrowing.origin = Some(origin.to_owned());
        self
    }

    /// Only sessions whose metadata has this value under this key, as
    /// [of a list](crate::SessionFilter::metadata); given again, all of them.
    pub fn metadata<'v>(mut self, key: &str, value: impl Into<Json<'v>>) -> Self {
        self.narrowing.metadata(key, value);
        self
    }

    /// Only what was said at this time or later. What has no time of its own has
    /// that of its session's last activity.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.since = Some(time);
        self
    }

    /// Only what was said at this time or before.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// Which archived sessions to search. Default: as the others. Sessions in
    /// the trash are not searched.
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

    /// Also what the model thought before it spoke.
    pub fn thinking(mut self) -> Self {
        self.thinking = true;
        self
    }

    /// Also what tools were given and answered; of each text, the first 4 KiB.
    pub fn tools(mut self) -> Self {
        self.tools = true;
        self
    }

    /// The most telling first, not the newest. Where every text is read, there
    /// is no such order.
    pub fn ranked(mut self) -> Self {
        self.ranked = true;
        self
    }

    /// Hits a page; 0 for all. Default: 20.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Goes on behind a page of the same search. A place of a [ranked](Self::ranked)
    /// search is none of another, and the other way round.
    pub fn after(mut self, cursor: SearchCursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// The columns of the index that are searched.
    fn columns(&self) -> Vec<usize> {
        let thinking = self.thinking.then_some(said::THINKING);
        let tools = self.tools.then_some(said::TOOLS);
        [Some(said::PROSE), thinking, tools].into_iter().flatten().collect()
    }

    /// Whether a role is among those asked for; formats name tools and summaries differently.
    fn is_of_role(&self, role: Option<&str>) -> bool {
        let role = role.unwrap_or_default().to_ascii_lowercase();
        let is_role = |asked: &String| match asked.as_str() {
            "tool" => matches!(role.as_str(), "tool" | "toolresult"),
            "summary" => role.ends_with("summary"),
            asked => asked == role,
        };
        self.roles.is_empty() || self.roles.iter().any(is_role)
    }

    /// Whether what tools answered is asked for: in some programs, a message of
    /// the user holds it, and only its line tells.
    fn asks_for_answers(&self) -> bool {
        self.roles.iter().any(|role| role == "tool")
    }

    /// The indexes that hold these columns.
    fn indexes(&self) -> Vec<Index> {
        let columns = self.columns();
        let is_asked = |index: &Index| columns.iter().any(|n| index.columns().contains(n));
        Index::ALL.into_iter().filter(is_asked).collect()
    }

    fn matcher(&self) -> Result<Matcher> {
        let is_of_rank = |cursor: &SearchCursor| matches!(cursor.0, Place::Rank(_));
        if self.after.as_ref().is_some_and(|after| is_of_rank(after) != self.ranked) {
            return Err(Error::InvalidQuery(
                "the place to go on behind is one of a list in another order".to_owned(),
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

/// What tells whether a text is what is looked for.
enum Matcher {
    Words(Query),
    Pattern(Regex),
}

impl Store {
    /// Finds entries by what they say, on whatever branch.
    ///
    /// The index of words is brought up to the log first, in short transactions:
    /// this is the one read that writes. Where others write just now, or the
    /// store is only read, the texts that it lacks are read instead.
    ///
    /// # Errors
    ///
    /// [`InvalidQuery`](Error::InvalidQuery) when there is nothing to look for, or it is
    /// to go on behind a place of a list in another order.
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
    /// Numbers, dots and a letter: fit for a URL.
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
            .ok_or_else(|| Error::InvalidQuery(format!("{text:?} is no place among hits")))
    }
}
