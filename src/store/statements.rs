//! The statements of lists, each written out in full, so that it can be pasted
//! after `EXPLAIN QUERY PLAN`.
//!
//! They differ in the index that they scan and in how they treat archived sessions.
//! The planner cannot tell which index skips the fewest rows, so the statements
//! name it. The age indexes leave out recent sessions (see `recent`), and so do the
//! statements that scan one.
//!
//! NULL sorts below every id, and below the empty one. A row value cannot hold NULL, so
//! a number takes its place, which SQLite sorts below every text.

use super::filter::Archived;

/// Sessions in order, by an age index; a query tests each until the page is full.
pub(crate) fn page_statement(archived: Archived) -> &'static str {
    match archived {
        Archived::Without => PAGE_LIVE,
        Archived::Only => PAGE_ARCHIVED,
        Archived::Included => PAGE_ALL,
    }
}

/// Sessions of a work dir in order, by an index.
pub(crate) fn work_dir_statement(archived: Archived) -> &'static str {
    match archived {
        Archived::Without => OF_WORK_DIR_LIVE,
        Archived::Only => OF_WORK_DIR_ARCHIVED,
        Archived::Included => OF_WORK_DIR_ALL,
    }
}

/// Sessions among given candidates, sorted afterwards.
pub(crate) fn found_statement(archived: Archived) -> &'static str {
    match archived {
        Archived::Without => FOUND_LIVE,
        Archived::Only => FOUND_ARCHIVED,
        Archived::Included => FOUND_ALL,
    }
}

/// The keys of sessions in order, read from the index alone.
pub(crate) fn keys_statement(archived: Archived) -> &'static str {
    match archived {
        Archived::Without => KEYS_LIVE,
        Archived::Only => KEYS_ARCHIVED,
        Archived::Included => KEYS_ALL,
    }
}

const PAGE_LIVE: &str = "
    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM sessions AS session INDEXED BY sessions_live_by_age
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND session.is_recent = 0
      AND (:all_sources OR session.is_aside = 0)
      AND session.archived_at IS NULL
      AND :work_dir_id IS NULL AND (:work_dir IS NULL OR rtrim(dir.path, '/') = :work_dir)
      AND :narrowed IS NULL
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC
    LIMIT :limit OFFSET :offset";

const PAGE_ARCHIVED: &str = "
    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM sessions AS session INDEXED BY sessions_archived_by_age
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND session.is_recent = 0
      AND (:all_sources OR session.is_aside = 0)
      AND session.archived_at IS NOT NULL
      AND :work_dir_id IS NULL AND (:work_dir IS NULL OR rtrim(dir.path, '/') = :work_dir)
      AND :narrowed IS NULL
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC
    LIMIT :limit OFFSET :offset";

const PAGE_ALL: &str = "
    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM sessions AS session INDEXED BY sessions_live_by_age
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND session.is_recent = 0
      AND (:all_sources OR session.is_aside = 0)
      AND session.archived_at IS NULL
      AND :work_dir_id IS NULL AND (:work_dir IS NULL OR rtrim(dir.path, '/') = :work_dir)
      AND :narrowed IS NULL
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)

    UNION ALL

    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM sessions AS session INDEXED BY sessions_archived_by_age
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND session.is_recent = 0
      AND (:all_sources OR session.is_aside = 0)
      AND session.archived_at IS NOT NULL
      AND :work_dir_id IS NULL AND (:work_dir IS NULL OR rtrim(dir.path, '/') = :work_dir)
      AND :narrowed IS NULL
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC
    LIMIT :limit OFFSET :offset";

const OF_WORK_DIR_LIVE: &str = "
    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM sessions AS session INDEXED BY sessions_by_work_dir
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND session.is_recent = 0
      AND (:all_sources OR session.is_aside = 0)
      AND session.archived_at IS NULL
      AND session.work_dir_id = :work_dir_id AND :work_dir IS NOT NULL AND :narrowed IS NULL
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC
    LIMIT :limit OFFSET :offset";

const OF_WORK_DIR_ARCHIVED: &str = "
    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM sessions AS session INDEXED BY sessions_by_work_dir
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND session.is_recent = 0
      AND (:all_sources OR session.is_aside = 0)
      AND session.archived_at IS NOT NULL
      AND session.work_dir_id = :work_dir_id AND :work_dir IS NOT NULL AND :narrowed IS NULL
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC
    LIMIT :limit OFFSET :offset";

const OF_WORK_DIR_ALL: &str = "
    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM sessions AS session INDEXED BY sessions_by_work_dir
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND session.is_recent = 0
      AND (:all_sources OR session.is_aside = 0)
      AND session.work_dir_id = :work_dir_id AND :work_dir IS NOT NULL AND :narrowed IS NULL
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC
    LIMIT :limit OFFSET :offset";

const FOUND_LIVE: &str = "
    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM json_each(:narrowed) AS narrowed
    CROSS JOIN sessions AS session ON session.session_key = narrowed.value
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND (:all_sources OR session.is_aside = 0)
      AND session.archived_at IS NULL
      AND (:work_dir_id IS NULL OR session.work_dir_id = :work_dir_id)
      AND (:work_dir IS NULL OR rtrim(dir.path, '/') = :work_dir)
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC
    LIMIT :limit OFFSET :offset";

const FOUND_ARCHIVED: &str = "
    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM json_each(:narrowed) AS narrowed
    CROSS JOIN sessions AS session ON session.session_key = narrowed.value
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND (:all_sources OR session.is_aside = 0)
      AND session.archived_at IS NOT NULL
      AND (:work_dir_id IS NULL OR session.work_dir_id = :work_dir_id)
      AND (:work_dir IS NULL OR rtrim(dir.path, '/') = :work_dir)
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC
    LIMIT :limit OFFSET :offset";

const FOUND_ALL: &str = "
    SELECT session.session_key, session.format, session.session_id, session.title,
           dir.path AS work_dir, session.archived_at, session.modified_at,
           session.message_count
    FROM json_each(:narrowed) AS narrowed
    CROSS JOIN sessions AS session ON session.session_key = narrowed.value
    LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id
    WHERE session.trashed_at IS NULL
      AND session.is_listed = 1
      AND (:all_sources OR session.is_aside = 0)
      AND (:work_dir_id IS NULL OR session.work_dir_id = :work_dir_id)
      AND (:work_dir IS NULL OR rtrim(dir.path, '/') = :work_dir)
      AND session.modified_at BETWEEN :since AND :modified_at
      AND (:format IS NULL OR session.format = :format)
      AND (session.modified_at, ifnull(session.session_id, 0), session.session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
      AND (:query IS NULL OR instr(session.search_text, :query) > 0)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC
    LIMIT :limit OFFSET :offset";

const KEYS_LIVE: &str = "
    SELECT session_key, modified_at, session_id
    FROM sessions INDEXED BY sessions_live_by_age
    WHERE trashed_at IS NULL
      AND is_listed = 1
      AND is_recent = 0
      AND archived_at IS NULL
      AND modified_at BETWEEN :since AND :modified_at
      AND (modified_at, ifnull(session_id, 0), session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC";

const KEYS_ARCHIVED: &str = "
    SELECT session_key, modified_at, session_id
    FROM sessions INDEXED BY sessions_archived_by_age
    WHERE trashed_at IS NULL
      AND is_listed = 1
      AND is_recent = 0
      AND archived_at IS NOT NULL
      AND modified_at BETWEEN :since AND :modified_at
      AND (modified_at, ifnull(session_id, 0), session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC";

const KEYS_ALL: &str = "
    SELECT session_key, modified_at, session_id
    FROM sessions INDEXED BY sessions_live_by_age
    WHERE trashed_at IS NULL
      AND is_listed = 1
      AND is_recent = 0
      AND archived_at IS NULL
      AND modified_at BETWEEN :since AND :modified_at
      AND (modified_at, ifnull(session_id, 0), session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)

    UNION ALL

    SELECT session_key, modified_at, session_id
    FROM sessions INDEXED BY sessions_archived_by_age
    WHERE trashed_at IS NULL
      AND is_listed = 1
      AND is_recent = 0
      AND archived_at IS NOT NULL
      AND modified_at BETWEEN :since AND :modified_at
      AND (modified_at, ifnull(session_id, 0), session_key)
        < (:modified_at, ifnull(:session_id, 0), :session_key)
    ORDER BY modified_at DESC, session_id DESC, session_key DESC";
