//! A database is untrusted input: what its schema must be before anything in it is
//! used.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use sessile::{Error, ImportOptions, SessionFilter, Store, StoreOptions};

use crate::support::{TestStore, dump, fixture};

/// A closed store with sessions, of which each case takes a copy.
struct Template {
    test: TestStore,
    whole: Vec<u8>,
}

impl Template {
    fn new() -> Self {
        let test = TestStore::of_fixture("kward/small");
        let path = test.folder().join("whole.db");
        test.store.backup(&path).unwrap();
        Self { whole: fs::read(path).unwrap(), test }
    }

    /// A copy that somebody changed who may change everything.
    fn changed(&self, change: &str) -> PathBuf {
        let path = self.test.folder().join("changed.db");
        // What a replicator follows leaves its journal.
        let journal = path.with_extension("db-wal");
        if journal.exists() {
            fs::remove_file(journal).unwrap();
        }
        fs::write(&path, &self.whole).unwrap();
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON;").unwrap();
        conn.execute_batch(change).unwrap_or_else(|err| panic!("{change}: {err}"));
        conn.close().unwrap();
        path
    }

    /// Checks that a change is refused, which names the object, and changes nothing.
    #[track_caller]
    fn check_refused(&self, change: &str, object: &str) {
        let path = self.changed(change);
        let before = fs::read(&path).unwrap();

        for read_only in [true, false] {
            let err = StoreOptions::new().read_only(read_only).open(&path).unwrap_err();

            match &err {
                Error::SchemaDiffers { path: at, object: named, .. } => {
                    assert_eq!((at, named.as_str()), (&path, object), "{change}");
                }
                other => panic!("{change}: {other:?}"),
            }
            let said = err.to_string();
            assert!(said.contains(object) && said.contains("recover"), "{said}");
            assert_eq!(fs::read(&path).unwrap(), before, "{change}");
        }
    }

    /// Checks that a change is allowed, and that these objects are named and left alone.
    #[track_caller]
    fn check_allowed(&self, change: &str, objects: &[&str]) {
        let path = self.changed(change);
        let store = Store::open(&path).unwrap_or_else(|err| panic!("{change}: {err}"));

        let foreign = store.foreign_objects().unwrap();

        let foreign: Vec<String> =
            foreign.iter().map(|object| format!("{} {}", object.kind, object.name)).collect();
        assert_eq!(foreign, objects, "{change}");
        assert_eq!(store.check().unwrap(), [], "{change}");
        assert_eq!(dump(&store), self.test.dump(), "{change}");
        store.import(&fixture("pi/small"), &ImportOptions::new()).unwrap();
        store.rebuild().unwrap();
        assert_eq!(store.check().unwrap(), [], "{change}");
    }
}

#[test]
fn an_object_of_ours_that_is_missing_or_another_is_refused() {
    let template = Template::new();
    for (change, object) in [
        ("DROP TABLE todos", "table todos"),
        ("ALTER TABLE todos ADD COLUMN extra TEXT", "table todos"),
        ("ALTER TABLE todos RENAME TO done", "table todos"),
        ("DROP INDEX sessions_by_id", "index sessions_by_id"),
        (
            "DROP INDEX sessions_by_id; CREATE INDEX sessions_by_id ON sessions (title)",
            "index sessions_by_id",
        ),
        (
            "DROP INDEX entries_by_id; CREATE INDEX entries_by_id ON entries (session_key, entry_id)",
            "index entries_by_id",
        ),
        ("DROP VIEW active_branches", "view active_branches"),
        (
            "DROP TABLE todos;
             CREATE VIEW todos (session_key, position, title, status) AS SELECT 1, 1, 'x', 'y'",
            "table todos",
        ),
        (
            "DROP TABLE sessions;
             CREATE VIEW sessions AS
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n FROM n) SELECT n AS session_key FROM n",
            "table sessions",
        ),
        ("DROP TRIGGER session_search_delete", "trigger session_search_delete"),
        (
            "DROP TRIGGER session_search_delete;
             CREATE TRIGGER session_search_delete AFTER DELETE ON sessions
             BEGIN DELETE FROM lines; END",
            "trigger session_search_delete",
        ),
        (
            "DROP TABLE session_search; CREATE TABLE session_search (text TEXT)",
            "table session_search",
        ),
        (
            "UPDATE sqlite_schema SET sql = replace(sql, 'trigram', 'ascii') WHERE name = 'session_search'",
            "table session_search",
        ),
        (
            "UPDATE sqlite_schema SET sql = replace(sql, 'STRICT', '') WHERE name = 'sources'",
            "table sources",
        ),
        ("DROP TABLE session_search_idx", "table session_search_idx"),
    ] {
        template.check_refused(change, object);
    }
}

#[test]
fn what_is_not_ours_on_a_table_of_ours_is_refused() {
    let template = Template::new();
    for (change, object) in [
        (
            "CREATE TRIGGER extra AFTER INSERT ON lines BEGIN DELETE FROM files; END",
            "trigger extra on lines",
        ),
        (
            "CREATE TRIGGER extra AFTER INSERT ON LINES BEGIN SELECT 1; END",
            "trigger extra on LINES",
        ),
        // A trigger may have the name of a table.
        (
            "CREATE TRIGGER lines AFTER INSERT ON lines BEGIN SELECT 1; END",
            "trigger lines on lines",
        ),
        (
            "CREATE TRIGGER extra INSTEAD OF INSERT ON active_branches BEGIN SELECT 1; END",
            "trigger extra on active_branches",
        ),
        ("CREATE INDEX extra ON lines (checksum)", "index extra on lines"),
        ("CREATE UNIQUE INDEX extra ON sources (format)", "index extra on sources"),
        // By its foreign key a purge would reach the table, and the trigger there.
        (
            "CREATE TABLE theirs (s INTEGER REFERENCES sessions (session_key) ON DELETE CASCADE);
             CREATE TRIGGER extra AFTER DELETE ON theirs BEGIN DELETE FROM lines; END",
            "trigger extra on theirs",
        ),
    ] {
        template.check_refused(change, object);
    }
}

#[test]
fn two_objects_in_one_place_are_refused() {
    let template = Template::new();
    template.check_refused(
        "UPDATE sqlite_schema
         SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'approved_actions')
         WHERE name = 'todos'",
        "table todos",
    );
    template.check_refused(
        "CREATE TABLE theirs (n INTEGER);
         UPDATE sqlite_schema
         SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'lines')
         WHERE name = 'theirs'",
        "table theirs",
    );
}

#[test]
fn statements_hidden_in_the_schema_are_never_run() {
    let template = Template::new();
    let elsewhere = template.test.folder().join("elsewhere.db");
    let path = template.changed(&format!(
        "UPDATE sqlite_schema
         SET sql = sql || '; ATTACH ''{}'' AS other; CREATE TABLE other.written (n)'
         WHERE name IN ('todos', 'labels', 'sessions_by_id')",
        elsewhere.display()
    ));

    for read_only in [true, false] {
        let err = StoreOptions::new().read_only(read_only).open(&path).unwrap_err();

        assert!(matches!(err, Error::SchemaDiffers { .. } | Error::Damaged(_)), "{err:?}");
    }
    assert!(!elsewhere.exists());
}

#[test]
fn what_others_have_beside_our_tables_is_allowed() {
    let template = Template::new();
    for (change, objects) in [
        (
            "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
             CREATE TABLE _litestream_lock (id INTEGER);
             INSERT INTO _litestream_seq VALUES (1, 7);",
            // A replicator is known.
            &[][..],
        ),
        (
            "CREATE TABLE notes (id TEXT PRIMARY KEY, text TEXT CHECK (text <> ''));
             CREATE INDEX notes_by_text ON notes (lower(text)) WHERE text IS NOT NULL;
             CREATE TRIGGER noted AFTER INSERT ON notes BEGIN DELETE FROM notes WHERE id = 'x'; END;
             CREATE VIEW mine AS SELECT session_id FROM sessions;",
            &["table notes", "view mine", "index notes_by_text", "trigger noted"],
        ),
        (
            "CREATE TABLE tags (session_key INTEGER REFERENCES sessions (session_key), tag TEXT)",
            &["table tags"],
        ),
        (
            "CREATE VIEW endless AS
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n FROM n) SELECT n FROM n",
            &["view endless"],
        ),
        ("ANALYZE", &["table sqlite_stat1", "table sqlite_stat4"]),
        (
            "CREATE VIRTUAL TABLE texts USING fts5 (text, content = '')",
            &[
                "table texts",
                "table texts_config",
                "table texts_data",
                "table texts_docsize",
                "table texts_idx",
            ],
        ),
    ] {
        template.check_allowed(change, objects);
    }
}

#[test]
fn check_does_not_look_into_what_is_not_ours() {
    let template = Template::new();
    // What an expression of theirs gives, and how long that takes, is their affair.
    template.check_allowed(
        "CREATE TABLE theirs (n INTEGER);
         INSERT INTO theirs VALUES (1000);
         CREATE INDEX theirs_by_n ON theirs (abs(n));
         UPDATE sqlite_schema SET sql = replace(sql, 'abs(n)', 'abs(n - 1)')
         WHERE name = 'theirs_by_n';",
        &["table theirs", "index theirs_by_n"],
    );
}

#[test]
fn check_finds_what_became_of_the_schema_since_the_store_was_opened() {
    let test = TestStore::of_fixture("kward/small");
    let trigger = "CREATE TRIGGER extra AFTER INSERT ON lines BEGIN DELETE FROM files; END";
    test.sqlite().execute_batch(trigger).unwrap();

    let findings = test.store.check().unwrap();

    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].place, "trigger extra on lines");
}

#[test]
fn a_schema_that_differs_in_its_place_only_is_the_same() {
    let test = TestStore::of_fixture("kward/small");
    // The order of rows and the pages are others after this.
    test.sqlite().execute_batch("VACUUM").unwrap();

    let store = Store::open(test.store.path()).unwrap();

    assert_eq!(store.sessions(&SessionFilter::new()).unwrap().rows.len(), 9);
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn a_database_of_another_build_is_said_to_be_one_and_can_be_moved() {
    let case = Template::new();
    let path = case.changed(
        "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1;
         DELETE FROM sqlite_schema WHERE name = 'runs' OR tbl_name = 'runs'",
    );

    let err = Store::open(&path).unwrap_err();
    let moved = path.with_extension("moved");
    let report = sessile::recover(&path, &moved).unwrap();

    assert!(matches!(err, Error::SchemaDiffers { is_of_another_build: true, .. }), "{err:?}");
    let said = err.to_string();
    assert!(said.contains("was made by another build of this version"), "{said}");
    assert!(said.contains(&format!("`sessile --db {} recover NEW`", path.display())), "{said}");
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(dump(&Store::open(&moved).unwrap()), case.test.dump());
}
