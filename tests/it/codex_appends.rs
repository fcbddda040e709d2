//! Records appended to a thread of Codex: determined from the rows, the result
//! equals a fold of all records.

use proptest::prelude::*;
use serde_json::{Value, json};
use sessile::{Format, NewSession, Session, Timestamp};

use crate::properties::cases;
use crate::support::TestStore;

const THREAD: &str = "0199d000-0001-7000-8000-000000000001";

fn record(kind: &str, payload: &Value) -> Value {
    json!({"timestamp": "2026-02-01T10:00:01.000Z", "type": kind, "payload": payload})
}

/// A new thread; in one that counts its records, those before `start` are inherited.
fn begin(test: &TestStore, mode: &str, start: u32) -> Session {
    let mut meta = record(
        "session_meta",
        &json!({"id": THREAD, "timestamp": "2026-02-01T10:00:00.000Z", "cwd": "/w", "originator": "o",
                "cli_version": "1", "source": "cli", "history_mode": mode}),
    );
    if mode == "paginated" {
        meta["ordinal"] = json!(0);
        meta["payload"]["subagent_history_start_ordinal"] = json!(start);
    }
    let new = NewSession::new("").format(Format::Codex).record(&meta.to_string());
    test.store.create(&new).unwrap()
}

/// An event, of those that tell of turns; ids are few, so that they come again.
fn event(op: u8, n: u8) -> Value {
    let turn = format!("t{}", n % 3);
    let id = match n % 8 {
        7 => "line:4".to_owned(),
        6 => "item-1".to_owned(),
        id => format!("i{id}"),
    };
    let item = |kind: &str, part: &str| json!({"type": "item_completed", "turn_id": turn, "item": {"type": kind, "id": id, "text": "x", "content": [{"type": part, "text": "x"}]}});
    match op {
        0 => json!({"type": "task_started", "turn_id": turn}),
        1 => json!({"type": "task_complete", "turn_id": turn}),
        2 => json!({"type": "turn_aborted", "reason": "interrupted"}),
        3 | 4 => json!({"type": "user_message", "message": if n < 32 { "" } else { "ask" }}),
        5 | 6 => json!({"type": "agent_message", "message": "say"}),
        7 => item("UserMessage", "text"),
        8 => item("AgentMessage", "Text"),
        9 => item("Plan", "text"),
        10 => {
            json!({"type": "web_search_end", "call_id": id, "query": "q", "action": {"type": "other"}})
        }
        11 => json!({"type": "exited_review_mode", "turn_id": turn, "item_id": id}),
        12 => json!({"type": "agent_reasoning", "text": "r"}),
        13 => {
            let total = json!({"total_tokens": n});
            json!({"type": "token_count", "info": {"total_token_usage": total, "last_token_usage": total}})
        }
        14 => {
            json!({"type": "thread_settings_applied", "thread_settings": {"model": format!("m{n}")}})
        }
        15 => json!({"type": "thread_rolled_back", "num_turns": n % 4}),
        _ => json!({"type": "nothing_that_is_known"}),
    }
}

fn step(op: u8, n: u8) -> Value {
    let said = |role: &str| json!({"type": "message", "role": role, "content": [{"type": "input_text", "text": "x"}]});
    let mut record = match op {
        17 => record("response_item", &said("user")),
        18 => record("response_item", &said("assistant")),
        19 => record(
            "turn_context",
            &json!({"cwd": if n < 64 { "/v" } else { "/w" }, "model": "m", "effort": "high"}),
        ),
        20 => record("turn_context", &json!({"model": "old", "sandbox_policy": {"mode": "x"}})),
        21 => record("compacted", &json!({"message": "all"})),
        22 => record(
            "session_meta",
            &json!({"id": THREAD, "timestamp": "t", "cwd": "/u", "originator": "o",
                    "cli_version": "1", "model_provider": "p"}),
        ),
        op => record("event_msg", &event(op, n)),
    };
    if n.is_multiple_of(11) {
        record["ordinal"] = json!(n % 5);
    }
    record
}

fn check_steps(mode: &str, steps: &[(u8, u8)]) -> Result<(), TestCaseError> {
    let test = TestStore::quick();
    let session = begin(&test, mode, 3);
    for (op, n) in steps {
        let record = step(*op, *n);
        session.at(Timestamp(i64::from(*n) * 1_000_500)).append_record(&record).unwrap();
        prop_assert_eq!(test.store.check().unwrap(), [], "{}", record);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_thread_that_goes_on_is_as_one_that_is_folded_anew(
        mode in prop::sample::select(&["legacy", "paginated"][..]),
        steps in proptest::collection::vec((0..23_u8, any::<u8>()), 1..16),
    ) {
        check_steps(mode, &steps)?;
    }

    #[test]
    fn so_is_one_of_turns_as_the_program_writes_them(
        mode in prop::sample::select(&["legacy", "paginated"][..]),
        turns in proptest::collection::vec((0..3_u8, proptest::collection::vec((3..15_u8, any::<u8>()), 0..9)), 1..5),
    ) {
        let steps = turns.iter().flat_map(|(turn, steps)| {
            // Items of the turn that is open.
            let of_turn = move |(op, n): &(u8, u8)| (*op, n.min(&251) / 3 * 3 + turn);
            [(0, *turn)].into_iter().chain(steps.iter().map(of_turn)).chain([(1, *turn)])
        });
        check_steps(mode, &steps.collect::<Vec<_>>())?;
    }

    #[test]
    fn so_is_one_whose_lines_come_several_at_once(
        mode in prop::sample::select(&["legacy", "paginated"][..]),
        batches in proptest::collection::vec(
            proptest::collection::vec((0..23_u8, any::<u8>()), 0..6), 1..5
        ),
    ) {
        let test = TestStore::quick();
        let session = begin(&test, mode, 3);
        let mut count = u32::try_from(session.lines(0).unwrap().len()).unwrap();
        for batch in batches {
            let lines: Vec<String> =
                batch.iter().map(|(op, n)| step(*op, *n).to_string()).collect();
            let numbers = session.append_lines(&lines).unwrap();
            let expected: Vec<u32> = (count + 1..).take(lines.len()).collect();
            prop_assert_eq!(numbers, expected);
            prop_assert_eq!(test.store.check().unwrap(), [], "{:?}", lines);
            for (written, line) in session.lines(count).unwrap().iter().zip(&lines) {
                prop_assert_eq!(written, &format!("{line}\n").into_bytes());
            }
            count += u32::try_from(lines.len()).unwrap();
        }
    }
}

#[test]
fn an_append_reads_nothing_of_what_stands_before_it() {
    for mode in ["legacy", "paginated"] {
        let test = TestStore::quick();
        let session = begin(&test, mode, 1);
        for record in [step(0, 1), step(3, 64), step(7, 1)] {
            session.append_record(&record).unwrap();
        }
        // Seen in a fold from the first record on, and only there.
        test.sqlite()
            .execute("UPDATE entries SET created_at = 7 WHERE entry_id = 'line:1'", [])
            .unwrap();

        for (op, n) in [
            (17, 1),
            (8, 4),
            (8, 4),
            (5, 1),
            (13, 9),
            (14, 1),
            (19, 1),
            (20, 1),
            (16, 1),
            (1, 1),
            (0, 2),
            (7, 2),
        ] {
            session.append_record(step(op, n)).unwrap();
        }

        let created: i64 = test
            .sqlite()
            .query_row("SELECT created_at FROM entries WHERE entry_id = 'line:1'", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(created, 7, "{mode}: the thread was folded anew");
        test.store.rebuild().unwrap();
        let row = test.row(THREAD);
        assert_eq!((&row["model"], &row["work_dir"]), (&json!("old"), &json!("/v")), "{row}");
        assert_eq!(row["message_count"], json!(if mode == "legacy" { 2 } else { 3 }), "{row}");
        assert_eq!(test.store.check().unwrap(), []);
    }
}
