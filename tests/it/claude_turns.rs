//! Conversations of Claude Code that leave a branch and return to it: determined
//! from the rows, they equal a fold of all records.

use proptest::prelude::*;
use serde_json::{Value, json};
use sessile::{Format, NewSession, Session, Timestamp};

use crate::claude::{ID, of_records, said};
use crate::properties::cases;
use crate::support::{THEN, TestStore};

/// The uuid of the node with this number. Uuids are stored as bytes, other ids as text.
pub(crate) fn uuid(number: usize) -> String {
    format!("{number:08x}-0000-4000-8000-00000000000a")
}

/// A history that is written as the program would, more or less.
#[derive(Default)]
struct History {
    records: Vec<Value>,
    /// Uuids so far, and the one that what comes next stands behind.
    nodes: Vec<String>,
    last: Option<String>,
    /// Calls without an answer, each with the part that made it.
    open: Vec<(String, String)>,
}

impl History {
    fn any(&self, n: u8) -> Option<String> {
        self.nodes.get(usize::from(n) % self.nodes.len().max(1)).cloned()
    }

    /// Adds a node behind another; its time is one of a few, so that order counts.
    fn node(&mut self, kind: &str, parent: Option<&str>, fields: &Value) -> String {
        let uuid = uuid(self.nodes.len());
        let time = format!("2026-01-01T00:00:0{}Z", (self.nodes.len() * 7) % 4);
        let mut node = json!({"type": kind, "uuid": uuid, "parentUuid": parent, "timestamp": time});
        for (key, value) in fields.as_object().unwrap() {
            node[key] = value.clone();
        }
        self.records.push(node);
        self.nodes.push(uuid.clone());
        uuid
    }

    /// A response of several parts, each with a call or without.
    fn respond(&mut self, parts: u8, marks: &Value) {
        let id = format!("m{}", self.nodes.len());
        for part in 0..=parts % 3 {
            let call = format!("t{}", self.nodes.len());
            let content = match (parts >> part) & 4 {
                0 => json!([{"type": "text", "text": "x"}]),
                _ => json!([{"type": "tool_use", "id": call, "name": "N"}]),
            };
            let calls = content[0]["id"].is_string();
            let mut fields = marks.clone();
            fields["message"] = json!({"id": id, "content": content});
            let uuid = self.node("assistant", self.last.clone().as_deref(), &fields);
            if calls {
                self.open.push((call, uuid.clone()));
            }
            self.last = Some(uuid);
        }
    }

    /// Answers one of the open calls, below its part or below a note of it.
    fn answer(&mut self, n: u8, marks: &Value) {
        if self.open.is_empty() {
            return;
        }
        let (call, part) = self.open.remove(usize::from(n) % self.open.len());
        let note = (n & 32 != 0).then(|| self.node("progress", Some(&part), &json!({})));
        let mut fields = marks.clone();
        fields["message"] = json!({"content": [{"type": "tool_result", "tool_use_id": call}]});
        if n & 64 != 0 {
            fields["sourceToolAssistantUUID"] = json!(part);
        }
        let uuid = self.node("user", Some(note.as_deref().unwrap_or(&part)), &fields);
        self.last = Some(uuid);
    }

    fn say(&mut self, parent: Option<&str>, mut fields: Value) {
        fields["message"] = json!({"role": "user", "content": "x"});
        self.last = Some(self.node("user", parent, &fields));
    }

    fn step(&mut self, op: u8, n: u8) {
        let last = self.last.clone();
        let aside = json!({"isSidechain": true});
        match op {
            0..4 => self.respond(n, &json!({})),
            4..9 => self.answer(n, &json!({})),
            9..11 => self.say(last.as_deref(), json!({})),
            // Said anew, or gone on with elsewhere.
            11 => self.say(self.any(n).as_deref(), json!({})),
            12 => self.last = self.any(n),
            13 => {
                let kind = ["progress", "system", "attachment"][usize::from(n % 3)];
                let parent = if n & 8 == 0 { last } else { self.any(n) };
                self.last = Some(self.node(kind, parent.as_deref(), &json!({})));
            }
            14 => {
                let boundary = self.node("system", None, &json!({"subtype": "compact_boundary"}));
                self.say(Some(&boundary), json!({"isCompactSummary": true}));
            }
            // An agent within, and what comes behind it.
            15 => {
                self.say(self.any(n).filter(|_| n & 1 != 0).as_deref(), aside.clone());
                self.respond(n, &aside);
                self.answer(n, &aside);
                self.last = last;
            }
            16 => self.say(last.as_deref(), json!({"isMeta": true})),
            // What the program does not write: an answer from elsewhere, a part without another above it.
            17 => self.answer_from_elsewhere(n),
            // A parent that comes later, or never.
            18 => {
                let later = uuid(self.nodes.len() + 1 + usize::from(n % 4));
                self.say(Some(&later), json!({}));
            }
            _ => {
                let id = format!("m{}", n % 8);
                let fields = json!({"message": {"id": id, "content": []}});
                self.last = Some(self.node("assistant", self.any(n).as_deref(), &fields));
            }
        }
    }

    fn answer_from_elsewhere(&mut self, n: u8) {
        let call = self.open.get(usize::from(n) % self.open.len().max(1));
        let call = call.map_or("t0".to_owned(), |(call, _)| call.clone());
        let fields =
            json!({"message": {"content": [{"type": "tool_result", "tool_use_id": call}]}});
        self.last = Some(self.node("user", self.any(n).as_deref(), &fields));
    }
}

/// What is done with a session: records are appended, or its leaf is moved.
fn steps(ops: u8) -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    proptest::collection::vec((0..ops, any::<u8>(), any::<u8>()), 1..20)
}

fn move_leaf(session: &Session, entry: Option<&str>) {
    match entry {
        Some(entry) => session.branch(entry).unwrap(),
        None => session.reset_leaf().unwrap(),
    }
}

fn check_steps(steps: &[(u8, u8, u8)], moves: bool) -> Result<(), TestCaseError> {
    let test = TestStore::quick();
    let new = NewSession::new("/w").format(Format::Claude).at(Timestamp(0));
    let session = test.store.create(&new).unwrap();
    let mut history = History::default();
    for step in steps {
        let before = history.records.len();
        history.step(step.0, step.1);
        for record in &history.records[before..] {
            session.append_record(record).unwrap();
        }
        prop_assert_eq!(test.store.check().unwrap(), [], "{:?}", history.records.last());
        if moves && step.2 < 48 {
            let entry = history.any(step.2).filter(|_| step.2 != 0);
            move_leaf(&session, entry.as_deref());
            prop_assert_eq!(test.store.check().unwrap(), [], "moved to {:?}", entry);
            if step.2 % 2 == 0 {
                let typed = r#"{"role":"user","content":"typed"}"#;
                let uuid = uuid(history.nodes.len());
                session.with_id(&uuid).append_message(typed).unwrap();
                prop_assert_eq!(test.store.check().unwrap(), [], "behind {:?}", entry);
                history.last = Some(uuid.clone());
                history.nodes.push(uuid);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_session_that_leaves_its_branch_is_as_one_that_is_folded_anew(steps in steps(17)) {
        check_steps(&steps, false)?;
    }

    #[test]
    fn so_is_one_whose_leaf_is_moved(steps in steps(17)) {
        check_steps(&steps, true)?;
    }

    #[test]
    fn so_is_one_whose_records_do_not_hang_together(steps in steps(21)) {
        check_steps(&steps, true)?;
    }

    #[test]
    fn so_is_a_file_that_grows_by_several_records(steps in steps(21)) {
        let test = TestStore::quick();
        let mut history = History::default();
        for (number, step) in steps.iter().enumerate() {
            history.step(step.0, step.1);
            if step.2 % 3 == 0 {
                let path = test.write(format!("projects/-w/{ID}.jsonl"), crate::claude::lines(&history.records));
                crate::support::set_mtime(&path, THEN + i64::try_from(number).unwrap(), 0);
                test.store.import(&test.root, &crate::claude::options()).unwrap();
                prop_assert_eq!(test.store.check().unwrap(), []);
            }
        }
    }
}

#[test]
fn a_branch_that_is_left_is_found_again_without_what_stands_before() {
    let part = |uuid: &str, parent: &str, id: &str, call: &str| {
        let content = json!([{"type": "tool_use", "id": call, "name": "N"}]);
        json!({"type": "assistant", "uuid": uuid, "parentUuid": parent, "message": {"id": id, "content": content}})
    };
    let answer = |uuid: &str, parent: &str, call: &str| {
        let content = json!([{"type": "tool_result", "tool_use_id": call}]);
        json!({"type": "user", "uuid": uuid, "parentUuid": parent, "message": {"content": content}})
    };
    let test = of_records(&[said("a", None, "x"), said("b", Some("a"), "y")]);
    let session = test.store.find(ID).unwrap();
    session.append_record(said("c", Some("b"), "first of a local chain")).unwrap();
    // Seen in a fold from the first record on, and only there.
    test.sqlite().execute("UPDATE entries SET created_at = 7 WHERE entry_id = 'a'", []).unwrap();
    let branch = || test.row(ID)["branch"].clone();

    for record in [part("d", "c", "m", "t"), part("e", "d", "m", "u"), answer("f", "d", "t")] {
        session.append_record(&record).unwrap();
    }
    assert_eq!(branch(), json!(["a", "b", "c", "d", "e", "f"]));
    session.append_record(answer("g", "e", "u")).unwrap();
    assert_eq!(branch(), json!(["a", "b", "c", "d", "e", "f", "g"]));
    session.append_record(said("h", Some("b"), "instead")).unwrap();
    assert_eq!(branch(), json!(["a", "b", "h"]));
    session.branch("g").unwrap();
    assert_eq!(branch(), json!(["a", "b", "c", "d", "e", "f", "g"]));
    session.branch("c").unwrap();
    let typed = r#"{"role":"user","content":"typed"}"#;
    session.with_id("i").append_message(typed).unwrap();
    assert_eq!(branch(), json!(["a", "b", "c", "i"]));
    session.with_id("s").compact(&sessile::Compaction::new("all")).unwrap();
    session.reset_leaf().unwrap();
    session.with_id("j").append_message(typed).unwrap();
    assert_eq!((branch(), &test.row(ID)["message_count"]), (json!(["j"]), &json!(1)));

    let created: i64 = test
        .sqlite()
        .query_row("SELECT created_at FROM entries WHERE entry_id = 'a'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(created, 7, "the session was folded anew");
}
