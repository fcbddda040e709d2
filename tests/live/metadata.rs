//! Metadata and tags that applications set.

use sessile::{Error, Json, SessionFilter, SessionKey};

use crate::support::{Fixture, at};

fn found(test: &Fixture, filter: &SessionFilter) -> Vec<SessionKey> {
    test.store.sessions(filter).unwrap().rows.iter().map(|row| row.key).collect()
}

#[test]
fn what_is_said_of_a_session_is_kept_as_it_was_spelt() {
    let test = Fixture::new();
    let session = test.create("s");

    assert!(session.set_metadata("cost", " [ 1.50 , 5e-6 ] ").unwrap());
    assert!(!session.set_metadata("cost", "[1.50,5e-6]").unwrap());
    assert!(session.set_metadata("a", Json::of(&Some("text"))).unwrap());
    assert!(session.set_metadata("nothing", serde_json::Value::Null).unwrap());
    assert!(session.remove_metadata("nothing").unwrap());
    assert!(!session.remove_metadata("nothing").unwrap());

    let said: Vec<_> =
        session.metadata().unwrap().into_iter().map(|said| (said.key, said.json)).collect();
    let expected = [("a", "\"text\""), ("cost", "[1.50,5e-6]")];
    assert_eq!(said, expected.map(|(key, json)| (key.to_owned(), json.to_owned())));
    test.check();
}

#[test]
fn tags_are_names_without_white_space_around_them() {
    let test = Fixture::new();
    let session = test.create("s");

    assert!(session.tag(" release ").unwrap());
    assert!(!session.tag("release").unwrap());
    assert!(session.tag("big one").unwrap());
    assert!(!session.untag("unknown").unwrap());
    assert_eq!(session.tags().unwrap(), ["big one", "release"]);
    assert!(session.untag("release").unwrap());
    assert_eq!(session.tags().unwrap(), ["big one"]);
    assert!(session.clear_tags().unwrap());
    assert!(!session.clear_tags().unwrap());

    assert_eq!(session.tags().unwrap(), Vec::<String>::new());
    test.check();
}

#[test]
fn what_is_no_json_or_no_name_is_refused_and_changes_nothing() {
    let test = Fixture::new();
    let session = test.create("s");

    let deep = format!("{}{}", "[".repeat(101), "]".repeat(101));
    for refused in [
        session.set_metadata("key", "{"),
        session.set_metadata("key", "NaN"),
        session.set_metadata("key", deep),
        session.set_metadata("", "1"),
        session.tag(" "),
    ] {
        assert!(matches!(refused, Err(Error::InvalidRecord(_))), "{refused:?}");
    }
    let err = test.store.sessions(&SessionFilter::new().metadata("key", "{")).unwrap_err();

    assert!(matches!(err, Error::InvalidRecord(_)), "{err:?}");
    assert_eq!(session.metadata().unwrap(), []);
    assert_eq!(session.tags().unwrap(), Vec::<String>::new());
}

#[test]
fn lists_show_the_sessions_that_carry_all_that_is_asked_for() {
    let test = Fixture::new();
    let [one, two, three] = ["1", "2", "3"].map(|id| test.create(id));
    for session in [&one, &two] {
        session.tag("release").unwrap();
        session.set_metadata("team", "\"core\"").unwrap();
    }
    two.tag("late").unwrap();
    three.set_metadata("team", "\"docs\"").unwrap();
    one.at(at(5)).archive().unwrap();

    let filter = SessionFilter::new;
    let core = filter().metadata("team", serde_json::json!("core"));
    assert_eq!(found(&test, &core), [two.key()]);
    let all = core.archived(sessile::Archived::Included);
    assert_eq!(found(&test, &all), [two.key(), one.key()]);
    let first = test.store.sessions(&all.clone().limit(1)).unwrap();
    assert_eq!(found(&test, &all.clone().after(first.next.unwrap())), [one.key()]);
    assert_eq!(found(&test, &all.clone().tag("late")), [two.key()]);
    assert_eq!(found(&test, &all.clone().tag("late").tag("nobody")), []);
    assert_eq!(found(&test, &all.clone().query("untitled")), []);
    assert_eq!(found(&test, &all.clone().work_dir("/w").offset(1)), [one.key()]);
    assert_eq!(found(&test, &all.work_dir("/other")), []);
}

#[test]
fn objects_are_found_however_they_are_spelt() {
    let test = Fixture::new();
    let session = test.create("s");
    session.set_metadata("build", r#"{"b": [1, {"y": 2, "x": "\u00e9"}], "a": null}"#).unwrap();

    let filter = |json: &str| SessionFilter::new().metadata("build", json);
    assert_eq!(found(&test, &filter(r#"{"a":null,"b":[1,{"x":"é","y":2}]}"#)), [session.key()]);
    assert_eq!(found(&test, &filter(r#"{"a":null,"b":[{"x":"é","y":2},1]}"#)), []);
    assert_eq!(found(&test, &filter(r#"{"a":null,"b":[1,{"x":"é","y":2.0}]}"#)), []);
    assert_eq!(found(&test, &filter("{}")), []);
    assert_eq!(session.metadata().unwrap()[0].json, r#"{"b":[1,{"y":2,"x":"é"}],"a":null}"#);
}

#[test]
fn rows_carry_their_tags() {
    let test = Fixture::new();
    let session = test.create("s");
    test.create("other");
    session.tag("release").unwrap();
    session.tag("late").unwrap();

    let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows;
    let row = rows.iter().find(|row| row.key == session.key()).unwrap();
    assert_eq!(row.tags, ["late", "release"]);
    assert_eq!(rows.iter().filter(|row| row.tags.is_empty()).count(), 1);
    session.trash().unwrap();
    let trash = test.store.trash(&SessionFilter::new()).unwrap().rows;
    assert_eq!(trash[0].tags, ["late", "release"]);
}

#[test]
fn a_work_dir_is_the_same_with_a_slash_behind_it() {
    let test = Fixture::new();
    let new = |work_dir: &str| test.store.create(&sessile::NewSession::new(work_dir)).unwrap();
    let (plain, slash) = (new("/here"), new("/here/"));
    new("/here-too");
    plain.remember().unwrap();

    for spelt in ["/here", "/here/"] {
        let rows = test.store.sessions(&SessionFilter::new().work_dir(spelt)).unwrap().rows;
        let mut keys: Vec<_> = rows.iter().map(|row| row.key).collect();
        keys.sort();
        assert_eq!(keys, [plain.key(), slash.key()], "{spelt}");
        let remembered = test.store.remembered(spelt).unwrap().unwrap();
        assert_eq!(remembered.key(), plain.key());
        slash.trash().unwrap();
        assert_eq!(test.store.trash(&SessionFilter::new().work_dir(spelt)).unwrap().rows.len(), 1);
        slash.restore().unwrap();
    }
}

#[test]
fn a_rebuilt_and_a_recovered_store_know_what_was_said() {
    let test = Fixture::small();
    let session = test.session("edge-97");
    session.tag("kept").unwrap();
    session.tag("gone").unwrap();
    session.untag("gone").unwrap();
    session.set_metadata("n", "1").unwrap();
    session.set_metadata("n", "2").unwrap();
    let rows = || {
        let conn = rusqlite::Connection::open(test.store.path()).unwrap();
        conn.execute_batch("DELETE FROM session_tags; DELETE FROM metadata WHERE is_own = 1")
            .unwrap();
    };
    rows();
    let findings = test.store.check().unwrap();
    test.store.rebuild().unwrap();

    assert_eq!(findings.len(), 2, "{findings:?}");
    assert_eq!(
        (session.tags().unwrap(), session.metadata().unwrap().len()),
        (vec!["kept".to_owned()], 1)
    );
    let target = test.dir.path().join("recovered.db");
    sessile::recover(test.store.path(), &target).unwrap();
    let store = sessile::Store::open(&target).unwrap();
    let again = store.find("edge-97").unwrap();
    assert_eq!(again.tags().unwrap(), ["kept"]);
    assert_eq!(again.metadata().unwrap(), session.metadata().unwrap());
    assert_eq!(store.check().unwrap(), []);
}

#[test]
fn what_was_said_stays_when_the_session_grows_and_goes_with_it() {
    let test = Fixture::new();
    let session = test.create("s");
    session.tag("kept").unwrap();

    crate::support::talk(&session);
    let copy = session.clone_session().unwrap();

    assert_eq!(session.tags().unwrap(), ["kept"]);
    assert_eq!(copy.tags().unwrap(), Vec::<String>::new());
    test.check();
    session.purge().unwrap();
    assert!(matches!(session.tags(), Err(Error::SessionNotFound(_))));
    assert!(matches!(session.tag("x"), Err(Error::SessionNotFound(_))));
    assert_eq!(found(&test, &SessionFilter::new().tag("kept")), []);
}

#[test]
fn kimi_and_pi_sessions_carry_them_too() {
    let test = Fixture::new();
    for root in ["fixtures/kimi", "fixtures/pi"] {
        let folder = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
        for root in folder.filter(|path| path.is_dir()) {
            test.store.import(&root, &sessile::ImportOptions::new()).unwrap();
        }
    }
    let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows;
    for row in &rows {
        test.store.session(row.key).unwrap().tag("imported").unwrap();
    }
    test.check();
    test.store.rebuild().unwrap();

    assert_eq!(
        test.store.sessions(&SessionFilter::new().tag("imported")).unwrap().rows.len(),
        rows.len()
    );
    assert!(2 < rows.len());
}
