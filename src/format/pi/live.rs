//! Changes of pi sessions: entries with keys of their own, leaves moved by events,
//! and forks of branches.

use std::collections::{HashMap, HashSet};

use rusqlite::Connection;

use super::Pi;
use super::complete::{self, Surroundings};
use super::text::written_name;
use crate::chain::{self, CopySource, NewLog, Tail, Writing, spelt};
use crate::error::{Error, Result};
use crate::format::live::{BranchSummary, Live};
use crate::format::{json, stored_text};
use crate::model::{Draft, Entry, Label, Parent, Record, RuntimeUpdate, SessionKey, Timestamp};
use crate::store::{entries, labels, log, paths};

impl Live for Pi {
    fn message(
        &self,
        writing: &Writing<'_>,
        tail: &Tail,
        entry_type: &'static str,
        message: &str,
    ) -> Result<(String, String)> {
        if entry_type != "message" {
            return self.entry(writing, tail, entry_type, message);
        }
        let message = chain::object(message, tail.depth_below(0))?;
        self.entry(writing, tail, entry_type, &members(&[("message", Some(message))]))
    }

    fn entry(
        &self,
        writing: &Writing<'_>,
        tail: &Tail,
        entry_type: &str,
        fields: &str,
    ) -> Result<(String, String)> {
        let parent = writing.parent(tail.leaf_id.as_deref())?;
        entry_under(writing, tail, entry_type, fields, parent.as_deref())
    }

    fn branch_summary(
        &self,
        writing: &Writing<'_>,
        tail: &Tail,
        new: &BranchSummary<'_>,
    ) -> Result<(String, String)> {
        let from_id = new.from_id.or(tail.leaf_id.as_deref()).unwrap_or("root");
        let details = chain::compact(new.details, tail.depth_below(1))?;
        let fields = members(&[
            ("fromId", Some(json::spelt(from_id))),
            ("summary", Some(json::spelt(new.summary.unwrap_or_default()))),
            ("details", Some(details).filter(|details| details != "null")),
        ]);
        entry_under(writing, tail, "branch_summary", &fields, new.parent_id)
    }

    fn is_to_be_edited(&self, entry: &Entry) -> bool {
        chain::is_prompt(entry) || entry.entry_type == "custom_message"
    }

    fn label(
        &self,
        writing: &Writing<'_>,
        entry_id: &str,
        label: Option<&str>,
    ) -> Result<(String, bool)> {
        writing.append_line(|tail| {
            let known = writing.is_known(entry_id)?;
            let fields = fields_of_label(entry_id, label.map(json::spelt));
            let (line, id) = self.entry(writing, tail, "label", &fields)?;
            Ok((line, (id, known)))
        })
    }

    fn rename(&self, writing: &Writing<'_>, name: Option<&str>) -> Result<()> {
        writing.append_line(|tail| {
            let name = written_name(name.unwrap_or_default());
            let fields = members(&[("name", Some(json::spelt(&name)))]);
            let (line, _) = self.entry(writing, tail, "session_info", &fields)?;
            Ok((line, ()))
        })
    }

    /// Model and effort each have an entry.
    fn update_runtime(&self, writing: &Writing<'_>, runtime: RuntimeUpdate<'_>) -> Result<()> {
        let mut entries = Vec::new();
        if let (Some(provider), Some(model)) = (runtime.provider, runtime.model) {
            let fields = members(&[
                ("provider", Some(json::spelt(provider))),
                ("modelId", Some(json::spelt(model))),
            ]);
            entries.push(("model_change", fields));
        }
        if let Some(effort) = runtime.reasoning_effort {
            let fields = members(&[("thinkingLevel", Some(json::spelt(effort)))]);
            entries.push(("thinking_level_change", fields));
        }
        let mut writing = *writing;
        for (entry_type, fields) in &entries {
            writing.append(|tail| self.entry(&writing, tail, entry_type, fields).map(Some))?;
            // The second entry follows the first, with an id of its own.
            writing = Writing { id: None, expected: None, ..writing };
        }
        Ok(())
    }

    /// Labels are removed from the path, and follow it for the entries that they
    /// name.
    fn copy_path(
        &self,
        writing: &Writing<'_>,
        source: &CopySource,
        path: &[Entry],
    ) -> Result<SessionKey> {
        let mut copy = NewLog::begin(*writing, source)?;
        let last = copy_entries(writing, source, path, &mut copy)?;
        let mut last = last.map(str::to_owned);
        let copied = path.iter().filter(|entry| entry.entry_type != "label");
        let targets: HashSet<&str> = copied.map(|entry| &entry.id[..]).collect();
        for label in labels::labels(writing.tx, writing.session)? {
            if targets.contains(&label.target_id[..]) {
                last = Some(copy_label(writing, &label, last.as_deref(), &mut copy)?);
            }
        }
        copy.finish(last.as_deref())
    }
}

/// Spells an entry with a given parent as a line; returns it with the entry's id.
fn entry_under(
    writing: &Writing<'_>,
    tail: &Tail,
    entry_type: &str,
    fields: &str,
    parent_id: Option<&str>,
) -> Result<(String, String)> {
    let fields = chain::object(fields, tail.depth_below(0))?;
    refuse_base(&fields)?;
    let around = Surroundings {
        at: writing.at,
        provider: tail.provider.as_ref(),
        model: tail.model.as_ref(),
        last_answer: &|| last_answer(writing, tail),
    };
    let fields = complete::fields(entry_type, &fields, &around)?;
    let id = match writing.id {
        Some("") => return Err(Error::InvalidRecord("an entry needs an id".to_owned())),
        Some(id) => id.to_owned(),
        None => new_entry_id(writing.tx, writing.session)?,
    };
    writing.refuse_known(&id)?;
    let draft = Draft::Fields { entry_type, id: &id, parent_id, fields: &fields };
    Ok((writing.line(tail, &draft)?, id))
}

/// The record of the last answer on the path to the leaf.
fn last_answer(writing: &Writing<'_>, tail: &Tail) -> Result<Option<Vec<u8>>> {
    let Writing { tx, session, .. } = *writing;
    let leaf_key = match &tail.leaf_id {
        Some(leaf_id) => entries::entry_key(tx, session, leaf_id)?,
        None => None,
    };
    let Some(leaf_key) = leaf_key else { return Ok(None) };
    let mut found = None;
    paths::walk_up(tx, leaf_key, |step| {
        found = (step.role == Some("assistant")).then_some(step.entry_key);
        Ok(found.is_none())
    })?;
    found.map(|key| log::record(tx, entries::place(tx, key)?)).transpose()
}

/// A label entry's own keys; the label is JSON.
fn fields_of_label(target_id: &str, label: Option<String>) -> String {
    members(&[("targetId", Some(json::spelt(target_id))), ("label", label)])
}

/// Copies the entries of a path except labels; returns the id of the last.
fn copy_entries<'p>(
    writing: &Writing<'_>,
    source: &CopySource,
    path: &'p [Entry],
    copy: &mut NewLog<'_>,
) -> Result<Option<&'p str>> {
    let Writing { tx, session, .. } = *writing;
    let (meaning, spelling) = (source.info.format.meaning(), source.info.format.spelling());
    let stands_for = stand_ins(path);
    let mut last = None;
    let kept_of = |entry: &Entry| match entry.entry_type.as_str() {
        "compaction" => entries::first_kept_of(tx, session, &entry.id),
        _ => Ok(None),
    };
    let copied = path.iter().filter(|entry| entry.entry_type != "label");
    paths::each_record_of(tx, copied, |entry, raw| {
        let kept = kept_of(entry)?;
        let kept = kept.as_ref().map(stored_text);
        let kept = kept.as_deref().and_then(|kept| stands_for.get(kept).copied());
        let record = meaning.parse(raw);
        let line = match source.is_old {
            true => spelling.identified(raw, &entry.id, last),
            false if !names_parent(&record, last) || kept.is_some() => {
                spelling.relinked(raw, last, kept)
            }
            false => None,
        };
        last = Some(&entry.id[..]);
        match line {
            Some(line) => copy.push(line.as_bytes(), record.at),
            None => copy.push_as_is(entry.place, raw, record),
        }
    })?;
    Ok(last)
}

/// For each label on a path, by id, the entry that follows it: what a compaction
/// keeps from a label on, it keeps from that entry on in the copy.
fn stand_ins(path: &[Entry]) -> HashMap<&str, &str> {
    let mut stands_for = HashMap::new();
    let mut next: Option<&str> = None;
    for entry in path.iter().rev() {
        match (entry.entry_type.as_str(), next) {
            ("label", Some(next)) => {
                stands_for.insert(&entry.id[..], next);
            }
            _ => next = Some(&entry.id),
        }
    }
    stands_for
}

/// Appends a label to a copied path; returns the id of its entry.
fn copy_label(
    writing: &Writing<'_>,
    label: &Label,
    parent_id: Option<&str>,
    copy: &mut NewLog<'_>,
) -> Result<String> {
    let id = new_entry_id(writing.tx, copy.session())?;
    let fields = fields_of_label(&label.target_id, Some(label.exact_label.to_json()));
    let draft = Draft::Fields { entry_type: "label", id: &id, parent_id, fields: &fields };
    let at = label.labelled_at.as_ref().and_then(|at| Timestamp::parse(&stored_text(at)));
    let line = spelt(copy.format(), &draft, at.unwrap_or(writing.at))?;
    copy.push(line.as_bytes(), at)?;
    Ok(id)
}

/// Rejects keys that every entry has: if they were repeated, the later one would
/// count.
fn refuse_base(fields: &str) -> Result<()> {
    let Ok((fields, _)) = json::scan(fields.as_bytes()) else { return Ok(()) };
    let base = ["type", "id", "parentId", "timestamp"];
    match fields.members().find_map(|(key, _)| base.into_iter().find(|name| key.is(name))) {
        Some(name) => Err(Error::InvalidRecord(format!("{name} is not a field of such an entry"))),
        None => Ok(()),
    }
}

/// Whether a line itself says that its entry has this parent.
fn names_parent(record: &Record, parent_id: Option<&str>) -> bool {
    match record.entry.as_ref().map(|entry| &entry.parent) {
        Some(Parent::Id(own)) => Some(&own[..]) == parent_id,
        Some(Parent::None) => parent_id.is_none(),
        Some(Parent::Unsaid) | None => false,
    }
}

/// Eight hex digits that no entry of the session has; after many attempts, a UUID.
fn new_entry_id(conn: &Connection, session: SessionKey) -> Result<String> {
    for _ in 0..100 {
        let id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        if entries::entry_key(conn, session, &id)?.is_none() {
            return Ok(id);
        }
    }
    Ok(uuid::Uuid::new_v4().to_string())
}

/// A JSON object from keys and JSON values.
fn members(members: &[(&str, Option<String>)]) -> String {
    let given = members.iter().filter_map(|(key, value)| Some((key, value.as_ref()?)));
    let members = given.map(|(key, value)| format!("{}:{value}", json::spelt(key)));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}
