//! Properties of any share directory of Kimi.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use sessile::{ExportOptions, Format, ImportOptions, SessionKey, Timestamp};

use crate::odd_kimi::{PATHS, content};
use crate::properties::cases;
use crate::support::{THEN, TestStore, dump, set_mtime, snapshot, without_losses};

/// What may happen to a root between two imports.
#[derive(Clone, Debug)]
enum Step {
    Write(Vec<u8>),
    Append(Vec<u8>),
    RenameTo(&'static str),
    /// A context is begun anew, as Kimi does it.
    Rotate(Vec<u8>),
    Remove,
    /// Something is decided here about the session that the file is of.
    Decide(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => content().prop_map(Step::Write),
        4 => content().prop_map(Step::Append),
        1 => prop::sample::select(&PATHS[..]).prop_map(Step::RenameTo),
        1 => content().prop_map(Step::Rotate),
        1 => Just(Step::Remove),
        2 => (0..9_u8).prop_map(Step::Decide),
    ]
}

/// Does something to a session; an error is as good, as long as nothing came of it.
fn decide(test: &TestStore, session: SessionKey, what: u8) -> sessile::Result<()> {
    let store = &test.store;
    let live = store.session(session)?;
    let at = Timestamp(THEN * 1_000_000_000);
    match what {
        0 => live.rename(Some("t")),
        1 => live.rename(None),
        2 => store.session(session).unwrap().at(at).archive(),
        3 => store.session(session).unwrap().at(at).unarchive(),
        4 => store.session(session).unwrap().at(at).trash(),
        5 => store.session(session).unwrap().purge().map(drop),
        6 => live.clone_session().map(drop),
        7 => live.kimi().unwrap().fork_at_turn(0).map(drop),
        _ => {
            let leaf = live.info()?.leaf.unwrap_or_default();
            live.append_label_change(&leaf, Some("l"))?;
            live.fork(&leaf).map(drop)
        }
    }
}

/// Does a step; whether the root and the store are to differ then.
fn take(test: &TestStore, n: usize, path: &str, step: &Step) -> bool {
    let at = test.root.join(path);
    let exists = at.is_file();
    match step {
        Step::Write(bytes) => {
            test.write(path, bytes);
        }
        Step::Append(bytes) => {
            let before = if exists { fs::read(&at).unwrap() } else { Vec::new() };
            test.write(path, [&before, &bytes[..]].concat());
        }
        Step::RenameTo(target) if exists && !test.root.join(target).exists() => {
            let target = test.root.join(target);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::rename(&at, target).unwrap();
            return true;
        }
        Step::Rotate(bytes) => {
            let context = test.root.join(PATHS[5]);
            let rotated = test.root.join(PATHS[6]);
            if context.exists() && !rotated.exists() {
                fs::rename(&context, rotated).unwrap();
                fs::write(context, bytes).unwrap();
            }
            return true;
        }
        Step::Decide(what) => {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            for name in [path, folder] {
                if let Ok(session) = test.store.find(name) {
                    let _ = decide(test, session.key(), *what);
                }
            }
            return true;
        }
        Step::Remove if exists => {
            fs::remove_file(&at).unwrap();
            return true;
        }
        _ => return false,
    }
    set_mtime(&at, THEN + i64::try_from(n).unwrap(), 0);
    false
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn whatever_becomes_of_a_root_the_store_is_sound(
        batches in proptest::collection::vec(
            proptest::collection::vec((prop::sample::select(&PATHS[..]), step()), 1..8),
            1..6,
        )
    ) {
        let test = TestStore::quick();
        let options = ImportOptions::new().format(Format::Kimi);
        let mut differs = false;
        for (n, batch) in batches.iter().enumerate() {
            for (path, step) in batch {
                differs |= take(&test, n, path, step);
            }

            test.store.import(&test.root, &options).unwrap();

            prop_assert_eq!(test.store.check().unwrap(), []);
            let differences = test.store.verify(&test.root).unwrap().differences;
            prop_assert!(differs || differences.is_empty(), "{:?}", differences);
        }
        let known = test.dump();
        if !differs {
            let fresh = test.another("fresh.db");
            fresh.import(&test.root, &options).unwrap();
            prop_assert_eq!(without_losses(&known), dump(&fresh));
            let out = test.folder().join("out");
            test.store.export(&out, &ExportOptions::new()).unwrap();
            prop_assert_eq!(snapshot(&out), snapshot(&test.root));
        }
        test.store.rebuild().unwrap();
        prop_assert_eq!(test.dump(), known);
    }

    #[test]
    fn what_is_decided_stands_in_an_export(
        files in proptest::collection::vec((prop::sample::select(&PATHS[..]), content()), 1..12),
        decisions in proptest::collection::vec(
            // The others stand in no file of Kimi's.
            (prop::sample::select(&PATHS[..]), prop::sample::select(vec![0, 1, 2, 3, 5, 6, 7])),
            1..6,
        )
    ) {
        let test = TestStore::quick();
        let options = ImportOptions::new().format(Format::Kimi);
        for (path, bytes) in &files {
            test.write(path, bytes);
        }
        test.store.import(&test.root, &options).unwrap();
        for (n, (path, what)) in decisions.into_iter().enumerate() {
            take(&test, n, path, &Step::Decide(what));
        }

        let out = test.folder().join("out");
        test.store.export(&out, &ExportOptions::new()).unwrap();

        let fresh = test.another("fresh.db");
        fresh.import(&out, &options).unwrap();
        let root = |root: &Path| serde_json::Value::from(root.to_str().unwrap()).to_string();
        prop_assert_eq!(dump(&fresh).replace(&root(&out), &root(&test.root)), test.dump());
    }
}
