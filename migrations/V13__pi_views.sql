-- pi: its part of the views for other programs.

PRAGMA user_version = 13;

-- What its messages say.
CREATE VIEW pi_contents (
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
       CASE
           WHEN type = 'message' THEN coalesce(record -> '$.message.content', record -> '$.message.output')
           ELSE coalesce(record -> '$.summary', record -> '$.content')
       END
FROM records
WHERE format = 'pi'
  AND role IS NOT NULL;

-- The tools that it called.
CREATE VIEW pi_calls (
    session,     -- as in entry_list, as the others
    entry,
    at,
    call_id,     -- by which the result names it
    tool,
    arguments,   -- JSON, or a text of it
    session_key,
    entry_key
) AS
SELECT content.session, content.entry, content.at, part.value ->> '$.id', part.value ->> '$.name',
       part.value ->> '$.arguments', content.session_key, content.entry_key
FROM pi_contents AS content
CROSS JOIN json_each(content.content) AS part
WHERE content.role = 'assistant'
  AND CASE part.type WHEN 'object' THEN part.value ->> '$.type' END = 'toolCall';

-- What tools answered.
CREATE VIEW pi_results (
    session,     -- as in entry_list, as the others
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL where the program does not say
    session_key,
    entry_key
) AS
SELECT session, entry, at, record ->> '$.message.toolCallId', record ->> '$.message.isError',
       session_key, entry_key
FROM records
WHERE format = 'pi'
  AND record ->> '$.message.role' = 'toolResult';
