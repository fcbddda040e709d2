//! Forks: a new transcript beside the old one, with new ids for all nodes.
//!
//! The entries are in file order, including other branches. Records outside the
//! tree are left out, except replacements in tool results.

use std::collections::{HashMap, HashSet};

use crate::chain::{CopySource, NewLog, Writing};
use crate::error::{Error, Result};
use crate::format::claude::facts::{Facts, Kind, Node};
use crate::format::claude::layout::is_session_id;
use crate::format::claude::parse::parse;
use crate::format::claude::tags;
use crate::format::claude::text::{object, string};
use crate::format::claude::write::{self, Fork};
use crate::format::json::Raw;
use crate::model::{SessionInfo, SessionKey, Stored};
use crate::store::{log, sessions};

/// The title to derive from if there is none.
const UNTITLED: &str = "Forked session";

/// Forks all entries, or those up to and including one.
pub(super) fn fork(writing: &Writing<'_>, up_to: Option<&str>) -> Result<SessionKey> {
    if let Some(entry_id) = up_to.filter(|id| !is_session_id(id)) {
        return Err(Error::InvalidRecord(format!(
            "{entry_id:?} is not a UUID; a fork needs the UUID of its last entry"
        )));
    }
    let source = CopySource::read(writing)?;
    let source_id = source.info.session_id.clone().unwrap_or_default();
    let nodes = Nodes::read(writing, &source, up_to)?;
    let mut copy = NewLog::begin(*writing, &source)?;
    let session_id = sessions::session_id(writing.tx, copy.session())?.unwrap_or_default();
    let fork = Fork {
        source_id: &source_id,
        session_id: &session_id,
        at: writing.at,
        uuids: &nodes.uuids,
    };
    let mut replaced = Vec::new();
    let mut number = 0;
    log::each_line(writing.tx, &source.file, |_, raw| {
        let Some(record) = object(raw) else { return Ok(()) };
        let parsed = parse(raw);
        let own = parsed.own.as_ref().and_then(|own| own.downcast_ref::<Facts>());
        let Some(node) = own.and_then(|facts| facts.node.as_ref()) else {
            let is_own = string(record.get("type")).as_deref() == Some("content-replacement")
                && string(record.get("sessionId")).as_deref() == Some(&source_id);
            let all = record.get("replacements").filter(|_| is_own);
            replaced.extend(all.into_iter().flat_map(Raw::items).map(write::spelt));
            return Ok(());
        };
        if !node.is_sidechain && number < nodes.end {
            number += 1;
            if node.kind != Kind::Progress {
                let is_last = nodes.last == Some(number);
                let line = fork.node(record, nodes.parent(node), is_last);
                let at = if is_last { Some(writing.at) } else { parsed.at };
                copy.push(line.as_bytes(), at)?;
            }
        }
        Ok(())
    })?;
    let new_uuid = || uuid::Uuid::new_v4().to_string();
    let at = Some(writing.at);
    if !replaced.is_empty() {
        copy.push(fork.replacements(&replaced, &new_uuid()).as_bytes(), at)?;
    }
    copy.push(fork.title(&title(&source.info), &new_uuid()).as_bytes(), at)?;
    copy.end()
}

/// The title of the source, with a suffix.
fn title(info: &SessionInfo) -> Stored {
    let first = Some(&info.exact_first_message).filter(|_| !info.first_message.is_empty());
    let untitled = Stored::Text(UNTITLED.to_owned());
    tags::followed(info.name.as_ref().or(first).unwrap_or(&untitled), " (fork)")
}

/// The nodes that a fork contains.
struct Nodes {
    /// How many there are, including progress nodes.
    end: usize,
    /// The last one that is written, counted from 1.
    last: Option<usize>,
    /// The new uuid of each old one.
    uuids: HashMap<String, String>,
    /// For each uuid, by its last record: whether it is a progress node, and its
    /// parent.
    above: HashMap<String, (bool, Option<String>)>,
}

impl Nodes {
    fn read(writing: &Writing<'_>, source: &CopySource, up_to: Option<&str>) -> Result<Self> {
        let (uuids, above) = (HashMap::new(), HashMap::new());
        let mut nodes = Self { end: 0, last: None, uuids, above };
        let mut is_found = false;
        log::each_line(writing.tx, &source.file, |_, raw| {
            let own = parse(raw).own;
            let node = own.as_ref().and_then(|own| own.downcast_ref::<Facts>()?.node.as_ref());
            if let Some(node) = node.filter(|node| !node.is_sidechain && !is_found) {
                nodes.take(node);
                is_found = up_to == Some(&node.uuid);
            }
            Ok(())
        })?;
        match up_to {
            Some(entry_id) if !is_found => {
                Err(Error::EntryNotFound { entry_id: entry_id.to_owned() })
            }
            _ if nodes.last.is_none() => {
                Err(Error::InvalidRecord("the session has no messages to fork".to_owned()))
            }
            _ => Ok(nodes),
        }
    }

    fn take(&mut self, node: &Node) {
        self.end += 1;
        let is_progress = node.kind == Kind::Progress;
        if !is_progress {
            self.last = Some(self.end);
        }
        self.uuids.insert(node.uuid.clone(), uuid::Uuid::new_v4().to_string());
        self.above.insert(node.uuid.clone(), (is_progress, node.parent.clone()));
    }

    /// The new uuid of the nearest ancestor that is not a progress node.
    fn parent(&self, node: &Node) -> Option<&str> {
        let mut seen = HashSet::new();
        let mut next = node.parent.as_deref();
        while let Some(uuid) = next.filter(|uuid| seen.insert(*uuid)) {
            let (is_progress, parent) = self.above.get(uuid)?;
            if !is_progress {
                return self.uuids.get(uuid).map(String::as_str);
            }
            next = parent.as_deref();
        }
        None
    }
}
