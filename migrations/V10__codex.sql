-- What a rollout of Codex is to its thread, and what its thread says of itself.
-- Names, times, work dir and model stand in sessions; turns are told from the log.

PRAGMA user_version = 10;

CREATE TABLE rollouts (
    session_key    INTEGER NOT NULL PRIMARY KEY REFERENCES sessions (session_key) ON DELETE CASCADE,
    name           BLOB    NOT NULL, -- of the file, without folder and .zst
    file_id        INTEGER NOT NULL, -- whose lines are read
    thread_id      TEXT,
    segment_id     TEXT,    -- of a file that a revert made
    physical_id    TEXT,    -- by which another file names it as its base
    meta_at        INTEGER, -- the time in its session_meta
    is_archived    INTEGER NOT NULL,
    is_superseded  INTEGER NOT NULL, -- 1: another file is the head of its thread
    mode           TEXT    NOT NULL CHECK (mode IN ('legacy', 'paginated', 'bare')),

    -- The file that its history begins with, and how far.
    base_id        TEXT,    -- the physical id of that file
    base_ordinal   INTEGER,
    base_offset    INTEGER, -- in bytes, not compressed
    base_file      INTEGER, -- as it was found; NULL when it is missing
    base_is_whole  INTEGER NOT NULL, -- 1: the cut lies within that file

    originator     TEXT,
    cli_version    TEXT,
    origin         TEXT    NOT NULL, -- what Codex calls the source
    forked_from    TEXT,    -- the id of a thread
    agent_nickname TEXT,
    agent_role     TEXT,
    has_git        INTEGER NOT NULL,
    git_commit     TEXT,
    git_branch     TEXT,
    git_repository TEXT,
    token_count    INTEGER
) STRICT;

-- The same file at another place, the files of a thread, the base of a history, and what begins with a file.
CREATE INDEX rollouts_by_name ON rollouts (name);
CREATE INDEX rollouts_by_thread ON rollouts (thread_id);
CREATE INDEX rollouts_by_physical_id ON rollouts (physical_id);
CREATE INDEX rollouts_by_base ON rollouts (base_id)
WHERE base_id IS NOT NULL;
