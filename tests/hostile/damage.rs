//! Pruning, and what is left of a damaged database.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sessile::{Error, Store, recover};

use crate::FILE;
use crate::recovered::{full, remove};
use crate::support::{
    THEN, TestStore, dump, header, message, mode, options, set_mtime, without_losses,
};

/// Another content of the file, with a time of its own.
fn rewrite(test: &TestStore, text: &str, seconds: i64) {
    let path = test.write(FILE, header("one") + &message("a", None, text));
    set_mtime(&path, THEN + seconds, 0);
    assert_eq!(test.import().rewritten, 1);
}

#[test]
fn pruning_removes_what_files_held_before() {
    let test = TestStore::quick();
    test.write(FILE, header("one") + &message("a", None, "first"));
    test.import();
    rewrite(&test, "second", 10);
    rewrite(&test, "third one", 20);
    let before = without_losses(&test.dump());

    let report = test.store.prune().unwrap();

    let old = header("one")
        + &message("a", None, "first")
        + &header("one")
        + &message("a", None, "second");
    assert_eq!((report.files, report.bytes), (2, old.len() as u64));
    assert_eq!(test.dump(), before);
    test.assert_sound();
    assert_eq!(test.store.prune().unwrap().files, 0);
}

#[test]
fn pruning_keeps_what_a_session_went_on_from_here() {
    let test = TestStore::quick();
    test.write(FILE, header("one") + &message("a", None, "first"));
    test.import();
    let session = test.store.find("one").unwrap();
    let live = session.clone();
    live.append_message(r#"{"role":"user","content":"here"}"#).unwrap();
    rewrite(&test, "second", 10);

    assert_eq!(test.store.prune().unwrap().files, 0);
    assert_eq!(test.store.check().unwrap(), []);
    assert_eq!(session.path().unwrap().len(), 2);
}

#[test]
fn an_undamaged_database_is_recovered_whole() {
    let test = full();
    let folder = tempfile::tempdir_in(test.folder()).unwrap();
    let target = folder.path().join("new.db");
    let before = test.dump();

    // With the write-ahead log that the open store leaves beside it, and without.
    let report = recover(test.store.path(), &target).unwrap();
    let copy = test.folder().join("copy.db");
    test.store.backup(&copy).unwrap();
    recover(&copy, &folder.path().join("second.db")).unwrap();

    assert!(report.is_whole(), "{report:?}");
    assert_eq!(report.events, 2);
    assert_eq!(names(folder.path()), ["new.db", "second.db"]);
    for name in ["new.db", "second.db"] {
        assert_eq!(mode(&folder.path().join(name)), 0o600);
        let store = Store::open(&folder.path().join(name)).unwrap();
        assert_eq!(store.check().unwrap(), []);
        for (new, old) in dump(&store).lines().zip(before.lines()) {
            assert_eq!(new, old);
        }
        assert_eq!(dump(&store).len(), before.len());
        assert_eq!(store.verify(&test.root).unwrap().differences, []);
        assert_eq!(packed(&store), packed(&test.store), "lines stay as they are stored");
        assert_eq!(keys(&store), keys(&test.store), "sessions keep their keys");
    }
    assert!(0 < packed(&test.store));
    assert!(matches!(recover(&copy, &target), Err(Error::TargetExists(_))));
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.ends_with("-wal") && !name.ends_with("-shm"));
    names.sort();
    names
}

fn packed(store: &Store) -> i64 {
    let conn = Connection::open(store.path()).unwrap();
    conn.query_row("SELECT count(*) FROM lines WHERE enc <> 0", [], |row| row.get(0)).unwrap()
}

fn keys(store: &Store) -> Vec<(i64, Vec<u8>)> {
    let conn = Connection::open(store.path()).unwrap();
    let mut stmt = conn.prepare("SELECT session_key, path FROM sessions ORDER BY 1").unwrap();
    let rows = stmt.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// A database of `full` in one file, and its bytes.
fn whole(test: &TestStore) -> (PathBuf, Vec<u8>) {
    let path = test.folder().join("whole.db");
    test.store.backup(&path).unwrap();
    let bytes = fs::read(&path).unwrap();
    (path, bytes)
}

/// A command that makes a database from another is killed when a file of it becomes larger
/// than so many KiB.
#[cfg(feature = "cli")]
#[track_caller]
fn check_killed(command: &str, kib: u32) {
    use std::os::unix::process::ExitStatusExt;

    let test = full();
    let (path, _) = whole(&test);
    let folder = tempfile::tempdir_in(test.folder()).unwrap();
    let target = folder.path().join("new.db");
    let run = |limit: &str| {
        let mut run = std::process::Command::new("bash");
        run.args(["-c", &format!("ulimit -c 0; ulimit -f {limit}; exec \"$0\" \"$@\"")]);
        run.args([env!("CARGO_BIN_EXE_sessile"), command, "--db"]).args([&path, &target]);
        run.stderr(std::process::Stdio::null()).status().unwrap()
    };
    for _ in 0..2 {
        let ended = run(&kib.to_string());
        assert!(ended.signal().is_some(), "{ended:?}");
        let left = names(folder.path());
        assert!(left.iter().any(|name| name.starts_with(".sessile")), "{left:?}");
        assert!(!target.exists());
    }

    assert!(run("unlimited").success());

    assert_eq!(names(folder.path()), ["new.db"]);
    assert_eq!(Store::open(&target).unwrap().check().unwrap(), []);
}

#[cfg(feature = "cli")]
#[test]
fn what_a_killed_recover_leaves_is_removed_by_the_next() {
    check_killed("recover", 1024);
}

#[cfg(feature = "cli")]
#[test]
fn what_a_killed_backup_leaves_is_removed_by_the_next() {
    check_killed("backup", 64);
}

#[test]
fn nothing_of_the_header_has_to_be_right() {
    let test = full();
    let (path, bytes) = whole(&test);
    let before = test.dump();
    let target = test.folder().join("new.db");
    // The magic, the size of pages, what is reserved, the number of pages, the
    // first free page, the version of the schema, the name of the program.
    for place in [0..16, 16..18, 20..21, 28..32, 32..40, 60..64, 68..72] {
        for byte in [0xFF, 0x00, 0x10] {
            let mut damaged = bytes.clone();
            damaged[place.clone()].fill(byte);
            fs::write(&path, &damaged).unwrap();

            let report = recover(&path, &target).unwrap();

            assert!(report.is_whole(), "{place:?} {byte}: {report:?}");
            assert!(dump(&Store::open(&target).unwrap()) == before, "{place:?} {byte}");
            remove(&target);
        }
    }
}

#[test]
fn without_the_page_of_the_schema_every_line_is_there() {
    let test = full();
    let (path, mut bytes) = whole(&test);
    bytes[..8192].fill(0);
    fs::write(&path, &bytes).unwrap();
    let target = test.folder().join("new.db");

    let report = recover(&path, &target).unwrap();

    assert_eq!(report.incomplete, []);
    // No tree says that none of its rows is lost.
    assert!(!report.doubts.is_empty());
    let store = Store::open(&target).unwrap();
    assert!(dump(&store) == test.dump());
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn a_gap_stays_a_gap_in_every_chain_that_begins_with_it() {
    let test = TestStore::quick();
    let ids = ["a", "b", "c", "d", "e"];
    let lines: Vec<String> =
        ids.iter().map(|id| message(id, None, &format!("text {id}"))).collect();
    test.write(FILE, header("one") + &lines[..3].concat());
    test.import();
    let live = test.store.find("one").unwrap();
    live.append_message(r#"{"role":"user","content":"here"}"#).unwrap();
    // The chain it begins with goes on, too: its next line is the one that would slip in.
    test.append(FILE, lines[3..].concat());
    test.import();
    let bytes = |store: &Store| {
        let conn = Connection::open(store.path()).unwrap();
        let mut stmt = conn.prepare("SELECT line_key, raw FROM lines ORDER BY line_key").unwrap();
        let rows = stmt.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.map(Result::unwrap).collect::<Vec<(i64, Vec<u8>)>>()
    };
    let mut before = bytes(&test.store);
    test.sqlite().execute("DELETE FROM lines WHERE line_key & 0xFFFFFFFF = 2", []).unwrap();
    before.retain(|(key, _)| key & 0xFFFF_FFFF != 2);
    let target = test.folder().join("new.db");

    let report = recover(test.store.path(), &target).unwrap();

    let said: Vec<_> = report
        .incomplete
        .iter()
        .map(|file| (&*file.file, file.session_id.as_deref(), &file.lines[..]))
        .collect();
    let gap = (Path::new(FILE), Some("one"), &[3..=3][..]);
    assert_eq!(said, [gap, gap]);
    let store = Store::open(&target).unwrap();
    assert_eq!(bytes(&store), before);
    assert!(dump(&store).contains(r#""kind":"lost""#));
    assert!(!store.check().unwrap().is_empty(), "it is not called sound");
    // What recover said once, it says again.
    let again = recover(&target, &test.folder().join("again.db")).unwrap();
    assert_eq!(again.incomplete.len(), 2);
}

#[test]
fn an_import_makes_a_recovered_file_whole_again() {
    let test = TestStore::quick();
    for lost in [0, 2, 3] {
        let file = format!("sessions/--w--/{lost}.jsonl");
        let lines = ["a", "b", "c"].map(|id| message(id, None, id)).concat();
        test.write(&file, header(&format!("s{lost}")) + &lines);
        test.import();
        let sql = "DELETE FROM lines
                   WHERE line_key = ?1 + (SELECT file_id << 32 FROM files WHERE path = ?2)";
        test.sqlite().execute(sql, (lost, file.as_bytes())).unwrap();
    }
    let target = test.folder().join("new.db");
    let report = recover(test.store.path(), &target).unwrap();
    assert_eq!(report.incomplete.len(), 3);
    let store = Store::open(&target).unwrap();

    store.import(&test.root, &options()).unwrap();
    store.prune().unwrap();

    assert_eq!(store.check().unwrap(), []);
    assert_eq!(store.verify(&test.root).unwrap().differences, []);
    assert!(!dump(&store).contains(r#""kind":"lost""#));
}

#[test]
fn a_chain_of_pages_that_leads_in_a_circle_ends() {
    let test = full();
    let (path, bytes) = whole(&test);
    let conn = Connection::open(&path).unwrap();
    let mut stmt = conn
        .prepare("SELECT pageno - 1 FROM dbstat WHERE name = 'chunks' AND pagetype = 'overflow'")
        .unwrap();
    let pages: Vec<i64> =
        stmt.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    for turn in [0, 1, 7] {
        let mut damaged = bytes.clone();
        let page = |n: usize| pages[n] as usize;
        let back = (page(10 - turn) + 1) as u32;
        damaged[page(10) * 8192..][..4].copy_from_slice(&back.to_be_bytes());
        fs::write(&path, &damaged).unwrap();
        let target = test.folder().join(format!("new-{turn}.db"));

        let report = recover(&path, &target).unwrap();

        let files: Vec<_> = report.incomplete.iter().map(|file| &*file.file).collect();
        assert_eq!(files, [Path::new("sessions/--w--/note.txt")]);
    }
}

#[test]
fn nothing_that_a_database_says_is_executed_or_copied() {
    let test = full();
    let before = test.dump();
    test.sqlite()
        .execute_batch(
            "CREATE TABLE notes (note);
             CREATE TRIGGER taint AFTER INSERT ON lines BEGIN INSERT INTO notes VALUES (1); END;
             CREATE VIEW endless AS
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT n FROM n;",
        )
        .unwrap();
    let target = test.folder().join("new.db");

    let report = recover(test.store.path(), &target).unwrap();

    assert!(report.is_whole(), "{report:?}");
    let conn = Connection::open(&target).unwrap();
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('notes', 'taint', 'endless')";
    assert_eq!(conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    assert!(dump(&Store::open(&target).unwrap()) == before);
}

#[test]
fn a_rebuild_keeps_problems_that_belong_to_no_session() {
    let test = TestStore::quick();
    std::os::unix::fs::symlink("nowhere", test.root.join("sessions/link.jsonl")).unwrap();
    test.import();
    let before = test.dump();
    assert!(before.contains(r#""kind":"link""#));

    test.store.rebuild().unwrap();

    assert_eq!(test.dump(), before);
}
