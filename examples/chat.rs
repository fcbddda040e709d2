//! A chat that is stored: lines from standard input, answered by an echo.
//!
//! `cargo run --example chat -- --db chat.db`; run it again to continue.
//!
//! `/back` asks the last question again, `/branch ID` continues at an entry,
//! `/tree` shows the entries, `/fork` continues in a new session.

use std::error::Error;
use std::io::{self, BufRead};
use std::path::PathBuf;

use serde_json::json;
use sessile::{NewSession, Session, SessionFilter, Store};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let db = match (args.next().as_deref(), args.next()) {
        (Some("--db"), Some(path)) => PathBuf::from(path),
        _ => return Err("usage: chat --db PATH".into()),
    };
    let work_dir = std::env::current_dir()?;
    let store = Store::open(db)?;

    // Continue the newest session of this directory, if there is one.
    let newest = store.sessions(&SessionFilter::new().work_dir(&work_dir).limit(1))?.rows;
    let mut session = match newest.first() {
        Some(row) => store.session(row.key)?,
        None => store.create(&NewSession::new(&work_dir).model("echo"))?,
    };
    if let Some(kward) = session.kward() {
        kward.append_system_prompt_snapshot("Repeat what the user says.", "attach")?;
    }
    println!("{} messages so far", session.context()?.len());

    for line in io::stdin().lock().lines() {
        let line = line?;
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("/back", _) => match session.rewind_points()?.first() {
                Some(point) => println!("again: {}", session.navigate(&point.entry_id)?),
                None => println!("nothing was asked yet"),
            },
            ("/branch", entry_id) => match session.branch(entry_id) {
                Ok(()) => println!("on at {entry_id}"),
                Err(err) => println!("{err}"),
            },
            ("/tree", _) => {
                for node in session.tree()? {
                    println!("{}{}", "  ".repeat(node.depth), node.id);
                }
            }
            ("/fork", _) => {
                session = session.fork_branch()?;
                println!("on in a session of its own");
            }
            _ => answer(&session, &line)?,
        }
    }
    Ok(())
}

/// Stores both messages before the answer is shown.
fn answer(session: &Session, line: &str) -> Result<(), Box<dyn Error>> {
    session.append_message(json!({"role": "user", "content": line}))?;
    session.append_message(json!({"role": "assistant", "content": line}))?;
    println!("{line}");
    Ok(())
}
