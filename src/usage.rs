//! What was used: the tokens and cost that messages report, each message once.
//!
//! A fork, a clone and a resumed copy begin with the messages of another
//! session. A message is known by its program, its id, its time and what it
//! reports; the session that began first counts it, as it was paid for there.
//! Where the message has an id beside its entry's, a copy may have another entry
//! and time, and be cut short: then its id and what it was made from tell it.
//! An id that was made from a position tells no message from another's.

use std::collections::HashSet;

use crate::error::Result;
use crate::model::{Format, SessionKey, Timestamp, Usage};
use crate::store::Store;
use crate::store::records::{self, Reported};

/// What one message reports.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UsageRecord {
    /// The session that counts it.
    pub session: SessionKey,
    /// The id of that session; `None` without a usable header.
    pub session_id: Option<String>,
    /// The program whose session it is.
    pub format: Format,
    /// The directory that the session worked in.
    pub work_dir: Option<String>,
    /// The message's entry.
    pub entry_id: String,
    /// When it was said; where it does not say, when its session was last active.
    pub at: Timestamp,
    /// The tokens, the cost, and whose they are.
    pub usage: Usage,
}

impl Store {
    /// Hands what each message of every session reports to `each`, once for each
    /// message, whatever sessions hold it; sessions of the archive and the trash
    /// are among them.
    ///
    /// `each` must not use the store.
    ///
    /// # Errors
    ///
    /// What `each` returns.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// # store.import("fixtures/pi/small", &sessile::ImportOptions::new())?;
    /// let mut output = 0;
    /// store.each_usage(|record| {
    ///     output += record.usage.output.unwrap_or_default();
    ///     Ok(())
    /// })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn each_usage(&self, mut each: impl FnMut(UsageRecord) -> Result<()>) -> Result<()> {
        self.read(|conn| {
            let mut seen = HashSet::new();
            records::each_reported(conn, |reported| {
                if seen.insert(identity(&reported)) {
                    each(record(reported))?;
                }
                Ok(())
            })
        })
    }
}

/// What tells a message from others.
#[derive(PartialEq, Eq, Hash)]
struct Identity {
    format: Format,
    /// Of the entry, or as JSON of the message.
    entry_id: String,
    at: Option<Timestamp>,
    model: Option<String>,
    tokens: [Option<i64>; 5],
    /// The session, where the id was made from a position in it.
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
