-- Records that are not entries of the tree. Their content is only in their line.

PRAGMA user_version = 4;

CREATE TABLE system_prompts (
    line_key    INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    hash        ANY, -- as stored
    reason      TEXT,
    created_at  INTEGER
) STRICT;

CREATE INDEX system_prompts_by_session ON system_prompts (session_key, line_key);

CREATE TABLE tool_executions (
    line_key     INTEGER NOT NULL PRIMARY KEY,
    session_key  INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    tool_call_id TEXT,
    tool_name    TEXT,
    is_error     INTEGER NOT NULL,
    result_key   INTEGER, -- the line of its result, if that is another line
    turn_index   INTEGER, -- its turn, in a format with turns
    created_at   INTEGER
) STRICT;

CREATE INDEX tool_executions_by_session ON tool_executions (session_key, line_key);
-- The calls of an id, the unanswered ones together.
CREATE INDEX tool_executions_by_call ON tool_executions (session_key, tool_call_id, result_key);

CREATE TABLE memory_states (
    line_key    INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    created_at  INTEGER
) STRICT;

CREATE INDEX memory_states_by_session ON memory_states (session_key, line_key);
