-- The active branches of sessions whose program does not simply follow parents: it
-- includes entries beside the path, or starts with a record that a later one replaced.
-- In all other sessions, the path to the leaf is the active branch.

PRAGMA user_version = 9;

-- The active branches that differ from the path to the leaf, as ranges of entries, root first.
CREATE TABLE active_ranges (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    position    INTEGER NOT NULL, -- from 0
    first_key   INTEGER NOT NULL, -- the first entry of the range
    last_key    INTEGER NOT NULL, -- the last entry of the range
    line_key    INTEGER,          -- for a range of one entry: the line to read instead of the entry's own

    PRIMARY KEY (session_key, position),
    CHECK (first_key <= last_key),
    CHECK (line_key IS NULL OR first_key = last_key)
) STRICT, WITHOUT ROWID;

DROP VIEW active_branches;

-- The active branch of each session.
CREATE VIEW active_branches (session_key, entry_key) AS
SELECT session.session_key, entry.entry_key
FROM sessions AS session
CROSS JOIN entries AS leaf ON leaf.session_key = session.session_key
                          AND leaf.entry_id = session.leaf_id
CROSS JOIN paths AS path ON path.leaf_key = leaf.entry_key
CROSS JOIN entries AS entry ON entry.entry_key BETWEEN path.first_key AND path.last_key
WHERE session.leaf_id <> ''
  AND NOT EXISTS (SELECT 1 FROM active_ranges AS range WHERE range.session_key = session.session_key)

UNION ALL

SELECT range.session_key, entry.entry_key
FROM active_ranges AS range
CROSS JOIN entries AS entry ON entry.entry_key BETWEEN range.first_key AND range.last_key;
