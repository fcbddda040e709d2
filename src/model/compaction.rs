//! A compaction: a summary that replaces a conversation.

use serde_json::Value;

/// A summary that replaces the conversation before it, and what is kept of that
/// verbatim. [`Session::compact`](crate::Session::compact) writes it in the keys of
/// the session's format.
///
/// # Examples
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let store = sessile::Store::open(dir.path().join("sessions.db"))?;
/// use serde_json::json;
/// use sessile::{Compaction, NewSession};
///
/// let session = store.create(&NewSession::new("/home/me/project"))?;
/// session.append_message(json!({"role": "user", "content": "A long story …"}))?;
/// let kept = session.append_message(json!({"role": "user", "content": "And now?"}))?;
///
/// session.compact(&Compaction::new("A story was told.").keep_from(&kept))?;
///
/// let context = session.context()?;
/// let texts: Vec<String> = context.iter().map(|message| message.text()).collect();
/// assert_eq!(texts, ["A story was told.", "And now?"]);
/// assert_eq!(session.path()?.len(), 3); // nothing is gone
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "it is written by `Session::compact`"]
pub struct Compaction {
    pub(crate) summary: String,
    pub(crate) keep_from: Option<String>,
    pub(crate) tokens_before: Option<u64>,
    pub(crate) details: Option<Value>,
}

impl Compaction {
    /// A compaction with this summary, which replaces everything before it.
    pub fn new(summary: &str) -> Self {
        Self { summary: summary.to_owned(), keep_from: None, tokens_before: None, details: None }
    }

    /// Keeps the messages from this entry on, which must be on the active branch.
    pub fn keep_from(mut self, entry_id: &str) -> Self {
        self.keep_from = Some(entry_id.to_owned());
        self
    }

    /// Sets how many tokens the context had before. Default: none, or 0.
    pub fn tokens_before(mut self, tokens: u64) -> Self {
        self.tokens_before = Some(tokens);
        self
    }

    /// Sets further details, a JSON object. Default: none.
    pub fn details(mut self, details: Value) -> Self {
        self.details = Some(details);
        self
    }
}
