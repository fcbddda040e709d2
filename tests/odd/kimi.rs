//! Files that a share directory of Kimi may contain, valid and odd.

use proptest::prelude::*;

/// Names that files of a share directory may have.
pub(crate) const PATHS: [&str; 27] = [
    "kimi.json",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x_1.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x_1_2.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x_y.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/context.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/context_1.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/context_02.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/context_sub_1.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/wire.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/state.json",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/metadata.json",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/subagents/a/context.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/subagents/a/wire.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x/subagents/a/meta.json",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x_1/wire.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x_1/context.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x.jsonl_1/context.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/x.jsonl_1.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/y.jsonl/context.jsonl",
    "sessions/dd3464ad15e3938bd1128bd2347c29d6/y.jsonl.jsonl",
    "sessions/ssh_dd3464ad15e3938bd1128bd2347c29d6/x.jsonl",
    "sessions/ssh_dd3464ad15e3938bd1128bd2347c29d6/x/state.json",
    "imported_sessions/0123456789abcdef/context.jsonl",
    "imported_sessions/0123456789abcdef/wire.jsonl",
    "imported_sessions/x.jsonl",
    "sessions/stray.jsonl",
];

/// Lines and documents that some file of a session may hold.
const TEXTS: [&str; 26] = [
    r#"{"role": "_system_prompt", "content": "s"}"#,
    r#"{"role": "_checkpoint", "id": 0}"#,
    r#"{"role": "_usage", "token_count": 10}"#,
    r#"{"role": "_usage", "token_count": 1e400}"#,
    r#"{"role":"user","content":"a"}"#,
    r#"{"role":"user","content":"b\ud800"}"#,
    r#"{"role":"assistant","content":[{"type":"text","text":"c"},{"type":"odd"}]}"#,
    r#"{"role":"assistant","content":[],"tool_calls":[{"type":"function","id":"i","function":{"name":"n","arguments":"{}"}}]}"#,
    r#"{"role":"tool","content":"d","tool_call_id":"i"}"#,
    r#"{"role":"odd"}"#,
    r#"{"type": "metadata", "protocol_version": "1.10"}"#,
    r#"{"timestamp": 1.5, "message": {"type": "TurnBegin", "payload": {"user_input": "t"}}}"#,
    r#"{"timestamp": 1e400, "message": {"type": "TurnEnd", "payload": {}}}"#,
    r#"{"timestamp": 2, "message": {"type": "ToolCall", "payload": {"type":"function","id":"i","function":{"name":"n","arguments":null},"extras":null}}}"#,
    r#"{"timestamp": 3, "message": {"type": "ToolResult", "payload": {"tool_call_id": "i", "return_value": {"is_error": true}}}}"#,
    r#"{"custom_title": "t", "archived": true, "todos": [{"title": "t", "status": "done"}]}"#,
    r#"{"title": "m", "archived": "yes", "archived_at": 5, "approval": {"auto_approve_actions": ["x", "x"]}}"#,
    r#"{"agent_id":"a","subagent_type":"c","status":"idle","description":"d","created_at":1,"updated_at":"2","launch_spec":{"agent_id":"a","subagent_type":"c","model_override":null,"effective_model":null,"created_at":1}}"#,
    r#"{"work_dirs": [{"path": "/home/me/alpha"}, {"path": "/home/me/alpha", "kaos": "ssh"}, {}]}"#,
    r#"{"role":"user","content":"a\u0000b"}"#,
    r#"{"custom_title": "t\u0000u"}"#,
    r#"{"timestamp": 4, "message": {"type": "TurnBegin", "payload": {"user_input": "\u0000t\ud800"}}}"#,
    r#"{"role": "_usage", "token_count": 123456789012345678901234567890}"#,
    "[]",
    "torn {",
    "",
];

/// What a file of whatever name may hold.
pub(crate) fn content() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        12 => prop::sample::select(&TEXTS[..]).prop_map(|text| text.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    let end = prop::sample::select(vec!["\n", "\n", "\n", "\r\n", "\r", ""]);
    let lines = proptest::collection::vec((line, end), 0..6);
    lines.prop_map(|lines| {
        lines.iter().flat_map(|(line, end)| [line, end.as_bytes()].concat()).collect()
    })
}
