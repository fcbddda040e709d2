-- The tree of a session. An entry's key is the key of its line, so that a fold
-- repeated gives the same rows. Where later lines repeat an id, the entry keeps
-- its key and holds what the last of them says: nothing that points to it moves.

PRAGMA user_version = 3;

CREATE TABLE entries (
    entry_key   INTEGER NOT NULL PRIMARY KEY, -- the key of its first line
    line_key    INTEGER,          -- the line that counts, where a later one repeats the id
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    entry_id    TEXT    NOT NULL, -- unique within the session
    id_made     INTEGER NOT NULL, -- 1 when the file gives no id and entry_id was made from the position
    parent_key  INTEGER,          -- no foreign key: a parent may come later, and cycles are legal input
    parent_id   TEXT,             -- only while no entry has this id
    type        TEXT    NOT NULL,
    role        TEXT,             -- NULL when the entry adds nothing to the conversation
    message_id  ANY,              -- id of the message, as stored, where it is not the text of entry_id
    created_at  INTEGER
) STRICT;

-- Entry by id, and all entries of a session.
CREATE UNIQUE INDEX entries_by_id ON entries (session_key, entry_id);

-- Children of an entry, but for the one that stands right behind it, which needs
-- no index to be found: nearly every entry does.
CREATE INDEX entries_by_parent ON entries (parent_key)
WHERE parent_key <> entry_key - 1;

-- Roots of a session.
CREATE INDEX entries_roots ON entries (session_key)
WHERE parent_key IS NULL;

-- Orphans waiting for a parent with this id.
CREATE INDEX entries_by_missing_parent ON entries (session_key, parent_id)
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
    target_id   TEXT    NOT NULL,
    label       ANY     NOT NULL, -- as stored
    labelled_at ANY, -- as stored
    line_key    INTEGER NOT NULL, -- the line that set it (in pi: that set it first), or the event

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
CREATE INDEX problems_by_path ON problems (source_id, path)
WHERE session_key IS NULL;

-- The active branch of each session, from the leaf up: what the engine's own
-- walk gives. UNION, not UNION ALL, ends a branch that leads back into itself.
CREATE VIEW active_branches (session_key, entry_key) AS
WITH RECURSIVE branch (session_key, entry_key) AS (
    SELECT session.session_key, entry.entry_key
    FROM sessions AS session
    CROSS JOIN entries AS entry ON entry.session_key = session.session_key
                               AND entry.entry_id = session.leaf_id

    UNION

    SELECT branch.session_key, child.parent_key
    FROM branch
    CROSS JOIN entries AS child ON child.entry_key = branch.entry_key
    WHERE child.parent_key IS NOT NULL
)
SELECT session_key, entry_key
FROM branch;
