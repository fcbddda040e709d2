-- The trees of sessions.
--
-- Entries are numbered in the order in which they were added to their session, so that
-- the entries of a session are one range of keys. line_key refers to the line of an entry.
-- If later lines repeat an id, the entry keeps its key and line_key is the last such line,
-- so that references to the entry stay valid.

PRAGMA user_version = 3;

CREATE TABLE entries (
    entry_key   INTEGER NOT NULL PRIMARY KEY, -- session_key << 32 | ordinal from 0, without gaps
    line_key    INTEGER NOT NULL, -- its line
    span        INTEGER,          -- its bytes in that line, start << 32 | length; NULL for the whole line
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    -- Unique within the session. An id of 8, 16 or 32 lower-case hex digits is stored as
    -- the bytes that these encode, a UUID with dashes as its bytes and x'01', and any
    -- other as text. Other columns with ids of entries are encoded likewise.
    entry_id    ANY     NOT NULL,
    id_made     INTEGER NOT NULL, -- 1 if the file has no id for it and entry_id was derived from its position
    type        ANY     NOT NULL, -- a word or its number; 0 is a message; entry_list shows the word
    role        ANY,              -- a word or its number; 1 is user, 2 assistant, 3 tool; NULL if the entry adds nothing to the conversation
    message_id  ANY,              -- the id of the message, as stored, if it differs from the text of entry_id
    created_at  INTEGER
) STRICT;

-- Entries by id.
CREATE UNIQUE INDEX entries_by_id ON entries (session_key, entry_id);

-- Runs of entries, each the child of the one before it. Nearly all entries are such children,
-- so only the others have a row. Such an entry starts a run, which ends before the next row of
-- its session. Ordinal 0 always starts a run.
CREATE TABLE runs (
    first_key   INTEGER NOT NULL PRIMARY KEY, -- the first entry of the run
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    parent_key  INTEGER,          -- the parent of that entry; not a foreign key, because a parent may come later, and cycles are allowed
    parent_id   ANY,              -- the id of the parent, only while no entry has it
    ends_path   INTEGER NOT NULL  -- 1 if the parent's id is empty: the tree has this parent, but paths end here
) STRICT;

-- Roots, and children that are not right after their parent.
CREATE INDEX runs_by_parent ON runs (session_key, parent_key);

-- Orphans by the id of the parent that they lack.
CREATE INDEX runs_by_missing_parent ON runs (session_key, parent_id)
WHERE parent_id IS NOT NULL;

-- Entries by the id of their message, if it is another; a compaction may refer to it.
CREATE INDEX entries_by_message_id ON entries (session_key, message_id)
WHERE message_id IS NOT NULL;

-- What each compaction keeps of the path above it.
CREATE TABLE compactions (
    entry_key   INTEGER NOT NULL PRIMARY KEY REFERENCES entries (entry_key) ON DELETE CASCADE,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    first_kept  ANY -- as stored: the id of a message, or its position as 'message:<n>'
) STRICT;

CREATE INDEX compactions_by_session ON compactions (session_key);

-- Current labels of ids, whether or not an entry has the id.
CREATE TABLE labels (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    target_id   ANY     NOT NULL,
    label       ANY     NOT NULL, -- as stored
    labelled_at ANY,     -- as stored
    position    INTEGER NOT NULL, -- its position in the order of labels: that of its line (in pi, of the first line for this id) or of its event
    line_key    INTEGER, -- the line that set it; NULL if an event did

    PRIMARY KEY (session_key, target_id)
) STRICT, WITHOUT ROWID;

-- Problems in session files: what could not be understood, or is handled better than by the original program.
CREATE TABLE problems (
    problem_id  INTEGER NOT NULL PRIMARY KEY,
    source_id   INTEGER NOT NULL REFERENCES sources (source_id),
    file_id     INTEGER REFERENCES files (file_id), -- NULL if the path could not be read
    session_key INTEGER REFERENCES sessions (session_key) ON DELETE CASCADE,
    path        BLOB    NOT NULL, -- below the root
    line        INTEGER, -- from 1; NULL if it concerns the whole file
    kind        TEXT    NOT NULL,
    detail      TEXT    NOT NULL
) STRICT;

CREATE INDEX problems_by_session ON problems (session_key, line);
-- Sessions of which the root lost or changed something. They are few, and marked in each list.
CREATE INDEX problems_of_losses ON problems (session_key)
WHERE kind IN ('overwritten', 'vanished', 'diverged');
CREATE INDEX problems_by_path ON problems (source_id, path)
WHERE session_key IS NULL;

-- The parent of each entry. It is stored only if it is not the entry before.
CREATE VIEW parents (session_key, entry_key, parent_key) AS
SELECT entry.session_key, entry.entry_key,
       iif(run.first_key IS NULL, entry.entry_key - 1, run.parent_key)
FROM entries AS entry
LEFT JOIN runs AS run ON run.first_key = entry.entry_key;

-- The path to each entry, as ranges of entries. Each step of the recursion goes from one
-- run to the run of its parent. UNION instead of UNION ALL ends the recursion in a cycle;
-- a run that is reached more than once counts once, up to its last entry on the path.
-- The recursion is the argument of a table function, so that it runs only for the leaf
-- that a query asks for.
CREATE VIEW paths (session_key, leaf_key, first_key, last_key) AS
SELECT leaf.session_key, leaf.entry_key, stretch.value ->> 0, stretch.value ->> 1
FROM entries AS leaf
CROSS JOIN json_each((
    WITH RECURSIVE path (first_key, last_key) AS (
        SELECT (SELECT max(first_key) FROM runs WHERE first_key <= leaf.entry_key), leaf.entry_key

        UNION

        SELECT (SELECT max(first_key) FROM runs WHERE first_key <= run.parent_key), run.parent_key
        FROM path
        CROSS JOIN runs AS run ON run.first_key = path.first_key
        WHERE run.parent_key IS NOT NULL
          AND run.ends_path = 0
    )
    SELECT json_group_array(json_array(first_key, last_key))
    FROM (SELECT first_key, max(last_key) AS last_key FROM path GROUP BY first_key)
)) AS stretch;

-- The active branch of each session.
CREATE VIEW active_branches (session_key, entry_key) AS
SELECT session.session_key, entry.entry_key
FROM sessions AS session
CROSS JOIN entries AS leaf ON leaf.session_key = session.session_key
                          AND leaf.entry_id = session.leaf_id
CROSS JOIN paths AS path ON path.leaf_key = leaf.entry_key
CROSS JOIN entries AS entry ON entry.entry_key BETWEEN path.first_key AND path.last_key
WHERE session.leaf_id <> '';

-- All branches: the path to each entry without children.
CREATE VIEW branches (session_key, leaf_key, entry_key) AS
SELECT leaf.session_key, leaf.entry_key, entry.entry_key
FROM entries AS leaf
CROSS JOIN paths AS path ON path.leaf_key = leaf.entry_key
CROSS JOIN entries AS entry ON entry.entry_key BETWEEN path.first_key AND path.last_key
WHERE (EXISTS (SELECT 1 FROM runs WHERE first_key = leaf.entry_key + 1)
       OR NOT EXISTS (SELECT 1 FROM entries WHERE entry_key = leaf.entry_key + 1))
  AND NOT EXISTS (SELECT 1
                  FROM runs
                  WHERE session_key = leaf.session_key
                    AND parent_key = leaf.entry_key);

-- Further lines of entries: the same record in another log of a session of several files.
CREATE TABLE entry_lines (
    line_key    INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    entry_key   INTEGER NOT NULL
) STRICT;

CREATE INDEX entry_lines_by_session ON entry_lines (session_key, line_key);
