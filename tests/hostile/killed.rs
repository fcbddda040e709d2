//! Imports that are killed in the middle.

use std::process::{Command, Stdio};
use std::time::Duration;

use sessile::Store;

use crate::check_imported;
use crate::interrupted::{LARGE, session, unfinished};
use crate::support::TestStore;

/// How often each import is killed; more with `SESSILE_KILLS`.
fn kills() -> u64 {
    std::env::var("SESSILE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3)
}

/// Kills an import after so many milliseconds.
#[track_caller]
fn kill(test: &TestStore, arguments: &[&str], after: u64) {
    let db = test.store.path();
    let mut import = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .arg("import")
        .args(arguments)
        .arg("--db")
        .arg(db)
        .arg(&test.root)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(after));
    import.kill().unwrap();
    import.wait().unwrap();

    let store = Store::open(db).unwrap();
    assert_eq!(store.check().unwrap(), [], "killed after {after} ms");
}

#[track_caller]
fn check_killed(test: &TestStore) {
    for n in 0..kills() {
        // From the first moments on to where most of it is in.
        kill(test, &["--format", "kward"], 30 + n * 2_000 / kills());
    }
    test.import();
    check_imported(test);
    test.assert_like_fresh();
}

#[test]
fn a_root_whose_import_is_killed_is_finished_by_the_next() {
    let test = TestStore::quick();
    for n in 0..300 {
        test.write(format!("sessions/--w--/{n}.jsonl"), session(&format!("s{n}"), 100_000));
    }

    check_killed(&test);
}

#[test]
fn a_large_file_whose_import_is_killed_is_finished_by_the_next() {
    let test = TestStore::quick();
    test.write(LARGE, session("large", 40 << 20));

    check_killed(&test);
}

#[test]
fn a_large_file_that_is_another_each_time_its_import_is_killed_is_complete_in_the_end() {
    const FORMAT: [&str; 2] = ["--format", "kward"];
    let test = TestStore::quick();
    let large = session("large", 40 << 20);
    // Little or much is left behind the last batch.
    let sizes = [17 << 20, 2_000, 38 << 20, (32 << 20) + 3_000_000, 9 << 20, 20 << 20];
    for n in 0..2 * kills() {
        let place = usize::try_from(n).unwrap() % (2 * sizes.len());
        match sizes.get(place) {
            // Grown, cut off, grown.
            Some(size) => test.write(LARGE, &large[..*size]),
            None => {
                test.write(LARGE, session(&format!("rewritten {n}"), sizes[place % sizes.len()]))
            }
        };
        let packed = [&FORMAT[..], &["--compress"]].concat();
        let arguments = if n % 2 == 0 { &FORMAT[..] } else { &packed };
        kill(&test, arguments, 30 + n * 1_000 / kills());
    }

    test.import();

    check_imported(&test);
    test.assert_like_fresh();
    assert_eq!(unfinished(&test.store), 0);
}
