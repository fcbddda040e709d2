//! Files that a home folder of Codex may contain, valid and odd.

use proptest::prelude::*;

use crate::odd_claude::of;
use crate::odd_kward;

/// Names that files of a home may have: twins in two folders and forms, a file
/// that a revert made, a name without an id, a document of the first releases.
pub(crate) const PATHS: [&str; 11] = [
    "sessions/2026/01/02/rollout-2026-01-02T03-04-05-019b8d4f-0000-7000-8000-00000000000a.jsonl",
    "sessions/2026/01/02/rollout-2026-01-02T03-04-05-019b8d4f-0000-7000-8000-00000000000a.jsonl.zst",
    "archived_sessions/rollout-2026-01-02T03-04-05-019b8d4f-0000-7000-8000-00000000000a.jsonl",
    "sessions/2026/01/03/rollout-2026-01-03T00-00-00-019b8d4f-0000-7000-8000-00000000000a_019b8d4f-0000-7000-8000-00000000000c.jsonl",
    "sessions/2026/01/03/rollout-2026-01-03T00-00-00-019b8d4f-0000-7000-8000-00000000000b.jsonl",
    "sessions/2026/01/04/rollout-2026-01-04T00-00-00-019b8d4f-0000-7000-8000-00000000000b.jsonl",
    "archived_sessions/rollout-2026-01-03T00-00-00-019b8d4f-0000-7000-8000-00000000000b.jsonl.zst",
    "sessions/rollout-x.jsonl",
    "sessions/rollout-2025-04-16-019b8d4f-0000-7000-8000-00000000000d.json",
    "session_index.jsonl",
    "history.jsonl",
];

/// An id of a thread or of a file of one.
fn id() -> impl Strategy<Value = &'static str> {
    of(&[
        "019b8d4f-0000-7000-8000-00000000000a",
        "019b8d4f-0000-7000-8000-00000000000a",
        "019b8d4f-0000-7000-8000-00000000000b",
        "019b8d4f-0000-7000-8000-00000000000c",
        "019b8d4f-0000-7000-8000-00000000000d",
        "nobody",
    ])
}

fn turn() -> impl Strategy<Value = &'static str> {
    of(&["t1", "t2", "t3", "rollout-1"])
}

/// What a file begins with.
fn meta() -> impl Strategy<Value = String> {
    let mode = of(&["", "", ",\"history_mode\":\"legacy\"", ",\"history_mode\":\"paginated\""]);
    let base = prop_oneof![
        3 => Just(String::new()),
        1 => (id(), 0..900_u32).prop_map(|(id, offset)| format!(
            ",\"history_base\":{{\"thread_id\":\"{id}\",\"end_ordinal_exclusive\":3,\
             \"end_byte_offset\":{offset}}}"
        )),
    ];
    let more = of(&[
        "",
        "",
        ",\"cwd\":\"/w\"",
        ",\"source\":{\"subagent\":\"review\"},\"cwd\":\"/v\"",
        ",\"forked_from_id\":\"019b8d4f-0000-7000-8000-00000000000b\",\"cwd\":\"/w\"",
    ]);
    let second = of(&["00", "01", "01", "02"]);
    (id(), mode, base, more, second).prop_map(|(id, mode, base, more, second)| {
        let at = format!("2026-01-02T03:04:{second}.000Z");
        format!(
            "{{\"timestamp\":\"{at}\",\"type\":\"session_meta\",\"payload\":{{\"id\":\"{id}\",\
             \"timestamp\":\"{at}\",\"originator\":\"o\",\"cli_version\":\"0\"{more}{mode}{base}}}}}"
        )
    })
}

/// The payload of an event, its type first.
fn event() -> impl Strategy<Value = String> {
    let of_turn = of(&["task_started", "task_started", "task_complete", "turn_aborted"]);
    prop_oneof![
        4 => (of_turn, turn()).prop_map(|(kind, turn)| format!(
            "\"type\":\"{kind}\",\"turn_id\":\"{turn}\",\"reason\":\"interrupted\""
        )),
        3 => text().prop_map(|text| format!("\"type\":\"user_message\",\"message\":{text}")),
        2 => text().prop_map(|text| format!("\"type\":\"agent_message\",\"message\":{text}")),
        1 => of(&["0", "1", "2", "9"]).prop_map(|n| format!("\"type\":\"thread_rolled_back\",\"num_turns\":{n}")),
        1 => of(&["5", "-1", "99999999999999999999"]).prop_map(|n| format!(
            "\"type\":\"token_count\",\"info\":{{\"total_token_usage\":{{\"total_tokens\":{n}}}}}"
        )),
        2 => (turn(), of(&["i", "j"]), text()).prop_map(|(turn, id, text)| format!(
            "\"type\":\"item_completed\",\"turn_id\":\"{turn}\",\"item\":{{\"type\":\"UserMessage\",\
             \"id\":\"{id}\",\"content\":[{{\"type\":\"text\",\"text\":{text}}}]}}"
        )),
        1 => Just("\"type\":\"unheard_of\"".to_owned()),
    ]
}

/// A text without half surrogate pairs, which the reader of these tests refuses.
fn text() -> impl Strategy<Value = String> {
    odd_kward::text().prop_map(|text| text.replace("\\ud", "\\u0").replace("\\uD", "\\u0"))
}

/// A message as it was sent.
fn message() -> impl Strategy<Value = String> {
    (of(&["user", "user", "assistant", "developer"]), text()).prop_map(|(role, text)| {
        format!(
            "{{\"type\":\"message\",\"role\":\"{role}\",\
             \"content\":[{{\"type\":\"input_text\",\"text\":{text}}}]}}"
        )
    })
}

/// A record of a rollout.
pub(crate) fn record() -> impl Strategy<Value = String> {
    let call = of(&["c", "d"]);
    let body = prop_oneof![
        6 => event().prop_map(|event| format!("\"event_msg\",\"payload\":{{{event}}}")),
        4 => message().prop_map(|item| format!("\"response_item\",\"payload\":{item}")),
        1 => call.prop_map(|id| format!(
            "\"response_item\",\"payload\":{{\"type\":\"function_call\",\"name\":\"n\",\
             \"arguments\":\"{{}}\",\"call_id\":\"{id}\"}}"
        )),
        1 => call_output(),
        1 => message().prop_map(|item| format!(
            "\"compacted\",\"payload\":{{\"message\":\"m\",\"replacement_history\":[{item}]}}"
        )),
        1 => Just("\"compacted\",\"payload\":{\"message\":\"\"}".to_owned()),
        1 => of(&["/w", "/v"]).prop_map(|cwd| format!(
            "\"turn_context\",\"payload\":{{\"cwd\":\"{cwd}\",\"model\":\"m\",\
             \"approval_policy\":\"never\",\"sandbox_policy\":{{\"type\":\"read-only\"}},\
             \"summary\":\"auto\"}}"
        )),
    ];
    let ordinal = prop_oneof![3 => Just(String::new()), 1 => (0..9_u8).prop_map(|n| format!("\"ordinal\":{n},"))];
    (of(&["2026-01-02T03:04:07.000Z", "yesterday"]), ordinal, body).prop_map(
        |(at, ordinal, body)| format!("{{\"timestamp\":\"{at}\",{ordinal}\"type\":{body}}}"),
    )
}

fn call_output() -> impl Strategy<Value = String> {
    (of(&["c", "d"]), text()).prop_map(|(id, text)| {
        format!(
            "\"response_item\",\"payload\":{{\"type\":\"function_call_output\",\
             \"call_id\":\"{id}\",\"output\":{text}}}"
        )
    })
}

/// A line that gives a thread a name.
fn name() -> impl Strategy<Value = String> {
    (id(), text()).prop_map(|(id, text)| {
        format!(
            "{{\"id\":\"{id}\",\"thread_name\":{text},\"updated_at\":\"2026-01-01T00:00:00Z\"}}"
        )
    })
}

/// A line as it stood before the envelope.
fn bare() -> impl Strategy<Value = String> {
    prop_oneof![
        message(),
        id().prop_map(|id| format!(
            "{{\"id\":\"{id}\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"instructions\":null}}"
        )),
        Just("{\"record_type\":\"state\"}".to_owned()),
    ]
}

fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        10 => record(),
        2 => meta(),
        1 => name(),
        1 => bare(),
        1 => of(&["", "\0", "{\"type\":", "[]", "{}{}"]).prop_map(str::to_owned),
    ];
    let end = of(&["\n", "\n", "\n", "\n", "\n", "\r\n", ""]);
    (line, end).prop_map(|(line, end)| format!("{line}{end}").into_bytes())
}

/// What a file of this path may hold, or grow by.
pub(crate) fn content(path: &'static str) -> BoxedStrategy<Vec<u8>> {
    let lines = proptest::collection::vec(any_line(), 0..6).prop_map(|lines| lines.concat());
    if path == "session_index.jsonl" {
        let names = proptest::collection::vec(name(), 0..4);
        return names.prop_map(|names| names.join("\n").into_bytes()).boxed();
    }
    if !path.ends_with(".zst") {
        return lines.boxed();
    }
    prop_oneof![
        9 => lines.prop_map(|lines| zstd::encode_all(&lines[..], 3).unwrap()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ]
    .boxed()
}

/// The same, with what a file of this path begins with.
pub(crate) fn file(path: &'static str) -> BoxedStrategy<Vec<u8>> {
    if !path.ends_with(".jsonl") || !path.contains("rollout") {
        return content(path);
    }
    let whole = (meta(), content(path));
    prop_oneof![
        5 => whole.prop_map(|(meta, lines)| [meta.as_bytes(), b"\n", &lines].concat()),
        1 => content(path),
    ]
    .boxed()
}
