//! The public API: which types it exposes, and what its errors say.

use std::fs;
use std::path::Path;

use sessile::{Error, ImportOptions, NewSession, Store, StoreOptions};

use crate::support::TestStore;

/// The files of the library, with their paths.
fn sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut todo = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(at) = todo.pop() {
        if at.ends_with("src/bin") {
            continue;
        }
        if at.is_dir() {
            todo.extend(fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            found.push((at.display().to_string(), fs::read_to_string(&at).unwrap()));
        }
    }
    found
}

/// The lines of the library that anyone outside can name: `pub` items and
/// fields, and the variants of the error.
fn public_lines() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for (path, source) in sources() {
        let variants =
            source.split("pub enum Error {").nth(1).and_then(|rest| rest.split("\n}").next());
        let lines = source.lines().filter(|line| line.trim_start().starts_with("pub "));
        let lines = lines.chain(variants.unwrap_or_default().lines());
        found.extend(lines.map(|line| (path.clone(), line.to_owned())));
    }
    found
}

#[test]
fn no_type_of_the_libraries_below_is_public() {
    let lines = public_lines();

    assert!(lines.iter().any(|(_, line)| line.contains("CommitUnknown(")));
    for (file, line) in lines {
        for name in ["rusqlite", "r2d2", "refinery", "chrono::", "zstd::"] {
            assert!(!line.contains(name), "{file}: {line}");
        }
    }
}

/// What a handle can do, and its documentation.
fn methods_and_contents(name: &str) -> (Vec<String>, String) {
    let (mut methods, mut contents) = (Vec::new(), String::new());
    let (block, definition) = (format!("impl {name} {{"), format!("pub struct {name} {{"));
    for (_, source) in sources() {
        let mut is_inside = false;
        for line in source.lines() {
            if line.starts_with("impl") {
                is_inside = line == block;
            }
            let method = line.strip_prefix("    pub fn ").filter(|_| is_inside);
            methods.extend(method.map(|rest| rest.split(['(', '<']).next().unwrap().to_owned()));
        }
        if let Some((before, _)) = source.split_once(&definition) {
            contents = before.rsplit("\n\n").next().unwrap().to_owned();
        }
    }
    (methods, contents)
}

#[test]
fn the_contents_of_a_handle_have_every_method() {
    for name in ["Store", "Session"] {
        let (methods, contents) = methods_and_contents(name);
        assert!(20 < methods.len(), "{name}: {methods:?}");
        for method in methods {
            assert!(contents.contains(&format!("(Self::{method})")), "{name}::{method}");
        }
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> serde_json::Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn rows_are_objects_of_their_fields() {
    let test = TestStore::new();
    let time = sessile::Timestamp::parse("2026-01-02T03:04:05.678Z").unwrap();
    let session = test.store.create(&NewSession::new("/w").at(time).session_id("s")).unwrap();
    let said = r#"{"role":"user","content":"one","id":"a"}"#;
    session.at(time).append_message(said).unwrap();
    session.at(time).tag("release").unwrap();

    let entry = to_json(&session.path().unwrap()[0]);
    let expected = serde_json::json!({
        "id": "a", "parent_id": null, "entry_type": "message", "role": "user",
        "created_at": "2026-01-02T03:04:05.678Z", "label": null, "line": 2,
    });
    assert_eq!(entry, expected);
    let message = to_json(&session.context().unwrap()[0]);
    let object: serde_json::Value = serde_json::from_str(said).unwrap();
    assert_eq!(message, serde_json::json!({"entry_id": "a", "message": object}));
    let info = to_json(&session.info().unwrap());
    assert!(info["file"].as_str().unwrap().ends_with("_s.jsonl"), "{info}");
    assert_eq!(info["leaf"], "a");
    let page = to_json(&test.store.sessions(&sessile::SessionFilter::new()).unwrap());
    assert_eq!(page["rows"][0]["tags"], serde_json::json!(["release"]));
    assert_eq!(page["rows"][0]["modified_at"], "2026-01-02T03:04:05.678Z");
    let stats = to_json(&test.store.stats().unwrap());
    assert_eq!(stats["files"][0]["kind"], "folder");
    assert_eq!(to_json(&sessile::Stored::Text("x".into())), "x");
    assert_eq!(sessile::Stored::Text("x".into()).to_string(), "x");
}

#[test]
fn what_is_shared_between_threads_can_be() {
    fn check<T: Send + Sync>() {}

    check::<Error>();
    check::<Store>();
    check::<sessile::Session>();
    check::<sessile::Snapshot>();
    check::<sessile::SessionFilter>();
    check::<sessile::Page>();
    check::<sessile::SessionInfo>();
    check::<sessile::CapturedBranch>();
    check::<sessile::ImportReport>();
}

#[track_caller]
fn check_kind(err: &Error, is_not_found: bool, is_busy: bool, is_conflict: bool) {
    let told = (err.is_not_found(), err.is_busy(), err.is_conflict());
    assert_eq!(told, (is_not_found, is_busy, is_conflict), "{err:?}");
}

#[test]
fn an_error_says_what_a_caller_can_do() {
    let test = TestStore::new();
    let session = test.store.create(&NewSession::new("/w").session_id("s")).unwrap();
    let message = r#"{"role":"user","content":"one","id":"a"}"#;
    session.append_message(message).unwrap();

    check_kind(&test.store.find("nobody").unwrap_err(), true, false, false);
    check_kind(&session.branch("nowhere").unwrap_err(), true, false, false);
    let nothing = test.store.path().with_file_name("nothing");
    let root = test.store.import(&nothing, &ImportOptions::new()).unwrap_err();
    check_kind(&root, true, false, false);
    let database = StoreOptions::new().create(false).open(&nothing).unwrap_err();
    check_kind(&database, true, false, false);
    check_kind(&Error::Busy, false, true, false);
    check_kind(&session.append_message(message).unwrap_err(), false, false, true);
    check_kind(&session.expecting(None).append_message("{}").unwrap_err(), false, false, true);
    let again = test.store.create(&NewSession::new("/w").session_id("s")).map(drop);
    check_kind(&again.unwrap_err(), false, false, true);
    check_kind(&session.append_message("[]").unwrap_err(), false, false, false);
}

#[test]
fn ids_times_and_names_are_serialised_as_reports_have_them() {
    let test = TestStore::new();
    let time = sessile::Timestamp::parse("2026-01-02T03:04:05.678Z").unwrap();
    let session = test.store.create(&NewSession::new("/w").at(time)).unwrap();
    let info = session.info().unwrap();

    let all = (info.key, info.created_at, info.format, info.header);
    let json = serde_json::to_value(all).unwrap();

    let number = json[0].as_i64().unwrap();
    assert_eq!(json, serde_json::json!([number, "2026-01-02T03:04:05.678Z", "kward", "stored"]));
    let read: (sessile::SessionKey, sessile::Timestamp, sessile::Format, sessile::Header) =
        serde_json::from_value(json).unwrap();
    assert_eq!(read, all);
    assert!(serde_json::from_str::<sessile::Timestamp>("\"yesterday\"").is_err());
    assert!(serde_json::from_str::<sessile::Format>("\"word\"").is_err());
}
