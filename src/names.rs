//! Resolves the names of sessions (an id, a prefix of one, or a file) and of
//! entries.

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::model::{SessionKey, bytes_of};
use crate::store::{entries, sessions};

/// A name for which [`find`] returns this session and no other.
pub(crate) fn name_of(conn: &Connection, session: SessionKey) -> Result<String> {
    let info = sessions::info(conn, session)?.ok_or_else(|| sessions::not_found(session))?;
    if let Some(id) = info.session_id
        && sessions::sessions_by_id(conn, &id)? == [session]
    {
        return Ok(id);
    }
    Ok(format!("{}:{}", info.root.display(), info.file.display()))
}

/// The full id of an entry, given the id, a prefix of it, or a suffix that follows a
/// colon. Suffixes are accepted because the ids of a session of several files share
/// long prefixes.
pub(crate) fn find_entry(conn: &Connection, session: SessionKey, name: &str) -> Result<String> {
    if entries::entry_key(conn, session, name)?.is_some() {
        return Ok(name.to_owned());
    }
    let mut found = entries::ids_from(conn, session, name)?;
    if found.is_empty() && name.starts_with(':') {
        found = entries::ids_to(conn, session, name)?;
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::EntryNotFound { entry_id: name.to_owned() }),
        _ => Err(Error::AmbiguousEntry { name: name.to_owned(), matches: found }),
    }
}

pub(crate) fn find(conn: &Connection, name: &str) -> Result<SessionKey> {
    let mut found = sessions::sessions_by_id(conn, name)?;
    if found.is_empty() {
        found = sessions::sessions_by_path(conn, name.as_bytes())?;
    }
    if found.is_empty() {
        found = by_root_and_path(conn, name)?;
    }
    match found[..] {
        [] => Err(Error::SessionNotFound(name.to_owned())),
        [session] => Ok(session),
        _ => {
            let mut matches = Vec::with_capacity(found.len());
            for session in found {
                if let Some(info) = sessions::info(conn, session)? {
                    let id = info.session_id.as_deref().unwrap_or("no id");
                    matches.push(format!("{}:{} ({id})", info.root.display(), info.file.display()));
                }
            }
            Err(Error::AmbiguousSession { name: name.to_owned(), matches })
        }
    }
}

/// Root and path may both contain colons, so every colon is tried as the separator.
fn by_root_and_path(conn: &Connection, name: &str) -> Result<Vec<SessionKey>> {
    let mut found = Vec::new();
    for (colon, _) in name.match_indices(':') {
        let (root, path) = (&name[..colon], &name[colon + 1..]);
        for session in sessions::sessions_by_path(conn, path.as_bytes())? {
            let info = sessions::info(conn, session)?;
            if info.is_some_and(|info| bytes_of(&info.root) == root.as_bytes()) {
                found.push(session);
            }
        }
    }
    Ok(found)
}
