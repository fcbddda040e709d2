//! `sessile archive`, `unarchive`, `delete`, `restore` and `purge`.

use anyhow::Result;
use sessile::{SessionKey, Store, Timestamp, Traces};

use crate::args::KeepCommand;
use crate::output::note;

pub(super) fn run(store: &Store, command: &KeepCommand) -> Result<bool> {
    match command {
        KeepCommand::Archive { sessions, older_than, now } => {
            archive(store, sessions, *older_than, *now)
        }
        KeepCommand::Unarchive { sessions } => each(store, sessions, Store::unarchive),
        KeepCommand::Delete { sessions } => each(store, sessions, Store::delete),
        KeepCommand::Restore { sessions } => each(store, sessions, Store::restore),
        KeepCommand::Purge { sessions } => purge(store, sessions),
    }
}

fn archive(
    store: &Store,
    names: &[String],
    older_than: Option<u32>,
    now: Option<Timestamp>,
) -> Result<bool> {
    let now = now.unwrap_or_else(Timestamp::now);
    for session in find_all(store, names)? {
        store.archive(session, now)?;
    }
    if let Some(days) = older_than {
        let archived = store.archive_older_than(days, now)?;
        note!("{archived} sessions archived");
    }
    Ok(true)
}

/// Does the same to each session.
fn each(
    store: &Store,
    names: &[String],
    change: impl Fn(&Store, SessionKey, Timestamp) -> sessile::Result<()>,
) -> Result<bool> {
    let now = Timestamp::now();
    for session in find_all(store, names)? {
        change(store, session, now)?;
    }
    Ok(true)
}

fn purge(store: &Store, names: &[String]) -> Result<bool> {
    let traces = store.purge_all(&find_all(store, names)?)?;
    if traces != Traces::Gone {
        note!("sessile: purged, but {traces}");
    }
    Ok(true)
}

/// All names first: one that is wrong changes nothing.
fn find_all(store: &Store, names: &[String]) -> Result<Vec<SessionKey>> {
    Ok(names.iter().map(|name| store.find(name)).collect::<Result<_, _>>()?)
}
