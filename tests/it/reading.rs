//! Reading on the command line, in every format.

use std::process::Command;

use sessile::{Format, ImportOptions, SessionFilter};

use crate::support::{TestStore, fixture};

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
