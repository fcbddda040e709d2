//! The fields of a dump that only Kward sessions have.

use std::io::Write;

use rusqlite::Connection;

use super::Kward;
use crate::context;
use crate::dump::{field, refused, stored, write_conversation};
use crate::error::Result;
use crate::format::extras::Extras;
use crate::format::json;
use crate::model::{Header, SessionInfo, bytes_of};
use crate::store::{log, records};

impl Extras for Kward {
    fn dump(&self, conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
        write_conversation(conn, out, info, Some(&info.exact_first_message))?;
        write_records(conn, out, info)
    }
}

/// Writes what the records outside the tree say.
fn write_records(conn: &Connection, out: &mut dyn Write, info: &SessionInfo) -> Result<()> {
    let mut row = String::new();
    field(&mut row, "reasoning_effort", &stored(info.reasoning_effort.as_ref()));
    let recovered = info.header == Header::Recovered;
    field(&mut row, "header_recovered", if recovered { "true" } else { "false" });
    let hash = records::system_prompt_hash(conn, info.key)?;
    field(&mut row, "system_prompt_hash", &stored(hash.as_ref()));
    field(&mut row, "memory", &memory(conn, info)?);
    out.write_all(row.as_bytes()).map_err(refused)
}

fn memory(conn: &Connection, info: &SessionInfo) -> Result<String> {
    let Some(line_key) = records::memory_state(conn, info.key)? else {
        return Ok("{\"sessionMemories\":[],\"lastRetrieval\":null}".to_owned());
    };
    let line = log::line(conn, line_key)?;
    let instead = context::raw_reference(bytes_of(&info.file), log::line_number(line_key));
    let value = |key| match json::scan(&line) {
        Ok((record, _)) => record.get(key).map(|value| json::clean(value, &instead)),
        Err(_) => None,
    };
    let null = || "null".to_owned();
    Ok(format!(
        "{{\"sessionMemories\":{},\"lastRetrieval\":{}}}",
        value("sessionMemories").unwrap_or_else(null),
        value("lastRetrieval").unwrap_or_else(null),
    ))
}
