-- Views of all formats. A new format is added to the lists here.

PRAGMA user_version = 17;

-- The contents of messages of all formats, as JSON.
CREATE VIEW contents (
    session,     -- the id, or the path of a session without one
    entry,
    role,
    at,
    model,
    session_key,
    entry_key,
    content      -- a JSON string, or an array of parts
) AS
SELECT session, entry, role, at, model, session_key, entry_key, content
FROM kward_contents

UNION ALL

SELECT session, entry, role, at, model, session_key, entry_key, content
FROM pi_contents

UNION ALL

SELECT session, entry, role, at, model, session_key, entry_key, content
FROM claude_contents

UNION ALL

SELECT session, entry, role, at, model, session_key, entry_key, content
FROM codex_contents

UNION ALL

SELECT session, entry, role, at, model, session_key, entry_key, content
FROM kimi_contents;

-- The messages of all formats and branches, with their text.
CREATE VIEW messages (
    session,     -- the id, or the path of a session without one
    entry,       -- the id of the entry
    role,        -- user, assistant, tool and so on
    at,          -- ISO 8601
    text,        -- the text of the message or tool result; NULL if its line is packed, has its bytes in another row or is not valid JSON
    model,       -- the model that answered, if the entry has it
    session_key,
    entry_key
) AS
SELECT session, entry, role, at,
       -- NULL if it has half of a surrogate pair, which JSON can escape but UTF-8 cannot hold.
       CASE WHEN replace(text, char(0xFFFD), '') GLOB '*' || char(0xFFFD) || '*' THEN NULL ELSE text END,
       model, session_key, entry_key
FROM (
    SELECT session, entry, role, at, model, session_key, entry_key,
           CASE json_type(content)
               WHEN 'text' THEN content ->> '$'
               WHEN 'array' THEN (
                   SELECT group_concat(
                       CASE part.type
                           WHEN 'text' THEN part.value
                           WHEN 'object' THEN CASE
                               WHEN part.value ->> '$.type' IN ('thinking', 'reasoning') THEN NULL
                               WHEN json_type(part.value, '$.text') = 'text' THEN part.value ->> '$.text'
                               WHEN json_type(part.value, '$.content') = 'text' THEN part.value ->> '$.content'
                               WHEN json_type(part.value, '$.content') = 'array' THEN (
                                   SELECT group_concat(CASE piece.type WHEN 'object' THEN piece.value ->> '$.text' END, char(10))
                                   FROM json_each(part.value, '$.content') AS piece
                               )
                           END
                       END, char(10))
                   FROM json_each(content) AS part
               )
           END AS text
    FROM contents
);

-- The tool calls of all formats and branches, except those in packed lines.
CREATE VIEW tool_calls (
    session,     -- the id, or the path of a session without one
    entry,       -- the id of the entry with the call
    at,          -- ISO 8601
    call_id,     -- the id that the result refers to
    tool,        -- the name of the tool
    arguments,   -- JSON, or a plain string; NULL if it has half of a surrogate pair
    session_key,
    entry_key
) AS
SELECT session, entry, at, call_id, tool,
       CASE WHEN replace(arguments, char(0xFFFD), '') GLOB '*' || char(0xFFFD) || '*' THEN NULL ELSE arguments END,
       session_key, entry_key
FROM (
    SELECT session, entry, at, call_id, tool, arguments, session_key, entry_key
    FROM kward_calls

    UNION ALL

    SELECT session, entry, at, call_id, tool, arguments, session_key, entry_key
    FROM pi_calls

    UNION ALL

    SELECT session, entry, at, call_id, tool, arguments, session_key, entry_key
    FROM claude_calls

    UNION ALL

    SELECT session, entry, at, call_id, tool, arguments, session_key, entry_key
    FROM codex_calls

    UNION ALL

    SELECT session, entry, at, call_id, tool, arguments, session_key, entry_key
    FROM kimi_calls
);

-- The tool results of all formats and branches. Their text is in messages.
CREATE VIEW tool_results (
    session,     -- the id, or the path of a session without one
    entry,       -- the id of the entry with the result
    at,          -- ISO 8601
    call_id,     -- the id of the call that it answers
    is_error,    -- 1: the tool failed; NULL if the program does not record it
    session_key,
    entry_key
) AS
SELECT session, entry, at, call_id, is_error, session_key, entry_key
FROM kward_results

UNION ALL

SELECT session, entry, at, call_id, is_error, session_key, entry_key
FROM pi_results

UNION ALL

SELECT session, entry, at, call_id, is_error, session_key, entry_key
FROM claude_results

UNION ALL

SELECT session, entry, at, call_id, is_error, session_key, entry_key
FROM codex_results

UNION ALL

SELECT session, entry, at, call_id, is_error, session_key, entry_key
FROM kimi_results;
