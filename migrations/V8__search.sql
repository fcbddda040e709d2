-- The text of entries, to be searched.
--
-- The index keeps no text, only which words stand where. What it is given is
-- prepared (src/search/prepare.rs): lower case, without accents, a blank between
-- words. So a tokenizer that only knows ASCII splits it where it was meant to be
-- split, whatever release of Unicode SQLite knows.
--
-- A search fills it; imports and appends write nothing here.

PRAGMA user_version = 8;

-- The row of an entry has the entry's key; an entry that says nothing has none.
CREATE VIRTUAL TABLE message_search USING fts5 (
    prose, thinking,
    content = '', contentless_delete = 1, tokenize = 'ascii'
);

-- What tools were given and answered: four fifths of all words, and seldom asked for.
CREATE VIRTUAL TABLE tool_search USING fts5 (
    tools,
    content = '', contentless_delete = 1, tokenize = 'ascii'
);

-- Titles, by the key of their session; one that is the beginning of the first
-- message is found as that. They are few, and asked for on their own: among
-- entries, each would be written out of turn, and found behind all of them.
CREATE VIRTUAL TABLE title_search USING fts5 (
    title,
    content = '', contentless_delete = 1, tokenize = 'ascii'
);

-- What a search takes in at once is written at once: in parts, they would be
-- merged again and again, and each search would look into every one.
INSERT INTO message_search (message_search, rank) VALUES ('hashsize', 33554432);
INSERT INTO title_search (title_search, rank) VALUES ('hashsize', 33554432);
INSERT INTO tool_search (tool_search, rank) VALUES ('hashsize', 33554432);

-- Four parts, as SQLite would have it, is what two hundred megabytes of history begin with:
-- to merge these makes an index a quarter larger, and is done again when there are more.
INSERT INTO message_search (message_search, rank) VALUES ('automerge', 8);
INSERT INTO tool_search (tool_search, rank) VALUES ('automerge', 8);

-- A session is asked for by a range of rows, before which those of its page are passed
-- over, one by one: of half the size, a query takes a sixth to a half less.
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

-- How far an index holds a session. One without a row is not in it.
CREATE TABLE search_marks (
    session_key INTEGER NOT NULL REFERENCES sessions (session_key) ON DELETE CASCADE,
    is_of_tools INTEGER NOT NULL, -- 1: of tool_search
    entry_count INTEGER NOT NULL, -- entries that were looked at, from ordinal 0
    row_count   INTEGER NOT NULL, -- of them those with text, and the title: rows of the index
    step_back   INTEGER,          -- by how much one is older, at most, than one before it; NULL: some have no time, others do
    head_count  INTEGER,          -- sessions.entry_count when all were looked at; NULL before
    newest_at   INTEGER,          -- the latest time among them
    is_stale    INTEGER NOT NULL DEFAULT 0, -- 1: the session was folded anew since; 2: only its title is another

    PRIMARY KEY (session_key, is_of_tools)
) STRICT, WITHOUT ROWID;
