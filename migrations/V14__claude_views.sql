-- Claude Code: its part of the views for other programs.

PRAGMA user_version = 14;

-- What its messages say.
CREATE VIEW claude_contents (
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
       record -> '$.message.content'
FROM records
WHERE format = 'claude'
  AND role IS NOT NULL;

-- The tools that it called.
CREATE VIEW claude_calls (
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
       part.value ->> '$.input', content.session_key, content.entry_key
FROM claude_contents AS content
CROSS JOIN json_each(content.content) AS part
WHERE content.role = 'assistant'
  AND CASE part.type WHEN 'object' THEN part.value ->> '$.type' END = 'tool_use';

-- What tools answered.
CREATE VIEW claude_results (
    session,     -- as in entry_list, as the others
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL where the program does not say
    session_key,
    entry_key
) AS
SELECT content.session, content.entry, content.at, part.value ->> '$.tool_use_id',
       coalesce(part.value ->> '$.is_error', 0), content.session_key, content.entry_key
FROM claude_contents AS content
CROSS JOIN json_each(content.content) AS part
WHERE CASE part.type WHEN 'object' THEN part.value ->> '$.type' END = 'tool_result';
