//! A store of its own for each test.

use std::path::Path;

use sessile::{Entry, ImportOptions, NewSession, Session, SessionKey, Store, Timestamp};

pub(crate) const SMALL: &str = "fixtures/kward/small";

/// A store and the folder that goes with it.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) dir: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        Self { store, dir }
    }

    /// With the small sessions imported.
    pub(crate) fn small() -> Self {
        let fixture = Self::new();
        fixture.store.import(Path::new(SMALL), &ImportOptions::new()).unwrap();
        fixture
    }

    /// With a session of this log imported; it has to have the id `given`.
    pub(crate) fn of_log(log: &str) -> Self {
        let fixture = Self::new();
        let folder = fixture.dir.path().join("root/sessions/--w--");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("given.jsonl"), log).unwrap();
        let options = ImportOptions::new().format(sessile::Format::Kward);
        fixture.store.import(&fixture.dir.path().join("root"), &options).unwrap();
        fixture
    }

    pub(crate) fn session(&self, name: &str) -> Session {
        self.store.find(name).unwrap()
    }

    pub(crate) fn create(&self, id: &str) -> Session {
        self.store.create(&NewSession::new("/w").session_id(id).at(at(0))).unwrap()
    }

    pub(crate) fn path_ids(&self, session: SessionKey) -> Vec<String> {
        ids(&self.store.session(session).unwrap().path().unwrap())
    }

    /// The lines of a session's file as it is exported.
    pub(crate) fn lines(&self, session: &Session) -> Vec<String> {
        let out = tempfile::tempdir().unwrap();
        let options = sessile::ExportOptions::new().session(session.key());
        self.store.export(&out.path().join("out"), &options).unwrap();
        let file = session.info().unwrap().file;
        let file = out.path().join("out").join(file);
        let text = String::from_utf8(std::fs::read(file).unwrap()).unwrap();
        text.split_inclusive('\n').map(str::to_owned).collect()
    }

    #[track_caller]
    pub(crate) fn check(&self) {
        let findings = self.store.check().unwrap();
        assert!(findings.is_empty(), "{findings:?}");
    }
}

pub(crate) fn ids(entries: &[Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.id.clone()).collect()
}

/// So many seconds after the start of 2026.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp((1_767_225_600 + seconds) * 1_000_000_000)
}

pub(crate) fn message(role: &str, content: &str, id: &str) -> String {
    serde_json::json!({ "role": role, "content": content, "id": id }).to_string()
}

/// user a → assistant b → user c, and user d beside c.
pub(crate) fn talk(session: &Session) {
    for (n, (role, content, id)) in
        [("user", "one", "a"), ("assistant", "two", "b"), ("user", " three\nlines ", "c")]
            .into_iter()
            .enumerate()
    {
        session.at(at(n as i64 + 1)).append_message(message(role, content, id)).unwrap();
    }
    session.branch("b").unwrap();
    session.at(at(9)).append_message(message("user", "other", "d")).unwrap();
}
