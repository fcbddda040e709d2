-- Sessions: each is one conversation, with everything that a list shows, so that a
-- list reads no lines.
--
-- A value "as stored" is TEXT if the file has a JSON string, as it nearly always
-- does; any other value is a BLOB with its JSON.

PRAGMA user_version = 2;

CREATE TABLE work_dirs (
    work_dir_id INTEGER NOT NULL PRIMARY KEY,
    path        TEXT    NOT NULL, -- the work dir as sessions name it
    host        TEXT    NOT NULL DEFAULT 'local', -- where it is: 'local', or the name of what Kimi calls a kaos

    UNIQUE (path, host)
) STRICT;

CREATE TABLE sessions (
    -- Never reused: the key of a purged session must not lead to another session.
    session_key         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT
                        CHECK (session_key < 0x80000000), -- it is the upper half of the keys of its entries
    source_id           INTEGER NOT NULL REFERENCES sources (source_id),
    path                BLOB    NOT NULL, -- its file, or its folder, below the root
    file_id             INTEGER UNIQUE REFERENCES files (file_id), -- its log; NULL if the session is a folder of files
    format              TEXT    NOT NULL,

    header              TEXT    NOT NULL
                        CHECK (header = 'missing' OR header = 'unusable' OR header = 'recovered' OR header = 'stored'),
    session_id          TEXT,    -- NULL without a usable header
    version             ANY,     -- as stored
    work_dir_id         INTEGER, -- of work_dirs; not a foreign key, because checking it at each update took a tenth of an import; the fold ensures it
    created_at          INTEGER, -- NULL if the header has no time; readers then use the file's mtime
    activity_at         INTEGER, -- the time of the last record that counts as activity
    modified_at         INTEGER NOT NULL, -- activity_at, or the file's mtime if that is NULL
    parent_session_id   TEXT,
    parent_session_path ANY,     -- as stored
    name                ANY,     -- as stored
    provider            ANY,     -- as stored
    model               ANY,     -- as stored
    reasoning_effort    ANY,     -- as stored
    title               ANY,     -- as stored
    first_message       ANY     NOT NULL, -- a preview of the first prompt, as stored
    message_count       INTEGER NOT NULL, -- messages that count as conversation
    search_text         TEXT    NOT NULL, -- the title and work dir in lower case
    archived_at         INTEGER,
    archive_exempt      INTEGER NOT NULL DEFAULT 0, -- 1: it was taken out of the archive, and is not archived again by age
    trashed_at          INTEGER,
    is_listed           INTEGER NOT NULL DEFAULT 1, -- 0: lists leave it out, as its program does; 2: lists show a newer session with its id
    is_aside            INTEGER NOT NULL DEFAULT 0, -- 1: lists show it only if all sources are asked for
    is_recent           INTEGER NOT NULL DEFAULT 0
                        CHECK (is_recent = 0 OR is_recent = 1), -- 1: it grew recently, and is in sessions_recent instead of the indexes by age

    -- Where the fold continues when the log grows.
    leaf_id             ANY,              -- the id of the active entry; the entry may not exist
    entry_count         INTEGER NOT NULL, -- entries in file order, including replaced ones
    last_entry_key      INTEGER,          -- the last of these entries
    preview_line_key    INTEGER,          -- the line that first_message is from

    UNIQUE (source_id, path)
) STRICT;

-- A session by its id or a prefix of it.
CREATE INDEX sessions_by_id ON sessions (session_id);

-- Sessions whose work dir was taken from other sessions of their folder. They are few, and checked after each batch of an import.
CREATE INDEX sessions_recovered ON sessions (source_id, path)
WHERE header = 'recovered';

-- Lists, newest first, by keyset pagination: sessions that are not archived, and archived ones. A list of both merges the two indexes.
CREATE INDEX sessions_live_by_age ON sessions (modified_at DESC, session_id DESC, session_key DESC)
WHERE trashed_at IS NULL AND is_listed = 1 AND is_recent = 0 AND archived_at IS NULL;
CREATE INDEX sessions_archived_by_age ON sessions (modified_at DESC, session_id DESC, session_key DESC)
WHERE trashed_at IS NULL AND is_listed = 1 AND is_recent = 0 AND archived_at IS NOT NULL;

-- The sessions of a work dir, newest first.
CREATE INDEX sessions_by_work_dir ON sessions (work_dir_id, modified_at DESC, session_id DESC, session_key DESC)
WHERE trashed_at IS NULL AND is_listed = 1 AND is_recent = 0;

-- The few sessions that are growing. They are in no index by age, so that an append need not move them there; each list merges them in.
CREATE INDEX sessions_recent ON sessions (is_recent)
WHERE is_recent = 1;

-- A trigram index of search_text, which narrows queries of three or more characters. Case is
-- folded before, by Unicode rules.
CREATE VIRTUAL TABLE session_search USING fts5 (
    text,
    content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
);

CREATE TRIGGER session_search_delete AFTER DELETE ON sessions
BEGIN
    DELETE FROM session_search WHERE rowid = OLD.session_key;
END;

-- Further metadata of sessions.
CREATE TABLE metadata (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    is_own      INTEGER NOT NULL, -- 0: from its header; 1: set by an application in the store
    key         TEXT    NOT NULL,
    value       TEXT    NOT NULL, -- JSON, compact

    PRIMARY KEY (session_key, is_own, key)
) STRICT, WITHOUT ROWID;

-- Sessions by metadata that an application set.
CREATE INDEX metadata_by_value ON metadata (key, value, session_key)
WHERE is_own = 1;

-- Tags that users gave to sessions.
CREATE TABLE session_tags (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    tag         TEXT    NOT NULL,

    PRIMARY KEY (session_key, tag)
) STRICT, WITHOUT ROWID;

-- Sessions by tag.
CREATE INDEX session_tags_by_tag ON session_tags (tag, session_key);
