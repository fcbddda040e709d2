//! Several writers at once, and one that is killed.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use sessile::{Durability, SessionFilter, Store, StoreOptions};

use crate::support::{TestStore, dump, header, message, options};

/// Adds sessions of about `size` bytes each to the root.
fn fill(test: &TestStore, sessions: usize, size: usize) {
    let text = "word ".repeat(400);
    for n in 0..sessions {
        let id = format!("s{n}");
        let mut lines = header(&id) + &message("m0", None, "root");
        for k in 1.. {
            if size < lines.len() {
                break;
            }
            lines += &message(&format!("m{k}"), Some(&format!("m{}", k / 2)), &text);
        }
        test.write(format!("sessions/--w--/{id}.jsonl"), lines);
    }
}

#[test]
fn imports_of_one_root_at_once_give_what_one_gives() {
    let test = TestStore::new();
    fill(&test, 150, 6_000);
    let alone = test.another("alone.db");
    alone.import(&test.root, &options()).unwrap();
    let shared = test.folder().join("shared.db");
    let start = Barrier::new(3);

    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                start.wait();
                // Each opens it for itself, as processes do.
                let store = Store::open(&shared).unwrap();
                store.import(&test.root, &options()).unwrap();
            });
        }
    });

    let store = Store::open(&shared).unwrap();
    assert_eq!(dump(&store), dump(&alone));
    assert_eq!(store.check().unwrap(), []);
    assert_eq!(store.verify(&test.root).unwrap().differences, []);
}

#[test]
fn imports_of_a_growing_root_at_once_give_what_one_gives() {
    let test = TestStore::new();
    fill(&test, 60, 6_000);
    test.import();
    for n in 0..60 {
        test.append(format!("sessions/--w--/s{n}.jsonl"), message("new", Some("m1"), "new"));
    }
    let start = Barrier::new(2);

    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                start.wait();
                test.store.import(&test.root, &options()).unwrap();
            });
        }
    });

    test.assert_sound();
    test.assert_like_fresh();
}

#[test]
fn a_reader_sees_only_complete_files_while_an_import_runs() {
    let test = TestStore::new();
    fill(&test, 20, 200_000);
    fill_large(&test);
    let alone = test.another("alone.db");
    alone.import(&test.root, &options()).unwrap();
    let complete: Vec<String> = dump(&alone).lines().map(str::to_owned).collect();
    let done = AtomicBool::new(false);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            test.import();
            done.store(true, Ordering::Release);
        });
        loop {
            let last = done.load(Ordering::Acquire);
            let seen = test.dump();
            for row in seen.lines() {
                // A session without a time of its own would differ; these have one.
                assert!(complete.iter().any(|known| known == row), "{row:.200}");
            }
            if last {
                assert_eq!(seen.lines().count(), complete.len());
                break;
            }
        }
    });
}

/// One session that takes several transactions.
fn fill_large(test: &TestStore) {
    let text = "y".repeat(30_000);
    let mut lines = header("large") + &message("m0", None, "root");
    for k in 1..700 {
        lines += &message(&format!("m{k}"), Some(&format!("m{}", k - 1)), &text);
    }
    test.write("sessions/--w--/large.jsonl", lines);
}

#[test]
fn threads_share_a_store() {
    let test = TestStore::of_fixture("kward/small");
    let expected = test.dump();
    let start = Barrier::new(8);

    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let store = test.store.clone();
                start.wait();
                for _ in 0..10 {
                    assert_eq!(dump(&store), expected);
                    assert_eq!(store.sessions(&SessionFilter::new()).unwrap().rows.len(), 9);
                }
            });
        }
    });
}

#[test]
fn a_writer_that_waits_too_long_is_told_that_the_database_is_busy() {
    let test = TestStore::of_fixture("kward/small");
    let store = StoreOptions::new()
        .busy_timeout(std::time::Duration::from_millis(250))
        .durability(Durability::Normal)
        .open(test.store.path())
        .unwrap();
    let conn = test.sqlite();
    conn.execute_batch("BEGIN IMMEDIATE").unwrap();

    let err = store.import(&test.root, &options()).unwrap_err();

    assert!(matches!(err, sessile::Error::Busy), "{err:?}");
    conn.execute_batch("ROLLBACK").unwrap();
    store.import(&test.root, &options()).unwrap();
}

#[cfg(feature = "cli")]
#[test]
fn an_import_that_is_killed_leaves_a_store_that_checks() {
    use std::process::{Command, Stdio};

    let test = TestStore::new();
    fill(&test, 30, 300_000);
    fill_large(&test);
    let alone = test.another("alone.db");
    alone.import(&test.root, &options()).unwrap();
    let db = test.folder().join("killed.db");
    // Bytes in the database's journal are the clock: no moment depends on the machine's speed.
    for kill_at in [100 << 10, 6 << 20, 18 << 20] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_sessile"))
            .arg("--db")
            .arg(&db)
            .arg("import")
            .arg(&test.root)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let journal = test.folder().join("killed.db-wal");
        while child.try_wait().unwrap().is_none() {
            let written = journal.metadata().map_or(0, |stat| stat.len());
            if kill_at <= written {
                break;
            }
            std::thread::yield_now();
        }
        // On Unix this is SIGKILL.
        child.kill().unwrap();
        child.wait().unwrap();

        let store = Store::open(&db).unwrap();
        assert_eq!(store.check().unwrap(), []);
        let complete = dump(&alone);
        assert!(dump(&store).lines().all(|row| complete.contains(row)));
    }

    let store = Store::open(&db).unwrap();
    store.import(&test.root, &options()).unwrap();

    assert_eq!(dump(&store), dump(&alone));
    assert_eq!(store.check().unwrap(), []);
    assert_eq!(store.verify(&test.root).unwrap().differences, []);
}
