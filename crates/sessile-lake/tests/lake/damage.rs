//! Killed exports, damaged files and lakes that were made to harm.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::PathBuf;

use serde_json::Value;
use sessile::{NewSession, SessionFilter, Store};
use sessile_lake::Error;
use sha2::{Digest, Sha256};

use crate::support::{Place, dump, parquet};

#[test]
fn what_a_killed_export_left_is_removed_by_the_next() {
    let place = Place::of_fixtures();
    place.export();
    let stray = place
        .lake()
        .join("lines/format=pi/origin=local/month=2026-05")
        .join("0".repeat(64) + ".parquet");
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "half").unwrap();
    fs::create_dir(place.lake().join(".export")).unwrap();
    fs::write(place.lake().join(".export/000001"), "half").unwrap();
    fs::write(place.lake().join(".manifest.json.new"), "half").unwrap();
    assert_eq!(place.verify().findings.len(), 1);

    place.store.create(&NewSession::new("/w")).unwrap();
    place.export();

    assert_eq!(place.verify().findings, []);
    assert!(!stray.exists() && !place.lake().join(".export").exists());
    place.check_back();
}

#[test]
fn two_exports_at_once_are_one_after_the_other_or_refused() {
    let place = Place::of_fixtures();
    fs::create_dir(place.lake()).unwrap();
    let lock = File::create(place.lake().join("lock")).unwrap();
    lock.lock().unwrap();
    assert!(matches!(place.try_export(), Err(Error::Busy(_))));
    drop(lock);

    let exports: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|_| scope.spawn(|| place.try_export())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    assert!(exports.iter().all(|done| matches!(done, Ok(_) | Err(Error::Busy(_)))));
    assert_eq!(place.verify().findings, []);
    place.check_back();
}

#[test]
fn a_damaged_file_is_named_and_an_import_changes_nothing() {
    let place = Place::new();
    place.import_fixture("kimi/small");
    place.import_fixture("pi/small");
    place.store.sessions(&SessionFilter::new()).unwrap().rows.iter().for_each(|row| {
        assert!(place.store.session(row.key).unwrap().tag("kept").unwrap());
    });
    place.export();
    let there = Store::open(place.path("there.db")).unwrap();
    there.create(&NewSession::new("/w")).unwrap();
    let before = dump(&there);
    let mut tables = BTreeSet::new();
    for (path, bytes) in parquet(&place.lake()) {
        let file = place.lake().join(&path);
        for damaged in [flipped(&bytes), bytes[..bytes.len() / 2].to_vec(), Vec::new()] {
            fs::write(&file, damaged).unwrap();
            let findings = place.verify().findings;
            assert_eq!(findings.iter().map(|finding| &finding.file).collect::<Vec<_>>(), [&file]);
        }
        let table = path.iter().next().unwrap().to_str().unwrap().to_owned();
        if tables.insert(table) && !is_not_read(&path) {
            let imported = sessile_lake::import(place.lake(), place.path("there.db"));
            assert!(matches!(imported, Err(Error::Damaged { file: named, .. }) if named == file));
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(place.verify().findings.len(), 1);
        fs::write(&file, bytes).unwrap();
    }
    assert_eq!(tables.len(), 9, "{tables:?}");
    assert_eq!(place.verify().findings, []);
    assert_eq!(dump(&there), before);
}

/// Tables that an import has no need of: they are folded.
fn is_not_read(path: &std::path::Path) -> bool {
    ["entries", "usage", "labels"].iter().any(|table| path.starts_with(table))
}

fn flipped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    bytes
}

#[test]
fn a_damaged_manifest_is_named() {
    let place = Place::of_fixtures();
    place.export();
    let manifest = place.lake().join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    for damaged in [
        text.replacen("\"rows\": 1", "\"rows\": 2", 1),
        text[..text.len() / 2].to_owned(),
        String::new(),
    ] {
        fs::write(&manifest, damaged).unwrap();

        assert_eq!(place.verify().findings.len(), 1);
        assert!(matches!(
            sessile_lake::import(place.lake(), place.path("b.db")),
            Err(Error::Damaged { .. })
        ));
        assert!(matches!(place.try_export(), Err(Error::Damaged { .. })));
    }
    assert!(!place.path("b.db").exists());
}

/// Changes a manifest, and makes its digest right again.
fn rewrite(place: &Place, change: impl Fn(&mut Value)) {
    let path = place.lake().join("manifest.json");
    let mut manifest: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    change(&mut manifest["exports"][0]);
    // As the program spells it: keys in the order of its fields.
    let export = &manifest["exports"][0];
    let files: Vec<String> = export["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            format!(
                r#"{{"path":{},"bytes":{},"rows":{}}}"#,
                file["path"], file["bytes"], file["rows"]
            )
        })
        .collect();
    let compact = format!(
        r#"[{{"number":{},"at":{},"next_chain":{},"files":[{}]}}]"#,
        export["number"],
        export["at"],
        export["next_chain"],
        files.join(",")
    );
    let digest: String =
        Sha256::digest(&compact).iter().map(|byte| format!("{byte:02x}")).collect();
    fs::write(&path, format!(r#"{{"sessile_lake":1,"sha256":"{digest}","exports":{compact}}}"#))
        .unwrap();
}

type Change = Box<dyn Fn(&mut Value)>;

#[test]
fn a_hostile_manifest_leads_nowhere() {
    let place = Place::of_fixtures();
    place.export();
    rewrite(&place, |_| {});
    assert_eq!(place.verify().findings, [], "the manifest is spelt as the program does");
    fs::write(place.path("outside.parquet"), "x").unwrap();
    let digest = "0".repeat(64);
    let path =
        |path: String| move |export: &mut Value| export["files"][0]["path"] = path.clone().into();
    let changes: Vec<Change> = vec![
        Box::new(path("../outside.parquet".to_owned())),
        Box::new(path(format!("/lines/format=pi/origin=local/month=2026-05/{digest}.parquet"))),
        Box::new(path(format!("lines/format=../origin=local/month=2026-05/{digest}.parquet"))),
        Box::new(path(format!("lines/format=pi/origin=%2e%2e%2f/month=2026-05/{digest}.parquet"))),
        Box::new(path(format!("lines/format=pi/origin=local/month=2026-05/../{digest}.parquet"))),
        Box::new(path(format!("other/format=pi/origin=local/month=2026-05/{digest}.parquet"))),
        Box::new(|export| export["files"][0]["bytes"] = u64::MAX.into()),
        Box::new(|export| export["files"][0]["rows"] = u64::MAX.into()),
        Box::new(|export| export["files"][0]["rows"] = 0.into()),
        Box::new(|export| export["number"] = i64::MAX.into()),
        Box::new(|export| drop(export["files"].as_array_mut().unwrap().remove(0))),
        Box::new(|export| {
            let files = export["files"].as_array_mut().unwrap();
            files.push(files[0].clone());
        }),
    ];
    let manifest = fs::read(place.lake().join("manifest.json")).unwrap();
    for (n, change) in changes.iter().enumerate() {
        rewrite(&place, change);

        assert!(!place.verify().findings.is_empty(), "change {n}");
        fs::write(place.lake().join("manifest.json"), &manifest).unwrap();
    }
}

/// The first line of a session that lists show.
const A_LINE: &str = "(SELECT min(entry.line_key)
    FROM entries AS entry JOIN sessions AS session ON session.session_key = entry.session_key
    WHERE session.format = 'kward' AND session.is_listed = 1)";

#[test]
fn a_file_of_the_store_that_is_damaged_is_named_and_left_out() {
    let place = Place::of_fixtures();
    let conn = rusqlite::Connection::open(place.store.path()).unwrap();
    let set = |raw: &str| {
        conn.execute_batch(&format!("UPDATE lines SET raw = {raw} WHERE line_key = {A_LINE}"))
            .unwrap();
    };
    set("CAST(raw || x'20' AS BLOB)");
    let Err(Error::Incomplete { failed }) = place.try_export() else {
        panic!("it is not complete")
    };

    assert_eq!(failed.len(), 1);
    assert_eq!(place.verify().findings, []);
    place.import("rest.db");
    let rest = Store::open(place.path("rest.db")).unwrap();
    let count =
        |store: &Store| store.sessions(&SessionFilter::new().limit(1_000)).unwrap().rows.len();
    assert_eq!(count(&rest), count(&place.store) - 1);

    set("CAST(substr(raw, 1, length(raw) - 1) AS BLOB)");
    place.export();
    assert_eq!(place.verify().findings, []);
    place.check_back();
}

#[test]
fn a_lake_that_is_none_is_said_to_be_none() {
    let place = Place::new();
    let nowhere: PathBuf = place.path("nowhere");

    assert!(matches!(sessile_lake::verify(&nowhere), Err(Error::NotALake(_))));
    assert!(matches!(sessile_lake::import(&nowhere, place.path("b.db")), Err(Error::NotALake(_))));
    assert!(!nowhere.exists() && !place.path("b.db").exists());
}
