-- The views of Kimi, which the views for all formats include.

PRAGMA user_version = 16;

-- The contents of messages of Kimi.
CREATE VIEW kimi_contents (
    session,     -- the id, or the path of a session without one
    entry,
    role,
    at,
    model,
    session_key,
    entry_key,
    content      -- a JSON string, or an array of parts
) AS
SELECT session, entry, role, at, model, session_key, entry_key,
       record -> '$.content'
FROM records
WHERE format = 'kimi'
  AND role IS NOT NULL;

-- The tool calls of Kimi.
CREATE VIEW kimi_calls (
    session,     -- the id, or the path of a session without one
    entry,
    at,
    call_id,     -- the id that the result refers to
    tool,
    arguments,   -- JSON, or a plain string
    session_key,
    entry_key
) AS
SELECT record.session, record.entry, record.at, call.value ->> '$.id', call.value ->> '$.function.name',
       call.value ->> '$.function.arguments', record.session_key, record.entry_key
FROM records AS record
CROSS JOIN json_each(record.record, '$.tool_calls') AS call
WHERE record.format = 'kimi'
  AND call.type = 'object';

-- The tool results of Kimi.
CREATE VIEW kimi_results (
    session,     -- the id, or the path of a session without one
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL if the program does not record it
    session_key,
    entry_key
) AS
SELECT session, entry, at, record ->> '$.tool_call_id', NULL, session_key, entry_key
FROM records
WHERE format = 'kimi'
  AND role = 'tool';
