-- Views for other programs: ids and words as text, times as ISO 8601 in UTC, paths as
-- text. docs/schema.md describes them.
--
-- They need SQLite 3.38 only. A line that is packed, has its bytes in another row or is not
-- valid JSON is NULL here; sessile sql can read most of these.

PRAGMA user_version = 11;

-- Sessions, as a list shows them.
CREATE VIEW session_list (
    session,       -- the id, or the path of a session without one
    format,        -- the program whose format it has
    name,          -- the name that the user gave it
    title,         -- the title that its program gave it
    first_message, -- the start of the first prompt
    work_dir,      -- the directory that it worked in
    host,          -- the host of work_dir
    provider,
    model,
    messages,      -- the number of messages
    created_at,    -- ISO 8601, like the times below
    modified_at,
    archived_at,
    trashed_at,
    parent,        -- the id of its parent session
    root,          -- the folder that it was imported from; empty if none
    origin,        -- the machine or person that it comes from; NULL if none was given
    path,          -- its file or folder below the root
    is_listed,     -- 1: lists show it unless it is in the trash
    session_key    -- the key of the session in all tables
) AS
SELECT coalesce(session.session_id, CAST(session.path AS TEXT)), session.format,
       CAST(nullif(session.name, x'6E756C6C') AS TEXT), CAST(nullif(session.title, x'6E756C6C') AS TEXT),
       CAST(nullif(session.first_message, x'6E756C6C') AS TEXT), dir.path, dir.host,
       CAST(nullif(session.provider, x'6E756C6C') AS TEXT), CAST(nullif(session.model, x'6E756C6C') AS TEXT),
       session.message_count,
       strftime('%Y-%m-%dT%H:%M:%fZ', session.created_at / 1000000 / 1000.0, 'unixepoch'),
       strftime('%Y-%m-%dT%H:%M:%fZ', session.modified_at / 1000000 / 1000.0, 'unixepoch'),
       strftime('%Y-%m-%dT%H:%M:%fZ', session.archived_at / 1000000 / 1000.0, 'unixepoch'),
       strftime('%Y-%m-%dT%H:%M:%fZ', session.trashed_at / 1000000 / 1000.0, 'unixepoch'),
       session.parent_session_id, CAST(source.root AS TEXT), nullif(source.origin, ''), CAST(session.path AS TEXT), session.is_listed,
       session.session_key
FROM sessions AS session
CROSS JOIN sources AS source ON source.source_id = session.source_id
LEFT JOIN work_dirs AS dir ON dir.work_dir_id = session.work_dir_id;

-- Entries, with text instead of the bytes and numbers of the table entries.
CREATE VIEW entry_list (
    session,     -- the id, or the path of a session without one
    entry,       -- the id
    type,        -- the type: message, compaction and so on
    role,        -- user, assistant, tool and so on; NULL if it adds nothing to the conversation
    at,          -- ISO 8601
    model,       -- the model that answered, if the entry has it
    format,
    session_key,
    entry_key
) AS
SELECT coalesce(session.session_id, CAST(session.path AS TEXT)),
       CASE
           WHEN typeof(entry.entry_id) <> 'blob' THEN entry.entry_id
           WHEN length(entry.entry_id) <> 17 THEN lower(hex(entry.entry_id))
           ELSE lower(hex(substr(entry.entry_id, 1, 4)) || '-' || hex(substr(entry.entry_id, 5, 2)) || '-'
                      || hex(substr(entry.entry_id, 7, 2)) || '-' || hex(substr(entry.entry_id, 9, 2)) || '-'
                      || hex(substr(entry.entry_id, 11, 6)))
       END,
       CASE typeof(entry.type) WHEN 'integer' THEN words.list ->> entry.type ELSE entry.type END,
       CASE typeof(entry.role) WHEN 'integer' THEN words.list ->> entry.role ELSE entry.role END,
       strftime('%Y-%m-%dT%H:%M:%fZ', entry.created_at / 1000000 / 1000.0, 'unixepoch'),
       usage.model, session.format, entry.session_key, entry.entry_key
FROM entries AS entry
CROSS JOIN sessions AS session ON session.session_key = entry.session_key
-- The words for the numbers in entries, from 0.
CROSS JOIN (SELECT '["message","user","assistant","tool","toolResult","system","compaction","compactionSummary",
                     "branch_summary","branchSummary","custom_message","custom","label","session_info",
                     "model_change","thinking_level_change","context_edit","bashExecution","system_prompt",
                     "checkpoint","usage","unknown","attachment","progress"]' AS list) AS words
LEFT JOIN usages AS usage ON usage.entry_key = entry.entry_key;

-- Entries with their JSON.
CREATE VIEW records (
    session,     -- the id, or the path of a session without one
    entry,
    type,
    role,
    at,
    model,
    format,
    session_key,
    entry_key,
    record       -- the JSON; NULL if the line is packed, has its bytes in another row or is not valid JSON in UTF-8
) AS
SELECT session, entry, type, role, at, model, format, session_key, entry_key,
       -- NULL if there are bytes that are not UTF-8. GLOB reads such a byte as a character that
       -- may also be in the text, so those characters are removed or replaced before.
       CASE
           WHEN replace(record, char(0xFFFD), '') GLOB '*' || char(0xFFFD) || '*' THEN NULL
           WHEN replace(record, CAST(x'C2' AS TEXT), CAST(x'C4' AS TEXT))
                GLOB '*[' || char(0x80) || '-' || char(0xBF) || ']*' THEN NULL
           WHEN json_valid(record) THEN record
       END
FROM (
    SELECT entry.session, entry.entry, entry.type, entry.role, entry.at, entry.model, entry.format,
           entry.session_key, entry.entry_key,
           CASE
               WHEN line.enc <> 0 THEN NULL
               WHEN stored.span IS NULL THEN CAST(line.raw AS TEXT)
               ELSE CAST(substr(line.raw, (stored.span >> 32) + 1, stored.span & 0xFFFFFFFF) AS TEXT)
           END AS record
    FROM entry_list AS entry
    CROSS JOIN entries AS stored ON stored.entry_key = entry.entry_key
    LEFT JOIN lines AS line ON line.line_key = stored.line_key
);

-- Tokens and cost by day (UTC), model and program, as entries report them. Entries that
-- forks and copies repeat count in each of them.
CREATE VIEW usage_by_day (
    day,          -- YYYY-MM-DD; NULL for entries without a time
    format,
    provider,
    model,
    entries,      -- the number of entries that report usage
    input,        -- tokens, like the columns below except cost
    output,
    cache_read,
    cache_write,
    total_tokens,
    cost          -- in the currency that the program uses
) AS
SELECT date(entry.created_at / 1000000000, 'unixepoch') AS day, session.format, usage.provider, usage.model,
       count(*), sum(usage.input), sum(usage.output), sum(usage.cache_read), sum(usage.cache_write),
       sum(usage.total_tokens), sum(usage.cost)
FROM usages AS usage
CROSS JOIN entries AS entry ON entry.entry_key = usage.entry_key
CROSS JOIN sessions AS session ON session.session_key = usage.session_key
GROUP BY day, session.format, usage.provider, usage.model;

DROP VIEW active_branches;

-- The entries of the active branch of each session.
CREATE VIEW active_branches (
    session_key,
    entry_key,
    session,     -- the id, or the path of a session without one
    entry,
    type,
    role,
    at
) AS
SELECT branch.session_key, branch.entry_key, entry.session, entry.entry, entry.type, entry.role, entry.at
FROM (
    SELECT session.session_key, entry.entry_key
    FROM sessions AS session
    CROSS JOIN entries AS leaf ON leaf.session_key = session.session_key
                              AND leaf.entry_id = session.leaf_id
    CROSS JOIN paths AS path ON path.leaf_key = leaf.entry_key
    CROSS JOIN entries AS entry ON entry.entry_key BETWEEN path.first_key AND path.last_key
    WHERE session.leaf_id <> ''
      AND NOT EXISTS (SELECT 1 FROM active_ranges AS range WHERE range.session_key = session.session_key)

    UNION ALL

    SELECT range.session_key, entry.entry_key
    FROM active_ranges AS range
    CROSS JOIN entries AS entry ON entry.entry_key BETWEEN range.first_key AND range.last_key
) AS branch
CROSS JOIN entry_list AS entry ON entry.entry_key = branch.entry_key;
