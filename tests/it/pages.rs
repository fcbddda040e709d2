//! Pages of a list and of hits while others write: what stood still is on one of
//! them, once, and in its place.

use std::collections::{HashMap, HashSet};
use std::fs;

use proptest::prelude::*;
use serde_json::json;
use sessile::{Archived, Search, SessionFilter, SessionKey, Timestamp};

use crate::properties::cases_or;
use crate::support::{TestStore, header, line};

/// What is done between two pages, to a session by its number.
#[derive(Clone, Debug)]
enum Step {
    Append(usize, u8),
    Rename(usize),
    Label(usize),
    Archive(usize),
    Unarchive(usize),
    Trash(usize),
    Restore(usize),
    Purge(usize),
    Fork(usize),
    Clone(usize),
    Grow(usize, u8),
    Rewrite(usize, u8),
    Vanish(usize),
    Arrive(u8),
    Rebuild,
    Prune,
    Seal(usize),
    Search,
}

fn steps() -> impl Strategy<Value = Step> {
    let n = || 0_usize..40;
    prop_oneof![
        4 => (n(), any::<u8>()).prop_map(|(n, time)| Step::Append(n, time)),
        1 => n().prop_map(Step::Rename),
        1 => n().prop_map(Step::Label),
        1 => n().prop_map(Step::Archive),
        1 => n().prop_map(Step::Unarchive),
        1 => n().prop_map(Step::Trash),
        1 => n().prop_map(Step::Restore),
        1 => n().prop_map(Step::Purge),
        1 => n().prop_map(Step::Fork),
        1 => n().prop_map(Step::Clone),
        1 => (n(), any::<u8>()).prop_map(|(n, time)| Step::Grow(n, time)),
        1 => (n(), any::<u8>()).prop_map(|(n, time)| Step::Rewrite(n, time)),
        1 => n().prop_map(Step::Vanish),
        1 => any::<u8>().prop_map(Step::Arrive),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Prune),
        1 => n().prop_map(Step::Seal),
        2 => Just(Step::Search),
    ]
}

/// A file: its id, none where there is no header, and the times of its messages.
type File = (Option<u8>, Vec<Option<u8>>);

fn files() -> impl Strategy<Value = Vec<File>> {
    let time = prop::option::weighted(0.8, 0_u8..6);
    let file = (prop::option::weighted(0.8, 0_u8..12), prop::collection::vec(time, 1..4));
    prop::collection::vec(file, 1..40)
}

fn time(n: u8) -> String {
    format!("2026-01-01T00:00:{:02}.000Z", n % 6)
}

fn said(n: usize, at: Option<u8>) -> String {
    let mut record = json!({
        "type": "message", "id": format!("m{n}"), "message": {"role": "user", "content": "alpha"}
    });
    if let Some(at) = at {
        record["timestamp"] = time(at).into();
    }
    line(&record)
}

fn bytes((id, times): &File) -> String {
    let id = id.map(|id| if id == 0 { String::new() } else { format!("s{id}") });
    let head = id.map(|id| header(&id)).unwrap_or_default();
    let lines = times.iter().enumerate().map(|(n, at)| said(n, *at));
    head + &lines.collect::<String>()
}

fn path(n: usize) -> String {
    format!("sessions/--w--/{n}.jsonl")
}

struct World {
    test: TestStore,
    keys: Vec<SessionKey>,
    files: usize,
    touched: HashSet<SessionKey>,
}

impl World {
    fn of(files: &[File]) -> Self {
        let test = TestStore::quick();
        for (n, file) in files.iter().enumerate() {
            test.write(path(n), bytes(file));
        }
        test.import();
        let find = |n| test.store.find(&path(n)).unwrap().key();
        let keys = (0..files.len()).map(find).collect();
        Self { test, keys, files: files.len(), touched: HashSet::new() }
    }

    /// Does a step, and notes the sessions that did not stand still.
    fn go(&mut self, step: &Step) {
        let before = self.rows();
        self.step(step);
        let after = self.rows();
        let moved = before.into_iter().filter(|(key, row)| after.get(key) != Some(row));
        self.touched.extend(moved.map(|(key, _)| key));
    }

    /// What lists say of each session, also of one in the trash.
    fn rows(&self) -> HashMap<SessionKey, String> {
        let filter = SessionFilter::new().archived(Archived::Included).limit(u64::MAX);
        let store = &self.test.store;
        let lists = [store.sessions(&filter).unwrap().rows, store.trash(&filter).unwrap().rows];
        let rows = lists.into_iter().flatten();
        rows.map(|row| (row.key, serde_json::to_string(&row).unwrap())).collect()
    }

    /// Does a step; one that cannot be done changes nothing.
    fn step(&mut self, step: &Step) {
        let store = &self.test.store;
        let n = match step {
            Step::Append(n, _) | Step::Rename(n) | Step::Label(n) | Step::Archive(n) => n,
            Step::Unarchive(n) | Step::Trash(n) | Step::Restore(n) | Step::Purge(n) => n,
            Step::Grow(n, _) | Step::Rewrite(n, _) | Step::Vanish(n) => n,
            Step::Fork(n) | Step::Clone(n) => {
                let n = n % self.keys.len();
                let Ok(session) = store.session(self.keys[n]) else { return };
                let _ = match step {
                    Step::Fork(_) => session.fork("m0").map(|_| ()),
                    _ => session.clone_session().map(|_| ()),
                };
                return;
            }
            Step::Arrive(at) => {
                let file = (Some(20 + at % 3), vec![Some(*at)]);
                self.test.write(path(self.files), bytes(&file));
                self.files += 1;
                self.test.import();
                return;
            }
            Step::Rebuild => {
                store.rebuild().unwrap();
                return;
            }
            Step::Prune => return drop(store.prune().unwrap()),
            Step::Seal(n) => {
                let key = self.keys[n % self.keys.len()];
                let _ = store.seal(&sessile::SealOptions::new().session(key));
                return;
            }
            Step::Search => return drop(store.search(&Search::words("alpha")).unwrap()),
        };
        let n = n % self.keys.len();
        self.touched.insert(self.keys[n]);
        match step {
            Step::Grow(_, at) if self.test.root.join(path(n)).exists() => {
                self.test.append(path(n), said(77, Some(*at)));
                self.test.import();
            }
            Step::Rewrite(_, at) => {
                self.test.write(path(n), bytes(&(Some(*at % 12), vec![Some(*at); 4])));
                self.test.import();
            }
            Step::Vanish(_) => {
                let _ = fs::remove_file(self.test.root.join(path(n)));
                self.test.import();
            }
            _ => {
                if let Ok(session) = store.session(self.keys[n]) {
                    change(step, &session);
                }
            }
        }
    }
}

fn change(step: &Step, session: &sessile::Session) {
    let at = match step {
        Step::Append(_, at) => Timestamp::parse(&time(*at)).unwrap(),
        _ => Timestamp::parse(&time(3)).unwrap(),
    };
    let session = session.clone().at(at);
    let _ = match step {
        Step::Append(..) => {
            session.append_message(json!({"role": "user", "content": "alpha"})).map(|_| ())
        }
        Step::Rename(_) => session.rename(Some("alpha")),
        Step::Label(_) => session.append_label_change("m0", Some("x")).map(|_| ()),
        Step::Archive(_) => session.archive(),
        Step::Unarchive(_) => session.unarchive(),
        Step::Trash(_) => session.trash(),
        Step::Restore(_) => session.restore(),
        _ => session.trash().and_then(|()| session.purge().map(|_| ())),
    };
}

fn filters() -> impl Strategy<Value = SessionFilter> {
    let archived =
        prop_oneof![Just(Archived::Included), Just(Archived::Without), Just(Archived::Only)];
    (archived, 0..4).prop_map(|(archived, narrowed)| {
        let filter = SessionFilter::new().archived(archived);
        match narrowed {
            0 => filter.work_dir("/work"),
            1 => filter.query("alpha"),
            2 => filter.query("al"),
            _ => filter,
        }
    })
}

proptest! {
    // A case takes a fifth of a second.
    #![proptest_config(cases_or(8))]

    #[test]
    fn a_session_that_stands_still_is_on_one_page(
        files in files(),
        before in prop::collection::vec(steps(), 0..12),
        between in prop::collection::vec(steps(), 0..30),
        filter in filters(),
        limit in 1_u64..9,
    ) {
        let mut world = World::of(&files);
        before.iter().for_each(|step| world.go(step));
        world.touched.clear();
        let all = world.test.store.sessions(&filter.clone().limit(u64::MAX)).unwrap();

        let mut found = Vec::new();
        let mut between = between.iter();
        let mut next = filter.clone().limit(limit);
        loop {
            let page = world.test.store.sessions(&next).unwrap();
            found.extend(page.rows.iter().map(|row| row.key));
            prop_assert!(found.len() < 500);
            let Some(cursor) = page.next else { break };
            next = next.after(cursor.to_string().parse().unwrap());
            between.by_ref().take(3).for_each(|step| world.go(step));
        }

        let known: HashSet<SessionKey> = all.rows.iter().map(|row| row.key).collect();
        let stood_still = |key: &SessionKey| known.contains(key) && !world.touched.contains(key);
        let expected: Vec<_> = all.rows.iter().map(|row| row.key).filter(stood_still).collect();
        let still: Vec<_> = found.iter().copied().filter(stood_still).collect();
        prop_assert_eq!(still, expected);
    }

    #[test]
    fn an_entry_that_stands_still_is_among_the_hits_of_one_page(
        files in files(),
        before in prop::collection::vec(steps(), 0..12),
        between in prop::collection::vec(steps(), 0..30),
        is_active in any::<bool>(),
        limit in 1_u64..9,
    ) {
        let mut world = World::of(&files);
        before.iter().for_each(|step| world.go(step));
        world.touched.clear();
        let mut search = Search::words("alpha");
        if is_active {
            search = search.active_branch();
        }
        let all = world.test.store.search(&search.clone().limit(0)).unwrap();

        let mut found = Vec::new();
        let mut between = between.iter();
        let mut next = search.clone().limit(limit);
        loop {
            let page = world.test.store.search(&next).unwrap();
            found.extend(page.hits.into_iter().map(|hit| (hit.session, hit.entry_id)));
            prop_assert!(found.len() < 500);
            let Some(cursor) = page.next else { break };
            next = next.after(cursor.to_string().parse().unwrap());
            between.by_ref().take(3).for_each(|step| world.go(step));
        }

        let all: Vec<_> = all.hits.into_iter().map(|hit| (hit.session, hit.entry_id)).collect();
        let stood_still =
            |hit: &(SessionKey, String)| all.contains(hit) && !world.touched.contains(&hit.0);
        let expected: Vec<_> = all.iter().filter(|hit| stood_still(hit)).cloned().collect();
        let still: Vec<_> = found.iter().filter(|hit| stood_still(hit)).cloned().collect();
        prop_assert_eq!(still, expected);
    }

    #[test]
    fn pages_of_the_most_telling_are_one_list_while_nobody_writes(
        files in files(),
        before in prop::collection::vec(steps(), 0..12),
        limit in 1_u64..9,
    ) {
        let mut world = World::of(&files);
        before.iter().for_each(|step| world.go(step));
        let search = Search::words("alpha").ranked();
        let all = world.test.store.search(&search.clone().limit(0)).unwrap().hits;

        let mut found = Vec::new();
        let mut next = search.clone().limit(limit);
        loop {
            let page = world.test.store.search(&next).unwrap();
            found.extend(page.hits);
            prop_assert!(found.len() < 500);
            let Some(cursor) = page.next else { break };
            next = next.after(cursor.to_string().parse().unwrap());
        }

        prop_assert_eq!(found, all);
    }
}
