//! What only Codex has: turns, a base, thread metadata.

use std::io::Write;

use rusqlite::Connection;

use super::{Place, dump, tables, turns};
use crate::context::raw_reference;
use crate::error::Result;
use crate::format::codex::Codex;
use crate::format::codex::context::Conversation;
use crate::format::extras::Extras;
use crate::model::{Message, SessionInfo, SessionKey, Stored, Timestamp, Turn};
use crate::store::projections::Table;
use crate::store::{entries, files, heads, log, paths};

impl Extras for Codex {
    fn tables(&self) -> &'static [Table] {
        &tables::TABLES
    }

    fn began_at(&self, conn: &Connection, info: &SessionInfo) -> Result<Option<Timestamp>> {
        Ok(heads::head(conn, info.key)?.created_at)
    }

    fn dump(&self, conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
        dump::write(conn, out, info)
    }

    fn main_log(&self, conn: &Connection, session: SessionKey) -> Result<Option<i64>> {
        Ok(tables::of_session(conn, session)?.map(|known| known.file_id))
    }

    fn turns(&self, conn: &Connection, session: SessionKey) -> Result<Vec<Turn>> {
        let turns = turns(conn, &Place::of(conn, session)?)?;
        let told = turns.iter().zip(1..).map(|(turn, index)| Turn {
            index,
            text: turn.prompt().to_owned(),
            exact_text: Stored::Text(turn.prompt().to_owned()),
            created_at: None,
        });
        Ok(told.collect())
    }

    fn token_count(&self, conn: &Connection, session: SessionKey) -> Result<Option<String>> {
        let shown = tables::shown(conn, session)?;
        Ok(shown.and_then(|shown| shown.token_count).map(|count| count.to_string()))
    }

    /// A compaction keeps prompts from before, or has a history of its own.
    fn restored(
        &self,
        conn: &Connection,
        info: &SessionInfo,
        leaf_key: i64,
    ) -> Result<Option<Vec<Message>>> {
        let mut conversation = Conversation::default();
        let mut file = (0, Vec::new());
        for key in paths::keys(conn, leaf_key)? {
            let place = entries::place(conn, key)?;
            let file_id = log::file_of(place.line_key);
            if file.0 != file_id {
                file = (file_id, files::file_by_id(conn, file_id)?.path);
            }
            let instead = raw_reference(&file.1, log::line_number(place.line_key));
            conversation.take(&log::record(conn, place)?, &key, &instead);
        }
        let messages = conversation.finish().into_iter().map(|(key, json)| {
            let entry_id = entries::entry_id(conn, key)?;
            Ok(Message { entry_id, json, format: info.format })
        });
        messages.collect::<Result<_>>().map(Some)
    }
}
