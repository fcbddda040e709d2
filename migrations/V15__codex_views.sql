-- Codex: its part of the views for other programs.

PRAGMA user_version = 15;

-- What its messages say.
CREATE VIEW codex_contents (
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
           WHEN type IN ('function_call', 'custom_tool_call', 'local_shell_call', 'web_search_call') THEN NULL
           ELSE coalesce(record -> '$.payload.content', record -> '$.payload.output', record -> '$.payload.message',
                         record -> '$.content', record -> '$.output')
       END
FROM records
WHERE format = 'codex'
  AND role IS NOT NULL;

-- The tools that it called.
CREATE VIEW codex_calls (
    session,     -- as in entry_list, as the others
    entry,
    at,
    call_id,     -- by which the result names it
    tool,
    arguments,   -- JSON, or a text of it
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

-- What tools answered.
CREATE VIEW codex_results (
    session,     -- as in entry_list, as the others
    entry,
    at,
    call_id,
    is_error,    -- 1: the tool failed; NULL where the program does not say
    session_key,
    entry_key
) AS
SELECT session, entry, at, coalesce(record ->> '$.payload.call_id', record ->> '$.call_id'),
       NULL, session_key, entry_key
FROM records
WHERE format = 'codex'
  AND type IN ('function_call_output', 'custom_tool_call_output', 'local_shell_call_output');
