//! Imports that cannot finish.

use std::fs;
use std::path::Path;
use std::process::Command;

use sessile::{Error, Store, StoreOptions};

use crate::support::{TestStore, header, message, options};

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
fn a_reader_that_may_not_write_beside_the_database_is_told_what_to_do() {
    let test = TestStore::new();
    let at = test.folder().join("small");
    fs::create_dir(&at).unwrap();
    let Some(_disk) = SmallDisk::mount(&at) else { return };
    let db = at.join("sessions.db");
    drop(Store::open(&db).unwrap());
    let mut remount = Command::new("mount");
    assert!(remount.args(["-o", "remount,ro"]).arg(&at).status().unwrap().success());

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
    let at = test.folder().join("small");
    fs::create_dir(&at).unwrap();
    let Some(_disk) = SmallDisk::mount(&at) else { return };
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
