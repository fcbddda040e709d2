//! Sessions arranged under their parents.

use sessile::{ImportOptions, NewSession, SessionFilter, SessionNode};

use crate::support::{Fixture, at, message};

/// Makes sessions of (id, parent), each newer than the one before.
fn family(pairs: &[(&str, Option<&str>)]) -> Fixture {
    let fixture = Fixture::new();
    for (n, (id, parent)) in pairs.iter().enumerate() {
        let time = at(n as i64);
        let mut new = NewSession::new("/w").session_id(id).at(time);
        if let Some(parent) = parent {
            new = new.parent_id(parent);
        }
        let message = message("user", id, "m");
        fixture.store.create_with_messages(&new, [message]).unwrap();
    }
    fixture
}

fn shape(rows: &[SessionNode]) -> Vec<(&str, usize, bool, &[bool])> {
    rows.iter()
        .map(|row| {
            let id = row.session.session_id.as_deref().unwrap();
            (id, row.depth, row.is_last, &row.ancestor_continues[..])
        })
        .collect()
}

#[test]
fn sessions_stand_under_their_parents_newest_first() {
    let family = family(&[
        ("top", None),
        ("old", Some("top")),
        ("grandchild", Some("new")),
        ("great", Some("grandchild")),
        ("new", Some("top")),
        ("other", Some("gone")),
    ]);

    let rows = family.store.recent_tree(&SessionFilter::new().work_dir("/w")).unwrap();

    assert_eq!(
        shape(&rows),
        [
            ("other", 0, false, &[][..]),
            ("top", 0, true, &[]),
            ("new", 1, false, &[]),
            ("grandchild", 2, true, &[true]),
            ("great", 3, true, &[true, false]),
            ("old", 1, true, &[]),
        ]
    );
}

#[test]
fn sessions_in_a_circle_stand_at_the_top_and_none_is_lost() {
    let family =
        family(&[("a", Some("b")), ("b", Some("a")), ("self", Some("self")), ("below", Some("a"))]);

    let rows = family.store.recent_tree(&SessionFilter::new()).unwrap();

    let shape: Vec<_> = shape(&rows).into_iter().map(|(id, depth, ..)| (id, depth)).collect();
    assert_eq!(shape, [("self", 0), ("b", 0), ("a", 0), ("below", 1)]);
}

#[test]
fn children_of_an_id_that_two_sessions_have_stand_under_the_first() {
    let family = family(&[("twice", None), ("child", Some("twice"))]);
    // No session is made under an id that one has, but one may be imported.
    let folder = family.dir.path().join("root/sessions/--w--");
    std::fs::create_dir_all(&folder).unwrap();
    let again = family.lines(&family.session("twice")).concat();
    std::fs::write(folder.join("again.jsonl"), again.replace("00:00:00", "00:00:05")).unwrap();
    family.store.import(&family.dir.path().join("root"), &ImportOptions::new()).unwrap();

    let rows = family.store.recent_tree(&SessionFilter::new()).unwrap();

    let shape: Vec<_> = shape(&rows).into_iter().map(|(id, depth, ..)| (id, depth)).collect();
    assert_eq!(shape, [("twice", 0), ("child", 1), ("twice", 0)]);
}

#[test]
fn a_parent_beyond_the_limit_leaves_its_child_at_the_top() {
    let family = family(&[("parent", None), ("child", Some("parent"))]);

    let rows = family.store.recent_tree(&SessionFilter::new().limit(1)).unwrap();

    assert_eq!(shape(&rows), [("child", 0, true, &[][..])]);
}
