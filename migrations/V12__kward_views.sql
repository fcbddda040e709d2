-- Kward: its part of the views for other programs.

PRAGMA user_version = 12;

-- What its messages say.
CREATE VIEW kward_contents (
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
       CASE type
           WHEN 'branch_summary' THEN record -> '$.summary'
           WHEN 'compaction' THEN record -> '$.message.summary'
           ELSE record -> '$.message.content'
       END
FROM records
WHERE format = 'kward'
  AND role IS NOT NULL;

-- The tools that it called.
CREATE VIEW kward_calls (
    session,     -- as in entry_list, as the others
    entry,
    at,
    call_id,     -- by which the result names it
    tool,
    arguments,   -- JSON, or a text of it
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

-- What tools answered.
CREATE VIEW kward_results (
    session,     -- as in entry_list, as the others
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL where the program does not say
    session_key,
    entry_key
) AS
SELECT session, entry, at, coalesce(record ->> '$.message.tool_call_id', record ->> '$.message.toolCallId'),
       record ->> '$.message.isError', session_key, entry_key
FROM records
WHERE format = 'kward'
  AND role IN ('tool', 'toolResult');
