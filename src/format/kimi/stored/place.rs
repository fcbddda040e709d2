//! Where a session is, and its files.

use rusqlite::Connection;

use super::{Unit, unit_of};
use crate::error::{Error, Result};
use crate::format::kimi::layout;
use crate::model::SessionKey;
use crate::store::sessions;
use crate::store::sources::Source;

/// A session's root and files.
pub(crate) struct Place {
    pub(crate) source: Source,
    pub(crate) unit: Unit,
}

impl Place {
    pub(crate) fn of(conn: &Connection, session: SessionKey) -> Result<Self> {
        let (source, path) =
            sessions::place(conn, session)?.ok_or_else(|| sessions::not_found(session))?;
        let unit = unit_of(conn, source.source_id, &path)?
            .ok_or_else(|| Error::SessionNotFound(String::from_utf8_lossy(&path).into_owned()))?;
        Ok(Self { source, unit })
    }

    /// The folder of the session; for a flat file, the one that would be beside it.
    pub(crate) fn folder(&self) -> Vec<u8> {
        if self.unit.is_flat() {
            layout::flat_stem(&self.unit.path).unwrap_or(&self.unit.path).to_vec()
        } else {
            self.unit.path.clone()
        }
    }
}
