//! Lines that are not valid in a session file.

use sessile::ProblemKind;

use crate::support::{TestStore, header, message};
use crate::{FILE, check_root, checked_file, problems};

/// A session with these bytes as its second line, and a message behind it.
#[track_caller]
fn check_second_line(second: impl AsRef<[u8]>, kind: ProblemKind) -> TestStore {
    let bytes =
        [header("one").as_bytes(), second.as_ref(), b"\n", message("z", None, "last").as_bytes()]
            .concat();
    let test = checked_file(bytes);
    assert_eq!(problems(&test)[0], (kind, Some(2)));
    // What stands behind it is read all the same.
    let session = test.store.find(FILE).unwrap();
    let last = session.path().unwrap();
    assert_eq!(last.last().unwrap().id, "z");
    test
}

#[test]
fn bytes_that_are_no_utf8_are_a_problem_of_their_line() {
    let record = br#"{"type":"message","id":"a","message":{"role":"user","content":"X"}}"#;
    let bad: Vec<u8> = record.iter().map(|byte| if *byte == b'X' { 0xFF } else { *byte }).collect();

    check_second_line(bad, ProblemKind::InvalidUtf8);
    check_second_line(b"\xC3\x28\xA0\xA1", ProblemKind::Malformed);
}

#[test]
fn a_file_of_nul_is_kept_to_the_byte() {
    check_second_line(vec![0; 100_000], ProblemKind::Malformed);

    let test = TestStore::quick();
    test.write(FILE, vec![0; 3_000_000]);
    test.write("sessions/--w--/two.jsonl", header("two") + &message("a", None, "after"));
    check_root(&test);
    assert!(test.store.find("two").is_ok());
}

#[test]
fn nesting_of_a_hundred_thousand_does_not_overflow_the_stack() {
    let (open, close) = ("[".repeat(100_000), "]".repeat(100_000));
    let objects = "{\"a\":".repeat(100_000) + "1" + &"}".repeat(100_000);
    let message = |content: &str| {
        format!(r#"{{"type":"message","id":"a","message":{{"role":"user","content":{content}}}}}"#)
    };

    for content in [format!("{open}{close}"), objects] {
        let test = checked_file(header("one") + &message(&content) + "\n");
        assert!(test.dump().contains("$raw"), "it is named, not printed");
    }
    check_second_line(open, ProblemKind::Malformed);
}

#[test]
fn numbers_of_ten_thousand_digits_keep_every_digit() {
    let digits = "9".repeat(10_000);
    for number in [digits.clone(), format!("-{digits}.{digits}e{digits}")] {
        let line = format!(
            r#"{{"type":"message","id":"a","message":{{"role":"user","content":"x","n":{number}}}}}"#
        );
        checked_file(header("one") + &line + "\n");
    }
}

#[test]
fn a_line_of_twenty_megabytes_is_one_line() {
    let text = "long ".repeat(4 << 20);

    let test = checked_file(header("one") + &message("a", None, &text));

    assert_eq!(problems(&test), []);
    // As a file that is larger than a batch, with another line behind it.
    checked_file(header("one") + &message("a", None, &text) + &message("b", Some("a"), "b"));
    checked_file(text);
}

#[test]
fn a_root_without_anything_is_one() {
    let test = TestStore::quick();
    check_root(&test);
    assert_eq!(test.dump(), "");
}

#[test]
fn empty_files_and_files_of_blank_lines_are_files() {
    for bytes in ["", "\n", "\n\n\r\n \n", "\u{FEFF}", "\r"] {
        checked_file(bytes);
    }
    checked_file("\n".repeat(200_000));
}

#[test]
fn an_id_or_name_of_20_mb_is_kept_in_its_line_only() {
    let long = "x".repeat(20 << 20);
    let name = format!(r#"{{"type":"session_info","name":"{long}"}}"#);

    check_second_line(message(&long, None, "a").trim_end(), ProblemKind::TooLong);
    check_second_line(name, ProblemKind::TooLong);
}
