-- What Kimi keeps of a session beside its context: the state, the wire with its
-- turns, sub-agents, and contexts that were rotated away.
--
-- Contexts have no ids. An entry's id is made of its content and of what stands
-- before it, so that what two contexts of a session begin with is one trunk.

PRAGMA user_version = 6;

-- The contexts of a session, each a path through its tree.
CREATE TABLE contexts (
    file_id     INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    path        BLOB    NOT NULL, -- below the root
    kind        TEXT    NOT NULL CHECK (kind = 'current' OR kind = 'rotation' OR kind = 'subagent'),
    leaf_key    INTEGER -- its last entry; NULL when it has none
) STRICT;

CREATE INDEX contexts_by_session ON contexts (session_key, file_id);

-- state.json with the legacy metadata.json merged in; title and archive stand in sessions.
CREATE TABLE kimi_states (
    session_key             INTEGER NOT NULL PRIMARY KEY REFERENCES sessions (session_key) ON DELETE CASCADE,
    cli_title               ANY     NOT NULL, -- by the rule of Kimi's command line; sessions.title is the web's
    is_empty                INTEGER NOT NULL, -- Kimi deletes such sessions when it leaves them
    title_generated         INTEGER NOT NULL,
    title_generate_attempts ANY     NOT NULL, -- JSON, as the following values of type ANY
    yolo                    INTEGER NOT NULL,
    afk                     INTEGER NOT NULL,
    plan_mode               INTEGER NOT NULL,
    plan_session_id         ANY,
    plan_slug               ANY,
    wire_mtime              ANY
) STRICT;

-- Actions that the user approved for good, folders added, and todos, in file order.
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

-- What the user asked, by the wire.
CREATE TABLE turns (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    turn_index  INTEGER NOT NULL, -- from 0
    line_key    INTEGER NOT NULL, -- where it begins
    text        ANY     NOT NULL,
    created_at  INTEGER,

    PRIMARY KEY (session_key, turn_index)
) STRICT, WITHOUT ROWID;

-- Records of a wire that were understood. Their payload stays in their line.
CREATE TABLE wire_records (
    line_key    INTEGER NOT NULL PRIMARY KEY,
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    agent       TEXT,    -- folder of the sub-agent whose wire it is; NULL for the session's own
    type        TEXT    NOT NULL,
    turn_index  INTEGER, -- NULL before the first turn
    created_at  INTEGER
) STRICT;

CREATE INDEX wire_records_by_session ON wire_records (session_key, line_key);

CREATE TABLE subagents (
    session_key   INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    position      INTEGER NOT NULL, -- as Kimi lists them: the one updated last comes first
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
