//! Whatever becomes of a root of any format, the store is sound.

use proptest::prelude::*;
use sessile::Format;

use crate::properties::cases_or;
use crate::root_steps::{Roots, history};
use crate::roots::check_history;
use crate::{odd_claude, odd_codex, odd_kimi, odd_kward, odd_pi};

pub(crate) const CLAUDE: Roots = Roots {
    format: Format::Claude,
    paths: &[
        "projects/-w/0a000000-0000-4000-8000-000000000001.jsonl",
        "projects/-w/0a000000-0000-4000-8000-000000000002.jsonl",
        "projects/-v/0a000000-0000-4000-8000-000000000001.jsonl",
        "projects/-w/agent-0b0b.jsonl",
        "projects/-w/agent-0b0b.meta.json",
        "projects/-w/0a000000-0000-4000-8000-000000000001/subagents/agent-c.jsonl",
        "projects/-w/0a000000-0000-4000-8000-000000000001/subagents/agent-c.meta.json",
        "projects/-w/0a000000-0000-4000-8000-000000000001/subagents/agent-d.jsonl",
        "projects/-w/0a000000-0000-4000-8000-000000000001/subagents/workflows/w/agent-e.jsonl",
        "projects/-w/0a000000-0000-4000-8000-000000000001/tool-results/t.txt",
        "projects/-w/0a000000-0000-4000-8000-000000000002/subagents/agent-c.jsonl",
        "projects/-w/0a000000-0000-4000-8000-000000000003/tool-results/t.txt",
        "todos/0a000000-0000-4000-8000-000000000001-agent-c.json",
    ],
    file: of_claude,
    more: of_claude,
    record: r#"{"type":"user","uuid":"a","message":null}"#,
    is_named: true,
};

pub(crate) const CODEX: Roots = Roots {
    format: Format::Codex,
    paths: &odd_codex::PATHS,
    file: odd_codex::file,
    more: odd_codex::content,
    record: r#"{"timestamp":"2026-01-02T03:04:09.000Z","type":"event_msg","payload":{"type":"user_message","message":"here"}}"#,
    is_named: false,
};

pub(crate) const KIMI: Roots = Roots {
    format: Format::Kimi,
    paths: &odd_kimi::PATHS,
    file: |_| odd_kimi::content().boxed(),
    more: |_| odd_kimi::content().boxed(),
    record: r#"{"role":"user","content":"here"}"#,
    is_named: true,
};

pub(crate) const KWARD: Roots = Roots {
    format: Format::Kward,
    paths: &[
        "sessions/--w--/one.jsonl",
        "sessions/--w--/two.jsonl",
        "sessions/--w--/2026-01-02T03-04-05.678Z_0a1b2c3d-0000-4000-8000-00000000000c.jsonl",
        "sessions/--v--/2026-01-02T03-04-05.678Z_0a1b2c3d-0000-4000-8000-00000000000c.jsonl",
        "sessions/--v--/below/one.jsonl",
        "sessions/--w--/last_session.json",
        "sessions/three.jsonl",
        "sessions/--w--/.one.jsonl",
    ],
    file: |_| named(odd_kward::any_file().boxed(), "one", &["one", "two", "three"]),
    more: |_| lines(odd_kward::any_line().boxed()),
    record: r#"{"type":"message","id":"here","message":{"role":"user","content":"here"}}"#,
    is_named: false,
};

pub(crate) const PI: Roots = Roots {
    format: Format::Pi,
    paths: &[
        "sessions/--w--/2026-05-01T00-00-00-000Z_019a0000-0000-7000-8000-000000000001.jsonl",
        "sessions/--w--/2026-05-01T00-00-00-000Z_019a0000-0000-7000-8000-000000000002.jsonl",
        "sessions/--v--/2026-05-01T00-00-00-000Z_019a0000-0000-7000-8000-000000000001.jsonl",
        "sessions/--w--/notes.jsonl",
        "sessions/--w--/below/notes.jsonl",
        "sessions/two.jsonl",
        "sessions/--w--/notes.txt",
    ],
    file: |_| {
        named(odd_pi::any_file().boxed(), "p", &["p", "q", "019a0000-0000-7000-8000-000000000001"])
    },
    more: |_| lines(odd_pi::any_line().boxed()),
    record: r#"{"type":"custom","id":"here","parentId":null,"timestamp":"2026-05-01T00:00:00.000Z"}"#,
    is_named: false,
};

/// Transcripts, and what lies beside them.
fn of_claude(path: &'static str) -> BoxedStrategy<Vec<u8>> {
    if path.ends_with(".jsonl") {
        return odd_claude::any_file().boxed();
    }
    let document = odd_claude::of(&[
        "",
        "{}",
        r#"{"agentType":"x","description":"d"}"#,
        r#"{"agentType":"x","toolUseId":"t","parentAgentId":"d"}"#,
        "[]",
        "torn {",
    ]);
    document.prop_map(|text| text.as_bytes().to_vec()).boxed()
}

fn lines(line: BoxedStrategy<Vec<u8>>) -> BoxedStrategy<Vec<u8>> {
    proptest::collection::vec(line, 0..6).prop_map(|lines| lines.concat()).boxed()
}

/// Files of sessions with one of these ids.
fn named(
    file: BoxedStrategy<Vec<u8>>,
    id: &'static str,
    ids: &'static [&'static str],
) -> BoxedStrategy<Vec<u8>> {
    let (id, other) = (format!("\"id\":\"{id}\""), odd_claude::of(ids));
    let replaced = move |(bytes, other): (Vec<u8>, &str)| {
        let Some(at) = bytes.windows(id.len()).position(|part| part == id.as_bytes()) else {
            return bytes;
        };
        let other = format!("\"id\":\"{other}\"");
        [&bytes[..at], other.as_bytes(), &bytes[at + id.len()..]].concat()
    };
    (file, other).prop_map(replaced).boxed()
}

proptest! {
    // Few, since a history takes long; `PROPTEST_CASES` asks for more.
    #![proptest_config(cases_or(13))]

    #[test]
    fn whatever_becomes_of_a_root_of_claude_code_the_store_is_sound(history in history(CLAUDE)) {
        check_history(CLAUDE, &history)?;
    }

    #[test]
    fn whatever_becomes_of_a_root_of_codex_the_store_is_sound(history in history(CODEX)) {
        check_history(CODEX, &history)?;
    }

    #[test]
    fn whatever_becomes_of_a_root_of_kimi_the_store_is_sound(history in history(KIMI)) {
        check_history(KIMI, &history)?;
    }

    #[test]
    fn whatever_becomes_of_a_root_of_kward_the_store_is_sound(history in history(KWARD)) {
        check_history(KWARD, &history)?;
    }

    #[test]
    fn whatever_becomes_of_a_root_of_pi_the_store_is_sound(history in history(PI)) {
        check_history(PI, &history)?;
    }
}
