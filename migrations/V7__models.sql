-- What entries say of the model: the settings that hold from one on, on its
-- branch, and the tokens and cost that it reports.

PRAGMA user_version = 7;

CREATE TABLE settings (
    entry_key        INTEGER NOT NULL PRIMARY KEY REFERENCES entries (entry_key) ON DELETE CASCADE,
    session_key      INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    sets_model       INTEGER NOT NULL, -- whether it sets provider and model, or the effort
    provider         ANY, -- as stored, as the others
    model            ANY,
    reasoning_effort ANY
) STRICT;

CREATE INDEX settings_by_session ON settings (session_key);

CREATE TABLE usages (
    entry_key    INTEGER NOT NULL PRIMARY KEY REFERENCES entries (entry_key) ON DELETE CASCADE,
    session_key  INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    provider     TEXT,
    model        TEXT,
    input        INTEGER, -- tokens, as the others
    output       INTEGER,
    cache_read   INTEGER,
    cache_write  INTEGER,
    total_tokens INTEGER,
    cost         REAL,    -- in the currency that the program reckons in
    copied_from  TEXT     -- the id of the session that reports it, where this is a copy of that; NULL where it is none
) STRICT;

CREATE INDEX usages_by_session ON usages (session_key, input, output, cache_read, cache_write, total_tokens, cost);
