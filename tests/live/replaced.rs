//! A database that is no longer the one that was opened.

use std::fs;
use std::path::Path;

use sessile::{Error, NewSession, SessionFilter, Store};

use crate::support::{Fixture, message};

/// Does something to the files of an open database; what is written then must fail.
#[track_caller]
fn check_noticed(change: impl FnOnce(&Path)) {
    let fixture = Fixture::new();
    let session = fixture.create("one");
    session.append_message(message("user", "before", "a")).unwrap();

    change(fixture.store.path());
    let appended = session.append_message(message("user", "after", "b"));
    let created = fixture.store.create(&NewSession::new("/w"));
    let imported = fixture.store.import("fixtures/kward/small", &Default::default());

    assert!(matches!(appended, Err(Error::DatabaseReplaced(_))), "{appended:?}");
    assert!(matches!(created, Err(Error::DatabaseReplaced(_))), "{created:?}");
    assert!(matches!(imported, Err(Error::DatabaseReplaced(_))), "{imported:?}");
}

fn beside(path: &Path, end: &str) -> std::path::PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

#[test]
fn nothing_is_written_into_a_database_that_was_deleted() {
    check_noticed(|path| fs::remove_file(path).unwrap());
}

#[test]
fn nothing_is_written_into_a_database_that_was_moved() {
    check_noticed(|path| fs::rename(path, beside(path, ".old")).unwrap());
}

#[test]
fn nothing_is_written_into_a_database_that_another_took_the_place_of() {
    check_noticed(|path| {
        let copy = beside(path, ".copy");
        fs::copy(path, &copy).unwrap();
        fs::rename(&copy, path).unwrap();
    });
}

#[test]
fn nothing_is_written_into_a_journal_that_was_deleted() {
    check_noticed(|path| fs::remove_file(beside(path, "-wal")).unwrap());
}

#[test]
fn nothing_is_written_under_an_index_that_others_do_not_see() {
    check_noticed(|path| {
        fs::remove_file(beside(path, "-shm")).unwrap();
        // Another process would make one of its own.
        fs::write(beside(path, "-shm"), []).unwrap();
    });
}

#[test]
fn nothing_is_read_from_a_database_that_was_deleted() {
    let fixture = Fixture::small();

    fs::remove_file(fixture.store.path()).unwrap();

    let listed = fixture.store.sessions(&SessionFilter::new());
    assert!(matches!(listed, Err(Error::DatabaseReplaced(_))), "{listed:?}");
}

#[test]
fn a_database_that_comes_back_is_written_again() {
    let fixture = Fixture::new();
    let (path, away) = (fixture.store.path(), beside(fixture.store.path(), ".away"));

    fs::rename(path, &away).unwrap();
    assert!(fixture.store.create(&NewSession::new("/w")).is_err());
    fs::rename(&away, path).unwrap();

    fixture.create("one");
    fixture.check();
}

#[test]
fn a_store_that_others_open_and_close_stays_the_one_that_was_opened() {
    let fixture = Fixture::new();
    let session = fixture.create("one");

    for n in 0..3 {
        let other = Store::open(fixture.store.path()).unwrap();
        other.create(&NewSession::new("/w").session_id(&n.to_string())).unwrap();
        other.prune().unwrap();
        drop(other);
        session.append_message(message("user", "x", &n.to_string())).unwrap();
    }

    fixture.check();
}
