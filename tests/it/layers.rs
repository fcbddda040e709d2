//! The structure of the code: no module names a higher layer, no format is named
//! outside of its folder, and files and functions have a maximum length.
//!
//! From below: model, error · json and the pure halves of formats · store ·
//! fold, context, dump · chain and the stored halves of formats · session,
//! import, export, check, recover … · the command line.

use std::collections::BTreeSet;
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
    let is_facet = |name| path == Path::new("src/format").join(name);
    let mut names = path.iter().filter_map(|name| name.to_str());
    ["projection.rs", "live.rs", "extras.rs"].into_iter().any(is_facet)
        || names.any(|name| ["stored", "live", "stored.rs", "live.rs"].contains(&name))
}

/// Whether a file is what users see of one format alone, on top of the handle of any session.
fn is_handle(path: &Path) -> bool {
    path.starts_with("src/format") && path.ends_with("handle.rs")
}

#[test]
fn formats_are_pure_but_for_what_is_stored() {
    let below = ["format", "model", "error"];
    let stored = [&below[..], &["chain", "context", "dump", "fold", "store"]].concat();
    for (path, code) in sources("src/format") {
        // Tests of a format meet the engine as everybody does.
        if path.ends_with("tests.rs") {
            continue;
        }
        if is_handle(&path) {
            check_names(&path, &code, &[&below[..], &["session"]].concat());
            continue;
        }
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
    check_names_only("src/usage.rs", &below);
}

#[test]
fn the_road_of_a_line_knows_no_handle() {
    let below = ["chain", "context", "fold", "format", "store", "model", "error"];
    check_names_only("src/chain", &below);
    let readers =
        ["capture", "dump", "lineage", "names", "search", "stats", "tree_rows", "session"];
    check_names_only("src/session", &[&below[..], &readers].concat());
}

#[test]
fn what_moves_files_and_what_reads_back_do_not_lean_on_each_other() {
    let below = ["context", "fold", "format", "store", "model", "error"];
    check_names_only("src/import", &[&below[..], &["import"]].concat());
    check_names_only("src/export", &below);
    check_names_only("src/dump", &below);
    // The index of texts is proven by what a search puts there.
    check_names_only("src/check", &[&below[..], &["search"]].concat());
    check_names_only("src/search", &[&below[..], &["search"]].concat());
    check_names_only("src/names.rs", &below);
    check_names_only("src/prune.rs", &below);
    check_names_only("src/recover", &below);
    // They look at a root as the import does.
    check_names_only("src/verify.rs", &[&below[..], &["import"]].concat());
    check_names_only("src/roots.rs", &[&below[..], &["import"]].concat());
    check_names_only("src/merge", &[&below[..], &["import"]].concat());
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
    let own = [
        "amounts",
        "args",
        "commands",
        "conversation",
        "html",
        "ids",
        "moment",
        "output",
        "pager",
        "prices",
        "render",
        "serve",
        "text",
        "transcript",
    ];
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

/// The folders of formats.
fn formats() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/format");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().join("mod.rs").exists());
    let names = folders.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| name != "json").collect()
}

/// Formats whose name is a word of the code, text and SQL included: `kimi`, `Kimi`, `kimi_states`.
fn formats_named(code: &str, formats: &BTreeSet<String>) -> Vec<String> {
    let words = code.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    let is_format = |word: &&str| formats.contains(&word.to_lowercase());
    words.filter(is_format).map(str::to_owned).collect()
}

/// Without the tests at the end of a file.
fn without_tests(code: &str) -> &str {
    code.split("#[cfg(test)]\nmod tests {").next().unwrap()
}

#[test]
fn generic_code_names_no_format() {
    let formats = formats();
    for (path, code) in sources("src") {
        let is_test = path.iter().any(|name| name == "tests");
        if path.starts_with("src/format") || is_test {
            continue;
        }
        let mut named = formats_named(without_tests(&code), &formats);
        if path.starts_with("src/bin") {
            // As any user of the library, it asks for what one format alone has.
            for format in &formats {
                let asked = code.matches(&format!(".{format}()")).count();
                assert!(asked <= 1, "{} asks {asked} times for {format}", path.display());
                named.retain(|name| name.to_lowercase() != *format || asked == 0);
            }
        }
        assert!(named.is_empty(), "{} names {named:?}", path.display());
    }
}

#[test]
fn facets_name_no_format_and_formats_no_sibling() {
    let formats = formats();
    for (path, code) in sources("src/format") {
        // The registry is where they are listed.
        if path == Path::new("src/format/mod.rs") {
            continue;
        }
        let own = path.iter().nth(2).unwrap().to_str().unwrap();
        let mut named = formats_named(without_tests(&code), &formats);
        named.retain(|name| name.to_lowercase() != own);
        assert!(named.is_empty(), "{} names {named:?}", path.display());
    }
}

/// Tables of the migrations that are named after a format.
fn own_tables(formats: &BTreeSet<String>) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut tables = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        let (_, stem) = name.strip_suffix(".sql").unwrap().split_once("__").unwrap();
        if formats.contains(stem) {
            let sql = fs::read_to_string(entry.path()).unwrap();
            tables.extend(sql.split("CREATE TABLE ").skip(1).map(first_name));
        }
        if stem.strip_suffix("_views").is_some_and(|format| formats.contains(format)) {
            let sql = fs::read_to_string(entry.path()).unwrap();
            tables.extend(sql.split("CREATE VIEW ").skip(1).map(first_name));
        }
    }
    tables
}

#[test]
fn generic_sql_reads_no_table_of_a_format() {
    let tables = own_tables(&formats());
    assert!(tables.contains(&"wire_records".to_owned()), "{tables:?}");
    for (path, code) in sources("src") {
        if path.starts_with("src/format") {
            continue;
        }
        for word in ["FROM ", "JOIN ", "INTO ", "UPDATE "] {
            for rest in code.split(word).skip(1) {
                let table = first_name(rest);
                assert!(!tables.contains(&table), "{} reads {table}", path.display());
            }
        }
    }
}

/// Views are put together where formats are listed, as in the registry; each part names its own.
#[test]
fn a_part_of_a_view_names_its_format_alone() {
    let formats = formats();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut parts = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()) {
        let name = entry.file_name().into_string().unwrap();
        let (_, stem) = name.strip_suffix(".sql").unwrap().split_once("__").unwrap();
        let own = stem.strip_suffix("_views").unwrap_or_default();
        if stem != "views" && own.is_empty() {
            continue;
        }
        let mut named = formats_named(&fs::read_to_string(entry.path()).unwrap(), &formats);
        named.retain(|named| named.to_lowercase() != own);
        assert!(named.is_empty(), "{name} names {named:?}");
        parts.insert(own.to_owned());
    }
    parts.remove("");
    let mut expected = formats;
    expected.remove("toy");
    assert_eq!(parts, expected);
}

#[test]
fn the_reader_of_names_finds_them_in_words_and_in_sql() {
    let formats = formats();

    assert!(formats.len() >= 3, "{formats:?}");
    assert_eq!(formats_named("use crate::format::pi;", &formats), ["pi"]);
    assert_eq!(formats_named("x\"SELECT 1 WHERE format <> 'kimi'\"", &formats), ["kimi"]);
    assert_eq!(formats_named("Format::Kward, pipe, api", &formats), ["Kward"]);
}

/// Functions with the number of their lines; `code` has no text that holds braces alone.
fn functions(code: &str) -> Vec<(String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let trimmed = line.trim_start();
        let indent = &line[..line.len() - trimmed.len()];
        let words = trimmed.split("fn ").next().unwrap();
        let is_fn = trimmed.contains("fn ")
            && words.chars().all(|c| c.is_alphanumeric() || " ()_".contains(c));
        if !is_fn || trimmed.ends_with(';') {
            continue;
        }
        // As it is formatted, a function ends where a brace stands as far in as it began.
        let end = format!("{indent}}}");
        let length = lines[at..].iter().position(|line| *line == end).unwrap_or(0);
        found.push((trimmed.to_owned(), length + 1));
    }
    found
}

#[test]
fn nothing_is_longer_than_one_reads_at_once() {
    assert_eq!(functions("fn a() {\n    x\n}\n"), [("fn a() {".to_owned(), 3)]);
    for (path, code) in sources("src").into_iter().chain(sources("tests")) {
        let path = path.display().to_string();
        let lines = code.lines().count();
        assert!(lines <= 500, "{path} has {lines} lines");
        for (name, lines) in functions(&code) {
            let name = name.find("fn ").map_or(&name[..], |at| &name[at..]);
            assert!(lines <= 60, "{path}: {name} has {lines} lines");
        }
    }
}
