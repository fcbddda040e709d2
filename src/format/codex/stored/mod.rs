//! Folds rollouts into rows, and reads what is shown of them.

pub(super) mod append;
mod dependents;
mod dump;
mod extras;
mod fold;
pub(super) mod history;
pub(super) mod own;
pub(super) mod packed;
pub(super) mod place;
mod settle;
pub(super) mod tables;

use rusqlite::Connection;

use self::history::History;
use self::own::{ParsedRollout, telling};
use self::place::Rollout;
use super::turns::Turn;
use crate::error::Result;
use crate::model::SessionKey;
use crate::store::sessions;
use crate::store::sources::Source;

/// A session with its root and its files.
pub(super) struct Place {
    pub(super) source: Source,
    pub(super) rollout: Rollout,
    pub(super) own: ParsedRollout,
}

impl Place {
    pub(super) fn of(conn: &Connection, session: SessionKey) -> Result<Self> {
        let not_found = || sessions::not_found(session);
        let (source, path) = sessions::place(conn, session)?.ok_or_else(not_found)?;
        let rollout = Rollout::at(conn, source.source_id, &path)?;
        let own = ParsedRollout::read(conn, session, &rollout)?.ok_or_else(not_found)?;
        Ok(Self { source, rollout, own })
    }

    pub(super) fn history(&self, conn: &Connection) -> Result<History> {
        History::of(conn, &self.own)
    }
}

/// The turns of a rollout, reconstructed from its lines.
pub(super) fn turns(conn: &Connection, place: &Place) -> Result<Vec<Turn>> {
    let mut telling = telling(&place.own.meta);
    place.history(conn)?.each_line(conn, |link, key, _, raw| {
        link.each_record(key, raw, |_, line| {
            if let Some(record) = &line.record {
                telling.take(record);
            }
            Ok(())
        })
    })?;
    Ok(telling.finish())
}
