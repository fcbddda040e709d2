-- What was decided here and stands in no session file: archive, trash, a moved
-- work dir, the last session of one, an application's metadata and tags. Append-only; its effect on sessions is a
-- fold, like everything else.

PRAGMA user_version = 5;

CREATE TABLE events (
    event_id    INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    kind        TEXT    NOT NULL
                CHECK (kind IN ('archive', 'unarchive', 'trash', 'restore', 'relink', 'remember',
                                'label', 'branch', 'metadata', 'tag', 'untag')),
    at          INTEGER NOT NULL,
    value       TEXT    -- of a relink: the new work dir; of a label: [id, label or null];
                        -- of metadata: [key, its JSON as text, or null when it is removed];
                        -- of a tag: the tag; NULL takes all away;
                        -- of a moved leaf: [id or null, number of lines that there were,
                        -- checksum of the last of them without its end]
) STRICT;

-- The events of a session, in order.
CREATE INDEX events_by_session ON events (session_key, event_id);

-- The session remembered last in a work dir.
CREATE INDEX events_remembered ON events (event_id)
WHERE kind = 'remember';

-- Sessions that were purged while their root may still hold them: an import
-- passes them by, by their id or their bytes, until they are asked for again.
CREATE TABLE purged (
    purged_id  INTEGER NOT NULL PRIMARY KEY,
    source_id  INTEGER NOT NULL REFERENCES sources (source_id) ON DELETE CASCADE,
    session_id TEXT,
    size       INTEGER, -- of its log as it was imported; NULL where it was a folder of files
    sha256     BLOB,
    inode      INTEGER, -- of its log or folder: tells it from another session of its id

    CHECK ((size IS NULL) = (sha256 IS NULL))
) STRICT;

CREATE INDEX purged_by_source ON purged (source_id);
