//! Properties of any root of Claude Code, and the conversation compared with a walk
//! in memory that follows the rules literally.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use serde_json::Value;
use sessile::{Format, ImportOptions, NewSession, Timestamp};

use crate::odd_claude::{any_file, flat, marks, node, of};
use crate::properties::cases;
use crate::support::{THEN, TestStore, set_mtime};

const PATH: &str = "projects/-w/0a000000-0000-4000-8000-000000000001.jsonl";

fn options() -> ImportOptions {
    ImportOptions::new().format(Format::Claude)
}

fn text<'v>(record: &'v Value, key: &str) -> Option<&'v str> {
    record.get(key)?.as_str()
}

fn is_true(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::Bool(value)) => *value,
        Some(Value::Number(number)) => number.as_f64() != Some(0.0),
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(members)) => !members.is_empty(),
    }
}

fn is_main(node: &Value) -> bool {
    !["isSidechain", "teamName", "isMeta"].iter().any(|key| is_true(node.get(*key)))
}

fn is_message(node: &Value) -> bool {
    matches!(text(node, "type"), Some("user" | "assistant"))
}

fn message_id(node: &Value) -> Option<&str> {
    let id = node.get("message")?.get("id")?.as_str();
    id.filter(|id| text(node, "type") == Some("assistant") && !id.is_empty())
}

fn block_ids<'v>(node: &'v Value, block_type: &str, key: &str) -> Vec<&'v str> {
    let content = node.get("message").and_then(|message| message.get("content")?.as_array());
    let blocks =
        content.into_iter().flatten().filter(|block| text(block, "type") == Some(block_type));
    blocks.filter_map(|block| text(block, key)).collect()
}

fn is_same_writer(one: &Value, other: &Value) -> bool {
    is_true(one.get("isSidechain")) == is_true(other.get("isSidechain"))
        && one.get("agentId") == other.get("agentId")
}

/// The nodes of a file, walked as the rules say.
struct Walk<'v> {
    nodes: Vec<&'v Value>,
    /// The last record of each uuid, in the order in which uuids came first.
    order: Vec<&'v str>,
    last: HashMap<&'v str, usize>,
}

impl<'v> Walk<'v> {
    fn new(records: &'v [Value]) -> Self {
        let is_node = |record: &&Value| {
            let types = ["user", "assistant", "progress", "system", "attachment"];
            text(record, "type").is_some_and(|name| types.contains(&name))
                && text(record, "uuid").is_some()
        };
        let nodes: Vec<&Value> = records.iter().filter(is_node).collect();
        let (mut order, mut last) = (Vec::new(), HashMap::new());
        for (n, node) in nodes.iter().enumerate() {
            let uuid = text(node, "uuid").unwrap();
            if last.insert(uuid, n).is_none() {
                order.push(uuid);
            }
        }
        Self { nodes, order, last }
    }

    fn uuid(&self, n: usize) -> &'v str {
        text(self.nodes[n], "uuid").unwrap()
    }

    fn parent(&self, n: usize) -> Option<usize> {
        let parent = text(self.nodes[n], "parentUuid").filter(|parent| !parent.is_empty())?;
        self.last.get(parent).copied()
    }

    fn leaf(&self) -> Option<usize> {
        let named: HashSet<&str> =
            self.nodes.iter().filter_map(|node| text(node, "parentUuid")).collect();
        let mut candidates = Vec::new();
        for end in (0..self.nodes.len()).filter(|n| !named.contains(self.uuid(*n))) {
            let mut seen = HashSet::new();
            let mut next = Some(end);
            while let Some(n) = next.filter(|n| seen.insert(self.uuid(*n))) {
                if is_message(self.nodes[n]) {
                    candidates.push(n);
                    break;
                }
                next = self.parent(n);
            }
        }
        let main: Vec<usize> =
            candidates.iter().copied().filter(|n| is_main(self.nodes[*n])).collect();
        let of = if main.is_empty() { candidates } else { main };
        let stands = |n: usize| self.last[self.uuid(n)];
        let best = of.iter().map(|n| stands(*n)).max()?;
        of.into_iter().find(|n| stands(*n) == best)
    }

    fn chain(&self) -> Vec<usize> {
        let mut seen = HashSet::new();
        let mut chain = Vec::new();
        let mut next = self.leaf();
        while let Some(n) = next.filter(|n| seen.insert(self.uuid(*n))) {
            chain.push(n);
            next = self.parent(n);
        }
        chain.reverse();
        self.put_back(chain, seen)
    }

    /// The owner of each call; `None` where two responses claim it.
    fn owners(&self) -> HashMap<&'v str, Option<usize>> {
        let mut owners: HashMap<&str, Option<usize>> = HashMap::new();
        for n in self.order.iter().map(|uuid| self.last[uuid]) {
            let Some(id) = message_id(self.nodes[n]) else { continue };
            for call in block_ids(self.nodes[n], "tool_use", "id") {
                let owner = match owners.get(call) {
                    None => Some(n),
                    Some(owner) => {
                        owner.filter(|owner| message_id(self.nodes[*owner]) == Some(id)).map(|_| n)
                    }
                };
                owners.insert(call, owner);
            }
        }
        owners
    }

    /// Answers under the uuids that they may belong to.
    fn answers(&self, owners: &HashMap<&str, Option<usize>>) -> HashMap<&'v str, Vec<usize>> {
        let mut answers: HashMap<&str, Vec<usize>> = HashMap::new();
        for n in self.order.iter().map(|uuid| self.last[uuid]) {
            let node = self.nodes[n];
            let parent = text(node, "parentUuid").filter(|parent| !parent.is_empty());
            let content =
                node.get("message").and_then(|message| message.get("content")?.as_array());
            let answers_some = content.is_some_and(|blocks| {
                blocks.iter().any(|one| text(one, "type") == Some("tool_result"))
            });
            let Some(parent) =
                parent.filter(|_| answers_some && text(node, "type") == Some("user"))
            else {
                continue;
            };
            answers.entry(parent).or_default().push(n);
            let source = text(node, "sourceToolAssistantUUID");
            let source = source.and_then(|source| self.last.get(source)).copied();
            let called = block_ids(node, "tool_result", "tool_use_id");
            let called = called.into_iter().filter_map(|call| *owners.get(call)?);
            for owner in source.into_iter().chain(called) {
                if is_same_writer(node, self.nodes[owner]) {
                    answers.entry(self.uuid(owner)).or_default().push(n);
                }
            }
        }
        answers
    }

    fn put_back(&self, chain: Vec<usize>, mut seen: HashSet<&'v str>) -> Vec<usize> {
        let owners = self.owners();
        let answers = self.answers(&owners);
        let anchors: HashMap<&str, usize> =
            chain.iter().filter_map(|n| Some((message_id(self.nodes[*n])?, *n))).collect();
        let mut behind: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut done = HashSet::new();
        for id in chain.iter().filter_map(|n| message_id(self.nodes[*n])) {
            if !done.insert(id) {
                continue;
            }
            let found = self.missing(id, &chain, &seen, &owners, &answers);
            seen.extend(found.iter().map(|n| self.uuid(*n)));
            behind.insert(anchors[id], found);
        }
        let with = |n: usize| [n].into_iter().chain(behind.get(&n).cloned().unwrap_or_default());
        chain.into_iter().flat_map(with).collect()
    }

    fn missing(
        &self,
        id: &str,
        chain: &[usize],
        seen: &HashSet<&str>,
        owners: &HashMap<&str, Option<usize>>,
        answers: &HashMap<&str, Vec<usize>>,
    ) -> Vec<usize> {
        let all = self.order.iter().map(|uuid| self.last[uuid]);
        let group: Vec<usize> = all.filter(|n| message_id(self.nodes[*n]) == Some(id)).collect();
        let members: HashSet<&str> = group.iter().map(|n| self.uuid(*n)).collect();
        let mut siblings: Vec<usize> =
            group.iter().copied().filter(|n| !seen.contains(self.uuid(*n))).collect();
        let (mut results, mut strays) = (Vec::new(), Vec::new());
        for member in &group {
            for &n in answers.get(self.uuid(*member)).into_iter().flatten() {
                if seen.contains(self.uuid(n)) || results.contains(&n) || strays.contains(&n) {
                    continue;
                }
                let is_child = members.contains(text(self.nodes[n], "parentUuid").unwrap());
                if is_child { results.push(n) } else { strays.push(n) }
            }
        }
        let calls = |n: usize| block_ids(self.nodes[n], "tool_result", "tool_use_id");
        let mut answered: HashSet<&str> =
            chain.iter().chain(&results).flat_map(|n| calls(*n)).collect();
        strays.sort_by_key(|n| self.order.iter().position(|uuid| *uuid == self.uuid(*n)));
        for n in strays {
            let is_open = |call: &&str| {
                let owner = owners.get(call).copied().flatten();
                !answered.contains(call)
                    && owner.is_some_and(|owner| members.contains(self.uuid(owner)))
            };
            if calls(n).iter().any(is_open) {
                answered.extend(calls(n));
                results.push(n);
            }
        }
        let time = |n: &usize| text(self.nodes[*n], "timestamp").unwrap_or_default();
        siblings.sort_by_key(time);
        results.sort_by_key(time);
        siblings.extend(results);
        siblings
    }
}

fn records(file: &[u8]) -> Vec<Value> {
    let lines = file.split(|byte| *byte == b'\n');
    let values = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    values.filter(Value::is_object).collect()
}

fn check_conversation(file: &[u8]) -> Result<(), TestCaseError> {
    let test = TestStore::quick();
    test.write(PATH, file);
    test.store.import(&test.root, &options()).unwrap();
    let row = test.row(PATH);
    let records = records(file);
    let walk = Walk::new(&records);
    let chain = walk.chain();
    let ids: Vec<&str> = chain.iter().map(|n| walk.uuid(*n)).collect();
    let shown = chain.iter().filter(|n| is_message(walk.nodes[**n]) && is_main(walk.nodes[**n]));
    let shown: Vec<&Value> = shown.map(|n| &walk.nodes[*n]["message"]).collect();
    let context: Vec<&Value> =
        row["context"].as_array().unwrap().iter().map(|message| &message["message"]).collect();
    prop_assert_eq!(&row["branch"], &Value::from(ids));
    prop_assert_eq!(&row["leaf"], &Value::from(walk.leaf().map(|n| walk.uuid(n))));
    prop_assert_eq!(&row["message_count"], &Value::from(shown.len()));
    prop_assert_eq!(context, shown);
    let session = test.store.find(PATH).unwrap();
    let path: Vec<String> = session.path().unwrap().into_iter().map(|entry| entry.id).collect();
    prop_assert_eq!(Value::from(path), row["branch"].clone());
    prop_assert_eq!(session.capture().unwrap().entries.len(), chain.len());
    prop_assert_eq!(test.store.check().unwrap(), []);
    Ok(())
}

/// Records of a session that mostly goes on, each with a uuid of its own: the
/// parent is one of those shortly before.
fn going_on() -> impl Strategy<Value = Vec<String>> {
    let kind = of(&["user", "user", "assistant", "assistant", "assistant", "progress", "system"]);
    let back = prop_oneof![8 => Just(1_usize), 2 => 2..5_usize, 1 => Just(99)];
    let message_id = prop_oneof![
        2 => Just(String::new()),
        3 => (0..9_u8).prop_map(|n| format!(",\"id\":\"m{n}\"")),
    ];
    let call = (of(&["tool_use", "tool_result"]), 0..9_u8);
    let content = prop_oneof![
        2 => Just("\"text\"".to_owned()),
        3 => call.prop_map(|(kind, n)| match kind {
            "tool_use" => format!("[{{\"type\":\"tool_use\",\"id\":\"t{n}\",\"name\":\"N\"}}]"),
            _ => format!("[{{\"type\":\"tool_result\",\"tool_use_id\":\"t{n}\"}}]"),
        }),
    ];
    let usage = of(&["", ",\"model\":\"o\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}"]);
    let step = prop_oneof![
        9 => (kind, back, message_id, content, marks(), usage).prop_map(Some),
        1 => Just(None),
    ];
    proptest::collection::vec((step, flat()), 1..24).prop_map(|steps| {
        let record = |(n, (step, flat)): (usize, &(Option<_>, String))| {
            let Some((kind, back, message_id, content, marks, usage)) = step else {
                return flat.clone();
            };
            let back: &usize = back;
            let parent = match n.checked_sub(*back) {
                Some(parent) => format!("\"n{parent}\""),
                None => "null".to_owned(),
            };
            format!(
                "{{\"parentUuid\":{parent},\"type\":\"{kind}\",\"uuid\":\"n{n}\",\"cwd\":\"/w\",\
                 \"message\":{{\"content\":{content}{message_id}{usage}}}{marks}}}"
            )
        };
        let records = steps.iter().enumerate().map(record);
        records.filter(|record| record.starts_with('{') && !record.starts_with("{}")).collect()
    })
}

/// Appends records one by one; after each, the store is as the log says.
fn go_on(records: &[String]) -> Result<(), TestCaseError> {
    let test = TestStore::quick();
    let new = NewSession::new("/w").format(Format::Claude).at(Timestamp(0));
    let session = test.store.create(&new).unwrap();
    for record in records {
        session.append_record(record).unwrap();
        prop_assert_eq!(test.store.check().unwrap(), [], "{}", record);
    }
    check_conversation(records.join("\n").as_bytes())
}

#[test]
fn an_answer_between_two_messages_takes_the_place_of_one_that_was_put_back() {
    let node = |parent: &str, kind: &str, uuid: &str, content: &str, marks: &str| {
        format!(
            r#"{{"parentUuid":{parent},"type":"{kind}","uuid":"{uuid}","message":{{"content":{content}{marks}}}"#
        )
    };
    let answer = r#"[{"type":"tool_result","tool_use_id":"c"}]"#;
    let call = r#"[{"type":"tool_use","id":"c","name":"N"}],"id":"m""#;
    go_on(&[
        node("null", "user", "a", "\"t\"", "}"),
        node("\"a\"", "user", "b", answer, r#"},"agentId":"x""#),
        node("\"a\"", "user", "c", "\"t\"", "}"),
        node("\"c\"", "assistant", "d", call, r#"},"agentId":"x""#),
        node("\"d\"", "progress", "e", answer, "}"),
        node("\"e\"", "user", "f", "\"t\"", "}"),
    ])
    .unwrap();
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_conversation_is_what_a_walk_by_the_rules_finds(
        lines in proptest::collection::vec(node(), 1..24)
    ) {
        check_conversation((lines.join("\n") + "\n").as_bytes())?;
    }

    #[test]
    fn a_conversation_is_that_also_among_odd_lines(file in any_file()) {
        check_conversation(&file)?;
    }

    #[test]
    fn records_appended_one_by_one_lead_where_one_import_does(records in going_on()) {
        go_on(&records)?;
    }

    #[test]
    fn a_file_that_grows_line_by_line_leads_where_one_import_does(records in going_on()) {
        let test = TestStore::quick();
        for (n, record) in records.iter().enumerate() {
            let path = test.write(PATH, records[..n].join("\n") + "\n" + record + "\n");
            set_mtime(&path, THEN + i64::try_from(n).unwrap(), 0);
            test.store.import(&test.root, &options()).unwrap();
            prop_assert_eq!(test.store.check().unwrap(), [], "{}", record);
        }
    }
}
