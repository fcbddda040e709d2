//! The schema: its version, and databases of another.

use std::fs;
use std::path::PathBuf;

use rusqlite::Connection;
use sessile::{Error, ImportOptions, SessionFilter, StoreOptions};

use crate::support::{TestStore, fixture, snapshot};

/// One file a version.
fn migration_count() -> u32 {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    u32::try_from(fs::read_dir(folder).unwrap().count()).unwrap()
}

#[test]
fn a_new_database_is_marked_and_up_to_date() {
    let test = TestStore::new();
    let number = |pragma: &str| -> u32 {
        test.sqlite().query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0)).unwrap()
    };

    assert_eq!(number("user_version"), migration_count());
    assert_eq!(number("application_id"), u32::from_be_bytes(*b"SESL"));
}

#[test]
fn every_table_is_strict() {
    let test = TestStore::new();
    let conn = test.sqlite();
    let mut stmt = conn
        .prepare(
            "SELECT name
             FROM pragma_table_list
             WHERE schema = 'main' AND type <> 'view' AND strict = 0
               AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'refinery_%'
               AND name NOT LIKE 'session_search%' AND name NOT LIKE 'message_search%' AND name NOT LIKE 'tool_search%' AND name NOT LIKE 'title_search%'", // SQLite's own indexes of texts
        )
        .unwrap();

    let lax: Vec<String> =
        stmt.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();

    assert_eq!(lax, [""; 0]);
}

/// A copy of a store with sessions, changed behind its back.
fn copy(test: &TestStore, change: impl FnOnce(&Connection)) -> PathBuf {
    let path = test.folder().join("copy.db");
    drop(fs::remove_file(&path));
    test.store.backup(&path).unwrap();
    let conn = Connection::open(&path).unwrap();
    change(&conn);
    conn.close().unwrap();
    path
}

#[test]
fn a_database_of_a_newer_release_is_left_alone() {
    let newer = migration_count() + 1;
    let applied = format!(
        "INSERT INTO refinery_schema_history VALUES ({newer}, 'newer', '2030-01-01T00:00:00Z', '1');
         PRAGMA user_version = {newer};"
    );
    let column = format!("ALTER TABLE files ADD COLUMN newer TEXT; PRAGMA user_version = {newer};");
    for change in [&applied, &column, &format!("CREATE TABLE newer (n INTEGER); {applied}")] {
        for options in [StoreOptions::new(), StoreOptions::new().read_only(true)] {
            let test = TestStore::of_fixture("kward/small");
            let path = copy(&test, |conn| conn.execute_batch(change).unwrap());
            let before = snapshot(test.folder());

            let err = options.open(&path).unwrap_err();

            match err {
                Error::SchemaTooNew { path: at, found, known } => {
                    assert_eq!((at, found, known), (path, newer, newer - 1));
                }
                other => panic!("{other:?}"),
            }
            assert_eq!(snapshot(test.folder()), before);
        }
    }
}

#[test]
fn a_wrong_version_in_the_header_locks_nobody_out_and_is_mended() {
    let test = TestStore::of_fixture("kward/small");
    let path = copy(&test, |_| ());
    let known = u8::try_from(migration_count()).unwrap();
    let whole = fs::read(&path).unwrap();
    let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows.len();
    for (at, byte) in (0..=u8::MAX).map(|byte| (63, byte)).chain([(60, 0xFF), (61, 1), (62, 8)]) {
        let mut bytes = whole.clone();
        bytes[at] = byte;
        let is_right = (at, byte) == (63, known);
        fs::write(&path, &bytes).unwrap();

        let reader = StoreOptions::new().read_only(true).open(&path).unwrap();
        assert_eq!(reader.sessions(&SessionFilter::new()).unwrap().rows.len(), rows);
        if byte % 16 == known % 16 {
            let found = reader.check().unwrap().iter().any(|finding| finding.place == "header");
            assert_eq!(found, !is_right, "{at}: {byte}");
        }
        drop(reader);
        assert_eq!(fs::read(&path).unwrap(), bytes, "reading writes nothing");

        let writer = sessile::Store::open(&path).unwrap();
        if byte % 16 == known % 16 {
            assert_eq!(writer.check().unwrap(), [], "{at}: {byte}");
        }
        drop(writer);
        let mended = fs::read(&path).unwrap();
        assert_eq!(mended[60..64], u32::from(known).to_be_bytes(), "{at}: {byte}");
    }
}

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// A database as a release would have made it that knew one migration less.
fn older(test: &TestStore) -> PathBuf {
    let path = test.folder().join("older.db");
    let mut conn = Connection::open(&path).unwrap();
    let version = i32::try_from(migration_count()).unwrap() - 1;
    let runner = embedded::migrations::runner();
    runner.set_target(refinery::Target::Version(version)).run(&mut conn).unwrap();
    path
}

#[test]
fn a_database_of_an_older_release_is_brought_up_to_date_by_who_writes() {
    for marked in [migration_count() - 1, 0, 200] {
        let test = TestStore::new();
        let path = older(&test);
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("CREATE TABLE theirs (n INTEGER)").unwrap();
        conn.pragma_update(None, "user_version", marked).unwrap();
        drop(conn);

        let err = StoreOptions::new().read_only(true).open(&path).unwrap_err();
        let store = sessile::Store::open(&path).unwrap();

        assert!(matches!(&err, Error::SchemaTooOld(at) if *at == path), "{err:?}");
        assert_eq!(store.check().unwrap(), []);
        store.import(&fixture("pi/small"), &ImportOptions::new()).unwrap();
    }
}

#[test]
fn a_history_that_is_not_ours_is_an_error_and_no_panic() {
    for change in [
        "UPDATE refinery_schema_history SET applied_on = 'yesterday'",
        "UPDATE refinery_schema_history SET checksum = 'none'",
        "UPDATE refinery_schema_history SET checksum = x'00' WHERE version = 2",
        "UPDATE refinery_schema_history SET name = 'else' WHERE version = 3",
        "DELETE FROM refinery_schema_history WHERE version = 1",
    ] {
        let test = TestStore::new();
        let path = older(&test);
        Connection::open(&path).unwrap().execute_batch(change).unwrap();

        let err = sessile::Store::open(&path).unwrap_err();

        assert!(matches!(err, Error::Damaged(_)), "{change}: {err:?}");

        let path = copy(&test, |conn| conn.execute_batch(change).unwrap());
        let findings = sessile::Store::open(&path).unwrap().check().unwrap();
        assert_eq!(findings.len(), 1, "{change}");
        assert_eq!(findings[0].place, "refinery_schema_history", "{change}");
    }
}

#[test]
fn opening_again_changes_nothing() {
    let test = TestStore::of_fixture("kward/small");
    let path = test.folder().join("copy.db");
    test.store.backup(&path).unwrap();
    drop(sessile::Store::open(&path).unwrap());
    let before = fs::read(&path).unwrap();

    drop(sessile::Store::open(&path).unwrap());

    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_backup_is_a_whole_store_and_overwrites_nothing() {
    let test = TestStore::of_fixture("kward/small");
    let path = test.folder().join("copy.db");

    test.store.backup(&path).unwrap();
    let again = test.store.backup(&path).unwrap_err();

    assert!(matches!(again, Error::TargetExists(_)), "{again:?}");
    let copy = sessile::Store::open(&path).unwrap();
    assert_eq!(crate::support::dump(&copy), test.dump());
    assert_eq!(copy.check().unwrap(), []);
    assert_eq!(crate::support::mode(&path), 0o600);
}
