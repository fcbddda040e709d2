//! What is refused for want of disk space.

use std::fs::{self, File};

use sessile::{Error, ImportOptions, Store};

#[test]
fn an_import_that_will_not_fit_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("sessions/--w--")).unwrap();
    fs::write(root.join("sessions/--w--/one.jsonl"), super::header()).unwrap();
    let store = Store::open(&folder.path().join("sessions.db")).unwrap();
    store.import(&root, &ImportOptions::new()).unwrap();
    let before = store.stats().unwrap();
    // A hole as large as what is free; it takes no space.
    let stat = rustix::fs::statvfs(folder.path()).unwrap();
    let size = stat.f_bavail * stat.f_frsize;
    let hole = File::create(root.join("sessions/--w--/two.jsonl")).unwrap();
    if hole.set_len(size).is_err() {
        return;
    }

    let err = store.import(&root, &ImportOptions::new()).unwrap_err();

    assert_eq!(err.kind(), "DiskFull");
    let Error::DiskFull { needed, available, path } = err else { panic!("{err}") };
    assert_eq!(path, store.path());
    assert!(available < needed);
    assert_eq!(store.stats().unwrap(), before);
    hole.set_len(0).unwrap();
    assert_eq!(store.import(&root, &ImportOptions::new().ignore_space(true)).unwrap().new, 1);
}
