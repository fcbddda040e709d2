//! What comes back.

use std::fs;

use sessile::{ExportOptions, ImportOptions, NewSession, SessionFilter, Store, StoreOptions};

use crate::support::{FIXTURES, Place, dump, tree};

#[test]
fn every_fixture_comes_back_to_the_byte() {
    for name in FIXTURES {
        let place = Place::new();
        place.import_fixture(name);
        let report = place.export();

        assert!(0 < report.lines + report.sessions, "{name}");
        place.check_back();
    }
}

#[test]
fn all_programs_come_back_from_one_lake() {
    let place = Place::of_fixtures();
    place.export();

    assert_eq!(place.verify().findings, []);
    place.check_back();
}

#[test]
fn a_root_is_verified_by_the_store_that_came_back() {
    let place = Place::of_fixtures();
    place.export();
    place.import("back.db");
    let back = Store::open(place.path("back.db")).unwrap();

    for name in FIXTURES {
        let root = crate::support::fixture(name);
        assert_eq!(back.verify(&root).unwrap().differences, [], "{name}");
        let report = back.import(&root, &ImportOptions::new()).unwrap();
        assert_eq!(
            (report.new, report.grown, report.rewritten, report.lines),
            (0, 0, 0, 0),
            "{name}"
        );
    }
}

#[test]
fn what_was_written_and_decided_here_comes_back() {
    let place = Place::of_fixtures();
    let sessions = place.store.sessions(&SessionFilter::new().limit(1_000)).unwrap().rows;
    for (n, row) in sessions.iter().enumerate() {
        let session = place.store.session(row.key).unwrap();
        match n % 6 {
            0 => drop(session.append_message(r#"{"role":"user","content":"said here"}"#)),
            1 => drop(session.clone_session()),
            2 => session.trash().unwrap(),
            3 => drop(session.tag("kept").unwrap()),
            4 => drop(session.archive()),
            _ => drop(session.purge().unwrap()),
        }
    }
    place.export();

    place.check_back();
}

#[test]
fn generations_documents_links_and_torn_lines_come_back() {
    let place = Place::new();
    let root = place.copy_of("kward/edge");
    place.store.import(&root, &ImportOptions::new()).unwrap();
    let log = root.join("sessions/--edge--/97-branch-summary.jsonl");
    let log = if log.exists() { log } else { first_log(&root) };
    let bytes = fs::read(&log).unwrap();
    let cut = bytes.len() - bytes.len() / 3;
    fs::write(&log, [b"not what it was\n", &bytes[..cut]].concat()).unwrap();
    fs::write(root.join("sessions/note.bin"), b"\xff\x00 no text").unwrap();
    fs::create_dir(root.join("sessions/empty")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", root.join("sessions/link")).unwrap();
    place.store.import(&root, &ImportOptions::new()).unwrap();
    place.export();

    assert_eq!(place.verify().findings, []);
    place.check_back();
}

fn first_log(root: &std::path::Path) -> std::path::PathBuf {
    let logs = tree(root);
    let log = logs
        .iter()
        .find(|(path, of)| path.extension().is_some_and(|end| end == "jsonl") && 200 < of.2.len());
    root.join(log.unwrap().0)
}

#[test]
fn packed_lines_come_back() {
    let place = Place::new();
    let db = place.path("packed.db");
    let packed = StoreOptions::new().compression(3).open(&db).unwrap();
    packed.import(crate::support::fixture("claude/small"), &ImportOptions::new()).unwrap();
    let options = sessile_lake::ExportOptions::new();
    sessile_lake::export(&db, place.lake(), &options).unwrap();
    let mut enc = 0;
    packed
        .query("SELECT count(*) FROM lines WHERE enc = 1", |_, cells| {
            enc += i32::from(cells[0] != sessile::Cell::Integer(0));
            Ok(())
        })
        .unwrap();

    assert_eq!(enc, 1, "a line is packed");
    place.import("back.db");
    assert_eq!(dump(&Store::open(place.path("back.db")).unwrap()), dump(&packed));
}

#[test]
fn a_store_that_is_there_is_united_with_the_lake() {
    let place = Place::new();
    place.import_fixture("kward/small");
    place.export();
    let other = Store::open(place.path("other.db")).unwrap();
    other.import(crate::support::fixture("pi/small"), &ImportOptions::new()).unwrap();
    let before = other.sessions(&SessionFilter::new().limit(1_000)).unwrap().rows.len();

    let report = place.import("other.db").merged.unwrap();

    assert!(0 < report.new && report.refused.is_empty());
    let after = other.sessions(&SessionFilter::new().limit(1_000)).unwrap().rows.len();
    let ours = place.store.sessions(&SessionFilter::new().limit(1_000)).unwrap().rows.len();
    assert_eq!(after, before + ours);
    assert!(!place.import("other.db").merged.unwrap().is_change());
}

#[test]
fn a_new_store_becomes_the_one_of_the_lake() {
    let place = Place::of_fixtures();
    place.export();
    let empty = Store::open(place.path("empty.db")).unwrap();

    assert_eq!(place.import("empty.db").merged, None);

    assert_eq!(dump(&empty), dump(&place.store));
    assert_eq!(empty.check().unwrap(), []);
}

#[test]
fn what_was_active_before_is_left_out_where_that_is_asked_for() {
    let place = Place::of_fixtures();
    let since = sessile::Timestamp::parse("2026-03-01T00:00:00Z").unwrap();
    let options = sessile_lake::ExportOptions::new().since(Some(since));
    let some = sessile_lake::export(place.store.path(), place.lake(), &options).unwrap();
    place.import("some.db");
    let mut count = 0;
    place
        .store
        .query(
            "SELECT count(*) FROM sessions WHERE modified_at >= 1772323200000000000",
            |_, cells| {
                if let sessile::Cell::Integer(number) = cells[0] {
                    count = number;
                }
                Ok(())
            },
        )
        .unwrap();

    assert!(0 < some.sessions && count <= some.sessions as i64);
    let rest = place.export();
    assert!(0 < rest.sessions + rest.files || some.sessions == 113);
    assert_eq!(place.verify().findings, []);
    place.check_back();
}

#[test]
fn each_origin_has_its_partition_and_comes_back() {
    let place = Place::new();
    let desk = ImportOptions::new().origin("me@desk");
    place.store.import(crate::support::fixture("pi/small"), &desk).unwrap();
    place.import_fixture("kward/small");
    place.export();
    let of = |origin: &str| {
        let folder = format!("origin={origin}");
        let files = crate::support::parquet(&place.lake()).into_keys();
        files.filter(|path| path.iter().any(|part| part == &*folder)).count()
    };

    assert!(0 < of("me@desk") && 0 < of("local"));
    place.check_back();
}

#[test]
fn more_than_is_held_at_once_comes_back() {
    let place = Place::new();
    let session = place.store.create(&NewSession::new("/w")).unwrap();
    for n in 0..14 {
        let text = format!("{n} ").repeat(1 << 20);
        session.append_message(format!(r#"{{"role":"user","content":"{text}"}}"#)).unwrap();
    }
    assert!(32 << 20 < place.export().raw_bytes);
    place.import("back.db");
    let back = Store::open(place.path("back.db")).unwrap();
    back.export(place.path("back"), &ExportOptions::new()).unwrap();
    place.store.export(place.path("out"), &ExportOptions::new()).unwrap();

    assert_eq!(tree(&place.path("back")), tree(&place.path("out")));
}
