//! What a reader of a lake finds in it after several exports.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sessile::{ImportOptions, NewSession, Session, SessionFilter, Store};
use tempfile::TempDir;

use super::{ExportOptions, export};
use crate::columns::Value;
use crate::folder::Folder;
use crate::manifest::Manifest;
use crate::read;
use crate::rows::Fields;
use crate::state::State;
use crate::table::Table;

/// Roots of every program.
const FIXTURES: [&str; 6] =
    ["claude/small", "codex/small", "kimi/small", "kward/tree", "kward/edge", "pi/small"];

struct Place {
    store: Store,
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("sessions.db")).unwrap();
        Self { store, folder }
    }

    fn lake(&self) -> PathBuf {
        self.folder.path().join("lake")
    }

    fn export(&self) {
        export(self.store.path(), self.lake(), &ExportOptions::new()).unwrap();
    }

    /// Exports, and asserts that the current rows of the lake are those of a new lake.
    #[track_caller]
    fn check(&self) {
        self.export();
        let new = tempfile::tempdir().unwrap();
        export(self.store.path(), new.path(), &ExportOptions::new()).unwrap();
        for table in [Table::Entries, Table::Usage, Table::Labels, Table::Events] {
            assert_eq!(
                current(&self.lake(), table),
                current(new.path(), table),
                "{}",
                table.name()
            );
        }
    }
}

/// The current rows of a table, without their version.
fn current(lake: &Path, table: Table) -> Vec<String> {
    let lake = Folder::new(lake);
    let manifest = Manifest::open(&lake).unwrap();
    let state = State::read(&lake, &manifest).unwrap();
    let mut rows = Vec::new();
    for entry in manifest.files_of(table) {
        let each = |row: &[Value<'_>]| {
            let [Value::Int(session), Value::Int(version), rest @ ..] = row else {
                panic!("{row:?}")
            };
            let session = &state.sessions[session];
            if session.version == *version && !session.is_gone {
                // The number of a chain differs between lakes.
                let rest = if table == Table::Entries { &rest[..8] } else { rest };
                rows.push(format!("{:?} {rest:?}", session.path));
            }
            Ok(())
        };
        read::each_row(&lake, entry, each).unwrap();
    }
    rows.sort();
    rows
}

fn say(session: &Session, text: &str) -> String {
    session.append_message(format!(r#"{{"role":"user","content":"{text}"}}"#)).unwrap()
}

#[test]
fn branches_labels_and_decisions_are_those_of_the_store_after_each_export() {
    let place = Place::new();
    let session = place.store.create(&NewSession::new("/w")).unwrap();
    let first = say(&session, "a");
    say(&session, "b");
    place.check();
    say(&session, "goes on");
    place.check();
    session.branch(&first).unwrap();
    say(&session, "another branch");
    place.check();
    session.append_label_change(&first, Some("here")).unwrap();
    session.tag("kept").unwrap();
    place.check();
    session.append_label_change(&first, None).unwrap();
    session.archive().unwrap();
    place.check();
    place.store.create(&NewSession::new("/w")).unwrap();
    session.purge().unwrap();
    place.check();
}

#[test]
fn so_are_those_of_every_program() {
    let place = Place::new();
    for name in FIXTURES {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
        place.store.import(root, &ImportOptions::new()).unwrap();
        place.check();
    }
    for row in place.store.sessions(&SessionFilter::new().limit(1_000)).unwrap().rows {
        let session = place.store.session(row.key).unwrap();
        // Not every format can be appended to.
        let _ = session.append_message(r#"{"role":"user","content":"more"}"#);
        if let Some(leaf) = session.leaves().unwrap().first() {
            let _ = session.branch(&leaf.id);
        }
    }
    place.check();
}

#[test]
fn ids_types_and_roles_are_spelt_as_the_views_of_the_store_spell_them() {
    let place = Place::new();
    for name in FIXTURES {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name);
        place.store.import(root, &ImportOptions::new()).unwrap();
    }
    place.export();

    let conn = Connection::open(place.store.path()).unwrap();
    let sql = "SELECT session_key, entry_key & 0xFFFFFFFF, entry, type, role FROM entry_list";
    let mut stmt = conn.prepare(sql).unwrap();
    let shown = stmt.query_map([], |row| {
        let entry: (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((entry, [row.get(2)?, row.get(3)?, row.get(4)?]))
    });
    let shown: BTreeMap<(i64, i64), [Option<String>; 3]> =
        shown.unwrap().collect::<Result<_, _>>().unwrap();
    let lake = Folder::new(&place.lake());
    let manifest = Manifest::open(&lake).unwrap();
    let mut held = BTreeMap::new();
    for file in manifest.files_of(Table::Entries) {
        let each = |row: &[Value<'_>]| {
            let mut row = Fields(row.iter());
            let (session, _version, entry) = (row.int(), row.int(), row.int());
            let (_parent, _depth, _is_active) = (row.optional_int(), row.int(), row.bool());
            let key = (session.unwrap(), entry.unwrap());
            held.insert(key, [row.text(), row.text(), row.optional_text().unwrap()]);
            Ok(())
        };
        read::each_row(&lake, file, each).unwrap();
    }
    let kinds: BTreeSet<_> = held.values().map(|[_, kind, role]| (kind, role)).collect();
    assert!(10 < kinds.len(), "{kinds:?}");
    assert_eq!(held, shown);
}
