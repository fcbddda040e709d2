//! Imports that are ended in the middle.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use sessile::Store;

use crate::check_imported;
use crate::support::{TestStore, header, message, options};

/// How often each import is killed; more with `SESSILE_KILLS`.
fn kills() -> u64 {
    std::env::var("SESSILE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3)
}

/// A session file of about so many bytes.
fn session(id: &str, bytes: usize) -> String {
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

#[cfg(feature = "cli")]
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

#[cfg(feature = "cli")]
#[test]
fn a_root_whose_import_is_killed_is_finished_by_the_next() {
    let test = TestStore::quick();
    for n in 0..300 {
        test.write(format!("sessions/--w--/{n}.jsonl"), session(&format!("s{n}"), 100_000));
    }

    check_killed(&test);
}

#[cfg(feature = "cli")]
#[test]
fn a_large_file_whose_import_is_killed_is_finished_by_the_next() {
    let test = TestStore::quick();
    test.write("sessions/--w--/large.jsonl", session("large", 40 << 20));

    check_killed(&test);
}

/// A small file system in memory, where this process may have one.
struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    fn mount(at: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(at);
        mount.output().is_ok_and(|done| done.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).output();
    }
}

#[test]
fn a_full_disk_fails_the_import_and_nothing_else() {
    let test = TestStore::new();
    for n in 0..20 {
        test.write(format!("sessions/--w--/{n}.jsonl"), session(&format!("s{n}"), 20_000));
    }
    let at = test.folder().join("small");
    fs::create_dir(&at).unwrap();
    let Some(_disk) = SmallDisk::mount(&at) else { return };
    fs::write(at.join("ballast"), vec![0; 5 << 20]).unwrap();
    let db = at.join("sessions.db");
    let store = Store::open(&db).unwrap();

    assert!(store.import(&test.root, &options()).is_err());

    assert_eq!(store.check().unwrap(), []);
    drop(store);
    fs::remove_file(at.join("ballast")).unwrap();
    let store = Store::open(&db).unwrap();
    assert_eq!(store.check().unwrap(), []);
    store.import(&test.root, &options()).unwrap();
    assert_eq!(store.check().unwrap(), []);
    assert_eq!(store.verify(&test.root).unwrap().differences, []);
}
