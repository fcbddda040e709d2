//! The HTML page of a session: its content, and that nothing in a log becomes
//! markup.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use html5gum::{DefaultEmitter, Token, Tokenizer};
use proptest::prelude::*;
use serde_json::{Value, json};
use sessile::{Archived, Format, ImportOptions, SessionFilter};
use sha2::{Digest, Sha256};

use crate::properties::cases_or;
use crate::support::{TestStore, fixture, header, line, message, snapshot};

/// What would do something in a page if it were not escaped.
pub(crate) const HOSTILE: &str = "</pre></script><script>alert(1)</script><img src=x onerror='a()'>\"' onclick=\"b()\u{0}\u{202e}&lt;";

fn page(test: &TestStore, session: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .arg("--db")
        .arg(test.store.path())
        .args(["html", "--", session])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The elements of the template, each with its attributes.
const TEMPLATE: &[(&str, &[&str])] = &[
    ("a", &["class", "href"]),
    ("article", &["class", "data-answers", "id"]),
    ("b", &[]),
    ("body", &["data-after", "data-events", "data-leaf"]),
    ("button", &["id", "title"]),
    ("details", &["class", "data-call", "open"]),
    ("div", &["class", "id"]),
    ("form", &["action", "method"]),
    ("h1", &[]),
    ("h2", &["class"]),
    ("head", &[]),
    ("header", &[]),
    ("html", &["lang"]),
    ("img", &["alt", "loading", "src"]),
    ("input", &["aria-label", "checked", "id", "name", "placeholder", "type", "value"]),
    ("label", &[]),
    ("li", &["class", "data-run"]),
    ("main", &[]),
    ("mark", &[]),
    ("meta", &["charset", "content", "http-equiv", "name"]),
    ("nav", &["id"]),
    ("ol", &[]),
    ("option", &["selected", "value"]),
    ("output", &["id"]),
    ("p", &["class", "id"]),
    ("pre", &[]),
    ("rect", &["height", "width", "x", "y"]),
    ("script", &[]),
    ("section", &["class", "data-parent", "data-run"]),
    ("select", &["aria-label", "name"]),
    ("style", &[]),
    ("summary", &[]),
    ("svg", &["aria-label", "class", "preserveaspectratio", "role", "viewbox"]),
    ("table", &[]),
    ("td", &["class"]),
    ("th", &["class"]),
    ("title", &[]),
    ("tr", &[]),
    ("ul", &["class"]),
];

/// Names of classes, which no log has a say in.
const CLASSES: &[&str] = &[
    "answer",
    "axis",
    "bar",
    "here",
    "live",
    "n",
    "name",
    "plot",
    "rows",
    "site",
    "article",
    "assistant",
    "event",
    "facts",
    "fork",
    "head",
    "long",
    "on",
    "other",
    "run",
    "said",
    "summary",
    "switch",
    "thinking",
    "tool",
    "tools",
    "user",
    "d0",
    "d1",
    "d2",
    "d3",
    "d4",
    "d5",
    "d6",
    "d7",
    "d8",
];

/// Takes a page apart as a browser does, and compares it with the template. Its
/// links lead to itself, or below the path where it is served.
#[track_caller]
pub(crate) fn check_template(page: &str, base: Option<&str>) {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    let mut anchors = BTreeSet::new();
    let mut scripts = 0;
    for token in Tokenizer::new_with_emitter(page, emitter).flatten() {
        let tag = match token {
            Token::StartTag(tag) => tag,
            Token::Error(error) => panic!("{error:?} in {page}"),
            Token::Comment(comment) => panic!("{comment:?} in {page}"),
            _ => continue,
        };
        let name = String::from_utf8_lossy(&tag.name).into_owned();
        let known = TEMPLATE.iter().find(|(known, _)| *known == name);
        let (_, attributes) = known.unwrap_or_else(|| panic!("<{name}> in {page}"));
        scripts += usize::from(name == "script" || name == "style");
        for (key, value) in &tag.attributes {
            let (key, value) = (String::from_utf8_lossy(key), String::from_utf8_lossy(value));
            assert!(attributes.contains(&&*key), "<{name} {key}> in {page}");
            let is_ours = match &*key {
                "href" => {
                    value.starts_with("#e-") || base.is_some_and(|base| value.starts_with(base))
                }
                "src" => value.starts_with("data:image/png;base64,"),
                "class" => value.split_whitespace().all(|class| CLASSES.contains(&class)),
                "id" if value.starts_with("e-") => anchors.insert(value.into_owned()),
                _ => true,
            };
            assert!(is_ours, "<{name} {key}> in {page}");
        }
    }
    assert_eq!(scripts, 2, "{page}");
    assert!(!page.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')), "{page}");
}

/// A session of which every text is hostile: ids, roles, labels, tools, models, pictures.
pub(crate) fn hostile_session(id: &str, texts: &[String]) -> String {
    let text = |n: usize| &texts[n % texts.len()];
    let mut lines = header(id);
    for n in 0..texts.len() {
        let parent = n.checked_sub(1 + n % 3).map(|parent| format!("{parent}{}", text(parent)));
        let (entry, said) = (format!("{n}{}", text(n)), text(n));
        let content = match n % 4 {
            0 => json!([{"type": "text", "text": said}, {"type": "thinking", "thinking": said}]),
            1 => json!([{"type": "toolCall", "id": said, "name": said, "arguments": {said: said}}]),
            2 => json!([{"type": "image", "mimeType": said, "path": said, "data": said},
                        {"type": said, "other": said}]),
            _ => json!(said),
        };
        let role = match n % 5 {
            0 => "user",
            1 => "tool",
            2 => "compactionSummary",
            _ => said,
        };
        lines.push_str(&line(&json!({
            "type": if n % 7 == 0 { said } else { "message" }, "id": entry, "parentId": parent,
            "timestamp": "2026-01-01T00:00:01.000Z",
            "message": {"role": role, "content": content, "tool_call_id": text(n + 1), "model": said,
                        "summary": said, "name": said},
        })));
        lines.push_str(&line(&json!({
            "type": "label", "id": format!("l{n}"), "targetId": entry, "label": said,
            "timestamp": "2026-01-01T00:00:02.000Z",
        })));
    }
    lines
}

proptest! {
    #![proptest_config(cases_or(12))]

    #[test]
    fn no_text_of_a_log_becomes_an_element_or_an_attribute(
        texts in prop::collection::vec(
            "([<>&\"'/ =a-z`\\x00\\r\\n]|<script>|</pre>|</script>|</title>|<!--|]]>|<svg onload=|javascript:|data:text/html,|&#60;|\\PC|.){0,40}",
            1..40,
        )
    ) {
        let test = TestStore::new();
        let texts = [&texts[..], &[HOSTILE.to_owned()]].concat();
        test.write("sessions/--w--/one.jsonl", hostile_session("one", &texts));
        test.import();

        check_template(&page(&test, "one"), None);
    }
}

/// Puts texts in the place of what a log says, its ids and types kept for the most part.
fn garble(value: &mut Value, key: &str, texts: &mut dyn FnMut() -> String, kept: &mut u32) {
    const STRUCTURE: [&str; 16] = [
        "type",
        "role",
        "id",
        "uuid",
        "parentUuid",
        "parentId",
        "sessionId",
        "session_id",
        "version",
        "timestamp",
        "call_id",
        "tool_use_id",
        "turn_id",
        "kind",
        "targetId",
        "history_mode",
    ];
    match value {
        Value::String(said) => {
            *kept += u32::from(STRUCTURE.contains(&key));
            if !STRUCTURE.contains(&key) || kept.is_multiple_of(9) {
                *said = texts();
            }
        }
        Value::Array(values) => values.iter_mut().for_each(|value| garble(value, key, texts, kept)),
        Value::Object(members) => {
            members.iter_mut().for_each(|(key, value)| garble(value, key, texts, kept));
        }
        _ => {}
    }
}

/// A root like that of a fixture, whose logs say other things.
fn garbled(fixture_name: &str, texts: &[String]) -> TestStore {
    let test = TestStore::new();
    let (mut next, mut kept) = (texts.iter().cycle().cloned(), 0);
    let root = fixture(fixture_name);
    for (path, (_, _, bytes)) in snapshot(&root) {
        let name = path.to_string_lossy().into_owned();
        if root.join(&path).is_dir() || ![".jsonl", ".json"].iter().any(|end| name.ends_with(end)) {
            continue;
        }
        let mut content = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match serde_json::from_slice::<Value>(line) {
                Ok(mut value) => {
                    garble(&mut value, "", &mut || next.next().unwrap_or_default(), &mut kept);
                    content.extend_from_slice(format!("{value}\n").as_bytes());
                }
                Err(_) => content.extend_from_slice(line),
            }
        }
        test.write(&path, content);
    }
    test
}

proptest! {
    #![proptest_config(cases_or(3))]

    #[test]
    fn no_text_of_any_format_becomes_an_element_or_an_attribute(
        texts in prop::collection::vec("([<>&\"'/ =a-z`\\x00]|<script>|</pre>|javascript:|\\PC){1,30}", 1..40)
    ) {
        for (name, format) in [
            ("kward/small", Format::Kward),
            ("pi/small", Format::Pi),
            ("kimi/small", Format::Kimi),
            ("claude/small", Format::Claude),
            ("codex/small", Format::Codex),
        ] {
            let test = garbled(name, &[&texts[..], &[HOSTILE.to_owned()]].concat());
            test.store.import(&test.root, &ImportOptions::new().format(format)).unwrap();
            prop_assert!(0 < check_pages(&test), "{name}");
        }
    }
}

/// Checks the page of each session; returns how many there are.
fn check_pages(test: &TestStore) -> usize {
    let all = SessionFilter::new().archived(Archived::Included).all_sources(true).limit(1000);
    let rows = test.store.sessions(&all).unwrap().rows;
    for row in &rows {
        let session = test.store.session(row.key).unwrap();
        // An argument holds no NUL.
        let name = session.unique_name().unwrap();
        let file = session.info().unwrap().file.to_string_lossy().into_owned();
        let name = if name.contains('\0') { file } else { name };
        check_template(&page(test, &name), None);
    }
    rows.len()
}

#[test]
fn the_pages_of_all_fixtures_have_what_the_template_has() {
    for fixture in [
        "demo/kward",
        "demo/pi",
        "kward/small",
        "kward/edge",
        "kward/tree",
        "pi/small",
        "kimi/small",
        "claude/small",
        "codex/small",
    ] {
        check_pages(&TestStore::of_fixture(fixture));
    }
}

#[test]
fn hostile_text_is_shown_as_it_is_spelt() {
    let test = TestStore::new();
    let body = [message(HOSTILE, None, HOSTILE), message("y", Some(HOSTILE), HOSTILE)];
    test.write("sessions/--w--/one.jsonl", header("one") + &body.concat());
    test.import();

    let page = page(&test, "one");

    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(page.contains("\\u0000\\u202e"), "{page}");
}

#[test]
fn a_picture_is_shown_where_its_bytes_are_those_of_a_raster() {
    let test = TestStore::new();
    let png = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==";
    let svg = "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIG9ubG9hZD0iYSgpIi8+";
    let image = |mime: &str, data: &str| json!({"type": "image", "mimeType": mime, "data": data});
    test.write("sessions/--w--/one.jsonl", header("one") + &line(&json!({
        "type": "message", "id": "a", "parentId": null, "timestamp": "2026-01-01T00:00:01.000Z",
        "message": {"role": "user",
                    "content": [image("text/html", png), image("image/png", svg)]},
    })));
    test.import();

    let page = page(&test, "one");

    assert!(page.contains(&format!("src=\"data:image/png;base64,{png}\"")), "{page}");
    assert!(page.contains("[image image/png]") && !page.contains(svg), "{page}");
}

#[test]
fn a_call_is_shown_with_its_result_and_the_anchor_of_it() {
    let test = TestStore::new();
    let entry = |id: &str, parent: Option<&str>, message: serde_json::Value| {
        line(&json!({"type": "message", "id": id, "parentId": parent,
                     "timestamp": "2026-01-01T00:00:01.000Z", "message": message}))
    };
    let call = json!({"type": "toolCall", "id": "c", "name": "read", "arguments": {"path": "x"}});
    let body = [
        entry("a", None, json!({"role": "assistant", "content": [call]})),
        entry("b", Some("a"), json!({"role": "tool", "tool_call_id": "c", "content": "found"})),
    ];
    test.write("sessions/--w--/one.jsonl", header("one") + &body.concat());
    test.import();

    let page = page(&test, "one");

    let call = between(&page, "<details class=\"tool\">", "</details>");
    assert!(call.contains("<div class=\"answer\" id=\"e-b\">"), "{page}");
    assert!(call.contains("<pre>\nfound</pre>"), "{page}");
    assert_eq!(page.matches("<summary>result, ").count(), 0, "{page}");
}

/// The text between two others.
fn between<'a>(page: &'a str, begin: &str, end: &str) -> &'a str {
    page.split_once(begin).unwrap().1.split_once(end).unwrap().0
}

/// The bytes of a text in base64, without those of padding.
fn from_base64(told: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let bits: String =
        told.trim_end_matches('=').bytes().map(|c| format!("{:06b}", digit(c))).collect();
    bits.as_bytes()
        .chunks_exact(8)
        .map(|byte| u8::from_str_radix(std::str::from_utf8(byte).unwrap(), 2).unwrap())
        .collect()
}

#[test]
fn a_page_allows_its_own_style_and_script_and_nothing_else() {
    let test = TestStore::of_fixture("kward/small");

    let page = page(&test, "edge-97");

    let policy = between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\">");
    let hash = between(policy, "style-src 'sha256-", "'");
    let hash_of_script = between(policy, "script-src 'sha256-", "'");
    let rest = policy.replace(hash, "").replace(hash_of_script, "");
    assert_eq!(
        rest,
        "default-src 'none'; style-src 'sha256-'; script-src 'sha256-'; img-src data:; \
         base-uri 'none'; form-action 'none'"
    );
    let style = between(&page, "<style>", "</style>");
    assert_eq!(from_base64(hash), Sha256::digest(style).to_vec());
    let script = between(&page, "<script>", "</script>");
    assert_eq!(from_base64(hash_of_script), Sha256::digest(script).to_vec());
}

#[test]
fn what_says_nothing_is_a_line_and_what_was_used_is_told() {
    let test = TestStore::of_fixture("demo/pi");

    let page = page(&test, "6ad4149a");

    assert!(page.contains("<p class=\"event\" id=\"e-0a6e8c17\">label · "), "{page}");
    assert!(page.contains(" · 6,200 tokens in, 350 out, cost 0.0238</p>"), "{page}");
}

#[test]
fn a_page_has_every_branch_and_replaces_no_file() {
    let test = TestStore::of_fixture("kward/small");

    let page = page(&test, "edge-97");

    for id in ["e-a", "e-s", "e-d"] {
        assert!(page.contains(&format!("id=\"{id}\"")), "{id}: {page}");
    }
    assert!(page.contains("<h2 class=\"fork\">Branch 2 of 2, from "), "{page}");
    let out = test.folder().join("page.html");
    let write = || {
        Command::new(env!("CARGO_BIN_EXE_sessile"))
            .arg("--db")
            .arg(test.store.path())
            .args(["html", "edge-97", "--out"])
            .arg(&out)
            .output()
            .unwrap()
    };
    assert_eq!(write().status.code(), Some(0));
    assert_eq!(fs::read_to_string(&out).unwrap(), page);
    fs::write(&out, "mine").unwrap();
    assert_eq!(write().status.code(), Some(2));
    assert_eq!(fs::read_to_string(&out).unwrap(), "mine");
}
