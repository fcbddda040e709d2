//! A database is untrusted input: its schema, its header and its rows may be
//! anything.

use std::fs;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use crate::damage::{Sound, strangers};
use crate::support::{Chance, Tally, remove_tree, setting, tree};

/// SQL that makes a store another one than ours; each on a copy of its own.
const HOSTILE: &[(&str, &str)] = &[
    (
        "a trigger that deletes",
        "CREATE TRIGGER t AFTER INSERT ON lines BEGIN DELETE FROM labels; END",
    ),
    (
        "a trigger that rewrites",
        "CREATE TRIGGER t AFTER INSERT ON lines BEGIN UPDATE lines SET raw = x'00' WHERE line_key = NEW.line_key; END",
    ),
    (
        "a trigger on sessions",
        "CREATE TRIGGER t AFTER UPDATE ON sessions BEGIN UPDATE sessions SET title = 'x'; END",
    ),
    (
        "a view for a table",
        "ALTER TABLE labels RENAME TO hidden; CREATE VIEW labels AS SELECT * FROM hidden",
    ),
    (
        "an endless view for labels",
        "DROP TABLE labels; CREATE VIEW labels (session_key, target_id, label, labelled_at, line_key) AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n, 'x', 'x', NULL, 1 FROM r",
    ),
    (
        "an endless view for lines",
        "DROP TABLE lines; CREATE VIEW lines (line_key, raw, enc, checksum) AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n FROM r) SELECT n, x'0a', 0, 0 FROM r",
    ),
    (
        "an endless view for sources",
        "DROP TABLE sources; CREATE VIEW sources (source_id, root, format) AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n, x'2f', 'kward' FROM r",
    ),
    (
        "an endless view for the history",
        "DROP TABLE refinery_schema_history; CREATE VIEW refinery_schema_history (version, name, applied_on, checksum) AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n, 'x', 'x', 'x' FROM r",
    ),
    (
        "an endless active_branches",
        "DROP VIEW active_branches; CREATE VIEW active_branches (session_key, entry_key) AS WITH RECURSIVE r (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n, n FROM r",
    ),
    ("a missing table", "DROP TABLE labels"),
    ("a missing log", "DROP TABLE lines"),
    ("a missing index", "DROP INDEX sessions_by_id"),
    ("a missing trigger", "DROP TRIGGER session_search_delete"),
    (
        "another index of its name",
        "DROP INDEX sessions_by_id; CREATE INDEX sessions_by_id ON sessions (title)",
    ),
    (
        "an index on an endless expression",
        "CREATE INDEX own ON sessions (length(zeroblob(900000000)))",
    ),
    ("a column more", "ALTER TABLE sessions ADD COLUMN own TEXT DEFAULT 'x'"),
    (
        "a table that is not strict",
        "PRAGMA foreign_keys = OFF; ALTER TABLE labels RENAME TO hidden; CREATE TABLE labels (session_key, target_id, label, labelled_at, position, line_key); INSERT INTO labels SELECT * FROM hidden",
    ),
    (
        "a virtual table for a table",
        "DROP TABLE labels; CREATE VIRTUAL TABLE labels USING fts5 (session_key, target_id, label, labelled_at, line_key)",
    ),
    (
        "a generated column",
        "DROP TABLE labels; CREATE TABLE labels (session_key INTEGER, target_id TEXT, label TEXT AS (hex(zeroblob(100000000))), labelled_at, line_key INTEGER)",
    ),
    ("a newer version", "PRAGMA user_version = 99"),
    ("an older version", "PRAGMA user_version = 3"),
    ("a negative version", "PRAGMA user_version = -1"),
    ("another application", "PRAGMA application_id = 1"),
    ("a lost history", "DELETE FROM refinery_schema_history"),
    (
        "a longer history",
        "INSERT INTO refinery_schema_history SELECT version + 50, name, applied_on, checksum FROM refinery_schema_history",
    ),
    (
        "a name that leads out",
        "UPDATE files SET path = CAST('../../escaped' AS BLOB) WHERE file_id = (SELECT min(file_id) FROM files WHERE kind = 'log')",
    ),
    (
        "an absolute name",
        "UPDATE files SET path = CAST('/tmp/escaped' AS BLOB) WHERE file_id = (SELECT min(file_id) FROM files WHERE kind = 'log')",
    ),
    ("a size beyond any", "UPDATE files SET size = 9223372036854775807"),
    ("more lines than there are", "UPDATE files SET line_count = 2147483648"),
    ("fewer lines than none", "UPDATE files SET line_count = -1"),
    ("chains that begin with themselves", "UPDATE files SET base_id = file_id, base_count = 1"),
    (
        "chains that begin with each other",
        "UPDATE files SET base_id = 1 + file_id % 3, base_count = 2",
    ),
    ("a line of a key below none", "INSERT INTO lines VALUES (-5, x'0a', 0, 0)"),
    ("a line of the last key", "INSERT INTO lines VALUES (9223372036854775807, x'0a', 0, 0)"),
    ("lines of no file", "INSERT INTO lines VALUES (99 << 32, x'0a', 0, 0)"),
    ("packed lines that are none", "UPDATE lines SET enc = 1"),
    ("plain lines that are packed", "UPDATE lines SET enc = 0"),
    ("wrong checksums", "UPDATE lines SET checksum = checksum + 1"),
    ("empty lines", "UPDATE lines SET raw = x''"),
    ("a parent of oneself", "UPDATE runs SET parent_key = first_key"),
    ("parents in a circle", "UPDATE runs SET parent_key = (SELECT max(entry_key) FROM entries)"),
    ("a parent far off", "UPDATE runs SET parent_key = first_key + 4000000000"),
    ("a parent beyond any session", "UPDATE runs SET parent_key = 9223372036854775807"),
    ("no runs", "DELETE FROM runs"),
    (
        "an entry far behind the others",
        "PRAGMA foreign_keys = OFF; UPDATE entries SET entry_key = entry_key | 0xFFFFFFFF WHERE entry_key IN (SELECT max(entry_key) FROM entries GROUP BY session_key)",
    ),
    ("titles that are numbers", "UPDATE sessions SET title = 9e999"),
    ("titles that are no text", "UPDATE sessions SET title = x'ff00ff', name = x'ff', model = x''"),
    (
        "sums that overflow",
        "UPDATE usages SET input = 9223372036854775807, output = 9223372036854775807",
    ),
    ("keys beyond any", "UPDATE sqlite_sequence SET seq = 9223372036854775807"),
    ("events of unheard kinds", "UPDATE events SET value = '{', at = -9223372036854775808"),
    ("two formats in one source", "UPDATE sessions SET format = 'pi'"),
    (
        "a format of its own",
        "UPDATE sources SET format = 'own'; UPDATE sessions SET format = 'own'",
    ),
];

/// Facts of which the store has nothing but the row.
const FACTS: &[(&str, &str)] = &[
    ("a setuid file", "UPDATE files SET mode = 35309"),
    ("a mode beyond bits", "UPDATE files SET mode = 9223372036854775807"),
    ("a time beyond any", "UPDATE files SET mtime = 9223372036854775807"),
    ("a root that is none", "UPDATE sources SET root = x'00' WHERE source_id = 1"),
];

/// Text of the schema that runs, where somebody runs it.
const SCHEMA_TEXT: &[(&str, &str)] = &[
    (
        "a statement behind a table's",
        "UPDATE sqlite_schema SET sql = sql || '; ATTACH ''escaped.db'' AS v; CREATE TABLE v.t (x)' WHERE name = 'labels'",
    ),
    (
        "a statement behind an index's",
        "UPDATE sqlite_schema SET sql = sql || '; ATTACH ''escaped.db'' AS v' WHERE name = 'sessions_by_id'",
    ),
    (
        "a table that is no table",
        "UPDATE sqlite_schema SET sql = 'ATTACH ''escaped.db'' AS v' WHERE name = 'labels'",
    ),
    ("a schema without text", "UPDATE sqlite_schema SET sql = NULL WHERE name = 'labels'"),
    (
        "two tables on one page",
        "UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'lines') WHERE name = 'chunks'",
    ),
    ("a table on no page", "UPDATE sqlite_schema SET rootpage = 999999 WHERE name = 'lines'"),
    ("a table on the first page", "UPDATE sqlite_schema SET rootpage = 1 WHERE name = 'lines'"),
    (
        "another table's name",
        "UPDATE sqlite_schema SET name = 'own', tbl_name = 'own' WHERE name = 'labels'",
    ),
    ("a schema that is lost", "DELETE FROM sqlite_schema WHERE name IN ('labels', 'problems')"),
];

/// What others keep in a database, and may.
const FOREIGN: &[(&str, &str)] = &[
    (
        "Litestream's tables",
        "CREATE TABLE _litestream_seq (id INTEGER PRIMARY KEY, seq INTEGER); CREATE TABLE _litestream_lock (id INTEGER); INSERT INTO _litestream_seq VALUES (1, 1)",
    ),
    (
        "a user's table and view",
        "CREATE TABLE notes (text TEXT); INSERT INTO notes VALUES ('x'); CREATE VIEW mine AS SELECT session_id, title FROM sessions",
    ),
    ("statistics", "ANALYZE"),
];

fn apply(sound: &Sound, sql: &str) {
    sound.place.begin_again();
    let conn = Connection::open(&sound.place.db).unwrap();
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, false).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA writable_schema = ON").unwrap();
    conn.execute_batch(sql).unwrap_or_else(|err| panic!("{sql}: {err}"));
}

const WRITERS: &[&str] = &[
    "append edge-01 --user more",
    "rebuild",
    "prune --yes",
    "label edge-17 a other",
    "new --cwd /w",
];

/// Every command on a hostile store: no panic, no hang, nothing written elsewhere.
fn attack(sound: &Sound, name: &str, tally: &mut Tally) {
    tally.round();
    let mut wrong = sound.read(tally);
    if FACTS.iter().any(|(fact, _)| *fact == name) {
        // Nothing in the store can contradict it; what has no such fact is right.
        wrong.retain(|why| !why.starts_with("check is clean"));
    }
    if !wrong.iter().any(|why| why.starts_with("hangs")) {
        wrong.extend(write(sound));
    }
    for why in wrong {
        tally.find(format!("{name}: {why}"));
    }
}

/// Every command that writes, and what it wrote where it may not.
fn write(sound: &Sound) -> Vec<String> {
    let place = &sound.place;
    let root = tree(&place.root);
    let mut wrong = Vec::new();
    let imported = place.root.join("kward/small").to_string_lossy().into_owned();
    let [new, copy] =
        ["new.db", "copy.db"].map(|n| place.work.join(n).to_string_lossy().into_owned());
    let with_paths =
        [["recover", &new], ["verify", &imported], ["import", &imported], ["backup", &copy]];
    let others = WRITERS.iter().map(|args| args.split(' ').collect());
    for args in with_paths.iter().map(|args| args.to_vec()).chain(others) {
        if let Some(why) = place.run(args).misbehaved() {
            // Whoever hangs and is killed leaves what it had begun.
            let hangs = why.starts_with("hangs");
            wrong.push(why);
            if hangs {
                return wrong;
            }
        }
    }
    let strangers = strangers(place, &["sessions.db", "new.db", "copy.db", "out"]);
    if !strangers.is_empty() || place.beside("escaped.db").exists() {
        wrong.push(format!("wrote elsewhere: {strangers:?}"));
    }
    let mut exported = tree(&place.work.join("out")).into_iter();
    if let Some((path, _)) = exported.find(|(_, facts)| facts.0 & 0o7000 != 0) {
        wrong.push(format!("{} has bits beyond 0777", path.display()));
    }
    if root != tree(&place.root) {
        wrong.push("the root was written to".to_owned());
    }
    wrong
}

#[test]
fn a_hostile_database_is_refused_or_read_right() {
    let mut tally = Tally::new("hostile databases");
    let sound = Sound::new();
    // The short form takes some of each kind.
    let step = setting("SESSILE_FAULTS_HOSTILE_STEP", 4);
    for (name, sql) in HOSTILE.iter().chain(FACTS).chain(SCHEMA_TEXT).step_by(step) {
        apply(&sound, sql);
        attack(&sound, name, &mut tally);
    }
    tally.finish();
}

#[test]
fn a_header_may_say_anything() {
    let mut tally = Tally::new("headers");
    let mut chance = Chance::new(9);
    let sound = Sound::new();
    let count = setting("SESSILE_FAULTS_HEADERS", 6);
    while tally.rounds() < count && !tally.is_over() {
        sound.place.begin_again();
        let mut bytes = fs::read(&sound.place.db).unwrap();
        let at = 16 + chance.below(84);
        let value = *chance.of(&[0, 1, 2, 3, 4, 8, 16, 64, 127, 128, 254, 255]);
        bytes[at] = value;
        fs::write(&sound.place.db, bytes).unwrap();
        attack(&sound, &format!("header byte {at} = {value}"), &mut tally);
    }
    tally.finish();
}

#[test]
fn what_others_keep_in_the_database_stands_in_nobodys_way() {
    let mut tally = Tally::new("foreign tables");
    let sound = Sound::new();
    for (name, sql) in FOREIGN {
        apply(&sound, sql);
        for command in ["dump", "append edge-01 --user more", "rebuild", "dump"] {
            tally.round();
            let outcome = sound.place.run(command.split(' '));
            if !outcome.is_done() {
                tally.find(format!("{name}: {outcome}"));
            }
        }
    }
    remove_tree(&sound.place.work);
    tally.finish();
}
