//! A store and a lake in a folder of their own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sessile::{Cell, ExportOptions, ImportOptions, Store};
use sessile_lake::{ExportReport, ImportReport, Lake, VerifyReport};
use tempfile::TempDir;

pub(crate) const FIXTURES: [&str; 9] = [
    "claude/small",
    "codex/small",
    "demo/kward",
    "demo/pi",
    "kimi/small",
    "kward/edge",
    "kward/small",
    "kward/tree",
    "pi/small",
];

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures").join(name)
}

pub(crate) struct Place {
    pub(crate) store: Store,
    folder: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        // In memory, where the machine has a folder that is.
        let folder = match Path::new("/dev/shm") {
            shm if shm.is_dir() => tempfile::tempdir_in(shm).unwrap(),
            _ => tempfile::tempdir().unwrap(),
        };
        Self { store: Store::open(folder.path().join("sessions.db")).unwrap(), folder }
    }

    /// A store with the sessions of every program.
    pub(crate) fn of_fixtures() -> Self {
        let place = Self::new();
        FIXTURES.iter().for_each(|name| place.import_fixture(name));
        place
    }

    pub(crate) fn import_fixture(&self, name: &str) {
        self.store.import(fixture(name), &ImportOptions::new()).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn lake(&self) -> PathBuf {
        self.path("lake")
    }

    /// Exports into the lake.
    pub(crate) fn export(&self) -> ExportReport {
        self.try_export().unwrap()
    }

    pub(crate) fn try_export(&self) -> sessile_lake::Result<ExportReport> {
        sessile_lake::export(self.store.path(), self.lake(), &sessile_lake::ExportOptions::new())
    }

    pub(crate) fn import(&self, name: &str) -> ImportReport {
        sessile_lake::import(self.lake(), self.path(name)).unwrap()
    }

    pub(crate) fn verify(&self) -> VerifyReport {
        sessile_lake::verify(self.lake()).unwrap()
    }

    /// A copy of a root that may be written into.
    pub(crate) fn copy_of(&self, fixture_name: &str) -> PathBuf {
        let root = self.path(&fixture_name.replace('/', "-"));
        copy(&fixture(fixture_name), &root);
        root
    }

    /// The lake gives what the store has.
    #[track_caller]
    pub(crate) fn check_back(&self) {
        self.check_back_from(self.lake());
    }

    #[track_caller]
    pub(crate) fn check_back_from(&self, lake: impl Into<Lake>) {
        let folder = tempfile::tempdir_in(self.folder.path()).unwrap();
        let db = folder.path().join("back.db");
        sessile_lake::import(lake, &db).unwrap();
        let back = Store::open(&db).unwrap();
        assert_eq!(log(&back), log(&self.store));
        assert_eq!(dump(&back), dump(&self.store));
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        self.store.export(&one, &ExportOptions::new()).unwrap();
        back.export(&other, &ExportOptions::new()).unwrap();
        assert_eq!(tree(&other), tree(&one));
    }
}

pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let (item, target) = (item.as_ref().unwrap().path(), to.join(item.unwrap().file_name()));
        match fs::symlink_metadata(&item).unwrap() {
            kind if kind.is_dir() => copy(&item, &target),
            kind if kind.is_symlink() => {
                std::os::unix::fs::symlink(fs::read_link(&item).unwrap(), target).unwrap();
            }
            _ => drop(fs::copy(&item, target).unwrap()),
        }
    }
}

pub(crate) fn dump(store: &Store) -> String {
    let mut out = Vec::new();
    store.dump(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// Every file of a store, every line and what was decided, shown or not.
fn log(store: &Store) -> Vec<String> {
    let mut rows = Vec::new();
    for sql in [
        "SELECT source_id, hex(root), format, origin, settled_file FROM sources ORDER BY source_id",
        "SELECT file_id, source_id, hex(path), generation, kind, state, mode, mtime, mtime_beyond, inode, size,
                line_count, hex(sha256), hex(link_target), missing_at, base_id, base_count, lost
         FROM files ORDER BY file_id",
        "SELECT line_key, checksum, hex(line(line_key)) FROM lines ORDER BY line_key",
        "SELECT chunk_key, checksum, hex(raw) FROM chunks ORDER BY chunk_key",
        "SELECT event_id, session_key, kind, at, value FROM events ORDER BY event_id",
        "SELECT source_id, session_id, size, hex(sha256), inode FROM purged ORDER BY purged_id",
        "SELECT session_key, source_id, hex(path), file_id, session_id, entry_count FROM sessions ORDER BY session_key",
        "SELECT source_id, hex(path), line, kind, detail FROM problems ORDER BY 1, 2, 3, 4, 5",
        "SELECT seq FROM sqlite_sequence WHERE name = 'sessions'",
    ] {
        let row = |cells: &[Cell]| format!("{cells:?}");
        store
            .query(sql, |_, cells| {
                rows.push(row(cells));
                Ok(())
            })
            .unwrap();
    }
    rows
}

/// Mode, time and content.
type Facts = (u32, Option<(i64, i64)>, Vec<u8>);

/// What is below a folder: bytes, modes, times and links.
pub(crate) fn tree(root: &Path) -> BTreeMap<PathBuf, Facts> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            let of = fs::symlink_metadata(&path).unwrap();
            let time = Some((of.mtime(), of.mtime_nsec()));
            let (time, content) = if of.is_dir() {
                folders.push(path.clone());
                (None, Vec::new())
            } else if of.is_symlink() {
                (None, fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes())
            } else {
                (time, fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(root).unwrap().to_owned(), (of.mode(), time, content));
        }
    }
    found
}

/// The Parquet files of a lake, with their bytes.
pub(crate) fn parquet(lake: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = tree(lake).into_iter();
    files
        .filter(|(path, _)| path.extension().is_some_and(|end| end == "parquet"))
        .map(|(path, (_, _, bytes))| (path, bytes))
        .collect()
}
