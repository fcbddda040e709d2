//! Problems of files that belong to no session: what is wrong with a file at its root,
//! and what is wrong in the content that is kept of it.

use std::fs;
use std::os::unix::fs::symlink;

use sessile::{Format, ImportOptions, ProblemKind};

use crate::support::{TestStore, make_pipe};

/// A registry and an index of names that are wrong, and what is wrong with each.
const WRONG: [(Format, &str, &str, ProblemKind); 2] = [
    (Format::Kimi, "kimi.json", "torn {", ProblemKind::Malformed),
    (Format::Codex, "session_index.jsonl", "torn {\n", ProblemKind::Malformed),
];

fn import(test: &TestStore, format: Format) {
    test.store.import(&test.root, &ImportOptions::new().format(format)).unwrap();
}

fn kinds(test: &TestStore, path: &str) -> Vec<ProblemKind> {
    let mut found = Vec::new();
    let each = |_: &std::path::Path, problem: &sessile::Problem| {
        found.extend((problem.file == std::path::Path::new(path)).then_some(problem.kind));
        Ok(())
    };
    test.store.each_problem(each).unwrap();
    found.sort_by_key(|kind| kind.name());
    found
}

/// Each wrong file is imported, then replaced; both problems are known, whatever is done
/// then.
#[track_caller]
fn check_both_are_known(replace: impl Fn(&TestStore, &str), of_root: ProblemKind) {
    for (format, path, content, of_content) in WRONG {
        let test = TestStore::quick();
        test.write(path, content);
        import(&test, format);
        assert_eq!(kinds(&test, path), [of_content], "{path}");

        fs::remove_file(test.root.join(path)).unwrap();
        replace(&test, path);
        import(&test, format);
        let known = kinds(&test, path);
        assert!(known.contains(&of_root), "{path}: {known:?}");

        import(&test, format);
        assert_eq!(kinds(&test, path), known, "{path}");
        test.store.rebuild().unwrap();
        assert_eq!(kinds(&test, path), known, "{path}");
    }
}

#[test]
fn a_link_in_place_of_a_file_about_sessions_is_a_problem_at_once() {
    let link = |test: &TestStore, path: &str| symlink("nowhere", test.root.join(path)).unwrap();
    check_both_are_known(link, ProblemKind::Link);
}

#[test]
fn a_pipe_in_place_of_a_file_about_sessions_is_a_problem_at_once() {
    check_both_are_known(|test, path| make_pipe(&test.root.join(path)), ProblemKind::SpecialFile);
}

#[test]
fn what_is_wrong_in_a_file_about_sessions_is_a_problem_also_when_a_pipe_took_its_place() {
    for (format, path, content, of_content) in WRONG {
        let test = TestStore::quick();
        let path_of_file = test.write(path, content);
        import(&test, format);
        fs::remove_file(&path_of_file).unwrap();
        make_pipe(&path_of_file);
        import(&test, format);
        assert_eq!(kinds(&test, path), [of_content, ProblemKind::SpecialFile], "{path}");

        fs::remove_file(&path_of_file).unwrap();
        import(&test, format);
        assert_eq!(kinds(&test, path), [of_content], "{path}");
    }
}

#[test]
fn a_pipe_stays_a_problem_of_its_path_when_the_file_that_was_there_is_elsewhere() {
    let log = "{\"type\":\"session\",\"version\":3,\"id\":\"p\",\"cwd\":\"/w\"}\n";
    let (from, to) = ("sessions/--w--/one.jsonl", "sessions/--v--/one.jsonl");
    let test = TestStore::quick();
    let file = test.write(from, log);
    import(&test, Format::Pi);

    test.write(to, "");
    fs::rename(&file, test.root.join(to)).unwrap();
    make_pipe(&file);
    import(&test, Format::Pi);

    assert_eq!(kinds(&test, from), [ProblemKind::SpecialFile]);
    assert_eq!(kinds(&test, to), []);
}
