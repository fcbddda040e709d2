//! Lists of many sessions.

use std::path::Path;
use std::time::Duration;

use sessile::{Cursor, ImportOptions, SessionFilter, Store};

use crate::table::{Goal, Table};
use crate::timing::{micros, millis, repeat};
use crate::{Outcome, Scale, corpus};

pub(crate) fn measure(scale: &Scale, folder: &Path, table: &mut Table) -> Outcome<()> {
    let store = made(folder, "all", scale.listed)?;
    let pages = pages(&store, scale)?;
    let slowest = pages.iter().copied().max().unwrap_or_default();
    table.add(
        format!("page of 100 of {}, slowest of ten depths", scale.listed),
        millis(slowest),
        "ms",
        Goal::AtMost(0.2),
    );
    let small = made(folder, "tenth", scale.listed / 10)?;
    let (all, tenth) = (first_page(&store, scale, "")?, first_page(&small, scale, "")?);
    table.add(
        format!("page of 100 of {}, relative to a tenth of the sessions", scale.listed),
        all.as_secs_f64() / tenth.as_secs_f64(),
        "times",
        Goal::AtMost(1.3),
    );
    // From words in nearly all to one in none, with some where either way is long.
    for query in
        ["/home/me", "session", "benchmark", "serialisation", "work/record-header", "no such words"]
    {
        let page = first_page(&store, scale, query)?;
        let found = count(&store, query)?;
        table.add(
            format!("query over {} sessions, first page of {found} found", scale.listed),
            millis(page),
            "ms",
            Goal::AtMost(2.0),
        );
    }
    let page = first_page(&store, scale, "qx")?;
    let what = "query over {} sessions, of two characters, in none: a scan";
    table.add(what.replace("{}", &scale.listed.to_string()), millis(page), "ms", Goal::Shown);
    let newest = store.sessions(&SessionFilter::new().limit(1))?.rows.remove(0);
    let path = store.path().to_owned();
    let open = repeat(scale.rounds * 20, || {
        let store = Store::open(&path)?;
        store.session(newest.key)?.info()?;
        Ok(())
    })?;
    table.add("open a store and read one session's head", millis(open), "ms", Goal::AtMost(0.35));
    let head = repeat(scale.rounds * 20, || Ok(store.session(newest.key)?.info()?))?;
    table.add("one session's head, of an open store", micros(head), "µs", Goal::Shown);
    Ok(())
}

fn made(folder: &Path, name: &str, sessions: usize) -> Outcome<Store> {
    let root = folder.join(name);
    corpus::small_sessions(&root, sessions, 2)?;
    let store = Store::open(&folder.join(format!("{name}.db")))?;
    store.import(&root, &ImportOptions::new())?;
    std::fs::remove_dir_all(root)?;
    Ok(store)
}

fn first_page(store: &Store, scale: &Scale, query: &str) -> Outcome<Duration> {
    let filter = SessionFilter::new().query(query);
    repeat(scale.rounds * 5, || Ok(store.sessions(&filter)?))
}

fn count(store: &Store, query: &str) -> Outcome<usize> {
    let filter = SessionFilter::new().query(query).limit(u64::MAX);
    Ok(store.sessions(&filter)?.rows.len())
}

/// What a page takes at each tenth of the depth.
fn pages(store: &Store, scale: &Scale) -> Outcome<Vec<Duration>> {
    let mut cursors: Vec<Cursor> = Vec::new();
    let mut seen = 0;
    let mut filter = SessionFilter::new();
    loop {
        let page = store.sessions(&filter)?;
        seen += page.rows.len();
        let Some(next) = page.next else { break };
        cursors.push(next.clone());
        filter = filter.after(next);
    }
    assert_eq!(seen, scale.listed);
    let mut times = vec![first_page(store, scale, "")?];
    for cursor in cursors.iter().step_by((cursors.len() / 10).max(1)) {
        let filter = SessionFilter::new().after(cursor.clone());
        times.push(repeat(scale.rounds * 5, || Ok(store.sessions(&filter)?))?);
    }
    Ok(times)
}
