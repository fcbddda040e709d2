//! Which sessions a list shows, and where a page begins.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::{Serialize, Serializer};

use super::narrowing::{Narrowing, without_slash};
use crate::error::{Error, Result};
use crate::model::{Format, Json, SessionKey, Timestamp};

/// Which archived sessions a list shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Archived {
    /// Leaves archived sessions out.
    #[default]
    Without,
    /// Shows only archived sessions.
    Only,
    /// Shows archived sessions among the others.
    Included,
}

/// Which sessions to list, and where to start.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
/// use sessile::SessionFilter;
///
/// let mut filter = SessionFilter::new().query("parser").limit(20);
/// loop {
///     let page = store.sessions(&filter)?;
///     for row in &page.rows {
///         println!("{} {}", row.modified_at, row.title.as_deref().unwrap_or("Untitled"));
///     }
///     let Some(next) = page.next else { break };
///     filter = filter.after(next);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a filter does nothing until it is used"]
pub struct SessionFilter {
    pub(super) query: Option<String>,
    /// Without a trailing slash.
    pub(super) work_dir: Option<String>,
    pub(super) format: Option<Format>,
    pub(super) since: Timestamp,
    pub(super) until: Timestamp,
    pub(super) narrowing: Narrowing,
    pub(super) archived: Archived,
    pub(super) all_sources: bool,
    pub(super) after: Option<Cursor>,
    pub(super) offset: u64,
    pub(super) limit: u64,
}

/// A position in a list. It stays valid while sessions are added and removed.
///
/// It converts to text and back, so that another process, or a later call, can ask
/// for the next page.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
/// # store.import("fixtures/kward/small", &sessile::ImportOptions::new())?;
/// use sessile::{Cursor, SessionFilter};
///
/// let filter = SessionFilter::new().limit(3);
/// let next = store.sessions(&filter)?.next.expect("there are more than three");
/// let link = format!("/sessions?after={next}");
///
/// let cursor: Cursor = link["/sessions?after=".len()..].parse()?;
/// assert_eq!(cursor, next);
/// assert!(!store.sessions(&filter.after(cursor))?.rows.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) modified_at: Timestamp,
    pub(super) session_id: Option<String>,
    pub(super) key: SessionKey,
}

impl SessionFilter {
    /// All sessions that are not archived, 100 a page.
    pub fn new() -> Self {
        Self {
            query: None,
            work_dir: None,
            format: None,
            since: Timestamp(i64::MIN),
            until: Timestamp(i64::MAX),
            narrowing: Narrowing::default(),
            archived: Archived::Without,
            all_sources: false,
            after: None,
            offset: 0,
            limit: 100,
        }
    }

    /// Only sessions whose title or work dir contains this text, ignoring case (by
    /// Unicode lower-casing). Surrounding white space is ignored; a blank query
    /// selects everything.
    pub fn query(mut self, query: &str) -> Self {
        let query = query.trim().to_lowercase();
        self.query = Some(query).filter(|query| !query.is_empty());
        self
    }

    /// Only sessions of this work dir, spelt as the sessions spell it; a trailing
    /// slash is ignored.
    pub fn work_dir(mut self, path: impl AsRef<Path>) -> Self {
        let path = path.as_ref().to_string_lossy();
        self.work_dir = Some(without_slash(&path).to_owned());
        self
    }

    /// Only sessions of this program.
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Only sessions that were last active at this time or later.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.since = time;
        self
    }

    /// Only sessions that were last active at this time or earlier.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = time;
        self
    }

    /// Only sessions of this origin: the machine or person that an
    /// [import](crate::ImportOptions::origin) or a
    /// [merge](crate::MergeOptions::origin) named. An empty name selects the sessions
    /// without an origin.
    pub fn origin(mut self, origin: &str) -> Self {
        self.narrowing.origin = Some(origin.to_owned());
        self
    }

    /// Which archived sessions to show. Default: none.
    pub fn archived(mut self, archived: Archived) -> Self {
        self.archived = archived;
        self
    }

    /// Also sessions that their program's own lists hide by default, such as those of
    /// sub-agents. Default: `false`.
    pub fn all_sources(mut self, all_sources: bool) -> Self {
        self.all_sources = all_sources;
        self
    }

    /// Only sessions with this [tag](crate::Session::tag). If given several times,
    /// sessions must have all of them.
    pub fn tag(mut self, tag: &str) -> Self {
        self.narrowing.tags.push(tag.to_owned());
        self
    }

    /// Only sessions whose [metadata](crate::Session::set_metadata) has this value
    /// under this key. If given several times, all must match.
    ///
    /// White space, escapes and the order of keys do not matter. The spelling of
    /// numbers does: 1 is not 1.0.
    pub fn metadata<'v>(mut self, key: &str, value: impl Into<Json<'v>>) -> Self {
        self.narrowing.metadata(key, value);
        self
    }

    /// Starts after a page, at a cost that does not grow with the depth.
    pub fn after(mut self, cursor: Cursor) -> Self {
        self.after = Some(cursor);
        self
    }

    /// Skips this many sessions, at the cost of reading past them. Prefer [`after`](Self::after).
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Sessions per page. Default: 100, also for zero.
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = if limit == 0 { 100 } else { limit };
        self
    }

    /// The position that the page starts after.
    pub(super) fn start(&self) -> (Timestamp, Option<&str>, SessionKey) {
        // Above every session of that time.
        let end = (self.until, Some("\u{10FFFF}"), SessionKey(i64::MAX));
        match &self.after {
            Some(after) => {
                let place = (after.modified_at, after.session_id.as_deref(), after.key);
                if place.0 <= self.until { place } else { end }
            }
            None => end,
        }
    }
}

impl Default for SessionFilter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Cursor {
    /// Digits, hex digits and dots only, so that it can be part of a URL.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.modified_at.0, self.key.0)?;
        if let Some(id) = &self.session_id {
            f.write_str(".")?;
            id.bytes().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        }
        Ok(())
    }
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

impl FromStr for Cursor {
    type Err = Error;

    /// Reads what [`Display`](fmt::Display) wrote.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](Error::InvalidRecord) for anything else.
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || Error::InvalidRecord(format!("{text:?} is not a cursor of a list"));
        let mut parts = text.splitn(3, '.');
        let mut number = || parts.next().and_then(|part| part.parse().ok()).ok_or_else(refuse);
        let (modified_at, key) = (Timestamp(number()?), SessionKey(number()?));
        let session_id = match parts.next() {
            Some(hex) => Some(from_hex(hex).ok_or_else(refuse)?),
            None => None,
        };
        Ok(Self { modified_at, session_id, key })
    }
}

fn from_hex(hex: &str) -> Option<String> {
    if !hex.len().is_multiple_of(2) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok());
    String::from_utf8(bytes.collect::<Option<_>>()?).ok()
}
