//! The state of a lake: the newest row of each file and session.

use std::collections::HashMap;

use crate::error::{Error, Result};
use crate::manifest::{MAX_NUMBER, Manifest};
use crate::place::Place;
use crate::read;
use crate::rows::{Fields, FileRow, SessionRow, Sha, Words};
use crate::table::Table;

/// The state of a store at the last export.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) files: HashMap<i64, FileRow>,
    pub(crate) sessions: HashMap<i64, SessionRow>,
    /// Everything else of the store: a kind, and JSON.
    pub(crate) store: Vec<(String, String)>,
    /// What is known last of every chain that ever existed: its rows, and their
    /// digest.
    pub(crate) chains: HashMap<i64, Chain>,
}

/// What the lake holds of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub(crate) is_log: bool,
    /// The position of its first row, and the one after its last.
    pub(crate) rows: (i64, i64),
    pub(crate) sha256: Sha,
}

impl State {
    pub(crate) fn read(lake: &dyn Place, manifest: &Manifest) -> Result<Self> {
        let mut state = Self::default();
        let mut words = Words::default();
        let tables = [Table::Files, Table::Sessions, Table::Store];
        lake.will_read(tables.iter().flat_map(|table| manifest.files_of(*table)));
        for entry in manifest.files_of(Table::Files) {
            read::each_row(lake, entry, |row| {
                let file = FileRow::from_lake(&mut words, &entry.partition, row)
                    .ok_or_else(|| odd(lake, &entry.path()))?;
                if let Some(sha256) = &file.rows_sha256 {
                    let (is_log, rows) = (&*file.kind == "log", (file.first(), file.line_count));
                    let chain = Chain { is_log, rows, sha256: *sha256 };
                    state.chains.insert(file.chain, chain);
                }
                state.files.insert(file.file_id, file);
                Ok(())
            })?;
        }
        for entry in manifest.files_of(Table::Sessions) {
            read::each_row(lake, entry, |row| {
                let session = SessionRow::from_lake(&entry.partition, row)
                    .ok_or_else(|| odd(lake, &entry.path()))?;
                if !(1..MAX_NUMBER).contains(&session.version) {
                    return Err(odd(lake, &entry.path()));
                }
                state.sessions.insert(session.session_key, session);
                Ok(())
            })?;
        }
        let mut newest = 0;
        for entry in manifest.files_of(Table::Store) {
            read::each_row(lake, entry, |row| {
                let mut row = Fields(row.iter());
                let (Some(export), Some(kind), Some(json)) = (row.int(), row.text(), row.text())
                else {
                    return Err(odd(lake, &entry.path()));
                };
                if newest < export {
                    newest = export;
                    state.store.clear();
                }
                state.store.push((kind, json));
                Ok(())
            })?;
        }
        Ok(state)
    }
}

fn odd(lake: &dyn Place, path: &str) -> Error {
    Error::damaged(lake.named(path), "it holds a row that no export writes")
}
