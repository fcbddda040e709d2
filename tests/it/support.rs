//! A store and a root in a folder of their own, and helpers that several subjects
//! share.

#[path = "../odd/losses.rs"]
mod losses;

use std::collections::BTreeMap;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use sessile::{
    Durability, Entry, ImportOptions, ImportReport, Node, SessionKey, Store, StoreOptions,
};
use tempfile::TempDir;

pub(crate) use losses::without_losses;

/// The time of files that a test gives no other; seconds since the epoch.
pub(crate) const THEN: i64 = 1_767_225_600;

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A store, and beside it a root that is empty at first.
pub(crate) struct TestStore {
    pub(crate) store: Store,
    pub(crate) root: PathBuf,
    folder: TempDir,
}

impl TestStore {
    pub(crate) fn new() -> Self {
        Self::in_folder(tempfile::tempdir().unwrap())
    }

    /// In memory, where the machine has a folder that is.
    pub(crate) fn quick() -> Self {
        Self::in_folder(match Path::new("/dev/shm") {
            shm if shm.is_dir() => tempfile::tempdir_in(shm).unwrap(),
            _ => tempfile::tempdir().unwrap(),
        })
    }

    /// With the fixtures of a folder imported.
    pub(crate) fn of_fixture(name: &str) -> Self {
        let test = Self::new();
        test.store.import(&fixture(name), &ImportOptions::new()).unwrap();
        test
    }

    /// With one session file of these bytes imported.
    pub(crate) fn of_file(bytes: impl AsRef<[u8]>) -> (Self, SessionKey) {
        let test = Self::new();
        test.write("sessions/--w--/one.jsonl", bytes);
        test.import();
        let session = test.store.find("sessions/--w--/one.jsonl").unwrap().key();
        (test, session)
    }

    fn in_folder(folder: TempDir) -> Self {
        let store = open_quickly(&folder.path().join("sessions.db"));
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("sessions")).unwrap();
        Self { store, root, folder }
    }

    /// The folder that holds the database, the root and whatever else the test makes.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A new store beside this one.
    pub(crate) fn another(&self, name: &str) -> Store {
        open_quickly(&self.folder().join(name))
    }

    /// A connection that knows nothing of the crate.
    pub(crate) fn sqlite(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.store.path()).unwrap()
    }

    /// Writes a file below the root, with a time long past.
    pub(crate) fn write(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        set_mtime(&path, THEN, 0);
        path
    }

    /// Adds to a file below the root; its time becomes a second later than it was.
    pub(crate) fn append(&self, path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
        let path = self.root.join(path);
        let before = path.metadata().unwrap().mtime();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(bytes.as_ref()).unwrap();
        set_mtime(&path, before + 1, 0);
    }

    #[track_caller]
    pub(crate) fn import(&self) -> ImportReport {
        self.store.import(&self.root, &options()).unwrap()
    }

    pub(crate) fn dump(&self) -> String {
        dump(&self.store)
    }

    /// What `dump` says of a session.
    pub(crate) fn row(&self, name: &str) -> Value {
        let mut out = Vec::new();
        self.store.find(name).unwrap().dump(&mut out).unwrap();
        serde_json::from_slice(&out).unwrap()
    }

    /// The store is as the log says, and the root as the store says.
    #[track_caller]
    pub(crate) fn assert_sound(&self) {
        assert_eq!(self.store.check().unwrap(), []);
        assert_eq!(self.store.verify(&self.root).unwrap().differences, []);
    }

    /// As [`assert_sound`](Self::assert_sound), where files vanished from the root.
    #[track_caller]
    pub(crate) fn assert_sound_but_for_missing(&self) {
        assert_eq!(self.store.check().unwrap(), []);
        let mut differences = self.store.verify(&self.root).unwrap().differences;
        differences.retain(|difference| difference.detail != "is no longer at the root");
        assert_eq!(differences, []);
    }

    /// The store knows the same as one that sees the root for the first time.
    #[track_caller]
    pub(crate) fn assert_like_fresh(&self) {
        let folder = tempfile::tempdir_in(self.folder()).unwrap();
        let fresh = open_quickly(&folder.path().join("fresh.db"));
        fresh.import(&self.root, &options()).unwrap();
        assert_eq!(without_losses(&self.dump()), dump(&fresh));
    }
}

/// A new store is a copy of an empty one: to make its tables takes longer than most
/// tests.
fn open_quickly(path: &Path) -> Store {
    static EMPTY: OnceLock<Vec<u8>> = OnceLock::new();
    let open = |path: &Path| StoreOptions::new().durability(Durability::Normal).open(path).unwrap();
    if !path.exists() {
        let empty = EMPTY.get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let made = folder.path().join("empty.db");
            drop(open(&made));
            fs::read(made).unwrap()
        });
        fs::write(path, empty).unwrap();
        set_mode(path, 0o600);
    }
    open(path)
}

/// Named, so that a root without any session file is one, too.
pub(crate) fn options() -> ImportOptions {
    ImportOptions::new().format(sessile::Format::Kward)
}

pub(crate) fn dump(store: &Store) -> String {
    let mut out = Vec::new();
    store.dump(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

pub(crate) fn set_mtime(path: &Path, seconds: i64, nanoseconds: u32) {
    let since = Duration::from_secs(seconds.unsigned_abs());
    let time = match seconds < 0 {
        true => SystemTime::UNIX_EPOCH - since,
        false => SystemTime::UNIX_EPOCH + since,
    };
    let time = time + Duration::from_nanos(u64::from(nanoseconds));
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}

pub(crate) fn make_pipe(path: &Path) {
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

/// Everything that a copy of a folder must have: by path, kind, mode, time and content.
pub(crate) fn snapshot(folder: &Path) -> BTreeMap<PathBuf, (u32, i128, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            let stat = path.symlink_metadata().unwrap();
            let time = i128::from(stat.mtime()) * 1_000_000_000 + i128::from(stat.mtime_nsec());
            let facts = if stat.is_dir() {
                todo.push(path.clone());
                (stat.mode(), 0, Vec::new())
            } else if stat.is_symlink() {
                (stat.mode(), 0, fs::read_link(&path).unwrap().as_os_str().as_bytes().to_vec())
            } else {
                (stat.mode(), time, fs::read(&path).unwrap())
            };
            found.insert(path.strip_prefix(folder).unwrap().to_owned(), facts);
        }
    }
    found
}

/// The first line of a session.
pub(crate) fn header(id: &str) -> String {
    line(&json!({
        "type": "session", "version": 2, "id": id, "timestamp": "2026-01-01T00:00:00.000Z",
        "cwd": "/work"
    }))
}

/// A line that adds a message to the tree; without a parent, a root.
pub(crate) fn message(id: &str, parent: Option<&str>, text: &str) -> String {
    let mut record = json!({
        "type": "message", "id": id, "timestamp": "2026-01-01T00:00:01.000Z",
        "message": {"role": "user", "content": text}
    });
    if let Some(parent) = parent {
        record["parentId"] = parent.into();
    }
    line(&record)
}

pub(crate) fn line(record: &Value) -> String {
    format!("{record}\n")
}

pub(crate) fn ids(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|entry| entry.id.as_str()).collect()
}

pub(crate) fn nodes(nodes: &[Node]) -> Vec<(&str, usize)> {
    nodes.iter().map(|node| (node.id.as_str(), node.depth)).collect()
}
