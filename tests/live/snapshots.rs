//! Several reads of one state.

use sessile::{Error, SessionFilter, StoreOptions};

use crate::support::{Fixture, message, talk};

#[test]
fn a_snapshot_sees_nothing_of_what_is_written_meanwhile() {
    let test = Fixture::new();
    let session = test.create("s");
    talk(&session);
    let snapshot = test.store.snapshot().unwrap();
    let then = snapshot.find("s").unwrap();

    session.append_message(message("user", "later", "z")).unwrap();
    session.tag("later").unwrap();
    test.create("other");

    let mut dump = Vec::new();
    snapshot.dump(&mut dump).unwrap();
    assert!(!String::from_utf8(dump).unwrap().contains("later"));
    assert_eq!(snapshot.sessions(&SessionFilter::new()).unwrap().rows.len(), 1);
    assert_eq!(then.leaves().unwrap().len(), 2);
    assert!(then.entry("z").unwrap().is_none());
    assert_eq!(then.tags().unwrap(), Vec::<String>::new());
    assert!(snapshot.find("other").unwrap_err().is_not_found());
    assert!(test.store.find("other").is_ok());
}

#[test]
fn a_snapshot_refuses_what_writes_and_nothing_happens() {
    let test = Fixture::new();
    let session = test.create("s");
    let snapshot = test.store.snapshot().unwrap();
    let then = snapshot.find("s").unwrap();

    for refused in [
        then.append_message(message("user", "one", "a")).map(drop),
        then.tag("x").map(drop),
        then.trash(),
        then.purge().map(drop),
        then.clone_session().map(drop),
    ] {
        assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
    }

    assert_eq!(session.path().unwrap(), []);
    test.check();
}

#[test]
fn a_snapshot_that_is_dropped_gives_its_connection_back() {
    let test = Fixture::new();
    let session = test.create("s");
    let options =
        StoreOptions::new().pool_size(2).busy_timeout(std::time::Duration::from_millis(50));
    let store = options.open(test.store.path()).unwrap();

    for n in 0..5 {
        let snapshots = [store.snapshot().unwrap(), store.snapshot().unwrap()];
        assert!(store.snapshot().unwrap_err().is_busy());
        session.append_message(message("user", "x", &n.to_string())).unwrap();
        assert_eq!(snapshots[0].find("s").unwrap().path().unwrap().len(), n);
    }

    assert_eq!(store.find("s").unwrap().path().unwrap().len(), 5);
}

#[test]
fn a_read_from_inside_a_read_of_a_snapshot_is_told_so() {
    let test = Fixture::new();
    let session = test.create("s");
    session.append_message(message("user", "one", "a")).unwrap();
    let snapshot = test.store.snapshot().unwrap();
    let then = snapshot.find("s").unwrap();

    let mut inner = Vec::new();
    then.each_line(|_, _| {
        inner.push(then.path().map(drop));
        Ok(())
    })
    .unwrap();

    assert!(inner.iter().all(|read| matches!(read, Err(Error::Busy))), "{inner:?}");
    assert_eq!(inner.len(), 2);
    assert_eq!(then.path().unwrap().len(), 1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| then.path().unwrap().len())).collect();
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 1));
    });
}
