//! `sessile tag`, `untag`, `set`, `unset` and `metadata`.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use sessile::{Metadata, Store};

use super::{open_to_read, open_to_write};
use crate::args::TagCommand;
use crate::output::{self, note, one_line};

pub(super) fn run(db: &Path, command: &TagCommand) -> Result<bool> {
    match command {
        TagCommand::Tag { session, tags } if tags.is_empty() => {
            print_tags(&open_to_read(db)?, session)
        }
        TagCommand::Tag { session, tags } => tag(&open_to_write(db)?, session, tags),
        TagCommand::Untag { session, tags, all: _ } => untag(&open_to_write(db)?, session, tags),
        TagCommand::Set { session, metadata } => set(&open_to_write(db)?, session, metadata),
        TagCommand::Unset { session, keys } => unset(&open_to_write(db)?, session, keys),
        TagCommand::Metadata { session } => print_metadata(&open_to_read(db)?, session),
    }
}

fn tag(store: &Store, session: &str, tags: &[String]) -> Result<bool> {
    let session = store.find(session)?;
    let before = session.tags()?;
    session.tag_all(tags)?;
    let now = session.tags()?;
    for gone in before.iter().filter(|tag| !now.contains(tag)) {
        note!("the tag {} was replaced: a session of this format has one", one_line(gone));
    }
    Ok(true)
}

/// Removes these tags; all, if none is given.
fn untag(store: &Store, session: &str, tags: &[String]) -> Result<bool> {
    let session = store.find(session)?;
    if tags.is_empty() {
        session.clear_tags()?;
    }
    for tag in tags {
        session.untag(tag)?;
    }
    Ok(true)
}

fn print_tags(store: &Store, session: &str) -> Result<bool> {
    let mut out = output::report();
    for tag in store.find(session)?.tags()? {
        writeln!(out, "{}", one_line(&tag))?;
    }
    out.flush()?;
    Ok(true)
}

fn set(store: &Store, session: &str, metadata: &[(String, String)]) -> Result<bool> {
    let values = metadata.iter().map(|(key, json)| (key, json.as_str()));
    store.find(session)?.set_all_metadata(values)?;
    Ok(true)
}

fn unset(store: &Store, session: &str, keys: &[String]) -> Result<bool> {
    let session = store.find(session)?;
    for key in keys {
        session.remove_metadata(key)?;
    }
    Ok(true)
}

fn print_metadata(store: &Store, session: &str) -> Result<bool> {
    let mut out = output::content();
    writeln!(out, "{}", object(&store.find(session)?.metadata()?))?;
    out.flush()?;
    Ok(true)
}

/// One JSON object, with every value as it was spelt.
pub(super) fn object(metadata: &[Metadata]) -> String {
    let members = metadata.iter().map(|said| {
        let key = serde_json::Value::from(said.key.as_str());
        format!("{key}:{}", said.json)
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}
