-- The views of Kward, which the views for all formats include.

PRAGMA user_version = 12;

-- The contents of messages of Kward.
CREATE VIEW kward_contents (
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
       CASE type
           WHEN 'branch_summary' THEN record -> '$.summary'
           WHEN 'compaction' THEN record -> '$.message.summary'
           ELSE record -> '$.message.content'
       END
FROM records
WHERE format = 'kward'
  AND role IS NOT NULL;

-- The tool calls of Kward.
CREATE VIEW kward_calls (
    session,     -- the id, or the path of a session without one
    entry,
    at,
    call_id,     -- the id that the result refers to
    tool,
    arguments,   -- JSON, or a plain string
    session_key,
    entry_key
) AS
SELECT record.session, record.entry, record.at, call.value ->> '$.id',
       coalesce(call.value ->> '$.function.name', call.value ->> '$.name'),
       coalesce(call.value ->> '$.function.arguments', call.value ->> '$.arguments'),
       record.session_key, record.entry_key
FROM records AS record
CROSS JOIN json_each(record.record, '$.message.tool_calls') AS call
WHERE record.format = 'kward'
  AND record.role = 'assistant'
  AND call.type = 'object'

UNION ALL

SELECT content.session, content.entry, content.at, part.value ->> '$.id', part.value ->> '$.name',
       part.value ->> '$.arguments', content.session_key, content.entry_key
FROM kward_contents AS content
CROSS JOIN json_each(content.content) AS part
WHERE content.role = 'assistant'
  AND CASE part.type WHEN 'object' THEN part.value ->> '$.type' END = 'toolCall';

-- The tool results of Kward.
CREATE VIEW kward_results (
    session,     -- the id, or the path of a session without one
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL if the program does not record it
    session_key,
    entry_key
) AS
SELECT session, entry, at, coalesce(record ->> '$.message.tool_call_id', record ->> '$.message.toolCallId'),
       record ->> '$.message.isError', session_key, entry_key
FROM records
WHERE format = 'kward'
  AND role IN ('tool', 'toolResult');
