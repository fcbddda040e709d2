//! Files with any time that a file system can represent.

use std::os::unix::fs::MetadataExt;

use sessile::ProblemKind;

use crate::support::{TestStore, message, set_mtime};
use crate::{FILE, check_imported, problems};

/// Sets a time, if the file system has it.
fn set(test: &TestStore, seconds: i64, nanoseconds: u32) -> bool {
    let path = test.root.join(FILE);
    set_mtime(&path, seconds, nanoseconds);
    let stat = path.metadata().unwrap();
    let is_there = (stat.mtime(), stat.mtime_nsec()) == (seconds, i64::from(nanoseconds));
    if !is_there {
        eprintln!("skipped: the file system has no time {seconds}.{nanoseconds:09}");
    }
    is_there
}

#[test]
fn a_time_of_any_year_is_kept_to_the_nanosecond() {
    for (seconds, nanoseconds) in [
        (13_569_465_600, 0),
        (13_569_465_600, 987_654_321),
        (9_223_372_036, 854_775_807),
        (9_223_372_036, 854_775_808),
        (-1, 999_999_999),
        (-1, 1),
        (-9_223_372_037, 145_224_192),
        (-9_223_372_037, 145_224_191),
        (-14_831_769_600, 123_456_789),
        (-60_000_000_000, 1),
    ] {
        let test = TestStore::quick();
        test.write(FILE, message("a", None, "without any other time"));
        if set(&test, seconds, nanoseconds) {
            test.import();
            check_imported(&test);
            test.assert_like_fresh();
        }
    }
}

#[test]
fn a_time_that_moves_beyond_the_ends_is_a_difference_until_it_is_imported() {
    let test = TestStore::quick();
    test.write(FILE, "{}\n");
    let has_problem =
        |test: &TestStore| problems(test).iter().any(|(kind, _)| *kind == ProblemKind::Time);
    for (seconds, is_beyond) in [
        (13_569_465_600, true),
        (13_569_465_601, true),
        (-14_831_769_600, true),
        (-14_831_769_601, true),
        (1_767_225_600, false),
        (13_569_465_600, true),
    ] {
        if !set(&test, seconds, 5) {
            continue;
        }
        if let Ok(found) = test.store.verify(&test.root) {
            assert_eq!(found.differences.len(), 1, "{seconds}");
            assert!(found.differences[0].detail.contains("modification time"));
        }
        test.import();
        check_imported(&test);
        test.assert_like_fresh();
        // No record tells a time: the session stands at the end, and that is said.
        assert_eq!(has_problem(&test), is_beyond, "{seconds}");
    }
}
