//! The layers: no module knows what stands above it.

use std::fs;
use std::path::{Path, PathBuf};

/// Rust files below a folder of the crate, with their code: no comments, no text.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    let mut todo = vec![crate_folder.join(folder)];
    while let Some(at) = todo.pop() {
        if at.is_dir() {
            todo.extend(fs::read_dir(at).unwrap().map(|entry| entry.unwrap().path()));
        } else if at.extension().is_some_and(|extension| extension == "rs") {
            let code = fs::read_to_string(&at).unwrap();
            found.push((at.strip_prefix(crate_folder).unwrap().to_owned(), code_only(&code)));
        }
    }
    assert!(!found.is_empty(), "{folder}");
    found
}

/// Takes comments away; what documentation shows is no import.
fn code_only(source: &str) -> String {
    let lines = source.lines().map(|line| match line.find("//") {
        Some(at) if !line[..at].contains('"') => &line[..at],
        _ => line,
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Modules of the crate that a file names, by `crate::x` or `crate::{x, …}`.
fn crate_modules(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => found.push(first_name(rest)),
            Some(list) => found.extend(list_names(list)),
        }
    }
    found
}

/// Names at the top of a list in braces.
fn list_names(list: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut depth = 0;
    let mut item = String::new();
    for c in list.chars() {
        match c {
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            '{' => depth += 1,
            ',' if depth == 0 => names.push(first_name(&std::mem::take(&mut item))),
            _ if depth == 0 => item.push(c),
            _ => {}
        }
    }
    names.push(first_name(&item));
    names.retain(|name| !name.is_empty());
    names
}

fn first_name(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

/// Whether a file names a crate, as a path or in a `use`.
fn names_crate(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        let after = &code[at + name.len()..];
        let is_whole = !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '"');
        is_whole && (after.starts_with("::") || after.starts_with(';') || after.starts_with(" as "))
    })
}

#[track_caller]
fn check_names_only(layer: &str, allowed: &[&str]) {
    for (path, code) in sources(layer) {
        check_names(&path, &code, allowed);
    }
}

#[track_caller]
fn check_names(path: &Path, code: &str, allowed: &[&str]) {
    for module in crate_modules(code) {
        assert!(
            allowed.contains(&module.as_str()),
            "{} names crate::{module}, which stands above it or beside it",
            path.display()
        );
    }
}

#[test]
fn the_reader_of_imports_reads_them() {
    let code = "use crate::{model, store::{self, files}, Error};\nlet x = crate::fold::y();";

    assert_eq!(crate_modules(code), ["model", "store", "Error", "fold"]);
    assert!(names_crate("use r2d2::Pool;", "r2d2"));
    assert!(!names_crate("use r2d2_sqlite::Pool;", "r2d2"));
    assert_eq!(code_only("a // crate::b"), "a ");
}

#[test]
fn plain_data_and_errors_know_nothing() {
    // The list of formats is plain data, and stands beside their folders.
    check_names_only("src/model", &["model", "format"]);
    check_names_only("src/error", &["error"]);
}

/// Whether a file below `src/format` deals with rows: the rest is bytes in, plain data out.
fn is_stored_half(path: &Path) -> bool {
    path.ends_with("projection.rs") || path.iter().any(|name| name == "stored")
}

#[test]
fn formats_are_pure_but_for_what_is_stored() {
    let below = ["format", "model", "error"];
    let stored = [&below[..], &["context", "dump", "fold", "store"]].concat();
    for (path, code) in sources("src/format") {
        if is_stored_half(&path) {
            check_names(&path, &code, &stored);
            continue;
        }
        check_names(&path, &code, &below);
        for name in ["rusqlite", "r2d2", "std::fs", "std::net", "std::env"] {
            assert!(!names_crate(&code, name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn the_store_knows_no_format() {
    check_names_only("src/store", &["store", "model", "error", "Error", "Result"]);
}

#[test]
fn the_fold_knows_no_way_in_or_out() {
    let below = ["context", "fold", "format", "store", "model", "error"];
    check_names_only("src/fold", &below);
    check_names_only("src/context", &below);
    check_names_only("src/stats.rs", &below);
    check_names_only("src/tree_rows.rs", &below);
}

#[test]
fn what_moves_files_and_what_reads_back_do_not_lean_on_each_other() {
    let below = ["context", "fold", "format", "store", "model", "error"];
    check_names_only("src/import", &[&below[..], &["import"]].concat());
    check_names_only("src/export", &below);
    check_names_only("src/dump", &below);
    check_names_only("src/check", &below);
    check_names_only("src/names.rs", &below);
    check_names_only("src/prune.rs", &below);
    check_names_only("src/recover", &below);
    // It walks a root as the import does.
    check_names_only("src/verify.rs", &[&below[..], &["import"]].concat());
}

#[test]
fn the_pool_and_the_migrations_stay_where_they_are() {
    for (path, code) in sources("src") {
        let is_error = path.starts_with("src/error");
        let allowed = path.starts_with("src/store") || is_error;
        assert!(allowed || !names_crate(&code, "r2d2"), "{}", path.display());
        let allowed = path == Path::new("src/store/schema.rs") || is_error;
        assert!(allowed || !names_crate(&code, "refinery"), "{}", path.display());
    }
}

#[test]
fn the_command_line_sees_only_what_everybody_sees() {
    let own = ["args", "commands", "output", "render"];
    check_names_only("src/bin/sessile", &own);
    for (path, code) in sources("src/bin") {
        for name in ["rusqlite", "r2d2", "refinery"] {
            assert!(!names_crate(&code, name), "{} names {name}", path.display());
        }
    }
}

#[test]
fn only_the_command_line_prints_or_exits() {
    for (path, code) in sources("src") {
        if path.starts_with("src/bin") {
            continue;
        }
        for word in ["println!", "print!", "dbg!", "process::exit", "io::stdout", "io::stderr"] {
            assert!(!code.contains(word), "{} has {word}", path.display());
        }
    }
}

#[test]
fn no_file_is_two_subjects() {
    for (path, code) in sources("src").into_iter().chain(sources("tests")) {
        let lines = code.lines().count();
        assert!(lines <= 750, "{} has {lines} lines", path.display());
    }
}
