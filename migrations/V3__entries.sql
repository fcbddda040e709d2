-- The tree of a session.
--
-- An entry's key counts the entries of its session, in the order in which they
-- came, so that a session is one range of keys. It says nothing about bytes:
-- line_key does. Where later lines repeat an id, the entry keeps its key and its
-- line is the last of them, so that nothing that points to it moves.

PRAGMA user_version = 3;

CREATE TABLE entries (
    entry_key   INTEGER NOT NULL PRIMARY KEY, -- session_key << 32 | ordinal from 0, without gaps
    line_key    INTEGER NOT NULL, -- the line that it stands in
    span        INTEGER,          -- its bytes there, start << 32 | length; NULL for the whole line
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    -- Unique within the session. An id of 8, 16 or 32 lower-case hex digits stands as
    -- the bytes that these spell, a UUID with dashes as its bytes and x'01'; any
    -- other is text. So do other columns that name entries.
    entry_id    ANY     NOT NULL,
    id_made     INTEGER NOT NULL, -- 1 when the file gives no id and entry_id was made from the position
    type        ANY     NOT NULL, -- a word or its number, as the role; 0 is a message
    role        ANY,              -- 1 user, 2 assistant, 3 tool; NULL when the entry adds nothing to the conversation
    message_id  ANY,              -- id of the message, as stored, where it is not the text of entry_id
    created_at  INTEGER
) STRICT;

-- Entry by id.
CREATE UNIQUE INDEX entries_by_id ON entries (session_key, entry_id);

-- Runs: entries that follow one another. Nearly every entry is the child of the
-- one before it, so only those that are not have a row: each begins a run, which
-- goes on to the next row of its session. Ordinal 0 always begins one.
CREATE TABLE runs (
    first_key   INTEGER NOT NULL PRIMARY KEY, -- the entry that it begins with
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    parent_key  INTEGER,          -- what that entry follows; no foreign key: a parent may come later, and cycles are legal
    parent_id   ANY,              -- only while no entry has this id
    ends_path   INTEGER NOT NULL  -- 1 when the parent's id is empty: the tree follows it, a path does not
) STRICT;

-- Children that do not stand right behind their parent, and roots.
CREATE INDEX runs_by_parent ON runs (session_key, parent_key);

-- Orphans waiting for a parent with this id.
CREATE INDEX runs_by_missing_parent ON runs (session_key, parent_id)
WHERE parent_id IS NOT NULL;

-- Entries whose message goes by another id, which a compaction may name.
CREATE INDEX entries_by_message_id ON entries (session_key, message_id)
WHERE message_id IS NOT NULL;

-- What a compaction keeps of the path above it.
CREATE TABLE compactions (
    entry_key   INTEGER NOT NULL PRIMARY KEY REFERENCES entries (entry_key) ON DELETE CASCADE,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    first_kept  ANY -- as stored: a message's id, or its position as 'message:<n>'
) STRICT;

CREATE INDEX compactions_by_session ON compactions (session_key);

-- The current label of an id, whether or not an entry has that id.
CREATE TABLE labels (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    target_id   ANY     NOT NULL,
    label       ANY     NOT NULL, -- as stored
    labelled_at ANY,     -- as stored
    position    INTEGER NOT NULL, -- its place in the order of labels: that of the line (in pi: of the first for this id), or the event
    line_key    INTEGER, -- the line that set it; NULL where an event did

    PRIMARY KEY (session_key, target_id)
) STRICT, WITHOUT ROWID;

-- What could not be understood, or was answered better than the original would.
CREATE TABLE problems (
    problem_id  INTEGER NOT NULL PRIMARY KEY,
    source_id   INTEGER NOT NULL REFERENCES sources (source_id),
    file_id     INTEGER REFERENCES files (file_id), -- NULL for a path that could not be read
    session_key INTEGER REFERENCES sessions (session_key) ON DELETE CASCADE,
    path        BLOB    NOT NULL, -- below the root
    line        INTEGER, -- from 1; NULL when the file as a whole is meant
    kind        TEXT    NOT NULL,
    detail      TEXT    NOT NULL
) STRICT;

CREATE INDEX problems_by_session ON problems (session_key, line);
-- Sessions of which the root lost or changed something: few, and marked in each list.
CREATE INDEX problems_of_losses ON problems (session_key)
WHERE kind IN ('overwritten', 'vanished', 'diverged');
CREATE INDEX problems_by_path ON problems (source_id, path)
WHERE session_key IS NULL;

-- The parent of each entry, which stands in a column only where it is not the entry before.
CREATE VIEW parents (session_key, entry_key, parent_key) AS
SELECT entry.session_key, entry.entry_key,
       iif(run.first_key IS NULL, entry.entry_key - 1, run.parent_key)
FROM entries AS entry
LEFT JOIN runs AS run ON run.first_key = entry.entry_key;

-- The path to each entry, as the ranges of entries that it consists of: from run
-- to run, a step each, by the engine's own recursion. UNION, not UNION ALL, ends a
-- path that leads back into itself; a run that it comes back to is taken once, as
-- far as it goes. As the argument of a table function, the recursion is made for
-- the leaf that is asked for and no other.
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

-- Every branch: the path to each entry without children.
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

-- Further lines of an entry: the same record in another log of a session of several files.
CREATE TABLE entry_lines (
    line_key    INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    entry_key   INTEGER NOT NULL
) STRICT;

CREATE INDEX entry_lines_by_session ON entry_lines (session_key, line_key);
