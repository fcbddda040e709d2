//! Two files that changed places, by an import that ends before any of its transactions.

use std::fs;

use super::{Place, SUBJECTS, content};
use crate::store::Store;

const OTHER: &str = "sessions/--w--/b.jsonl";

#[test]
fn two_that_changed_places_keep_their_sessions_wherever_the_import_ends() {
    let subject = SUBJECTS[0];
    let place = Place::new(subject);
    let [one, two] = ["one", "two"].map(|id| {
        content(subject, id, 12_000).replacen("\"id\":\"s\"", &format!("\"id\":\"{id}\""), 1)
    });
    let put = |first: &str, second: &str| {
        for (path, content) in [(subject.path, first), (OTHER, second)] {
            // By another inode: the ids alone tell.
            fs::write(place.root.join("aside"), content).unwrap();
            fs::rename(place.root.join("aside"), place.root.join(path)).unwrap();
        }
    };
    for stop in 0.. {
        let store = place.store("swapped.db", false);
        put(&one, &two);
        place.import(&store, i64::MAX).unwrap();
        let keys = [subject.path, OTHER].map(|path| store.find(path).unwrap().key());
        store.session(keys[0]).unwrap().tag("one").unwrap();

        put(&two, &one);
        let finished = place.import(&store, stop).is_ok();
        assert_eq!(store.check().unwrap(), [], "stopped at {stop}");
        place.import(&store, i64::MAX).unwrap();

        place.assert_complete(&store, &format!("stopped at {stop}"));
        let at = |path: &str| store.find(path).unwrap().key();
        assert_eq!([at(OTHER), at(subject.path)], keys, "stopped at {stop}");
        assert_eq!(tags(&store, OTHER), ["one"], "stopped at {stop}");
        if finished {
            assert!(3 < stop, "{stop}");
            break;
        }
    }
}

fn tags(store: &Store, path: &str) -> Vec<String> {
    store.find(path).unwrap().tags().unwrap()
}
