//! Branches of trees, beside the readers of a JSONL store.

use std::path::Path;

use sessile::{ImportOptions, Session, Store};

use crate::table::{Goal, Table};
use crate::timing::{in_turns, micros, repeat, time};
use crate::{Outcome, Scale, copies, corpus, rivals};

pub(crate) fn measure(scale: &Scale, folder: &Path, table: &mut Table) -> Outcome<()> {
    let root = folder.join("root");
    let trees = scale
        .c
        .iter()
        .map(|entries| corpus::tree(&root, *entries))
        .collect::<Outcome<Vec<corpus::Tree>>>()?;
    let store = Store::open(&folder.join("store.db"))?;
    store.import(&root, &ImportOptions::new())?;
    let mut per_entry = Vec::new();
    let mut ends = Vec::new();
    for (n, tree) in trees.iter().enumerate() {
        let entries = scale.c[n];
        let session = store.find(&tree.id)?;
        let rounds = scale.rounds * [8, 4, 1][n];
        let by_values = in_turns(
            rounds,
            || Ok(time(|| path_with_bodies(&session, tree))?.0),
            || Ok(time(|| check(tree, rivals::path_by_values(&tree.file, &tree.leaf)?))?.0),
        )?;
        let by_headers = in_turns(
            rounds,
            || Ok(time(|| path_with_bodies(&session, tree))?.0),
            || Ok(time(|| check(tree, rivals::path_by_headers(&tree.file, &tree.leaf)?))?.0),
        )?;
        per_entry.push(by_values.one().as_secs_f64() / tree.on_path as f64);
        table.add(
            format!(
                "path of {entries} with bodies, speed-up over parsing the JSONL with serde_json"
            ),
            1.0 / by_values.ratio(),
            "times",
            Goal::AtLeast([20.0, 14.0, 16.0][n]),
        );
        table.add(
            format!("path of {entries} with bodies, speed-up over a header-only JSONL reader"),
            1.0 / by_headers.ratio(),
            "times",
            Goal::AtLeast([4.0, 2.5, 3.0][n]),
        );
        table.add(
            format!("path of {entries} with bodies"),
            micros(by_values.one()),
            "µs",
            Goal::Shown,
        );
        let entries_only = repeat(rounds, || check(tree, session.path()?.len()))?;
        table.add(
            format!("path of {entries} without bodies"),
            micros(entries_only),
            "µs",
            Goal::Shown,
        );
        let end = repeat(rounds * 20, || {
            let last = session.last_of_path(&tree.leaf, 50)?;
            assert_eq!((last.len(), last[49].id == tree.leaf), (50, true));
            Ok(())
        })?;
        ends.push(micros(end));
    }
    table.add(
        format!("path: time per entry, of {} relative to {}", scale.c[2], scale.c[1]),
        per_entry[2] / per_entry[1],
        "times",
        Goal::AtMost(1.3),
    );
    table.add(format!("last 50 of a path of {}", scale.c[2]), ends[2], "µs", Goal::AtMost(25.0));
    table.add(
        format!("last 50: of {} relative to {}", scale.c[2], scale.c[0]),
        ends[2] / ends[0],
        "times",
        Goal::AtMost(1.3),
    );
    context(scale, &store, &trees[2], table)?;
    copies::measure(scale, &store.find(&trees[1].id)?, table)
}

/// The context behind a compaction, beside a session that holds nothing else.
fn context(scale: &Scale, store: &Store, tree: &corpus::Tree, table: &mut Table) -> Outcome<()> {
    let session = store.find(&tree.id)?;
    let messages = session.context()?;
    assert_eq!(messages.len(), 51);
    let alone = store.create_with_messages(
        &sessile::NewSession::new("/home/me/work"),
        messages.iter().map(sessile::Message::json).collect::<Vec<_>>(),
    )?;
    let turns = in_turns(
        scale.rounds * 40,
        || Ok(time(|| Ok(session.context()?))?.0),
        || Ok(time(|| Ok(alone.context()?))?.0),
    )?;
    table.add(
        format!("context after a compaction in {}, relative to its messages alone", scale.c[2]),
        turns.ratio(),
        "times",
        Goal::AtMost(2.0),
    );
    table.add("context of 51 messages", micros(turns.one()), "µs", Goal::Shown);
    Ok(())
}

fn path_with_bodies(session: &Session, tree: &corpus::Tree) -> Outcome<()> {
    let (mut lines, mut bytes) = (0, 0);
    session.each_line_of_path(&tree.leaf, |_, line| {
        lines += 1;
        bytes += line.len();
        Ok(())
    })?;
    assert!(lines < bytes);
    check(tree, lines)
}

fn check(tree: &corpus::Tree, found: usize) -> Outcome<()> {
    assert_eq!(found, tree.on_path);
    Ok(())
}
