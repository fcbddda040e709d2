-- Kimi: its part of the views for other programs.

PRAGMA user_version = 16;

-- What its messages say.
CREATE VIEW kimi_contents (
    session,     -- as in entry_list, as the others
    entry,
    role,
    at,
    model,
    session_key,
    entry_key,
    content      -- a JSON text, or an array of parts
) AS
SELECT session, entry, role, at, model, session_key, entry_key,
       record -> '$.content'
FROM records
WHERE format = 'kimi'
  AND role IS NOT NULL;

-- The tools that it called.
CREATE VIEW kimi_calls (
    session,     -- as in entry_list, as the others
    entry,
    at,
    call_id,     -- by which the result names it
    tool,
    arguments,   -- JSON, or a text of it
    session_key,
    entry_key
) AS
SELECT record.session, record.entry, record.at, call.value ->> '$.id', call.value ->> '$.function.name',
       call.value ->> '$.function.arguments', record.session_key, record.entry_key
FROM records AS record
CROSS JOIN json_each(record.record, '$.tool_calls') AS call
WHERE record.format = 'kimi'
  AND call.type = 'object';

-- What tools answered.
CREATE VIEW kimi_results (
    session,     -- as in entry_list, as the others
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL where the program does not say
    session_key,
    entry_key
) AS
SELECT session, entry, at, record ->> '$.tool_call_id', NULL, session_key, entry_key
FROM records
WHERE format = 'kimi'
  AND role = 'tool';
