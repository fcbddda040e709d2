//! What only Kimi has: turns, a state, sub-agents, several contexts.

use std::io::Write;

use rusqlite::Connection;

use super::{Place, dump, load_state, tables};
use crate::context;
use crate::error::Result;
use crate::format::extras::Extras;
use crate::format::kimi::Kimi;
use crate::format::kimi::context::Restoring;
use crate::model::{SessionInfo, SessionKey, Timestamp, Turn};
use crate::store::paths;
use crate::store::projections::Table;

impl Extras for Kimi {
    fn tables(&self) -> &'static [Table] {
        &tables::TABLES
    }

    /// Nothing in Kimi's files says when a session began.
    fn began_at(&self, _conn: &Connection, _info: &SessionInfo) -> Result<Option<Timestamp>> {
        Ok(None)
    }

    fn dump(&self, conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
        dump::write(conn, out, info)
    }

    fn main_log(&self, conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
        tables::current_context(conn, session)
    }

    fn turns(&self, conn: &Connection, session: SessionKey) -> Result<Vec<Turn>> {
        tables::turns(conn, session)
    }

    fn state(&self, conn: &Connection, session: SessionKey) -> Result<Option<String>> {
        let place = Place::of(conn, session)?;
        Ok(Some(load_state(conn, &place.unit)?.state.to_json()))
    }

    fn token_count(&self, conn: &Connection, session: SessionKey) -> Result<Option<String>> {
        let mut restoring = Restoring::default();
        if let Some(leaf_key) = context::leaf_key(conn, session)? {
            paths::each_record_to(conn, leaf_key, |_, record| {
                restoring.take(record);
                Ok(())
            })?;
        }
        Ok(Some(restoring.finish().token_count_with_pending))
    }
}
