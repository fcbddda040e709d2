-- The log: session files, byte for byte. Every other table is folded from it.
--
-- Refinery checksums this file: after a release, it must not change.
-- Times are nanoseconds since the Unix epoch, UTC.

PRAGMA application_id = 0x5345534C; -- "SESL"
PRAGMA user_version = 1;

-- Imported roots, and the store's own roots: one for each format and origin, because the
-- source determines how a file is read and written.
CREATE TABLE sources (
    source_id INTEGER NOT NULL PRIMARY KEY,
    root      BLOB    NOT NULL, -- absolute path, in the bytes of the file system; empty for the store's own
    format    TEXT    NOT NULL,
    origin    TEXT    NOT NULL DEFAULT '', -- the machine or person that its sessions come from; empty if none was given
    -- The greatest file_id at the end of the last complete import. A later file may be one that moved.
    settled_file INTEGER NOT NULL DEFAULT 0,

    UNIQUE (root, format, origin)
) STRICT;

-- Each root is imported in one format only.
CREATE UNIQUE INDEX sources_imported ON sources (root)
WHERE root <> x'';

-- Files below a source, each with its chain of lines. Each generation of a file has a row.
CREATE TABLE files (
    file_id     INTEGER NOT NULL PRIMARY KEY,
    source_id   INTEGER NOT NULL REFERENCES sources (source_id),
    path        BLOB    NOT NULL, -- below the root, with '/' as separator, in the bytes of the file system
    generation  INTEGER NOT NULL, -- from 1; a rewritten file starts the next one
    -- With OR, here and below, because IN opens an ephemeral table at each insert.
    kind        TEXT    NOT NULL
                CHECK (kind = 'log' OR kind = 'document' OR kind = 'link' OR kind = 'folder'),
    -- 'partial': a large file of which only some batches are imported; it is not shown yet.
    -- 'superseded': an earlier generation, kept until it is pruned.
    -- 'local': a chain that is appended to in the store; it may start with lines of another chain.
    state       TEXT    NOT NULL
                CHECK (state = 'current' OR state = 'partial' OR state = 'superseded' OR state = 'local'),
    mode        INTEGER NOT NULL, -- permission bits
    mtime       INTEGER NOT NULL, -- for times before 1677 or after 2262, the nearest time that 64 bits can hold
    mtime_beyond INTEGER NOT NULL DEFAULT 0, -- whole seconds to add to mtime; not 0 for such times only
    inode       INTEGER NOT NULL,
    size        INTEGER NOT NULL, -- in bytes, as imported
    line_count  INTEGER NOT NULL DEFAULT 0, -- lines of a log, or chunks of a document
    sha256      BLOB,             -- of the imported bytes; NULL for links, folders and local chains
    link_target BLOB,
    read_at     INTEGER NOT NULL, -- when it was last compared with the disk
    missing_at  INTEGER,          -- when an import did not find it any more; NULL while it exists
    base_id     INTEGER REFERENCES files (file_id), -- the chain that a local chain starts with the lines of
    base_count  INTEGER NOT NULL DEFAULT 0,         -- how many lines of that chain it starts with
    lost        INTEGER NOT NULL DEFAULT 0,         -- of an earlier generation: lines that the next generation lacks;
                                                    -- of a local chain: lines of the root's file that it lacks;
                                                    -- of a current file: 1 if another session has its path at the root

    UNIQUE (source_id, path, generation),
    CHECK ((kind = 'link') = (link_target IS NOT NULL)),
    -- A local chain has checksums only: updating a digest would read the whole chain at each append.
    CHECK (((kind = 'log' OR kind = 'document') AND state <> 'local') = (sha256 IS NOT NULL))
) STRICT;

-- Chains by the chain that they start with lines of.
CREATE INDEX files_by_base ON files (base_id)
WHERE base_id IS NOT NULL;

-- The row that an import compares a file with; at most one for each state.
CREATE UNIQUE INDEX files_by_path ON files (source_id, path, state)
WHERE state <> 'superseded';

-- Files that are missing at their root. They are few, and counted after each import.
CREATE INDEX files_missing ON files (source_id)
WHERE missing_at IS NOT NULL;

-- The physical lines of logs, with their terminators.
CREATE TABLE lines (
    line_key INTEGER NOT NULL PRIMARY KEY, -- file_id << 32 | position from 0, so that the lines of a file are adjacent
    raw      BLOB    NOT NULL,
    -- 0: raw is the line. 1: raw is the line, packed by zstd. 2: the bytes are in another row,
    -- whose enc is 0 or 1, and raw is the key of that row in 8 bytes, big-endian.
    enc      INTEGER NOT NULL CHECK (enc = 0 OR enc = 1 OR enc = 2),
    checksum INTEGER NOT NULL -- CRC-32 of the line, xor the CRC-32 of line_key in 8 bytes, big-endian
) STRICT;

-- Lines by the row that holds their bytes.
CREATE INDEX lines_by_holder ON lines (raw)
WHERE enc = 2;

-- The content of documents, in rows of 1 MiB.
CREATE TABLE chunks (
    chunk_key INTEGER NOT NULL PRIMARY KEY, -- file_id << 32 | position from 0
    raw       BLOB    NOT NULL,
    checksum  INTEGER NOT NULL              -- as in lines
) STRICT;

-- Ranges of keys of lines and chunks that a recovered database lacks. Folds skip them; reading
-- the bytes of a file with a gap is an error.
CREATE TABLE gaps (
    first_key INTEGER NOT NULL PRIMARY KEY,
    last_key  INTEGER NOT NULL,

    CHECK (first_key <= last_key)
) STRICT;
