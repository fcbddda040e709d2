//! `sessile archive`, `unarchive`, `trash`, `restore` and `purge`.

use std::io::Write;

use anyhow::{Result, bail};
use sessile::{Session, SessionInfo, Store, Timestamp, Traces};

use super::confirm::{self, Answer};
use crate::amounts::counted;
use crate::args::KeepCommand;
use crate::output::{self, note, one_line};

pub(super) fn run(store: &Store, command: &KeepCommand) -> Result<bool> {
    match command {
        KeepCommand::Archive { sessions, older_than, now, json } => {
            archive(store, sessions, (*older_than, *now), *json)
        }
        KeepCommand::Unarchive { sessions } => each(store, sessions, Session::unarchive),
        KeepCommand::Trash { sessions } => each(store, sessions, Session::trash),
        KeepCommand::Restore { sessions } => each(store, sessions, Session::restore),
        KeepCommand::Purge { sessions, force, json } => purge(store, sessions, *force, *json),
    }
}

fn archive(
    store: &Store,
    names: &[String],
    (older_than, now): (Option<u32>, Option<Timestamp>),
    json: bool,
) -> Result<bool> {
    let now = now.unwrap_or_else(Timestamp::now);
    let named = find_all(store, names)?;
    for session in &named {
        session.at(now).archive()?;
    }
    let aged = older_than.map(|days| store.archive_older_than(days, now)).transpose()?;
    if json {
        let all = named.len() as u64 + aged.unwrap_or(0);
        return super::print_json(&serde_json::json!({ "sessions": all }));
    }
    if let Some(aged) = aged {
        note!("{} archived", counted(aged, "session"));
    }
    Ok(true)
}

/// Does the same with each session.
fn each(
    store: &Store,
    names: &[String],
    change: impl Fn(&Session) -> sessile::Result<()>,
) -> Result<bool> {
    let now = Timestamp::now();
    for session in find_all(store, names)? {
        change(&session.at(now))?;
    }
    Ok(true)
}

/// Purges what is in the trash, and reports it. If one name is refused, nothing is
/// purged.
fn purge(store: &Store, names: &[String], force: bool, json: bool) -> Result<bool> {
    let mut sessions = Vec::new();
    let (mut what, mut rows) = (Vec::new(), Vec::new());
    for name in names {
        let session = store.find(name)?;
        if sessions.contains(&session.key()) {
            continue;
        }
        let info = session.info()?;
        let id = info.session_id.as_deref().unwrap_or("no id");
        if !is_whole_name(&info, name) && !confirm::is_asked() {
            bail!("{name:?} is only a prefix of {id:?}; to purge it, give the full id");
        }
        if info.trashed_at.is_none() && !force {
            bail!("{id:?} is not in the trash; trash it first, or purge it with --force");
        }
        sessions.push(session.key());
        what.push(described(&info, id));
        rows.push(serde_json::json!({
            "session_id": info.session_id,
            "file": info.file.to_string_lossy(),
            "title": info.title,
            "messages": info.message_count,
        }));
    }
    let question = format!("{}\nPurge permanently?", what.join("\n"));
    if confirm::confirm(&question)? == Answer::No {
        note!("sessile: nothing was purged");
        return Ok(false);
    }
    let traces = store.purge_all(&sessions)?;
    if json {
        return super::print_json(&serde_json::json!({"sessions": rows, "traces": traces}));
    }
    let mut out = output::report();
    for what in &what {
        writeln!(out, "purged: {what}")?;
    }
    out.flush()?;
    if traces != Traces::Gone {
        note!("sessile: purged, but {traces}");
    }
    Ok(true)
}

/// Whether a session is named by its full id or its file, rather than a prefix.
pub(super) fn is_whole_name(info: &SessionInfo, name: &str) -> bool {
    let file = info.file.as_os_str().as_encoded_bytes();
    info.session_id.as_deref() == Some(name) || name.as_bytes().ends_with(file)
}

fn described(info: &SessionInfo, id: &str) -> String {
    let title = one_line(info.title.as_deref().unwrap_or("Untitled"));
    let file = info.file.to_string_lossy().into_owned();
    let messages = counted(info.message_count, "message");
    format!("{}  {title}  ({messages}, {})", one_line(id), file.escape_debug())
}

/// Resolves all names first, so that a wrong one changes nothing.
fn find_all(store: &Store, names: &[String]) -> Result<Vec<Session>> {
    Ok(names.iter().map(|name| store.find(name)).collect::<Result<_, _>>()?)
}
