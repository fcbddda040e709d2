-- The views of Claude Code, which the views for all formats include.

PRAGMA user_version = 14;

-- The contents of messages of Claude Code.
CREATE VIEW claude_contents (
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
       record -> '$.message.content'
FROM records
WHERE format = 'claude'
  AND role IS NOT NULL;

-- The tool calls of Claude Code.
CREATE VIEW claude_calls (
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
       part.value ->> '$.input', content.session_key, content.entry_key
FROM claude_contents AS content
CROSS JOIN json_each(content.content) AS part
WHERE content.role = 'assistant'
  AND CASE part.type WHEN 'object' THEN part.value ->> '$.type' END = 'tool_use';

-- The tool results of Claude Code.
CREATE VIEW claude_results (
    session,     -- the id, or the path of a session without one
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL if the program does not record it
    session_key,
    entry_key
) AS
SELECT content.session, content.entry, content.at, part.value ->> '$.tool_use_id',
       coalesce(part.value ->> '$.is_error', 0), content.session_key, content.entry_key
FROM claude_contents AS content
CROSS JOIN json_each(content.content) AS part
WHERE CASE part.type WHEN 'object' THEN part.value ->> '$.type' END = 'tool_result';
