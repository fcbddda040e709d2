-- The views of pi, which the views for all formats include.

PRAGMA user_version = 13;

-- The contents of messages of pi.
CREATE VIEW pi_contents (
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
       CASE
           WHEN type = 'message' THEN coalesce(record -> '$.message.content', record -> '$.message.output')
           ELSE coalesce(record -> '$.summary', record -> '$.content')
       END
FROM records
WHERE format = 'pi'
  AND role IS NOT NULL;

-- The tool calls of pi.
CREATE VIEW pi_calls (
    session,     -- the id, or the path of a session without one
    entry,
    at,
    call_id,     -- the id that the result refers to
    tool,
    arguments,   -- JSON, or a plain string
    session_key,
    entry_key
) AS
SELECT content.session, content.entry, content.at, part.value ->> '$.id', part.value ->> '$.name',
       part.value ->> '$.arguments', content.session_key, content.entry_key
FROM pi_contents AS content
CROSS JOIN json_each(content.content) AS part
WHERE content.role = 'assistant'
  AND CASE part.type WHEN 'object' THEN part.value ->> '$.type' END = 'toolCall';

-- The tool results of pi.
CREATE VIEW pi_results (
    session,     -- the id, or the path of a session without one
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL if the program does not record it
    session_key,
    entry_key
) AS
SELECT session, entry, at, record ->> '$.message.toolCallId', record ->> '$.message.isError',
       session_key, entry_key
FROM records
WHERE format = 'pi'
  AND record ->> '$.message.role' = 'toolResult';
