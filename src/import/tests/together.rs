//! Several imports of one root at once.

use std::fs;
use std::time::Duration;

use super::{Place, SUBJECTS, Subject, There, befores, content};
use crate::error::{Error, Result};
use crate::model::Format;
use crate::store::{Durability, SessionFilter, Store, StoreOptions};

/// Another handle of a store, as another process has it.
fn another(store: &Store) -> Store {
    let options = StoreOptions::new().durability(Durability::Normal);
    options.busy_timeout(Duration::from_millis(50)).open(store.path()).unwrap()
}

/// Runs `other` between two transactions of an import.
fn import_beside(
    place: &Place,
    store: &Store,
    transactions: i64,
    mut other: impl FnMut(usize),
) -> Result<()> {
    let mut times = 0;
    let options = place.options(transactions);
    let report = store.import_with(&place.root, &options, |_| {
        other(times);
        times += 1;
    });
    report.map(drop)
}

#[test]
fn a_file_that_another_import_finishes_first_is_in_once() {
    for subject in SUBJECTS {
        for (before_name, before) in &befores(subject)[..2] {
            for (at, transactions) in [0, 1, 2, 3].map(|at| (at, i64::MAX)).into_iter().chain(
                // The first ends, too, behind each of its transactions.
                (1..9).map(|transactions| (1, transactions)),
            ) {
                let place = Place::new(subject);
                let store = place.store("one.db", false);
                place.put(before, 0);
                place.import(&store, i64::MAX).unwrap();
                place.put(&There::File(content(subject, "word", 30_000)), 1);
                let case = format!("{subject:?}: {before_name}, at {at}, {transactions}");

                let other = another(&store);
                let imported = import_beside(&place, &store, transactions, |times| {
                    if times == at {
                        // Where the first holds the write lock, the other cannot come in.
                        let _ = place.import(&other, i64::MAX);
                    }
                });

                assert!(imported.is_ok() || transactions < i64::MAX, "{case}");
                assert_eq!(store.check().unwrap(), [], "{case}");
                place.import(&store, i64::MAX).unwrap();
                place.assert_complete(&store, &case);
            }
        }
    }
}

#[test]
fn a_file_that_another_import_found_small_meanwhile_is_in_once() {
    for subject in SUBJECTS {
        for transactions in 1..9 {
            let place = Place::new(subject);
            let store = place.store("one.db", false);
            let large = There::File(content(subject, "word", 30_000));
            place.put(&large, 1);
            let other = another(&store);

            // What the other finds takes the place that the large file is to have.
            let _ = import_beside(&place, &store, transactions, |times| {
                if times == 0 {
                    place.put(&There::File(content(subject, "small", 500)), 0);
                    place.import(&other, 1).unwrap_err();
                    place.put(&large, 1);
                }
            });

            let case = format!("{subject:?}: {transactions}");
            assert_eq!(store.check().unwrap(), [], "{case}");
            place.import(&store, i64::MAX).unwrap();
            place.assert_complete(&store, &case);
        }
    }
}

#[test]
fn what_was_found_before_another_import_came_in_is_reported() {
    // A large file lies in the folder that is read last.
    let place = Place::new(SUBJECTS[2]);
    let large = place.root.join("imported_sessions/0123456789abcdef0123456789abcdef/s");
    fs::create_dir_all(&large).unwrap();
    let store = place.store("one.db", false);
    place.put(&There::File(content(place.subject, "word", 900)), 0);
    place.import(&store, i64::MAX).unwrap();
    let changed = content(place.subject, "other", 900);
    place.put(&There::File(changed.clone()), 1);
    fs::write(large.join("context.jsonl"), content(place.subject, "large", 60_000)).unwrap();
    let other = another(&store);

    let mut taken = 0;
    let report = store.import_with(&place.root, &place.options(i64::MAX), |progress| {
        let is_begun = changed.len() as u64 <= progress.bytes;
        if is_begun && taken == 0 && place.import(&other, i64::MAX).is_ok() {
            taken += 1;
        }
    });

    let report = report.unwrap();
    assert_eq!((taken, report.rewritten, report.lost.len()), (1, 1, 1), "{report:?}");
    assert_eq!(report.new, 0, "the other took the large one: {report:?}");
    place.assert_complete(&store, "");
}

#[test]
fn imports_that_take_turns_at_one_file_finish_it() {
    for subject in SUBJECTS {
        let place = Place::new(subject);
        let store = place.store("one.db", false);
        place.put(&There::File(content(subject, "word", 60_000)), 0);
        let other = another(&store);

        // The other goes on for two transactions, again and again.
        let imported = import_beside(&place, &store, i64::MAX, |_| {
            let _ = place.import(&other, 2);
        });

        assert!(matches!(imported, Ok(()) | Err(Error::Busy)), "{imported:?}");
        place.import(&store, i64::MAX).unwrap();
        place.assert_complete(&store, &format!("{subject:?}"));
    }
}

#[test]
fn two_imports_of_one_root_at_once_leave_all_of_it() {
    for round in 0..10 {
        let place = Place::new(SUBJECTS[round % SUBJECTS.len()]);
        place.put(&There::File(content(place.subject, "word", 40_000)), 0);
        let store = place.store("one.db", false);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let imported = place.import(&another(&store), i64::MAX);
                    assert!(matches!(imported, Ok(()) | Err(Error::Busy)), "{imported:?}");
                });
            }
        });
        place.import(&store, i64::MAX).unwrap();
        place.assert_complete(&store, &format!("round {round}"));
        assert_eq!(
            store.sessions(&SessionFilter::new()).unwrap().rows.len(),
            usize::from(
                !place.subject.path.ends_with("txt") && !place.subject.path.ends_with("wire.jsonl"),
            )
        );
    }
}

#[test]
fn what_another_import_found_meanwhile_is_not_missing() {
    // A large file lies in the folder that is read last, the late one in the first.
    let path = "imported_sessions/0123456789abcdef0123456789abcdef/s/context.jsonl";
    let place = Place::new(Subject { format: Format::Kimi, path });
    let late = place.root.join(path.replace("imported_", "").replace("/s/", "/late/"));
    fs::create_dir_all(place.root.join("sessions")).unwrap();
    place.put(&There::File(content(place.subject, "word", 30_000)), 0);
    let store = place.store("one.db", false);
    let other = another(&store);
    let is_known = || {
        let conn = store.connection().unwrap();
        let sql = "SELECT missing_at IS NULL FROM files WHERE instr(path, CAST('/late/' AS BLOB))";
        conn.query_row(sql, [], |row| row.get::<_, bool>(0))
    };

    import_beside(&place, &store, i64::MAX, |times| {
        // Behind the second batch of the large file, of which the other begins none.
        if times == 1 {
            fs::create_dir_all(late.parent().unwrap()).unwrap();
            fs::write(&late, content(place.subject, "late", 300)).unwrap();
            place.import(&other, 1).unwrap_err();
            assert_eq!(is_known(), Ok(true));
        }
    })
    .unwrap();

    assert_eq!(is_known(), Ok(true));
    place.import(&store, i64::MAX).unwrap();
    place.assert_complete(&store, "late");
}
