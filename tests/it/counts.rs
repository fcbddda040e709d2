//! What the engine writes, in bytes and pages: counts that do not depend on the
//! machine's load.
//!
//! Each bound is what was measured, and a little. One that fails got worse; one
//! that got better is to be lowered.

use std::fs;
use std::path::{Path, PathBuf};

use sessile::NewSession;

use crate::support::{TestStore, header, message, options};

/// A page of the WAL with its header.
const FRAME: u64 = 24 + 8192;

fn wal(store: &Path) -> u64 {
    let mut path = store.as_os_str().to_owned();
    path.push("-wal");
    fs::metadata(PathBuf::from(path)).map_or(0, |metadata| metadata.len())
}

/// Pages that `write` adds to an empty WAL.
fn pages(test: &TestStore, write: impl FnOnce()) -> u64 {
    empty_wal(test);
    write();
    wal(test.store.path()) / FRAME
}

fn empty_wal(test: &TestStore) {
    let busy: bool =
        test.sqlite().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert!(!busy);
}

/// The size of the database when all is in it.
fn size(test: &TestStore) -> u64 {
    empty_wal(test);
    fs::metadata(test.store.path()).unwrap().len()
}

/// Ids that look like those of programs: random, and always the same.
fn id(n: u64) -> String {
    format!("{:08x}", (n + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32)
}

/// Sessions of so many messages, each so long; their bytes.
fn write_sessions(test: &TestStore, sessions: u64, messages: u64, length: usize) -> u64 {
    let mut bytes = 0;
    for session in 0..sessions {
        let mut content = header(&format!("session-{session}"));
        let mut parent: Option<String> = None;
        for n in 0..messages {
            let id = id(session * messages + n);
            content += &message(&id, parent.as_deref(), &"x".repeat(length));
            parent = Some(id);
        }
        bytes += content.len() as u64;
        test.write(format!("sessions/--w--/{session}.jsonl"), content);
    }
    bytes
}

#[test]
fn an_append_writes_a_page_of_each_table_and_index_that_it_moves() {
    let test = TestStore::new();
    let session = test.store.create(&NewSession::new("/w")).unwrap();
    let message = format!(r#"{{"role":"user","content":"{}"}}"#, "x".repeat(1_000));
    let append = || {
        session.append_message(&message).unwrap();
    };
    (0..20).for_each(|_| append());

    let mut written: Vec<u64> = (0..20).map(|_| pages(&test, append)).collect();
    written.sort_unstable();

    // Files, sessions, entries, their ids, lines; now and then a page is full.
    assert_eq!(written[10], 5, "{written:?}");
    assert!(written[19] <= 9, "{written:?}");
}

#[test]
fn a_database_of_many_short_sessions_is_at_most_so_large() {
    let test = TestStore::new();
    let before = size(&test);
    let bytes = write_sessions(&test, 300, 20, 150);

    test.import();

    let ratio = (size(&test) - before) as f64 / bytes as f64;
    assert!(ratio <= 1.49, "{ratio}");
}

#[test]
fn a_database_of_long_lines_is_at_most_so_large() {
    let test = TestStore::new();
    let before = size(&test);
    let bytes = write_sessions(&test, 4, 500, 1_250);

    test.import();

    let ratio = (size(&test) - before) as f64 / bytes as f64;
    assert!(ratio <= 1.24, "{ratio}");
}

#[test]
fn a_small_file_more_costs_a_few_pages() {
    let test = TestStore::new();
    write_sessions(&test, 300, 20, 150);
    test.import();
    let file = "sessions/--w--/0.jsonl";
    let grown = fs::read_to_string(test.root.join(file)).unwrap() + &message("last", None, "more");
    test.write(file, grown);

    let written = pages(&test, || {
        test.store.import(&test.root, &options()).unwrap();
    });

    assert!(written <= 24, "{written}");
}

#[test]
fn a_clone_and_a_fork_store_no_line_twice() {
    let test = TestStore::new();
    let bytes = write_sessions(&test, 1, 1_000, 1_000);
    test.import();
    let original = test.store.find("session-0").unwrap();
    let before = size(&test);

    original.clone_session().unwrap();
    let cloned = size(&test);
    original.fork(&id(501)).unwrap();
    let forked = size(&test);

    let ratio = (cloned - before) as f64 / bytes as f64;
    assert!(ratio <= 0.11, "{ratio}");
    let ratio = (forked - cloned) as f64 / (bytes / 2) as f64;
    assert!(ratio <= 0.08, "{ratio}");
}
