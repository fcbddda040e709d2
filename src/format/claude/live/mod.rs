//! Changes of Claude Code sessions: records as the program writes them, including
//! titles and tags, and forks as its SDK makes them.

mod fork;

use rusqlite::Connection;

use super::Claude;
use super::facts::Facts;
use super::text::{object, string};
use super::write::{self, NewBoundary, NewMessage, Surroundings};
use super::{compaction, parse, tags};
use crate::chain::{self, Tail, Writing};
use crate::error::{Error, Result};
use crate::format::Layout;
use crate::format::live::Live;
use crate::model::{SessionKey, Stored};
use crate::store::{entries, heads, log, sessions};

impl Live for Claude {
    /// The message's own id is that of its response; the entry gets one of its own.
    fn message(
        &self,
        writing: &Writing<'_>,
        tail: &Tail,
        entry_type: &'static str,
        message: &str,
    ) -> Result<(String, String)> {
        if entry_type != "message" {
            return Err(Error::Unsupported("an entry of this format is a message, or given whole"));
        }
        let message = chain::object(message, tail.depth_below(1))?;
        let role = object(message.as_bytes()).and_then(|message| string(message.get("role")));
        let role = role.filter(|role| matches!(&role[..], "user" | "assistant"));
        let role = role.ok_or_else(|| {
            Error::InvalidRecord("a message is of the role user or assistant".to_owned())
        })?;
        let uuid = new_uuid(writing)?;
        let parent = writing.parent(tail.leaf_id.as_deref())?;
        let line = write::message(&NewMessage {
            role: &role,
            message: &message,
            uuid: &uuid,
            parent: parent.as_deref(),
            session_id: &session_id(writing)?,
            at: writing.at,
            around: &surroundings(writing.tx, writing.session)?,
            is_summary: false,
        });
        Ok((line, uuid))
    }

    /// Writes a boundary, which is a root, and the summary below it. The program
    /// reads the session from there on.
    fn compact(&self, writing: &Writing<'_>, compaction: &str) -> Result<String> {
        let uuid = new_uuid(writing)?;
        let (session_id, boundary) = (session_id(writing)?, uuid::Uuid::new_v4().to_string());
        let around = surroundings(writing.tx, writing.session)?;
        let message = writing.append_line(|tail| {
            let new = compaction::read(&chain::object(compaction, tail.depth_below(1))?);
            let before = writing.parent(tail.leaf_id.as_deref())?;
            let before = before.ok_or_else(|| {
                Error::InvalidRecord("the session has no messages to summarise".to_owned())
            })?;
            let line = write::boundary(&NewBoundary {
                metadata: &new.metadata,
                uuid: &boundary,
                before: &before,
                session_id: &session_id,
                at: writing.at,
                around: &around,
            });
            Ok((line, new.message))
        })?;
        writing.append_line(|_| {
            let line = write::message(&NewMessage {
                role: "user",
                message: &message,
                uuid: &uuid,
                parent: Some(&boundary),
                session_id: &session_id,
                at: writing.at,
                around: &around,
                is_summary: true,
            });
            Ok((line, uuid.clone()))
        })
    }

    fn rename(&self, writing: &Writing<'_>, name: Option<&str>) -> Result<()> {
        match name {
            Some(name) => self.rename_exactly(writing, &Stored::Text(name.to_owned())),
            None => {
                Err(Error::Unsupported("a title of this format can be replaced, but not removed"))
            }
        }
    }

    fn rename_exactly(&self, writing: &Writing<'_>, name: &Stored) -> Result<()> {
        let title = tags::stripped(name);
        let title = title.ok_or_else(|| Error::InvalidRecord("the title is blank".to_owned()))?;
        let line = write::title(&title, &session_id(writing)?);
        writing.append_line(|tail| require_file(tail).map(|()| (line, ())))
    }

    fn tag(&self, writing: &Writing<'_>, tag: Option<&Stored>) -> Result<bool> {
        let blank = || Error::InvalidRecord("the tag has no visible characters".to_owned());
        let tag = match tag {
            Some(tag) => tags::clean(tag).ok_or_else(blank)?,
            None => Stored::Text(String::new()),
        };
        let line = write::tag(&tag, &session_id(writing)?);
        writing.append_line(|tail| require_file(tail).map(|()| (line, ())))?;
        Ok(true)
    }

    /// A record with a uuid is written only once.
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

    /// Every record with a uuid, of any type.
    fn kept_once(&self, line: &[u8]) -> Option<String> {
        let uuid = string(object(line)?.get("uuid"))?;
        (!uuid.is_empty()).then_some(uuid)
    }

    /// A fork of everything, as the SDK makes it.
    fn duplicate(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        fork::fork(writing, None)
    }

    fn fork_branch(&self, writing: &Writing<'_>) -> Result<SessionKey> {
        fork::fork(writing, None)
    }

    /// Up to and including an entry, in file order.
    fn fork(&self, writing: &Writing<'_>, entry_id: &str) -> Result<(SessionKey, String)> {
        Ok((fork::fork(writing, Some(entry_id))?, String::new()))
    }
}

/// The id of the new node, which must be new to the session.
fn new_uuid(writing: &Writing<'_>) -> Result<String> {
    let uuid = writing.id.map_or_else(|| uuid::Uuid::new_v4().to_string(), str::to_owned);
    if uuid.is_empty() {
        return Err(Error::InvalidRecord("an entry needs an id".to_owned()));
    }
    writing.refuse_known(&uuid)?;
    Ok(uuid)
}

/// The session id in records; for an agent, that of the session that it works for.
fn session_id(writing: &Writing<'_>) -> Result<String> {
    let Writing { tx, session, .. } = *writing;
    let not_found = || sessions::not_found(session);
    let (_, path) = sessions::place(tx, session)?.ok_or_else(not_found)?;
    if Claude.is_part(&path)
        && let Some(id) = sessions::parent_session_id(tx, session)?
    {
        return Ok(id);
    }
    sessions::session_id(tx, session)?.ok_or_else(not_found)
}

/// A session has a file, and may have a title, from its first record on.
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
