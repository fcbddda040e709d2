//! Lost pages and flipped bits: what can be read is right, and all of it is read.

use std::fs;

use rusqlite::Connection;
use sessile::{Archived, Error, SessionFilter, Store, StoreOptions};

use crate::support::{TestStore, header, message};
use crate::whole::{Whole, column};

/// Reads everything there is; only what is right may come out.
#[track_caller]
fn check_commands(whole: &Whole, store: &Store, about: &str) {
    whole.check_export(store, about);
    let mut out = Vec::new();
    let dumped = store.dump(&mut out);
    for row in String::from_utf8_lossy(&out).lines() {
        assert!(serde_json::from_str::<serde::de::IgnoredAny>(row).is_ok(), "{about}: {row}");
    }
    let listed = store.sessions(&SessionFilter::new().archived(Archived::Included));
    let counted = store.stats();
    let problems = store.each_problem(|_, _| Ok(()));
    for (name, done) in [
        ("dump", dumped),
        ("list", listed.map(drop)),
        ("stats", counted.map(drop)),
        ("problems", problems),
    ] {
        assert!(matches!(done, Ok(()) | Err(Error::Incomplete { .. })), "{about}: {name} {done:?}");
    }
    match store.verify(&whole.test.root) {
        Ok(_) | Err(Error::Damaged(_) | Error::SourceNotFound(_)) => {}
        err => panic!("{about}: {err:?}"),
    }
}

#[test]
fn of_damaged_pages_nothing_wrong_is_exported() {
    let whole = Whole::new(None);
    let bytes = fs::read(&whole.path).unwrap();
    let conn = Connection::open(&whole.path).unwrap();
    let content = column(
        &conn,
        "SELECT pageno FROM dbstat
         WHERE name IN ('lines', 'chunks') AND pagetype = 'leaf'",
    );
    drop(conn);
    let pages = bytes.len() / 8192;
    let mut left = 0;
    for page in 1..pages {
        let about = format!("page {}", page + 1);
        let opened = whole.try_damaged(|copy| {
            let mut bytes = bytes.clone();
            bytes[page * 8192..][..8192].fill(0);
            fs::write(copy, bytes).unwrap();
        });
        // The schema takes several pages.
        let Ok(store) = opened else { continue };

        check_commands(&whole, &store, &about);

        if content.contains(&(page as i64 + 1)) {
            let missing = whole.check_export(&store, &about).expect(&about);
            assert!(missing.len() < whole.files.len(), "{about}: nothing is exported");
            assert!(!store.stats().unwrap().damaged.is_empty(), "{about}");
            left += 1;
        }
    }
    assert!(0 < left);
}

#[test]
fn of_flipped_bits_nothing_wrong_is_exported() {
    let whole = Whole::new(Some(3));
    let bytes = fs::read(&whole.path).unwrap();
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut refused = 0;
    for round in 0..150 {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        // The first page says whether it is a database of ours, and of which schema.
        let at = 8192 + (state >> 16) as usize % (bytes.len() - 8192);
        let bit = 1 << (state % 8);
        let opened = whole.try_damaged(|copy| {
            let mut flipped = bytes.clone();
            flipped[at] ^= bit;
            fs::write(copy, flipped).unwrap();
        });
        let Ok(store) = opened else { continue };

        let missing = whole.check_export(&store, &format!("round {round}: byte {at}"));

        refused += usize::from(missing.is_none_or(|missing| !missing.is_empty()));
    }
    assert!(20 < refused, "{refused}");
}

#[test]
fn lists_go_on_where_a_page_of_sessions_is_lost() {
    let test = TestStore::quick();
    for n in 0..200 {
        let name = format!("{n:03}");
        let lines = header(&name) + &message("a", None, &"title ".repeat(30)) + "broken\n";
        test.write(format!("sessions/--w--/{name}.jsonl"), lines);
    }
    test.import();
    let whole = test.folder().join("whole.db");
    test.store.backup(&whole).unwrap();
    for table in ["sessions", "problems"] {
        let mut bytes = fs::read(&whole).unwrap();
        let conn = Connection::open(&whole).unwrap();
        let leaf = "SELECT pageno FROM dbstat WHERE pagetype = 'leaf'";
        let leaves = column(&conn, &format!("{leaf} AND name = '{table}'"));
        assert!(2 < leaves.len(), "{table}");
        bytes[(leaves[1] as usize - 1) * 8192..][..8192].fill(0);
        let path = test.folder().join(format!("without-{table}.db"));
        fs::write(&path, bytes).unwrap();
        let store = StoreOptions::new().read_only(true).open(&path).unwrap();

        let page = store.sessions(&SessionFilter::new().limit(1_000)).unwrap();
        let mut problems = 0;
        let read = store.each_problem(|_, _| {
            problems += 1;
            Ok(())
        });
        let mut out = Vec::new();
        let dumped = store.dump(&mut out);

        assert!(100 < page.rows.len(), "{table}: {} sessions", page.rows.len());
        assert!(page.rows.is_sorted_by_key(|row| std::cmp::Reverse(row.modified_at)));
        assert_eq!(page.damaged.is_empty(), page.rows.len() == 200, "{table}");
        assert!(100 < problems, "{table}: {problems} problems");
        assert_eq!(read.is_ok(), problems == 200, "{table}");
        assert!(100 < out.split(|byte| *byte == b'\n').count(), "{table}");
        assert!(matches!(dumped, Err(Error::Incomplete { .. })), "{table}: {dumped:?}");
    }
}
