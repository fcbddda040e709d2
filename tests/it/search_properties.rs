//! Search beside a scan that is written down once more.

use std::fs;

use proptest::prelude::*;
use serde_json::json;
use sessile::{ImportOptions, Search, Store};

use crate::properties::cases;
use crate::search::read_only;
use crate::support::{TestStore, header, line, message};

/// Pieces of texts and queries.
const PIECES: [&str; 14] = [
    "alpha",
    "Beta",
    "getSession",
    "sessionOf",
    "foo_bar",
    "会",
    "话",
    "会话",
    "한",
    "国",
    "é",
    " ",
    ", ",
    "\n",
];

/// The words of a text, written down once more: what is no letter or digit
/// parts words, and an ideograph is one.
fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in text.replace('é', "e").chars() {
        let is_alone = !c.is_ascii() && c.is_alphanumeric();
        if is_alone || !c.is_alphanumeric() {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().unwrap().push(c);
        }
        if is_alone {
            words.push(String::new());
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The parts of a word.
fn parts(word: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut was_lower = false;
    for c in word.chars() {
        if was_lower && c.is_uppercase() {
            parts.push(String::new());
        }
        was_lower = c.is_lowercase();
        parts.last_mut().unwrap().push(c.to_ascii_lowercase());
    }
    parts
}

/// Whether a text holds a query of one phrase.
fn holds(text: &str, query: &str) -> bool {
    let lower = |words: Vec<String>| -> Vec<String> {
        words.into_iter().map(|word| word.to_ascii_lowercase()).collect()
    };
    let query_words = words(query);
    let in_parts: Vec<String> = query_words.iter().flat_map(|word| parts(word)).collect();
    let spellings = [lower(query_words), in_parts];
    let texts: Vec<Vec<String>> =
        words(text).iter().map(|word| parts(word)).chain([lower(words(text))]).collect();
    spellings.iter().any(|query| {
        texts.iter().any(|text| text.windows(query.len()).any(|window| window == query.as_slice()))
    })
}

fn any_text() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(&PIECES[..]), 1..8)
        .prop_map(|pieces| pieces.concat())
}

fn any_query() -> impl Strategy<Value = String> {
    proptest::collection::vec(prop::sample::select(&PIECES[..]), 1..4)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("words", |query| !words(query).is_empty())
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn hits_are_what_a_scan_finds_in_every_format_and_on_every_branch(
        texts in proptest::collection::vec((any_text(), 0..8_usize), 1..12),
        queries in proptest::collection::vec(any_query(), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let test = TestStore::quick();
        let cut = cut.index(texts.len() + 1);
        let logs = |texts: &[(String, usize)]| {
            let mut kward = header("k");
            let mut pi = line(&json!({"type": "session", "version": 3, "id": "p", "cwd": "/w",
                                      "timestamp": "2026-01-01T00:00:00.000Z"}));
            for (n, (text, parent)) in texts.iter().enumerate() {
                let parent = n.checked_sub(1).map(|last| format!("e{}", last.min(*parent)));
                kward += &message(&format!("e{n}"), parent.as_deref(), text);
                pi += &line(&json!({
                    "type": "message", "id": format!("e{n}"), "parentId": parent,
                    "timestamp": "2026-01-01T00:00:01.000Z",
                    "message": {"role": "user", "content": [{"type": "text", "text": text}]}
                }));
            }
            (kward, pi)
        };
        let import = |texts: &[(String, usize)]| {
            let (kward, pi) = logs(texts);
            test.write("sessions/--w--/one.jsonl", kward);
            test.import();
            let root = test.folder().join("pi");
            fs::create_dir_all(root.join("sessions")).unwrap();
            fs::write(root.join("sessions/p.jsonl"), pi).unwrap();
            let options = ImportOptions::new().format(sessile::Format::Pi).reread(true);
            test.store.import(&root, &options).unwrap();
        };
        import(&texts[..cut]);
        test.store.search(&Search::words("alpha")).unwrap();
        import(&texts);

        for query in queries {
            let quoted = format!("\"{query}\"");
            let search = Search::words(&quoted).limit(0);
            let hits = |store: &Store| -> Vec<(String, String)> {
                let page = store.search(&search).unwrap();
                let name = |hit: sessile::Hit| (hit.session_id.unwrap(), hit.entry_id);
                let mut hits: Vec<_> = page.hits.into_iter().map(name).collect();
                hits.sort();
                hits
            };
            let mut expected: Vec<(String, String)> = Vec::new();
            for (n, _) in texts.iter().enumerate().filter(|(_, (text, _))| holds(text, &query)) {
                expected.extend(["k", "p"].map(|id| (id.to_owned(), format!("e{n}"))));
            }
            expected.sort();

            prop_assert_eq!(hits(&read_only(&test)), expected.clone(), "read, {:?}", &query);
            prop_assert_eq!(hits(&test.store), expected, "by the index, {:?}", &query);
        }
        prop_assert_eq!(test.store.check().unwrap(), []);
    }
}
