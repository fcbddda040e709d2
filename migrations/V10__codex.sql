-- Rollouts of Codex: their place in their thread, and the metadata of the thread.
-- Names, times, work dir and model are in sessions; turns are read from the log.

PRAGMA user_version = 10;

CREATE TABLE rollouts (
    session_key    INTEGER NOT NULL PRIMARY KEY REFERENCES sessions (session_key) ON DELETE CASCADE,
    name           BLOB    NOT NULL, -- the name of the file, without folder and .zst
    file_id        INTEGER NOT NULL, -- the file that the lines are read from
    thread_id      TEXT,
    segment_id     TEXT,    -- the segment, in a file that a revert created
    physical_id    TEXT,    -- the id by which other files refer to it as their base
    meta_at        INTEGER, -- the time of its session_meta
    is_archived    INTEGER NOT NULL,
    is_superseded  INTEGER NOT NULL, -- 1: another file is the head of its thread; 0: this one is
    mode           TEXT    NOT NULL CHECK (mode IN ('legacy', 'paginated', 'bare')),

    -- The file whose records its history starts with, and up to where.
    base_id        TEXT,    -- the physical id of that file
    base_ordinal   INTEGER,
    base_offset    INTEGER, -- in bytes, uncompressed
    base_file      INTEGER, -- its file_id; NULL if it is missing
    base_is_whole  INTEGER NOT NULL, -- 1: that file reaches as far

    originator     TEXT,
    cli_version    TEXT,
    origin         TEXT    NOT NULL, -- the source, as Codex calls it
    forked_from    TEXT,    -- the id of the thread that it was forked from
    agent_nickname TEXT,
    agent_role     TEXT,
    has_git        INTEGER NOT NULL,
    git_commit     TEXT,
    git_branch     TEXT,
    git_repository TEXT,
    token_count    INTEGER
) STRICT;

-- Copies of a file at another place, the files of a thread, the base of a history, and the files with a given base.
CREATE INDEX rollouts_by_name ON rollouts (name);
CREATE INDEX rollouts_by_thread ON rollouts (thread_id);
CREATE INDEX rollouts_by_physical_id ON rollouts (physical_id);
CREATE INDEX rollouts_by_base ON rollouts (base_id)
WHERE base_id IS NOT NULL;
