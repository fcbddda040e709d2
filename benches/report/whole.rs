//! What reads a whole store: export and check.

use std::fs;
use std::path::Path;

use sessile::{ExportOptions, ImportOptions, Store};

use crate::table::{Goal, Table};
use crate::timing::{in_turns, repeat, time};
use crate::{Outcome, Scale, corpus, rivals};

pub(crate) fn measure(scale: &Scale, folder: &Path, table: &mut Table) -> Outcome<()> {
    let root = folder.join("root");
    let bytes = corpus::long_lines(&root, scale.a.0, scale.a.1)?;
    let store = Store::open(&folder.join("store.db"))?;
    store.import(&root, &ImportOptions::new())?;
    let (out, copy) = (folder.join("out"), folder.join("copy"));
    let turns = in_turns(
        scale.rounds,
        || {
            remove(&out)?;
            let (time, report) = time(|| Ok(store.export(&out, &ExportOptions::new())?))?;
            assert_eq!(report.bytes, bytes);
            Ok(time)
        },
        || {
            remove(&copy)?;
            rivals::copy(&root, &copy)
        },
    )?;
    let same = |one: &Path| -> Outcome<bool> {
        let other = out.join(one.strip_prefix(&root)?);
        Ok(fs::read(one)? == fs::read(other)?)
    };
    for file in rivals::files(&root)? {
        assert!(same(&file)?, "{}", file.display());
    }
    let what = "export A, speed relative to cp -r and a sync";
    table.add(what, 1.0 / turns.ratio(), "", Goal::AtLeast(0.8));
    let check = repeat(scale.rounds.min(3), || {
        assert!(store.check()?.is_empty());
        Ok(())
    })?;
    table.add("check A", bytes as f64 / 1e6 / check.as_secs_f64(), "MB/s", Goal::AtLeast(150.0));
    Ok(())
}

fn remove(folder: &Path) -> Outcome<()> {
    match fs::remove_dir_all(folder) {
        Err(err) if err.kind() != std::io::ErrorKind::NotFound => Err(err.into()),
        _ => Ok(()),
    }
}
