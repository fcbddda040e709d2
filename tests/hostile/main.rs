//! Hostile input: nothing panics, hangs or hides another file, and every byte is
//! returned.

mod contents;
mod damage;
#[cfg(feature = "cli")]
mod failing_syncs;
mod folders;
mod interrupted;
#[cfg(feature = "cli")]
mod killed;
mod moving;
mod pages;
mod passed_on;
mod recovered;
#[allow(dead_code, reason = "shared with the other tests, which use more of it")]
#[path = "../it/support.rs"]
mod support;
mod times;
mod trees;
mod whole;

use std::path::Path;

use serde_json::Value;
use sessile::{ExportOptions, ProblemKind};
use support::{TestStore, options, snapshot};

/// The file that most cases consist of.
const FILE: &str = "sessions/--w--/one.jsonl";

/// Entries of a large case.
const MANY: usize = 20_000;

/// Imports the root, and proves that nothing of it is lost.
#[track_caller]
fn check_root(test: &TestStore) {
    test.import();
    check_imported(test);
}

/// Proves an imported root: compared, checked, dumped and exported.
#[track_caller]
fn check_imported(test: &TestStore) {
    test.assert_sound();
    for row in test.dump().lines() {
        serde_json::from_str::<serde::de::IgnoredAny>(row).unwrap();
    }
    check_export(test);
}

/// Exports the root, and compares every byte, mode and time.
#[track_caller]
fn check_export(test: &TestStore) {
    let out = tempfile::tempdir_in(test.folder()).unwrap();
    test.store.export(out.path(), &ExportOptions::new()).unwrap();
    let expected = covered(&test.root);
    let found = covered(out.path());
    let names = |of: &std::collections::BTreeMap<_, _>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&expected));
    for (path, facts) in expected {
        assert!(found[&path] == facts, "{}", path.display());
    }
}

fn covered(folder: &Path) -> std::collections::BTreeMap<std::path::PathBuf, (u32, i128, Vec<u8>)> {
    let sessions = folder.join("sessions");
    if sessions.is_dir() { snapshot(&sessions) } else { snapshot(folder) }
}

/// A store in which one file of these bytes is proven.
#[track_caller]
fn checked_file(bytes: impl AsRef<[u8]>) -> TestStore {
    let test = TestStore::quick();
    test.write(FILE, bytes);
    check_root(&test);
    test
}

/// The problems of a session's file, as kind and line.
fn problems(test: &TestStore) -> Vec<(ProblemKind, Option<u32>)> {
    let session = test.store.find(FILE).unwrap();
    let found = session.problems().unwrap();
    found.iter().map(|problem| (problem.kind, problem.line)).collect()
}

/// The problems of a path that is no session, as kinds.
fn loose_problems(test: &TestStore) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for row in test.dump().lines() {
        let row: Value = serde_json::from_str(row).unwrap();
        if row["session_id"].is_null() {
            for problem in row["problems"].as_array().unwrap() {
                let kind = problem["kind"].as_str().unwrap().to_owned();
                found.push((row["file"].to_string(), kind));
            }
        }
    }
    found
}

fn count(problems: &[(ProblemKind, Option<u32>)], kind: ProblemKind) -> usize {
    problems.iter().filter(|(found, _)| *found == kind).count()
}

fn options_of_root() -> sessile::ImportOptions {
    options()
}
