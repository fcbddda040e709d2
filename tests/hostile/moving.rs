//! Roots that change while they are read.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::interrupted::{LARGE, session, unfinished};
use crate::support::{TestStore, header, message};
use crate::{FILE, check_imported};

const MARKER: &str = "what stands outside is nobody's business";

/// Runs `change` again and again in a thread while imports run.
fn import_while(test: &TestStore, imports: usize, mut change: impl FnMut(usize) + Send) {
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0.. {
                if done.load(Ordering::Relaxed) {
                    break;
                }
                change(n);
            }
        });
        for _ in 0..imports {
            test.import();
        }
        done.store(true, Ordering::Relaxed);
    });
}

fn assert_nothing_from_outside(test: &TestStore) {
    let conn = test.sqlite();
    for sql in [
        "SELECT count(*) FROM lines WHERE instr(raw, CAST(?1 AS BLOB)) > 0",
        "SELECT count(*) FROM chunks WHERE instr(raw, CAST(?1 AS BLOB)) > 0",
    ] {
        let found: i64 = conn.query_row(sql, [MARKER], |row| row.get(0)).unwrap();
        assert_eq!(found, 0);
    }
}

#[test]
fn a_link_swapped_in_for_a_folder_leads_nowhere() {
    let test = TestStore::quick();
    test.write("sessions/--w--/one.jsonl", header("one") + &message("a", None, "inside"));
    let outside = test.folder().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("one.jsonl"), header("one") + &message("a", None, MARKER)).unwrap();
    let inside = test.root.join("sessions/--w--");
    let aside = test.folder().join("aside");

    import_while(&test, 200, |_| {
        fs::rename(&inside, &aside).unwrap();
        symlink(&outside, &inside).unwrap();
        fs::remove_file(&inside).unwrap();
        fs::rename(&aside, &inside).unwrap();
    });

    assert_nothing_from_outside(&test);
    test.import();
    check_imported(&test);
}

#[test]
fn a_link_swapped_in_for_a_file_is_not_followed() {
    let test = TestStore::quick();
    let inside = test.write(FILE, header("one") + &message("a", None, "inside"));
    let outside = test.folder().join("outside.jsonl");
    fs::write(&outside, header("one") + &message("a", None, MARKER)).unwrap();
    let aside = test.folder().join("aside");

    import_while(&test, 200, |_| {
        fs::rename(&inside, &aside).unwrap();
        symlink(&outside, &inside).unwrap();
        fs::remove_file(&inside).unwrap();
        fs::rename(&aside, &inside).unwrap();
    });

    assert_nothing_from_outside(&test);
    test.import();
    check_imported(&test);
}

#[test]
fn a_file_that_grows_while_it_is_read_is_complete_in_the_end() {
    let test = TestStore::quick();
    let path = test.write(FILE, header("one"));
    let mut file = OpenOptions::new().append(true).open(path).unwrap();

    import_while(&test, 100, |n| {
        let parent = n.checked_sub(1).map(|n| n.to_string());
        if n < 20_000 {
            file.write_all(message(&n.to_string(), parent.as_deref(), "x").as_bytes()).unwrap();
        }
    });

    assert_eq!(test.store.check().unwrap(), []);
    test.import();
    check_imported(&test);
    test.assert_like_fresh();
}

#[test]
fn files_that_come_and_go_while_the_root_is_read_leave_a_sound_store() {
    let test = TestStore::quick();
    test.write(FILE, header("one") + &message("a", None, "stays"));
    let folder = test.root.join("sessions/--w--");

    import_while(&test, 50, |n| {
        let path = folder.join(format!("{}.jsonl", n % 7));
        fs::write(&path, header(&format!("s{n}")) + &message("a", None, "x")).unwrap();
        fs::remove_file(&path).unwrap();
    });

    test.import();
    test.assert_sound_but_for_missing();
    assert!(test.store.find("one").is_ok());
}

#[test]
fn a_large_file_that_is_rewritten_while_it_is_read_is_complete_in_the_end() {
    let test = TestStore::quick();
    let two = |bytes| session("one", bytes).replacen("what", "that", 1);
    let contents = [session("one", 20 << 20), two(17 << 20), two(1_000)];
    let path = test.write(LARGE, &contents[0]);

    import_while(&test, 3, |n| fs::write(&path, &contents[n % 3]).unwrap());

    assert_eq!(test.store.check().unwrap(), []);
    test.import();
    check_imported(&test);
    test.assert_like_fresh();
    assert_eq!(unfinished(&test.store), 0);
}

#[test]
fn verify_sees_one_state_of_the_store() {
    let test = TestStore::quick();
    test.write("sessions/--w--/large.txt", vec![b'x'; 8 << 20]);
    test.import();
    let folder = test.root.join("sessions/--w--");
    let store = test.store.clone();

    thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..60 {
                fs::write(folder.join(format!("{n}.jsonl")), header(&format!("s{n}"))).unwrap();
                test.import();
            }
        });
        for _ in 0..20 {
            // What comes in behind the walk is not missing.
            let mut differences = store.verify(&test.root).unwrap().differences;
            differences.retain(|difference| difference.detail != "was not imported");
            assert_eq!(differences, []);
        }
    });
}

#[test]
fn a_file_that_is_replaced_while_its_folder_is_read_has_not_vanished() {
    const FILES: usize = 300;
    // In memory, where such a file is not listed.
    let test = TestStore::quick();
    let path = |n: usize| format!("sessions/--w--/{n}.jsonl");
    for n in 0..FILES {
        test.write(&path(n), header(&n.to_string()) + &message("a", None, "first"));
    }
    test.import();
    let done = AtomicBool::new(false);
    let (mut lost, mut gone) = (Vec::new(), Vec::new());
    thread::scope(|scope| {
        scope.spawn(|| {
            let aside = test.folder().join("aside");
            for n in (0..FILES).cycle().take_while(|_| !done.load(Ordering::Relaxed)) {
                fs::copy(test.root.join(path(n)), &aside).unwrap();
                fs::rename(&aside, test.root.join(path(n))).unwrap();
            }
        });
        for _ in 0..20 {
            lost.extend(test.import().lost);
            gone.extend(test.store.verify(&test.root).unwrap().differences);
            gone.retain(|found| found.detail.contains("no longer"));
        }
        done.store(true, Ordering::Relaxed);
    });

    assert_eq!(lost, []);
    assert_eq!(gone, []);
    test.import();
    check_imported(&test);
}
