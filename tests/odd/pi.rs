//! Lines that a file of pi may contain, valid and odd.

use proptest::prelude::*;

use crate::odd_kward::{id, text, time};

/// Whether, and how, a record says its id and parent.
fn place() -> impl Strategy<Value = String> {
    let own = prop_oneof![
        8 => id().prop_map(|id| format!(",\"id\":{id}")),
        2 => Just(String::new()),
    ];
    let parent = prop_oneof![
        6 => id().prop_map(|id| format!(",\"parentId\":{id}")),
        2 => Just(",\"parentId\":null".to_owned()),
        2 => Just(String::new()),
    ];
    (own, parent, time())
        .prop_map(|(own, parent, time)| format!("{own}{parent},\"timestamp\":{time}"))
}

fn message() -> impl Strategy<Value = String> {
    let role = proptest::sample::select(vec!["user", "assistant", "toolResult", "odd"]);
    let usage = proptest::sample::select(vec![
        "",
        r#","usage":{"input":1,"output":2,"totalTokens":3,"cost":{"total":0.5}}"#,
        r#","usage":{"input":1e400,"output":-1,"cost":"x"}"#,
        r#","usage":{"input":12345678901234567}"#,
    ]);
    (role, text(), id(), usage).prop_map(|(role, text, model, usage)| {
        format!(
            "{{\"role\":\"{role}\",\"content\":{text},\"provider\":\"p\",\"model\":{model}{usage}}}"
        )
    })
}

/// A line that a session may well hold.
pub(crate) fn record() -> impl Strategy<Value = String> {
    let rest = prop_oneof![
        6 => message().prop_map(|message| format!("\"message\",\"message\":{message}")),
        1 => Just("\"message\"".to_owned()),
        2 => (id(), id()).prop_map(|(provider, model)| {
            format!("\"model_change\",\"provider\":{provider},\"modelId\":{model}")
        }),
        2 => id().prop_map(|level| format!("\"thinking_level_change\",\"thinkingLevel\":{level}")),
        1 => (id(), text()).prop_map(|(id, label)| {
            format!("\"label\",\"targetId\":{id},\"label\":{label}")
        }),
        1 => text().prop_map(|name| format!("\"session_info\",\"name\":{name}")),
        2 => (id(), text()).prop_map(|(id, summary)| {
            format!("\"compaction\",\"summary\":{summary},\"firstKeptEntryId\":{id}")
        }),
        1 => (0..6_u8).prop_map(|n| {
            format!("\"compaction\",\"summary\":\"s\",\"firstKeptEntryIndex\":{n}")
        }),
        1 => (id(), text()).prop_map(|(id, summary)| {
            format!("\"branch_summary\",\"fromId\":{id},\"summary\":{summary}")
        }),
        1 => (id(), text()).prop_map(|(id, text)| {
            format!("\"context_edit\",\"targetId\":{id},\"content\":{text}")
        }),
        1 => text().prop_map(|text| format!("\"custom_message\",\"content\":{text}")),
        1 => Just("\"custom\",\"data\":null".to_owned()),
        1 => Just("\"note\"".to_owned()),
        1 => (1..4_u8).prop_map(|version| format!("\"session\",\"version\":{version},\"cwd\":\"/x\"")),
    ];
    (rest, place()).prop_map(|(rest, place)| format!("{{\"type\":{rest}{place}}}"))
}

/// A line of whatever sort, its end included.
pub(crate) fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        12 => record().prop_map(String::into_bytes),
        1 => (record(), any::<prop::sample::Index>()).prop_map(|(record, at)| {
            record.as_bytes()[..at.index(record.len())].to_vec()
        }),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
        1 => proptest::sample::select(vec!["", " ", "\u{feff}", "[]", "1", "null", "{}", "{\"a\":NaN}"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let end = proptest::sample::select(vec!["\n", "\n", "\n", "\n", "\n", "\r\n", ""]);
    (body, end).prop_map(|(body, end)| [&body, end.as_bytes()].concat())
}

/// A file of such lines, most often with a header.
pub(crate) fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![
        6 => Just("{\"type\":\"session\",\"version\":3,\"id\":\"p\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\",\"x\":\"\\u0000\"}\n"),
        2 => Just("{\"type\":\"session\",\"id\":\"p\",\"cwd\":\"/v\"}\n"),
        1 => Just("{\"type\":\"session\",\"version\":2,\"id\":7}\n"),
        1 => Just("{\"type\":\"session\",\"version\":3}\n"),
        1 => Just(""),
    ];
    (header, proptest::collection::vec(any_line(), 0..12))
        .prop_map(|(header, lines)| [header.as_bytes(), &lines.concat()].concat())
}
