//! Copies share lines with their source, and keep them when that is deleted.

use std::path::PathBuf;

use rusqlite::Connection;
use sessile::{Session, Store};

use crate::support::{Fixture, at, message, talk};

/// A session whose lines are long enough to be shared.
fn original(fixture: &Fixture) -> Session {
    let session = fixture.create("original");
    talk(&session);
    session.at(at(10)).append_message(message("assistant", &"word ".repeat(200), "long")).unwrap();
    session
}

fn database(fixture: &Fixture) -> PathBuf {
    fixture.dir.path().join("sessions.db")
}

/// Lines whose bytes another row holds.
fn shared(fixture: &Fixture) -> i64 {
    let conn = Connection::open(database(fixture)).unwrap();
    conn.query_row("SELECT count(*) FROM lines WHERE enc = 2", [], |row| row.get(0)).unwrap()
}

fn texts(session: &Session) -> Vec<String> {
    session.context().unwrap().iter().map(sessile::Message::text).collect()
}

#[test]
fn a_copy_stores_no_line_twice() {
    let fixture = Fixture::new();
    let session = original(&fixture);
    let before = fixture.store.stats().unwrap().line_bytes;

    let copy = session.with_id("copy").clone_session().unwrap();

    assert_eq!(fixture.lines(&copy)[1..], fixture.lines(&session)[1..]);
    let more = fixture.store.stats().unwrap().line_bytes - before;
    let header = fixture.lines(&copy)[0].len() as u64;
    assert!(more < header + 100, "{more} bytes more, of which {header} are the header");
    fixture.check();
    fixture.store.rebuild().unwrap();
    fixture.check();
}

#[test]
fn a_fork_refers_to_the_lines_of_its_path() {
    let fixture = Fixture::new();
    let session = original(&fixture);

    let fork = session.with_id("fork").fork("long").unwrap().session;

    assert_eq!(shared(&fixture), 4);
    assert_eq!(texts(&fork), texts(&session));
    fork.at(at(20)).append_message(message("user", "more", "more")).unwrap();
    assert_eq!(texts(&fork).last().map(String::as_str), Some("more"));
    fixture.check();
}

#[test]
fn what_others_share_outlives_the_session_that_held_it() {
    let fixture = Fixture::new();
    let session = original(&fixture);
    let copy = session.with_id("copy").clone_session().unwrap();
    let copy_of_copy = copy.with_id("second").clone_session().unwrap();
    let (expected, lines) = (texts(&session), fixture.lines(&copy));

    session.purge().unwrap();

    assert_eq!(texts(&copy), expected);
    assert_eq!(fixture.lines(&copy), lines);
    assert_eq!(fixture.lines(&copy_of_copy)[1..], lines[1..]);
    fixture.check();

    copy.purge().unwrap();

    assert_eq!(texts(&copy_of_copy), expected);
    assert_eq!(shared(&fixture), 0);
    fixture.check();
}

#[test]
fn a_recovered_store_has_every_line_that_was_shared() {
    let fixture = Fixture::new();
    let session = original(&fixture);
    session.with_id("copy").clone_session().unwrap();
    let target = fixture.dir.path().join("new.db");

    let report = sessile::recover(&database(&fixture), &target).unwrap();

    assert!(report.is_whole(), "{report:?}");
    let recovered = Store::open(&target).unwrap();
    assert_eq!(recovered.check().unwrap(), []);
    assert_eq!(texts(&recovered.find("copy").unwrap()), texts(&session));
}

#[test]
fn a_line_that_is_lost_is_missing_in_each_session_that_shared_it() {
    let fixture = Fixture::new();
    let session = original(&fixture);
    session.with_id("copy").clone_session().unwrap();
    let conn = Connection::open(database(&fixture)).unwrap();
    let damage = "UPDATE lines SET raw = zeroblob(length(raw)) WHERE length(raw) > 1000";
    assert_eq!(conn.execute(damage, []).unwrap(), 1);

    let findings = fixture.store.check().unwrap();

    let broken = findings.iter().filter(|one| one.detail.contains("checksum")).count();
    assert!(2 <= broken, "{findings:?}");
    let target = fixture.dir.path().join("new.db");
    let report = sessile::recover(&database(&fixture), &target).unwrap();
    let mut ids: Vec<Option<&str>> =
        report.incomplete.iter().map(|one| one.session_id.as_deref()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [Some("copy"), Some("original")]);
}
