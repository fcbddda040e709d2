//! What is deleted leaves nothing behind in the database's files.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use sessile::{Error, ImportOptions, NewSession, SessionKey, StoreOptions, Traces};

use crate::support::{Fixture, at, message};

/// How often some text stands in the files of a fixture's database, in any case.
fn count(fixture: &Fixture, text: &str) -> usize {
    let db = fixture.store.path().file_name().unwrap().to_owned();
    let mut found = 0;
    for entry in fs::read_dir(fixture.dir.path()).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().as_encoded_bytes().starts_with(db.as_encoded_bytes()) {
            let bytes = fs::read(entry.path()).unwrap().to_ascii_lowercase();
            let text = text.to_ascii_lowercase();
            found += bytes.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
        }
    }
    found
}

/// Numbers without a pattern, the same each time.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }

    fn size(&mut self) -> usize {
        [30, 100, 300, 1_000, 3_000, 9_000, 30_000][self.below(7) as usize]
    }
}

fn secret(n: u64) -> String {
    format!("Secret-{n:04}-")
}

fn text(n: u64, size: usize) -> String {
    secret(n).repeat(size / 12 + 1)
}

const SESSIONS: u64 = 40;

/// The log of a session in which every text, its work dir too, is a secret of its own.
fn write(root: &Path, n: u64, messages: u64, random: &mut Random) {
    let mut log = format!(
        "{{\"type\":\"session\",\"version\":2,\"id\":\"s{n:04}\",\
         \"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w/{}\"}}\n",
        secret(n)
    );
    for k in 0..messages {
        let message = message("user", &text(n, random.size()), &format!("m{k}"));
        log += &format!(
            "{{\"type\":\"message\",\"id\":\"m{k}\",\
             \"timestamp\":\"2026-01-01T00:00:00.000Z\",\"message\":{message}}}\n"
        );
    }
    fs::write(root.join(format!("s{n:04}.jsonl")), log).unwrap();
}

/// A store in which sessions were imported, changed here and at their root, and copied.
fn busy_store(random: &mut Random) -> Fixture {
    let fixture = Fixture::new();
    let root = fixture.dir.path().join("root/sessions/--w--");
    fs::create_dir_all(&root).unwrap();
    for n in 0..SESSIONS {
        let messages = 1 + random.below(9);
        write(&root, n, messages, random);
    }
    let import = || {
        let options = ImportOptions::new().format(sessile::Format::Kward);
        fixture.store.import(&fixture.dir.path().join("root"), &options).unwrap();
    };
    import();
    for round in 0..6 {
        for _ in 0..50 {
            let n = random.below(SESSIONS);
            let session = fixture.session(&format!("s{n:04}"));
            match random.below(7) {
                0 => session.rename(Some(&text(n, random.size() % 1_000))).unwrap(),
                1 => session.at(at(round)).archive().unwrap(),
                2 => session.at(at(round)).unarchive().unwrap(),
                3 => drop(session.append_label_change("m0", Some(&text(n, 40))).unwrap()),
                _ => {
                    let id = uuid::Uuid::new_v4().to_string();
                    session.append_message(message("user", &text(n, random.size()), &id)).unwrap();
                }
            }
        }
        for _ in 0..5 {
            let n = random.below(SESSIONS);
            let messages = 1 + random.below(4);
            write(&root, n, messages, random);
        }
        import();
    }
    for n in 0..SESSIONS / 4 {
        fixture.session(&format!("s{n:04}")).with_id(&format!("copy{n}")).clone_session().unwrap();
    }
    fixture
}

/// Purges every session that begins with the id of one.
fn purge(fixture: &Fixture, n: u64) -> Traces {
    let names = [format!("s{n:04}"), format!("copy{n}")];
    let found = names.iter().filter_map(|name| fixture.store.find(name).ok());
    let sessions: Vec<SessionKey> = found.map(|session| session.key()).collect();
    fixture.store.purge_all(&sessions).unwrap()
}

#[test]
fn a_purge_leaves_no_byte_whatever_was_done_before() {
    for seed in 1..=2 {
        let mut random = Random(seed * 0x9E37_79B9);
        let fixture = busy_store(&mut random);
        assert_ne!(count(&fixture, &secret(3)), 0);

        for n in 0..SESSIONS * 3 / 4 {
            assert_eq!(purge(&fixture, n), Traces::Gone);
            assert_eq!(count(&fixture, &secret(n)), 0, "seed {seed}, session {n}");
            if random.below(2) == 0 {
                let other = SESSIONS - 1 - random.below(SESSIONS / 4);
                let size = random.size();
                let live = fixture.session(&format!("s{other:04}"));
                live.append_message(message("user", &text(other, size), &n.to_string())).unwrap();
            }
        }

        fixture.check();
    }
}

#[test]
fn the_index_of_titles_keeps_no_term_of_a_purged_session() {
    let fixture = Fixture::small();
    let session = fixture.create("secret");
    session.append_message(message("user", "qzjxv", "m")).unwrap();
    let terms = || {
        let conn = rusqlite::Connection::open(fixture.store.path()).unwrap();
        let sql = "SELECT count(*)
                   FROM session_search_data, json_each('[\"qzj\", \"zjx\", \"jxv\"]') AS term
                   WHERE instr(block, CAST(term.value AS BLOB)) <> 0";
        conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!(terms(), 3);

    assert_eq!(session.purge().unwrap(), Traces::Gone);

    assert_eq!(terms(), 0);
}

#[test]
fn a_work_dir_and_the_folder_of_a_purged_session_go_with_it() {
    let fixture = Fixture::new();
    let in_secret = |id: &str| NewSession::new("/top-secret").session_id(id);
    let one = fixture.store.create(&in_secret("one")).unwrap();
    let other = fixture.store.create(&in_secret("other")).unwrap();
    fixture.create("elsewhere");

    one.purge().unwrap();
    assert_ne!(count(&fixture, "top-secret"), 0);
    other.purge().unwrap();

    assert_eq!(count(&fixture, "top-secret"), 0);
    fixture.check();
    let out = fixture.dir.path().join("out");
    fixture.store.export(&out, &Default::default()).unwrap();
    assert_eq!(fs::read_dir(out.join("sessions")).unwrap().count(), 1);
}

#[test]
fn what_was_rewritten_at_the_root_is_gone_when_it_is_pruned() {
    let mut random = Random(7);
    let fixture = Fixture::new();
    let root = fixture.dir.path().join("root/sessions/--w--");
    fs::create_dir_all(&root).unwrap();
    let import = || {
        let options = ImportOptions::new().format(sessile::Format::Kward);
        fixture.store.import(&fixture.dir.path().join("root"), &options).unwrap();
    };
    write(&root, 1, 9, &mut random);
    import();
    let header = "{\"type\":\"session\",\"version\":2,\"id\":\"s0001\",\"cwd\":\"/w\"}\n";
    fs::write(root.join("s0001.jsonl"), header).unwrap();
    import();
    assert_ne!(count(&fixture, &secret(1)), 0);

    let report = fixture.store.prune().unwrap();

    assert_eq!((report.files, report.traces), (1, Traces::Gone));
    assert_eq!(count(&fixture, &secret(1)), 0);
    fixture.check();
}

#[test]
fn a_purge_beside_a_reader_does_not_wait_and_says_what_is_left() {
    let fixture = Fixture::new();
    let session = fixture.create("one");
    session.append_message(message("user", &secret(1), "m")).unwrap();
    let store = StoreOptions::new()
        .busy_timeout(Duration::from_secs(60))
        .open(fixture.store.path())
        .unwrap();
    let reader = rusqlite::Connection::open(fixture.store.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM lines").unwrap();
    let began = Instant::now();

    let traces = session.purge().unwrap();

    assert_eq!(traces, Traces::KeptForReader);
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(matches!(store.find("one"), Err(Error::SessionNotFound(_))));
    reader.execute_batch("COMMIT").unwrap();
    assert_eq!(store.prune().unwrap().traces, Traces::Gone);
    assert_eq!(count(&fixture, &secret(1)), 0);
}

#[test]
fn a_purge_of_several_sessions_is_all_or_nothing() {
    let fixture = Fixture::small();
    let (known, gone) = (fixture.session("edge-97").key(), fixture.session("edge-01").key());
    fixture.store.session(gone).unwrap().purge().unwrap();

    let err = fixture.store.purge_all(&[known, gone]).unwrap_err();

    assert!(matches!(err, Error::SessionNotFound(_)), "{err:?}");
    assert!(fixture.store.session(known).is_ok());
}
