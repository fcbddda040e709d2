-- Sessions: one conversation each, with everything a listing shows, so that a
-- listing reads no bodies.
--
-- A value "as stored" is TEXT when the file holds a JSON string, as it nearly
-- always does; a BLOB holds the JSON of any other value.

PRAGMA user_version = 2;

CREATE TABLE work_dirs (
    work_dir_id INTEGER NOT NULL PRIMARY KEY,
    path        TEXT    NOT NULL, -- the work dir as sessions name it
    host        TEXT    NOT NULL DEFAULT 'local', -- where it is: this machine, or what Kimi calls a kaos

    UNIQUE (path, host)
) STRICT;

CREATE TABLE sessions (
    -- Never used again: who holds the key of a purged session must not meet another.
    session_key         INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT
                        CHECK (session_key < 0x80000000), -- the upper half of its entries' keys
    source_id           INTEGER NOT NULL REFERENCES sources (source_id),
    path                BLOB    NOT NULL, -- its file, or its folder, below the root
    file_id             INTEGER UNIQUE REFERENCES files (file_id), -- its log; NULL where a session is a folder of files
    format              TEXT    NOT NULL,

    header              TEXT    NOT NULL
                        CHECK (header = 'missing' OR header = 'unusable' OR header = 'recovered' OR header = 'stored'),
    session_id          TEXT,    -- NULL without a usable header
    version             ANY,     -- as stored
    work_dir_id         INTEGER, -- of work_dirs; to prove a key at each update took a tenth of an import, so the fold proves it
    created_at          INTEGER, -- NULL when the header holds no time; the file's mtime stands in
    activity_at         INTEGER, -- time of the last record that counts as activity
    modified_at         INTEGER NOT NULL, -- activity_at, else the file's mtime
    parent_session_id   TEXT,
    parent_session_path ANY,     -- as stored
    name                ANY,     -- as stored
    provider            ANY,     -- as stored
    model               ANY,     -- as stored
    reasoning_effort    ANY,     -- as stored
    title               ANY,     -- as stored
    first_message       ANY     NOT NULL, -- preview of the first prompt, as stored
    message_count       INTEGER NOT NULL, -- restored messages that count as conversation
    search_text         TEXT    NOT NULL, -- title and work dir, lower case
    archived_at         INTEGER,
    archive_exempt      INTEGER NOT NULL DEFAULT 0, -- 1: taken out of the archive, which age does not undo
    trashed_at          INTEGER,
    is_listed           INTEGER NOT NULL DEFAULT 1, -- 0: lists leave it out, as its program does; 2: they show a newer one of its id
    is_aside            INTEGER NOT NULL DEFAULT 0, -- 1: lists show it where all sources are asked for
    is_recent           INTEGER NOT NULL DEFAULT 0
                        CHECK (is_recent = 0 OR is_recent = 1), -- 1: it went on lately, and stands in sessions_recent, in no list by age

    -- Where the fold goes on when the log grows.
    leaf_id             ANY,              -- the active entry; may name none
    entry_count         INTEGER NOT NULL, -- entries in file order, replaced ones included
    last_entry_key      INTEGER,          -- the last of them
    preview_line_key    INTEGER,          -- the line that first_message previews

    UNIQUE (source_id, path)
) STRICT;

-- A session by its id or a prefix of it.
CREATE INDEX sessions_by_id ON sessions (session_id);

-- Sessions that owe their work dir to others of their folder: few, and looked at after each batch of an import.
CREATE INDEX sessions_recovered ON sessions (source_id, path)
WHERE header = 'recovered';

-- Listings, newest first, by keyset: of the archive and of what is not in it; both together are merged.
CREATE INDEX sessions_live_by_age ON sessions (modified_at DESC, session_id DESC, session_key DESC)
WHERE trashed_at IS NULL AND is_listed = 1 AND is_recent = 0 AND archived_at IS NULL;
CREATE INDEX sessions_archived_by_age ON sessions (modified_at DESC, session_id DESC, session_key DESC)
WHERE trashed_at IS NULL AND is_listed = 1 AND is_recent = 0 AND archived_at IS NOT NULL;

-- The sessions of a working directory, newest first.
CREATE INDEX sessions_by_work_dir ON sessions (work_dir_id, modified_at DESC, session_id DESC, session_key DESC)
WHERE trashed_at IS NULL AND is_listed = 1 AND is_recent = 0;

-- The few that go on, so that an append moves them in no list: whoever lists puts them in.
CREATE INDEX sessions_recent ON sessions (is_recent)
WHERE is_recent = 1;

-- Which sessions hold three characters in a row of their search_text: what a
-- query of three or more is narrowed by. Case is folded before, by Unicode.
CREATE VIRTUAL TABLE session_search USING fts5 (
    text,
    content = '', contentless_delete = 1, detail = none, tokenize = 'trigram case_sensitive 1'
);

CREATE TRIGGER session_search_delete AFTER DELETE ON sessions
BEGIN
    DELETE FROM session_search WHERE rowid = OLD.session_key;
END;

-- What else a session carries.
CREATE TABLE metadata (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    is_own      INTEGER NOT NULL, -- 0: its header says it; 1: an application set it here
    key         TEXT    NOT NULL,
    value       TEXT    NOT NULL, -- JSON, compact

    PRIMARY KEY (session_key, is_own, key)
) STRICT, WITHOUT ROWID;

-- The sessions of which an application says this.
CREATE INDEX metadata_by_value ON metadata (key, value, session_key)
WHERE is_own = 1;

-- Names under which a user files sessions.
CREATE TABLE session_tags (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    tag         TEXT    NOT NULL,

    PRIMARY KEY (session_key, tag)
) STRICT, WITHOUT ROWID;

-- The sessions of a tag.
CREATE INDEX session_tags_by_tag ON session_tags (tag, session_key);
