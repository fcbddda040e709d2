//! Going back: where the leaf moves to, and what is offered.

use sessile::Error;

use crate::support::{Fixture, at, message, talk};

#[test]
fn a_prompt_is_asked_again_behind_its_parent() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    talk(&session);

    let text = session.navigate("c").unwrap();

    assert_eq!(text, "three\nlines");
    assert_eq!(session.info().unwrap().leaf.as_deref(), Some("b"));
    let last = fixture.lines(&session).pop().unwrap();
    assert!(last.contains(r#""type":"leaf""#) && last.contains(r#""targetId":"b""#), "{last}");
}

#[test]
fn a_prompt_that_is_a_root_leaves_no_leaf() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    talk(&session);

    let text = session.navigate("a").unwrap();

    assert_eq!(text, "one");
    assert_eq!(session.info().unwrap().leaf, None);
    session.append_message(message("user", "anew", "e")).unwrap();
    assert_eq!(fixture.path_ids(session.key()), ["e"]);
    fixture.check();
}

#[test]
fn any_other_entry_becomes_the_leaf() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    talk(&session);

    let text = session.navigate("b").unwrap();

    assert_eq!(text, "");
    assert_eq!(session.info().unwrap().leaf.as_deref(), Some("b"));
}

#[test]
fn navigating_to_an_unknown_entry_is_refused_and_moves_nothing() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    talk(&session);
    let before = fixture.lines(&session);

    let refused = session.navigate("nowhere");

    assert!(matches!(refused, Err(Error::EntryNotFound { .. })));
    assert_eq!(fixture.lines(&session), before);
}

#[test]
fn what_was_typed_is_given_rather_than_its_expansion() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    let expanded =
        r#"{"role":"user","content":"all of a file","display_content":"/file x","id":"a"}"#;
    session.append_message(expanded).unwrap();

    assert_eq!(session.navigate("a").unwrap(), "/file x");
}

#[test]
fn rewind_points_are_the_prompts_of_the_active_branch_newest_first() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    talk(&session);
    session.at(at(10)).append_message(message("user", "  ", "blank")).unwrap();
    session.branch("c").unwrap();
    session.at(at(11)).append_message(message("user", "last", "e")).unwrap();

    let points = session.rewind_points().unwrap();

    let shown: Vec<(&str, &str)> =
        points.iter().map(|point| (point.entry_id.as_str(), point.preview.as_str())).collect();
    assert_eq!(shown, [("e", "last"), ("c", "three lines"), ("a", "one")]);
    assert_eq!(points[0].created_at, Some(at(11)));
}
