//! The views for other programs, and the document that describes the schema.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use rusqlite::types::Value;
use sessile::{ImportOptions, StoreOptions};

use crate::schema_words::{COLUMNS, TABLES};
use crate::support::{TestStore, fixture};

const ROOTS: [&str; 5] = ["kward/small", "pi/small", "claude/small", "codex/small", "kimi/small"];

/// A store with sessions of every format.
fn all() -> TestStore {
    let test = TestStore::new();
    for root in ROOTS {
        test.store.import(&fixture(root), &ImportOptions::new()).unwrap();
    }
    test
}

/// The rows of a query, a line each, as the shell of SQLite writes them.
fn answer(conn: &Connection, sql: &str) -> String {
    let mut stmt = conn.prepare(sql).unwrap_or_else(|err| panic!("{sql}: {err}"));
    let count = stmt.column_count();
    let mut rows = stmt.query([]).unwrap();
    let mut text = String::new();
    while let Some(row) = rows.next().unwrap_or_else(|err| panic!("{sql}: {err}")) {
        let cell = |column| match row.get::<_, Value>(column) {
            Ok(Value::Null) => String::new(),
            Ok(Value::Integer(number)) => number.to_string(),
            Ok(Value::Real(number)) => format!("{number:?}"),
            Ok(Value::Text(text)) => text,
            Ok(Value::Blob(_)) => panic!("{sql}: column {column} is bytes"),
            Err(err) => panic!("{sql}: column {column}: {err}"),
        };
        let cells: Vec<String> = (0..count).map(cell).collect();
        writeln!(text, "{}", cells.join("|")).unwrap();
    }
    text
}

/// A table or view as a migration makes it.
#[derive(Default)]
struct Made {
    name: String,
    kind: &'static str,
    about: String,
    /// Names, types and what the comments say.
    columns: Vec<[String; 3]>,
}

/// The comments of a block, as sentences.
fn said(comments: &[&str]) -> String {
    let lines = comments.iter().map(|line| line.trim().trim_start_matches("--").trim());
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ").replace('|', "\\|")
}

/// The tables and views that a migration makes, by the text of it.
fn made(sql: &str) -> Vec<Made> {
    let mut found = Vec::new();
    let lines: Vec<&str> = sql.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let kinds = [("table", "CREATE TABLE "), ("view", "CREATE VIEW ")];
        let kinds = kinds.into_iter().chain([("index of texts", "CREATE VIRTUAL TABLE ")]);
        let start = kinds.filter_map(|(kind, word)| Some((kind, line.strip_prefix(word)?))).next();
        let Some((kind, rest)) = start else { continue };
        let above = lines[..at].iter().rev().take_while(|line| line.starts_with("--")).count();
        let name = rest.split([' ', '(']).next().unwrap().to_owned();
        let mut object =
            Made { name, kind, about: said(&lines[at - above..at]), ..Made::default() };
        match rest.split_once('(') {
            Some((_, names)) if kind == "view" && !names.trim().is_empty() => {
                let names = names.split(')').next().unwrap();
                let column = |name: &str| [name.trim().to_owned(), String::new(), String::new()];
                object.columns = names.split(',').map(column).collect();
            }
            _ => object.columns = columns(&lines[at + 1..], kind),
        }
        found.push(object);
    }
    found
}

/// The columns of a table or view, up to the end of its list.
fn columns(lines: &[&str], kind: &str) -> Vec<[String; 3]> {
    let mut columns: Vec<[String; 3]> = Vec::new();
    let mut before = Vec::new();
    for line in lines.iter().take_while(|line| !line.starts_with(')')) {
        let (code, comment) = line.split_once("--").unwrap_or((line, ""));
        let words: Vec<&str> = code.split_whitespace().collect();
        let first = words.first().map_or("", |word| word.trim_end_matches(','));
        match columns.last_mut() {
            _ if first.is_empty() && line.starts_with("    --") => before.push(comment),
            Some(last) if first.is_empty() => {
                last[2] = said(&[&last[2], comment]);
            }
            _ if kind == "index of texts" => {
                let names = code.split(',').map(str::trim).filter(|name| !name.contains('='));
                let names = names.filter(|name| !name.is_empty());
                columns.extend(names.map(|name| [name.into(), String::new(), String::new()]));
            }
            _ if first.starts_with(|c: char| c.is_ascii_lowercase())
                && line.starts_with("    ") =>
            {
                before.push(comment);
                let declared = words.get(1).filter(|_| kind == "table");
                let declared = declared.map_or("", |word| word.trim_end_matches(','));
                columns.push([first.to_owned(), declared.to_owned(), said(&before)]);
                before.clear();
            }
            Some(last) if !comment.is_empty() => last[2] = said(&[&last[2], comment]),
            _ => before.clear(),
        }
    }
    columns
}

/// What a comment says, or else what stands in a list under the name.
fn told<'a>(comment: &'a str, list: &[(&str, &'a str)], name: &str) -> &'a str {
    let listed = list.iter().find(|(listed, _)| *listed == name);
    let told = if comment.is_empty() { listed.map_or("", |(_, said)| said) } else { comment };
    assert!(!told.is_empty(), "nothing is said of {name}: write a comment in its migration");
    told
}

/// The last definition of each table and view, by name.
fn schema() -> BTreeMap<String, Made> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let number = |path: &Path| -> u32 {
        let name = path.file_name().unwrap().to_str().unwrap();
        name[1..].split("__").next().unwrap().parse().unwrap()
    };
    let mut paths: Vec<_> = paths.collect();
    paths.sort_by_key(|path| number(path));
    let texts = paths.iter().map(|path| fs::read_to_string(path).unwrap());
    texts.flat_map(|sql| made(&sql)).map(|made| (made.name.clone(), made)).collect()
}

fn rendered_tables() -> String {
    let mut text = String::new();
    for made in schema().values() {
        let about = told(&made.about, &TABLES, &made.name);
        writeln!(text, "\n### `{}` ({})\n\n{about}\n", made.name, made.kind).unwrap();
        writeln!(text, "| column | type | what |\n|---|---|---|").unwrap();
        for [name, declared, comment] in &made.columns {
            let about = told(comment, COLUMNS, name);
            writeln!(text, "| `{name}` | {declared} | {about} |").unwrap();
        }
    }
    text
}

/// The queries of the document, each with the answer below it.
fn queries(document: &str) -> Vec<(&str, &str)> {
    let parts = document.split("\n```sql\n").skip(1);
    let query = |part| -> Option<(&str, &str)> {
        let (sql, rest) = str::split_once(part, "\n```\n\n```text\n")?;
        Some((sql, rest.split_once("\n```\n")?.0))
    };
    parts.map(|part| query(part).expect("an answer stands below each query")).collect()
}

/// The document with the answers and tables that there are.
fn rendered(document: &str, conn: &Connection) -> String {
    let mut text = document.split_once("\n## Tables and views\n").unwrap().0.to_owned();
    for (sql, old) in queries(document) {
        let block = |answer: &str| format!("{sql}\n```\n\n```text\n{answer}\n```\n");
        text = text.replace(&block(old), &block(answer(conn, sql).trim_end()));
    }
    format!("{text}\n## Tables and views\n{}", rendered_tables())
}

/// `SESSILE_WRITE_DOCS=1` writes answers and tables anew.
#[test]
fn the_document_tells_of_every_table_and_answers_each_query() {
    let document = fs::read_to_string("docs/schema.md").unwrap();
    let test = all();

    let rendered = rendered(&document, &test.sqlite());

    if std::env::var_os("SESSILE_WRITE_DOCS").is_some() {
        fs::write("docs/schema.md", rendered).unwrap();
        return eprintln!("skipped: docs/schema.md was written anew");
    }
    assert!(queries(&document).len() >= 12);
    assert!(queries(&document).iter().all(|(_, answer)| !answer.is_empty()));
    assert_eq!(
        document, rendered,
        "docs/schema.md is out of date: run this with SESSILE_WRITE_DOCS=1"
    );
}

#[test]
fn every_table_and_view_is_read_with_all_its_columns() {
    let made = schema();
    let test = all();
    let conn = test.sqlite();
    let names = answer(
        &conn,
        "SELECT name
         FROM pragma_table_list
         WHERE schema = 'main' AND type IN ('table', 'view', 'virtual')
           AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'refinery_%'
         ORDER BY name",
    );
    assert_eq!(names.lines().collect::<Vec<_>>(), made.keys().collect::<Vec<_>>());
    for (name, made) in &made {
        let found = answer(&conn, &format!("SELECT name FROM pragma_table_info('{name}')"));
        let columns: Vec<&String> = made.columns.iter().map(|[column, ..]| column).collect();
        assert_eq!(found.lines().collect::<Vec<_>>(), columns, "{name}");
    }
}

/// The views for other programs.
const OPEN: [&str; 9] = [
    "session_list",
    "entry_list",
    "records",
    "contents",
    "messages",
    "tool_calls",
    "tool_results",
    "usage_by_day",
    "active_branches",
];

/// Reads every cell; each has to be NULL, a number or text in UTF-8.
fn read_all(test: &TestStore) {
    let conn = test.sqlite();
    for view in OPEN {
        answer(&conn, &format!("SELECT * FROM {view}"));
    }
}

#[test]
fn ids_types_and_roles_in_a_view_are_those_that_the_library_gives() {
    let test = all();
    let conn = test.sqlite();
    let sql = "SELECT session_key, entry, type, ifnull(role, '') FROM entry_list";
    let rows = answer(&conn, sql);
    assert!(rows.lines().count() > 300);
    for row in rows.lines() {
        let cells: Vec<&str> = row.split('|').collect();
        let key = serde_json::from_str(cells[0]).unwrap();
        let entry = test.store.session(key).unwrap().entry(cells[1]).unwrap().unwrap();
        let role = entry.role.unwrap_or_default();
        assert_eq!([&*entry.id, &*entry.entry_type, &*role], cells[1..], "{row}");
    }
}

#[test]
fn lines_that_hold_no_text_have_none_and_disturb_no_view() {
    let test = TestStore::new();
    let long = "long ".repeat(400);
    let mut log = b"{\"type\":\"session\",\"version\":3,\"id\":\"odd\",\"cwd\":\"/w\"}\n".to_vec();
    for (id, said) in [
        ("a", &b"plain"[..]),
        ("b", b"\xff"),
        ("c", b"caf\xe9 x"),
        ("d", b"\x80"),
        ("e", b"\\ud800"),
        ("f", "caf\u{e9} \u{b0} \u{fffd} \u{4e2d}".as_bytes()),
        ("g", long.as_bytes()),
    ] {
        log.extend(format!("{{\"type\":\"message\",\"id\":\"{id}\",\"message\":{{\"role\":\"user\",\"content\":\"").bytes());
        log.extend(said);
        log.extend(b"\"}}\n");
    }
    log.extend(b"[1]\n{\"type\":\"message\",\"id\":\"t\",\"mess");
    test.write("sessions/--w--/odd.jsonl", &log);
    test.store.import(&test.root, &ImportOptions::new().format(sessile::Format::Pi)).unwrap();

    read_all(&test);

    let texts = answer(&test.sqlite(), "SELECT entry, text FROM messages ORDER BY entry_key");
    let told = format!("a|plain\nb|\nc|\nd|\ne|\nf|caf\u{e9} \u{b0} \u{fffd} \u{4e2d}\ng|{long}\n");
    assert_eq!(texts, told);
    test.sqlite()
        .execute_batch("UPDATE lines SET enc = 1, raw = x'00' WHERE length(raw) > 1000")
        .unwrap();
    read_all(&test);
    let packed = answer(&test.sqlite(), "SELECT entry, text FROM messages WHERE entry = 'g'");
    assert_eq!(packed, "g|\n");
}

#[test]
fn every_format_has_its_part_of_the_views() {
    let test = all();
    let conn = test.sqlite();
    let formats = "SELECT DISTINCT format FROM session_list ORDER BY format";
    let with_text = "SELECT DISTINCT format
                     FROM messages
                     JOIN session_list USING (session_key)
                     WHERE text IS NOT NULL
                     ORDER BY format";
    assert_eq!(answer(&conn, formats), answer(&conn, with_text));
    read_all(&test);
}

#[test]
fn calls_and_results_of_the_common_shapes_are_found() {
    let test = TestStore::new();
    test.write(
        "sessions/--w--/calls.jsonl",
        "{\"type\":\"session\",\"version\":3,\"id\":\"calls\",\"cwd\":\"/w\"}\n\
         {\"type\":\"message\",\"id\":\"a\",\"parentId\":null,\"message\":{\"role\":\"assistant\",\"content\":[\
         {\"type\":\"toolCall\",\"id\":\"c1\",\"name\":\"bash\",\"arguments\":{\"command\":\"ls\"}}]}}\n\
         {\"type\":\"message\",\"id\":\"b\",\"parentId\":\"a\",\"message\":{\"role\":\"toolResult\",\
         \"toolCallId\":\"c1\",\"toolName\":\"bash\",\"content\":[{\"type\":\"text\",\"text\":\"out\"}],\"isError\":true}}\n",
    );
    test.store.import(&test.root, &ImportOptions::new().format(sessile::Format::Pi)).unwrap();
    let conn = test.sqlite();

    let sql = "SELECT call.entry, tool, arguments, result.entry, is_error, text
               FROM tool_calls AS call
               JOIN tool_results AS result USING (session_key, call_id)
               JOIN messages AS message ON message.entry_key = result.entry_key";
    assert_eq!(answer(&conn, sql), "a|bash|{\"command\":\"ls\"}|b|1|out\n");
}

#[test]
fn the_views_are_of_this_program() {
    let test = all();

    assert_eq!(test.store.foreign_objects().unwrap(), []);
    assert_eq!(test.store.check().unwrap(), []);
    let copy = test.folder().join("copy.db");
    test.store.backup(&copy).unwrap();
    StoreOptions::new().read_only(true).open(&copy).unwrap();
}

#[test]
fn the_shell_of_sqlite_answers_the_queries_too() {
    let document = fs::read_to_string("docs/schema.md").unwrap();
    if Command::new("sqlite3").arg("--version").output().is_err() {
        return eprintln!("skipped: sqlite3 is not installed");
    }
    let test = all();
    for (sql, expected) in queries(&document) {
        let output = Command::new("sqlite3")
            .arg("-readonly")
            .arg(test.store.path())
            .arg(sql)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), expected, "{sql}");
    }
}
