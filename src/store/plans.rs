//! Tests of query plans: statements that must stay fast use an index, whatever the
//! size of the tables.

use rusqlite::Connection;

use super::filter::Archived;
use super::texts::Index;
use super::{
    Store, ends, entries, events, files, folder, listing, log, losses, marks, metadata, paths,
    problems, recent, records, roots, runs, sessions, sharing, sources, statements, texts,
};

/// Runs a check on a new store: the plans do not depend on its content.
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

/// Checks that a statement uses this index, and scans no table.
#[track_caller]
fn check_plan(sql: &str, index: &str) {
    check_store(|conn| {
        let steps = plan(conn, sql);

        assert!(steps.iter().any(|step| step.contains(index)), "no {index} in {steps:#?}");
        for step in &steps {
            // A queue holds what was found by index, and sources are few.
            let is_small = [
                "SCAN path",
                "SCAN ended", // the runs of one session
                "SCAN stretch",
                "SCAN source",
                "SCAN asked", // a list that the caller gives
                "SCAN words", // the one row of a list
                "SCAN CONSTANT ROW",
                "SCAN (subquery-",
            ]
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
fn a_step_of_a_path_is_two_searches_whatever_there_is() {
    check_plan(runs::STRETCHES, "SEARCH runs USING INTEGER PRIMARY KEY (rowid<?)");
    check_plan(runs::STRETCHES, "SEARCH run USING INTEGER PRIMARY KEY (rowid=?)");
    check_unsorted(runs::STRETCHES);
}

#[test]
fn the_rest_of_a_path_is_read_by_ranges_of_keys() {
    for sql in [paths::STEPS_UP, paths::IDS, paths::KEYS, paths::ENTRIES] {
        check_plan(sql, "SEARCH entries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
        check_unsorted(sql);
    }
    check_plan(paths::RECORDS, "SEARCH entry USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
    check_plan(paths::RECORDS, "SEARCH line USING INTEGER PRIMARY KEY (rowid=?)");
    check_unsorted(paths::RECORDS);
    check_plan(
        records::SETTINGS,
        "SEARCH settings USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    );
    check_unsorted(records::SETTINGS);
}

#[test]
fn neighbours_in_a_tree_have_their_indexes() {
    check_plan(runs::CHILDREN, "runs_by_parent (session_key=? AND parent_key=?)");
    check_plan(runs::ROOTS, "runs_by_parent (session_key=? AND parent_key=?)");
    check_plan(runs::LEAVES, "SEARCH runs USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
    check_plan(runs::LEAVES, "runs_by_parent (session_key=? AND parent_key=?)");
    check_unsorted(runs::ROOTS);
    check_plan(runs::PARENT, "SEARCH runs USING INTEGER PRIMARY KEY (rowid=?)");
    check_plan(entries::ENTRY, "SEARCH run USING INTEGER PRIMARY KEY (rowid=?)");
}

#[test]
fn views_of_one_branch_take_no_more_than_its_path() {
    for sql in [
        "SELECT entry_key FROM active_branches WHERE session_key = ?1",
        "SELECT entry_key FROM branches WHERE session_key = ?1",
        "SELECT entry_key FROM branches WHERE leaf_key = ?1",
        "SELECT first_key FROM paths WHERE leaf_key = ?1",
        "SELECT parent_key FROM parents WHERE session_key = ?1",
    ] {
        check_plan(sql, "SEARCH run USING INTEGER PRIMARY KEY (rowid=?)");
    }
}

#[test]
fn a_page_begins_where_the_last_one_ended() {
    for (archived, index) in [
        (Archived::Without, "sessions_live_by_age (modified_at>? AND modified_at<?)"),
        (Archived::Only, "sessions_archived_by_age (modified_at>? AND modified_at<?)"),
        (Archived::Included, "sessions_live_by_age (modified_at>? AND modified_at<?)"),
        (Archived::Included, "sessions_archived_by_age (modified_at>? AND modified_at<?)"),
    ] {
        check_plan(statements::page_statement(archived), index);
        check_unsorted(statements::page_statement(archived));
        check_plan(statements::keys_statement(archived), index);
        check_unsorted(statements::keys_statement(archived));
        check_plan(
            statements::work_dir_statement(archived),
            "sessions_by_work_dir (work_dir_id=? AND modified_at>? AND modified_at<?)",
        );
        check_unsorted(statements::work_dir_statement(archived));
    }
}

#[test]
fn single_rows_are_found_by_index() {
    for (sql, index) in [
        (entries::ENTRY_KEY, "entries_by_id (session_key=? AND entry_id=?)"),
        (ends::END, "runs_by_missing_parent (session_key=? AND parent_id>?)"),
        (sharing::HEIRS, "lines_by_holder (raw>? AND raw<?)"),
        (log::LINES_FROM, "SEARCH lines USING INTEGER PRIMARY KEY (rowid>?)"),
        (files::FILE, "files_by_path (source_id=? AND path=? AND state=?)"),
        (files::SAME, "files_by_path (source_id=? AND path=? AND state=?)"),
        (files::FILES_AFTER, "(source_id=? AND path>?)"),
        (sessions::BY_PREFIX, "sessions_by_id (session_id>? AND session_id<?)"),
        (sessions::BY_PATH, "(source_id=? AND path=?"),
        (folder::BELOW_SOURCE, "(source_id=? AND path=?)"),
        (folder::BELOW_SOURCE, "(source_id=? AND path>? AND path<?)"),
        (
            sources::BY_ORIGIN,
            "SEARCH session USING COVERING INDEX sqlite_autoindex_sessions_2 (source_id=?)",
        ),
        (sources::ORIGINS, "SEARCH session USING INTEGER PRIMARY KEY (rowid=?)"),
        (recent::KEYS, "sessions_recent (is_recent=?)"),
        (metadata::BY_TAG, "session_tags_by_tag (tag=?)"),
        (metadata::BY_VALUE, "metadata_by_value (key=? AND value=?)"),
        (metadata::CONTAINERS, "metadata_by_value (key=?)"),
        (metadata::TAGS_OF, "SEARCH tag USING PRIMARY KEY (session_key=?)"),
        (listing::WORK_DIRS, "(path=?"),
        (events::MOVED_LEAF, "events_by_kind (session_key=? AND kind=?)"),
        (events::RELINKED, "events_by_kind (session_key=? AND kind=?)"),
        (events::LABELS, "events_by_kind (session_key=? AND kind=?)"),
        (
            records::UNANSWERED,
            "tool_executions_by_call (session_key=? AND tool_call_id=? AND result_key=?)",
        ),
    ] {
        check_plan(sql, index);
    }
}

#[test]
fn sessions_that_lost_lines_are_found_by_an_index_of_those() {
    check_plan(losses::WITH_LOSSES, "problems_of_losses (session_key=?)");
}

#[test]
fn a_search_reads_what_the_index_names_and_no_more() {
    check_store(|conn| {
        // The plan's number tells which constraints FTS5 takes: M is a MATCH, > and
        // < are a range of rows.
        for index in Index::ALL {
            for (sql, taken) in [
                (texts::matches(index), "VIRTUAL TABLE INDEX 0:M"),
                (texts::ranking(index), "VIRTUAL TABLE INDEX 0:M"),
                (texts::removal(index), "VIRTUAL TABLE INDEX 0:"),
            ] {
                let steps = plan(conn, sql);

                assert!(steps.len() == 1 && steps[0].contains(taken), "{steps:#?}");
            }
        }
    });
    check_plan(texts::ENTRY, "SEARCH entries USING INTEGER PRIMARY KEY (rowid=?)");
    check_plan(texts::ENTRIES, "SEARCH entries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)");
    check_unsorted(texts::ENTRIES);
}

#[test]
fn what_the_index_lacks_is_found_in_one_pass_over_sessions() {
    check_store(|conn| {
        let steps = plan(conn, marks::BEHIND);

        assert_eq!(steps.len(), 2, "{steps:#?}");
        assert!(steps[0].starts_with("SCAN session"), "{steps:#?}");
        assert!(
            steps[1].starts_with("SEARCH mark USING PRIMARY KEY (session_key=? AND is_of_tools=?)"),
            "{steps:#?}"
        );
    });
}

#[test]
fn what_a_root_holds_is_found_by_one_search_of_files_for_each_session() {
    check_plan(
        roots::HOLDINGS,
        "SEARCH files USING COVERING INDEX files_by_path (source_id=? AND path=? AND state=?)",
    );
    check_plan(
        roots::HOLDINGS,
        "SEARCH files USING COVERING INDEX files_by_path (source_id=? AND path>? AND path<?)",
    );
}

#[test]
fn a_page_of_the_problems_of_no_session_is_a_range_of_an_index() {
    check_plan(
        problems::LOOSE,
        "SEARCH problem USING INDEX problems_by_path (source_id=? AND path>?)",
    );
    check_unsorted(problems::LOOSE);
}
