//! The engine doing what each peer does: one line of JSON an operation.

use std::fs;
use std::path::{Path, PathBuf};

use sessile::{Durability, Format, NewSession, Session, SessionFilter, Store, StoreOptions};

use crate::Outcome;
use crate::peers::Sizes;
use crate::timing::{median, micros, millis, time};

/// Measures one durability in a process of its own, whose peak memory is part of it.
pub(crate) fn measure(durability: &str, folder: &Path, sizes: Sizes) -> Outcome<()> {
    let open = |folder: &Path| -> Outcome<Store> {
        let kept = if durability == "FULL" { Durability::Full } else { Durability::Normal };
        Ok(StoreOptions::new().durability(kept).open(&folder.join("all.db"))?)
    };
    let (created, bytes) = many(&fresh(folder, "many")?, sizes, open)?;
    say("create: a message", created, "µs");
    say("bytes on disk a message byte", bytes, "");

    let long = fresh(folder, "long")?;
    let store = open(&long)?;
    let short = fill(&store, 100)?.0.key();
    let (session, ids) = fill(&store, sizes.long)?;
    let whole = session.key();
    drop((session, store));
    for (key, count) in [(short, 100), (whole, sizes.long)] {
        let mut times = Vec::new();
        for _ in 0..5 {
            times.push(time(|| restore(&open(&long)?, key, count))?.0);
        }
        say(&format!("open and restore {count}"), millis(median(&times)), "ms");
    }
    let store = open(&long)?;
    let session = store.session(whole)?;
    let mut times = Vec::new();
    for n in 0..200 {
        times.push(time(|| Ok(session.append_message(&message(n))?))?.0);
    }
    say(&format!("append to {}", sizes.long), micros(median(&times)), "µs");
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(time(|| Ok(session.fork(&ids[ids.len() / 2])?))?.0);
    }
    say(&format!("fork at the middle of {}", sizes.long), millis(median(&times)), "ms");
    drop((session, store));

    let store = open(&fresh(folder, "listed")?)?;
    for _ in 0..sizes.listed {
        fill(&store, 1)?;
    }
    let mut times = Vec::new();
    for _ in 0..5 {
        let (time, page) = time(|| Ok(store.sessions(&SessionFilter::new().limit(100))?))?;
        assert_eq!(page.rows.len(), 100.min(sizes.listed));
        times.push(time);
    }
    say(&format!("list the newest 100 of {}", sizes.listed), millis(median(&times)), "ms");
    say("peak memory", peak()?, "MB");
    Ok(())
}

/// Sessions of 20 messages each: what a message takes, and the bytes on disk for each of its own.
fn many(
    folder: &Path,
    sizes: Sizes,
    open: impl Fn(&Path) -> Outcome<Store>,
) -> Outcome<(f64, f64)> {
    let store = open(folder)?;
    let (time, ()) = time(|| {
        for _ in 0..sizes.sessions {
            fill(&store, 20)?;
        }
        Ok(())
    })?;
    drop(store);
    let messages = (sizes.sessions * 20) as f64;
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        bytes += entry?.metadata()?.len();
    }
    Ok((micros(time) / messages, bytes as f64 / messages / text(0).len() as f64))
}

fn restore(store: &Store, session: sessile::SessionKey, count: usize) -> Outcome<()> {
    let mut found = 0;
    for message in store.session(session)?.context()? {
        // As a program would: parsed.
        found += usize::from(message.value().is_object());
    }
    assert_eq!(found, count);
    Ok(())
}

fn fill(store: &Store, count: usize) -> Outcome<(Session, Vec<String>)> {
    let session = store.create(&NewSession::new("/home/me/work").format(Format::Pi))?;
    let mut ids = Vec::with_capacity(count);
    for n in 0..count {
        ids.push(session.append_message(&message(n))?);
    }
    Ok((session, ids))
}

/// 1 KB, a little different each time.
fn text(n: usize) -> String {
    let mut text = format!("message {n}: ");
    while text.len() < 1_024 {
        text.push_str("one more file is read, and what it says is told again. ");
    }
    text.truncate(1_024);
    text
}

fn message(n: usize) -> String {
    format!(r#"{{"role":"user","content":"{}"}}"#, text(n))
}

fn fresh(folder: &Path, name: &str) -> Outcome<PathBuf> {
    let folder = folder.join(name);
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn say(what: &str, value: f64, unit: &str) {
    println!("{}", serde_json::json!({ "what": what, "value": value, "unit": unit }));
}

/// The most memory that this process had, in MB; 0 where the system does not say.
fn peak() -> Outcome<f64> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.map(|line| line.trim().trim_end_matches(" kB"));
    Ok(kilobytes.unwrap_or("0").parse::<f64>()? / 1_024.0)
}
