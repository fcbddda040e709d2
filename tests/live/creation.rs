//! New sessions: with messages, with a given id, in each format.

use sessile::{
    Error, ExportOptions, Format, ImportOptions, NewSession, Session, SessionFilter, Store,
};

use crate::support::{Fixture, at, message};

#[test]
fn messages_become_one_chain_that_keeps_their_ids_and_spelling() {
    let fixture = Fixture::new();
    let odd = r#"{"id":"b","role":"assistant","content":"x","cost":1.50}"#;
    let messages = [&message("system", "rules", "s"), &message("user", "one", "a"), odd];

    let new = NewSession::new("/w").session_id("new").at(at(0));
    let session = fixture.store.create_with_messages(&new, messages).unwrap();

    assert_eq!(fixture.path_ids(session.key()), ["a", "b"]);
    let lines = fixture.lines(&session);
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[2],
        format!(
            "{{\"type\":\"message\",\"id\":\"b\",\"parentId\":\"a\",\
             \"timestamp\":\"2026-01-01T00:00:00.000Z\",\"message\":{odd}}}\n"
        )
    );
    fixture.check();
}

#[test]
fn messages_may_be_made_with_the_store_that_takes_them() {
    let fixture = Fixture::new();
    let store = &fixture.store;
    let messages = ["a", "b"].map(|id| {
        store.create(&NewSession::new("/w").session_id(&format!("of {id}"))).unwrap();
        message("user", id, id)
    });
    let lazily = messages.iter().inspect(|_| {
        store.find("of a").unwrap().tag("seen").unwrap();
    });

    let session = store.create_with_messages(&NewSession::new("/w"), lazily).unwrap();

    assert_eq!(fixture.path_ids(session.key()), ["a", "b"]);
}

#[test]
fn one_message_that_is_refused_leaves_no_session() {
    let fixture = Fixture::new();
    let twice = message("user", "one", "a");

    let same_id = fixture.store.create_with_messages(&NewSession::new("/w"), [&twice, &twice]);
    let no_object = fixture.store.create_with_messages(&NewSession::new("/w"), ["[]"]);

    assert!(matches!(same_id, Err(Error::EntryExists { .. })));
    assert!(matches!(no_object, Err(Error::InvalidRecord(_))));
    assert!(fixture.store.sessions(&SessionFilter::new()).unwrap().rows.is_empty());
    fixture.check();
}

/// A store with one session called `taken`: imported, made here, in the trash …
fn stores_with_a_taken_id() -> Vec<Fixture> {
    let imported = Fixture::of_log(
        "{\"type\":\"session\",\"version\":2,\"id\":\"taken\",\
         \"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n",
    );
    let [made, trashed, other_format] = std::array::from_fn(|_| Fixture::new());
    made.create("taken");
    trashed.store.session(trashed.create("taken").key()).unwrap().at(at(1)).trash().unwrap();
    let pi = NewSession::new("/w").format(Format::Pi).session_id("taken");
    other_format.store.create(&pi).unwrap();
    vec![imported, made, trashed, other_format]
}

#[test]
fn an_id_that_a_session_has_is_refused_wherever_that_session_is() {
    for (n, fixture) in stores_with_a_taken_id().into_iter().enumerate() {
        let other = fixture.create("other");
        other.append_message(message("user", "one", "a")).unwrap();
        let new = NewSession::new("/elsewhere").session_id("taken").at(at(99));
        let errors = [
            fixture.store.create(&new).unwrap_err(),
            fixture.store.create_with_messages(&new, ["{}"]).unwrap_err(),
            fixture.store.create(&new.format(Format::Pi)).unwrap_err(),
            other.with_id("taken").clone_session().unwrap_err(),
            other.with_id("taken").fork("a").unwrap_err(),
            other.with_id("taken").fork_branch().unwrap_err(),
        ];

        for err in errors {
            assert!(matches!(err, Error::SessionExists(_)), "{n}: {err:?}");
            assert!(err.to_string().contains("taken"), "{err}");
        }
        fixture.store.find("taken").unwrap();
        fixture.check();
    }
}

#[test]
fn a_kimi_fork_gets_no_id_that_a_session_has() {
    let fixture = Fixture::new();
    fixture.store.import("fixtures/kimi/small", &ImportOptions::new()).unwrap();
    let page = fixture.store.sessions(&SessionFilter::new()).unwrap();
    let session = fixture.store.session(page.rows[0].key).unwrap();
    fixture.create("taken");

    let err = session.with_id("taken").clone_session().unwrap_err();

    assert!(matches!(err, Error::SessionExists(_)), "{err:?}");
}

#[track_caller]
fn check_refused(new: &NewSession) {
    let fixture = Fixture::new();
    fixture.create("another");

    let err = fixture.store.create(new).unwrap_err();

    assert!(matches!(err, Error::InvalidRecord(_)), "{new:?}: {err:?}");
    let out = fixture.dir.path().join("out");
    assert_eq!(fixture.store.export(&out, &ExportOptions::new()).unwrap().files, 1);
    fixture.check();
}

#[test]
fn what_could_be_no_file_is_refused_when_it_is_made() {
    for format in [Format::Kward, Format::Pi] {
        for cwd in ["", "w", "./w", "~/w", "/w\0x", "\0"] {
            check_refused(&NewSession::new(cwd).format(format));
        }
        for id in ["", "a/b", "a\0b", "a\nb"] {
            check_refused(&NewSession::new("/w").format(format).session_id(id));
        }
        check_refused(&NewSession::new("/w").format(format).session_id(&"x".repeat(240)));
        check_refused(&NewSession::new(&"/deep".repeat(60)).format(format));
        check_refused(&NewSession::new(&format!("/{}", "é".repeat(130))).format(format));
    }
}

#[test]
fn the_longest_names_that_a_file_can_have_are_exported() {
    let fixture = Fixture::new();
    // Two dashes on either side.
    let cwd = format!("/{}", "w".repeat(251));
    // Behind the time and a line, before `.jsonl`.
    let id = "x".repeat(224);

    let made = fixture.store.create(&NewSession::new(&cwd).session_id(&id).at(at(0))).unwrap();

    let file = made.info().unwrap().file.display().to_string();
    assert_eq!(file.split('/').map(str::len).collect::<Vec<_>>(), [8, 255, 255]);
    fixture.store.export(&fixture.dir.path().join("out"), &ExportOptions::new()).unwrap();
    assert!(fixture.dir.path().join("out").join(file).is_file());
}

#[test]
fn a_session_that_was_made_is_known_by_its_id_without_reading() {
    let fixture = Fixture::new();
    let made = fixture.create("one");
    made.append_message(message("user", "one", "a")).unwrap();
    let sessile::Fork { session: fork, .. } = made.with_id("fork").fork("a").unwrap();

    // From here on nothing can be read.
    std::fs::remove_file(fixture.store.path()).unwrap();

    assert_eq!(made.session_id().unwrap().as_deref(), Some("one"));
    assert_eq!(fork.session_id().unwrap().as_deref(), Some("fork"));
}

/// A session that says one thing, the same each time.
fn say_hi(fixture: &Fixture, format: Format, id: &str) -> Session {
    let new = NewSession::new("/w").format(format).session_id(id).at(at(0));
    let session = fixture.store.create(&new).unwrap();
    let said = r#"{"role":"user","content":"hi","id":"m"}"#;
    session.at(at(1)).with_id("00000001").append_message(said).unwrap();
    session
}

#[test]
fn sessions_of_two_formats_keep_each_its_format() {
    let fixture = Fixture::new();
    let out = fixture.dir.path().join("out");
    let formats = [(Format::Kward, "k", "01-sessile"), (Format::Pi, "p", "02-sessile")];
    let sessions = formats.map(|(format, id, _)| say_hi(&fixture, format, id));
    let before = dump(&fixture.store);

    fixture.store.rebuild().unwrap();
    fixture.store.export(&out, &ExportOptions::new()).unwrap();

    fixture.check();
    assert_eq!(dump(&fixture.store), before);
    for ((format, id, folder), session) in formats.into_iter().zip(&sessions) {
        let alone = Fixture::new();
        let bytes = alone.lines(&say_hi(&alone, format, id)).concat();
        let file = session.info().unwrap().file.display().to_string();
        assert_eq!(std::fs::read_to_string(out.join(folder).join(file)).unwrap(), bytes);
        let siblings = std::fs::read_dir(out.join(folder).join("sessions/--w--")).unwrap();
        assert_eq!(siblings.count(), 1);
    }
    let only = fixture.dir.path().join("only");
    fixture.store.export(&only, &ExportOptions::new().session(sessions[1].key())).unwrap();
    assert!(only.join("02-sessile").exists() && !only.join("01-sessile").exists());
    let copy = fixture.dir.path().join("copy.db");
    sessile::recover(fixture.store.path(), &copy).unwrap();
    assert_eq!(dump(&Store::open(&copy).unwrap()), before);
}

fn dump(store: &Store) -> String {
    let mut out = Vec::new();
    store.dump(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn a_message_is_handed_over_as_text_a_value_or_what_serialises_and_comes_back_as_what_it_says() {
    #[derive(serde::Serialize)]
    struct Said<'a> {
        role: &'a str,
        content: &'a str,
        cost: f64,
    }
    let fixture = Fixture::new();
    let session = fixture.create("s");

    session.append_message(r#"{ "role": "user", "cost": 1.50, "content": "one" }"#).unwrap();
    session.append_message(serde_json::json!({"role": "assistant", "content": "two"})).unwrap();
    let said = Said { role: "user", content: "three", cost: 0.5 };
    session.append_message(sessile::Json::of(&said)).unwrap();
    let keys = std::collections::HashMap::from([(vec![1], 2)]);
    let refused = session.append_message(sessile::Json::of(&keys));

    assert!(matches!(refused, Err(sessile::Error::InvalidRecord(_))), "{refused:?}");
    let context = session.context().unwrap();
    let told: Vec<_> = context.iter().map(|message| (message.role(), message.text())).collect();
    let expected = [("user", "one"), ("assistant", "two"), ("user", "three")];
    assert_eq!(told, expected.map(|(role, text)| (role.to_owned(), text.to_owned())));
    assert!(context[0].json().starts_with(r#"{"role":"user","cost":1.50,"content":"one","id":"#));
    assert_eq!(context[2].value()["cost"], 0.5);
    assert_eq!(context[1].parts(), [sessile::Part::Text("two".to_owned())]);
}
