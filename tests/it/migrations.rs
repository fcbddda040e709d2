//! The schema: its version, and databases of another.

use std::fs;

use sessile::{Error, StoreOptions};

use crate::support::{TestStore, snapshot};

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
               AND name NOT LIKE 'session_search%'", // SQLite's own index of texts
        )
        .unwrap();

    let lax: Vec<String> =
        stmt.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();

    assert_eq!(lax, [""; 0]);
}

#[test]
fn a_database_of_a_newer_release_is_left_alone() {
    for options in [StoreOptions::new(), StoreOptions::new().read_only(true)] {
        let test = TestStore::of_fixture("kward/small");
        let path = test.folder().join("newer.db");
        test.store.backup(&path).unwrap();
        let newer = migration_count() + 1;
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.pragma_update(None, "user_version", newer).unwrap();
        conn.close().unwrap();
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
