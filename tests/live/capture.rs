//! What converters and viewers read.

use crate::support::{Fixture, at, message, talk};

#[test]
fn a_captured_branch_holds_its_entries_and_the_system_prompts() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    session.at(at(0)).kward().unwrap().append_system_prompt_snapshot("be kind", "attach").unwrap();
    talk(&session);
    let before = fixture.lines(&session);

    let branch = session.capture().unwrap();

    assert_eq!(branch.info.session_id.as_deref(), Some("s"));
    assert_eq!(branch.system_prompts, [before[1].as_bytes()]);
    let ids: Vec<&str> = branch.entries.iter().map(|entry| entry.entry.id.as_str()).collect();
    assert_eq!(ids, ["a", "b", "d"]);
    assert_eq!(branch.entries[0].line, before[2].as_bytes());
    let said: Vec<&str> = branch.entries[0].messages.iter().map(sessile::Message::json).collect();
    assert_eq!(said, [message("user", "one", "a")]);
    assert_eq!(fixture.lines(&session), before, "capturing wrote");
}

#[test]
fn markdown_shows_the_conversation_that_would_go_on() {
    let fixture = Fixture::new();
    let session = fixture.create("s");
    talk(&session);
    session.append_compaction(r#"{"role":"compactionSummary","summary":"S","id":"k"}"#).unwrap();
    session.append_message(r#"{"role":"tool","name":"bash","content":"ok"}"#).unwrap();

    let text = session.markdown(sessile::Timestamp(0)).unwrap();

    let expected = "# Kward Session\n\n## Compactionsummary\n\nS\n\n## Tool\nTool: `bash`\n\nok\n";
    assert_eq!(text, expected);
}

#[test]
fn markdown_of_an_empty_session_is_its_heading() {
    let fixture = Fixture::new();
    let session = fixture.create("s");

    assert_eq!(session.markdown(sessile::Timestamp(0)).unwrap(), "# Kward Session\n");
}
