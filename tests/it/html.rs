//! The page of a session: what it shows, and that nothing of a log is markup in it.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::{TestStore, header, line, message};

/// What would do something in a page if it were not escaped.
const HOSTILE: &str = "</pre></script><script>alert(1)</script><img src=x onerror='a()'>\"' onclick=\"b()\u{0}\u{202e}&lt;";

fn page(test: &TestStore, session: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_sessile"))
        .arg("--db")
        .arg(test.store.path())
        .args(["html", session])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The tags of a page behind its style, each with the names of its attributes.
fn tags(page: &str) -> BTreeSet<String> {
    let body = page.split_once("</style>").unwrap().1;
    let tag = |rest: &str| {
        let (tag, _) = rest.split_once('>').unwrap();
        // Every other piece stands between quotes.
        let names: Vec<&str> = tag.split('"').step_by(2).collect();
        names.join("")
    };
    body.split('<').skip(1).map(tag).collect()
}

#[test]
fn no_text_of_a_log_becomes_an_element_or_an_attribute() {
    let test = TestStore::new();
    let label = line(&json!({
        "type": "label", "id": "l", "targetId": HOSTILE, "label": HOSTILE,
        "timestamp": "2026-01-01T00:00:02.000Z",
    }));
    let body = [message(HOSTILE, None, HOSTILE), message("y", Some(HOSTILE), HOSTILE), label];
    test.write("sessions/--w--/one.jsonl", header("one") + &body.concat());
    test.import();

    let page = page(&test, "one");

    let template = [
        "/a",
        "/article",
        "/b",
        "/body",
        "/div",
        "/h1",
        "/head",
        "/html",
        "/main",
        "/mark",
        "/p",
        "a href=",
        "article class= id=",
        "article id=",
        "b",
        "body",
        "div class=",
        "h1",
        "main",
        "mark",
        "p class=",
        "p class= id=",
    ];
    let others: Vec<String> =
        tags(&page).into_iter().filter(|tag| !template.contains(&tag.as_str())).collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(page.contains("&lt;script&gt;alert(1)"), "{page}");
    assert!(!page.contains(['\u{0}', '\u{202e}']), "{page}");
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
fn a_page_allows_its_own_style_and_nothing_else() {
    let test = TestStore::of_fixture("kward/small");

    let page = page(&test, "edge-97");

    let policy = between(&page, "http-equiv=\"Content-Security-Policy\" content=\"", "\">");
    let hash = between(policy, "style-src 'sha256-", "'");
    let rest = policy.replace(hash, "");
    assert_eq!(
        rest,
        "default-src 'none'; style-src 'sha256-'; base-uri 'none'; form-action 'none'"
    );
    let style = between(&page, "<style>", "</style>");
    assert_eq!(from_base64(hash), Sha256::digest(style).to_vec());
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
    assert!(page.contains("<h2>Another branch, from "), "{page}");
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
