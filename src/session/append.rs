//! One record more: the way every live write takes.

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::compact_json;
use crate::error::{Error, Result};
use crate::fold::{self, Fold, Shape};
use crate::format::json;
use crate::format::rules::OldVersions;
use crate::model::{Draft, Format, SessionKey, Stored, Timestamp};
use crate::store::file_time::FileTime;
use crate::store::files::{self, FileRow, FileState};
use crate::store::heads::Head;
use crate::store::{entries, heads, log, sessions};

/// Where a session's log ends.
pub(super) struct Tail {
    pub(super) format: Format,
    pub(super) leaf_id: Option<String>,
    pub(super) name: Option<Stored>,
    pub(super) line_count: u32,
}

/// Lets `make` decide on a line from the session as it is in this transaction, and adds it.
///
/// `make` refuses before anything is written; `None` from it writes nothing.
pub(super) fn append<T>(
    tx: &Connection,
    session: SessionKey,
    at: Timestamp,
    make: impl FnOnce(&Connection, &Tail) -> Result<Option<(String, T)>>,
) -> Result<Option<T>> {
    let (file, source) = sessions::file_of(tx, session)?
        .ok_or_else(|| Error::SessionNotFound(session.0.to_string()))?;
    if source.format.has_folders() {
        return Err(Error::Unsupported(
            "a Kimi session is written by Kimi; fork it, or give it a title",
        ));
    }
    let head = heads::head(tx, session)?;
    if source.format.rules().old_versions == OldVersions::ReadOnly
        && source.format.meaning().is_linear(head.version.as_ref())
    {
        return Err(Error::Unsupported(
            "a session of version 1 is not written to; clone it, and go on with the copy",
        ));
    }
    let tail = Tail {
        format: source.format,
        leaf_id: head.leaf_id.clone(),
        name: head.name.clone(),
        line_count: file.line_count,
    };
    let Some((line, value)) = make(tx, &tail)? else { return Ok(None) };
    let (file, refold) = local_chain(tx, session, file, at)?;
    add_line(tx, session, source.format, file, &line, (!refold).then_some(head))?;
    Ok(Some(value))
}

/// The line of a record, if the format has one for it.
pub(super) fn spelt(format: Format, draft: &Draft<'_>, at: Timestamp) -> Result<String> {
    let line = format.spelling().serialise(draft, at);
    line.ok_or(Error::Unsupported("the session's format has no record for this"))
}

/// Adds a line to a local chain and to what is folded from it: `head`, or all of it anew.
pub(super) fn add_line(
    tx: &Connection,
    session: SessionKey,
    format: Format,
    file: FileRow,
    line: &str,
    head: Option<Head>,
) -> Result<()> {
    let key = log::key(file.file_id, file.line_count);
    log::insert_line(tx, key, line.as_bytes())?;
    let record = format.meaning().parse(line.as_bytes());
    let file = FileRow {
        mtime: record.at.map_or(file.mtime, FileTime::from),
        size: file.size + line.len() as u64,
        line_count: file.line_count + 1,
        ..file
    };
    files::update_progress(tx, &file)?;
    let fold = match head {
        Some(head) => Fold::resume(tx, &file, format, session, head)?,
        None => None,
    };
    let shape = match fold {
        Some(mut fold) => {
            fold.apply(key, record)?;
            fold.finish()?
        }
        None => Shape::Linear,
    };
    if shape == Shape::Linear {
        fold::refold(tx, &file, format, session)?;
        fold::settle_recovered(tx, file.source_id)?;
    }
    Ok(())
}

/// The chain that a session is written to, and whether the session has to be folded anew.
///
/// A session that was only imported gets one here, which begins with all of
/// its lines. Where the last of them has no terminator, the chain holds it with
/// one: nothing may be glued to it.
fn local_chain(
    tx: &Connection,
    session: SessionKey,
    file: FileRow,
    at: Timestamp,
) -> Result<(FileRow, bool)> {
    if file.state == FileState::Local {
        return Ok((file, false));
    }
    let last = match file.line_count.checked_sub(1) {
        Some(last) => log::line(tx, log::key(file.file_id, last))?,
        None => Vec::new(),
    };
    let is_torn = !last.is_empty() && !last.ends_with(b"\n");
    let base_count = file.line_count - u32::from(is_torn);
    let local = FileRow {
        state: FileState::Local,
        mode: 0o600,
        mtime: at.into(),
        size: 0,
        line_count: base_count,
        sha256: None,
        missing_at: None,
        base_id: Some(file.file_id),
        base_count,
        ..file
    };
    let file_id = files::insert_file(tx, &local)?;
    sessions::update_session_file(tx, session, file_id)?;
    let mut local = files::file_by_id(tx, file_id)?;
    if is_torn {
        let line = [&last[..], b"\n"].concat();
        log::insert_line(tx, log::key(file_id, base_count), &line)?;
        local.size += line.len() as u64;
        local.line_count += 1;
    }
    Ok((local, is_torn))
}

/// A message that has its id.
pub(super) struct Message {
    pub(super) id: String,
    pub(super) json: String,
}

impl Message {
    /// Reads a message; its own id counts, else `id`, else a new one.
    pub(super) fn read(text: &str, id: Option<&str>) -> Result<Self> {
        let json = compact_json(text, 1)?;
        let (value, _) = json::scan(json.as_bytes())
            .map_err(|err| Error::InvalidRecord(err.reason.to_owned()))?;
        if value.kind() != json::Kind::Object {
            return Err(Error::InvalidRecord("a message must be a JSON object".to_owned()));
        }
        let own = value.get("id").filter(|id| !id.is_falsy());
        let own = own.map(|id| match id.string() {
            Some(text) => text.into_owned(),
            None => String::from_utf8_lossy(id.bytes()).into_owned(),
        });
        if let Some(id) = own.filter(|id| !id.is_empty()) {
            return Ok(Self { id, json });
        }
        let id = match id {
            Some("") => return Err(Error::InvalidRecord("an entry needs an id".to_owned())),
            Some(id) => id.to_owned(),
            None => uuid::Uuid::new_v4().simple().to_string(),
        };
        // A null or empty id gives way to the new one, at the end.
        let mut members: Vec<String> = json::distinct_members(value)
            .into_iter()
            .filter(|(key, _)| !key.is("id"))
            .map(|(key, value)| format!("{}:{}", json::spelt(&key.text()), json::compact(value)))
            .collect();
        members.push(format!("\"id\":{}", json::spelt(&id)));
        Ok(Self { id, json: format!("{{{}}}", members.join(",")) })
    }
}

/// A JSON value, spelt compactly.
pub(super) fn value(text: &str) -> Result<String> {
    compact_json(text, 2)
}

pub(super) fn strip(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{b}'))
}

pub(super) fn prompt_hash(content: &str) -> String {
    let digest = Sha256::digest(content.as_bytes());
    digest.iter().fold("sha256:".to_owned(), |hash, byte| format!("{hash}{byte:02x}"))
}

pub(super) fn require(conn: &Connection, session: SessionKey, id: &str) -> Result<()> {
    match entries::entry_key(conn, session, id)? {
        Some(_) => Ok(()),
        None => Err(Error::EntryNotFound { entry_id: id.to_owned() }),
    }
}

pub(super) fn refuse_known(conn: &Connection, session: SessionKey, id: &str) -> Result<()> {
    match entries::entry_key(conn, session, id)? {
        Some(_) => Err(Error::EntryExists { entry_id: id.to_owned() }),
        None => Ok(()),
    }
}

/// For writes that always have a line.
pub(super) fn nothing_written() -> Error {
    Error::InvalidRecord("nothing was written".to_owned())
}
