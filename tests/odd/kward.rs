//! Lines that a file of Kward may contain, valid and odd.

use proptest::prelude::*;

/// The JSON of an id.
pub(crate) fn id() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => (0..12_u8).prop_map(|n| format!("\"e{n}\"")),
        1 => (0..3_u8).prop_map(|n| n.to_string()),
        1 => Just("null".to_owned()),
        1 => Just("\"\"".to_owned()),
        1 => Just("true".to_owned()),
        1 => Just("\"message:1\"".to_owned()),
        1 => Just(r#""e\u00001""#.to_owned()),
        1 => Just(r#""e\ud800""#.to_owned()),
    ]
}

/// The JSON of a time.
pub(crate) fn time() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (0..60_u8).prop_map(|n| format!("\"2026-01-01T00:00:{n:02}.000Z\"")),
        1 => Just("\"nonsense\"".to_owned()),
        1 => Just("12".to_owned()),
        1 => Just("1e400".to_owned()),
        1 => Just("123456789012345678901234567890".to_owned()),
    ]
}

/// The JSON of a text.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => any::<String>().prop_map(|text| serde_json::Value::from(text).to_string()),
        3 => proptest::sample::select(vec![
            r#""a\u0000b""#,
            r#""\u0000""#,
            r#""\ud800x""#,
            r#""x\udc00""#,
            r#""\r\n\t""#,
        ])
        .prop_map(str::to_owned),
        // Long enough to be packed.
        1 => Just(format!("\"{}\"", "long ".repeat(200))),
    ]
}

/// A line that a session may well hold.
pub(crate) fn record() -> impl Strategy<Value = String> {
    let role = prop_oneof![
        Just("user"),
        Just("assistant"),
        Just("system"),
        Just("tool"),
        Just("compactionSummary"),
        Just("other"),
    ];
    prop_oneof![
        6 => (id(), proptest::option::of(id()), time(), role, text()).prop_map(
            |(id, parent, time, role, text)| {
                let parent = parent.map(|id| format!("\"parentId\":{id},")).unwrap_or_default();
                format!(
                    "{{\"type\":\"message\",\"id\":{id},{parent}\"timestamp\":{time},\
                     \"message\":{{\"role\":\"{role}\",\"content\":{text}}}}}"
                )
            }
        ),
        2 => (id(), id(), proptest::option::of(id())).prop_map(|(id, parent, kept)| {
            let kept = kept.map(|id| format!(",\"first_kept_entry_id\":{id}")).unwrap_or_default();
            format!(
                "{{\"type\":\"compaction\",\"id\":{id},\"parentId\":{parent},\
                 \"message\":{{\"role\":\"compactionSummary\",\"summary\":\"s\"{kept}}}}}"
            )
        }),
        1 => (id(), id()).prop_map(|(id, parent)| format!(
            "{{\"type\":\"branch_summary\",\"id\":{id},\"parentId\":{parent},\"summary\":\"s\"}}"
        )),
        1 => (id(), time()).prop_map(|(id, time)| format!(
            "{{\"type\":\"leaf\",\"timestamp\":{time},\"targetId\":{id}}}"
        )),
        1 => (id(), text()).prop_map(|(id, label)| format!(
            "{{\"type\":\"label\",\"targetId\":{id},\"label\":{label}}}"
        )),
        1 => (text(), id()).prop_map(|(name, model)| format!(
            "{{\"type\":\"session_info\",\"name\":{name},\"model\":{model}}}"
        )),
        1 => (id(), 0..3_u8).prop_map(|(id, version)| format!(
            "{{\"type\":\"session\",\"version\":{version},\"id\":{id},\"cwd\":\"/w\",\"x\":1}}"
        )),
        1 => id().prop_map(|hash| format!(
            "{{\"type\":\"system_prompt\",\"hash\":{hash},\"content\":\"c\",\"reason\":\"attach\"}}"
        )),
        1 => Just("{\"type\":\"memory_state\",\"sessionMemories\":[],\"lastRetrieval\":1e400}".to_owned()),
        1 => Just("{\"type\":\"tool_execution_end\",\"toolCallId\":1,\"isError\":true}".to_owned()),
        1 => Just("{\"type\":\"unknown\",\"timestamp\":\"2026-01-01T00:00:09.000Z\"}".to_owned()),
    ]
}

/// A line of whatever sort, its end included.
pub(crate) fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let body = prop_oneof![
        12 => record().prop_map(String::into_bytes),
        2 => (record(), any::<prop::sample::Index>()).prop_map(|(record, at)| {
            record.as_bytes()[..at.index(record.len())].to_vec()
        }),
        1 => (record(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(record, at, byte)| {
            let mut bytes = record.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => proptest::sample::select(vec![
            "", " ", "\0", "[]", "1", "null", "\"x\"", "\u{FEFF}{}",
            r#"{"type":"message","id":"\ud800","message":{"role":"user","content":"\udc00"}}"#,
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    let end = prop_oneof![
        12 => Just(&b"\n"[..]),
        2 => Just(&b"\r\n"[..]),
        1 => Just(&b"\r"[..]),
        1 => Just(&b""[..]),
    ];
    (body, end).prop_map(|(body, end)| [&body, end].concat())
}

/// A file of such lines, most often with a header.
pub(crate) fn any_file() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![
        6 => Just("{\"type\":\"session\",\"version\":2,\"id\":\"one\",\"cwd\":\"/w\",\"timestamp\":\"2026-01-01T00:00:00.000Z\"}\n"),
        2 => Just("{\"type\":\"session\",\"version\":1,\"id\":\"one\",\"cwd\":\"/v\"}\n"),
        1 => Just("{\"type\":\"session\",\"id\":\"\"}\n"),
        2 => Just(""),
    ];
    (header, proptest::collection::vec(any_line(), 0..24))
        .prop_map(|(header, lines)| [header.as_bytes(), &lines.concat()].concat())
}
