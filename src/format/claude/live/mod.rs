//! Live sessions: records as the program writes them, titles and tags among
//! them, and forks as its SDK makes them.

mod fork;

use rusqlite::Connection;

use super::Claude;
use super::facts::Facts;
use super::text::{object, string};
use super::write::{self, NewMessage, Surroundings};
use super::{parse, tags};
use crate::chain::{self, Tail, Writing};
use crate::error::{Error, Result};
use crate::format::live::Live;
use crate::model::{SessionKey, Stored};
use crate::store::{entries, heads, log, sessions};

impl Live for Claude {
    /// The message's own id is its response's; the entry gets one of its own.
    fn message(
        &self,
        writing: &Writing<'_>,
        tail: &Tail,
        entry_type: &'static str,
        message: &str,
    ) -> Result<(String, String)> {
        if entry_type != "message" {
            return Err(Error::Unsupported("a compaction of this format is its program's to make"));
        }
        let message = chain::object(message, tail.depth_below(1))?;
        let role = object(message.as_bytes()).and_then(|message| string(message.get("role")));
        let role = role.filter(|role| matches!(&role[..], "user" | "assistant"));
        let role = role.ok_or_else(|| {
            Error::InvalidRecord("a message is of the role user or assistant".to_owned())
        })?;
        let uuid = writing.id.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
        if uuid.is_empty() {
            return Err(Error::InvalidRecord("an entry needs an id".to_owned()));
        }
        writing.refuse_known(&uuid)?;
        let parent = writing.parent(tail.leaf_id.as_deref())?;
        let line = write::message(&NewMessage {
            role: &role,
            message: &message,
            uuid: &uuid,
            parent: parent.as_deref(),
            session_id: &session_id(writing)?,
            at: writing.at,
            around: &surroundings(writing.tx, writing.session)?,
        });
        Ok((line, uuid))
    }

    fn rename(&self, writing: &Writing<'_>, name: Option<&str>) -> Result<()> {
        match name {
            Some(name) => self.rename_exactly(writing, &Stored::Text(name.to_owned())),
            None => Err(Error::Unsupported("a title of this format is replaced, not taken away")),
        }
    }

    fn rename_exactly(&self, writing: &Writing<'_>, name: &Stored) -> Result<()> {
        let title = tags::stripped(name);
        let title = title.ok_or_else(|| Error::InvalidRecord("the title is blank".to_owned()))?;
        let line = write::title(&title, &session_id(writing)?);
        writing.append_line(|tail| require_file(tail).map(|()| (line, ())))
    }

    fn tag(&self, writing: &Writing<'_>, tag: Option<&Stored>) -> Result<bool> {
        let blank =
            || Error::InvalidRecord("nothing that can be seen is left of the tag".to_owned());
        let tag = match tag {
            Some(tag) => tags::clean(tag).ok_or_else(blank)?,
            None => Stored::Text(String::new()),
        };
        let line = write::tag(&tag, &session_id(writing)?);
        writing.append_line(|tail| require_file(tail).map(|()| (line, ())))?;
        Ok(true)
    }

    /// A record with a uuid is written once.
    fn known_line(&self, writing: &Writing<'_>, record: &str) -> Result<Option<u32>> {
        let Writing { tx, session, .. } = *writing;
        let own = parse::parse(record.as_bytes()).own;
        let facts = own.as_ref().and_then(|own| own.downcast_ref::<Facts>());
        let Some(node) = facts.and_then(|facts| facts.node.as_ref()) else { return Ok(None) };
        let Some(key) = entries::entry_key(tx, session, &node.uuid)? else { return Ok(None) };
        let place = entries::place(tx, key)?;
        let line = log::record(tx, place)?;
        let is_same = line.trim_ascii_end() == record.as_bytes();
        Ok(is_same.then(|| log::line_number(place.line_key)))
    }

    /// Every record with a uuid, of whatever type.
    fn kept_once(&self, line: &[u8]) -> Option<String> {
        let uuid = string(object(line)?.get("uuid"))?;
        (!uuid.is_empty()).then_some(uuid)
    }

    /// As the SDK forks a session: all of it.
    fn duplicate(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        fork::fork(writing, None)
    }

    fn fork_branch(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        fork::fork(writing, None)
    }

    /// Up to and with an entry, in the order of the file.
    fn fork(&self, writing: &Writing<'_>, entry_id: &str) -> Result<(SessionKey, String)> {
        Ok((fork::fork(writing, Some(entry_id))?, String::new()))
    }
}

fn session_id(writing: &Writing<'_>) -> Result<String> {
    let not_found = || Error::SessionNotFound(writing.session.0.to_string());
    if sessions::place(writing.tx, writing.session)?.is_none() {
        return Err(not_found());
    }
    sessions::session_id(writing.tx, writing.session)?.ok_or_else(not_found)
}

/// A session has a file from its first record on, and a title from then on.
fn require_file(tail: &Tail) -> Result<()> {
    match tail.line_count {
        0 => Err(Error::InvalidRecord("the session has no record yet".to_owned())),
        _ => Ok(()),
    }
}

/// What the last entry says of where the session runs.
fn surroundings(conn: &Connection, session: SessionKey) -> Result<Surroundings> {
    let last = heads::head(conn, session)?.last_entry_key;
    let around = match last {
        Some(key) => {
            let line = log::record(conn, entries::place(conn, key)?)?;
            object(&line).map(Surroundings::of).unwrap_or_default()
        }
        None => Surroundings::default(),
    };
    let info = sessions::info(conn, session)?;
    Ok(around.in_work_dir(info.and_then(|info| info.work_dir).as_deref()))
}
