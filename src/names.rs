//! How a session is named: by its id, a prefix of it, or its file; and an entry likewise.

use rusqlite::Connection;

use crate::error::{Error, Result};
use crate::model::{SessionInfo, SessionKey};
use crate::store::{Store, entries, sessions};

impl Store {
    /// Finds a session by its id, by an unambiguous prefix of it (an exact id
    /// wins), or by its file: its path below the root, alone or as `root:path`.
    ///
    /// # Errors
    ///
    /// [`SessionNotFound`](Error::SessionNotFound), and
    /// [`AmbiguousSession`](Error::AmbiguousSession) with the files to choose from.
    pub fn find(&self, name: &str) -> Result<SessionKey> {
        self.read(|conn| find(conn, name))
    }

    /// Returns a name by which [`find`](Self::find) finds this session and no
    /// other: its id, else its file as `root:path`; `None` when there is no such session.
    pub fn name_of(&self, session: SessionKey) -> Result<Option<String>> {
        self.read(|conn| {
            let Some(info) = sessions::info(conn, session)? else { return Ok(None) };
            if let Some(id) = info.session_id
                && sessions::sessions_by_id(conn, &id)?.len() == 1
            {
                return Ok(Some(id));
            }
            let (root, file) =
                (String::from_utf8_lossy(&info.root), String::from_utf8_lossy(&info.file));
            Ok(Some(format!("{root}:{file}")))
        })
    }

    /// Finds an entry by its id, or by an unambiguous beginning of it; an exact
    /// id wins. Returns the whole id.
    ///
    /// # Errors
    ///
    /// [`EntryNotFound`](Error::EntryNotFound), and
    /// [`AmbiguousEntry`](Error::AmbiguousEntry) with the ids to choose from.
    pub fn find_entry(&self, session: SessionKey, name: &str) -> Result<String> {
        self.read(|conn| {
            if entries::entry_key(conn, session, name)?.is_some() {
                return Ok(name.to_owned());
            }
            let mut found = entries::ids_from(conn, session, name)?;
            match found.len() {
                1 => Ok(found.remove(0)),
                0 => Err(Error::EntryNotFound { entry_id: name.to_owned() }),
                _ => Err(Error::AmbiguousEntry { name: name.to_owned(), matches: found }),
            }
        })
    }

    /// Returns what is known of a session without reading any of its lines;
    /// `None` when there is none.
    pub fn session(&self, session: SessionKey) -> Result<Option<SessionInfo>> {
        self.read(|conn| sessions::info(conn, session))
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
                    let root = String::from_utf8_lossy(&info.root);
                    let file = String::from_utf8_lossy(&info.file);
                    matches.push(format!("{root}:{file} ({id})"));
                }
            }
            Err(Error::AmbiguousSession { name: name.to_owned(), matches })
        }
    }
}

/// Both parts may hold colons, so each colon may be the one between them.
fn by_root_and_path(conn: &Connection, name: &str) -> Result<Vec<SessionKey>> {
    let mut found = Vec::new();
    for (colon, _) in name.match_indices(':') {
        let (root, path) = (&name[..colon], &name[colon + 1..]);
        for session in sessions::sessions_by_path(conn, path.as_bytes())? {
            let info = sessions::info(conn, session)?;
            if info.is_some_and(|info| info.root == root.as_bytes()) {
                found.push(session);
            }
        }
    }
    Ok(found)
}
