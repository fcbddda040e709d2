//! A store with every kind of chain, its correct content, and damaged copies.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use sessile::{Error, ExportOptions, NewSession, Store, StoreOptions, Timestamp};

use crate::support::{TestStore, dump, fixture, header, message, options, set_mtime};

/// A store of every kind of chain, to be copied and damaged.
pub(crate) struct Whole {
    pub(crate) test: TestStore,
    pub(crate) path: PathBuf,
    /// What an export of it holds, by file.
    pub(crate) files: BTreeMap<PathBuf, Vec<u8>>,
    pub(crate) dump: Vec<String>,
}

impl Whole {
    /// With long lines packed, or not.
    pub(crate) fn new(level: Option<i32>) -> Self {
        let test = TestStore::quick();
        let path = test.folder().join("whole.db");
        let open =
            level.map_or(StoreOptions::new(), |level| StoreOptions::new().compression(level));
        let store = open.open(&path).unwrap();
        let long = "words of a long line, again and again. ".repeat(20);
        for name in ["one", "two", "six"] {
            let lines = header(name)
                + &message("a", None, &format!("{name} {long}"))
                + &message("b", Some("a"), name)
                + &message("c", Some("b"), &format!("{name} {long}"));
            test.write(format!("sessions/--w--/{name}.jsonl"), lines);
        }
        test.write("sessions/--w--/note.txt", "a document ".repeat(200_000));
        store.import(&test.root, &options()).unwrap();
        // One that goes on here, one that is only here, one that was rewritten at its root.
        let said = r#"{"role":"user","content":"said here"}"#;
        let two = store.find("two").unwrap().at(Timestamp(0));
        two.with_id("d").append_message(said).unwrap();
        for id in ["made", "mine"] {
            let new = NewSession::new("/made").session_id(id).at(Timestamp(0));
            let session = store.create(&new).unwrap().at(Timestamp(0));
            session.with_id("e").append_message(said).unwrap();
        }
        let six = header("six") + &message("z", None, "rewritten");
        set_mtime(&test.write("sessions/--w--/six.jsonl", six), 1_800_000_000, 0);
        store.import(&test.root, &options()).unwrap();
        store.import(&fixture("kimi/small"), &sessile::ImportOptions::new()).unwrap();
        let out = test.folder().join("out");
        store.export(&out, &ExportOptions::new()).unwrap();
        let dump = dump(&store).lines().map(str::to_owned).collect();
        drop(store);
        Self { files: files(&out), test, path, dump }
    }

    /// A copy, changed by `change`.
    pub(crate) fn damaged(&self, change: impl FnOnce(&Path)) -> Store {
        self.try_damaged(change).unwrap()
    }

    pub(crate) fn try_damaged(&self, change: impl FnOnce(&Path)) -> sessile::Result<Store> {
        let folder = self.test.folder();
        let copy = folder.join("copy.db");
        for name in ["copy.db", "copy.db-wal", "copy.db-shm"] {
            let _ = fs::remove_file(folder.join(name));
        }
        fs::copy(&self.path, &copy).unwrap();
        change(&copy);
        StoreOptions::new().read_only(true).open(&copy)
    }

    /// A copy, changed by SQL that changes something.
    pub(crate) fn changed(&self, sql: &str) -> Store {
        self.damaged(|copy| {
            let conn = Connection::open(copy).unwrap();
            conn.execute_batch(sql).unwrap();
            assert_ne!(conn.total_changes(), 0, "{sql}");
        })
    }

    /// Exports a copy: each file is right, or it is not there and is named.
    /// Returns which are not there; `None` where the export gave up.
    #[track_caller]
    pub(crate) fn check_export(&self, store: &Store, about: &str) -> Option<BTreeSet<PathBuf>> {
        let out = tempfile::tempdir_in(self.test.folder()).unwrap();
        let exported = store.export(out.path(), &ExportOptions::new());
        let found = files(out.path());
        for (path, bytes) in &found {
            assert!(self.files.get(path) == Some(bytes), "{about}: {}", path.display());
        }
        let missing: BTreeSet<PathBuf> =
            self.files.keys().filter(|path| !found.contains_key(*path)).cloned().collect();
        match exported {
            Ok(_) => assert_eq!(missing, BTreeSet::new(), "{about}"),
            Err(Error::Incomplete { failed, .. }) => assert!(!failed.is_empty(), "{about}"),
            Err(Error::Damaged(_) | Error::Sqlite(_)) => return None,
            Err(err) => panic!("{about}: {err:?}"),
        }
        Some(missing)
    }
}

/// The bytes of each file below a folder.
pub(crate) fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let snapshot = crate::support::snapshot(folder).into_iter();
    snapshot
        .filter(|(path, _)| folder.join(path).is_file())
        .map(|(path, (_, _, bytes))| (path, bytes))
        .collect()
}

pub(crate) fn column(conn: &Connection, sql: &str) -> Vec<i64> {
    let mut stmt = conn.prepare(sql).unwrap();
    let rows = stmt.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}
