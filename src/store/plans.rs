//! How SQLite runs the statements that must stay quick: by index, whatever the size of the tables.

use rusqlite::Connection;

use super::listing::Archived;
use super::{Store, entries, files, listing, log, paths, sessions};

/// Hands over a connection to a new store: the plans do not depend on what it holds.
fn check_store(check: impl FnOnce(&Connection)) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("sessions.db")).unwrap();
    check(&store.connection().unwrap());
}

fn plan(conn: &Connection, sql: &str) -> Vec<String> {
    let mut stmt = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let mut rows = stmt.raw_query();
    let mut steps = Vec::new();
    while let Some(row) = rows.next().unwrap() {
        steps.push(row.get("detail").unwrap());
    }
    steps
}

/// Checks that a statement takes this index, and reads no table from end to end.
#[track_caller]
fn check_plan(sql: &str, index: &str) {
    check_store(|conn| {
        let steps = plan(conn, sql);

        assert!(steps.iter().any(|step| step.contains(index)), "no {index} in {steps:#?}");
        for step in &steps {
            // A queue holds what was found by index; sources are few.
            let is_small = ["SCAN child", "SCAN path", "SCAN source", "SCAN CONSTANT ROW"]
                .iter()
                .any(|small| step.starts_with(small));
            assert!(is_small || !step.starts_with("SCAN"), "{steps:#?}");
        }
    });
}

#[track_caller]
fn check_unsorted(sql: &str) {
    check_store(|conn| {
        let steps = plan(conn, sql);

        assert!(!steps.iter().any(|step| step.contains("TEMP B-TREE")), "{steps:#?}");
    });
}

#[test]
fn a_path_reads_backwards_from_its_end() {
    for sql in [paths::STEPS_UP, paths::LINES_UP, paths::ENTRIES_UP] {
        check_plan(sql, "SEARCH entries USING INTEGER PRIMARY KEY (rowid<?)");
        check_unsorted(sql);
    }
}

#[test]
fn children_and_roots_have_their_indexes() {
    check_plan(entries::CHILDREN, "entries_by_parent (parent_key=?)");
    check_plan(entries::ROOTS, "entries_roots (session_key=?)");
}

#[test]
fn a_page_begins_where_the_last_one_ended() {
    for (archived, index) in [
        (Archived::Without, "sessions_live_by_age (modified_at<?)"),
        (Archived::Only, "sessions_archived_by_age (modified_at<?)"),
        (Archived::Included, "sessions_live_by_age (modified_at<?)"),
        (Archived::Included, "sessions_archived_by_age (modified_at<?)"),
    ] {
        check_plan(listing::page_statement(archived, false), index);
        check_unsorted(listing::page_statement(archived, false));
        check_plan(listing::keys_statement(archived), index);
        check_unsorted(listing::keys_statement(archived));
        check_plan(
            listing::page_statement(archived, true),
            "sessions_by_workspace (workspace_id=? AND modified_at<?)",
        );
        check_unsorted(listing::page_statement(archived, true));
    }
}

#[test]
fn single_rows_are_found_by_index() {
    for (sql, index) in [
        (entries::ENTRY_KEY, "entries_by_id (session_key=? AND entry_id=?)"),
        (log::LINES_FROM, "SEARCH lines USING INTEGER PRIMARY KEY (rowid>?)"),
        (files::FILE, "files_by_path (source_id=? AND path=? AND state=?)"),
        (files::SAME, "files_by_path (source_id=? AND path=? AND state=?)"),
        (files::FILES_AFTER, "(source_id=? AND path>?)"),
        (sessions::BY_PREFIX, "sessions_by_id (session_id>? AND session_id<?)"),
        (sessions::BY_PATH, "(source_id=? AND path=?"),
    ] {
        check_plan(sql, index);
    }
}
