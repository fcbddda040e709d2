//! A Kimi share directory: sessions of several files, folded together.

use std::path::Path;

use sessile::{Archived, ImportOptions, SessionFilter, Store};

use crate::table::{Goal, Table};
use crate::timing::{micros, millis, repeat, time};
use crate::{Outcome, Scale, corpus};

pub(crate) fn measure(scale: &Scale, folder: &Path, table: &mut Table) -> Outcome<()> {
    let root = folder.join("share");
    let bytes = corpus::kimi_share(&root, scale.shared)?;
    let store = Store::open(&folder.join("store.db"))?;
    let (first, report) = time(|| Ok(store.import(&root, &ImportOptions::new())?))?;
    assert_eq!(report.bytes, bytes);
    table.add(
        format!("import D, a Kimi share of {} sessions, {} MB", scale.shared, bytes >> 20),
        bytes as f64 / 1e6 / first.as_secs_f64(),
        "MB/s",
        Goal::Shown,
    );
    let again = repeat(scale.rounds, || {
        assert_eq!(store.import(&root, &ImportOptions::new())?.bytes, 0);
        Ok(())
    })?;
    table.add(
        "import D repeated without changes, relative to the first",
        100.0 * again.as_secs_f64() / first.as_secs_f64(),
        "%",
        Goal::AtMost(3.0),
    );
    let rounds = scale.rounds * 20;
    let filter = SessionFilter::new().archived(Archived::Included);
    let page = repeat(rounds, || Ok(store.sessions(&filter)?))?;
    table.add("page of 100 of D", millis(page), "ms", Goal::AtMost(2.0));
    let mut slowest = page;
    let deep = filter.clone().offset(scale.shared as u64 / 2);
    slowest = slowest.max(repeat(rounds, || Ok(store.sessions(&deep)?))?);
    table.add("page of 100 of D, halfway by offset", millis(slowest), "ms", Goal::AtMost(2.0));
    for query in ["fix", "work", "no such words"] {
        let filter = filter.clone().query(query);
        let page = repeat(rounds, || Ok(store.sessions(&filter)?))?;
        let what = format!("query page of D, {query:?}");
        table.add(what, millis(page), "ms", Goal::AtMost(10.0));
    }
    let rows = store.sessions(&filter.limit(u64::MAX))?.rows;
    assert_eq!(rows.len(), scale.shared);
    let mut ids = rows.iter().filter_map(|row| row.session_id.as_deref()).cycle();
    let by_id = repeat(rounds * 10, || {
        let session = store.find(ids.next().unwrap_or_default())?;
        Ok((session.info()?, session.kimi().map(sessile::Kimi::state).transpose()?))
    })?;
    table.add("a session of D by id, with its state", micros(by_id), "µs", Goal::AtMost(200.0));
    Ok(())
}
