//! A lake in a bucket.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::TryStreamExt;
use sessile::{NewSession, Store, Timestamp};
use sessile_lake::object_store::memory::InMemory;
use sessile_lake::object_store::path::Path;
use sessile_lake::object_store::{ObjectStore, ObjectStoreExt};
use sessile_lake::{Bucket, Error, ExportOptions, ExportReport, Lake, Result};

use crate::objects::{Objects, Then};
use crate::support::{Place, dump};

const PREFIX: &str = "my/lake";

fn lake(objects: &Arc<impl ObjectStore>) -> Lake {
    let objects = Arc::clone(objects);
    Bucket::new(objects, PREFIX).unwrap().named("s3://b/my/lake").into()
}

fn export(place: &Place, objects: &Arc<impl ObjectStore>) -> Result<ExportReport> {
    sessile_lake::export(place.store.path(), lake(objects), &ExportOptions::new())
}

fn findings(objects: &Arc<InMemory>) -> Vec<(PathBuf, String)> {
    let report = sessile_lake::verify(lake(objects)).unwrap();
    report.findings.into_iter().map(|finding| (finding.file, finding.reason)).collect()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

/// All objects with their bytes.
fn all(objects: &InMemory) -> BTreeMap<String, Vec<u8>> {
    wait(async {
        let listed: Vec<_> = objects.list(None).try_collect().await.unwrap();
        let mut found = BTreeMap::new();
        for meta in listed {
            let bytes = objects.get(&meta.location).await.unwrap().bytes().await.unwrap();
            found.insert(meta.location.to_string(), bytes.to_vec());
        }
        found
    })
}

fn parquet(objects: &InMemory) -> BTreeMap<String, Vec<u8>> {
    all(objects).into_iter().filter(|(path, _)| path.ends_with(".parquet")).collect()
}

fn put(objects: &InMemory, path: &str, bytes: Vec<u8>) {
    wait(objects.put(&Path::parse(path).unwrap(), bytes.into())).unwrap();
}

/// The store says one thing more.
fn one_more(store: &Store) {
    let session = store.create(&NewSession::new("/w")).unwrap();
    session.append_message(r#"{"role":"user","content":"one more"}"#).unwrap();
}

#[test]
fn all_programs_come_back_from_a_bucket() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    let desk = sessile::ImportOptions::new().origin("me at 100% / desk");
    let root = place.copy_of("pi/small");
    place.store.import(root, &desk).unwrap();

    let report = export(&place, &objects).unwrap();

    assert_eq!(report.files as usize, parquet(&objects).len());
    assert_eq!(findings(&objects), []);
    place.check_back_from(lake(&objects));
    assert!(all(&objects).keys().all(|path| path.starts_with("my/lake/")));
}

#[test]
fn a_bucket_has_the_files_that_a_folder_has() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    export(&place, &objects).unwrap();
    for (path, bytes) in all(&objects) {
        let file = place.lake().join(path.strip_prefix("my/lake/").unwrap());
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }

    assert_eq!(place.verify().findings, []);
    assert_eq!(place.export(), ExportReport::default());
    place.check_back();
}

#[test]
fn what_is_new_is_added_to_a_bucket_and_nothing_else() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    export(&place, &objects).unwrap();
    let before = all(&objects);
    assert_eq!(export(&place, &objects).unwrap(), ExportReport::default());
    assert_eq!(all(&objects), before);
    one_more(&place.store);

    let report = export(&place, &objects).unwrap();

    assert_eq!((report.sessions, report.lines), (1, 2));
    let after = parquet(&objects);
    assert!(
        before
            .iter()
            .filter(|(path, _)| path.ends_with(".parquet"))
            .all(|(path, bytes)| { after[path] == *bytes })
    );
    assert_eq!(findings(&objects), []);
    place.check_back_from(lake(&objects));
}

#[test]
fn a_damaged_object_is_named_and_an_import_changes_nothing() {
    let (place, objects) = (Place::new(), Arc::new(InMemory::new()));
    place.import_fixture("kimi/small");
    export(&place, &objects).unwrap();
    for (path, bytes) in parquet(&objects) {
        let name = PathBuf::from(format!("s3://b/{path}"));
        let mut flipped = bytes.clone();
        flipped[bytes.len() / 2] ^= 1;
        let longer = [&bytes[..], &[0]].concat();
        for damaged in [flipped, bytes[..bytes.len() / 2].to_vec(), longer, Vec::new()] {
            put(&objects, &path, damaged);
            let findings = findings(&objects);
            assert_eq!(findings.iter().map(|(file, _)| file).collect::<Vec<_>>(), [&name]);
        }
        if path.starts_with("my/lake/lines") {
            let imported = sessile_lake::import(lake(&objects), place.path("b.db"));
            assert!(matches!(imported, Err(Error::Damaged { file, .. }) if file == name));
            assert!(!place.path("b.db").exists());
        }
        wait(objects.delete(&Path::parse(&path).unwrap())).unwrap();
        assert_eq!(findings(&objects).len(), 1);
        put(&objects, &path, bytes);
    }
    assert_eq!(findings(&objects), []);
}

#[test]
fn of_two_exports_at_once_one_is_refused_and_none_lost() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    for is_first in [true, false] {
        one_more(&place.store);
        let (db, inner) = (place.store.path().to_owned(), Arc::clone(&objects));
        let mut others = 0;
        // When all is uploaded but the manifest, another export does all of it.
        let store = Objects::new(&objects, move |path| {
            if path.ends_with("manifest.json") && others == 0 {
                others += 1;
                std::thread::scope(|scope| {
                    let other =
                        || sessile_lake::export(&db, lake(&inner), &ExportOptions::new()).unwrap();
                    assert!(0 < scope.spawn(other).join().unwrap().sessions);
                });
            }
            Then::Write
        });

        assert!(matches!(export(&place, &store), Err(Error::Busy(_))), "{is_first}");

        assert_eq!(findings(&objects), [], "{is_first}");
        assert_eq!(export(&place, &objects).unwrap(), ExportReport::default());
        place.check_back_from(lake(&objects));
    }
}

#[test]
fn many_exports_at_once_leave_a_sound_lake() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    for _ in 0..3 {
        one_more(&place.store);
        let done: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| export(&place, &objects))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(done.iter().all(|done| matches!(done, Ok(_) | Err(Error::Busy(_)))), "{done:?}");
        assert!(done.iter().any(Result::is_ok));
    }
    // What one uploaded and another had listed before is deleted by the latter, or the next.
    one_more(&place.store);
    export(&place, &objects).unwrap();
    assert_eq!(findings(&objects), []);
    place.check_back_from(lake(&objects));
}

#[test]
fn an_export_with_nothing_to_add_leaves_alone_what_another_uploads() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    export(&place, &objects).unwrap();
    one_more(&place.store);
    let (db, inner) = (place.store.path().to_owned(), Arc::clone(&objects));
    let store = Objects::new(&objects, move |path| {
        if path.ends_with("manifest.json") {
            std::thread::scope(|scope| {
                let (db, inner) = (&db, &inner);
                let late = Timestamp::parse("2200-01-01T00:00:00Z");
                let options = ExportOptions::new().since(late);
                let other = move || sessile_lake::export(db, lake(inner), &options).unwrap();
                assert_eq!(scope.spawn(other).join().unwrap().lines, 0);
            });
        }
        Then::Write
    });

    let done = export(&place, &store);

    // Whichever of them was refused, what the manifest names is there.
    assert!(matches!(done, Ok(_) | Err(Error::Busy(_))));
    assert_eq!(findings(&objects), []);
}

#[test]
fn an_export_that_is_refused_or_killed_anywhere_leaves_the_lake_as_it_was() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    export(&place, &objects).unwrap();
    one_more(&place.store);
    let before = all(&objects);
    let writes = |n: usize| {
        let mut done = 0;
        Objects::new(&objects, move |_| {
            done += 1;
            if done <= n { Then::Write } else { Then::Refuse }
        })
    };
    let mut n = 0;
    while let Err(err) = export(&place, &writes(n)) {
        assert!(matches!(err, Error::Io { .. }), "{err}");
        let after = all(&objects);
        assert!(before.iter().all(|(path, bytes)| after[path] == *bytes));
        let strays = |(_, reason): &(PathBuf, String)| reason.starts_with("it is in no manifest");
        assert!(findings(&objects).iter().all(strays));
        n += 1;
    }

    assert!(5 < n, "{n}");
    // Those that the killed ones left are gone with the first that was not.
    assert_eq!(findings(&objects), []);
    place.check_back_from(lake(&objects));
}

#[test]
fn a_server_that_knows_no_conditions_is_refused() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    let forced = Objects::new(&objects, |_| Then::Force);

    assert!(matches!(export(&place, &forced), Err(Error::NoConditions(_))));

    assert_eq!(all(&objects).into_keys().collect::<Vec<_>>(), ["my/lake/lock"]);
    export(&place, &objects).unwrap();
    let before = all(&objects);
    one_more(&place.store);
    assert!(matches!(export(&place, &forced), Err(Error::NoConditions(_))));
    assert_eq!(all(&objects), before);
}

#[test]
fn a_lost_answer_is_found_out() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    let store = Objects::new(&objects, |path| {
        if path.ends_with("manifest.json") { Then::LoseTheAnswer } else { Then::Write }
    });

    assert!(0 < export(&place, &store).unwrap().sessions);

    assert_eq!(findings(&objects), []);
    place.check_back_from(lake(&objects));
}

#[test]
fn what_is_no_lake_in_a_bucket_is_left_alone() {
    let (place, objects) = (Place::of_fixtures(), Arc::new(InMemory::new()));
    assert!(matches!(sessile_lake::verify(lake(&objects)), Err(Error::NotALake(_))));
    put(&objects, "my/lake/report.pdf", b"something else".to_vec());
    put(&objects, "my/other.txt", b"beside it".to_vec());
    let before = all(&objects);

    assert!(matches!(export(&place, &objects), Err(Error::NotEmpty(_))));

    assert_eq!(all(&objects), before);
    wait(objects.delete(&Path::from("my/lake/report.pdf"))).unwrap();
    export(&place, &objects).unwrap();
    assert_eq!(findings(&objects), []);
}

#[test]
fn files_are_asked_for_before_the_one_before_them_is_there() {
    let (place, objects) = (Place::new(), Arc::new(InMemory::new()));
    for _ in 0..20 {
        one_more(&place.store);
        export(&place, &objects).unwrap();
    }
    let reading = || Objects::new(&objects, |_| Then::Write);

    let by_export = reading();
    one_more(&place.store);
    export(&place, &by_export).unwrap();
    let by_import = reading();
    sessile_lake::import(lake(&by_import), place.path("back.db")).unwrap();
    let by_verify = reading();
    let report = sessile_lake::verify(lake(&by_verify)).unwrap();

    assert_eq!(report.findings, []);
    for reads in [by_export, by_import, by_verify].map(|objects| objects.most_reads_at_once()) {
        assert!((10..=17).contains(&reads), "{reads}");
    }
    assert_eq!(dump(&Store::open(place.path("back.db")).unwrap()), dump(&place.store));
}

#[test]
fn more_than_is_uploaded_at_once_comes_back() {
    let (place, objects) = (Place::new(), Arc::new(InMemory::new()));
    let session = place.store.create(&NewSession::new("/w")).unwrap();
    let mut random = 1_u64;
    for _ in 0..3 {
        // What no compression makes less of.
        let text: String = (0..5 << 20)
            .map(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                char::from(b'0' + (random >> 33) as u8 % 64 + u8::from(random >> 33 & 63 == 44) * 3)
            })
            .collect();
        session.append_message(format!(r#"{{"role":"user","content":"{text}"}}"#)).unwrap();
    }
    export(&place, &objects).unwrap();

    assert!(parquet(&objects).values().any(|bytes| 8 << 20 < bytes.len()));
    assert_eq!(findings(&objects), []);
    sessile_lake::import(lake(&objects), place.path("back.db")).unwrap();
    assert_eq!(dump(&Store::open(place.path("back.db")).unwrap()), dump(&place.store));
}
