//! Runs: what the table holds, and that every walk over it agrees with one in memory.

use std::collections::{BTreeSet, HashMap, HashSet};

use proptest::prelude::*;
use serde_json::json;
use sessile::{Format, ImportOptions, SessionKey};

use crate::properties::cases;
use crate::support::{TestStore, header, ids, line, message, nodes};

const FILE: &str = "sessions/--w--/one.jsonl";

/// Runs of the only session: where each begins, and what it follows, by ordinals.
fn runs(test: &TestStore) -> Vec<(u32, Option<u32>)> {
    let conn = test.sqlite();
    let mut stmt = conn
        .prepare(
            "SELECT first_key & 0xFFFFFFFF, parent_key & 0xFFFFFFFF
             FROM runs
             ORDER BY first_key",
        )
        .unwrap();
    let rows = stmt.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.map(Result::unwrap).collect()
}

/// Texts that a statement gives in its only column, sorted.
fn sorted(test: &TestStore, sql: &str) -> Vec<String> {
    let conn = test.sqlite();
    let mut stmt = conn.prepare(sql).unwrap();
    let rows = stmt.query_map([], |row| row.get(0)).unwrap();
    let mut found: Vec<String> = rows.map(Result::unwrap).collect();
    found.sort();
    found
}

/// Adds what was written to the root, and checks the runs that it makes.
#[track_caller]
fn check_runs(test: &TestStore, lines: &str, expected: &[(u32, Option<u32>)]) {
    test.append(FILE, lines);
    test.import();

    assert_eq!(runs(test), expected);
    test.assert_sound();
    test.assert_like_fresh();
}

#[test]
fn only_what_does_not_follow_the_entry_before_has_a_row() {
    let (test, session) = TestStore::of_file(header("one") + &message("a", None, "a"));
    assert_eq!(runs(&test), [(0, None)]);

    check_runs(
        &test,
        &(message("b", Some("a"), "b") + &message("c", Some("b"), "c")),
        &[(0, None)],
    );
    let fork = message("d", Some("a"), "d");
    check_runs(&test, &fork, &[(0, None), (3, Some(0))]);
    let orphan = message("e", Some("late"), "e");
    check_runs(&test, &orphan, &[(0, None), (3, Some(0)), (4, None)]);
    let late = message("late", Some("c"), "late");
    check_runs(&test, &late, &[(0, None), (3, Some(0)), (4, Some(5)), (5, Some(2))]);
    // A repeated id moves its entry: c away from where it stood, and back.
    let away = message("c", None, "c");
    check_runs(&test, &away, &[(0, None), (2, None), (3, Some(0)), (4, Some(5)), (5, Some(2))]);
    let back = message("c", Some("b"), "c");
    check_runs(&test, &back, &[(0, None), (3, Some(0)), (4, Some(5)), (5, Some(2))]);
    assert_eq!(
        ids(&test.store.session(session).unwrap().path_to("e").unwrap()),
        ["a", "b", "c", "late", "e"]
    );
}

#[test]
fn an_append_to_the_leaf_writes_no_run() {
    let (test, session) = TestStore::of_file(header("one") + &message("a", None, "a"));
    let session = test.store.session(session).unwrap();
    let conn = test.sqlite();
    conn.execute_batch(
        "CREATE TRIGGER no_run BEFORE INSERT ON runs BEGIN SELECT RAISE(ABORT, 'a run'); END;",
    )
    .unwrap();

    session.append_message(r#"{"role":"user","content":"b","id":"b"}"#).unwrap();
    session.append_message(r#"{"role":"user","content":"c","id":"c"}"#).unwrap();
    session.branch("b").unwrap();
    let fork = session.append_message(r#"{"role":"user","content":"d","id":"d"}"#);

    assert!(fork.is_err(), "a fork begins a run");
    assert_eq!(runs(&test), [(0, None)]);
}

#[test]
fn keys_count_the_entries_of_each_session_in_every_format() {
    for (fixture, format) in [
        ("kward/small", Format::Kward),
        ("pi/small", Format::Pi),
        ("kimi/small", Format::Kimi),
        ("claude/small", Format::Claude),
        ("codex/small", Format::Codex),
    ] {
        let test = TestStore::new();
        let root = crate::support::fixture(fixture);
        test.store.import(&root, &ImportOptions::new().format(format)).unwrap();
        let conn = test.sqlite();

        let odd: i64 = conn
            .query_row(
                "SELECT count(*)
                 FROM (SELECT session_key, min(entry_key) AS first, max(entry_key) AS last,
                              count(*) AS entries
                       FROM entries
                       GROUP BY session_key)
                 WHERE first <> session_key << 32
                    OR last <> (session_key << 32) + entries - 1",
                [],
                |row| row.get(0),
            )
            .unwrap();
        let loose: i64 = conn
            .query_row(
                "SELECT count(*) FROM entries WHERE line_key NOT IN (SELECT line_key FROM lines)",
                [],
                |row| row.get(0),
            )
            .unwrap();

        assert_eq!((odd, loose), (0, 0), "{fixture}");
    }
}

/// Entries by their ids, as a file's lines say, and the tree that they make.
struct Tree {
    /// In the order of their first lines.
    ids: Vec<u8>,
    /// Of lines with one id the last counts.
    parent_of: HashMap<u8, Option<u8>>,
}

impl Tree {
    fn of(lines: &[(u8, Option<u8>)]) -> Self {
        let mut ids = Vec::new();
        for (id, _) in lines {
            if !ids.contains(id) {
                ids.push(*id);
            }
        }
        let mut parent_of: HashMap<u8, Option<u8>> = lines.iter().copied().collect();
        for (id, parent) in &mut parent_of {
            *parent = parent.filter(|parent| parent != id && ids.contains(parent));
        }
        Self { ids, parent_of }
    }

    fn ordinal(&self, id: u8) -> u32 {
        self.ids.iter().position(|other| *other == id).unwrap() as u32
    }

    /// Leaf first, until there is no parent or it was met.
    fn walk(&self, leaf: u8) -> Vec<u8> {
        let mut walked = Vec::new();
        let mut at = Some(leaf);
        while let Some(id) = at.filter(|id| !walked.contains(id)) {
            walked.push(id);
            at = self.parent_of[&id];
        }
        walked
    }

    fn runs(&self) -> Vec<(u32, Option<u32>)> {
        let parents = self.ids.iter().map(|id| self.parent_of[id].map(|id| self.ordinal(id)));
        let follows = |n: u32, parent: Option<u32>| 0 < n && parent == Some(n - 1);
        (0..).zip(parents).filter(|(n, parent)| !follows(*n, *parent)).collect()
    }

    fn children(&self, id: Option<u8>) -> Vec<String> {
        names(self.ids.iter().filter(|child| self.parent_of[child] == id))
    }

    fn leaves(&self) -> Vec<u8> {
        let is_parent: HashSet<u8> = self.parent_of.values().flatten().copied().collect();
        self.ids.iter().copied().filter(|id| !is_parent.contains(id)).collect()
    }
}

fn name(id: u8) -> String {
    format!("e{id}")
}

fn names<'a>(ids: impl IntoIterator<Item = &'a u8>) -> Vec<String> {
    ids.into_iter().map(|id| name(*id)).collect()
}

fn entry_line((id, parent): (u8, Option<u8>)) -> String {
    let mut record = json!({"type": "message", "id": name(id), "message": {"role": "user"}});
    if let Some(parent) = parent {
        record["parentId"] = name(parent).into();
    }
    line(&record)
}

/// What stands at one entry or between two.
fn check_paths(test: &TestStore, session: SessionKey, tree: &Tree) -> Result<(), TestCaseError> {
    for leaf in &tree.ids {
        let walked = tree.walk(*leaf);
        for limit in [0, 1, 3, 10, usize::MAX] {
            let path =
                test.store.session(session).unwrap().last_of_path(&name(*leaf), limit).unwrap();
            let mut expected = names(walked.iter().take(limit));
            expected.reverse();
            prop_assert_eq!(ids(&path), expected);
            for entry in &path {
                let same = test.store.session(session).unwrap().entry(&entry.id).unwrap().unwrap();
                prop_assert_eq!(entry, &same);
            }
        }
        let children = test.store.session(session).unwrap().children(&name(*leaf)).unwrap();
        prop_assert_eq!(ids(&children), tree.children(Some(*leaf)));
        for other in &tree.ids {
            let above: HashSet<u8> = walked.iter().copied().collect();
            let expected = tree.walk(*other).into_iter().find(|id| above.contains(id)).map(name);
            let shared = test
                .store
                .session(session)
                .unwrap()
                .common_ancestor(&name(*leaf), &name(*other))
                .unwrap();
            prop_assert_eq!(shared.map(|entry| entry.id), expected, "{} {}", leaf, other);
        }
    }
    Ok(())
}

/// What stands on the active branch and beside it, also by the views.
fn check_branches(
    test: &TestStore,
    session: SessionKey,
    tree: &Tree,
    active: u8,
) -> Result<(), TestCaseError> {
    let on_branch: BTreeSet<u8> = tree.walk(active).into_iter().collect();
    for id in &tree.ids {
        let is_on = test.store.session(session).unwrap().is_on_path(&name(*id)).unwrap();
        prop_assert_eq!(is_on, on_branch.contains(id), "{}", id);
    }
    let roots = test.store.session(session).unwrap().roots().unwrap();
    prop_assert_eq!(ids(&roots), tree.children(None));
    let leaves = tree.leaves();
    let found = test.store.session(session).unwrap().leaves().unwrap();
    prop_assert_eq!(ids(&found), names(&leaves));
    let abandoned = test.store.session(session).unwrap().abandoned().unwrap();
    prop_assert_eq!(ids(&abandoned), names(leaves.iter().filter(|leaf| **leaf != active)));

    let queried =
        sorted(test, "SELECT entry_id FROM active_branches JOIN entries USING (entry_key)");
    let mut expected = names(&on_branch);
    expected.sort();
    prop_assert_eq!(queried, expected);
    let queried = sorted(
        test,
        "SELECT leaf.entry_id || ' ' || entry.entry_id
         FROM branches AS branch
         JOIN entries AS leaf ON leaf.entry_key = branch.leaf_key
         JOIN entries AS entry ON entry.entry_key = branch.entry_key",
    );
    let pairs = leaves.iter().flat_map(|leaf| {
        tree.walk(*leaf).into_iter().map(|id| format!("{} {}", name(*leaf), name(id)))
    });
    let mut expected: Vec<String> = pairs.collect();
    expected.sort();
    prop_assert_eq!(queried, expected);
    let queried = sorted(
        test,
        "SELECT entry.entry_id || ' ' || ifnull(parent.entry_id, '')
         FROM parents
         JOIN entries AS entry USING (entry_key)
         LEFT JOIN entries AS parent ON parent.entry_key = parents.parent_key",
    );
    let parent_name = |id: &u8| tree.parent_of[id].map(name).unwrap_or_default();
    let mut expected: Vec<String> =
        tree.ids.iter().map(|id| format!("{} {}", name(*id), parent_name(id))).collect();
    expected.sort();
    prop_assert_eq!(queried, expected);
    Ok(())
}

/// Lines of entries: most follow the one before, others fork, come before their
/// parents, go in circles, or repeat an id, here or there behind the entry before it.
fn lines_of_tree() -> impl Strategy<Value = Vec<(u8, Option<u8>)>> {
    let parent = proptest::option::weighted(0.9, 0..30_u8);
    let entry = (0..4_u8, parent, any::<prop::sample::Index>(), 0..6_u8);
    proptest::collection::vec(entry, 1..30).prop_map(|entries| {
        let mut ids: Vec<u8> = Vec::new();
        let mut lines: Vec<(u8, Option<u8>)> = Vec::new();
        for (n, (kind, parent, place, repeats)) in entries.into_iter().enumerate() {
            let (id, before) = if repeats == 0 && 0 < n {
                let place = place.index(ids.len());
                (ids[place], place.checked_sub(1).map(|before| ids[before]))
            } else {
                ids.push(n as u8);
                (n as u8, lines.last().map(|(id, _)| *id))
            };
            lines.push((id, if kind == 0 { parent } else { before }));
        }
        lines
    })
}

/// What is done to a session that is written here.
#[derive(Clone, Debug)]
enum Step {
    /// Behind the leaf.
    Say,
    /// Behind an entry that is there.
    Fork(prop::sample::Index),
    /// A record of this id and parent, whether these are there or not.
    Record(u8, Option<u8>),
    /// An entry once more, behind the one before it.
    Again(prop::sample::Index),
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn every_walk_over_runs_agrees_with_one_in_memory(
        lines in lines_of_tree(), active in any::<prop::sample::Index>()
    ) {
        let tree = Tree::of(&lines);
        let active = tree.ids[active.index(tree.ids.len())];
        let test = TestStore::quick();
        let text: String = lines.iter().map(|line| entry_line(*line)).collect();
        let leaf = line(&json!({"type": "leaf", "targetId": name(active)}));
        test.write(FILE, header("one") + &text + &leaf);

        test.import();

        let session = test.store.find("one").unwrap();
        prop_assert_eq!(runs(&test), tree.runs());
        check_paths(&test, session.key(), &tree)?;
        check_branches(&test, session.key(), &tree, active)?;
        let shown = session.tree().unwrap();
        let shown: BTreeSet<&str> = nodes(&shown).into_iter().map(|(id, _)| id).collect();
        prop_assert_eq!(shown.len(), tree.ids.len());
        prop_assert_eq!(test.store.check().unwrap(), []);
    }

    #[test]
    fn entries_after_a_line_are_those_whose_last_line_stands_behind_it(
        lines in lines_of_tree(), after in 0..34_u32, limit in 0..9_usize
    ) {
        let test = TestStore::quick();
        let text: String = lines.iter().map(|line| entry_line(*line)).collect();
        test.write(FILE, header("one") + &text);
        test.import();

        let found = test.store.find("one").unwrap().entries_after(after, limit).unwrap();

        // Line 1 is the header.
        let last: HashMap<u8, u32> = (2..).zip(&lines).map(|(n, (id, _))| (*id, n)).collect();
        let mut expected: Vec<(u32, u8)> =
            last.into_iter().map(|(id, n)| (n, id)).filter(|(n, _)| after < *n).collect();
        expected.sort_unstable();
        let found: Vec<(u32, String)> =
            found.into_iter().map(|entry| (entry.line, entry.id)).collect();
        let expected: Vec<(u32, String)> =
            expected.into_iter().take(limit).map(|(n, id)| (n, name(id))).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn runs_of_what_was_written_here_are_those_of_a_rebuild(
        steps in proptest::collection::vec(
            prop_oneof![
                4 => Just(Step::Say),
                2 => any::<prop::sample::Index>().prop_map(Step::Fork),
                3 => (0..20_u8, proptest::option::of(0..24_u8))
                    .prop_map(|(id, parent)| Step::Record(id, parent)),
                1 => any::<prop::sample::Index>().prop_map(Step::Again),
            ],
            1..24,
        )
    ) {
        let test = TestStore::quick();
        test.write(FILE, header("one") + &entry_line((0, None)));
        test.import();
        let session = test.store.find("one").unwrap();

        // In the order of their keys.
        let mut known = vec!["e0".to_owned()];
        for (n, step) in steps.into_iter().enumerate() {
            let said = format!("{{\"role\":\"user\",\"content\":\"\",\"id\":\"s{n}\"}}");
            match step {
                Step::Say => known.push(session.append_message(&said).unwrap()),
                Step::Fork(at) => {
                    session.branch(&known[at.index(known.len())]).unwrap();
                    known.push(session.append_message(&said).unwrap());
                }
                Step::Record(id, parent) => {
                    session.append_record(entry_line((id, parent)).trim_end()).unwrap();
                    if !known.contains(&name(id)) {
                        known.push(name(id));
                    }
                }
                Step::Again(at) => {
                    let at = at.index(known.len());
                    let parent = at.checked_sub(1).map(|before| known[before].as_str());
                    let again = message(&known[at], parent, "again");
                    session.append_record(again.trim_end()).unwrap();
                }
            }
        }

        prop_assert_eq!(test.store.check().unwrap(), []);
        let (live, dumped) = (runs(&test), test.dump());
        test.store.rebuild().unwrap();
        prop_assert_eq!(runs(&test), live);
        prop_assert_eq!(test.dump(), dumped);
    }
}
