//! Live sessions of pi: its bytes, its branches as sessions, and leaves without a record.

use std::path::Path;

use sessile::{
    Error, ExportOptions, Format, ImportOptions, NewSession, RuntimeUpdate, Session, Store,
    Timestamp,
};
use tempfile::TempDir;

fn store() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("sessions.db")).unwrap();
    (folder, store)
}

fn at(second: u32) -> Timestamp {
    Timestamp::parse(&format!("2026-05-01T00:00:{second:02}.000Z")).unwrap()
}

fn new(store: &Store) -> Session {
    let new = NewSession::new("/w").format(Format::Pi).session_id("one").at(at(0));
    store.create(&new).unwrap().at(at(1))
}

fn exported(folder: &TempDir, store: &Store, name: &str, session: &Session) -> String {
    let out = folder.path().join(name);
    store.export(&out, &ExportOptions::new().session(session.key())).unwrap();
    let file = session.info().unwrap().file;
    std::fs::read_to_string(out.join(file)).unwrap()
}

#[test]
fn a_session_is_there_with_its_header_and_in_pis_bytes() {
    let (folder, store) = store();
    let session = new(&store);

    session
        .with_id("a1")
        .pi()
        .unwrap()
        .append_entry("model_change", r#"{ "provider": "p", "modelId": "m" }"#)
        .unwrap();
    session
        .with_id("a2")
        .append_message(r#"{"role":"user","content":"half \ud83d","n":1.50}"#)
        .unwrap();
    session
        .with_id("a3")
        .pi()
        .unwrap()
        .append_entry("custom", r#"{"customType":"x","data":[]}"#)
        .unwrap();
    session.with_id("a4").rename(Some("two\nlines")).unwrap();

    let info = session.info().unwrap();
    assert_eq!(info.file, Path::new("sessions/--w--/2026-05-01T00-00-00-000Z_one.jsonl"));
    assert_eq!(
        exported(&folder, &store, "out", &session),
        "{\"type\":\"session\",\"version\":3,\"id\":\"one\",\"timestamp\":\"2026-05-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n\
         {\"type\":\"model_change\",\"id\":\"a1\",\"parentId\":null,\"timestamp\":\"2026-05-01T00:00:01.000Z\",\"provider\":\"p\",\"modelId\":\"m\"}\n\
         {\"type\":\"message\",\"id\":\"a2\",\"parentId\":\"a1\",\"timestamp\":\"2026-05-01T00:00:01.000Z\",\"message\":{\"role\":\"user\",\"content\":\"half \\ud83d\",\"n\":1.50,\"timestamp\":1777593601000}}\n\
         {\"type\":\"custom\",\"customType\":\"x\",\"data\":[],\"id\":\"a3\",\"parentId\":\"a2\",\"timestamp\":\"2026-05-01T00:00:01.000Z\"}\n\
         {\"type\":\"session_info\",\"id\":\"a4\",\"parentId\":\"a3\",\"timestamp\":\"2026-05-01T00:00:01.000Z\",\"name\":\"two lines\"}\n"
    );
    assert_eq!(info.title.as_deref(), Some("two lines"));
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn what_pi_has_no_record_for_is_refused() {
    let (_folder, store) = store();
    let session = new(&store);

    assert!(session.kward().is_none());
    for refused in [
        session.pi().unwrap().append_entry("custom", "[]"),
        session.pi().unwrap().append_entry("custom", r#"{"customType":"x","i\u0064":"y"}"#),
        session.append_message("\"text\""),
        session.with_id("").append_message("{}"),
    ] {
        assert!(matches!(refused, Err(Error::InvalidRecord(_))), "{refused:?}");
    }
    assert!(matches!(session.branch("x"), Err(Error::EntryNotFound { .. })));
    assert_eq!(session.info().unwrap().entry_count, 0);
}

#[test]
fn a_moved_leaf_writes_no_line_and_branches_go_on_from_it() {
    let (folder, store) = store();
    let session = new(&store);
    let one = session.append_message(r#"{"role":"user","content":"one"}"#).unwrap();
    session.append_message(r#"{"role":"assistant","content":"two"}"#).unwrap();

    let text = session.navigate(&one).unwrap();
    assert_eq!((text.as_str(), session.info().unwrap().leaf), ("one", None));
    assert_eq!(exported(&folder, &store, "out", &session).lines().count(), 3);
    let other = session.append_message(r#"{"role":"user","content":"other"}"#).unwrap();

    assert_eq!(session.roots().unwrap().len(), 2);
    assert_eq!(session.info().unwrap().leaf, Some(other));
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_branch_becomes_a_session_whose_labels_stand_at_its_end() {
    let (folder, store) = store();
    let session = new(&store);
    let user = |text: &str| format!("{{\"role\":\"user\",\"content\":\"{text}\"}}");
    let say = |id: &str| session.with_id(id).append_message(user(id)).unwrap();
    say("a");
    session.with_id("l").append_label_change("a", Some("start")).unwrap();
    say("b");
    session
        .with_id("c")
        .pi()
        .unwrap()
        .append_entry("compaction", r#"{"summary":"s","firstKeptEntryId":"l","tokensBefore":1}"#)
        .unwrap();
    say("d");
    session.branch("a").unwrap();
    say("e");
    session.branch("d").unwrap();

    let fork = session.with_id("two").at(at(9)).fork_branch().unwrap();

    let branch = fork.path().unwrap();
    let ids: Vec<&str> = branch.iter().map(|entry| entry.id.as_str()).collect();
    assert_eq!(ids[..4], ["a", "b", "c", "d"]);
    assert_eq!(branch.len(), 5);
    assert_eq!(branch[4].entry_type, "label");
    assert_eq!(fork.labels().unwrap()[0].target_id, "a");
    let lines = exported(&folder, &store, "out", &fork);
    // What was kept from a label on is kept from the entry behind it.
    assert!(lines.contains("\"firstKeptEntryId\":\"b\""), "{lines}");
    assert!(lines.contains("\"parentSession\":\""), "{lines}");
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn the_first_of_a_fork_is_a_root_and_labels_of_labels_stay_behind() {
    let (folder, store) = store();
    let session = new(&store);
    let orphan =
        r#"{"type":"custom","id":"a","timestamp":"2026-05-01T00:00:01.000Z","parentId":"gone"}"#;
    session.append_record(orphan).unwrap();
    session.with_id("l").append_label_change("a", Some("kept")).unwrap();
    session.with_id("m").append_label_change("l", Some("of a label")).unwrap();

    let fork = session.with_id("two").fork_branch().unwrap();

    let lines = exported(&folder, &store, "out", &fork);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(lines[1], orphan.replace("\"gone\"", "null"));
    assert!(lines[2].ends_with("\"targetId\":\"a\",\"label\":\"kept\"}"), "{lines:?}");
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_copy_of_version_1_is_one_of_version_3() {
    let (folder, store) = store();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pi/small");
    store.import(root, &ImportOptions::new()).unwrap();
    let old = store.find("019d0000-0000-4000").unwrap();
    let said = r#"{"role":"user","content":"more"}"#;
    assert!(matches!(old.append_message(said), Err(Error::Unsupported(_))));

    let copy = old.clone_session().unwrap();
    copy.append_message(said).unwrap();

    let (before, after) = (old.context().unwrap(), copy.context().unwrap());
    let json = |messages: &[sessile::Message]| -> Vec<String> {
        messages.iter().map(|message| message.json().to_owned()).collect()
    };
    assert_eq!(json(&after)[..before.len()], json(&before));
    assert_eq!(after.len(), before.len() + 1);
    let lines = exported(&folder, &store, "out", &copy);
    assert!(lines.starts_with("{\"type\":\"session\",\"version\":3,"), "{lines}");
    assert!(!lines.contains("hookMessage") && !lines.contains("firstKeptEntryIndex"), "{lines}");
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_branch_summary_says_what_was_left_and_has_details_only_when_given() {
    let (folder, store) = store();
    let session = new(&store);
    let said = session.with_id("a").append_message(r#"{"role":"user","content":"x"}"#).unwrap();

    let summary = |id: &str, parent: Option<&str>, details: &str| {
        session.with_id(id).append_branch_summary(parent, None, Some("s"), details).unwrap();
    };
    summary("b", Some(&said), "null");
    summary("c", None, "{}");

    let lines = exported(&folder, &store, "out", &session);
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[2].ends_with("\"fromId\":\"a\",\"summary\":\"s\"}"), "{lines:?}");
    assert!(lines[3].ends_with("\"fromId\":\"b\",\"summary\":\"s\",\"details\":{}}"), "{lines:?}");
}

#[test]
fn names_are_one_line_and_labels_as_given() {
    let (folder, store) = store();
    let session = new(&store);
    let said = session.with_id("a").append_message(r#"{"role":"user","content":"x"}"#).unwrap();

    session.with_id("m").rename(Some("\n\u{a0}\0a \n\u{feff}")).unwrap();
    session.with_id("n").rename(Some(" a\n\r\n\nb\r")).unwrap();
    session.with_id("l1").append_label_change(&said, Some(" one ")).unwrap();
    session.with_id("l2").append_label_change("n", Some("two")).unwrap();
    session.with_id("l3").append_label_change(&said, Some("three")).unwrap();
    session.with_id("l4").append_label_change("l1", Some("")).unwrap();

    let lines = exported(&folder, &store, "out", &session);
    for end in
        ["\"name\":\"\\u0000a\"}", "\"name\":\"a b\"}", "\"label\":\" one \"}", "\"label\":\"\"}"]
    {
        assert!(lines.lines().any(|line| line.ends_with(end)), "{end}: {lines}");
    }
    let labels = |session: &Session| -> Vec<String> {
        session.labels().unwrap().into_iter().map(|label| label.label).collect()
    };
    // A label that is changed keeps its place, in a fork as well.
    assert_eq!(labels(&session), ["three", "two"]);
    assert_eq!(labels(&session.with_id("two").fork_branch().unwrap()), ["three", "two"]);
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_message_is_one_object_and_nothing_beside_it() {
    let (_folder, store) = store();
    let session = new(&store);

    for message in ["", "[]", "null", "{", r#"{"role":"user"},"parentId":"x""#] {
        let err = session.append_message(message).unwrap_err();
        assert!(matches!(err, Error::InvalidRecord(_)), "{message}: {err:?}");
    }

    assert_eq!(session.path().unwrap(), []);
}

#[test]
fn details_of_a_summary_are_one_value() {
    let (_folder, store) = store();
    let session = new(&store);

    let err = session.append_branch_summary(None, None, Some("left"), r#"1,"x":2"#).unwrap_err();

    assert!(matches!(err, Error::InvalidRecord(_)), "{err:?}");
}

#[test]
fn model_and_effort_are_recorded_both_or_not_at_all() {
    let (_folder, store) = store();
    let session = new(&store);
    let update = |model| RuntimeUpdate {
        provider: Some("anthropic"),
        model: Some(model),
        reasoning_effort: Some("high"),
    };

    session.expecting(None).with_id("m").update_runtime(update("opus")).unwrap();
    let moved = session.expecting(None).update_runtime(update("haiku"));

    assert!(matches!(moved, Err(Error::LeafMoved { .. })), "{moved:?}");
    let entries = session.path().unwrap();
    let types: Vec<&str> = entries.iter().map(|entry| &*entry.entry_type).collect();
    assert_eq!(types, ["model_change", "thinking_level_change"]);
    assert_eq!(entries[0].id, "m");
    assert!(store.check().unwrap().is_empty());
}
