//! Paths at which there is a file, later a folder, later something else.

use std::fs;
use std::os::unix::fs::symlink;

use crate::support::{TestStore, header, message};

const ONE: &str = "sessions/--w--/one.jsonl";
const TWO: &str = "sessions/--w--/two.jsonl";
const INSIDE: &str = "sessions/--w--/one.jsonl/inside.jsonl";

/// Two sessions, of which one is replaced by a folder with a session.
fn replaced_by_folder() -> TestStore {
    let test = TestStore::new();
    test.write(ONE, header("one"));
    test.write(TWO, header("two"));
    test.import();
    fs::remove_file(test.root.join(ONE)).unwrap();
    test.write(INSIDE, header("inside"));
    test.import();
    test
}

#[test]
fn what_was_in_a_folder_does_not_move_with_the_file_that_took_its_path() {
    let test = replaced_by_folder();
    fs::remove_dir_all(test.root.join(ONE)).unwrap();
    test.write(ONE, header("three") + &message("a", None, "first"));
    test.import();

    fs::rename(test.root.join(ONE), test.root.join(TWO)).unwrap();
    test.import();

    assert_eq!(test.store.check().unwrap(), []);
    assert_eq!(test.row("inside")["file"], INSIDE);
    assert_eq!(test.row("three")["file"], TWO);
}

#[test]
fn whatever_takes_the_path_of_a_session_later_its_problems_name_what_is_there_now() {
    let test = replaced_by_folder();
    fs::remove_dir_all(test.root.join(ONE)).unwrap();
    test.write(TWO, &header("two")[..40]);
    fs::rename(test.root.join(TWO), test.root.join(ONE)).unwrap();
    test.import();
    fs::remove_file(test.root.join(ONE)).unwrap();
    fs::create_dir(test.root.join(ONE)).unwrap();
    test.import();

    fs::remove_dir(test.root.join(ONE)).unwrap();
    symlink("elsewhere", test.root.join(ONE)).unwrap();
    test.import();

    assert_eq!(test.store.check().unwrap(), []);
}
