-- Events: changes made in the store that are in no session file, such as archive, trash, a
-- moved work dir, the last session of a work dir, an application's metadata, and tags.
-- Append-only; their effect on sessions is folded, like everything else.

PRAGMA user_version = 5;

CREATE TABLE events (
    event_id    INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    kind        TEXT    NOT NULL
                CHECK (kind IN ('archive', 'unarchive', 'trash', 'restore', 'relink', 'remember',
                                'label', 'branch', 'metadata', 'tag', 'untag')),
    at          INTEGER NOT NULL,
    value       TEXT    -- of a relink: the new work dir; of a label: [id, label or null];
                        -- of metadata: [key, its JSON as text, or null if it is removed];
                        -- of a tag or untag: the tag; NULL removes all tags;
                        -- of a branch: [id of the leaf or null, number of lines at that time,
                        -- checksum of the last of them without its terminator]
) STRICT;

-- The events of a session, in order.
CREATE INDEX events_by_session ON events (session_key, event_id);

-- The events of a session of one kind, in order.
CREATE INDEX events_by_kind ON events (session_key, kind, event_id);

-- Events that name the last session of a work dir.
CREATE INDEX events_remembered ON events (event_id)
WHERE kind = 'remember';

-- Sessions that were purged but may still be at their root. Imports recognise them by id or
-- content and skip them, until an import of them is requested.
CREATE TABLE purged (
    purged_id  INTEGER NOT NULL PRIMARY KEY,
    source_id  INTEGER NOT NULL REFERENCES sources (source_id) ON DELETE CASCADE,
    session_id TEXT,
    size       INTEGER, -- of its log as imported; NULL if it was a folder of files
    sha256     BLOB,
    inode      INTEGER, -- of its log or folder; distinguishes it from another session with its id

    CHECK ((size IS NULL) = (sha256 IS NULL))
) STRICT;

CREATE INDEX purged_by_source ON purged (source_id);
