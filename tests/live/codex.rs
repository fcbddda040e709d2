//! Codex threads that are written here: records, names, the archive, forks.

use std::fs;
use std::path::Path;

use serde_json::Value;
use sessile::{
    Durability, Error, ExportOptions, Format, ImportOptions, NewSession, Session, Store,
    StoreOptions, Timestamp,
};
use tempfile::TempDir;

const THREAD: &str = "0199a000-0001-7000-8000-000000000001";
const PAGED: &str = "0199a000-0003-7000-8000-000000000003";
const NEW: &str = "0199b000-0000-7000-8000-000000000000";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn open(folder: &TempDir) -> Store {
    let path = folder.path().join("sessions.db");
    StoreOptions::new().durability(Durability::Normal).open(&path).unwrap()
}

fn small() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/codex/small");
    store.import(root, &ImportOptions::new()).unwrap();
    (folder, store)
}

fn row(session: &Session) -> Value {
    let mut out = Vec::new();
    session.dump(&mut out).unwrap();
    serde_json::from_slice(&out).unwrap()
}

fn prompts(row: &Value) -> Vec<&str> {
    let turns = row["turns"].as_array().unwrap().iter();
    turns.filter_map(|turn| turn["items"][0]["text"].as_str()).collect()
}

fn export(store: &Store, folder: &TempDir, name: &str) -> std::path::PathBuf {
    let out = folder.path().join(name);
    store.export(&out, &ExportOptions::new()).unwrap();
    out
}

fn read(out: &Path, path: &str) -> String {
    fs::read_to_string(out.join(path)).unwrap()
}

fn meta(id: &str, mode: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-02-01T10:00:00.100Z","type":"session_meta","payload":{{"id":"{id}","timestamp":"2026-02-01T10:00:00.000Z","cwd":"/w","originator":"o","cli_version":"1","source":"cli","history_mode":"{mode}"}}}}"#
    )
}

const ASKED: &str = r#"{"timestamp":"2026-02-01T10:00:01.000Z","type":"event_msg","payload":{"type":"user_message","message":"a \/ b"}}"#;

#[test]
fn a_thread_is_made_of_its_records_at_the_place_of_its_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let new = NewSession::new("").format(Format::Codex);
    assert!(matches!(store.create(&new), Err(Error::Unsupported(_))));
    assert!(matches!(store.create(&new.clone().record(ASKED)), Err(Error::InvalidRecord(_))));

    let session = store.create(&new.clone().record(&meta(NEW, "legacy"))).unwrap();
    assert_eq!(session.append_record(ASKED).unwrap(), 2);

    assert_eq!(session.info().unwrap().title.as_deref(), Some("a / b"));
    assert!(matches!(
        store.create(&new.record(&meta(NEW, "legacy"))),
        Err(Error::SessionExists(_))
    ));
    let path = format!("sessions/2026/02/01/rollout-2026-02-01T10-00-00-{NEW}.jsonl");
    let expected = format!("{}\n{}\n", meta(NEW, "legacy"), ASKED.replace("\\/", "/"));
    assert_eq!(read(&export(&store, &folder, "out"), &path), expected);
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_record_and_lines_are_refused_where_another_leaf_is_expected() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let new = NewSession::new("").format(Format::Codex).record(&meta(NEW, "legacy"));
    let session = store.create(&new).unwrap();
    session.append_record(ASKED).unwrap();
    let leaf = session.info().unwrap().leaf;
    let late = session.expecting(Some("line:1"));

    assert!(late.append_record(ASKED).unwrap_err().is_conflict());
    assert!(late.append_lines([ASKED]).unwrap_err().is_conflict());
    assert_eq!(session.lines(0).unwrap().len(), 2);

    assert_eq!(session.expecting(leaf.as_deref()).append_lines([ASKED, ASKED]).unwrap(), [3, 4]);
}

#[test]
fn a_record_of_a_counted_thread_gets_its_ordinal() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let header =
        meta(NEW, "paginated").replace("\"type\":\"session", "\"ordinal\":0,\"type\":\"session");
    let session = store.create(&NewSession::new("").format(Format::Codex).record(&header)).unwrap();

    session.append_record(ASKED).unwrap();
    session.append_record(ASKED).unwrap();

    let mut lines = Vec::new();
    session
        .each_line(|_, line| {
            lines.push(String::from_utf8(line.to_vec()).unwrap());
            Ok(())
        })
        .unwrap();
    assert!(lines[1].starts_with(r#"{"timestamp":"2026-02-01T10:00:01.000Z","ordinal":1,"type""#));
    assert!(lines[2].contains("\"ordinal\":2"));
}

#[test]
fn a_name_is_a_line_of_the_index_and_is_never_taken_away() {
    let (folder, store) = small();
    let session = store.find(THREAD).unwrap();

    session.at(at("2026-03-01T00:00:00.25Z")).rename(Some("  Roots ")).unwrap();

    assert!(matches!(session.rename(None), Err(Error::InvalidRecord(_))));
    assert!(matches!(session.rename(Some(" ")), Err(Error::InvalidRecord(_))));
    assert_eq!(session.info().unwrap().title.as_deref(), Some("Roots"));
    let index = read(&export(&store, &folder, "out"), "session_index.jsonl");
    // The torn line has an end now.
    assert!(index.ends_with(&format!(
        "{{\"id\":\"torn\n{{\"id\":\"{THREAD}\",\"thread_name\":\"Roots\",\"updated_at\":\"2026-03-01T00:00:00.25Z\"}}\n"
    )), "{index}");
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn all_files_of_a_thread_go_to_the_archive_and_come_back() {
    let (folder, store) = small();
    let session = store.find(PAGED).unwrap();
    let before = row(&session);

    session.archive().unwrap();
    assert_eq!(row(&session)["archived"], true);
    let fork = store.find("0199a000-0004").unwrap();
    assert_eq!(prompts(&row(&fork)), ["One", "Instead of two", "In the fork"]);
    let out = export(&store, &folder, "archived");
    let in_archive = fs::read_dir(out.join("archived_sessions")).unwrap().count();
    assert_eq!(in_archive, 3);
    assert!(!out.join(before["file"].as_str().unwrap()).exists());
    assert!(store.check().unwrap().is_empty());

    let now = at("2026-04-01T00:00:00Z");
    session.at(now).unarchive().unwrap();
    let after = row(&session);
    assert_eq!((&after["file"], &after["context"]), (&before["file"], &before["context"]));
    assert_eq!(after["modified_at"], now.to_string());
    let out = export(&store, &folder, "back");
    assert_eq!(fs::read_dir(out.join("archived_sessions")).unwrap().count(), 1);
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/codex/small"));
    let file = before["file"].as_str().unwrap();
    assert_eq!(fs::read(out.join(file)).unwrap(), fs::read(root.join(file)).unwrap());
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_compressed_thread_that_is_written_to_becomes_plain() {
    let (folder, store) = small();
    let session = store.find("0199a000-0005").unwrap();
    let lines = session.info().unwrap().entry_count;

    let line = session.append_record(ASKED).unwrap();

    assert_eq!(u64::from(line), lines + 1);
    assert_eq!(prompts(&row(&session)), ["Cold question", "a / b"]);
    let file = row(&session)["file"].as_str().unwrap().to_owned();
    let out = export(&store, &folder, "out");
    assert!(file.ends_with(".jsonl") && !out.join(format!("{file}.zst")).exists());
    assert_eq!(read(&out, &file).lines().count() as u64, lines + 1);
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_fork_of_the_old_kind_writes_every_record_again() {
    let (folder, store) = small();
    let session = store.find("0199a000-0006").unwrap();
    let now = at("2026-05-01T00:00:00Z");

    let fork = session.at(now).with_id(NEW).fork_branch().unwrap();

    let copied = row(&fork);
    assert_eq!(copied["forked_from_id"], "0199a000-0006-7000-8000-000000000006");
    assert_eq!(copied["context"], row(&session)["context"]);
    assert_eq!(copied["root"], row(&session)["root"]);
    let out = export(&store, &folder, "out");
    let text = read(&out, copied["file"].as_str().unwrap());
    assert!(
        text.lines().all(|line| line.starts_with(r#"{"timestamp":"2026-05-01T00:00:00.000Z""#))
    );
    assert_eq!(text.matches("\"session_meta\"").count(), 2);
    assert!(matches!(session.fork_at_turn(0), Err(Error::TurnNotFound { .. })));
    assert!(matches!(session.fork_at_turn(2), Err(Error::TurnNotFound { .. })));
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_fork_at_a_turn_ends_before_the_next_one() {
    let (_folder, store) = small();
    let session = store.find(THREAD).unwrap();

    let sessile::Fork { session: fork, text, .. } = session.with_id(NEW).fork_at_turn(1).unwrap();

    assert_eq!(text, "First question");
    assert_eq!(prompts(&row(&fork)), ["First question"]);
    // A fork of a thread with a name has it, too.
    assert_eq!(fork.info().unwrap().title.as_deref(), Some("Trees"));
    // The last turn was made up by the program.
    assert!(matches!(session.fork_at_turn(3), Err(Error::Unsupported(_))));
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_fork_of_a_counted_thread_names_the_file_that_holds_its_beginning() {
    let (folder, store) = small();
    let session = store.find("0199a000-0004").unwrap();
    let now = at("2026-05-01T00:00:00Z");

    let fork = session.at(now).with_id(NEW).fork_at_turn(1).unwrap().session;

    let copied = row(&fork);
    assert_eq!(prompts(&copied), ["One"]);
    // What stands before the next turn is the head of the segment, in another file.
    assert!(copied["base"]["file"].as_str().unwrap().contains("0199a000-000a-"));
    assert_eq!(copied["problems"], serde_json::json!([]));
    let out = export(&store, &folder, "out");
    let text = read(&out, copied["file"].as_str().unwrap());
    assert_eq!(text.lines().count(), 1);
    assert!(text.contains("\"history_base\":{\"thread_id\":\"0199a000-000a-"), "{text}");
    fork.append_record(ASKED).unwrap();
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn what_both_write_is_one_thread_and_one_index() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let root = folder.path().join("root");
    let day = root.join("sessions/2026/02/01");
    fs::create_dir_all(&day).unwrap();
    let file = day.join(format!("rollout-2026-02-01T10-00-00-{NEW}.jsonl"));
    fs::write(&file, format!("{}\n", meta(NEW, "legacy"))).unwrap();
    let options = ImportOptions::new().format(Format::Codex);
    store.import(&root, &options).unwrap();
    let session = store.find(NEW).unwrap();
    session.append_record(ASKED).unwrap();
    session.rename(Some("Ours")).unwrap();

    let theirs = ASKED.replace("a \\/ b", "theirs");
    fs::write(&file, format!("{}\n{theirs}\n", meta(NEW, "legacy"))).unwrap();
    store.import(&root, &options).unwrap();

    assert_eq!(prompts(&row(&session)), ["a / b", "theirs"]);
    assert_eq!(session.info().unwrap().title.as_deref(), Some("Ours"));
    assert!(store.check().unwrap().is_empty());
}
