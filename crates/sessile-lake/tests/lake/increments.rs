//! Exports after the first.

use std::fs;

use sessile::{ExportOptions, ImportOptions, NewSession, SessionFilter, Store};
use sessile_lake::Error;

use crate::support::{Place, copy, dump, fixture, parquet, tree};

/// Files that were there are there, as they were.
#[track_caller]
fn check_nothing_is_rewritten(
    place: &Place,
    before: &std::collections::BTreeMap<std::path::PathBuf, Vec<u8>>,
) {
    let after = parquet(&place.lake());
    for (path, bytes) in before {
        assert_eq!(after.get(path), Some(bytes), "{}", path.display());
    }
}

#[test]
fn nothing_new_writes_nothing() {
    let place = Place::of_fixtures();
    place.export();
    let (before, manifest) =
        (parquet(&place.lake()), fs::read(place.lake().join("manifest.json")).unwrap());

    assert_eq!(place.export(), sessile_lake::ExportReport::default());

    assert_eq!(parquet(&place.lake()), before);
    assert_eq!(fs::read(place.lake().join("manifest.json")).unwrap(), manifest);
}

#[test]
fn one_more_session_writes_only_that() {
    let place = Place::of_fixtures();
    place.export();
    let before = parquet(&place.lake());
    let session = place.store.create(&NewSession::new("/w")).unwrap();
    session.append_message(r#"{"role":"user","content":"one more"}"#).unwrap();

    let report = place.export();

    assert_eq!((report.sessions, report.lines), (1, 2));
    check_nothing_is_rewritten(&place, &before);
    place.check_back();
}

#[test]
fn what_goes_on_writes_what_is_new_of_it() {
    let place = Place::new();
    let session = place.store.create(&NewSession::new("/w")).unwrap();
    for n in 0..50 {
        session.append_message(format!(r#"{{"role":"user","content":"{n}"}}"#)).unwrap();
    }
    place.export();
    let before = parquet(&place.lake());
    session.append_message(r#"{"role":"user","content":"more"}"#).unwrap();

    let report = place.export();

    assert_eq!((report.sessions, report.lines), (1, 1));
    check_nothing_is_rewritten(&place, &before);
    place.check_back();
}

#[test]
fn a_tree_that_changed_and_a_log_that_was_rewritten_come_back() {
    let place = Place::new();
    let root = place.copy_of("pi/small");
    place.store.import(&root, &ImportOptions::new()).unwrap();
    let session = place.store.create(&NewSession::new("/w")).unwrap();
    let first = session.append_message(r#"{"role":"user","content":"a"}"#).unwrap();
    session.append_message(r#"{"role":"user","content":"b"}"#).unwrap();
    place.export();
    let before = parquet(&place.lake());

    session.branch(&first).unwrap();
    session.append_message(r#"{"role":"user","content":"c"}"#).unwrap();
    session.append_label_change(&first, Some("here")).unwrap();
    session.tag("kept").unwrap();
    for (path, (_, _, bytes)) in crate::support::tree(&root) {
        if path.extension().is_some_and(|end| end == "jsonl") {
            fs::write(root.join(path), &bytes[bytes.len() / 2..]).unwrap();
        }
    }
    place.store.import(&root, &ImportOptions::new()).unwrap();
    place.export();

    check_nothing_is_rewritten(&place, &before);
    assert_eq!(place.verify().findings, []);
    place.check_back();
}

#[test]
fn what_is_purged_is_kept_by_the_lake_and_is_not_given_back() {
    let place = Place::of_fixtures();
    place.export();
    let before = parquet(&place.lake());
    let row = place.store.sessions(&SessionFilter::new()).unwrap().rows.remove(0);
    place.store.session(row.key).unwrap().purge().unwrap();

    let report = place.export();

    assert_eq!(report.gone, 1);
    check_nothing_is_rewritten(&place, &before);
    assert_eq!(place.verify().findings, []);
    place.check_back();
}

#[test]
fn a_lake_that_was_copied_goes_on_by_itself() {
    let place = Place::of_fixtures();
    place.export();
    copy(&place.lake(), &place.path("copy"));
    place.store.create(&NewSession::new("/w")).unwrap();
    let options = sessile_lake::ExportOptions::new();
    let report = sessile_lake::export(place.store.path(), place.path("copy"), &options).unwrap();

    assert_eq!(report.sessions, 1);
    assert_eq!(sessile_lake::verify(place.path("copy")).unwrap().findings, []);
    assert_eq!(place.verify().exports, 1);
}

#[test]
fn another_store_is_refused() {
    let place = Place::of_fixtures();
    place.export();
    let other = Store::open(place.path("other.db")).unwrap();
    other.create(&NewSession::new("/w")).unwrap();
    let options = sessile_lake::ExportOptions::new();

    let refused = sessile_lake::export(other.path(), place.lake(), &options);

    assert!(matches!(refused, Err(Error::OtherStore(_))));
    assert_eq!(place.verify().exports, 1);
    place.check_back();
}

#[test]
fn a_store_of_which_all_was_purged_is_the_same_one() {
    let place = Place::new();
    let first = place.store.create(&NewSession::new("/w")).unwrap();
    first.append_message(r#"{"role":"user","content":"gone"}"#).unwrap();
    place.export();
    first.purge().unwrap();

    assert_eq!(place.export().gone, 1);
    place.check_back();
    place.store.create(&NewSession::new("/w")).unwrap();
    assert_eq!(place.export().sessions, 1);

    assert_eq!(place.verify().findings, []);
    place.check_back();
}

#[test]
fn another_store_of_the_same_root_is_another_also_when_it_is_younger() {
    let place = Place::new();
    let root = place.copy_of("kward/small");
    place.store.import(&root, &ImportOptions::new()).unwrap();
    place.export();
    let other = Store::open(place.path("other.db")).unwrap();
    let (folder, log) = (root.join("sessions/--other--"), fixture("kward/tree"));
    let log = tree(&log).into_iter().find(|(path, _)| path.extension().is_some()).unwrap();
    fs::remove_dir_all(&root).unwrap();
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("1_other.jsonl"), log.1.2).unwrap();
    other.import(&root, &ImportOptions::new()).unwrap();
    let options = sessile_lake::ExportOptions::new();

    let refused = sessile_lake::export(other.path(), place.lake(), &options);

    assert!(matches!(refused, Err(Error::OtherStore(_))));
}

#[test]
fn an_empty_store_is_an_empty_lake() {
    let place = Place::new();

    assert_eq!(place.export(), sessile_lake::ExportReport::default());

    assert_eq!(place.verify().findings, []);
    place.import("back.db");
    assert_eq!(dump(&Store::open(place.path("back.db")).unwrap()), dump(&place.store));
    place.import_fixture("pi/small");
    assert!(0 < place.export().sessions);
    assert_eq!(place.verify().exports, 1);
    place.check_back();
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let place = Place::new();
    place.import_fixture("pi/small");
    place.store.export(place.lake(), &ExportOptions::new()).unwrap();

    assert!(matches!(place.try_export(), Err(Error::NotEmpty(_))));
}

#[test]
fn a_last_line_that_was_replaced_by_one_as_long_comes_back() {
    let place = Place::new();
    let session = place.store.create(&NewSession::new("/w")).unwrap();
    session.append_message(r#"{"role":"user","content":"one"}"#).unwrap();
    place.export();
    let conn = rusqlite::Connection::open(place.store.path()).unwrap();
    let last = "SELECT line_key, raw FROM lines ORDER BY line_key DESC LIMIT 1";
    let (key, raw): (i64, Vec<u8>) =
        conn.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let raw = String::from_utf8(raw).unwrap().replace("one", "six");
    let checksum = crc32fast::hash(raw.as_bytes()) ^ crc32fast::hash(&key.to_be_bytes());
    conn.execute(
        "UPDATE lines SET raw = ?2, checksum = ?3 WHERE line_key = ?1",
        (key, raw.as_bytes(), checksum),
    )
    .unwrap();

    place.store.rebuild().unwrap();
    assert_eq!(place.export().lines, 2);

    assert_eq!(place.verify().findings, []);
    place.check_back();
}

#[test]
fn a_number_that_another_file_has_now_is_another_content() {
    let place = Place::new();
    place.import_fixture("pi/small");
    let say = |messages: usize| {
        let session = place.store.create(&NewSession::new("/w")).unwrap();
        for n in 0..messages {
            session
                .append_message(format!(r#"{{"role":"user","content":"{n} of {messages}"}}"#))
                .unwrap();
        }
        session
    };
    let first = say(2);
    place.export();
    first.purge().unwrap();
    say(4);

    assert_eq!(place.export().lines, 5);

    assert_eq!(place.verify().findings, []);
    place.check_back();
}
