//! Imports that are killed in the middle.

use std::process::{Command, Stdio};
use std::time::Duration;

use sessile::Store;

use crate::check_imported;
use crate::interrupted::session;
use crate::support::TestStore;

/// How often each import is killed; more with `SESSILE_KILLS`.
fn kills() -> u64 {
    std::env::var("SESSILE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3)
}

#[track_caller]
fn check_killed(test: &TestStore) {
    for n in 0..kills() {
        let db = test.store.path();
        let mut import = Command::new(env!("CARGO_BIN_EXE_sessile"))
            .args(["import", "--format", "kward", "--db"])
            .arg(db)
            .arg(&test.root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // From the first moments on to where most of it is in.
        std::thread::sleep(Duration::from_millis(30 + n * 2_000 / kills()));
        import.kill().unwrap();
        import.wait().unwrap();

        let store = Store::open(db).unwrap();
        assert_eq!(store.check().unwrap(), [], "kill {n}");
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
    test.write("sessions/--w--/large.jsonl", session("large", 40 << 20));

    check_killed(&test);
}
