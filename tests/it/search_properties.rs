//! Search compared with a second, simple implementation that scans everything.

use std::fs;

use proptest::prelude::*;
use sessile::{ImportOptions, Search, Store};

use crate::properties::cases;
use crate::search::read_only;
use crate::search_logs::{Log, Saying, Way, logs, put_aside};
use crate::support::TestStore;

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

fn any_saying() -> impl Strategy<Value = Saying> {
    let way = prop::sample::select(&[Way::Prose, Way::Prose, Way::Thinking, Way::Tools][..]);
    (any_text(), way, 0..8_usize).prop_map(|(text, way, parent)| Saying { text, way, parent })
}

/// One to four words, and where they are looked for beside prose.
fn any_query() -> impl Strategy<Value = (String, bool, bool)> {
    let text = proptest::collection::vec(prop::sample::select(&PIECES[..]), 1..5)
        .prop_map(|pieces| pieces.concat())
        .prop_filter("words", |query| !words(query).is_empty());
    (text, any::<bool>(), any::<bool>())
}

/// What Kimi puts aside ends with.
const ASIDE: &str = "alpha 会话 put aside";

/// The lines that hold a query, by their format.
fn expected(
    logs: &[Log],
    sayings: &[Saying],
    query: &(String, bool, bool),
) -> Vec<(&'static str, u32)> {
    let (query, thinking, tools) = query;
    let is_asked_for = |way| match way {
        Way::Prose => true,
        Way::Thinking => *thinking,
        Way::Tools => *tools,
    };
    let mut expected = Vec::new();
    for log in logs {
        let said = sayings.iter().zip(&log.lines);
        let found =
            said.filter(|(saying, _)| is_asked_for(saying.way) && holds(&saying.text, query));
        expected.extend(found.map(|(_, line)| (log.format.name(), *line)));
    }
    expected
}

fn hits(store: &Store, search: &Search) -> Vec<(&'static str, u32)> {
    let page = store.search(search).unwrap();
    let mut hits: Vec<_> = page.hits.into_iter().map(|hit| (hit.format.name(), hit.line)).collect();
    hits.sort_unstable();
    hits
}

/// Imports the logs, each from the root of its program.
fn import(test: &TestStore, logs: &[Log]) {
    for log in logs {
        let root = test.folder().join(log.format.name());
        let path = root.join(log.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, &log.bytes).unwrap();
        let options = ImportOptions::new().format(log.format).reread(true);
        test.store.import(&root, &options).unwrap();
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn hits_are_what_a_scan_finds_in_every_format_and_on_every_branch(
        sayings in proptest::collection::vec(any_saying(), 1..12),
        queries in proptest::collection::vec(any_query(), 1..6),
        cut in any::<prop::sample::Index>(),
        is_aside in any::<bool>(),
    ) {
        let test = TestStore::quick();
        let cut = cut.index(sayings.len() + 1);
        import(&test, &logs(&sayings[..cut]));
        test.store.search(&Search::words("alpha").thinking().tools()).unwrap();
        let logs = logs(&sayings);
        import(&test, &logs);
        let aside = is_aside.then(|| put_aside(&sayings, ASIDE));
        import(&test, aside.as_slice());

        for query in queries {
            let mut expected = expected(&logs, &sayings, &query);
            let (text, thinking, tools) = query;
            let line = aside.iter().filter(|_| holds(ASIDE, &text)).map(|log| log.lines[sayings.len() / 2]);
            expected.extend(line.map(|line| ("kimi", line)));
            expected.sort_unstable();
            let mut search = Search::words(&format!("\"{text}\"")).limit(0);
            search = if thinking { search.thinking() } else { search };
            search = if tools { search.tools() } else { search };

            prop_assert_eq!(hits(&read_only(&test), &search), expected.clone(), "read, {:?}", &text);
            prop_assert_eq!(hits(&test.store, &search), expected, "by the index, {:?}", &text);
        }
        prop_assert_eq!(test.store.check().unwrap(), []);
    }
}
