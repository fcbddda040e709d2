//! Rollouts with records that the program skips, and with rollbacks.

use serde_json::{Value, json};
use sessile::{Format, ImportOptions};

use crate::support::TestStore;

const THREAD: &str = "0199e000-0001-7000-8000-000000000001";

fn record(kind: &str, payload: impl Into<Value>) -> Value {
    let payload = payload.into();
    json!({"timestamp": "2026-02-01T10:00:01.000Z", "type": kind, "payload": payload})
}

fn event(payload: impl Into<Value>) -> Value {
    record("event_msg", payload)
}

fn message(role: &str, text: &str) -> Value {
    let part = json!({"type": "input_text", "text": text});
    record("response_item", json!({"type": "message", "role": role, "content": [part]}))
}

/// The row of a thread of these records.
fn row(records: &[Value]) -> Value {
    let meta = json!({"id": THREAD, "timestamp": "2026-02-01T10:00:00.000Z", "cwd": "/w",
                      "originator": "o", "cli_version": "1", "source": "cli"});
    let path = format!("sessions/2026/02/01/rollout-2026-02-01T10-00-00-{THREAD}.jsonl");
    let all = [&[record("session_meta", meta)], records].concat();
    let lines: String = all.iter().map(|record| format!("{record}\n")).collect();
    let test = TestStore::new();
    test.write(&path, lines);
    test.store.import(&test.root, &ImportOptions::new()).unwrap();
    test.assert_sound();
    test.row(&path)
}

/// Texts of the messages in the conversation, one after another.
fn context(records: &[Value]) -> String {
    let row = row(records);
    let messages = row["context"].as_array().unwrap().iter();
    let texts = messages.map(|message| {
        let parts = message["content"].as_array().unwrap().iter();
        parts.filter_map(|part| part["text"].as_str()).collect::<Vec<_>>().join("|")
    });
    texts.collect::<Vec<_>>().join(" ")
}

fn back(turns: u32) -> Value {
    event(json!({"type": "thread_rolled_back", "num_turns": turns}))
}

#[test]
fn a_record_without_the_shape_of_its_type_counts_for_nothing() {
    let unfit = [
        event(json!({"type": "agent_message", "message": "a", "phase": "never seen"})),
        event(json!({"type": "user_message", "message": "b", "images": "none"})),
        event(json!({"type": "turn_aborted", "turn_id": "t", "reason": "never seen"})),
        event(json!({"type": "task_complete", "turn_id": "t", "error": "none"})),
        event(json!({"type": "web_search_end", "call_id": "c", "query": "q"})),
        event(json!({"type": "exited_review_mode", "review_output": {"overall_explanation": "e"}})),
        event(json!({"type": "thread_rolled_back", "num_turns": 1.5})),
        record("response_item", json!({"type": "reasoning", "summary": ["s"]})),
        record(
            "response_item",
            json!({"type": "function_call_output", "call_id": "c", "output": [{"type": "x"}]}),
        ),
        record("compacted", json!({"message": "m", "replacement_history": [{"role": "user"}]})),
    ];
    let asked = [
        event(json!({"type": "task_started", "turn_id": "t"})),
        event(json!({"type": "user_message", "message": "ask"})),
        message("user", "ask"),
    ];

    let row = row(&[&asked[..], &unfit].concat());

    let turn = json!({"id": "t", "status": "interrupted", "error": null,
                      "items": [{"type": "userMessage", "id": "item-1", "text": "ask"}]});
    assert_eq!(row["turns"], json!([turn]));
    assert_eq!(row["context"], json!([asked[2]["payload"]]));
    let lines: Vec<u64> = row["problems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|problem| problem["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, (5..15).collect::<Vec<_>>());
}

#[test]
fn what_the_model_was_told_for_a_prompt_goes_with_it() {
    let changed = message("user", "<environment_context>x</environment_context>");
    let rules = message("developer", "<model_switch>x</model_switch>");
    let remark = message("developer", "remark");
    let begin = [changed.clone(), message("user", "a"), message("assistant", "b"), remark];
    let told = [changed, rules, message("user", "c"), message("assistant", "d")];
    let more = [message("user", "e")];
    let first = "<environment_context>x</environment_context>";

    let taken_back = [&begin[..], &told, &[back(1)], &more].concat();
    assert_eq!(context(&taken_back), format!("{first} a b remark e"));
    // What was told before the first prompt stays.
    let taken_back = [&begin[..], &told, &[back(9)], &more].concat();
    assert_eq!(context(&taken_back), format!("{first} e"));
}

#[test]
fn a_summary_without_a_history_is_taken_back_as_a_prompt_is() {
    let begin = [message("user", "a"), message("assistant", "b")];
    let summed = record("compacted", json!({"message": "sum"}));
    let with_history = record("compacted", json!({"message": "sum", "replacement_history": []}));
    let next = message("user", "c");

    let all = [&begin[..], &[summed.clone(), next.clone()]].concat();
    assert_eq!(context(&all), "a sum c");
    assert_eq!(context(&[&all[..], &[back(1)]].concat()), "a sum");
    assert_eq!(context(&[&all[..], &[back(2)]].concat()), "a b");
    let all = [&begin[..], &[with_history, next]].concat();
    assert_eq!(context(&[&all[..], &[back(1)]].concat()), "");
    assert_eq!(context(&[&all[..], &[back(2)]].concat()), "");
}

#[test]
fn a_compaction_without_a_history_keeps_the_parts_of_prompts() {
    let part = |text: &str| json!({"type": "input_text", "text": text});
    let image = json!({"type": "input_image", "image_url": "u"});
    let content = json!([part("<image>"), image, part("</image>"), part("look"), part("here")]);
    let prompt =
        record("response_item", json!({"type": "message", "role": "user", "content": content}));

    assert_eq!(context(&[prompt, record("compacted", json!({"message": "sum"}))]), "look|here sum");
}

#[test]
fn a_rollout_named_after_a_purged_thread_stays_another_threads() {
    let other = "0199e000-0002-7000-8000-000000000002";
    let meta = |id: &str| {
        let meta = json!({"id": id, "timestamp": "2026-02-01T10:00:00.000Z", "cwd": "/w",
                          "originator": "o", "cli_version": "1", "source": "cli"});
        format!("{}\n", record("session_meta", meta))
    };
    let name = format!("rollout-2026-02-01T10-00-00-{THREAD}.jsonl");
    let options = ImportOptions::new().format(Format::Codex);
    let test = TestStore::new();
    test.write(format!("sessions/2026/02/01/{name}"), meta(THREAD));
    let kept = format!("archived_sessions/{name}");
    test.write(&kept, meta(other));
    test.store.import(&test.root, &options).unwrap();
    test.store.find(THREAD).unwrap().purge().unwrap();

    test.append(&kept, format!("{}\n", message("user", "more")));
    let report = test.store.import(&test.root, &options.reread(true)).unwrap();

    assert_eq!((report.grown, report.purged, report.missing), (1, 1, 0));
    assert_eq!(test.row(other)["problems"], json!([]));
    test.assert_sound();
}
