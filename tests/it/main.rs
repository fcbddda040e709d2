//! Tests from outside: each module is a subject, each test a promise.

#[cfg(feature = "cli")]
mod apart;
mod branches;
mod check;
mod claude;
mod claude_live;
mod claude_properties;
mod claude_results;
mod claude_turns;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod cli_place;
#[cfg(feature = "cli")]
mod cli_roots;
#[cfg(feature = "cli")]
mod cli_sql;
mod codex;
mod codex_appends;
mod codex_odd;
mod concurrency;
mod counts;
mod crashes;
mod growth;
#[cfg(feature = "cli")]
mod html;
#[cfg(feature = "cli")]
mod json_page;
mod kimi;
mod kimi_changes;
mod kimi_odd;
mod kimi_properties;
mod known_roots;
mod kward;
mod layers;
mod listing;
mod loose_problems;
mod migrations;
mod narrowing;
#[path = "../odd/claude.rs"]
mod odd_claude;
#[path = "../odd/codex.rs"]
mod odd_codex;
#[path = "../odd/kimi.rs"]
mod odd_kimi;
#[path = "../odd/kward.rs"]
mod odd_kward;
#[path = "../odd/pi.rs"]
mod odd_pi;
mod open;
mod open_data;
mod packing;
mod pages;
#[cfg(feature = "cli")]
mod paging;
#[cfg(feature = "cli")]
mod paths;
mod pi;
mod pi_damaged;
mod properties;
#[cfg(feature = "cli")]
mod reading;
mod root_properties;
mod root_steps;
mod roots;
mod roundtrip;
mod runs;
mod schema;
mod schema_words;
mod sealing;
mod search;
mod search_filters;
mod search_logs;
mod search_newest;
mod search_properties;
#[cfg(feature = "cli")]
mod serve;
mod support;
mod surface;
#[cfg(feature = "cli")]
mod terminal;
mod usage;
