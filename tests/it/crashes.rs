//! Files that a crash can leave beside a database, and headers with one wrong byte:
//! the store opens, or the error says what to do.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sessile::{Error, SessionFilter, Store, StoreOptions};

use crate::support::{TestStore, snapshot};

fn beside(path: &Path, end: &str) -> PathBuf {
    PathBuf::from(format!("{}{end}", path.display()))
}

fn reader() -> StoreOptions {
    StoreOptions::new().read_only(true)
}

#[track_caller]
fn check_whole(store: &Store) {
    assert_eq!(store.sessions(&SessionFilter::new()).unwrap().rows.len(), 9);
    assert_eq!(store.check().unwrap(), []);
}

/// A copy of a store that is not in WAL mode, as a backup is, in which a change
/// was interrupted: what SQLite wrote of it, and the journal that undoes it.
fn interrupted(test: &TestStore, change: &str) -> PathBuf {
    let (whole, path) = (test.folder().join("whole.db"), test.folder().join("copy.db"));
    test.store.backup(&whole).unwrap();
    let conn = Connection::open(&whole).unwrap();
    // So few pages that it has to write before it commits.
    conn.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE;").unwrap();
    conn.execute_batch(change).unwrap();
    fs::copy(&whole, &path).unwrap();
    fs::copy(beside(&whole, "-journal"), beside(&path, "-journal")).unwrap();
    assert!(0 < beside(&path, "-journal").metadata().unwrap().len());
    path
}

#[test]
fn a_change_that_was_interrupted_is_undone_by_who_writes_and_said_to_who_reads() {
    let test = TestStore::of_fixture("kward/small");
    let path = interrupted(&test, "UPDATE lines SET raw = zeroblob(9000)");
    let before = snapshot(test.folder());

    let err = reader().open(&path).unwrap_err();

    assert!(matches!(&err, Error::ChangeInterrupted(at) if *at == path), "{err:?}");
    assert!(err.to_string().contains("open it for writing once"), "{err}");
    assert_eq!(snapshot(test.folder()), before);
    check_whole(&Store::open(&path).unwrap());
    check_whole(&reader().open(&path).unwrap());
}

#[test]
fn a_switch_to_wal_mode_that_was_interrupted_is_no_riddle() {
    let test = TestStore::of_fixture("kward/small");
    let switched = interrupted(&test, "UPDATE lines SET raw = zeroblob(9000)");
    // The header may have been written before the power went.
    let mut bytes = fs::read(&switched).unwrap();
    bytes[18..20].copy_from_slice(&[2, 2]);
    let journal = fs::read(beside(&switched, "-journal")).unwrap();
    let wal = vec![0xA5; 100];
    for (has_wal, has_shm) in [(false, false), (true, false), (false, true), (true, true)] {
        fs::write(&switched, &bytes).unwrap();
        fs::write(beside(&switched, "-journal"), &journal).unwrap();
        for (end, is_there) in [("-wal", has_wal), ("-shm", has_shm)] {
            drop(fs::remove_file(beside(&switched, end)));
            if is_there {
                fs::write(beside(&switched, end), &wal).unwrap();
            }
        }

        let err = reader().open(&switched).unwrap_err();

        assert!(err.to_string().contains("open it for writing once"), "{has_wal} {has_shm}: {err}");
        check_whole(&Store::open(&switched).unwrap());
        check_whole(&reader().open(&switched).unwrap());
    }
}

#[test]
fn what_is_left_of_other_journals_does_no_harm() {
    let test = TestStore::of_fixture("kward/small");
    let path = test.folder().join("copy.db");
    for mode in ["DELETE", "WAL"] {
        for end in ["-journal", "-wal", "-shm"] {
            for bytes in [&[][..], &[0; 600], &[0xA5; 5000]] {
                drop(fs::remove_file(&path));
                test.store.backup(&path).unwrap();
                let conn = Connection::open(&path).unwrap();
                conn.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(())).unwrap();
                conn.close().unwrap();
                fs::write(beside(&path, end), bytes).unwrap();

                match reader().open(&path) {
                    Ok(store) => check_whole(&store),
                    Err(err) => assert!(err.to_string().contains("open it for writing once")),
                }
                check_whole(&Store::open(&path).unwrap());
                check_whole(&reader().open(&path).unwrap());
                for end in ["-journal", "-wal", "-shm"] {
                    drop(fs::remove_file(beside(&path, end)));
                }
            }
        }
    }
}

#[test]
fn the_journal_of_a_database_that_is_gone_is_written_into_no_other() {
    for end in ["-journal", "-wal"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        fs::write(beside(&path, end), [7; 600]).unwrap();
        let before = snapshot(folder.path());

        let err = Store::open(&path).unwrap_err();

        assert!(matches!(&err, Error::JournalAlone(at) if *at == beside(&path, end)), "{err:?}");
        assert_eq!(snapshot(folder.path()), before);

        fs::write(beside(&path, end), []).unwrap();
        Store::open(&path).unwrap();
    }
}

#[test]
fn a_header_with_a_byte_wrong_opens_or_says_what_is_wrong() {
    let test = TestStore::of_fixture("kward/small");
    let path = test.folder().join("copy.db");
    test.store.backup(&path).unwrap();
    let whole = fs::read(&path).unwrap();
    let folder = tempfile::tempdir_in(test.folder()).unwrap();
    let path = folder.path().join("case.db");
    let around = snapshot(test.root.as_path());
    let (mut opened, mut refused) = (0, 0);
    for (at, mask) in (0..100).flat_map(|at| [(at, 0x01), (at, 0x80), (at, 0xFF)]) {
        for options in [reader(), StoreOptions::new()] {
            let mut bytes = whole.clone();
            bytes[at] ^= mask;
            fs::write(&path, &bytes).unwrap();

            match options.open(&path) {
                // What SQLite does not believe itself, or mends.
                Ok(store) => {
                    opened += 1;
                    drop(store.check());
                    drop(store.sessions(&SessionFilter::new()));
                }
                Err(err) => {
                    refused += 1;
                    let (kind, said) = (err.kind(), err.to_string());
                    assert!(!["Sqlite", "Pool", "Migration"].contains(&kind), "{at}: {err:?}");
                    assert!(said.contains(&*path.to_string_lossy()), "{at}: {said}");
                }
            }
            for entry in fs::read_dir(folder.path()).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                assert!(
                    ["case.db", "case.db-wal", "case.db-shm", "case.db-journal"].contains(&&*name),
                    "{at}: {name}"
                );
                drop(fs::remove_file(folder.path().join(name)));
            }
        }
    }
    assert_eq!(snapshot(test.root.as_path()), around);
    assert!(100 < opened && 100 < refused, "{opened} {refused}");
}
