-- The log: what was read, byte for byte. Every other table is a fold over it.
--
-- Checksummed by refinery: once released, not one byte of this file may change.
-- Times are nanoseconds since the Unix epoch, UTC.

PRAGMA application_id = 0x5345534C; -- "SESL"
PRAGMA user_version = 1;

-- An imported root, or the store's own: one for each format and origin, since a
-- file is read and written as its source says.
CREATE TABLE sources (
    source_id INTEGER NOT NULL PRIMARY KEY,
    root      BLOB    NOT NULL, -- absolute path, in the bytes of the file system; empty: the store's own
    format    TEXT    NOT NULL,
    origin    TEXT    NOT NULL DEFAULT '', -- the machine or person that its sessions are of; empty: not said
    -- The newest file when an import of it last came to its end: what is newer may be a file that moved.
    settled_file INTEGER NOT NULL DEFAULT 0,

    UNIQUE (root, format, origin)
) STRICT;

-- A root is imported in one format.
CREATE UNIQUE INDEX sources_imported ON sources (root)
WHERE root <> x'';

-- One path below a source, and the chain of lines it stands for: a row a generation.
CREATE TABLE files (
    file_id     INTEGER NOT NULL PRIMARY KEY,
    source_id   INTEGER NOT NULL REFERENCES sources (source_id),
    path        BLOB    NOT NULL, -- below the root, separated by '/', in the bytes of the file system
    generation  INTEGER NOT NULL, -- from 1; a rewritten file starts the next one
    -- Written as OR, here and below: IN opens a table of its own at each insert.
    kind        TEXT    NOT NULL
                CHECK (kind = 'log' OR kind = 'document' OR kind = 'link' OR kind = 'folder'),
    -- 'partial': a large file of which only some batches are in; nothing shows it yet.
    -- 'superseded': an earlier generation, kept until it is pruned.
    -- 'local': what was written here; it begins with lines of another chain.
    state       TEXT    NOT NULL
                CHECK (state = 'current' OR state = 'partial' OR state = 'superseded' OR state = 'local'),
    mode        INTEGER NOT NULL, -- permission bits
    mtime       INTEGER NOT NULL, -- of a time before 1677 or after 2262: the nearest that 64 bits hold,
    mtime_beyond INTEGER NOT NULL DEFAULT 0, -- and the whole seconds that lead on from there
    inode       INTEGER NOT NULL,
    size        INTEGER NOT NULL, -- bytes imported
    line_count  INTEGER NOT NULL DEFAULT 0, -- of a log
    sha256      BLOB,             -- of the imported bytes; NULL for links and folders
    link_target BLOB,
    read_at     INTEGER NOT NULL, -- when it was last compared with the disk
    missing_at  INTEGER,          -- when an import no longer found it
    base_id     INTEGER REFERENCES files (file_id), -- of a local chain: the chain that it begins with,
    base_count  INTEGER NOT NULL DEFAULT 0,         -- and how many of its lines
    lost        INTEGER NOT NULL DEFAULT 0,         -- of an earlier generation: lines that the next one no longer had;
                                                    -- of a local chain: lines of the root's that it does not hold;
                                                    -- of a current one: 1 where another session has its path at the root

    UNIQUE (source_id, path, generation),
    CHECK ((kind = 'link') = (link_target IS NOT NULL)),
    -- A chain that is still written has checksums only: a digest would cost its length at each append.
    CHECK (((kind = 'log' OR kind = 'document') AND state <> 'local') = (sha256 IS NOT NULL))
) STRICT;

-- Chains that begin with lines of another.
CREATE INDEX files_by_base ON files (base_id)
WHERE base_id IS NOT NULL;

-- The row that an import compares a path with; one of each state at most.
CREATE UNIQUE INDEX files_by_path ON files (source_id, path, state)
WHERE state <> 'superseded';

-- Files that are no longer at their root: few, and counted after each import.
CREATE INDEX files_missing ON files (source_id)
WHERE missing_at IS NOT NULL;

-- One physical line of a log, its terminator included.
CREATE TABLE lines (
    line_key INTEGER NOT NULL PRIMARY KEY, -- file_id << 32 | position from 0: a file's lines lie together
    raw      BLOB    NOT NULL,
    -- 0: raw is the line; 1: it is packed by zstd; 2: another row, never one of
    -- these, holds its bytes, and raw is the key of that row in 8 bytes, big end first.
    enc      INTEGER NOT NULL CHECK (enc = 0 OR enc = 1 OR enc = 2),
    checksum INTEGER NOT NULL -- CRC-32 of the line, xor that of line_key in 8 bytes, big end first
) STRICT;

-- The lines whose bytes a row holds for others, too.
CREATE INDEX lines_by_holder ON lines (raw)
WHERE enc = 2;

-- The content of a document, 1 MiB a row.
CREATE TABLE chunks (
    chunk_key INTEGER NOT NULL PRIMARY KEY, -- file_id << 32 | position from 0
    raw       BLOB    NOT NULL,
    checksum  INTEGER NOT NULL              -- as of a line
) STRICT;

-- Lines and chunks that a recovered database lacks, as ranges of keys. What reads the
-- meaning of a log passes them over; what gives its bytes stops there.
CREATE TABLE gaps (
    first_key INTEGER NOT NULL PRIMARY KEY,
    last_key  INTEGER NOT NULL,

    CHECK (first_key <= last_key)
) STRICT;
