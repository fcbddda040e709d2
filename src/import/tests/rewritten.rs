//! Files that are rewritten in place while they are read.

use std::fs;

use super::{Place, SUBJECTS, Subject, There, content, count};
use crate::store::{Store, files, log, sources};

/// The bytes of a file as they are stored.
fn stored(store: &Store, subject: Subject) -> Vec<u8> {
    let conn = store.connection().unwrap();
    let source_id = sources::all(&conn).unwrap()[0].source_id;
    let file = files::newest(&conn, source_id, subject.path.as_bytes()).unwrap().unwrap();
    let mut bytes = Vec::new();
    log::each_piece(&conn, &file, &mut |_, raw: &[u8]| {
        bytes.extend_from_slice(raw);
        Ok(())
    })
    .unwrap();
    bytes
}

#[test]
fn a_file_that_is_rewritten_while_it_is_read_is_never_stored_as_parts_of_both() {
    for subject in SUBJECTS {
        let place = Place::new(subject);
        let store = place.store("rewritten.db", false);
        let [before, after] = [("word", 1 << 20), ("other", 5 << 18)]
            .map(|(word, size)| content(subject, word, size));
        place.put(&There::File(before.clone()), 0);
        let path = place.root.join(subject.path);
        let mut is_first = true;

        // The reader is ahead of the first report by what may wait, which is usually less
        // than the file.
        let rewrite = |_| {
            if std::mem::take(&mut is_first) {
                fs::write(&path, &after).unwrap();
            }
        };
        store.import_with(&place.root, &place.options(i64::MAX), rewrite).unwrap();

        // Where the reader was done first, all is as it was; while the file is written, it
        // has a part of what it will have.
        let found = stored(&store, subject);
        let is_whole = found == before.as_bytes() || after.as_bytes().starts_with(&found);
        assert!(is_whole, "{subject:?}");
        place.import(&store, i64::MAX).unwrap();
        assert!(stored(&store, subject) == after.as_bytes(), "{subject:?}");
        if found == after.as_bytes() {
            assert_eq!(count(&store, "superseded"), 0, "{subject:?}");
        }
        assert_eq!(store.check().unwrap(), [], "{subject:?}");
    }
}
