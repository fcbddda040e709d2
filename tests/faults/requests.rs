//! Garbled requests: `rpc` answers each, and the store stays sound.

use serde_json::{Value, json};

use crate::garble;
use crate::states::{Known, State, head, look};
use crate::support::{Chance, Place, Run, Tally, copy_fixture, remove_tree, setting};

const ROOTS: [&str; 4] = ["kward/small", "pi/small", "kimi/small", "claude/small"];
const KWARD: &str = "edge-97";
const PI: &str = "019d0000-0000-7000-8000-000000000001";
const KIMI: &str = "11111111-1111-4111-8111-111111111111";
const CLAUDE: &str = "00000051-0000-4000-8000-00000000e051";

/// A sound request of every method, and of each in every format that may have it.
fn requests() -> Vec<Value> {
    let mut all = of_one_format();
    for session in [KWARD, PI, KIMI, CLAUDE] {
        all.extend(of_session(session));
        for method in ["info", "context", "tree", "markdown", "rewind_points"] {
            all.push(json!({"method": method, "params": {"session": session}}));
        }
    }
    all
}

fn of_one_format() -> Vec<Value> {
    vec![
        json!({"method": "create", "params": {"cwd": "/w", "provider": "p", "model": "m", "reasoning_effort": "high", "parent_id": "x", "parent_path": "/x", "id": "made"}}),
        json!({"method": "create", "params": {"cwd": "/w", "format": "pi", "at": "2026-01-03T00:00:00Z"}}),
        json!({"method": "create", "params": {"cwd": "/w", "format": "claude", "at": "2026-01-03T00:00:00Z"}}),
        json!({"method": "tag", "params": {"session": CLAUDE, "tag": "t\u{e9}"}}),
        json!({"method": "append_entry", "params": {"session": PI, "type": "model_change", "fields": {"provider": "p", "modelId": "m"}}}),
        json!({"method": "append_entry", "params": {"session": PI, "type": "compaction", "fields": {"summary": "s", "firstKeptEntryId": "a", "tokensBefore": 5}}}),
        json!({"method": "append_system_prompt_snapshot", "params": {"session": KWARD, "content": "be", "reason": "start"}}),
        json!({"method": "append_tool_execution", "params": {"session": KWARD, "tool_call": {"id": "t", "name": "read", "arguments": {"path": "x"}}, "content": "c"}}),
        json!({"method": "update_memory_state", "params": {"session": KWARD, "session_memories": [{"id": "m"}], "last_retrieval": null}}),
        json!({"method": "update_runtime", "params": {"session": KWARD, "provider": "p", "model": "m", "reasoning_effort": "low"}}),
        json!({"method": "compact", "params": {"session": KWARD, "message": {"role": "user", "content": "s", "firstKeptEntryId": "b"}}}),
        json!({"method": "fork", "params": {"session": KIMI, "turn": 0}}),
        json!({"method": "list", "params": {"query": "first", "limit": 5, "offset": 1, "all": true, "work_dir": "/edge"}}),
        json!({"method": "delete_if_unused", "params": {"session": "made"}}),
        json!({"method": "purge", "params": {"session": "edge-63"}}),
        json!({"method": "seal", "params": {"older_than": 0}}),
    ]
}

fn of_session(session: &str) -> Vec<Value> {
    let message = json!({"role": "user", "content": [{"type": "text", "text": "said"}], "usage": {"input": 5, "cost": {"total": 0.5}}});
    let methods = [
        ("append_message", json!({"message": message, "id": "new1"})),
        (
            "append_branch_summary",
            json!({"parent_id": "a", "from_id": "b", "summary": "s", "details": {"n": 1}}),
        ),
        ("append_label_change", json!({"entry_id": "a", "label": "here"})),
        (
            "append_record",
            json!({"record": {"type": "custom", "id": "r1", "parentId": "a", "x": [1.50, 1e5]}}),
        ),
        ("rename", json!({"name": "name"})),
        ("set_title", json!({"title": "title"})),
        ("branch", json!({"entry_id": "a"})),
        ("navigate", json!({"entry_id": "b"})),
        ("clone", json!({})),
        ("fork", json!({"entry_id": "b"})),
        ("reset_leaf", json!({})),
        ("path", json!({"limit": 2})),
        ("entry", json!({"entry_id": "a"})),
        ("children", json!({"entry_id": "a"})),
        ("entries_after", json!({"line": 1, "limit": 2})),
        ("archive", json!({})),
        ("unarchive", json!({})),
        ("delete", json!({})),
        ("restore", json!({})),
    ];
    let given = |(method, mut params): (&str, Value)| {
        params["session"] = session.into();
        if !["path", "entry", "children", "entries_after"].contains(&method) {
            params["at"] = "2026-01-04T00:00:00.5Z".into();
        }
        json!({"method": method, "params": params})
    };
    methods.into_iter().map(given).collect()
}

/// A batch: sound requests among garbled ones.
fn batch(all: &[Value], chance: &mut Chance) -> Vec<Vec<u8>> {
    let count = 60;
    (0..count)
        .map(|id| {
            let mut request = chance.of(all).clone();
            request["jsonrpc"] = "2.0".into();
            request["id"] = id.into();
            match chance.below(10) {
                0..2 => {}
                // Mostly its parameters: a garbled method is soon refused.
                2..8 => {
                    for _ in 0..1 + chance.below(3) {
                        garble::change(&mut request["params"], chance);
                    }
                }
                _ => garble::change(&mut request, chance),
            }
            let mut line = garble::json(&request, chance).into_bytes();
            if chance.one_in(12) {
                garble::bytes(&mut line, chance);
            }
            line.retain(|byte| *byte != b'\n');
            line
        })
        .collect()
}

#[test]
fn garbled_requests_end_nothing_and_break_nothing() {
    let mut tally = Tally::new("requests");
    let mut chance = Chance::new(11);
    let count = setting("SESSILE_FAULTS_REQUESTS", 900);
    let place = Place::new();
    for name in ROOTS {
        let root = place.root.join(name);
        copy_fixture(name, &root);
        place.done(["import", root.to_str().unwrap()]);
    }
    place.keep();
    let all = requests();
    while tally.rounds() < count && !tally.is_over() {
        place.begin_again();
        let lines = batch(&all, &mut chance);
        lines.iter().for_each(|_| tally.round());
        if let Err(why) = try_batch(&place, &lines) {
            let path = place.beside("last");
            std::fs::write(&path, lines.join(&b'\n')).unwrap();
            let culprit = smallest(&place, &lines);
            let text = String::from_utf8_lossy(&culprit).into_owned();
            tally.find(format!("{why}\nafter:\n{text}"));
        }
    }
    tally.finish();
}

/// The requests without which the same batch does no harm, as far as halving tells.
fn smallest(place: &Place, lines: &[Vec<u8>]) -> Vec<u8> {
    let mut left = lines.to_vec();
    let mut size = left.len() / 2;
    while 0 < size {
        let mut at = 0;
        while at < left.len() && 1 < left.len() {
            let mut fewer = left.clone();
            fewer.drain(at..(at + size).min(left.len()));
            place.begin_again();
            match try_batch(place, &fewer) {
                Err(_) => left = fewer,
                Ok(()) => at += size,
            }
        }
        size /= 2;
    }
    let mut shown = left.join(&b'\n');
    shown.truncate(2_000);
    shown
}

fn try_batch(place: &Place, lines: &[Vec<u8>]) -> Result<(), String> {
    let mut input = lines.join(&b'\n');
    input.push(b'\n');
    let outcome = Run::new(place, ["rpc"]).input(&input).outcome();
    if let Some(why) = outcome.misbehaved() {
        return Err(why);
    }
    if !outcome.is_done() {
        return Err(format!("rpc ended: {outcome}"));
    }
    let text = outcome.text();
    if let Some(line) =
        text.lines().find(|line| serde_json::from_str::<serde::de::IgnoredAny>(line).is_err())
    {
        return Err(format!("an answer that is no JSON: {}", head(line)));
    }
    let before = look(place, &place.db)?;
    for name in ROOTS {
        let verify = place.run(["verify", place.root.join(name).to_str().unwrap()]);
        // What was purged is missing, and nothing else.
        if !verify.is_done() && !input.windows(7).any(|word| word == b"\"purge\"") {
            return Err(format!("{verify}: {}", head(&verify.text())));
        }
    }
    let out = place.work.join("out");
    remove_tree(&out);
    let export = place.run(["export", out.to_str().unwrap()]);
    if !export.is_done() {
        return Err(format!("{export}"));
    }
    let rebuild = place.run(["rebuild"]);
    if !rebuild.is_done() {
        return Err(format!("{rebuild}"));
    }
    let after = look(place, &place.db).map_err(|why| format!("rebuilt: {why}"))?;
    let known = Known::of(&before);
    match State::of(&after, &known).differs_from(&State::of(&before, &known)) {
        Some(why) => Err(format!("rebuild changed something: {why}")),
        None => Ok(()),
    }
}
