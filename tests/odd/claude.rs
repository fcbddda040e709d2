//! Lines that a transcript of Claude Code may contain, valid and odd.

use proptest::prelude::*;

use crate::odd_kward;

pub(crate) fn of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    proptest::sample::select(words)
}

/// A text without half surrogate pairs, which the reader of these tests refuses.
fn text() -> impl Strategy<Value = String> {
    odd_kward::text().prop_map(|text| text.replace("\\ud", "\\u0").replace("\\uD", "\\u0"))
}

/// A uuid that other records are likely to name.
fn uuid() -> impl Strategy<Value = &'static str> {
    of(&["a", "b", "c", "d", "e", "f", "g", "h"])
}

/// What stands beside a node's body; JSON members, each with a comma before it.
pub(crate) fn marks() -> impl Strategy<Value = String> {
    let rarely = |mark: &'static str| prop_oneof![12 => Just(""), 1 => Just(mark)];
    let agent = of(&["", "", "", ",\"agentId\":\"x\""]);
    let time =
        of(&["", "\"2026-01-01T00:00:01.000Z\"", "\"2026-01-01T00:00:02.000Z\"", "\"\"", "7"]);
    (
        rarely(",\"isSidechain\":true"),
        rarely(",\"isMeta\":1"),
        rarely(",\"teamName\":\"t\""),
        agent,
        time,
    )
        .prop_map(|(sidechain, meta, team, agent, time)| {
            let time =
                if time.is_empty() { String::new() } else { format!(",\"timestamp\":{time}") };
            format!("{sidechain}{meta}{team}{agent}{time}")
        })
}

/// The content of a message: calls of tools, answers to them, or text.
fn content() -> impl Strategy<Value = String> {
    let call = of(&["t", "u", "v"]);
    let result = of(&["t", "u", "v"]);
    let block = prop_oneof![
        3 => call.prop_map(|id| format!("{{\"type\":\"tool_use\",\"id\":\"{id}\",\"name\":\"N\"}}")),
        3 => result.prop_map(|id| format!("{{\"type\":\"tool_result\",\"tool_use_id\":\"{id}\"}}")),
        1 => Just("{\"type\":\"text\",\"text\":\"x\"}".to_owned()),
    ];
    prop_oneof![
        4 => proptest::collection::vec(block, 1..3).prop_map(|blocks| format!("[{}]", blocks.join(","))),
        1 => text(),
    ]
}

/// A record that is a node of the tree.
pub(crate) fn node() -> impl Strategy<Value = String> {
    let kind = of(&["user", "user", "assistant", "assistant", "assistant", "progress", "system"]);
    let parent = prop_oneof![
        8 => uuid().prop_map(|uuid| format!("\"{uuid}\"")),
        2 => of(&["null", "\"\"", "5", "\"nowhere\""]).prop_map(str::to_owned),
    ];
    let message_id = of(&["", ",\"id\":\"m\"", ",\"id\":\"n\"", ",\"id\":\"\""]);
    let source = prop_oneof![
        4 => Just(String::new()),
        1 => uuid().prop_map(|uuid| format!(",\"sourceToolAssistantUUID\":\"{uuid}\"")),
    ];
    (kind, uuid(), parent, marks(), content(), message_id, source).prop_map(
        |(kind, uuid, parent, marks, content, message_id, source)| {
            format!(
                "{{\"parentUuid\":{parent},\"type\":\"{kind}\",\"uuid\":\"{uuid}\",\
                 \"sessionId\":\"0a000000-0000-4000-8000-000000000001\",\
                 \"message\":{{\"content\":{content}{message_id}}}{marks}{source}}}"
            )
        },
    )
}

/// A record beside the tree.
pub(crate) fn flat() -> impl Strategy<Value = String> {
    prop_oneof![
        text().prop_map(|text| format!("{{\"type\":\"custom-title\",\"customTitle\":{text}}}")),
        text().prop_map(|text| format!("{{\"type\":\"tag\",\"tag\":{text}}}")),
        (text(), uuid()).prop_map(|(text, uuid)| {
            format!("{{\"type\":\"summary\",\"summary\":{text},\"leafUuid\":\"{uuid}\"}}")
        }),
        Just("{\"type\":\"unheard-of\",\"uuid\":\"a\",\"cwd\":\"/w\"}".to_owned()),
        Just("{\"type\":\"file-history-snapshot\",\"messageId\":\"a\",\"snapshot\":{}}".to_owned()),
        Just("[]".to_owned()),
        Just("{}{}".to_owned()),
    ]
}

/// A line of whatever sort, its end included.
pub(crate) fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        6 => node(),
        2 => flat(),
        1 => of(&["", "\0", "{\"type\":"]).prop_map(str::to_owned),
    ];
    let end = of(&["\n", "\n", "\n", "\n", "\r\n", ""]);
    (line, end).prop_map(|(line, end)| format!("{line}{end}").into_bytes())
}

/// A file of such lines, now and then torn at its end.
pub(crate) fn any_file() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any_line(), 0..14).prop_map(|lines| lines.concat())
}
