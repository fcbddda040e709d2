//! Sessions of pi: entries by their own keys, leaves moved without a record,
//! and branches as sessions of their own.

use std::collections::HashMap;

use rusqlite::Connection;

use super::copy::Source;
use super::{RuntimeUpdate, Session, append, compact_within};
use crate::error::{Error, Result};
use crate::fold::Fold;
use crate::format::{json, stored_text};
use crate::model::{Draft, Entry, Format, Parent, Record, SessionKey, Timestamp};
use crate::store::events::{self, EventKind};
use crate::store::{Store, entries, heads, labels, log, records, sessions};

/// Containers inside one another that an entry may have.
const MAX_DEPTH: usize = 2_000;

impl Store {
    /// Returns the tokens and cost that a session's entries report, in sum, on
    /// whatever branch; `None` where none does.
    pub fn usage(&self, session: SessionKey) -> Result<crate::Usage> {
        self.read(|conn| records::usage(conn, session))
    }
}

impl Session {
    /// Appends an entry of pi behind the leaf and returns its id. `fields` is a
    /// JSON object of the entry's own keys, in their order: not its type, id,
    /// parent and time.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](Error::Unsupported) for other formats;
    /// [`InvalidRecord`](Error::InvalidRecord) for what is no object, or holds
    /// one of those;
    /// [`EntryExists`](Error::EntryExists), [`LeafMoved`](Error::LeafMoved).
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// # let store = sessile::Store::open(&dir.path().join("sessions.db"))?;
    /// use sessile::{Format, NewSession};
    ///
    /// let session = store.create(&NewSession::new("/home/me/project").format(Format::Pi))?;
    /// session.append_entry("model_change", r#"{"provider":"anthropic","modelId":"opus"}"#)?;
    /// let question = session.append_message(r#"{"role":"user","content":"What is a leaf?"}"#)?;
    ///
    /// assert_eq!(session.info()?.leaf.as_deref(), Some(&question[..]));
    /// assert_eq!(question.len(), 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn append_entry(&self, entry_type: &str, fields: &str) -> Result<String> {
        self.append(|conn, head| self.pi_entry(conn, head, entry_type, fields).map(Some))?
            .ok_or_else(append::nothing_written)
    }

    /// The line of an entry behind the leaf, and its id.
    pub(super) fn pi_entry(
        &self,
        conn: &Connection,
        head: &append::Tail,
        entry_type: &str,
        fields: &str,
    ) -> Result<(String, String)> {
        let parent = self.parent(conn, head.leaf_id.as_deref())?;
        self.pi_entry_under(conn, head, entry_type, fields, parent.as_deref())
    }

    /// The line of an entry under another, and its id.
    pub(super) fn pi_entry_under(
        &self,
        conn: &Connection,
        head: &append::Tail,
        entry_type: &str,
        fields: &str,
        parent_id: Option<&str>,
    ) -> Result<(String, String)> {
        let fields = object(fields)?;
        refuse_base(&fields)?;
        let id = match &self.id {
            Some(id) if id.is_empty() => {
                return Err(Error::InvalidRecord("an entry needs an id".to_owned()));
            }
            Some(id) => id.clone(),
            None => new_entry_id(conn, self.key)?,
        };
        append::refuse_known(conn, self.key, &id)?;
        let draft = Draft::Fields { entry_type, id: &id, parent_id, fields: &fields };
        Ok((self.line(head, &draft)?, id))
    }

    /// Records the model and the effort, an entry each.
    pub(super) fn update_pi_runtime(&self, runtime: RuntimeUpdate<'_>) -> Result<()> {
        let mut entries = Vec::new();
        if let (Some(provider), Some(model)) = (runtime.provider, runtime.model) {
            let (provider, model) = (json::spelt(provider), json::spelt(model));
            let fields = format!("{{\"provider\":{provider},\"modelId\":{model}}}");
            entries.push(("model_change", fields));
        }
        if let Some(effort) = runtime.reasoning_effort {
            let fields = format!("{{\"thinkingLevel\":{}}}", json::spelt(effort));
            entries.push(("thinking_level_change", fields));
        }
        self.store.write(|tx| {
            let mut session = self.clone();
            for (entry_type, fields) in &entries {
                append::append(tx, self.key, self.time(), |conn, head| {
                    session.pi_entry(conn, head, entry_type, fields).map(Some)
                })?;
                // What comes second follows the first, with an id of its own.
                session = Self { id: None, expected: None, ..session };
            }
            Ok(())
        })
    }

    /// Moves the leaf; pi has no record for that, so it is an event.
    pub(super) fn move_leaf(&self, entry_id: Option<&str>) -> Result<()> {
        self.store.write(|tx| {
            if let Some(entry_id) = entry_id {
                append::require(tx, self.key, entry_id)?;
            }
            move_leaf(tx, self.key, entry_id, self.time())
        })
    }

    /// Makes a session of a path as pi does: labels leave the path, and stand
    /// behind it for the entries that they name.
    pub(super) fn make_of_pi_path(
        &self,
        tx: &Connection,
        source: &Source,
        path: &[Entry],
    ) -> Result<SessionKey> {
        let format = source.info.format;
        let mut copy = self.begin(tx, source)?;
        // A compaction that keeps from a label on keeps from the entry behind it.
        let mut stands_for: HashMap<&str, &str> = HashMap::new();
        let mut next = None;
        for entry in path.iter().rev() {
            match (entry.entry_type.as_str(), next) {
                ("label", Some(next)) => {
                    stands_for.insert(&entry.id, next);
                }
                _ => next = Some(&entry.id),
            }
        }
        let mut last: Option<&str> = None;
        for entry in path.iter().filter(|entry| entry.entry_type != "label") {
            let raw = log::line(tx, entry.line_key)?;
            let kept = entries::first_kept_of(tx, self.key, &entry.id)?;
            let kept = kept.as_ref().map(stored_text);
            let kept = kept.as_deref().and_then(|kept| stands_for.get(kept).copied());
            let record = format.meaning().parse(&raw);
            let line = match source.is_old {
                true => format.spelling().identified(&raw, &entry.id, last),
                false if !names_parent(&record, last) || kept.is_some() => {
                    format.spelling().relinked(&raw, last, kept)
                }
                false => None,
            };
            let at = record.at;
            match line {
                Some(line) => copy.push(line.as_bytes(), at)?,
                None => copy.push(&raw, at)?,
            }
            last = Some(&entry.id);
        }
        let mut last = last.map(str::to_owned);
        for label in labels::labels(tx, self.key)? {
            let is_target =
                |entry: &Entry| entry.id == label.target_id && entry.entry_type != "label";
            if !path.iter().any(is_target) {
                continue;
            }
            let id = new_entry_id(tx, copy.session)?;
            let target_id = json::spelt(&label.target_id);
            let label_json = label.exact_label.to_json();
            let fields = format!("{{\"targetId\":{target_id},\"label\":{label_json}}}");
            let draft = Draft::Fields {
                entry_type: "label",
                id: &id,
                parent_id: last.as_deref(),
                fields: &fields,
            };
            let at = label.labelled_at.as_ref().and_then(|at| Timestamp::parse(&stored_text(at)));
            let line = append::spelt(format, &draft, at.unwrap_or_else(|| self.time()))?;
            copy.push(line.as_bytes(), at)?;
            last = Some(id);
        }
        copy.finish(last.as_deref())
    }
}

/// A JSON object in compact spelling.
pub(super) fn object(text: &str) -> Result<String> {
    let object = compact_within(text, MAX_DEPTH)?;
    match object.starts_with('{') {
        true => Ok(object),
        false => Err(Error::InvalidRecord("a JSON object was expected".to_owned())),
    }
}

/// Refuses fields that the entry has of itself: said twice, the later would count.
fn refuse_base(fields: &str) -> Result<()> {
    let Ok((fields, _)) = json::scan(fields.as_bytes()) else { return Ok(()) };
    let base = ["type", "id", "parentId", "timestamp"];
    match fields.members().find_map(|(key, _)| base.into_iter().find(|name| key.is(name))) {
        Some(name) => Err(Error::InvalidRecord(format!("{name} is no field of the entry's own"))),
        None => Ok(()),
    }
}

/// Whether a line says itself that its entry has this parent.
fn names_parent(record: &Record, parent_id: Option<&str>) -> bool {
    match record.entry.as_ref().map(|entry| &entry.parent) {
        Some(Parent::Id(own)) => Some(&own[..]) == parent_id,
        Some(Parent::None) => parent_id.is_none(),
        Some(Parent::Unsaid) | None => false,
    }
}

/// Moves the leaf of a session by an event, and brings its row up to date.
pub(super) fn move_leaf(
    tx: &Connection,
    session: SessionKey,
    entry_id: Option<&str>,
    at: Timestamp,
) -> Result<()> {
    let (file, source) = sessions::file_of(tx, session)?
        .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
    // Lines alone would be those of whatever the file is rewritten to.
    let checksum = log::checksum_without_end(tx, &file, file.line_count)?;
    let value = serde_json::json!([entry_id, file.line_count, checksum]).to_string();
    events::insert_event(tx, session, EventKind::Branch, at, Some(&value))?;
    let head = heads::head(tx, session)?;
    match Fold::resume(tx, &file, source.format, session, head)? {
        Some(fold) => fold.finish().map(|_| ()),
        None => crate::fold::refold(tx, &file, source.format, session),
    }
}

/// Eight hex digits that no entry of the session has; after many tries, a whole UUID.
fn new_entry_id(conn: &Connection, session: SessionKey) -> Result<String> {
    for _ in 0..100 {
        let id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        if entries::entry_key(conn, session, &id)?.is_none() {
            return Ok(id);
        }
    }
    Ok(uuid::Uuid::new_v4().to_string())
}

/// A JSON value in compact spelling, as the value of an entry's own key.
pub(super) fn value(text: &str) -> Result<String> {
    compact_within(text, MAX_DEPTH - 1)
}

/// Whether a format's entries are written by their own keys.
pub(super) fn has_fields(format: Format) -> bool {
    format == Format::Pi
}
