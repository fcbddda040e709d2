//! Pruning, and what is left of a damaged database.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use sessile::{Error, NewSession, Store, Timestamp, recover};

use crate::FILE;
use crate::support::{THEN, TestStore, dump, fixture, header, message, options, set_mtime};

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
    let before = test.dump();

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
    let live = test.store.live(session).unwrap();
    live.append_message(r#"{"role":"user","content":"here"}"#).unwrap();
    rewrite(&test, "second", 10);

    assert_eq!(test.store.prune().unwrap().files, 0);
    assert_eq!(test.store.check().unwrap(), []);
    assert_eq!(test.store.branch(session).unwrap().len(), 2);
}

/// A store with every kind of file, and something decided.
fn full() -> TestStore {
    let test = TestStore::quick();
    for name in ["kward/small", "kward/edge"] {
        test.store.import(&fixture(name), &options()).unwrap();
    }
    for n in 0..60 {
        let text = "some text ".repeat(n * 20);
        let mut lines = header(&format!("s{n}"));
        for id in ["a", "b", "c", "d", "e", "f"] {
            lines += &message(id, None, &format!("{id}{n} {text}"));
        }
        test.write(format!("sessions/--w--/{n}.jsonl"), lines);
    }
    test.write("sessions/--w--/document.txt", "a document ".repeat(200_000));
    test.import();
    test.write("sessions/--w--/0.jsonl", header("s0") + &message("z", None, "rewritten"));
    test.import();
    test.store.archive(test.store.find("s1").unwrap(), Timestamp(5)).unwrap();
    test.store.create(&NewSession::new("/made").session_id("made").at(Timestamp(0))).unwrap();
    test
}

#[test]
fn an_undamaged_database_is_recovered_whole() {
    let test = full();
    let target = test.folder().join("new.db");
    let before = test.dump();

    // With the write-ahead log that the open store leaves beside it, and without.
    let report = recover(test.store.path(), &target).unwrap();
    let copy = test.folder().join("copy.db");
    test.store.backup(&copy).unwrap();
    recover(&copy, &test.folder().join("second.db")).unwrap();

    assert_eq!(report.incomplete, []);
    assert_eq!(report.events, 1);
    for name in ["new.db", "second.db"] {
        let store = Store::open(&test.folder().join(name)).unwrap();
        assert_eq!(store.check().unwrap(), []);
        for (new, old) in dump(&store).lines().zip(before.lines()) {
            assert_eq!(new, old);
        }
        assert_eq!(dump(&store).len(), before.len());
        assert_eq!(store.verify(&test.root).unwrap().differences, []);
    }
    assert!(matches!(recover(&copy, &target), Err(Error::TargetExists(_))));
}

/// Every line of a store, by its file's path.
fn lines(store: &Store) -> BTreeMap<Vec<u8>, Vec<Vec<u8>>> {
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    let mut stmt = conn
        .prepare(
            "SELECT CAST(path || generation AS BLOB), raw
             FROM lines JOIN files ON file_id = line_key >> 32 ORDER BY line_key",
        )
        .unwrap();
    let mut found: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    let mut rows = stmt.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        found.entry(row.get(0).unwrap()).or_default().push(row.get(1).unwrap());
    }
    found
}

#[test]
fn what_stands_on_undamaged_pages_is_recovered() {
    let test = full();
    let whole = test.folder().join("whole.db");
    test.store.backup(&whole).unwrap();
    let original = lines(&test.store);
    let known: BTreeSet<&Vec<u8>> = original.values().flatten().collect();
    let bytes = fs::read(&whole).unwrap();
    let pages = bytes.len() / 8192;
    // Without the page that a table begins with, nothing of the table is found.
    let roots: BTreeSet<usize> = {
        let conn = rusqlite::Connection::open(&whole).unwrap();
        let mut stmt = conn
            .prepare("SELECT rootpage - 1 FROM sqlite_schema WHERE name IN ('files', 'lines')")
            .unwrap();
        let rows = stmt.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        rows.map(|page| page.unwrap() as usize).collect()
    };
    let mut recovered = 0;

    for seed in 1..=12_u64 {
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let mut random = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let mut bytes = bytes.clone();
        for _ in 0..seed {
            // Page 1 holds the schema; without it this is no database.
            let page = 1 + (random() as usize) % (pages - 1);
            if roots.contains(&page) {
                continue;
            }
            for byte in &mut bytes[page * 8192..(page + 1) * 8192] {
                *byte = random() as u8;
            }
        }
        let damaged = test.folder().join(format!("damaged-{seed}.db"));
        fs::write(&damaged, &bytes).unwrap();
        let target = test.folder().join(format!("recovered-{seed}.db"));

        let report = match recover(&damaged, &target) {
            Ok(report) => report,
            // The schema takes more than its first page.
            Err(Error::Damaged(_)) => continue,
            Err(err) => panic!("seed {seed}: {err:?}"),
        };

        recovered += 1;
        assert!(fs::read(&damaged).unwrap() == bytes, "seed {seed}");
        let store = Store::open(&target).unwrap();
        assert_eq!(store.check().unwrap(), [], "seed {seed}");
        let found = lines(&store);
        assert!(found.values().flatten().all(|line| known.contains(line)), "seed {seed}");
        let incomplete: BTreeSet<_> = report.incomplete.iter().map(|file| &file.file).collect();
        for (path, lines) in &found {
            let name = &path[..path.len() - 1];
            if let (Some(original), false) =
                (original.get(path), incomplete.contains(&name.to_vec()))
            {
                assert!(lines == original, "seed {seed}: {}", path.escape_ascii());
            }
        }
        // A page holds no more than some files.
        assert!(original.len() / 2 < found.len(), "seed {seed}: {} files", found.len());
    }
    assert!(6 <= recovered, "{recovered}");
}
