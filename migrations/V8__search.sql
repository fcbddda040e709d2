-- Full-text indexes of entries and titles.
--
-- The indexes store no text, only the positions of words. Text is prepared before it is
-- indexed (src/search/prepare.rs): lower case, without accents, one space between words.
-- So the ASCII tokenizer splits it into the intended words, whatever version of Unicode
-- SQLite has.
--
-- Searches update the indexes; imports and appends do not.

PRAGMA user_version = 8;

-- What entries say, by entry_key; an entry without text has no row.
CREATE VIRTUAL TABLE message_search USING fts5 (
    prose, thinking,
    content = '', contentless_delete = 1, tokenize = 'ascii'
);

-- Arguments and results of tools, which are four fifths of all words, and seldom searched.
CREATE VIRTUAL TABLE tool_search USING fts5 (
    tools,
    content = '', contentless_delete = 1, tokenize = 'ascii'
);

-- Titles, by session_key. A title that is the start of the first message is not here; a
-- search finds the message. Titles are few and have a table of their own, because among
-- entries they would be written out of key order, and be found after all entries.
CREATE VIRTUAL TABLE title_search USING fts5 (
    title,
    content = '', contentless_delete = 1, tokenize = 'ascii'
);

-- What a search adds to the indexes at once is written at once. In several segments it
-- would be merged repeatedly, and each search would read every segment.
INSERT INTO message_search (message_search, rank) VALUES ('hashsize', 33554432);
INSERT INTO title_search (title_search, rank) VALUES ('hashsize', 33554432);
INSERT INTO tool_search (tool_search, rank) VALUES ('hashsize', 33554432);

-- SQLite's default is to merge four segments, and indexing two hundred megabytes of history
-- gives that many. Merging them makes the index a quarter larger, and is repeated as it grows.
INSERT INTO message_search (message_search, rank) VALUES ('automerge', 8);
INSERT INTO tool_search (tool_search, rank) VALUES ('automerge', 8);

-- A search in one session reads a range of rows, and skips the rows before it in its page
-- one by one. With half of SQLite's default page size, a query takes a sixth to a half less.
INSERT INTO message_search (message_search, rank) VALUES ('pgsz', 2000);
INSERT INTO tool_search (tool_search, rank) VALUES ('pgsz', 2000);

CREATE TRIGGER message_search_delete AFTER DELETE ON sessions
BEGIN
    DELETE FROM message_search
    WHERE rowid BETWEEN OLD.session_key << 32 AND OLD.session_key << 32 | 0xFFFFFFFF;
    DELETE FROM title_search WHERE rowid = OLD.session_key;
    DELETE FROM tool_search
    WHERE rowid BETWEEN OLD.session_key << 32 AND OLD.session_key << 32 | 0xFFFFFFFF;
END;

-- How far sessions are indexed. A session without a row is not indexed.
CREATE TABLE search_marks (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    is_of_tools INTEGER NOT NULL, -- 1: for tool_search
    entry_count INTEGER NOT NULL, -- entries that were indexed, from ordinal 0
    row_count   INTEGER NOT NULL, -- rows in the index: entries with text, and the title
    step_back   INTEGER,          -- the most by which an entry is older than one before it; NULL if only some of them have a time
    head_count  INTEGER,          -- sessions.entry_count when all were indexed; NULL before
    newest_at   INTEGER,          -- the latest time of these entries
    is_stale    INTEGER NOT NULL DEFAULT 0, -- 1: the session was refolded since; 2: only its title changed since

    PRIMARY KEY (session_key, is_of_tools)
) STRICT, WITHOUT ROWID;
