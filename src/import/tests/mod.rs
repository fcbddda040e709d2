//! Imports that are ended, that meet others, and that go wrong: with batches of
//! a few kilobytes, so that every case is small.

mod ended;
#[path = "../../../tests/odd/losses.rs"]
mod losses;
mod rewritten;
mod swapped;
mod together;
mod unequal;

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::{ImportOptions, Sizes};
use crate::error::{Error, Result};
use crate::model::Format;
use crate::store::{Durability, Store, StoreOptions};

/// Lets an import fail at the beginning of a transaction.
#[derive(Clone, Debug)]
pub(super) struct Fuse(Arc<AtomicI64>);

impl Default for Fuse {
    fn default() -> Self {
        Self::of(i64::MAX)
    }
}

impl Fuse {
    /// So many transactions are begun.
    fn of(transactions: i64) -> Self {
        Self(Arc::new(AtomicI64::new(transactions)))
    }

    pub(super) fn burn(&self) -> Result<()> {
        if self.0.fetch_sub(1, Ordering::Relaxed) <= 0 { Err(Error::Busy) } else { Ok(()) }
    }
}

const SIZES: Sizes = Sizes { batch: 8 << 10, whole: 2 << 10, chunk: 512, step: 1 };
const THEN: u64 = 1_767_225_600;

/// A kind of file that may be large.
#[derive(Clone, Copy, Debug)]
struct Subject {
    format: Format,
    path: &'static str,
}

const SUBJECTS: [Subject; 4] = [
    Subject { format: Format::Kward, path: "sessions/--w--/a.jsonl" },
    Subject { format: Format::Kward, path: "sessions/--w--/notes.txt" },
    Subject {
        format: Format::Kimi,
        path: "sessions/0123456789abcdef0123456789abcdef/s/context.jsonl",
    },
    Subject {
        format: Format::Kimi,
        path: "sessions/0123456789abcdef0123456789abcdef/s/wire.jsonl",
    },
];

/// What there is at the path.
#[derive(Clone, Debug, PartialEq, Eq)]
enum There {
    Nothing,
    File(String),
    Folder,
    Link,
}

struct Place {
    root: PathBuf,
    subject: Subject,
    folder: TempDir,
}

impl Place {
    fn new(subject: Subject) -> Self {
        let folder = match Path::new("/dev/shm") {
            shm if shm.is_dir() => tempfile::tempdir_in(shm).unwrap(),
            _ => tempfile::tempdir().unwrap(),
        };
        let root = folder.path().join("root");
        fs::create_dir_all(root.join(subject.path).parent().unwrap()).unwrap();
        Self { root, subject, folder }
    }

    /// Makes it so, with a time of its own.
    fn put(&self, there: &There, time: u64) {
        let path = self.root.join(self.subject.path);
        if path.is_dir() {
            fs::remove_dir(&path).unwrap();
        } else if path.symlink_metadata().is_ok() {
            fs::remove_file(&path).unwrap();
        }
        match there {
            There::Nothing => {}
            There::Folder => fs::create_dir(&path).unwrap(),
            There::Link => symlink("elsewhere", &path).unwrap(),
            There::File(content) => {
                fs::write(&path, content).unwrap();
                let at = SystemTime::UNIX_EPOCH + Duration::from_secs(THEN + time);
                let times = FileTimes::new().set_modified(at);
                File::open(&path).unwrap().set_times(times).unwrap();
            }
        }
    }

    /// A store of its own; all are copies of one, since to make one takes a while.
    fn store(&self, name: &str, packs: bool) -> Store {
        let empty = self.folder.path().join("empty.db");
        let options = StoreOptions::new().durability(Durability::Normal);
        if !empty.exists() {
            drop(options.open(&empty).unwrap());
        }
        let path = self.folder.path().join(name);
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(self.folder.path().join(format!("{name}{end}")));
        }
        fs::copy(&empty, &path).unwrap();
        if packs {
            options.compression(3).open(&path).unwrap()
        } else {
            options.open(&path).unwrap()
        }
    }

    /// Imports the root in so many transactions at most.
    fn import(&self, store: &Store, transactions: i64) -> Result<()> {
        store.import(&self.root, &self.options(transactions)).map(drop)
    }

    fn options(&self, transactions: i64) -> ImportOptions {
        let options = ImportOptions::new().format(self.subject.format).ignore_space(true);
        ImportOptions { sizes: SIZES, fuse: Fuse::of(transactions), ..options }
    }

    /// Everything of the root is in the store, and the store is sound and holds nothing unfinished.
    #[track_caller]
    fn assert_complete(&self, store: &Store, case: &str) {
        assert_eq!(store.check().unwrap(), [], "{case}");
        let mut differences = store.verify(&self.root).unwrap().differences;
        differences.retain(|difference| difference.detail != "is no longer at the root");
        assert_eq!(differences, [], "{case}");
        assert_eq!(partials(store), 0, "{case}");
    }
}

fn partials(store: &Store) -> i64 {
    count(store, "partial")
}

fn count(store: &Store, state: &str) -> i64 {
    let conn = store.connection().unwrap();
    let sql = "SELECT count(*) FROM files WHERE state = ?1";
    conn.query_row(sql, [state], |row| row.get(0)).unwrap()
}

fn dump(store: &Store) -> String {
    let mut out = Vec::new();
    store.dump(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A session of about so many bytes; the same beginning for the same word.
fn content(subject: Subject, word: &str, bytes: usize) -> String {
    let mut lines = String::new();
    for n in 0.. {
        if bytes <= lines.len() {
            break;
        }
        // Some are long enough to be packed.
        let text = word.repeat(if n % 5 == 0 { 120 } else { 12 });
        lines += &match (subject.format, n) {
            (Format::Kimi, _) if subject.path.ends_with("wire.jsonl") => format!(
                r#"{{"timestamp":{n}.5,"message":{{"type":"TurnBegin","payload":{{"user_input":"{text}"}}}}}}"#
            ),
            (Format::Kimi, _) => format!(r#"{{"role":"user","content":"{text} {n}"}}"#),
            (_, 0) => r#"{"type":"session","version":2,"id":"s","timestamp":"2026-01-01T00:00:00Z","cwd":"/w"}"#
                .to_owned(),
            (_, n) => format!(
                r#"{{"type":"message","id":"{word}{n}","timestamp":"2026-01-01T00:00:01Z","message":{{"role":"user","content":"{text}"}}}}"#
            ),
        };
        lines.push('\n');
    }
    lines
}

/// What an import that ends early may find before.
fn befores(subject: Subject) -> Vec<(&'static str, There)> {
    vec![
        ("new", There::Nothing),
        ("large before", There::File(content(subject, "old", 19_000))),
        // A log that grows by much; a document that does is written anew.
        ("grown", There::File(content(subject, "word", 1_000))),
        ("small before", There::File(content(subject, "old", 700))),
        ("empty before", There::File(String::new())),
        ("a link before", There::Link),
    ]
}
