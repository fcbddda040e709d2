//! Live appends beside the least that SQLite and the file system take.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use sessile::{Durability, NewSession, StoreOptions};

use crate::table::{Goal, Table};
use crate::timing::{in_turns, median, micros, time};
use crate::{Outcome, Scale, corpus, rivals};

pub(crate) fn measure(scale: &Scale, folder: &Path, table: &mut Table) -> Outcome<()> {
    let text = corpus::text(&mut corpus::Random::new(0xAB), 800);
    let message = format!("{{\"role\":\"user\",\"content\":{}}}", serde_json::Value::from(text));
    for (durability, synchronous, bound) in
        [(Durability::Full, "FULL", 1.15), (Durability::Normal, "NORMAL", 2.5)]
    {
        let store = StoreOptions::new()
            .durability(durability)
            .open(&folder.join(format!("{synchronous}.db")))?;
        let session = store.create(&NewSession::new("/home/me/work"))?;
        let bare =
            rivals::bare_database(&folder.join(format!("{synchronous}-bare.db")), synchronous)?;
        let line = vec![b'x'; 1_100];
        let mut key = 0;
        let turns = in_turns(
            scale.appends,
            || Ok(time(|| Ok(session.append_message(&message)?))?.0),
            || {
                key += 1;
                rivals::insert_row(&bare, key, &line)
            },
        )?;
        assert_eq!(session.path()?.len(), scale.appends);
        table.add(
            format!("append ({synchronous}), time relative to a bare insert of a row"),
            turns.ratio(),
            "times",
            Goal::AtMost(bound),
        );
        for (what, value) in [("append", turns.one()), ("bare insert of a row", turns.other())] {
            table.add(format!("{what} ({synchronous})"), micros(value), "µs", Goal::Shown);
        }
    }
    for fsync in [true, false] {
        let mut file = fs::File::create(folder.join("lines.jsonl"))?;
        let line = [message.as_bytes(), b"\n"].concat();
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..scale.appends {
            let append = || {
                file.write_all(&line)?;
                if fsync {
                    file.sync_data()?;
                }
                Ok(())
            };
            times.push(time(append)?.0);
        }
        let how = if fsync { "with" } else { "without" };
        table.add(
            format!("append to a file, {how} fsync"),
            micros(median(&times)),
            "µs",
            Goal::Shown,
        );
    }
    Ok(())
}
