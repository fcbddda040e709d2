//! The commands that write sessions, and `markdown`.

use std::io::{self, Read, Write};
use std::path::Path;

use anyhow::{Context, Result};
use sessile::{Error, NewSession, Session, Store};

use super::suggest;
use crate::args::{AppendArgs, ForkArgs, LabelArgs, NewArgs};
use crate::output;

pub(super) fn create(store: &Store, args: &NewArgs) -> Result<bool> {
    let cwd = std::path::absolute(&args.cwd).context("the working directory")?;
    let cwd = cwd.to_str().context("the working directory is not UTF-8")?;
    let mut new = NewSession::new(cwd).format(args.format.unwrap_or_default());
    if let Some(provider) = &args.provider {
        new = new.provider(provider);
    }
    if let Some(model) = &args.model {
        new = new.model(model);
    }
    if let Some(effort) = &args.reasoning_effort {
        new = new.reasoning_effort(effort);
    }
    print_id(&store.create(&new)?)
}

pub(super) fn append(store: &Store, args: &AppendArgs) -> Result<bool> {
    let session = store.find(&args.session)?;
    let said = |role: &str, text: &str| {
        format!("{{\"role\":\"{role}\",\"content\":{}}}", serde_json::Value::from(text))
    };
    let message = match (&args.message, &args.user, &args.assistant) {
        (Some(message), ..) => message.clone(),
        (None, Some(text), _) => said("user", text),
        (None, None, Some(text)) => said("assistant", text),
        (None, None, None) => {
            let mut message = String::new();
            io::stdin().lock().read_to_string(&mut message).context("cannot read the message")?;
            message
        }
    };
    let entry_id = session.append_message(&message)?;
    print_line(&entry_id)
}

pub(super) fn branch(store: &Store, session: &str, entry: Option<&str>) -> Result<bool> {
    let session = store.find(session)?;
    match entry {
        Some(entry) => session.branch(&suggest::find_entry(&session, entry)?.id)?,
        None => session.reset_leaf()?,
    }
    Ok(true)
}

pub(super) fn label(store: &Store, args: &LabelArgs) -> Result<bool> {
    let session = store.find(&args.session)?;
    require_text("label", args.label.as_deref())?;
    let entry = match session.find_entry(&args.entry) {
        Err(Error::EntryNotFound { .. }) if args.force => args.entry.clone(),
        _ => suggest::find_entry(&session, &args.entry)?.id,
    };
    session.append_label_change(&entry, args.label.as_deref())?;
    Ok(true)
}

pub(super) fn rename(store: &Store, session: &str, name: Option<&str>) -> Result<bool> {
    require_text("name", name)?;
    store.find(session)?.rename(name)?;
    Ok(true)
}

/// A blank text would remove what is there, which needs `--clear`.
fn require_text(what: &str, text: Option<&str>) -> Result<()> {
    match text {
        Some(text) if text.trim().is_empty() => {
            anyhow::bail!("the {what} is blank; to remove the {what}, use --clear")
        }
        _ => Ok(()),
    }
}

pub(super) fn clone(store: &Store, session: &str) -> Result<bool> {
    print_id(&store.find(session)?.clone_session()?)
}

pub(super) fn fork(store: &Store, args: &ForkArgs) -> Result<bool> {
    let session = match (&args.session, &args.file) {
        (Some(session), _) => store.find(session)?,
        (None, Some(file)) => find_file(store, file)?,
        (None, None) => anyhow::bail!("name a session, or its file"),
    };
    let fork = match (&args.entry, args.turn) {
        (None, None) => session.fork_branch()?,
        (Some(entry), _) => session.fork(&suggest::find_entry(&session, entry)?.id)?.session,
        (None, Some(turn)) => session.fork_at_turn(turn)?.session,
    };
    print_id(&fork)
}

pub(super) fn markdown(store: &Store, session: &str) -> Result<bool> {
    let text = store.find(session)?.markdown(sessile::Timestamp::now())?;
    let mut out = output::content();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(true)
}

/// The session of a file, given by its path below the root or on disk.
fn find_file(store: &Store, file: &Path) -> Result<Session> {
    let name = file.to_string_lossy();
    let not_found = match store.find(&name) {
        Err(err @ Error::SessionNotFound(_)) => err,
        found => return Ok(found?),
    };
    let path = std::fs::canonicalize(file).or_else(|_| std::path::absolute(file))?;
    let path = path.to_string_lossy();
    for (slash, _) in path.match_indices('/') {
        match store.find(&format!("{}:{}", &path[..slash], &path[slash + 1..])) {
            Err(Error::SessionNotFound(_)) => {}
            found => return Ok(found?),
        }
    }
    Err(not_found.into())
}

fn print_id(session: &Session) -> Result<bool> {
    print_line(&session.session_id()?.unwrap_or_default())
}

fn print_line(text: &str) -> Result<bool> {
    let mut out = output::content();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(true)
}
