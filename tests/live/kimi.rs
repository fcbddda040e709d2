//! Changes of Kimi sessions, forks, undo, and what is rejected.

use std::path::Path;

use sessile::{
    Archived, Durability, Error, ExportOptions, Format, ImportOptions, Session, SessionFilter,
    SessionKey, Store, StoreOptions, Timestamp,
};
use tempfile::TempDir;

fn open(path: &Path) -> Store {
    StoreOptions::new().durability(Durability::Normal).open(path).unwrap()
}

fn small() -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("sessions.db"));
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/kimi/small");
    store.import(root, &ImportOptions::new()).unwrap();
    (folder, store)
}

fn contents(store: &Store, session: SessionKey) -> Vec<String> {
    let messages = store.session(session).unwrap().context().unwrap();
    let content = |json: &str| {
        let message: serde_json::Value = serde_json::from_str(json).unwrap();
        match &message["content"] {
            serde_json::Value::String(text) => text.clone(),
            parts => parts[0]["text"].as_str().unwrap_or_default().to_owned(),
        }
    };
    messages.iter().map(|message| content(message.json())).collect()
}

#[test]
fn a_fork_at_a_turn_has_the_files_that_kimi_would_write() {
    let (folder, store) = small();
    let original = store.find("1111").unwrap();
    let at = Timestamp::parse("2026-07-01T00:00:00Z").unwrap();

    let sessile::Fork { session: fork, text, .. } =
        original.at(at).with_id("fork").kimi().unwrap().fork_at_turn(1).unwrap();

    assert_eq!(text, "And a branch?");
    let info = fork.info().unwrap();
    assert_eq!(info.title.as_deref(), Some("Fork: Trees"));
    assert_eq!(info.work_dir.as_deref(), Some("/home/me/alpha"));
    assert_eq!(fork.kimi().unwrap().turns().unwrap().len(), 2);
    let out = folder.path().join("out");
    store.export(&out, &ExportOptions::new().session(fork.key())).unwrap();
    let files = out.join("sessions/dd3464ad15e3938bd1128bd2347c29d6/fork");
    let wire = std::fs::read_to_string(files.join("wire.jsonl")).unwrap();
    assert_eq!(wire.lines().count(), 8);
    let state = std::fs::read_to_string(files.join("state.json")).unwrap();
    assert!(state.contains("\"wire_mtime\": 1782864000.0"), "{state}");
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn undo_ends_before_a_turn_and_gives_its_text_back() {
    let (_folder, store) = small();
    let original = store.find("1111").unwrap();

    let sessile::Fork { session: undone, text, .. } =
        original.kimi().unwrap().undo_to_turn(1).unwrap();
    let sessile::Fork { session: empty, text: first, .. } =
        original.kimi().unwrap().undo_to_turn(0).unwrap();

    assert_eq!((text.as_str(), first.as_str()), ("And a branch?", "What is a leaf?"));
    assert_eq!(undone.info().unwrap().title.as_deref(), Some("Undo: Trees"));
    assert_eq!(undone.kimi().unwrap().turns().unwrap().len(), 1);
    assert_eq!(empty.info().unwrap().entry_count, 0);
    assert!(matches!(
        original.kimi().unwrap().undo_to_turn(9),
        Err(Error::TurnNotFound { turn: 9, turns: 3 })
    ));
    assert!(matches!(
        original.kimi().unwrap().fork_at_turn(9),
        Err(Error::TurnNotFound { turn: 9, .. })
    ));
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_branch_that_was_rotated_away_can_be_labelled_and_forked() {
    let (_folder, store) = small();
    let session = store.find("1111").unwrap();
    let original = session.clone();
    let lost = session.leaves().unwrap().remove(0);

    let known = original.append_label_change(&lost.id, Some("roots")).unwrap().is_known;
    let sessile::Fork { session: fork, .. } = original.fork(&lost.id).unwrap();

    assert!(known);
    assert_eq!(session.entry(&lost.id).unwrap().unwrap().label.as_deref(), Some("roots"));
    assert_eq!(
        contents(&store, fork.key()),
        ["What is a leaf?", "", "And a root?", "Where a path begins."]
    );
    // A path has the same ids wherever it stands.
    assert_eq!(fork.info().unwrap().leaf, Some(lost.id));
    assert!(store.check().unwrap().is_empty());
}

#[test]
fn a_flat_session_is_forked_titled_and_deleted_like_any_other() {
    let (folder, store) = small();
    let session = store.find("4444").unwrap();
    let live = session.clone();

    let copy = live.clone_session().unwrap();
    live.rename(Some("Old")).unwrap();
    assert_eq!(live.info().unwrap().title.as_deref(), Some("Old"));
    assert_eq!(contents(&store, copy.key()), ["flat", "as of old"]);

    session.at(Timestamp::now()).trash().unwrap();
    let out = folder.path().join("out");
    store.export(&out, &ExportOptions::new()).unwrap();
    let names: Vec<String> =
        std::fs::read_dir(out.join("sessions/dd3464ad15e3938bd1128bd2347c29d6"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
    assert!(!names.iter().any(|name| name.starts_with("4444")), "{names:?}");
    assert!(store.check().unwrap().is_empty());

    session.purge().unwrap();
    assert!(matches!(store.find("4444"), Err(Error::SessionNotFound(_))));
    assert!(store.check().unwrap().is_empty());
}

/// A fork that is written here, whose context its root has otherwise: the root's
/// is current, ours what Kimi makes of a context that it puts aside.
#[test]
fn a_context_that_was_written_here_and_at_its_root_is_a_rotation_of_the_roots() {
    let line = |text: &str| format!("{{\"role\":\"user\",\"content\":\"{text}\"}}\n");
    for rotates in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder.path().join("sessions.db"));
        let root = folder.path().join("root");
        let beside = root.join("sessions/dd3464ad15e3938bd1128bd2347c29d6");
        let write = |path: &str, text: &str| {
            let path = beside.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let import = || {
            store.import(&root, &ImportOptions::new().format(Format::Kimi)).unwrap();
            assert_eq!(store.check().unwrap(), []);
            assert_eq!(store.verify(&root).unwrap().differences, []);
        };
        let ours = [line("one"), line("two")].concat();
        write("given/context.jsonl", &ours);
        import();
        let fork = store.find("given").unwrap().with_id("fork").fork_branch().unwrap();

        // It went to the root, and Kimi compacted it there, and went on.
        write("fork/context.jsonl", &line("compacted"));
        if rotates {
            write("fork/context_1.jsonl", &ours);
        }
        import();
        write("fork/context.jsonl", &[line("compacted"), line("three")].concat());
        import();

        assert_eq!(contents(&store, fork.key()), ["compacted", "three"], "{rotates}");
        let mut dumped = Vec::new();
        fork.dump(&mut dumped).unwrap();
        let dumped: serde_json::Value = serde_json::from_slice(&dumped).unwrap();
        let rotations = dumped["rotations"].as_array().unwrap();
        assert_eq!(rotations.len(), 1, "{rotations:?}");
        assert!(rotations[0]["file"].as_str().unwrap().ends_with("fork/context_1.jsonl"));
        assert_eq!(rotations[0]["context"]["history"].as_array().unwrap().len(), 2);
        let kinds: Vec<_> =
            fork.problems().unwrap().into_iter().map(|problem| problem.kind).collect();
        assert!(!kinds.contains(&sessile::ProblemKind::Diverged), "{kinds:?}");
    }
}

#[test]
fn what_kimi_writes_itself_is_refused_and_changes_nothing() {
    let (_folder, store) = small();
    let live = store.find("1111").unwrap();
    let before = live.info().unwrap().entry_count;

    assert!(matches!(live.append_message("{}"), Err(Error::Unsupported(_))));
    assert!(matches!(live.branch("x"), Err(Error::Unsupported(_) | Error::EntryNotFound { .. })));
    let new = sessile::NewSession::new("/w").format(sessile::Format::Kimi);
    assert!(matches!(store.create(&new), Err(Error::Unsupported(_))));
    assert_eq!(live.info().unwrap().entry_count, before);
}

#[test]
fn markdown_says_what_is_known_and_what_was_said() {
    let (_folder, store) = small();
    let at = Timestamp::parse("2026-07-01T00:00:00Z").unwrap();

    let text = store.find("1111").unwrap().markdown(at).unwrap();

    let expected = "---\nsession_id: 11111111-1111-4111-8111-111111111111\n\
                    exported_at: 2026-07-01T00:00:00.000Z\nwork_dir: /home/me/alpha\n\
                    message_count: 3\ntoken_count: 13\n---\n";
    assert!(text.starts_with(expected), "{text}");
    assert!(text.ends_with("\n### User\n\nThanks!\n\n### Assistant\n\nAny time.\n"), "{text}");
}

#[test]
fn the_registry_names_the_last_session_of_a_work_dir() {
    let (_folder, store) = small();

    let last = store.remembered("/home/me/alpha").unwrap().unwrap();

    assert_eq!(last.key(), store.find("1111").unwrap().key());
}

/// What a store knows, wherever its root is.
fn known(store: &Store) -> Vec<String> {
    let mut out = Vec::new();
    store.dump(&mut out).unwrap();
    let after_root = |row: &str| row.split_once(",\"file\":").unwrap().1.to_owned();
    String::from_utf8(out).unwrap().lines().map(after_root).collect()
}

/// A change, and what it is called.
type Change = (&'static str, fn(&Session));

const CHANGES: [Change; 13] = [
    ("a title", |session| session.rename(Some("new \u{1f600}")).unwrap()),
    ("no title", |session| session.rename(None).unwrap()),
    ("a long title", |session| session.rename(Some(&"x ".repeat(300))).unwrap()),
    ("archived", |session| session.clone().at(Timestamp(1_500)).archive().unwrap()),
    ("unarchived", |session| session.clone().at(Timestamp(0)).unarchive().unwrap()),
    ("archived, then titled", |session| {
        session.clone().at(Timestamp(-1)).archive().unwrap();
        session.rename(Some("t")).unwrap();
    }),
    ("a copy", |session| drop(session.clone_session().unwrap())),
    ("a copy of a copy", |session| {
        session.clone_session().unwrap().clone_session().unwrap();
    }),
    ("a fork at the first turn", |session| {
        if_there_is_one(session.kimi().unwrap().fork_at_turn(0));
    }),
    ("undone", |session| if_there_is_one(session.kimi().unwrap().undo_to_turn(0))),
    ("a fork at each entry", |session| {
        for entry in session.path().unwrap() {
            session.fork(&entry.id).unwrap();
        }
    }),
    ("deleted and restored", |session| {
        session.clone().at(Timestamp(0)).trash().unwrap();
        session.clone().at(Timestamp(1)).restore().unwrap();
    }),
    ("purged", |session| drop(session.purge().unwrap())),
];

/// Not every session has a turn.
fn if_there_is_one<T>(made: sessile::Result<T>) {
    if let Err(err) = made {
        assert!(err.is_not_found(), "{err:?}");
    }
}

#[test]
fn after_each_change_an_export_says_what_the_store_says() {
    for (what, change) in CHANGES {
        let (folder, store) = small();
        let all = SessionFilter::new().archived(Archived::Included);
        let sessions = store.sessions(&all).unwrap().rows;
        assert_eq!(sessions.len(), 6);

        sessions.iter().for_each(|row| change(&store.session(row.key).unwrap()));
        assert_eq!(store.check().unwrap(), [], "{what}");
        let before = known(&store);
        store.rebuild().unwrap();
        assert_eq!(known(&store), before, "{what}");

        let out = folder.path().join("out");
        store.export(&out, &ExportOptions::new()).unwrap();
        let other = open(&folder.path().join("other.db"));
        other.import(&out, &ImportOptions::new()).unwrap();
        for (there, here) in known(&other).iter().zip(&before) {
            assert_eq!(there, here, "{what}");
        }
        assert_eq!(known(&other).len(), before.len(), "{what}");
    }
}
