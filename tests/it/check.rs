//! Check reports every change that is made behind the store's back.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use rusqlite::types::Value;
use sessile::{Error, Store, StoreOptions};

use crate::support::{TestStore, dump};

/// A store with rows in every table.
fn full() -> TestStore {
    let test = TestStore::of_fixture("kward/small");
    let lines = [
        r#"{"type":"session","version":2,"id":"full","timestamp":"2026-01-01T00:00:00.000Z","cwd":"/w","provider":"p","model":"m","reasoningEffort":"high","parentId":"pp","parentPath":"/p","extra":[1]}"#,
        r#"{"type":"message","id":"a","timestamp":"2026-01-01T00:00:01.000Z","message":{"role":"user","content":"hi","id":"other"}}"#,
        r#"{"type":"system_prompt","timestamp":"2026-01-01T00:00:01.000Z","reason":"attach","hash":"sha256:00","content":"c"}"#,
        r#"{"type":"tool_execution_end","timestamp":"2026-01-01T00:00:02.000Z","toolCallId":"t","toolName":"read","args":{},"result":{"content":"x","isError":false},"isError":false}"#,
        r#"{"type":"memory_state","timestamp":"2026-01-01T00:00:03.000Z","sessionMemories":[1],"lastRetrieval":null}"#,
        r#"{"type":"label","id":"l","timestamp":"2026-01-01T00:00:04.000Z","targetId":"a","label":"x"}"#,
        r#"{"type":"compaction","id":"k","parentId":"a","timestamp":"2026-01-01T00:00:05.000Z","message":{"role":"compactionSummary","summary":"s","first_kept_entry_id":"other","id":"k"}}"#,
        r#"{"type":"message","id":"o","parentId":"none","timestamp":"2026-01-01T00:00:06.000Z","message":{"role":"user","content":"orphan","id":"o"}}"#,
        r#"{"type":"message","id":"o","parentId":"none","timestamp":"2026-01-01T00:00:06.000Z","message":{"role":"user","content":"again","id":"o"}}"#,
        r#"{"type":"session_info","timestamp":"2026-01-01T00:00:07.000Z","name":"named"}"#,
        "torn",
    ];
    test.write("sessions/--w--/full.jsonl", lines.join("\n"));
    test.write("sessions/--w--/note.txt", "a note");
    test.import();
    test
}

fn texts(conn: &Connection, sql: &str, table: &str) -> Vec<String> {
    let mut stmt = conn.prepare(sql).unwrap();
    let rows = stmt.query_map([table], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn columns(conn: &Connection, table: &str) -> Vec<String> {
    texts(conn, "SELECT name FROM pragma_table_info(?1)", table)
}

/// Another value of the same type, as far as the table's rules allow.
fn other_than(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec![Value::Integer(7), Value::Text("7".to_owned())],
        Value::Integer(number) => vec![Value::Integer(number ^ 1), Value::Integer(number + 77)],
        Value::Real(number) => vec![Value::Real(number + 1.0)],
        Value::Text(text) => [&format!("{text}!"), "missing", "stored", "rotation", "current"]
            .into_iter()
            .filter(|other| other != text)
            .map(|other| Value::Text(other.to_owned()))
            .collect(),
        Value::Blob(bytes) => vec![Value::Blob([bytes, &b"!"[..]].concat())],
    }
}

const PROJECTIONS: [&str; 10] = [
    "sessions",
    "metadata",
    "entries",
    "runs",
    "compactions",
    "labels",
    "problems",
    "system_prompts",
    "tool_executions",
    "memory_states",
];

/// What only Kimi's sessions have.
const KIMI: [&str; 10] = [
    "entry_lines",
    "contexts",
    "kimi_states",
    "approved_actions",
    "additional_dirs",
    "todos",
    "turns",
    "wire_records",
    "subagents",
    "tool_executions",
];

/// Changes one column of one row in a copy, if the rules of the table let it.
fn tamper(conn: &Connection, table: &str, column: &str) -> bool {
    // The row with the richest value: NULL only where there is nothing else.
    let row = format!(
        "FROM {table} WHERE session_key = (SELECT max(session_key) FROM {table}
                                           WHERE session_key IS NOT NULL)
         ORDER BY {column} IS NULL, {column} DESC LIMIT 1"
    );
    let Ok(value) = conn.query_row(&format!("SELECT {column} {row}"), [], |row| row.get(0)) else {
        panic!("{table} is empty");
    };
    let keys = primary_key(conn, table);
    let list = keys.join(", ");
    other_than(&value).into_iter().any(|other| {
        conn.execute(
            &format!("UPDATE {table} SET {column} = ?1 WHERE ({list}) = (SELECT {list} {row})"),
            [other],
        ) == Ok(1)
    })
}

fn primary_key(conn: &Connection, table: &str) -> Vec<String> {
    texts(conn, "SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk", table)
}

/// A store with rows in every table, of which each case takes a copy.
struct Template {
    test: TestStore,
    copy: PathBuf,
}

impl Template {
    fn new() -> Self {
        Self::of(full())
    }

    fn kimi() -> Self {
        Self::of(TestStore::of_fixture("kimi/small"))
    }

    fn of(test: TestStore) -> Self {
        assert_eq!(test.store.check().unwrap(), []);
        let copy = test.folder().join("template.db");
        test.store.backup(&copy).unwrap();
        Self { test, copy }
    }

    /// A copy of the store, changed behind its back.
    fn changed(&self, change: impl FnOnce(&Connection)) -> Store {
        let path = self.test.folder().join("case.db");
        fs::copy(&self.copy, &path).unwrap();
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        change(&conn);
        conn.close().unwrap();
        Store::open(&path).unwrap()
    }

    /// Checks that the change is found, and that `rebuild` mends it.
    #[track_caller]
    fn check_mended(&self, what: &str, change: impl FnOnce(&Connection)) {
        let store = self.changed(change);

        assert_ne!(store.check().unwrap(), [], "{what}");
        store.rebuild().unwrap();

        assert_eq!(store.check().unwrap(), [], "{what}");
        assert_eq!(dump(&store), self.test.dump(), "{what}");
    }
}

/// Changes every column of these tables, each in a copy of its own, and counts them.
fn tamper_with_columns(template: &Template, tables: &[&str]) -> usize {
    let mut seen = 0;
    for table in tables {
        for column in columns(&template.test.sqlite(), table) {
            // The one is a number that means nothing; whatever the other is, lists show the session.
            if ["problem_id", "is_recent"].contains(&&*column) {
                continue;
            }
            template.check_mended(&format!("{table}.{column}"), |conn| {
                assert!(tamper(conn, table, &column), "{table}.{column} cannot be changed");
            });
            seen += 1;
        }
    }
    seen
}

#[test]
fn no_column_of_a_projection_changes_unseen() {
    let seen = tamper_with_columns(&Template::new(), &PROJECTIONS);
    assert!(60 < seen, "{seen}");
}

#[test]
fn no_column_of_kimis_tables_changes_unseen() {
    let seen = tamper_with_columns(&Template::kimi(), &KIMI);
    assert!(45 < seen, "{seen}");
}

#[test]
fn no_row_of_a_projection_goes_unseen() {
    for (template, tables) in [(Template::new(), &PROJECTIONS[..]), (Template::kimi(), &KIMI)] {
        for table in tables {
            template.check_mended(table, |conn| {
                let list = primary_key(conn, table).join(", ");
                let sql = format!(
                    "DELETE FROM {table}
                     WHERE ({list}) = (SELECT {list} FROM {table} ORDER BY session_key DESC LIMIT 1)"
                );
                assert_eq!(conn.execute(&sql, []), Ok(1), "{table}");
            });
        }
    }
}

#[test]
fn no_row_of_a_projection_comes_unseen() {
    for (template, tables) in [(Template::new(), &PROJECTIONS[..]), (Template::kimi(), &KIMI)] {
        // These have one row a session.
        for table in tables.iter().filter(|table| !["sessions", "kimi_states"].contains(table)) {
            template.check_mended(table, |conn| {
                let keys = primary_key(conn, table);
                // A copy of a row, under another key.
                let values: Vec<String> = columns(conn, table)
                    .into_iter()
                    .map(|column| match column.as_str() {
                        "entry_id" | "key" | "target_id" => format!("{column} || '!'"),
                        key if keys.iter().any(|known| known == key) && key != "session_key" => {
                            format!("{key} + 100000")
                        }
                        _ => column,
                    })
                    .collect();
                let sql = format!(
                    "INSERT INTO {table}
                     SELECT {} FROM {table} WHERE session_key IS NOT NULL LIMIT 1",
                    values.join(", ")
                );
                assert_eq!(conn.execute(&sql, []), Ok(1), "{table}");
            });
        }
    }
}

#[test]
fn a_row_that_stands_where_no_session_does_is_found() {
    let template = Template::new();
    template.check_mended("an entry of no session's range", |conn| {
        conn.execute_batch(
            "INSERT INTO entries (entry_key, line_key, session_key, entry_id, id_made, type)
             SELECT entry_key + (1000 << 32), line_key, session_key, 'elsewhere', id_made, type
             FROM entries
             LIMIT 1",
        )
        .unwrap();
    });
}

#[test]
fn an_index_of_queries_that_is_not_of_the_titles_is_found_and_mended() {
    for damage in [
        "INSERT OR REPLACE INTO session_search (rowid, text) VALUES (2, 'else')",
        "INSERT INTO session_search (rowid, text) VALUES (777, 'more')",
        "DELETE FROM session_search WHERE rowid = 3",
        "INSERT INTO session_search (session_search) VALUES ('delete-all')",
    ] {
        let test = full();
        test.sqlite().execute_batch(damage).unwrap();

        let findings = test.store.check().unwrap();
        test.store.rebuild().unwrap();

        assert!(findings.iter().any(|finding| finding.place == "session_search"), "{findings:?}");
        assert_eq!(test.store.check().unwrap(), [], "{damage}");
    }
}

#[test]
fn a_session_that_stands_for_nothing_is_found() {
    let template = Template::new();
    template.check_mended("a session of a folder", |conn| {
        conn.execute_batch(
            "UPDATE sessions
             SET file_id = (SELECT file_id FROM files WHERE kind = 'folder' LIMIT 1)
             WHERE session_key = 1",
        )
        .unwrap();
    });
}

#[test]
fn a_work_dir_that_changed_is_found() {
    let template = Template::new();
    template.check_mended("work_dirs", |conn| {
        conn.execute_batch("UPDATE work_dirs SET path = path || '!'").unwrap();
    });
}

#[test]
fn a_flipped_bit_of_the_log_is_found_and_not_mended() {
    let template = Template::new();
    let lines: Vec<(i64, Vec<u8>)> = {
        let conn = template.test.sqlite();
        let mut stmt = conn.prepare("SELECT line_key, raw FROM lines").unwrap();
        let rows = stmt.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<Result<_, _>>().unwrap()
    };
    assert!(40 < lines.len());
    for (n, (line_key, raw)) in lines.into_iter().enumerate() {
        let at = n * 31 % raw.len();
        let mut flipped = raw.clone();
        flipped[at] ^= 1 << (n % 8);
        let store = template.changed(|conn| {
            let sql = "UPDATE lines SET raw = ?2 WHERE line_key = ?1";
            assert_eq!(conn.execute(sql, (line_key, &flipped)), Ok(1));
        });

        let findings = store.check().unwrap();
        let rebuilt = store.rebuild();

        assert!(matches!(rebuilt, Err(Error::Damaged(_))), "line {line_key}: {rebuilt:?}");
        assert!(
            findings.iter().any(|finding| finding.detail.contains("checksum")),
            "line {line_key}: {findings:?}"
        );
        assert_ne!(store.check().unwrap(), [], "line {line_key}");
    }
}

#[test]
fn whatever_else_is_done_to_the_log_is_found() {
    let template = Template::new();
    let one = "(SELECT min(line_key) FROM lines)";
    let last = "(SELECT max(line_key) FROM lines)";
    for sql in [
        format!("DELETE FROM lines WHERE line_key = {one}"),
        format!("DELETE FROM lines WHERE line_key = {last}"),
        format!(
            "INSERT INTO lines SELECT line_key + 1, raw, enc, checksum FROM lines WHERE line_key = {last}"
        ),
        format!(
            "INSERT INTO lines SELECT 99 << 32, raw, enc, checksum FROM lines WHERE line_key = {one}"
        ),
        format!("UPDATE lines SET line_key = line_key + 1000 WHERE line_key = {last}"),
        format!("UPDATE lines SET checksum = checksum + 1 WHERE line_key = {one}"),
        "UPDATE chunks SET raw = CAST(upper(raw) AS BLOB)".to_owned(),
        "UPDATE chunks SET checksum = checksum + 1".to_owned(),
        "DELETE FROM chunks".to_owned(),
        "UPDATE files SET size = size + 1 WHERE kind = 'log'".to_owned(),
        "UPDATE files SET size = size + 1 WHERE kind = 'document'".to_owned(),
        "UPDATE files SET line_count = line_count + 1 WHERE kind = 'log'".to_owned(),
        "UPDATE files SET sha256 = zeroblob(32) WHERE kind = 'document'".to_owned(),
        "DELETE FROM files WHERE kind = 'log'".to_owned(),
        "DELETE FROM files WHERE kind = 'document'".to_owned(),
        "DELETE FROM sources".to_owned(),
    ] {
        let store = template.changed(|conn| assert!(0 < conn.execute(&sql, []).unwrap(), "{sql}"));

        let findings = store.check().unwrap();

        assert_ne!(findings, [], "{sql}");
    }
}

#[test]
fn a_damaged_page_is_a_finding_wherever_it_is() {
    let template = Template::new();
    let whole = fs::read(&template.copy).unwrap();
    let mut checked = 0;
    for page in (1..whole.len() / 8192).step_by(5) {
        let mut bytes = whole.clone();
        bytes[page * 8192..(page + 1) * 8192].fill(0xA5);
        let path = template.test.folder().join("damaged.db");
        fs::write(&path, bytes).unwrap();
        // Without its schema, which takes some of the pages, a store does not open.
        let Ok(store) = StoreOptions::new().read_only(true).open(&path) else { continue };

        assert_ne!(store.check().unwrap(), [], "page {page}");
        checked += 1;
    }
    assert!(3 < checked, "{checked}");
}

#[test]
fn a_rebuild_of_a_sound_store_changes_nothing() {
    let test = full();
    let rows = test.dump();

    let sessions = test.store.rebuild().unwrap();

    assert_eq!(sessions, 10);
    assert_eq!(test.dump(), rows);
    test.assert_sound();
}

#[test]
fn a_rebuild_that_fails_half_way_leaves_each_session_whole() {
    for (root, event) in [
        ("kward/small", "INSERT ON entries"),
        ("kimi/small", "INSERT ON entries"),
        ("kimi/small", "INSERT ON wire_records"),
        // The last that becomes of a session whose header was recovered.
        (
            "kward/small",
            "UPDATE OF work_dir_id ON sessions WHEN NEW.header = 'recovered' AND NEW.work_dir_id",
        ),
    ] {
        let test = TestStore::of_fixture(root);
        let rows = test.dump();
        let crash =
            format!("CREATE TRIGGER crash BEFORE {event} BEGIN SELECT RAISE(ABORT, 'crash'); END");
        test.sqlite().execute_batch(&crash).unwrap();

        test.store.rebuild().unwrap_err();

        test.sqlite().execute_batch("DROP TRIGGER crash").unwrap();
        assert_eq!(test.store.check().unwrap(), [], "{root}: {event}");
        assert_eq!(test.dump(), rows, "{root}: {event}");
    }
}
