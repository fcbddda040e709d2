-- What Kimi keeps of a session besides its context: the state, the wire with its
-- turns, sub-agents, and rotated contexts.
--
-- Records of contexts have no ids. The id of an entry is derived from its content and
-- all before it, so that contexts of a session share the entries of their common prefix.

PRAGMA user_version = 6;

-- The contexts of sessions, each a path through the session's tree.
CREATE TABLE contexts (
    file_id     INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    path        BLOB    NOT NULL, -- below the root
    kind        TEXT    NOT NULL CHECK (kind = 'current' OR kind = 'rotation' OR kind = 'subagent'),
    leaf_key    INTEGER -- its last entry; NULL if it has none
) STRICT;

CREATE INDEX contexts_by_session ON contexts (session_key, file_id);

-- state.json, merged with the legacy metadata.json; the title and archive state are in sessions.
CREATE TABLE kimi_states (
    session_key             INTEGER NOT NULL PRIMARY KEY REFERENCES sessions (session_key) ON DELETE CASCADE,
    cli_title               ANY     NOT NULL, -- the title in Kimi's command line; sessions.title is that in its web interface
    is_empty                INTEGER NOT NULL, -- 1: it has no content; Kimi deletes such sessions on exit
    title_generated         INTEGER NOT NULL,
    title_generate_attempts ANY     NOT NULL, -- JSON, like the following values of type ANY
    yolo                    INTEGER NOT NULL,
    afk                     INTEGER NOT NULL,
    plan_mode               INTEGER NOT NULL,
    plan_session_id         ANY,
    plan_slug               ANY,
    wire_mtime              ANY
) STRICT;

-- Actions that the user approved permanently, in file order.
CREATE TABLE approved_actions (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    action      ANY     NOT NULL,

    PRIMARY KEY (session_key, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE additional_dirs (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    path        ANY     NOT NULL,

    PRIMARY KEY (session_key, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE todos (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    position    INTEGER NOT NULL,
    title       ANY     NOT NULL,
    status      TEXT    NOT NULL,

    PRIMARY KEY (session_key, position)
) STRICT, WITHOUT ROWID;

-- The user's prompts, from the wire.
CREATE TABLE turns (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    turn_index  INTEGER NOT NULL, -- from 0
    line_key    INTEGER NOT NULL, -- its first line
    text        ANY     NOT NULL,
    created_at  INTEGER,

    PRIMARY KEY (session_key, turn_index)
) STRICT, WITHOUT ROWID;

-- Records of a wire that were understood. Their payload is only in their line.
CREATE TABLE wire_records (
    line_key    INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    agent       TEXT,    -- the folder of the sub-agent whose wire it is; NULL for the session's own wire
    type        TEXT    NOT NULL,
    turn_index  INTEGER, -- NULL before the first turn
    created_at  INTEGER
) STRICT;

CREATE INDEX wire_records_by_session ON wire_records (session_key, line_key);

CREATE TABLE subagents (
    session_key   INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    position      INTEGER NOT NULL, -- the order in which Kimi lists them: the last updated first
    folder        TEXT    NOT NULL,
    agent_id      ANY     NOT NULL,
    subagent_type ANY     NOT NULL,
    status        TEXT    NOT NULL,
    description   ANY     NOT NULL,
    created_at    ANY     NOT NULL,
    updated_at    ANY     NOT NULL,
    last_task_id  ANY,
    launch_spec   TEXT    NOT NULL, -- JSON

    PRIMARY KEY (session_key, position)
) STRICT, WITHOUT ROWID;
