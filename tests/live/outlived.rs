//! Handles that outlive their session: it was purged.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use sessile::{Error, Search, Session, Timestamp};

use crate::support::{Fixture, message};

type Read = fn(&Session) -> Result<(), Error>;

/// Every public method that reads a session.
const READS: &[(&str, Read)] = &[
    ("abandoned", |session| session.abandoned().map(drop)),
    ("capture", |session| session.capture().map(drop)),
    ("capture_after", |session| session.capture_after(0, 9).map(drop)),
    ("capture_path", |session| session.capture_path("a").map(drop)),
    ("capture_tree", |session| session.capture_tree().map(drop)),
    ("children", |session| session.children("a").map(drop)),
    ("common_ancestor", |session| session.common_ancestor("a", "a").map(drop)),
    ("context", |session| session.context().map(drop)),
    ("context_at", |session| session.context_at("a").map(drop)),
    ("description", |session| session.description().map(drop)),
    ("dump", |session| session.dump(&mut Vec::new())),
    ("each_line", |session| session.each_line(|_, _| Ok(()))),
    ("each_line_of_path", |session| session.each_line_of_path("a", |_, _| Ok(()))),
    ("each_problem", |session| session.each_problem(|_, _| Ok(()))),
    ("entries_after", |session| session.entries_after(0, 9).map(drop)),
    ("entry", |session| session.entry("a").map(drop)),
    ("find_entry", |session| session.find_entry("a").map(drop)),
    ("generations", |session| session.generations().map(drop)),
    ("info", |session| session.info().map(drop)),
    ("is_on_path", |session| session.is_on_path("a").map(drop)),
    ("labels", |session| session.labels().map(drop)),
    ("last_of_branch", |session| session.last_of_branch(9).map(drop)),
    ("last_of_path", |session| session.last_of_path("a", 9).map(drop)),
    ("leaves", |session| session.leaves().map(drop)),
    ("lines", |session| session.lines(0).map(drop)),
    ("markdown", |session| session.markdown(Timestamp(0)).map(drop)),
    ("memory", |session| session.kward().unwrap().memory().map(drop)),
    ("messages_of", |session| session.messages_of("a").map(drop)),
    ("metadata", |session| session.metadata().map(drop)),
    ("metadata_of", |session| session.metadata_of("key").map(drop)),
    ("path", |session| session.path().map(drop)),
    ("path_to", |session| session.path_to("a").map(drop)),
    ("problems", |session| session.problems().map(drop)),
    ("result_file", |session| session.result_file("call", "answer").map(drop)),
    ("rewind_points", |session| session.rewind_points().map(drop)),
    ("roots", |session| session.roots().map(drop)),
    ("search", |session| session.search(Search::words("text")).map(drop)),
    ("session_id", |session| session.session_id().map(drop)),
    ("system_prompts", |session| session.kward().unwrap().system_prompts().map(drop)),
    ("tags", |session| session.tags().map(drop)),
    ("text_of", |session| session.text_of("a").map(drop)),
    ("tree", |session| session.tree().map(drop)),
    ("tree_rows", |session| session.tree_rows().map(drop)),
    ("turns", |session| session.turns().map(drop)),
    ("unique_name", |session| session.unique_name().map(drop)),
    ("usage", |session| session.usage().map(drop)),
];

/// Those that write one, by the files that have them, and what needs an entry in hand or another format.
const OTHERS: &[&str] = &["attach", "line_of", "state"];

/// Files with methods that only write.
const WRITING: &[&str] = &["copy", "keeping", "mod", "named", "recorder", "records"];

/// The methods of a session that return a result, by the files that have them.
fn methods() -> BTreeSet<String> {
    let mut files: Vec<PathBuf> =
        fs::read_dir("src/session").unwrap().map(|entry| entry.unwrap().path()).collect();
    files.push("src/earlier.rs".into());
    files.retain(|file| !WRITING.contains(&file.file_stem().unwrap().to_str().unwrap()));
    let mut found = BTreeSet::new();
    for file in files {
        let source = fs::read_to_string(&file).unwrap();
        let Some((_, source)) = source.split_once("\nimpl Session {") else { continue };
        let own = source.split("\n}\n").next().unwrap();
        for method in own.split("    pub fn ").skip(1) {
            found.insert(method.split(['(', '<']).next().unwrap().to_owned());
        }
    }
    found
}

/// The methods in these files that write.
const WRITES: &[&str] = &[
    "append_lines",
    "append_messages",
    "clear_tags",
    "navigate",
    "pop_message",
    "remove_metadata",
    "set_all_metadata",
    "set_metadata",
    "tag",
    "tag_all",
    "untag",
];

#[test]
fn every_read_of_a_purged_session_says_that_there_is_none() {
    let fixture = Fixture::new();
    fixture.create("given").append_message(message("user", "text", "a")).unwrap();
    let session = fixture.session("given");
    let entry = session.entry("a").unwrap().unwrap();
    for (name, read) in READS {
        read(&session).unwrap_or_else(|err| panic!("{name}: {err}"));
    }

    session.purge().unwrap();

    let mut told: Vec<(&str, Result<(), Error>)> =
        READS.iter().map(|(name, read)| (*name, read(&session))).collect();
    told.push(("line_of", session.line_of(&entry).map(drop)));
    let others: Vec<String> = told
        .iter()
        .filter(|(_, told)| !matches!(told, Err(Error::SessionNotFound(_))))
        .map(|(name, told)| format!("{name}: {told:?}"))
        .collect();
    assert_eq!(others, Vec::<String>::new());
}

#[test]
fn every_read_of_a_session_is_among_those_that_are_tried() {
    let known = |name: &&String| {
        READS.iter().any(|(read, _)| read == name)
            || WRITES.contains(&name.as_str())
            || OTHERS.contains(&name.as_str())
    };

    let methods = methods();
    assert!(methods.contains("roots") && methods.contains("generations"), "{methods:?}");
    let missing: Vec<&String> = methods.iter().filter(|name| !known(name)).collect();
    assert_eq!(missing, Vec::<&String>::new());
}
