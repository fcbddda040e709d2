-- The views of Codex, which the views for all formats include.

PRAGMA user_version = 15;

-- The contents of messages of Codex.
CREATE VIEW codex_contents (
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
           WHEN type IN ('function_call', 'custom_tool_call', 'local_shell_call', 'web_search_call') THEN NULL
           ELSE coalesce(record -> '$.payload.content', record -> '$.payload.output', record -> '$.payload.message',
                         record -> '$.content', record -> '$.output')
       END
FROM records
WHERE format = 'codex'
  AND role IS NOT NULL;

-- The tool calls of Codex.
CREATE VIEW codex_calls (
    session,     -- the id, or the path of a session without one
    entry,
    at,
    call_id,     -- the id that the result refers to
    tool,
    arguments,   -- JSON, or a plain string
    session_key,
    entry_key
) AS
SELECT session, entry, at, item ->> '$.call_id',
       CASE type
           WHEN 'local_shell_call' THEN 'shell'
           WHEN 'web_search_call' THEN 'web_search'
           ELSE item ->> '$.name'
       END,
       coalesce(item ->> '$.arguments', item ->> '$.input', item ->> '$.action'), session_key, entry_key
FROM (
    SELECT session, entry, at, type, coalesce(record -> '$.payload', record) AS item, session_key, entry_key
    FROM records
    WHERE format = 'codex'
      AND type IN ('function_call', 'custom_tool_call', 'local_shell_call', 'web_search_call')
);

-- The tool results of Codex.
CREATE VIEW codex_results (
    session,     -- the id, or the path of a session without one
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL if the program does not record it
    session_key,
    entry_key
) AS
SELECT session, entry, at, coalesce(record ->> '$.payload.call_id', record ->> '$.call_id'),
       NULL, session_key, entry_key
FROM records
WHERE format = 'codex'
  AND type IN ('function_call_output', 'custom_tool_call_output', 'local_shell_call_output');
