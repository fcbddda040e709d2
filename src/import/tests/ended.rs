//! Imports that end before any of their transactions, and whatever becomes of the file until the next.

use std::fs;

use super::losses::without_losses;
use super::{Place, SUBJECTS, Subject, There, befores, content, count, dump, partials};
use crate::store::{seen, sources};

/// What may become of a file until the next import.
fn afters(subject: Subject, before: &There, during: &str) -> Vec<(&'static str, There)> {
    let file = |content: String| There::File(content);
    let half = during[..during.len() / 4].rfind('\n').unwrap() + 1;
    vec![
        ("as it was", file(during.to_owned())),
        ("grown by little", file(content(subject, "word", during.len() + 200))),
        ("grown by much", file(content(subject, "word", during.len() + 30_000))),
        ("a torn line behind", file(format!("{during}{{\"type\":\"mess"))),
        ("cut within a line", file(during[..during.len() - 40].to_owned())),
        ("shrunk", file(during[..half].to_owned())),
        ("cut where a batch ended", file(during[..during.len() * 3 / 4].to_owned())),
        ("rewritten, small", file(content(subject, "other", 900))),
        ("rewritten, large", file(content(subject, "other", during.len() + 500))),
        ("as before", before.clone()),
        ("vanished", There::Nothing),
        ("a folder", There::Folder),
        ("a link", There::Link),
    ]
}

/// Ends the import of a file before each of its transactions, changes the file, and imports again.
fn check_interrupted(subject: Subject, bytes: usize, befores: &[(&str, There)]) {
    let place = Place::new(subject);
    let during = content(subject, "word", bytes);
    let mut packs = false;
    let (mut most, mut unfinished) = (0, 0);
    for (before_name, before) in befores {
        for (after_name, after) in afters(subject, before, &during) {
            let fresh = place.store("fresh.db", false);
            place.put(&after, 2);
            place.import(&fresh, i64::MAX).unwrap();
            for stop in 0.. {
                let case = format!("{subject:?}: {before_name}, {after_name}, stopped at {stop}");
                packs = !packs;
                let store = place.store("stopped.db", packs);
                place.put(before, 0);
                place.import(&store, i64::MAX).unwrap();
                place.put(&There::File(during.clone()), 1);
                let finished = place.import(&store, stop).is_ok();
                assert_eq!(store.check().unwrap(), [], "{case}");
                let left = partials(&store);
                unfinished += left;

                place.put(&after, 2);
                place.import(&store, i64::MAX).unwrap();

                place.assert_complete(&store, &case);
                // One that was emptied keeps the id that its log gave.
                if matches!(&after, There::File(content) if !content.is_empty()) {
                    assert_eq!(without_losses(&dump(&store)), dump(&fresh), "{case}");
                }
                if after == *before && left != 0 {
                    // What never stood there whole leaves no generation.
                    assert_eq!(count(&store, "superseded"), 0, "{case}");
                }
                most = most.max(stop);
                if finished {
                    break;
                }
            }
        }
    }
    // One for each batch, and one that marks what is gone.
    assert!(3 <= most && 26 <= unfinished, "{most}, {unfinished}");
}

#[test]
fn a_file_that_its_program_renamed_is_found_again_wherever_an_import_ended() {
    let place = Place::new(SUBJECTS[2]);
    let rotated = place.root.join(place.subject.path).with_file_name("context_1.jsonl");
    let before = There::File(content(place.subject, "word", 900));
    let rotate = || {
        fs::rename(place.root.join(place.subject.path), &rotated).unwrap();
        place.put(&There::File(content(place.subject, "other", 30_000)), 1);
    };
    let mut expected = None;
    for stop in (0..).map(|n| if n == 0 { i64::MAX } else { n - 1 }) {
        let store = place.store("one.db", false);
        let _ = fs::remove_file(&rotated);
        place.put(&before, 0);
        place.import(&store, i64::MAX).unwrap();
        rotate();

        let finished = place.import(&store, stop).is_ok();
        place.import(&store, i64::MAX).unwrap();

        place.assert_complete(&store, &format!("stopped at {stop}"));
        assert_eq!(count(&store, "superseded"), 0, "stopped at {stop}");
        assert_eq!(&dump(&store), expected.get_or_insert(dump(&store)), "stopped at {stop}");
        if finished && stop < i64::MAX {
            assert!(3 < stop, "{stop}");
            break;
        }
    }
}

#[test]
fn a_log_of_which_little_is_left_is_finished_whatever_becomes_of_it() {
    check_interrupted(SUBJECTS[0], (16 << 10) + 800, &befores(SUBJECTS[0]));
}

#[test]
fn a_log_of_which_much_is_left_is_finished_whatever_becomes_of_it() {
    check_interrupted(SUBJECTS[0], 22 << 10, &befores(SUBJECTS[0])[..2]);
}

#[test]
fn a_document_is_finished_whatever_becomes_of_it() {
    check_interrupted(SUBJECTS[1], (16 << 10) + 800, &befores(SUBJECTS[1])[..3]);
}

#[test]
fn a_context_of_kimi_is_finished_whatever_becomes_of_it() {
    check_interrupted(SUBJECTS[2], (16 << 10) + 800, &befores(SUBJECTS[2])[..3]);
}

#[test]
fn a_wire_of_kimi_is_finished_whatever_becomes_of_it() {
    check_interrupted(SUBJECTS[3], (16 << 10) + 800, &befores(SUBJECTS[3])[..3]);
}

#[test]
fn a_line_that_was_torn_when_an_import_ended_is_one_line_when_it_went_on() {
    for subject in [SUBJECTS[0], SUBJECTS[2]] {
        let place = Place::new(subject);
        let whole = content(subject, "word", 20_000);
        // The end of the file comes just before, with and behind the end of a batch.
        for bytes in (7_900..8_900).step_by(61) {
            for stop in 1..4 {
                let store = place.store("one.db", false);
                place.put(&There::File(whole[..bytes].to_owned()), 0);
                let _ = place.import(&store, stop);
                assert_eq!(store.check().unwrap(), []);
                place.put(&There::File(whole.clone()), 1);

                place.import(&store, i64::MAX).unwrap();

                place.assert_complete(&store, &format!("{subject:?}: {bytes}, {stop}"));
                let conn = store.connection().unwrap();
                let sql = "SELECT count(*) FROM lines";
                let lines: i64 = conn.query_row(sql, [], |row| row.get(0)).unwrap();
                assert_eq!(lines, whole.lines().count() as i64, "{subject:?}: {bytes}, {stop}");
            }
        }
    }
}

#[test]
fn an_import_that_ends_anywhere_leaves_headers_made_from_names_as_the_log_gives_them() {
    let place = Place::new(SUBJECTS[0]);
    let folder = place.root.join("sessions/--w--");
    let message = r#"{"type":"message","id":"a","message":{"role":"user","content":"x"}}"#;
    let pad = content(SUBJECTS[0], "pad", 3_000);
    for n in 0..6 {
        let name =
            format!("2026-01-01T00-00-0{n}.000Z_0000000{n}-0000-0000-0000-000000000000.jsonl");
        fs::write(folder.join(name), format!("{message}\n")).unwrap();
        let whole = pad.replace("\"id\":\"s\"", &format!("\"id\":\"s{n}\""));
        fs::write(folder.join(format!("z{n}.jsonl")), whole).unwrap();
    }
    for stop in 0.. {
        let store = place.store("stopped.db", false);
        let finished = place.import(&store, stop).is_ok();
        assert_eq!(store.check().unwrap(), [], "stopped at {stop}");
        place.import(&store, i64::MAX).unwrap();
        place.assert_complete(&store, "in the end");
        if finished {
            break;
        }
    }
}

#[test]
fn a_beginning_that_is_only_unfinished_is_no_finding_and_a_damaged_one_is_read_anew() {
    for (damage, subject) in [
        ("DELETE FROM lines WHERE line_key & 0xFFFFFFFF = 3", SUBJECTS[0]),
        (
            "UPDATE lines SET raw = CAST(raw || raw AS BLOB) WHERE line_key & 0xFFFFFFFF = 3",
            SUBJECTS[0],
        ),
        ("DELETE FROM chunks WHERE chunk_key & 0xFFFFFFFF = 3", SUBJECTS[1]),
        ("UPDATE files SET line_count = 7 WHERE state = 'partial'", SUBJECTS[1]),
        ("UPDATE files SET size = size - 1 WHERE state = 'partial'", SUBJECTS[0]),
    ] {
        let place = Place::new(subject);
        place.put(&There::File(content(subject, "word", 20_000)), 0);
        let store = place.store("one.db", false);
        // The folders, then two batches.
        place.import(&store, 3).unwrap_err();
        assert_eq!((partials(&store), store.check().unwrap()), (1, vec![]), "{damage}");

        store.connection().unwrap().execute_batch(damage).unwrap();

        assert!(!store.check().unwrap().is_empty(), "{damage}");
        place.import(&store, i64::MAX).unwrap();
        place.assert_complete(&store, damage);
    }
}

#[test]
fn a_beginning_stays_while_its_file_cannot_be_looked_at() {
    let place = Place::new(SUBJECTS[0]);
    place.put(&There::File(content(SUBJECTS[0], "word", 20_000)), 0);
    let store = place.store("one.db", false);
    place.import(&store, 3).unwrap_err();
    let conn = store.connection().unwrap();
    let source_id = sources::all(&conn).unwrap()[0].source_id;
    seen::begin(&conn).unwrap();
    let leftovers = || seen::leftovers(&conn, source_id, i64::MAX).unwrap().len();
    assert_eq!(leftovers(), 1);

    seen::hidden(&conn, source_id, b"sessions/--w--").unwrap();

    assert_eq!(leftovers(), 0);
    seen::begin(&conn).unwrap();
    seen::unreadable(&conn, source_id, b"sessions/--w--/a.jsonl").unwrap();
    assert_eq!(leftovers(), 0);
}
