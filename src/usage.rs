//! Usage: the tokens and cost that messages report, each message once.
//!
//! Forks, clones and resumed copies begin with the messages of another session. A
//! message is identified by its program, its id, its time and the usage that it
//! reports, and counted in the session that began first, where it was paid for. If
//! the message has an id besides its entry's id, a copy may have another entry id
//! and time, and may be truncated; then the message's id and its inputs identify
//! it. An id that was made from a position identifies a message only within its
//! session.

use std::collections::HashSet;

use crate::error::Result;
use crate::model::{Format, Json, SessionKey, Timestamp, Usage};
use crate::store::Store;
use crate::store::narrowing::{Narrowing, WorkDirs};
use crate::store::records::{self, Reported};

/// The usage that one message reports.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UsageRecord {
    /// The session that the message is counted in.
    pub session: SessionKey,
    /// The id of that session; `None` without a usable header.
    pub session_id: Option<String>,
    /// The program whose session it is.
    pub format: Format,
    /// The directory that the session worked in.
    pub work_dir: Option<String>,
    /// The message's entry.
    pub entry_id: String,
    /// When the message was made; if it has no time, when its session was last
    /// active.
    pub at: Timestamp,
    /// Tokens, cost, provider and model.
    pub usage: Usage,
}

/// Which messages' usage to return.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
/// # store.import("fixtures/pi/small", &sessile::ImportOptions::new())?;
/// use sessile::UsageFilter;
///
/// let mut output = 0;
/// store.each_usage(&UsageFilter::new().work_dir("/home/ada/parser"), |record| {
///     output += record.usage.output.unwrap_or_default();
///     Ok(())
/// })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a filter does nothing until it is used"]
pub struct UsageFilter {
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    work_dirs: WorkDirs,
    format: Option<Format>,
    narrowing: Narrowing,
}

impl UsageFilter {
    /// The usage of all messages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only messages at this time or later.
    pub fn since(mut self, time: Timestamp) -> Self {
        self.since = Some(time);
        self
    }

    /// Only messages at this time or earlier.
    pub fn until(mut self, time: Timestamp) -> Self {
        self.until = Some(time);
        self
    }

    /// Only sessions of this work dir; a trailing slash is ignored. If given several times,
    /// sessions of any of them.
    pub fn work_dir(mut self, path: &str) -> Self {
        self.work_dirs.add(path);
        self
    }

    /// Only of sessions of this program.
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Only sessions of this origin, see
    /// [`SessionFilter::origin`](crate::SessionFilter::origin).
    pub fn origin(mut self, origin: &str) -> Self {
        self.narrowing.origin = Some(origin.to_owned());
        self
    }

    /// Only sessions with this [tag](crate::Session::tag). If given several times,
    /// sessions must have all of them.
    pub fn tag(mut self, tag: &str) -> Self {
        self.narrowing.tags.push(tag.to_owned());
        self
    }

    /// Only sessions whose metadata has this value under this key, see
    /// [`SessionFilter::metadata`](crate::SessionFilter::metadata). If given several
    /// times, all must match.
    pub fn metadata<'v>(mut self, key: &str, value: impl Into<Json<'v>>) -> Self {
        self.narrowing.metadata(key, value);
        self
    }

    fn lets_through(&self, record: &UsageRecord) -> bool {
        self.work_dirs.include(record.work_dir.as_deref())
            && self.format.is_none_or(|format| format == record.format)
            && self.since.is_none_or(|since| since <= record.at)
            && self.until.is_none_or(|until| record.at <= until)
    }
}

impl Store {
    /// Calls `each` for the usage of every message of the matching sessions. A
    /// message that several sessions hold is counted once, in the session that began
    /// first. Archived sessions and the trash are included.
    ///
    /// `each` must not use the store.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`](crate::Error::InvalidRecord) if a metadata value of the filter is not
    /// JSON; any error that `each` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/pi/small", &sessile::ImportOptions::new())?;
    /// let mut output = 0;
    /// store.each_usage(&sessile::UsageFilter::new(), |record| {
    ///     output += record.usage.output.unwrap_or_default();
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn each_usage(
        &self,
        filter: &UsageFilter,
        mut each: impl FnMut(UsageRecord) -> Result<()>,
    ) -> Result<()> {
        self.read(|conn| {
            let among = filter.narrowing.sessions(conn)?;
            let mut seen = HashSet::new();
            records::each_reported(conn, |reported| {
                // A message that belongs to another session is not counted here,
                // whether or not that session matches.
                if !seen.insert(identity(&reported)) {
                    return Ok(());
                }
                let record = record(reported);
                let is_among = among.as_ref().is_none_or(|keys| keys.contains(&record.session.0));
                if is_among && filter.lets_through(&record) { each(record) } else { Ok(()) }
            })
        })
    }
}

/// What identifies a message.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    format: Format,
    /// The entry's id, or the message's id as JSON.
    entry_id: String,
    at: Option<Timestamp>,
    model: Option<String>,
    tokens: [Option<i64>; 5],
    /// The session, if the id was made from a position in it.
    session: Option<SessionKey>,
}

fn identity(reported: &Reported) -> Identity {
    let usage = &reported.usage;
    if let Some(message_id) = &reported.message_id {
        return Identity {
            format: reported.format,
            entry_id: message_id.to_json(),
            at: None,
            model: usage.model.clone(),
            tokens: [usage.input, None, usage.cache_read, usage.cache_write, None],
            session: None,
        };
    }
    Identity {
        format: reported.format,
        entry_id: reported.entry_id.clone(),
        at: reported.created_at,
        model: usage.model.clone(),
        tokens: [
            usage.input,
            usage.output,
            usage.cache_read,
            usage.cache_write,
            usage.total_tokens,
        ],
        session: reported.id_made.then_some(reported.session),
    }
}

fn record(reported: Reported) -> UsageRecord {
    UsageRecord {
        session: reported.session,
        session_id: reported.session_id,
        format: reported.format,
        work_dir: reported.work_dir,
        entry_id: reported.entry_id,
        at: reported.created_at.unwrap_or(reported.modified_at),
        usage: reported.usage,
    }
}
