//! Codex threads of several files, one of which is changed.

use std::fs;
use std::path::Path;

use sessile::{Durability, Error, ExportOptions, Format, ImportOptions, Store, StoreOptions};
use tempfile::TempDir;

const THREAD: &str = "0199b000-0000-7000-8000-000000000001";
const OTHER: &str = "0199b000-0000-7000-8000-000000000002";
const ASKED: &str = r#"{"timestamp":"2026-02-01T10:00:01.000Z","type":"event_msg","payload":{"type":"user_message","message":"q"}}"#;

/// The first line of a rollout, with more members before its end.
fn meta(id: &str, more: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-02-01T10:00:00.000Z","type":"session_meta","payload":{{"id":"{id}","timestamp":"2026-02-01T10:00:00.000Z","cwd":"/w","originator":"o","cli_version":"1","source":"cli"{more}}}}}"#
    )
}

fn name(id: &str) -> String {
    format!("rollout-2026-02-01T10-00-00-{id}.jsonl")
}

/// A root with these files, and a store that has read it.
fn imported(files: &[(&str, String)]) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("codex");
    for (path, content) in files {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let path = folder.path().join("sessions.db");
    let store = StoreOptions::new().durability(Durability::Normal).open(&path).unwrap();
    store.import(&root, &ImportOptions::new().format(Format::Codex)).unwrap();
    (folder, store)
}

fn exported(store: &Store, folder: &Path) -> impl Fn(&str) -> Option<String> {
    let out = folder.join("out");
    store.export(&out, &ExportOptions::new()).unwrap();
    move |path| fs::read_to_string(out.join(path)).ok()
}

#[test]
fn two_files_of_one_name_are_two_when_one_of_them_goes_on_here() {
    let active = format!("sessions/2026/02/01/{}", name(THREAD));
    let archived = format!("archived_sessions/{}", name(THREAD));
    let other = format!("{}\n", meta(OTHER, ""));
    let (folder, store) = imported(&[
        (&active, format!("{}\n{ASKED}\n", meta(THREAD, ""))),
        (&archived, other.clone()),
    ]);

    store.find(THREAD).unwrap().append_record(ASKED).unwrap();

    let at = exported(&store, folder.path());
    assert_eq!(at(&archived).as_deref(), Some(&*other));
    assert_eq!(at(&active).unwrap().lines().count(), 3);
    assert!(store.find(OTHER).is_ok());
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_thread_whose_head_is_purged_goes_on_in_its_other_file() {
    // Their names say nothing of the thread.
    let (_folder, store) = imported(&[
        ("sessions/rollout-x.jsonl", format!("{}\n{ASKED}\n", meta(THREAD, ""))),
        ("sessions/rollout-y.jsonl", format!("{}\n{ASKED}\n", meta(THREAD, ""))),
    ]);
    let head = store.find(THREAD).unwrap();
    assert_eq!(head.info().unwrap().file, Path::new("sessions/rollout-y.jsonl"));

    head.purge().unwrap();

    let left = store.find(THREAD).unwrap();
    assert_eq!(left.info().unwrap().file, Path::new("sessions/rollout-x.jsonl"));
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_purge_takes_the_names_with_it_that_a_thread_got_here() {
    let log = |id| format!("{}\n{ASKED}\n", meta(id, ""));
    let at_root =
        format!(r#"{{"id":"{OTHER}","thread_name":"Rooted","updated_at":"2026-02-01T10:00:00Z"}}"#);
    let (folder, store) = imported(&[
        (&format!("sessions/2026/02/01/{}", name(THREAD)), log(THREAD)),
        (&format!("sessions/2026/02/01/{}", name(OTHER)), log(OTHER)),
        ("session_index.jsonl", at_root + "\n"),
    ]);
    for (id, name) in [(THREAD, "secret one"), (OTHER, "Otherwise"), (THREAD, "secret two")] {
        store.find(id).unwrap().rename(Some(name)).unwrap();
    }
    let held = |text: &str| {
        let bytes = fs::read(store.path()).unwrap();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    };

    store.find(THREAD).unwrap().purge().unwrap();

    assert!(!held("secret"), "the name of a purged thread is in the database");
    assert!(held("Otherwise"));
    assert_eq!(store.find(OTHER).unwrap().info().unwrap().title.as_deref(), Some("Otherwise"));
    assert!(store.check().unwrap().is_empty());
    let root = folder.path().join("codex");
    store.import(&root, &ImportOptions::new()).unwrap();
    assert!(store.verify(&root).unwrap().differences.is_empty());
    let index = exported(&store, folder.path())("session_index.jsonl").unwrap();
    assert_eq!(index.lines().count(), 2, "{index}");

    store.find(OTHER).unwrap().purge().unwrap();

    assert!(!held("Otherwise") && held("Rooted"), "what its root says of it stays");
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn what_begins_with_a_purged_file_says_that_it_is_missing() {
    let base = |id: &str| {
        format!(
            r#","history_mode":"paginated","history_base":{{"thread_id":"{id}","end_ordinal_exclusive":2,"end_byte_offset":9}}"#
        )
    };
    const LAST: &str = "0199b000-0000-7000-8000-000000000003";
    let (_folder, store) = imported(&[
        ("sessions/rollout-x.jsonl", format!("{}\n{ASKED}\n", meta(THREAD, ""))),
        ("sessions/rollout-y.jsonl", format!("{}\n", meta(OTHER, &base(THREAD)))),
        ("sessions/rollout-z.jsonl", format!("{}\n", meta(LAST, &base(OTHER)))),
    ]);

    store.find(THREAD).unwrap().purge().unwrap();

    for id in [OTHER, LAST] {
        let problems = store.find(id).unwrap().problems().unwrap();
        let missing = format!("the base file of the history is missing: {THREAD}");
        assert!(problems.iter().any(|problem| problem.detail == missing), "{id}: {problems:?}");
    }
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_file_that_names_itself_as_its_base_begins_with_itself_in_whatever_order_files_come() {
    let base = format!(
        r#","history_base":{{"thread_id":"{THREAD}","end_ordinal_exclusive":2,"end_byte_offset":9}}"#
    );
    let (_folder, store) =
        imported(&[("sessions/rollout-x.jsonl", format!("{}\n", meta(THREAD, &base)))]);

    let problems = store.find(THREAD).unwrap().problems().unwrap();

    let cyclic = format!("the history is its own base, through {THREAD}");
    assert!(problems.iter().any(|problem| problem.detail == cyclic), "{problems:?}");
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_compressed_file_that_cannot_be_unpacked_is_not_written_to() {
    let path = format!("sessions/2026/02/01/{}.zst", name(THREAD));
    let (folder, store) = imported(&[(&path, "no frame".to_owned())]);
    let file = format!("{}:{path}", folder.path().join("codex").display());

    let refused = store.find(&file).unwrap().append_record(ASKED);

    assert!(matches!(refused, Err(Error::Unsupported(_))), "{refused:?}");
    assert_eq!(exported(&store, folder.path())(&path).as_deref(), Some("no frame"));
}

#[test]
fn what_its_root_has_where_a_file_was_moved_away_here_is_exported() {
    let active = format!("sessions/2026/02/01/{}", name(THREAD));
    let (folder, store) = imported(&[(&active, format!("{}\n{ASKED}\n", meta(THREAD, "")))]);
    store.find(THREAD).unwrap().archive().unwrap();
    let root = folder.path().join("codex");
    let other = format!("{}\n{ASKED}\n{ASKED}\n", meta(THREAD, ",\"account_scoped\":true"));
    fs::write(root.join(&active), &other).unwrap();

    store.import(&root, &ImportOptions::new().again(true)).unwrap();

    let at = exported(&store, folder.path());
    assert_eq!(at(&active).as_deref(), Some(&*other));
    assert!(at(&format!("archived_sessions/{}", name(THREAD))).is_some());
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn what_a_root_no_longer_has_is_kept_in_its_place_though_its_thread_was_archived_here() {
    let active = format!("sessions/2026/02/01/{}", name(THREAD));
    let log = format!("{}\n{ASKED}\n", meta(THREAD, ""));
    let (folder, store) = imported(&[(&active, log.clone())]);
    store.find(THREAD).unwrap().archive().unwrap();
    let root = folder.path().join("codex");
    fs::remove_file(root.join(&active)).unwrap();

    let report = store.import(&root, &ImportOptions::new()).unwrap();

    assert_eq!(report.lost.len(), 1);
    let out = folder.path().join("sources");
    store.export(&out, &ExportOptions::new().source_only(true)).unwrap();
    assert_eq!(fs::read_to_string(out.join(&active)).unwrap(), log);
    let at = exported(&store, folder.path());
    assert_eq!(at(&format!("archived_sessions/{}", name(THREAD))), Some(log));
    assert_eq!(at(&active), None);
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_thread_that_was_archived_here_and_then_at_its_root_has_lost_nothing() {
    let active = format!("sessions/2026/02/01/{}", name(THREAD));
    let archived = format!("archived_sessions/{}", name(THREAD));
    let log = format!("{}\n{ASKED}\n", meta(THREAD, ""));
    let (folder, store) = imported(&[(&active, log.clone())]);
    store.find(THREAD).unwrap().archive().unwrap();
    let root = folder.path().join("codex");
    fs::create_dir_all(root.join("archived_sessions")).unwrap();
    fs::rename(root.join(&active), root.join(&archived)).unwrap();

    let report = store.import(&root, &ImportOptions::new()).unwrap();

    assert_eq!(report.lost, []);
    assert_eq!(store.verify(&root).unwrap().differences, []);
    let out = folder.path().join("sources");
    store.export(&out, &ExportOptions::new().source_only(true)).unwrap();
    assert_eq!(fs::read_to_string(out.join(&archived)).unwrap(), log);
    assert!(!out.join(&active).exists());
    assert!(store.check().unwrap().is_empty());
}

/// A root with one compressed rollout in the archive, and a store that has read it.
fn compressed() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("codex/archived_sessions/{}.zst", name(THREAD)));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let plain = format!("{}\n{ASKED}\n", meta(THREAD, ""));
    fs::write(path, zstd::bulk::compress(plain.as_bytes(), 3).unwrap()).unwrap();
    let store = Store::open(folder.path().join("sessions.db")).unwrap();
    let options = ImportOptions::new().format(Format::Codex);
    store.import(&folder.path().join("codex"), &options).unwrap();
    (folder, store)
}

fn dump(store: &Store) -> String {
    let mut dump = Vec::new();
    store.dump(&mut dump).unwrap();
    String::from_utf8(dump).unwrap()
}

#[test]
fn a_compressed_thread_that_goes_on_here_is_recovered() {
    let (folder, store) = compressed();
    store.find(THREAD).unwrap().append_record(ASKED).unwrap();
    let target = folder.path().join("new.db");

    let report = sessile::recover(store.path(), &target).unwrap();

    assert!(report.is_whole(), "{report:?}");
    let recovered = Store::open(&target).unwrap();
    assert!(recovered.check().unwrap().is_empty());
    assert_eq!(dump(&recovered), dump(&store));
}

#[test]
fn a_compressed_thread_that_goes_on_here_is_recovered_from_its_lines_too() {
    let (folder, store) = compressed();
    store.find(THREAD).unwrap().append_record(ASKED).unwrap();
    let target = folder.path().join("new.db");
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    conn.execute("UPDATE chunks SET raw = zeroblob(length(raw))", []).unwrap();

    let report = sessile::recover(store.path(), &target).unwrap();

    let incomplete: Vec<_> = report.incomplete.iter().map(|one| one.file.clone()).collect();
    assert_eq!(incomplete, [Path::new(&format!("archived_sessions/{}.zst", name(THREAD)))]);
    let recovered = Store::open(&target).unwrap();
    let lines = |store: &Store| store.find(THREAD).unwrap().lines(0).unwrap();
    assert_eq!(lines(&recovered), lines(&store));
}

#[test]
fn lines_beside_a_compressed_file_are_checked_against_it() {
    for change in [
        "DELETE FROM lines WHERE line_key = (SELECT max(line_key) FROM lines)",
        "DELETE FROM lines WHERE line_key = (SELECT min(line_key) FROM lines)",
    ] {
        let (_folder, store) = compressed();
        assert!(store.check().unwrap().is_empty());
        let conn = rusqlite::Connection::open(store.path()).unwrap();
        conn.execute(change, []).unwrap();

        let found = store.check().unwrap();

        let unpacked = found.iter().any(|finding| finding.detail.contains("unpacked line"));
        assert!(unpacked, "{change}: {found:?}");
    }
}

#[test]
fn a_thread_that_the_index_of_names_cannot_hold_is_not_named() {
    let path = format!("sessions/2026/02/01/{}", name(THREAD));
    let (_folder, store) = imported(&[(&path, format!("{}\n{ASKED}\n", meta("nobody", "")))]);
    let session = store.find("nobody").unwrap();
    assert!(matches!(session.rename(Some("Named")), Err(Error::Unsupported(_))));
    assert_eq!(session.info().unwrap().name, None);
}
