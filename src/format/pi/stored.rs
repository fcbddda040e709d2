//! The fields of a dump that only pi sessions have.

use std::io::Write;

use rusqlite::Connection;

use super::Pi;
use crate::dump::{field, refused, write_conversation};
use crate::error::Result;
use crate::format::extras::Extras;
use crate::model::{SessionInfo, Stored, Timestamp};
use crate::store::{heads, records};

impl Extras for Pi {
    /// Only the header says when a session began.
    fn began_at(&self, conn: &Connection, info: &SessionInfo) -> Result<Option<Timestamp>> {
        Ok(heads::head(conn, info.key)?.created_at)
    }

    fn dump(&self, conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
        let first = Some(&info.exact_first_message).filter(|_| !info.first_message.is_empty());
        write_conversation(conn, out, info, first)?;
        write_model(conn, out, info)
    }
}

/// Writes the thinking level, and the sums of the entries' usage.
fn write_model(conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
    let mut row = String::new();
    let level = info.reasoning_effort.as_ref().map_or("\"off\"".to_owned(), Stored::to_json);
    field(&mut row, "thinking_level", &level);
    let usage = records::usage(conn, info.key)?;
    let number = |value: Option<i64>| value.map_or("null".to_owned(), |value| value.to_string());
    let cost = usage.cost.map_or("null".to_owned(), |cost| cost.to_string());
    let sums = format!(
        "{{\"input\":{},\"output\":{},\"cacheRead\":{},\"cacheWrite\":{},\
         \"totalTokens\":{},\"cost\":{cost}}}",
        number(usage.input),
        number(usage.output),
        number(usage.cache_read),
        number(usage.cache_write),
        number(usage.total_tokens),
    );
    field(&mut row, "usage", &sums);
    out.write_all(row.as_bytes()).map_err(refused)
}
