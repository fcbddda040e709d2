//! The engine supports a format that no generic code knows.

use std::fs;
use std::path::Path;

use crate::model::{Format, SessionKey, Timestamp};
use crate::{ExportOptions, ImportOptions, SessionFilter, Store};

/// A torn line in the middle, and no terminator at the end.
const FILE: &str = "{\"id\":\"1\",\"parent\":null,\"text\":\"one\"}\n\
                    {\"id\":\"2\", \"parent\":\"1\",\"text\":\"two\"}\n\
                    {\"id\":\"3\n\
                    {\"id\":\"4\",\"parent\":\"1\",\"text\":\"four\"}";

fn imported(dir: &Path) -> (Store, SessionKey) {
    let root = dir.join("root");
    fs::create_dir_all(root.join("sessions")).unwrap();
    fs::write(root.join("sessions/a.toy"), FILE).unwrap();
    let store = Store::open(&dir.join("sessions.db")).unwrap();
    store.import(&root, &ImportOptions::new()).unwrap();
    let session = store.find("a").unwrap().key();
    (store, session)
}

fn branch(store: &Store, session: SessionKey) -> Vec<String> {
    store.session(session).unwrap().path().unwrap().into_iter().map(|entry| entry.id).collect()
}

fn exported(store: &Store, to: &Path) -> String {
    store.export(to, &ExportOptions::new()).unwrap();
    fs::read_to_string(to.join("sessions/a.toy")).unwrap()
}

#[test]
fn a_root_of_it_is_recognised_listed_branched_and_exported_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (store, session) = imported(dir.path());

    let info = store.session(session).unwrap().info().unwrap();
    assert_eq!(info.format, Format::Toy);
    assert_eq!(info.title.as_deref(), Some("one"));
    assert_eq!(store.sessions(&SessionFilter::new()).unwrap().rows.len(), 1);
    assert_eq!(branch(&store, session), ["1", "4"]);
    assert_eq!(store.session(session).unwrap().children("1").unwrap().len(), 2);
    assert_eq!(store.session(session).unwrap().context().unwrap().len(), 2);
    assert_eq!(exported(&store, &dir.path().join("out")), FILE);
    assert!(store.verify(&dir.path().join("root")).unwrap().differences.is_empty());
}

#[test]
fn it_is_appended_to_labelled_and_branched_with_what_its_files_do_not_say_as_events() {
    let dir = tempfile::tempdir().unwrap();
    let (store, key) = imported(dir.path());
    let session = store.session(key).unwrap().at(Timestamp(1));

    session.append_message("{\"text\":\"five\",\"id\":\"5\"}").unwrap();
    session.append_label_change("2", Some("here")).unwrap();
    session.branch("2").unwrap();
    store.session(key).unwrap().at(Timestamp(2)).archive().unwrap();

    assert_eq!(branch(&store, key), ["1", "2"]);
    assert_eq!(store.session(key).unwrap().labels().unwrap()[0].label, "here");
    assert_eq!(store.rebuild().unwrap(), 1);
    assert_eq!(branch(&store, key), ["1", "2"]);
    assert_eq!(store.session(key).unwrap().labels().unwrap()[0].label, "here");
    assert!(store.check().unwrap().is_empty());
    let added = "\n{\"id\":\"5\",\"parent\":\"4\",\"text\":\"five\"}\n";
    assert_eq!(exported(&store, &dir.path().join("out")), format!("{FILE}{added}"));
}

#[test]
fn what_is_copied_of_it_takes_along_what_its_files_do_not_say() {
    let dir = tempfile::tempdir().unwrap();
    let (store, key) = imported(dir.path());
    let session = store.session(key).unwrap().at(Timestamp(1));
    session.append_label_change("2", Some("here")).unwrap();
    session.append_label_change("4", Some("there")).unwrap();
    session.branch("2").unwrap();

    let copy = session.with_id("copy").clone_session().unwrap().key();
    let crate::Fork { session: fork, text, .. } = session.with_id("fork").fork("4").unwrap();

    assert_eq!(branch(&store, copy), ["1", "2"]);
    assert_eq!(
        store.session(copy).unwrap().labels().unwrap(),
        store.session(key).unwrap().labels().unwrap()
    );
    // The path to a prompt ends before it.
    assert_eq!((branch(&store, fork.key()), text.as_str()), (vec!["1".to_owned()], "four"));
    assert_eq!(fork.labels().unwrap(), []);
    let label = session.at(Timestamp(2)).fork_branch().unwrap().key();
    let labels = store.session(label).unwrap().labels().unwrap();
    assert_eq!(labels.iter().map(|label| &label.label[..]).collect::<Vec<_>>(), ["here"]);
    assert!(store.check().unwrap().is_empty());
}
