-- What the formats contribute, put together: the list of formats among views.

PRAGMA user_version = 17;

-- What the messages of all formats say, as JSON.
CREATE VIEW contents (
    session,     -- as in entry_list, as the others
    entry,
    role,
    at,
    model,
    session_key,
    entry_key,
    content      -- a JSON text, or an array of parts
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

-- The conversation: entries that someone said or a tool answered, of all branches.
CREATE VIEW messages (
    session,     -- as in session_list
    entry,       -- the id of the entry
    role,        -- who speaks
    at,          -- ISO 8601
    text,        -- what is said and what tools answered; NULL where its line is packed, stands in another row or is no valid JSON
    model,       -- that answered, where the entry says it
    session_key,
    entry_key
) AS
SELECT session, entry, role, at,
       -- Half of a surrogate pair, which JSON can spell, is no text.
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

-- The calls of tools, of all formats and branches; those in packed lines are not among them.
CREATE VIEW tool_calls (
    session,     -- as in session_list
    entry,       -- the id of the entry that called
    at,          -- ISO 8601
    call_id,     -- by which the result names it
    tool,        -- its name
    arguments,   -- JSON, or a text of it; NULL where it spells half of a surrogate pair
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

-- What tools answered, of all formats and branches. The text is that of the entry in messages.
CREATE VIEW tool_results (
    session,     -- as in session_list
    entry,       -- the id of the entry with the answer
    at,          -- ISO 8601
    call_id,     -- of the call that it answers
    is_error,    -- 1: the tool failed; NULL where the program does not say
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
