//! Detecting that others wrote, and what.

use sessile::{SessionFilter, Store};

use crate::support::{Fixture, ids, message, talk};

#[test]
fn a_watch_sees_each_write_once_and_no_read() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    let mut watch = fixture.store.watch().unwrap();

    session.append_message(message("user", "one", "a")).unwrap();

    assert!(watch.changed().unwrap());
    fixture.store.sessions(&SessionFilter::new()).unwrap();
    session.context().unwrap();
    assert!(!watch.changed().unwrap());
}

#[test]
fn a_watch_sees_what_another_store_writes() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    let other = Store::open(fixture.store.path()).unwrap();
    let mut watch = other.watch().unwrap();

    session.rename(Some("new")).unwrap();

    assert!(watch.changed().unwrap());
}

#[test]
fn entries_after_a_line_are_those_added_since() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    talk(&session);
    let key = session.key();

    let all = fixture.store.session(key).unwrap().entries_after(0, 100).unwrap();
    let rest = fixture.store.session(key).unwrap().entries_after(all[1].line, 100).unwrap();
    let page = fixture.store.session(key).unwrap().entries_after(all[0].line, 2).unwrap();
    let none = fixture.store.session(key).unwrap().entries_after(u32::MAX, 100).unwrap();

    assert_eq!(ids(&all), ["a", "b", "c", "d"]);
    assert_eq!(all[3].parent_id.as_deref(), Some("b"));
    assert_eq!(ids(&rest), ["c", "d"]);
    assert_eq!(ids(&page), ["b", "c"]);
    assert!(none.is_empty());
}

#[test]
fn entries_of_an_imported_session_go_on_with_those_written_here() {
    let fixture = Fixture::small();
    let session = fixture.session("edge-97");
    session.append_message(message("user", "here", "e")).unwrap();
    session.append_message(message("user", "here too", "f")).unwrap();

    let after = |line, limit| ids(&session.entries_after(line, limit).unwrap());

    assert_eq!(after(0, 100), ["a", "b", "c", "s", "d", "e", "f"]);
    assert_eq!(after(4, 2), ["s", "d"]);
    assert_eq!(after(5, 2), ["d", "e"]);
    assert_eq!(after(7, 100), ["f"]);
}
