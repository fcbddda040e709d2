//! Trees: paths, children, roots, leaves and what they share.

use sessile::{Error, SessionKey};

use crate::support::{TestStore, header, ids, line, message, nodes};

/// r with children a, b; b with children c, d; and a root s apart.
fn branched() -> (TestStore, SessionKey) {
    TestStore::of_file(
        header("one")
            + &message("r", None, "r")
            + &message("a", Some("r"), "a")
            + &message("b", Some("r"), "b")
            + &message("c", Some("b"), "c")
            + &message("d", Some("b"), "d")
            + &message("s", None, "s")
            + &line(&serde_json::json!({"type": "leaf", "targetId": "c"})),
    )
}

/// A session whose entries are these (id, parent) pairs, in this order.
fn of_edges(edges: &[(&str, &str)]) -> (TestStore, SessionKey) {
    let lines: String = edges
        .iter()
        .map(|(id, parent)| message(id, Some(*parent).filter(|parent| !parent.is_empty()), id))
        .collect();
    TestStore::of_file(header("one") + &lines)
}

#[test]
fn a_path_takes_the_branch_of_its_leaf() {
    let (test, session) = branched();
    for (leaf, expected) in [
        ("c", &["r", "b", "c"][..]),
        ("d", &["r", "b", "d"]),
        ("a", &["r", "a"]),
        ("r", &["r"]),
        ("s", &["s"]),
    ] {
        let path = test.store.session(session).unwrap().path_to(leaf).unwrap();

        assert_eq!(ids(&path), expected);
    }
}

#[test]
fn the_end_of_a_path_comes_root_first() {
    let (test, session) = branched();
    for (limit, expected) in
        [(0, &[][..]), (1, &["c"]), (2, &["b", "c"]), (3, &["r", "b", "c"]), (9, &["r", "b", "c"])]
    {
        let path = test.store.session(session).unwrap().last_of_path("c", limit).unwrap();

        assert_eq!(ids(&path), expected, "{limit}");
    }
}

#[test]
fn the_branch_is_the_path_to_the_leaf() {
    let (test, session) = branched();

    let branch = test.store.session(session).unwrap().path().unwrap();

    assert_eq!(ids(&branch), ["r", "b", "c"]);
}

#[test]
fn the_recursive_query_of_the_schema_gives_the_same_branch() {
    for edges in [
        &[("a", ""), ("b", "a"), ("x", "a"), ("c", "b")][..],
        &[("a", "c"), ("b", "a"), ("c", "b")],
        &[("a", "later"), ("later", ""), ("b", "a")],
        &[("a", "a"), ("b", "missing"), ("c", "b")],
    ] {
        let (test, session) = of_edges(edges);
        let conn = test.sqlite();
        let mut stmt = conn
            .prepare(
                "SELECT entry.entry_id
                 FROM active_branches AS branch
                 JOIN entries AS entry ON entry.entry_key = branch.entry_key",
            )
            .unwrap();
        let rows = stmt.query_map([], |row| row.get::<_, String>(0)).unwrap();
        let mut queried: Vec<String> = rows.map(Result::unwrap).collect();
        queried.sort();

        let walked = test.store.session(session).unwrap().path().unwrap();
        let mut walked: Vec<&str> = ids(&walked);
        walked.sort_unstable();
        assert_eq!(queried, walked, "{edges:?}");
    }
}

#[test]
fn children_roots_and_leaves_come_in_file_order() {
    let (test, session) = branched();

    assert_eq!(ids(&test.store.session(session).unwrap().children("r").unwrap()), ["a", "b"]);
    assert_eq!(ids(&test.store.session(session).unwrap().children("b").unwrap()), ["c", "d"]);
    assert_eq!(ids(&test.store.session(session).unwrap().children("c").unwrap()), [""; 0]);
    assert_eq!(ids(&test.store.session(session).unwrap().roots().unwrap()), ["r", "s"]);
    assert_eq!(ids(&test.store.session(session).unwrap().leaves().unwrap()), ["a", "c", "d", "s"]);
}

#[test]
fn a_tree_comes_depth_first() {
    let (test, session) = branched();

    let tree = test.store.session(session).unwrap().tree().unwrap();

    assert_eq!(nodes(&tree), [("r", 0), ("a", 1), ("b", 1), ("c", 2), ("d", 2), ("s", 0)]);
    assert_eq!(tree[0].children, ["a", "b"]);
}

#[test]
fn the_common_ancestor_is_the_last_entry_shared() {
    let (test, session) = branched();
    for (one, other, expected) in [
        ("c", "d", Some("b")),
        ("d", "c", Some("b")),
        ("a", "c", Some("r")),
        ("b", "c", Some("b")),
        ("c", "b", Some("b")),
        ("c", "c", Some("c")),
        ("c", "s", None),
    ] {
        let shared = test.store.session(session).unwrap().common_ancestor(one, other).unwrap();

        assert_eq!(shared.map(|entry| entry.id).as_deref(), expected, "{one} {other}");
    }
}

#[test]
fn an_entry_that_is_not_there_is_an_error_or_nothing() {
    let (test, session) = branched();
    let missing = |err: Error| matches!(err, Error::EntryNotFound { entry_id } if entry_id == "x");

    assert_eq!(test.store.session(session).unwrap().entry("x").unwrap(), None);
    assert!(missing(test.store.session(session).unwrap().path_to("x").unwrap_err()));
    assert!(missing(test.store.session(session).unwrap().last_of_path("x", 1).unwrap_err()));
    assert!(missing(test.store.session(session).unwrap().children("x").unwrap_err()));
    assert!(missing(test.store.session(session).unwrap().common_ancestor("x", "a").unwrap_err()));
    assert!(missing(test.store.session(session).unwrap().common_ancestor("a", "x").unwrap_err()));
}

#[test]
fn an_entry_knows_its_line() {
    let (test, session) = branched();

    let entry = test.store.session(session).unwrap().entry("c").unwrap().unwrap();

    assert_eq!((entry.line, entry.parent_id.as_deref()), (5, Some("b")));
    assert_eq!((entry.entry_type.as_str(), entry.role.as_deref()), ("message", Some("user")));
    assert_eq!(
        test.store.session(session).unwrap().line_of(&entry).unwrap(),
        message("c", Some("b"), "c").as_bytes()
    );
}

#[test]
fn a_path_leaps_over_what_was_left() {
    let mut edges = vec![("r".to_owned(), String::new())];
    for n in 0..100 {
        // A branch of 0 to 99 entries hangs from each entry of the path.
        for m in 0..n {
            let parent = if m == 0 { format!("p{}", n - 1) } else { format!("s{n}-{}", m - 1) };
            edges.push((format!("s{n}-{m}"), parent));
        }
        edges.push((format!("p{n}"), if n == 0 { "r".to_owned() } else { format!("p{}", n - 1) }));
    }
    let edges: Vec<(&str, &str)> =
        edges.iter().map(|(id, parent)| (id.as_str(), parent.as_str())).collect();
    let (test, session) = of_edges(&edges);

    let path = test.store.session(session).unwrap().path_to("p99").unwrap();
    let mut lines = Vec::new();
    let each = |number, raw: &[u8]| {
        lines.push((number, raw.to_vec()));
        Ok(())
    };
    test.store.session(session).unwrap().each_line_of_path("p99", each).unwrap();

    let expected: Vec<String> =
        ["r".to_owned()].into_iter().chain((0..100).map(|n| format!("p{n}"))).collect();
    assert_eq!(ids(&path), expected);
    assert_eq!(path.len(), lines.len());
    for (entry, (number, raw)) in path.iter().zip(lines) {
        assert_eq!(entry.line, number);
        assert_eq!(test.store.session(session).unwrap().line_of(entry).unwrap(), raw);
    }
}

#[test]
fn a_path_through_a_circle_ends_where_it_meets_itself() {
    for (edges, leaf, expected) in [
        (&[("a", "b"), ("b", "a")][..], "b", &["a", "b"][..]),
        (&[("a", "a")], "a", &["a"]),
        (&[("a", "c"), ("b", "a"), ("c", "b"), ("d", "c")], "d", &["a", "b", "c", "d"]),
        (&[("b", "a"), ("c", "b"), ("a", "c")], "c", &["a", "b", "c"]),
    ] {
        let (test, session) = of_edges(edges);

        let path = test.store.session(session).unwrap().path_to(leaf).unwrap();
        let tree = test.store.session(session).unwrap().tree().unwrap();

        assert_eq!(ids(&path), expected);
        assert_eq!(tree.len(), edges.len());
        assert_eq!(tree[0].depth, 0);
        test.assert_sound();
    }
}

#[test]
fn an_orphan_is_a_root_until_its_parent_comes() {
    let (test, session) = of_edges(&[("a", ""), ("o", "late"), ("p", "o")]);
    assert_eq!(ids(&test.store.session(session).unwrap().roots().unwrap()), ["a", "o"]);

    test.append("sessions/--w--/one.jsonl", message("late", Some("a"), "late"));
    test.import();

    assert_eq!(ids(&test.store.session(session).unwrap().roots().unwrap()), ["a"]);
    assert_eq!(
        ids(&test.store.session(session).unwrap().path_to("p").unwrap()),
        ["a", "late", "o", "p"]
    );
    assert_eq!(test.store.session(session).unwrap().problems().unwrap(), []);
    test.assert_sound();
    test.assert_like_fresh();
}

#[test]
fn of_entries_with_one_id_the_last_wins_with_all_their_children() {
    let (test, session) =
        of_edges(&[("r", ""), ("x", "r"), ("y", "x"), ("z", "r"), ("x", "r"), ("w", "x")]);

    let tree = test.store.session(session).unwrap().tree().unwrap();

    assert_eq!(nodes(&tree), [("r", 0), ("x", 1), ("y", 2), ("w", 2), ("z", 1)]);
    assert_eq!(test.store.session(session).unwrap().entry("x").unwrap().unwrap().line, 6);
    assert_eq!(ids(&test.store.session(session).unwrap().children("x").unwrap()), ["y", "w"]);
    test.assert_sound();
}

#[test]
fn a_duplicate_may_move_elsewhere() {
    let (test, session) = of_edges(&[("r", ""), ("x", "r"), ("y", "x"), ("x", "")]);

    assert_eq!(ids(&test.store.session(session).unwrap().roots().unwrap()), ["r", "x"]);
    assert_eq!(ids(&test.store.session(session).unwrap().path_to("y").unwrap()), ["x", "y"]);
    test.assert_sound();
}

#[test]
fn entries_of_two_sessions_with_the_same_ids_do_not_meet() {
    let (test, one) = branched();
    test.write("sessions/--w--/two.jsonl", header("two") + &message("b", Some("c"), "b"));
    test.import();
    let two = test.store.find("two").unwrap();

    assert_eq!(ids(&two.path_to("b").unwrap()), ["b"]);
    assert_eq!(ids(&test.store.session(one).unwrap().path_to("b").unwrap()), ["r", "b"]);
    assert_eq!(ids(&test.store.session(one).unwrap().children("b").unwrap()), ["c", "d"]);
    assert_eq!(ids(&two.leaves().unwrap()), ["b"]);
}

#[test]
fn a_label_shows_on_its_entry() {
    let label = |target: &str, label: &str| {
        line(&serde_json::json!({"type": "label", "targetId": target, "label": label}))
    };
    let (test, session) = TestStore::of_file(
        header("one")
            + &label("a", "before its target")
            + &message("a", None, "a")
            + &label("ghost", "on nothing")
            + &label("a", "  changed  "),
    );

    let entry = test.store.session(session).unwrap().entry("a").unwrap().unwrap();
    let labels = test.store.session(session).unwrap().labels().unwrap();

    assert_eq!(entry.label.as_deref(), Some("changed"));
    let labels: Vec<_> =
        labels.iter().map(|label| (label.target_id.as_str(), label.label.as_str())).collect();
    assert_eq!(labels, [("ghost", "on nothing"), ("a", "changed")]);
}
