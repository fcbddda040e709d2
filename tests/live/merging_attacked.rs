//! Merges that are disturbed: by damage, by another merge, by writers.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sessile::{Error, ExportOptions, ImportOptions, MergeOptions, Store};

use crate::merging::{HEADER, Machine, line};
use crate::support::at;

/// A store of the small sessions of some formats, and more of its own.
fn store(folder: &Path, name: &str, formats: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let store = Store::open(&path).unwrap();
    for format in formats {
        let root = Path::new("fixtures").join(format).join("small");
        store.import(root, &ImportOptions::new()).unwrap();
    }
    path
}

/// The files that a store exports, with what they hold.
fn exported(db: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().join("out");
    Store::open(db).unwrap().export(&folder, &ExportOptions::new()).unwrap();
    let (mut files, mut todo) = (Vec::new(), vec![folder.clone()]);
    while let Some(at) = todo.pop() {
        if at.is_dir() {
            todo.extend(fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let content = fs::read(&at).unwrap();
        files.push((at.strip_prefix(&folder).unwrap().to_owned(), content));
    }
    files.sort();
    files
}

/// Merges a damaged copy of `other` into one of `ours`: what comes over is sound, and the
/// sound store brings the rest.
fn check_damaged(
    ours: &Path,
    other: &Path,
    expected: &[(PathBuf, Vec<u8>)],
    what: &str,
    damage: impl FnOnce(&mut Vec<u8>),
) {
    let folder = tempfile::tempdir().unwrap();
    let (target, damaged) = (folder.path().join("target.db"), folder.path().join("damaged.db"));
    fs::copy(ours, &target).unwrap();
    let mut bytes = fs::read(other).unwrap();
    damage(&mut bytes);
    fs::write(&damaged, &bytes).unwrap();
    let store = Store::open(&target).unwrap();

    let merged = store.merge(&damaged, &MergeOptions::new());

    assert_eq!(store.check().unwrap(), [], "{what}: {merged:?}");
    assert!(fs::read(&damaged).unwrap() == bytes, "{what}: the other store was written");
    let report = store.merge(other, &MergeOptions::new()).unwrap();
    assert!(report.refused.is_empty(), "{what}: {report:?}");
    let found = exported(&target);
    let is_known = |file: &(PathBuf, Vec<u8>)| expected.contains(file);
    assert!(found.iter().all(is_known) && found.len() == expected.len(), "{what}: {merged:?}");
}

#[test]
fn what_a_damaged_store_has_comes_over_sound_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let ours = store(folder.path(), "ours.db", &["kward"]);
    let other = store(folder.path(), "other.db", &["pi", "claude"]);
    let good = folder.path().join("good.db");
    fs::copy(&ours, &good).unwrap();
    Store::open(&good).unwrap().merge(&other, &MergeOptions::new()).unwrap();
    let expected = exported(&good);
    let pages = fs::metadata(&other).unwrap().len() as usize / 8_192;
    let mut random = 0x9E37_79B9_u64;
    let mut below = move |most: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random as usize % most
    };
    for n in 0..8 {
        let (page, at, bit) = (1 + below(pages - 1), below(8_192), below(8));
        check_damaged(&ours, &other, &expected, &format!("bit {bit} of {page}:{at}"), |bytes| {
            bytes[page * 8_192 + at] ^= 1 << bit;
        });
        if n % 4 == 0 {
            check_damaged(&ours, &other, &expected, &format!("page {page} is empty"), |bytes| {
                bytes[page * 8_192..][..8_192].fill(0);
            });
            check_damaged(&ours, &other, &expected, &format!("{page} pages are left"), |bytes| {
                bytes.truncate(page * 8_192 + at);
            });
        }
    }
}

#[test]
fn two_merges_into_one_store_at_once_end_as_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let (pi, claude) = (
        store(folder.path(), "pi.db", &["pi"]),
        store(folder.path(), "claude.db", &["claude", "pi"]),
    );
    let target = store(folder.path(), "target.db", &["kward"]);
    let after = store(folder.path(), "after.db", &["kward"]);
    let one_after_the_other = Store::open(&after).unwrap();
    one_after_the_other.merge(&pi, &MergeOptions::new()).unwrap();
    one_after_the_other.merge(&claude, &MergeOptions::new()).unwrap();

    std::thread::scope(|scope| {
        for other in [&pi, &claude] {
            let store = Store::open(&target).unwrap();
            scope.spawn(move || store.merge(other, &MergeOptions::new()).unwrap());
        }
    });

    assert_eq!(Store::open(&target).unwrap().check().unwrap(), []);
    assert!(exported(&target) == exported(&after));
}

#[test]
fn a_store_that_is_merged_into_itself_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let db = store(folder.path(), "s.db", &["kward", "pi"]);
    let before = exported(&db);
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(&db, &link).unwrap();
    let store = Store::open(&db).unwrap();

    for other in [&db, &link] {
        assert!(!store.merge(other, &MergeOptions::new()).unwrap().is_change());
    }

    assert_eq!(store.check().unwrap(), []);
    assert!(exported(&db) == before);
}

#[test]
fn a_store_of_a_newer_release_is_refused_whole() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, newer) =
        (store(folder.path(), "ours.db", &[]), store(folder.path(), "newer.db", &["pi"]));
    let sql = "INSERT INTO refinery_schema_history
                   SELECT version + 1, 'later', applied_on, checksum
                   FROM refinery_schema_history ORDER BY version DESC LIMIT 1;
               CREATE INDEX later ON files (mode);";
    let conn = Connection::open(&newer).unwrap();
    conn.execute_batch(sql).unwrap();
    let version: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
    conn.pragma_update(None, "user_version", version + 1).unwrap();
    drop(conn);
    let store = Store::open(&ours).unwrap();

    assert!(matches!(store.merge(&newer, &MergeOptions::new()), Err(Error::SchemaTooNew { .. })));

    assert_eq!(store.stats().unwrap().sessions, 0);
}

#[test]
fn what_was_decided_about_a_refused_log_is_refused_too() {
    let log = HEADER.to_owned() + &line("s1", "", 1);
    let (desk, laptop) = (Machine::new(&log), Machine::new(&(log + &line("s2", "s1", 2))));
    laptop.session().at(at(9)).tag("a").unwrap();
    laptop.session().at(at(9)).archive().unwrap();
    let damage = "UPDATE lines SET checksum = 1 WHERE line_key & 0xFFFF = 2";
    Connection::open(laptop.store.path()).unwrap().execute_batch(damage).unwrap();

    let report = desk.store.merge(laptop.store.path(), &MergeOptions::new()).unwrap();

    assert_eq!((report.refused.len(), report.events), (1, 0), "{report:?}");
    assert_eq!(desk.session().tags().unwrap(), Vec::<String>::new());
    desk.prove();
}
