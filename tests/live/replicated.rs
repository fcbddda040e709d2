//! A store that a replicator follows: its WAL is left alone.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sessile::{Format, ImportOptions, NewSession, Store, StoreOptions, Traces};

use crate::support::{Fixture, at, message};

/// As Litestream makes them in each database that it follows.
const TABLES: &str = "
    CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER);
    CREATE TABLE _litestream_lock (id INTEGER);";

fn journal(database: &Path) -> PathBuf {
    database.with_extension("db-wal")
}

/// A database with a session, which Litestream has seen, and nobody has open.
fn followed(folder: &Path) -> PathBuf {
    let database = folder.join("s.db");
    Store::open(&database).unwrap().create(&NewSession::new("/w").session_id("one")).unwrap();
    Connection::open(&database).unwrap().execute_batch(TABLES).unwrap();
    assert!(!journal(&database).exists());
    database
}

fn append(options: &StoreOptions, database: &Path, text: &str) {
    let store = options.open(database).unwrap();
    store.find("one").unwrap().append_message(message("user", text, text)).unwrap();
}

#[test]
fn what_is_written_while_the_replicator_is_down_stays_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let database = followed(folder.path());
    let before = fs::read(&database).unwrap();
    let mut length = 0;

    for n in 0..20 {
        append(&StoreOptions::new(), &database, &format!("m{n}"));
        let now = fs::metadata(journal(&database)).unwrap().len();
        assert!(length < now, "the journal goes on");
        length = now;
    }

    assert_eq!(fs::read(&database).unwrap(), before);
    let store = Store::open(&database).unwrap();
    assert_eq!(store.find("one").unwrap().entries_after(0, 100).unwrap().len(), 20);
    assert_eq!(store.check().unwrap(), []);
    assert_eq!(store.foreign_objects().unwrap().len(), 0);
}

#[test]
fn an_import_of_many_transactions_leaves_the_journal_too() {
    let folder = tempfile::tempdir().unwrap();
    let database = followed(folder.path());
    let before = fs::read(&database).unwrap();
    let root = folder.path().join("root");
    let sessions = root.join("sessions/--w--");
    fs::create_dir_all(&sessions).unwrap();
    for n in 0..2_100 {
        let header = format!(r#"{{"type":"session","version":2,"id":"s{n}","cwd":"/w"}}"#);
        fs::write(sessions.join(format!("{n}.jsonl")), header + "\n").unwrap();
    }

    let store = Store::open(&database).unwrap();
    store.import(&root, &ImportOptions::new().format(Format::Kward)).unwrap();
    store.find("one").unwrap().append_message(message("user", "m", "m")).unwrap();
    drop(store);

    assert_eq!(fs::read(&database).unwrap(), before);
    assert_eq!(
        Store::open(&database).unwrap().find("s2099").unwrap().info().unwrap().entry_count,
        0
    );
}

#[test]
fn who_only_reads_leaves_the_journal_too() {
    let folder = tempfile::tempdir().unwrap();
    let database = followed(folder.path());
    append(&StoreOptions::new(), &database, "m");
    let before = fs::read(journal(&database)).unwrap();

    let store = StoreOptions::new().read_only(true).open(&database).unwrap();
    assert_eq!(store.find("one").unwrap().entries_after(0, 100).unwrap().len(), 1);
    assert_eq!(store.check().unwrap(), []);
    assert!(!store.watch().unwrap().changed().unwrap());
    store.backup(folder.path().join("copy.db")).unwrap();
    drop(store);

    assert_eq!(fs::read(journal(&database)).unwrap(), before);
}

#[test]
fn the_caller_says_whether_a_database_is_replicated() {
    let folder = tempfile::tempdir().unwrap();
    let database = followed(folder.path());

    append(&StoreOptions::new().replicated(false), &database, "m");
    assert!(!journal(&database).exists());

    let fixture = Fixture::new();
    let other = fixture.store.path().to_owned();
    fixture.create("one");
    drop(fixture.store);
    append(&StoreOptions::new().replicated(true), &other, "m");
    assert!(journal(&other).exists());
}

#[test]
fn a_purge_leaves_the_journal_to_the_replicator_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let database = followed(folder.path());
    append(&StoreOptions::new(), &database, "secret");
    let store = Store::open(&database).unwrap();
    store.create(&NewSession::new("/w").session_id("two").at(at(0))).unwrap();
    let before = fs::metadata(journal(&database)).unwrap().len();

    let traces = store.find("one").unwrap().purge().unwrap();

    assert_eq!(traces, Traces::KeptForReplica);
    assert!(before < fs::metadata(journal(&database)).unwrap().len());
    let content = fs::read(&database).unwrap();
    assert!(!content.windows(6).any(|bytes| bytes == b"secret"));
    assert_eq!(store.check().unwrap(), []);
}

#[cfg(feature = "cli")]
#[test]
fn the_command_line_is_told_by_a_variable() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("s.db");
    let new = |value: &str| {
        std::process::Command::new(env!("CARGO_BIN_EXE_sessile"))
            .args(["new", "--cwd", "/w", "--db"])
            .arg(&database)
            .env("SESSILE_REPLICATED", value)
            .output()
            .unwrap()
    };

    assert!(new("1").status.success());
    assert!(journal(&database).exists());
    assert!(new("0").status.success());
    assert!(!journal(&database).exists());
    let refused = new("yes");
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(said, "sessile: SESSILE_REPLICATED is \"yes\"; it is 1 or 0\n");
}
