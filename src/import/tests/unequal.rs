//! What was written is compared with what was read.

use std::sync::mpsc;

use sha2::{Digest, Sha256};

use super::{Fuse, Place, SIZES, SUBJECTS};
use crate::error::Result;
use crate::import::budget::Budget;
use crate::import::content::Chunk;
use crate::import::plan::{Large, Leftover, SingleTransaction};
use crate::import::read::{FileEnd, Item};
use crate::import::{Inbox, Job, finish, root, write};
use crate::model::Timestamp;
use crate::store::Store;
use crate::store::files::{FileKind, FileRow, FileState};
use crate::store::sources;

/// What a writer makes of these items.
fn written(place: &Place, store: &Store, items: Vec<Item>) -> Result<()> {
    let root = root::examine(&place.root, Some(place.subject.format))?;
    let source = store.write(|tx| sources::insert(tx, &root.path, root.format))?;
    let fuse = Fuse::default();
    let job = Job {
        store,
        root,
        source: Some(source),
        parts: Vec::new(),
        now: Timestamp::now(),
        dry_run: false,
        rereads: false,
        away: crate::import::purged::Away::nothing(place.subject.format),
        asks_space: false,
        passed: std::sync::atomic::AtomicU64::new(0),
        total: None,
        sizes: SIZES,
        fuse: &fuse,
    };
    let budget = Budget::new();
    let (sender, receiver) = mpsc::sync_channel(items.len());
    for item in items {
        budget.take(item.cost());
        sender.send(item).unwrap();
    }
    drop(sender);
    write::write(&job, finish::Found::default(), &Inbox { receiver, budget: &budget }, &mut |_| {})
        .map(drop)
}

fn chunk(raw: &[u8]) -> Chunk {
    Chunk { raw: raw.to_vec(), rows: 1, ..Chunk::default() }
}

fn row(path: &str, kind: FileKind) -> FileRow {
    FileRow {
        file_id: 0,
        source_id: 1,
        path: path.as_bytes().to_vec(),
        generation: 0,
        kind,
        state: FileState::Current,
        mode: 0o600,
        mtime: Timestamp(0).into(),
        inode: 0,
        size: 0,
        line_count: 0,
        sha256: None,
        link_target: None,
        read_at: Timestamp(0),
        missing_at: None,
        base_id: None,
        base_count: 0,
        lost: 0,
    }
}

/// A file whose chunks arrive as `sent`, and of which `read` was read.
fn items(large: bool, kind: FileKind, read: &[&[u8]], sent: &[&[u8]]) -> Vec<Item> {
    let file = Box::new(row("sessions/x", kind));
    let all = read.concat();
    let end = FileRow {
        size: all.len() as u64,
        line_count: read.len() as u32,
        sha256: Some(Sha256::digest(&all).to_vec()),
        ..(*file).clone()
    };
    let end = Box::new(FileEnd { file: end, tail: None, bytes: 0, lines: 0 });
    let mut chunks: Vec<Chunk> = sent.iter().map(|raw| chunk(raw)).collect();
    if large {
        let large = Large { base: None, left: Leftover::Nothing };
        let mut items = vec![Item::Large { file, large }];
        items.extend(chunks.drain(..).map(Item::Chunk));
        items.extend([Item::End(end), Item::Seen]);
        items
    } else {
        vec![Item::Whole { file, once: SingleTransaction::New, chunks, end }, Item::Seen]
    }
}

#[test]
fn a_file_that_was_not_written_as_it_was_read_is_an_error_and_no_file() {
    let read: [&[u8]; 3] = [b"{\"a\":1}\n", b"{\"b\":2}\n", b"{\"c\":3}\n"];
    let place = Place::new(SUBJECTS[0]);
    for large in [false, true] {
        for kind in [FileKind::Log, FileKind::Document] {
            let is_kept = |sent: &[&[u8]]| {
                let store = place.store("one.db", false);
                let written = written(&place, &store, items(large, kind, &read, sent));
                let conn = store.connection().unwrap();
                let count = "SELECT count(*) FROM files WHERE state = 'current'";
                let files: i64 = conn.query_row(count, [], |row| row.get(0)).unwrap();
                assert_eq!(store.check().unwrap(), []);
                assert_eq!(written.is_ok(), files == 1);
                if let Err(err) = written {
                    let cause = std::error::Error::source(&err).unwrap().to_string();
                    assert!(cause.contains("rows were written, but"), "{cause}");
                }
                files == 1
            };
            assert!(is_kept(&read));
            assert!(!is_kept(&read[1..]), "without its head");
            assert!(!is_kept(&read[..2]), "without its tail");
            assert!(!is_kept(&[read[0], read[2], read[1]]), "in another order");
            assert!(!is_kept(&[read[0], read[0], read[2]]), "with a line twice");
            assert!(!is_kept(&[b"{\"a\":1} {\"b\":2}\n", read[2]]), "with a byte changed");
            assert!(!is_kept(&[]), "without anything");
        }
    }
}
