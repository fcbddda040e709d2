-- The active branch of a session whose program does not simply follow parents:
-- it puts entries back that stand beside the path, or begins with a record that
-- a later one replaced. Of all others the path to the leaf is the branch.

PRAGMA user_version = 9;

-- Entries that follow one another, root first.
CREATE TABLE active_ranges (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    position    INTEGER NOT NULL, -- from 0
    first_key   INTEGER NOT NULL, -- entries from this one
    last_key    INTEGER NOT NULL, -- to this one
    line_key    INTEGER,          -- of a single entry: the line that counts here, where it is not the entry's own

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
