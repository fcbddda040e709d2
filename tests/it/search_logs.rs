//! The same texts, as each program would log them.

use serde_json::{Value, json};
use sessile::Format;

use crate::support::line;

/// How a text is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Prose,
    Thinking,
    Tools,
}

/// What is said behind the branch of an entry: the one before, or an earlier one.
#[derive(Clone, Debug)]
pub(crate) struct Saying {
    pub(crate) text: String,
    pub(crate) way: Way,
    pub(crate) parent: usize,
}

/// A log, and the line of each text in it, from 1.
pub(crate) struct Log {
    pub(crate) format: Format,
    pub(crate) path: &'static str,
    pub(crate) bytes: String,
    pub(crate) lines: Vec<u32>,
}

pub(crate) fn logs(sayings: &[Saying]) -> Vec<Log> {
    vec![
        of(Format::Kward, "sessions/--w--/k.jsonl", sayings, kward),
        of(Format::Pi, "sessions/p.jsonl", sayings, pi),
        of(
            Format::Claude,
            "projects/-w/1a000000-0000-4000-8000-000000000000.jsonl",
            sayings,
            claude,
        ),
        of(
            Format::Codex,
            "sessions/2026/01/01/rollout-2026-01-01T00-00-00-0199a000-0001-7000-8000-000000000001.jsonl",
            sayings,
            codex,
        ),
        of(Format::Kimi, KIMI, sayings, kimi),
    ]
}

const KIMI: &str =
    "sessions/1cce3e60ac2d51100ef178d6509a4972/11111111-1111-4111-8111-111111111111/context.jsonl";

/// What Kimi put aside: the first half, and behind it a text of its own.
pub(crate) fn put_aside(sayings: &[Saying], own: &str) -> Log {
    let mut sayings = sayings[..sayings.len() / 2].to_vec();
    sayings.push(Saying { text: own.to_owned(), way: Way::Prose, parent: 0 });
    let mut log = of(Format::Kimi, KIMI, &sayings, kimi);
    log.path = "sessions/1cce3e60ac2d51100ef178d6509a4972/11111111-1111-4111-8111-111111111111/context_1.jsonl";
    log
}

/// The lines that a text adds, the last of them its own.
type Spelling = fn(usize, &Saying, Option<usize>) -> Vec<Value>;

fn of(format: Format, path: &'static str, sayings: &[Saying], spelling: Spelling) -> Log {
    let mut log = Log { format, path, bytes: String::new(), lines: Vec::new() };
    let header = match format {
        Format::Kward => json!({"type": "session", "version": 2, "id": "k", "cwd": "/w",
                                "timestamp": "2026-01-01T00:00:00.000Z"}),
        Format::Pi => json!({"type": "session", "version": 3, "id": "p", "cwd": "/w",
                             "timestamp": "2026-01-01T00:00:00.000Z"}),
        Format::Codex => json!({"timestamp": "2026-01-01T00:00:00.000Z", "type": "session_meta",
                                "payload": {"id": "0199a000-0001-7000-8000-000000000001",
                                            "timestamp": "2026-01-01T00:00:00.000Z", "cwd": "/w"}}),
        _ => Value::Null,
    };
    let mut count = 0;
    let mut write = |log: &mut Log, value: &Value| {
        log.bytes += &line(value);
        count += 1;
        count
    };
    if !header.is_null() {
        write(&mut log, &header);
    }
    for (n, saying) in sayings.iter().enumerate() {
        let parent = n.checked_sub(1).map(|last| last.min(saying.parent));
        let mut at = 0;
        for value in spelling(n, saying, parent) {
            at = write(&mut log, &value);
        }
        log.lines.push(at);
    }
    log
}

fn kward(n: usize, saying: &Saying, parent: Option<usize>) -> Vec<Value> {
    let text = &saying.text;
    let message = match saying.way {
        Way::Prose => json!({"role": "user", "content": text}),
        Way::Thinking => json!({"role": "assistant", "content": "", "reasoning_summary": text}),
        Way::Tools => json!({"role": "tool", "tool_call_id": "c", "content": text}),
    };
    let parent = parent.map(|parent| format!("e{parent}"));
    vec![json!({"type": "message", "id": format!("e{n}"), "parentId": parent,
                "timestamp": "2026-01-01T00:00:01.000Z", "message": message})]
}

fn pi(n: usize, saying: &Saying, parent: Option<usize>) -> Vec<Value> {
    let text = &saying.text;
    let message = match saying.way {
        Way::Prose => json!({"role": "user", "content": [{"type": "text", "text": text}]}),
        Way::Thinking => json!({"role": "assistant",
                                "content": [{"type": "thinking", "thinking": text}]}),
        Way::Tools => json!({"role": "toolResult", "toolCallId": "c", "toolName": "t",
                             "content": [{"type": "text", "text": text}]}),
    };
    let parent = parent.map(|parent| format!("e{parent}"));
    vec![json!({"type": "message", "id": format!("e{n}"), "parentId": parent,
                "timestamp": "2026-01-01T00:00:01.000Z", "message": message})]
}

fn claude(n: usize, saying: &Saying, parent: Option<usize>) -> Vec<Value> {
    let text = &saying.text;
    let (record_type, content) = match saying.way {
        Way::Prose => ("user", json!(text)),
        Way::Thinking => ("assistant", json!([{"type": "thinking", "thinking": text}])),
        Way::Tools => {
            ("user", json!([{"type": "tool_result", "tool_use_id": "c", "content": text}]))
        }
    };
    let uuid = |n: usize| format!("{n:08x}-0000-4000-8000-00000000000e");
    vec![json!({"type": record_type, "uuid": uuid(n), "parentUuid": parent.map(uuid),
                "sessionId": "1a000000-0000-4000-8000-000000000000", "cwd": "/w",
                "timestamp": "2026-01-01T00:00:01.000Z", "version": "2.1.0",
                "message": {"role": record_type, "content": content}})]
}

/// What is said behind an earlier entry follows a turn that is taken back.
fn codex(n: usize, saying: &Saying, parent: Option<usize>) -> Vec<Value> {
    let text = &saying.text;
    let item = match saying.way {
        Way::Prose => json!({"type": "message", "role": "user",
                             "content": [{"type": "input_text", "text": text}]}),
        Way::Thinking => json!({"type": "reasoning",
                                "summary": [{"type": "summary_text", "text": text}]}),
        Way::Tools => json!({"type": "function_call_output", "call_id": "c", "output": text}),
    };
    let at = "2026-01-01T00:00:01.000Z";
    let back = json!({"timestamp": at, "type": "event_msg",
                      "payload": {"type": "thread_rolled_back", "num_turns": 1}});
    let is_back = parent.is_some_and(|parent| parent + 1 < n);
    let item = json!({"timestamp": at, "type": "response_item", "payload": item});
    is_back.then_some(back).into_iter().chain([item]).collect()
}

fn kimi(_: usize, saying: &Saying, _: Option<usize>) -> Vec<Value> {
    let text = &saying.text;
    vec![match saying.way {
        Way::Prose => json!({"role": "user", "content": text}),
        Way::Thinking => {
            json!({"role": "assistant", "content": [{"type": "think", "think": text}]})
        }
        Way::Tools => json!({"role": "tool", "tool_call_id": "c", "content": text}),
    }]
}
