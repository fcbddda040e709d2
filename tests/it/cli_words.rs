//! What the command says: counts, sizes, and what a person does next.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::support::{TestStore, fixture, header, message};
use crate::terminal::{printed_to_a_terminal, printed_with};

fn run(test: &TestStore, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
    command.arg("--db").arg(test.store.path()).args(args).stdin(Stdio::null()).output().unwrap()
}

/// Both outputs of a command that ends with 0.
#[track_caller]
fn said(test: &TestStore, args: &[&str]) -> String {
    let output = run(test, args);
    assert!(output.status.success(), "{args:?}: {output:?}");
    let text = |bytes| String::from_utf8(bytes).unwrap();
    text(output.stdout) + &text(output.stderr)
}

/// What a command says on a terminal, without styles.
fn on_a_terminal(test: &TestStore, args: &[&str]) -> String {
    let db = [OsStr::new("--db"), test.store.path().as_os_str()];
    let args: Vec<&OsStr> = db.into_iter().chain(args.iter().map(OsStr::new)).collect();
    let text = String::from_utf8(printed_to_a_terminal(&args)).unwrap();
    text.replace("\r\n", "\n").replace("\u{1b}[1m", "").replace("\u{1b}[0m", "")
}

const ONE: &str = "sessions/--w--/one.jsonl";

/// A root with one session of two messages.
fn one() -> TestStore {
    let test = TestStore::new();
    let body = message("a", None, "first") + &message("b", Some("a"), "second");
    test.write(ONE, header("one") + &body);
    test.import();
    test
}

/// The same, whose file was rewritten, so that its first lines are only here.
fn rewritten() -> TestStore {
    let test = one();
    test.write(ONE, header("one") + &message("c", None, "other"));
    test.import();
    test
}

/// A copy of a fixture in the folder of its program, imported.
fn of_copy(name: &str, folder: &str) -> TestStore {
    let mut test = TestStore::new();
    test.root = test.folder().join(folder);
    std::fs::create_dir_all(&test.root).unwrap();
    let copy = Command::new("cp").arg("-r").arg(fixture(name).join(".")).arg(&test.root).status();
    assert!(copy.unwrap().success());
    test.store.import(&test.root, &sessile::ImportOptions::new()).unwrap();
    test
}

fn root(test: &TestStore) -> &str {
    Path::to_str(&test.root).unwrap()
}

#[test]
fn of_one_thing_the_singular_is_said() {
    let test = one();
    for (args, words) in [
        (&["archive", "--older-than", "0d"][..], "1 session archived"),
        (&["relink", "/work", "/v"], "1 session is in /v now"),
        (&["rebuild"], "1 session rebuilt"),
        (&["seal", "one"], "1 session: "),
        (&["roots"], "1 session, 1 file"),
        (&["verify", root(&test)], "1 file and 2 folders, "),
    ] {
        let said = said(&test, args);
        assert!(said.contains(words), "{args:?}: {said}");
    }
}

#[test]
fn a_size_is_said_in_the_same_units_everywhere() {
    let test = one();
    let long = message("c", None, &"x".repeat(5_000));
    test.write(ONE, header("one") + &long);
    test.import();
    test.write(ONE, header("one"));
    test.import();

    let said = said(&test, &["prune", "--dry-run"]);

    assert!(said.contains("KiB") && !said.contains("bytes"), "{said}");
}

#[test]
fn a_root_in_which_nothing_changed_is_said_in_one_line() {
    let test = one();
    test.append(ONE, "no JSON\nnor this\n");
    test.import();

    let said = said(&test, &["import", root(&test)]);

    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains(": unchanged, 3 files and folders; 2 problems"), "{said}");
    // Files that are new are read again, with sessions of several files.
    let test = of_copy("kimi/small", ".kimi");
    let again = self::said(&test, &["import", root(&test)]);
    assert_eq!(again.lines().count(), 1, "{again}");
}

#[test]
fn what_no_root_has_any_more_is_not_pruned_unasked() {
    let test = rewritten();

    let refused = run(&test, &["prune"]);
    let explained = String::from_utf8(refused.stderr).unwrap();

    assert_eq!(refused.status.code(), Some(2), "{explained}");
    assert!(explained.contains("2 lines would be lost") && explained.contains("--yes"));
    assert_eq!(test.store.prunable().unwrap().len(), 1);
    said(&test, &["prune", "--yes"]);
    assert!(test.store.prunable().unwrap().is_empty());
}

/// Two sessions, of which only the second has a title with this word in it.
fn two() -> TestStore {
    let test = one();
    test.write("sessions/--w--/two.jsonl", header("two") + &message("a", None, "parser"));
    test.import();
    test
}

#[test]
fn a_command_to_be_copied_is_a_line_of_its_own() {
    let said = on_a_terminal(&two(), &["search", "parser"]);

    let command = said.lines().last().unwrap();
    assert_eq!(command, "  sessile show two --entry a --around 3", "{said}");
}

#[test]
fn a_person_is_told_no_place_and_a_program_is() {
    let test = two();
    for args in [&["list", "--limit", "1"][..], &["search", "--limit", "1", "first OR parser"]] {
        let shown = on_a_terminal(&test, args);
        assert!(shown.contains("--limit") && !shown.contains("--after"), "{shown}");
        assert!(said(&test, args).contains("--after "), "{args:?}");
    }
}

#[test]
fn an_empty_list_says_where_its_sessions_are() {
    let test = two();
    said(&test, &["archive", "one"]);
    said(&test, &["trash", "two"]);

    assert_eq!(
        said(&test, &["list"]),
        "no sessions match; 1 archived (--all), 1 in the trash (--trash)\n"
    );
    assert_eq!(said(&test, &["list", "--query", "nothing"]), "no sessions match\n");
    assert_eq!(said(&test, &["list", "--json"]), "");
    assert!(said(&test, &["list", "--all", "--offset", "1"]).contains("1 before this page"));
}

#[test]
fn archived_sessions_among_others_are_marked() {
    let test = two();
    said(&test, &["archive", "one"]);

    let shown = on_a_terminal(&test, &["list", "--all"]);

    let row = |id: &str| shown.lines().find(|line| line.starts_with(id)).unwrap();
    assert!(row("one").contains("* first") && !row("two").contains('*'), "{shown}");
    assert!(shown.contains("* archived"), "{shown}");
    assert!(!on_a_terminal(&test, &["list", "--archived"]).contains("* archived"));
}

#[test]
fn of_a_name_that_several_have_each_is_told_by_what_names_it_alone() {
    let test = TestStore::new();
    for id in ["6ad4149a-1c58-4e0b", "6ad4149a-1c99-4e0b"] {
        let content = header(id) + &message("a", None, &format!("title of {id}"));
        test.write(format!("sessions/--w--/{id}.jsonl"), content);
    }
    test.import();

    let refused = run(&test, &["show", "6ad4"]);

    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    for (prefix, id) in [("6ad4149a-1c5", "6ad4149a-1c58"), ("6ad4149a-1c9", "6ad4149a-1c99")] {
        let row = said.lines().find(|line| line.contains(id)).unwrap();
        assert!(row.trim_start().starts_with(prefix), "{said}");
        assert!(row.contains("title of ") && row.contains("202"), "{said}");
        let name = row.split_whitespace().next().unwrap();
        assert!(test.store.find(name).is_ok(), "{name}");
    }
}

#[test]
fn a_conversation_ends_with_its_place_and_how_its_program_continues_it() {
    let test = of_copy("codex/small", ".codex");
    let page = test.store.sessions(&sessile::SessionFilter::new()).unwrap();
    let id = page.rows[0].session_id.clone().unwrap();
    let shown = |home: &Path| {
        let args =
            [OsStr::new("--db"), test.store.path().as_os_str(), "show".as_ref(), id.as_ref()];
        let home = home.to_str().unwrap();
        let text = printed_with(&args, &[("TERM", "xterm"), ("HOME", home), ("CODEX_HOME", "")]);
        String::from_utf8(text).unwrap().replace("\r\n", "\n")
    };

    let at_home = shown(&test.folder().canonicalize().unwrap());
    let elsewhere = shown("/nowhere".as_ref());

    assert!(at_home.contains(&format!("\n{id}\n  /")), "{at_home}");
    assert!(at_home.ends_with(&format!("codex resume {id}\n")), "{at_home}");
    assert!(!elsewhere.contains("codex resume"), "{elsewhere}");
    assert!(!said(&test, &["show", &id]).contains("codex resume"));
}

#[test]
fn what_is_no_query_is_refused_as_such() {
    let test = one();
    for (sql, reason) in [
        ("ATTACH 'x.db' AS x", "only queries that read are allowed"),
        ("DELETE FROM lines", "only queries that read are allowed"),
        (" -- nothing", "it is empty"),
    ] {
        let refused = run(&test, &["sql", sql]);
        let said = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(reason), "{sql}: {said}");
    }
}

#[test]
fn a_query_without_rows_has_its_columns() {
    let test = one();
    let sql = "SELECT session, entry FROM entry_list";
    let none = format!("{sql} WHERE 0");

    let columns = test.store.query(&none, |_, _| panic!("a row")).unwrap();
    let mut rows = 0;
    let first = test.store.query_first(sql, 1, |_, _| {
        rows += 1;
        Ok(())
    });

    assert_eq!(columns, ["session", "entry"]);
    assert_eq!((first.unwrap(), rows), (columns, 1));
}

#[test]
fn a_page_is_not_written_over_a_file() {
    let test = one();
    let page = test.folder().join("page.html");
    std::fs::write(&page, "mine").unwrap();

    let refused = run(&test, &["html", "one", "--out", page.to_str().unwrap()]);

    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("exists and is not overwritten; name another file"), "{said}");
    assert_eq!(std::fs::read_to_string(&page).unwrap(), "mine");
}

#[test]
fn a_format_with_one_tag_is_given_no_two_and_says_which_it_replaced() {
    let test = TestStore::of_fixture("claude/small");
    let page = test.store.sessions(&sessile::SessionFilter::new()).unwrap();
    let id = page.rows[0].session_id.clone().unwrap();
    let session = test.store.session(page.rows[0].key).unwrap();
    session.clear_tags().unwrap();

    let refused = run(&test, &["tag", &id, "bug", "parser"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("has one tag"));
    assert!(session.tags().unwrap().is_empty());

    assert_eq!(said(&test, &["tag", &id, "bug"]), "");
    assert!(said(&test, &["tag", &id, "parser"]).contains("the tag bug was replaced"));
    assert_eq!(session.tags().unwrap(), ["parser"]);
    test.store.create(&sessile::NewSession::new("/w").session_id("k")).unwrap();
    assert_eq!(said(&test, &["tag", "k", "bug", "parser"]), "");
}

#[test]
fn sessions_that_usage_does_not_count_are_named() {
    let said = said(&one(), &["usage"]);

    assert_eq!(said, "not counted: sessions of kward, whose messages report no usage\n");
    assert_eq!(self::said(&one(), &["usage", "--work-dir", "/elsewhere"]), "");
}

#[test]
fn a_page_of_a_search_has_no_more_results_than_were_asked_for() {
    let test = TestStore::new();
    for n in 0..4 {
        let content = header(&format!("s{n}")) + &message("a", None, "parser");
        test.write(format!("sessions/--w--/s{n}.jsonl"), content);
    }
    test.import();
    for n in 0..4 {
        said(&test, &["rename", &format!("s{n}"), "the parser"]);
    }

    let page = run(&test, &["search", "--limit", "3", "parser"]);

    assert_eq!(String::from_utf8(page.stdout).unwrap().lines().count(), 3);
    let refused = run(&test, &["search", "--limit", "-5", "parser"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("invalid value '-5'"));
}

#[test]
fn the_last_of_a_conversation_are_at_least_one() {
    let refused = run(&one(), &["show", "--last", "0", "one"]);

    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--last"));
}

#[test]
fn lines_with_the_same_problem_are_one_row_on_a_terminal() {
    let test = one();
    test.append(ONE, "no JSON\nnor this\nnor that\n");
    test.import();

    let shown = on_a_terminal(&test, &["problems"]);

    assert_eq!(said(&test, &["problems"]).lines().count(), 3);
    assert!(shown.contains("4–6  "), "{shown}");
}

#[test]
fn a_tree_and_how_many_were_changed_are_given_as_json() {
    let test = one();
    let json = |args: &[&str]| -> Vec<serde_json::Value> {
        said(&test, args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };

    let tree = json(&["tree", "--json", "one"]);

    assert_eq!((&tree[1]["entry_id"], &tree[1]["parent_id"]), (&"b".into(), &"a".into()));
    assert_eq!(json(&["archive", "--json", "one"])[0]["sessions"], 1);
    assert_eq!(json(&["relink", "--json", "/work", "/v"])[0]["sessions"], 1);
}
