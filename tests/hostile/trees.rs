//! Trees that no program would make.

use sessile::ProblemKind::{Cycle, DuplicateId, MissingId, Orphan};

use crate::support::{header, message};
use crate::{FILE, MANY, check_imported, checked_file, count, problems};

/// A session of these messages, by id and parent.
fn session(messages: impl IntoIterator<Item = (String, Option<String>)>) -> String {
    let mut lines = header("one");
    for (id, parent) in messages {
        lines += &message(&id, parent.as_deref(), "x");
    }
    lines
}

fn name(n: usize) -> String {
    format!("e{n}")
}

#[test]
fn one_id_twenty_thousand_times_is_one_entry() {
    let test = checked_file(session((0..MANY).map(|_| ("same".to_owned(), None))));

    let found = problems(&test);
    assert_eq!(count(&found, DuplicateId), MANY - 1);
    assert_eq!(found[0], (DuplicateId, Some(3)));
    let session = test.store.find(FILE).unwrap();
    assert_eq!(session.path().unwrap().len(), 1);
}

#[test]
fn repeats_of_a_parent_with_many_children_move_none_of_them() {
    let parent = || ("p".to_owned(), None);
    let children = (0..2_000).map(|n| (name(n), Some("p".to_owned())));
    let repeats = (0..2_000).map(|_| parent());

    let test = checked_file(session([parent()].into_iter().chain(children).chain(repeats)));

    let found = problems(&test);
    assert_eq!((count(&found, DuplicateId), found.len()), (2_000, 2_000));
    assert_eq!(found[0].1, Some(2_003));
}

#[test]
fn a_ring_is_cut_at_its_first_entry() {
    let test =
        checked_file(session((0..MANY).map(|n| (name(n), Some(name((n + MANY - 1) % MANY))))));

    assert_eq!(problems(&test), [(Cycle, Some(2))]);
    let session = test.store.find(FILE).unwrap();
    assert_eq!(session.path().unwrap().len(), MANY);
}

#[test]
fn an_entry_that_is_its_own_parent_is_a_root() {
    let test = checked_file(session((0..MANY).map(|n| (name(n), Some(name(n))))));

    let found = problems(&test);
    assert_eq!(found.len(), MANY);
    assert_eq!(count(&found, Orphan), MANY);
    assert_eq!(found[0].1, Some(2));
}

#[test]
fn entries_without_ids_get_some() {
    let line = r#"{"type":"message","message":{"role":"user","content":"x"}}"#;

    let test = checked_file(header("one") + &format!("{line}\n").repeat(MANY));

    let found = problems(&test);
    assert_eq!(count(&found, MissingId), MANY);
    assert_eq!(found[0], (MissingId, Some(2)));
}

#[test]
fn orphans_all_of_them_are_roots() {
    let test = checked_file(session((0..MANY).map(|n| (name(n), Some(format!("gone{n}"))))));

    let found = problems(&test);
    assert_eq!((count(&found, Orphan), found.len()), (MANY, MANY));
    assert_eq!(found[MANY - 1], (Orphan, Some(MANY as u32 + 1)));
}

#[test]
fn children_before_their_parents_find_them() {
    let backwards = (0..MANY).rev().map(|n| (name(n), n.checked_sub(1).map(name)));

    let test = checked_file(session(backwards));

    assert_eq!(problems(&test), []);
}

#[test]
fn orphans_that_are_adopted_one_by_one_end_up_in_one_tree() {
    // Each waits for an entry that comes thousands of lines later.
    let half = MANY / 2;
    let orphans = (0..half).map(|n| (name(n), Some(format!("p{n}"))));
    let parents = (0..half).map(|n| (format!("p{n}"), n.checked_sub(1).map(|n| format!("p{n}"))));

    let test = checked_file(session(orphans.chain(parents)));

    assert_eq!(problems(&test), []);
    // And when they come in one import each.
    let test = checked_file(session((0..30).map(|n| (name(n), Some(format!("p{n}"))))));
    for n in 0..30 {
        test.append(FILE, message(&format!("p{n}"), None, "x"));
        test.import();
    }
    check_imported(&test);
    test.assert_like_fresh();
    assert_eq!(problems(&test), []);
}

#[test]
fn leaves_that_move_at_every_second_line_take_no_longer() {
    let mut lines = session([("root".to_owned(), None)]);
    for n in 0..MANY / 2 {
        lines += &message(&name(n), Some("root"), "x");
        lines +=
            &format!("{{\"type\":\"leaf\",\"id\":\"l{n}\",\"targetId\":\"{}\"}}\n", name(n / 2));
    }

    let test = checked_file(lines);

    let session = test.store.find(FILE).unwrap();
    assert_eq!(session.path().unwrap().len(), 2);
}

#[test]
fn compactions_that_keep_something_stand_one_upon_the_other() {
    let mut lines = header("one");
    let mut last = None;
    for n in 0..MANY / 2 {
        lines += &message(&name(n), last.as_deref(), "x");
        lines += &format!(
            "{{\"type\":\"compaction\",\"id\":\"c{n}\",\"parentId\":\"{}\",\
             \"summary\":\"s\",\"firstKeptEntryId\":\"{}\"}}\n",
            name(n),
            name(n.saturating_sub(1))
        );
        last = Some(format!("c{n}"));
    }

    let test = checked_file(lines);

    let session = test.store.find(FILE).unwrap();
    assert_eq!(session.path().unwrap().len(), MANY / 2 * 2);
}
