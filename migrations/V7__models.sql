-- What entries say of the model: settings, which are valid from the entry on, on its
-- branch; and the tokens and cost that the entry reports.

PRAGMA user_version = 7;

CREATE TABLE settings (
    entry_key        INTEGER NOT NULL PRIMARY KEY REFERENCES entries (entry_key) ON DELETE CASCADE,
    session_key      INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    sets_model       INTEGER NOT NULL, -- 1: it sets provider and model; 0: it sets the reasoning effort
    provider         ANY, -- as stored, like model and reasoning_effort
    model            ANY,
    reasoning_effort ANY
) STRICT;

CREATE INDEX settings_by_session ON settings (session_key);

CREATE TABLE usages (
    entry_key    INTEGER NOT NULL PRIMARY KEY REFERENCES entries (entry_key) ON DELETE CASCADE,
    session_key  INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    provider     TEXT,
    model        TEXT,
    input        INTEGER, -- tokens, like the columns below except cost
    output       INTEGER,
    cache_read   INTEGER,
    cache_write  INTEGER,
    total_tokens INTEGER,
    cost         REAL,    -- in the currency that the program uses
    copied_from  TEXT     -- the id of the session that reported it, if this is a copy; otherwise NULL
) STRICT;

CREATE INDEX usages_by_session ON usages (session_key, input, output, cache_read, cache_write, total_tokens, cost);
