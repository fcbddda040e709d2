//! Reading on the command line, in every format.

use std::process::Command;

use sessile::{Format, ImportOptions, SessionFilter};

use crate::support::{TestStore, fixture, header};

/// What a command prints of the small sessions of a format.
fn printed(format: Format, args: &[&str]) -> Vec<String> {
    let test = TestStore::new();
    let root = fixture(&format!("{}/small", format.name()));
    test.store.import(&root, &ImportOptions::new().format(format)).unwrap();
    let rows = test.store.sessions(&SessionFilter::new()).unwrap().rows;
    let printed = rows.iter().flat_map(|row| {
        let output = Command::new(env!("CARGO_BIN_EXE_sessile"))
            .arg("--db")
            .arg(test.store.path())
            .args(args)
            .arg(test.store.session(row.key).unwrap().unique_name().unwrap())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    printed.collect()
}

#[test]
fn each_answer_is_shown_with_the_model_where_a_log_says_it() {
    for (format, model) in
        [(Format::Claude, "claude-opus-5"), (Format::Pi, "opus"), (Format::Codex, "gpt-5")]
    {
        let shown = printed(format, &["show", "--all"]);
        let answers: Vec<&String> =
            shown.iter().filter(|line| line.starts_with("## assistant")).collect();
        assert!(!answers.is_empty(), "{shown:?}");
        for answer in answers {
            assert!(answer.ends_with(model), "{format:?}: {answer}");
        }
        let named = format!("assistant ({model}):");
        assert!(printed(format, &["tree"]).iter().any(|line| line.contains(&named)), "{format:?}");
    }
}

#[test]
fn each_id_that_a_tree_shows_names_its_entry() {
    let mut ends = 0;
    for format in Format::ALL {
        let test = TestStore::new();
        let root = fixture(&format!("{}/small", format.name()));
        test.store.import(&root, &ImportOptions::new().format(*format)).unwrap();
        for row in test.store.sessions(&SessionFilter::new()).unwrap().rows {
            let session = test.store.session(row.key).unwrap();
            let output = Command::new(env!("CARGO_BIN_EXE_sessile"))
                .arg("--db")
                .arg(test.store.path())
                .args(["tree", &session.unique_name().unwrap()])
                .output()
                .unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            let shown = text.lines().map(|line| line.split("  ").next().unwrap());
            let drawn = session.tree_rows().unwrap();
            assert_eq!(text.lines().count(), drawn.len());
            for (shown, drawn) in shown.zip(drawn) {
                assert_eq!(session.find_entry(shown).unwrap().id, drawn.entry_id, "{format:?}");
                ends += usize::from(shown.starts_with(':'));
            }
        }
    }
    // Of ids that begin alike.
    assert!(0 < ends);
}

#[test]
fn what_stands_around_an_entry_is_shown_with_it() {
    for root in ["claude/small", "codex/small", "kimi/small", "pi/small", "kward/small"] {
        let test = TestStore::of_fixture(root);
        for row in test.store.sessions(&SessionFilter::new()).unwrap().rows {
            let session = test.store.session(row.key).unwrap();
            let name = session.unique_name().unwrap();
            // Of the program whose branch is not each path to its leaf, more.
            let step = if root == "claude/small" { 3 } else { 11 };
            for drawn in session.tree_rows().unwrap().into_iter().step_by(step) {
                let output = Command::new(env!("CARGO_BIN_EXE_sessile"))
                    .arg("--db")
                    .arg(test.store.path())
                    .args(["show", &name, "--around", "1", "--entry", &drawn.entry_id])
                    .output()
                    .unwrap();
                let text = String::from_utf8(output.stdout).unwrap();
                let headings = text.lines().filter_map(|line| line.strip_prefix("## "));
                let ids = headings.filter_map(|heading| heading.split("  ").nth(1));
                let is_shown = |id: &str| session.find_entry(id).unwrap().id == drawn.entry_id;
                // What is no message is told.
                let told = String::from_utf8(output.stderr).unwrap();
                let is_told = told.contains(" is not a message but ");
                assert_ne!(ids.into_iter().any(is_shown), is_told, "{root} {}", drawn.entry_id);
            }
        }
    }
}

#[test]
fn the_end_of_the_active_branch_is_that_of_the_whole_of_it() {
    for root in ["kward/small", "pi/small", "claude/small", "codex/small", "kimi/small"] {
        let test = TestStore::of_fixture(root);
        for row in test.store.sessions(&SessionFilter::new().all_sources(true)).unwrap().rows {
            let session = test.store.session(row.key).unwrap();
            let whole = session.path().unwrap();
            for limit in [0, 1, 2, 3, 5, whole.len(), whole.len() + 1] {
                let end = &whole[whole.len().saturating_sub(limit)..];
                assert_eq!(session.last_of_branch(limit).unwrap(), end, "{root} {limit}");
            }
        }
    }
}

#[test]
fn progress_has_the_bytes_of_all_files_where_they_are_to_be_added_up() {
    let test = TestStore::new();
    let mut bytes = 0;
    for n in 0..200 {
        let log = header(&format!("s{n}"));
        bytes += log.len() as u64;
        test.write(format!("sessions/--w--/{n}.jsonl"), log);
    }
    let mut told = Vec::new();
    let options = ImportOptions::new().add_up(true);

    // What is unchanged is passed, too.
    for _ in 0..2 {
        told.clear();
        test.store.import_with(&test.root, &options, |progress| told.push(progress)).unwrap();
        assert!(!told.is_empty());
        assert!(told.iter().all(|progress| progress.total == Some(bytes)), "{told:?}");
        assert!(told.iter().all(|progress| progress.passed <= bytes), "{told:?}");
        assert!(told.windows(2).all(|two| two[0].passed <= two[1].passed), "{told:?}");
        assert!(0 < told.last().unwrap().passed);
    }
    let mut without = None;
    test.store
        .import_with(&test.root, &ImportOptions::new(), |progress| without = progress.total)
        .unwrap();
    assert_eq!(without, None);
}

#[test]
fn what_says_nothing_is_no_heading_alone() {
    let test = TestStore::new();
    test.store.import(fixture("claude/small"), &ImportOptions::new()).unwrap();
    let show = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_sessile"))
            .arg("--db")
            .arg(test.store.path())
            .args(["show", "--all", "00000033-0000-4000-8000-00000000e033"])
            .args(args)
            .output()
            .unwrap();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let bare = |shown: &str| {
        let lines: Vec<&str> = shown.lines().filter(|line| !line.is_empty()).collect();
        let is_heading = |line: Option<&&str>| line.is_none_or(|line| line.starts_with("## "));
        (0..lines.len())
            .filter(|n| is_heading(lines.get(*n)) && is_heading(lines.get(n + 1)))
            .count()
    };

    let (shown, said) = show(&[]);
    assert_eq!(bare(&shown), 0, "{shown}");
    assert!(shown.contains("chain") && !shown.contains("progress"), "{shown}");
    assert!(said.contains("messages without text are left out; --full"), "{said}");

    let (shown, said) = show(&["--full"]);
    assert_eq!((bare(&shown), said.as_str()), (0, ""), "{shown}");
    assert!(shown.contains("bash_progress"), "{shown}");
}
