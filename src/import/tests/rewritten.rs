//! Files that are rewritten in place while they are read.

use std::fs;

use super::{Place, SUBJECTS, There, content, count};

#[test]
fn a_file_that_is_rewritten_while_it_is_read_is_never_stored_as_parts_of_both() {
    for subject in SUBJECTS {
        let place = Place::new(subject);
        let store = place.store("rewritten.db", false);
        let [before, after] = [("word", 1 << 20), ("other", 5 << 18)]
            .map(|(word, size)| content(subject, word, size));
        place.put(&There::File(before), 0);
        let path = place.root.join(subject.path);
        let mut is_first = true;

        // The reader is ahead of the first report by no more than what may wait, which is
        // less than the file.
        let rewrite = |_| {
            if std::mem::take(&mut is_first) {
                fs::write(&path, &after).unwrap();
            }
        };
        store.import_with(&place.root, &place.options(i64::MAX), rewrite).unwrap();

        place.assert_complete(&store, "rewritten");
        assert_eq!(count(&store, "superseded"), 0, "{subject:?}");
    }
}
