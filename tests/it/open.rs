//! Opening: what is refused, with which error, and that refusing leaves no trace.

use std::error::Error as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Barrier;
use std::time::Duration;

use sessile::{Error, ImportOptions, SessionFilter, Store, StoreOptions};

use crate::support::{TestStore, fixture, mode, set_mode, snapshot};

/// Opening `path` fails, and the folder around it stays as it is.
#[track_caller]
fn refused(folder: &Path, options: &StoreOptions, path: &Path) -> Error {
    let before = snapshot(folder);

    let err = options.open(path).unwrap_err();

    assert_eq!(snapshot(folder), before);
    err
}

fn file_of(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("some.db");
    fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_file_that_is_no_database_is_left_alone() {
    for bytes in [&b"just a note\n"[..], b"SQLite format 3\0", &[0xFF; 4096]] {
        for read_only in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = file_of(folder.path(), bytes);

            let err = refused(folder.path(), &StoreOptions::new().read_only(read_only), &path);

            assert!(matches!(&err, Error::NotADatabase(at) if *at == path), "{err:?}");
        }
    }
}

#[test]
fn an_empty_file_is_no_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = file_of(folder.path(), b"");

    let err = refused(folder.path(), &StoreOptions::new(), &path);

    assert!(matches!(err, Error::NotADatabase(_)), "{err:?}");
}

#[test]
fn the_database_of_another_program_is_left_alone() {
    for journal in ["DELETE", "WAL"] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("other.db");
        let conn = rusqlite::Connection::open(&path).unwrap();
        conn.query_row(&format!("PRAGMA journal_mode = {journal}"), [], |_| Ok(())).unwrap();
        conn.execute_batch("CREATE TABLE notes (text TEXT)").unwrap();
        conn.close().unwrap();

        let err = refused(folder.path(), &StoreOptions::new(), &path);

        assert!(matches!(&err, Error::ForeignDatabase(at) if *at == path), "{err:?}");
    }
}

#[test]
fn a_folder_is_named_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("folder");
    fs::create_dir(&path).unwrap();

    let err = refused(folder.path(), &StoreOptions::new(), &path);

    assert!(matches!(&err, Error::DatabaseIsFolder(at) if *at == path), "{err:?}");
}

#[test]
fn what_is_no_store_is_not_recovered() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("new.db");
    let other = folder.path().join("other.db");
    rusqlite::Connection::open(&other).unwrap().execute_batch("CREATE TABLE notes (n)").unwrap();
    let note = file_of(folder.path(), b"just a note\n");
    let before = snapshot(folder.path());

    let of = |path: &Path| sessile::recover(path, &target).unwrap_err().kind();
    let kinds = [&folder.path().join("none.db"), folder.path(), &note, &other].map(of);

    assert_eq!(kinds, ["DatabaseMissing", "DatabaseIsFolder", "NotADatabase", "ForeignDatabase"]);
    assert_eq!(snapshot(folder.path()), before);
}

#[test]
fn a_database_without_its_end_is_damaged() {
    let test = TestStore::of_fixture("kward/small");
    let whole = test.folder().join("whole.db");
    test.store.backup(&whole).unwrap();
    let bytes = fs::read(whole).unwrap();
    let path = file_of(test.folder(), &bytes[..5_000]);

    let err = StoreOptions::new().read_only(true).open(&path).unwrap_err();

    assert!(matches!(err, Error::Damaged(_)), "{err:?}");
    assert!(err.to_string().contains("recover"), "{err}");
}

#[test]
fn a_missing_database_is_not_made_unless_asked_for() {
    for options in [StoreOptions::new().create(false), StoreOptions::new().read_only(true)] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/none.db");

        let err = refused(folder.path(), &options, &path);

        assert!(matches!(&err, Error::DatabaseMissing(at) if *at == path), "{err:?}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_an_io_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "no folder").unwrap();

    let below_a_file = folder.path().join("file/sessions.db");
    let err = refused(folder.path(), &StoreOptions::new(), &below_a_file);

    assert!(matches!(err, Error::Io { .. }), "{err:?}");
}

#[test]
fn the_database_is_its_owners_alone() {
    let test = TestStore::new();
    let path = test.folder().join("deep/down/private.db");

    let store = Store::open(&path).unwrap();
    store.import(&fixture("kward/small"), &ImportOptions::new()).unwrap();

    for end in ["", "-wal", "-shm"] {
        let file = PathBuf::from(format!("{}{end}", path.display()));
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    assert_eq!(mode(&test.folder().join("deep")), 0o700);
    assert_eq!(mode(&test.folder().join("deep/down")), 0o700);
}

#[test]
fn a_folder_that_was_there_keeps_its_mode() {
    let folder = tempfile::tempdir().unwrap();
    set_mode(folder.path(), 0o755);

    Store::open(&folder.path().join("sessions.db")).unwrap();

    assert_eq!(mode(folder.path()), 0o755);
}

#[test]
fn nothing_but_the_database_is_left_when_it_is_closed() {
    let folder = tempfile::tempdir().unwrap();

    drop(Store::open(&folder.path().join("sessions.db")).unwrap());

    let names: Vec<_> = snapshot(folder.path()).into_keys().collect();
    assert_eq!(names, [PathBuf::from("sessions.db")]);
}

#[test]
fn a_wait_of_any_length_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    for timeout in [Duration::ZERO, Duration::MAX] {
        let options = StoreOptions::new().busy_timeout(timeout);
        let store = options.open(dir.path().join("sessions.db")).unwrap();
        store.create(&sessile::NewSession::new("/w")).unwrap();
    }
}

#[test]
fn threads_that_make_a_database_at_once_share_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let start = Barrier::new(8);

    let stores: Vec<Store> = std::thread::scope(|scope| {
        let open = || {
            start.wait();
            Store::open(&path).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    stores[0].import(&fixture("kward/small"), &ImportOptions::new()).unwrap();
    for store in &stores {
        assert_eq!(store.sessions(&SessionFilter::new()).unwrap().rows.len(), 9);
        assert_eq!(store.check().unwrap(), []);
    }
}

#[test]
fn a_store_for_reading_refuses_writes_and_reads() {
    let test = TestStore::of_fixture("kward/small");
    let store = StoreOptions::new().read_only(true).open(test.store.path()).unwrap();

    let err = store.import(&fixture("kward/small"), &ImportOptions::new()).unwrap_err();

    assert!(matches!(err, Error::Sqlite(_)), "{err:?}");
    assert_eq!(store.sessions(&SessionFilter::new()).unwrap().rows.len(), 9);
    assert!(store.rebuild().is_err());
}

#[test]
fn a_closed_database_opens_for_reading_and_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sessions.db");
    let store = Store::open(&path).unwrap();
    store.import(&fixture("kward/small"), &ImportOptions::new()).unwrap();
    drop(store);
    let before = fs::read(&path).unwrap();

    let store = StoreOptions::new().read_only(true).open(&path).unwrap();
    assert_eq!(store.check().unwrap(), []);
    drop(store);

    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn the_database_may_lie_below_the_root_it_imports() {
    let test = TestStore::new();
    test.write("sessions/--w--/note.txt", "a note");
    let store = Store::open(&test.root.join("sessions/own.db")).unwrap();

    store.import(&test.root, &crate::support::options()).unwrap();
    let again = store.import(&test.root, &crate::support::options()).unwrap();

    assert_eq!((again.new, again.grown, again.rewritten), (0, 0, 0));
    assert_eq!(store.verify(&test.root).unwrap().differences, []);
}

#[test]
fn who_waits_too_long_for_a_connection_is_told_that_the_store_is_in_use() {
    let test = TestStore::of_fixture("kward/small");
    let options = StoreOptions::new().pool_size(2).busy_timeout(Duration::from_millis(200));
    let store = options.open(test.store.path()).unwrap();
    let session = store.sessions(&SessionFilter::new()).unwrap().rows[0].key;

    // A writer that holds its connection while it is asked for more.
    struct Slow<'a>(&'a Barrier, &'a Barrier, bool);
    impl std::io::Write for Slow<'_> {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if !std::mem::replace(&mut self.2, true) {
                self.0.wait();
                self.1.wait();
            }
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let (held, done) = (Barrier::new(3), Barrier::new(3));
    let err = std::thread::scope(|scope| {
        for _ in 0..2 {
            let mut out = Slow(&held, &done, false);
            let store = &store;
            scope.spawn(move || store.session(session).unwrap().dump(&mut out).unwrap());
        }
        held.wait();
        let err = store.sessions(&SessionFilter::new()).map(|_| ()).unwrap_err();
        done.wait();
        err
    });

    assert!(matches!(err, Error::Busy), "{err:?}");
}

#[test]
fn a_failure_of_sqlite_is_said_in_words_and_by_its_cause() {
    let test = TestStore::of_fixture("kward/small");
    let store = StoreOptions::new().read_only(true).open(test.store.path()).unwrap();
    let reading = store.create(&sessile::NewSession::new("/w")).map(|_| ()).unwrap_err();
    let crash =
        "CREATE TRIGGER crash BEFORE INSERT ON sessions BEGIN SELECT RAISE(ABORT, 'x'); END";
    test.sqlite().execute_batch(crash).unwrap();
    let rule = test.store.create(&sessile::NewSession::new("/w")).map(|_| ()).unwrap_err();

    for (err, meaning, cause) in
        [(reading, "opened for reading only", "readonly"), (rule, "violates a constraint", "x")]
    {
        assert!(err.to_string().contains(meaning), "{err}");
        assert!(err.source().unwrap().to_string().contains(cause), "{err:?}");
    }
}
