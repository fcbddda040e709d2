//! Imports that cannot finish.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use sessile::{Error, Format, ImportOptions, Store, StoreOptions};

use crate::check_imported;
use crate::support::{TestStore, header, message, options, snapshot};

const BATCH: usize = 16 << 20;

pub(crate) const LARGE: &str = "sessions/--w--/large.jsonl";

/// A session file of about so many bytes.
pub(crate) fn session(id: &str, bytes: usize) -> String {
    let text = "what was said ".repeat(100);
    let mut lines = header(id);
    let mut last: Option<String> = None;
    for n in 0.. {
        if bytes <= lines.len() {
            break;
        }
        let entry = format!("e{n}");
        lines += &message(&entry, last.as_deref(), &text);
        last = Some(entry);
    }
    lines
}

/// Begins an import, and ends it behind its first batch.
#[track_caller]
pub(crate) fn interrupt(store: &Store, root: &Path, format: Format) {
    let options = ImportOptions::new().format(format);
    let ended = catch_unwind(AssertUnwindSafe(|| {
        store.import_with(root, &options, |_| resume_unwind(Box::new("the end")))
    }));
    assert!(ended.is_err(), "it was over before");
    assert_eq!(unfinished(store), 1);
}

/// Large files of which only the beginning is in.
pub(crate) fn unfinished(store: &Store) -> i64 {
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    let sql = "SELECT count(*) FROM files WHERE state = 'partial'";
    conn.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[test]
fn a_large_file_of_which_little_is_left_keeps_its_head() {
    let test = TestStore::quick();
    test.write(LARGE, session("large", BATCH + (2 << 20)));
    interrupt(&test.store, &test.root, Format::Kward);

    assert_eq!(test.import().new, 1);

    check_imported(&test);
    test.assert_like_fresh();
    assert_eq!(unfinished(&test.store), 0);
}

#[test]
fn a_large_file_that_was_rewritten_gets_in_whenever_its_import_is_interrupted() {
    for rest in [2 << 20, 6 << 20] {
        let test = TestStore::quick();
        test.write(LARGE, session("large", 1_000).replacen("what", "that", 1));
        test.import();
        test.write(LARGE, session("large", BATCH + rest));
        interrupt(&test.store, &test.root, Format::Kward);

        assert_eq!(test.import().rewritten, 1);

        check_imported(&test);
        test.assert_like_fresh();
        assert_eq!(unfinished(&test.store), 0);
    }
}

#[test]
fn nothing_is_left_of_a_large_file_that_is_another_by_the_next_import() {
    for change in [
        |path: &Path| fs::remove_file(path).unwrap(),
        |path: &Path| fs::write(path, session("small", 1_000)).unwrap(),
        |path: &Path| fs::write(path, session("other", BATCH + (5 << 20))).unwrap(),
        |path: &Path| {
            fs::remove_file(path).unwrap();
            std::os::unix::fs::symlink("elsewhere", path).unwrap();
        },
        |path: &Path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        },
    ] {
        let test = TestStore::quick();
        let path = test.write(LARGE, session("large", BATCH + (2 << 20)));
        interrupt(&test.store, &test.root, Format::Kward);

        change(&path);
        test.import();

        test.assert_sound();
        assert_eq!(unfinished(&test.store), 0);
    }
}

#[test]
fn a_large_context_of_kimi_of_which_little_is_left_keeps_its_head() {
    let test = TestStore::quick();
    let line = format!("{{\"role\":\"user\",\"content\":\"{}\"}}\n", "what was said ".repeat(70));
    let lines = line.repeat((BATCH + (2 << 20)) / line.len());
    test.write("sessions/0123456789abcdef0123456789abcdef/s/context.jsonl", lines);
    let before = snapshot(&test.root);
    interrupt(&test.store, &test.root, Format::Kimi);

    let options = ImportOptions::new().format(Format::Kimi);
    test.store.import(&test.root, &options).unwrap();

    test.assert_sound();
    assert_eq!(unfinished(&test.store), 0);
    let out = test.folder().join("out");
    test.store.export(&out, &sessile::ExportOptions::new()).unwrap();
    assert!(snapshot(&out) == before);
}

/// A small file system in memory, where this process may have one.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it in a test's folder. Where that is not allowed, says that the test is skipped.
    fn mount(test: &TestStore) -> Option<Self> {
        let at = test.folder().join("small");
        fs::create_dir(&at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&at);
        if !mount.output().is_ok_and(|done| done.status.success()) {
            eprintln!("skipped: no file system can be mounted here");
            return None;
        }
        Some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

#[test]
fn a_reader_that_may_not_write_beside_the_database_reads_alone_or_is_told_what_to_do() {
    let test = TestStore::new();
    let Some(disk) = SmallDisk::mount(&test) else { return };
    let at = disk.0.clone();
    let db = at.join("sessions.db");
    drop(Store::open(&db).unwrap());
    let remount = |how: &str| {
        let mut remount = Command::new("mount");
        assert!(remount.args(["-o", how]).arg(&at).status().unwrap().success());
    };

    remount("remount,ro");
    let alone = StoreOptions::new().read_only(true).open(&db).unwrap();
    assert!(alone.is_read_alone());
    assert_eq!(alone.check().unwrap(), []);
    drop(alone);

    // Somebody may have it open.
    remount("remount,rw");
    fs::write(at.join("sessions.db-shm"), "").unwrap();
    remount("remount,ro");
    let err = StoreOptions::new().read_only(true).open(&db).unwrap_err();
    assert!(matches!(err, Error::Io { .. }), "{err:?}");
    let cause = std::error::Error::source(&err).unwrap().to_string();
    assert!(cause.contains("copy the database"), "{cause}");
}

#[test]
fn a_full_disk_fails_the_import_and_nothing_else() {
    let test = TestStore::new();
    for n in 0..20 {
        test.write(format!("sessions/--w--/{n}.jsonl"), session(&format!("s{n}"), 20_000));
    }
    let Some(disk) = SmallDisk::mount(&test) else { return };
    let at = disk.0.clone();
    fs::write(at.join("ballast"), vec![0; 5 << 20]).unwrap();
    let db = at.join("sessions.db");
    let store = Store::open(&db).unwrap();

    let err = store.import(&test.root, &options().ignore_space(true)).unwrap_err();

    assert!(err.to_string().contains("make room"), "{err:?}");
    assert_eq!(store.check().unwrap(), []);
    drop(store);
    fs::remove_file(at.join("ballast")).unwrap();
    let store = Store::open(&db).unwrap();
    assert_eq!(store.check().unwrap(), []);
    store.import(&test.root, &options()).unwrap();
    assert_eq!(store.check().unwrap(), []);
    assert_eq!(store.verify(&test.root).unwrap().differences, []);
}

/// Takes what is left of a file system.
fn fill(at: &Path) {
    let mut ballast = fs::File::create(at.join("ballast")).unwrap();
    while std::io::Write::write_all(&mut ballast, &[0; 4096]).is_ok() {}
}

#[test]
fn on_a_full_disk_no_command_says_that_the_disk_is_broken_or_the_schema_is() {
    let test = TestStore::new();
    let Some(disk) = SmallDisk::mount(&test) else { return };
    let at = disk.0.clone();
    let db = at.join("sessions.db");
    drop(Store::open(&db).unwrap());
    fill(&at);

    let reading = StoreOptions::new().read_only(true).open(&db).unwrap_err();
    let making = Store::open(at.join("new.db")).unwrap_err();

    for err in [reading, making] {
        let said = err.to_string();
        assert!(said.contains("the disk is full") && said.contains("make room"), "{said}");
    }
}

#[test]
fn a_backup_that_finds_the_disk_full_leaves_nothing_behind() {
    let test = TestStore::new();
    // More than SQLite holds in memory before it writes.
    test.write("sessions/--w--/one.jsonl", session("one", 24 << 20));
    test.import();
    let Some(disk) = SmallDisk::mount(&test) else { return };
    let at = disk.0.clone();

    let err = test.store.backup(at.join("copy.db")).unwrap_err();

    assert!(err.to_string().contains("make room"), "{err:?}");
    let left: Vec<_> = fs::read_dir(&at).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "{left:?}");
}
