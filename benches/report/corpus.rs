//! Session roots from a seed: what an agent writes, by shape and length.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Outcome;

/// A small generator, so that every run and machine measures the same bytes (SplitMix64).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Frequent ones first, as words are.
    fn pick<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let at = self.below(words.len());
        words[self.below(at + 1)]
    }

    pub(crate) fn hex(&mut self) -> String {
        format!("{:016x}{:016x}", self.next(), self.next())
    }

    fn uuid(&mut self) -> String {
        let hex = self.hex();
        format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
    }
}

const WORDS: &str = "the to a of and in is it that for this with on not be as if are so we an by \
    from but which can when will has or no line file test function value error code path store \
    session return entry read write call first then only there one each before after should into \
    out at all any where its table query index message change same new still every because does \
    more two already instead empty check parser field name type list key row run branch label \
    without while between have been here what how than both would just also case order leaf tree \
    import export record bytes length string number result state user event time commit cache lock \
    open close begin end root parent child node batch thread queue memory buffer offset cursor page \
    size limit header module struct enum match option default method reader writer channel worker \
    request response server client config token stream parse format render handle builder context \
    directory fixture assertion benchmark regression transaction migration checksum projection \
    timestamp compaction duplicate orphan malformed truncated unterminated recursive incremental \
    idempotent deterministic lexicographic serialisation";
const STEMS: &str = "parse read write open close load save find list walk fold split merge scan \
    hash make check sync apply reset drain flush index query store entry line chunk path token \
    field table label branch leaf node cursor buffer batch state event page cache record header";

/// About `length` bytes of what is said, read and run in a session.
///
/// Each text is about a few names and words, as one is; lines over 1 KB then
/// shrink to about two fifths, as those of real sessions do.
pub(crate) fn text(random: &mut Random, length: usize) -> String {
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let stems: Vec<&str> = STEMS.split_whitespace().collect();
    let names: Vec<String> =
        (0..6).map(|_| format!("{}_{}", random.pick(&stems), random.pick(&stems))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let phrases: Vec<String> =
        (0..12).map(|_| format!("{} {}", random.pick(&words), random.pick(&words))).collect();
    let phrases: Vec<&str> = phrases.iter().map(String::as_str).collect();
    let mut text = String::with_capacity(length + 80);
    while text.len() < length {
        match random.below(8) {
            0 => {
                let (file, line) = (random.pick(&names), random.below(900));
                let _ =
                    writeln!(text, "src/{}.rs:{line}:{}", file.replace('_', "/"), random.below(80));
            }
            1 => {
                let (function, argument) = (random.pick(&names), random.pick(&stems));
                let kind = random.pick(&["&str", "usize", "&[u8]", "Option<u64>", "&Path"]);
                let called = random.pick(&names);
                let _ = write!(
                    text,
                    "    pub fn {function}({argument}: {kind}) -> Result<()> {{\n        let {argument} = self.{called}({argument}, {})?;\n    }}\n",
                    random.below(1_000)
                );
            }
            2 => {
                let outcome = random.pick(&["ok", "ok", "ok", "FAILED"]);
                let _ = writeln!(
                    text,
                    "test {}::{} ... {outcome}",
                    random.pick(&names),
                    random.pick(&names)
                );
            }
            _ => {
                for _ in 0..3 + random.below(7) {
                    let source = if random.below(3) == 0 { &words } else { &phrases };
                    text.push_str(random.pick(source));
                    text.push(' ');
                }
                text.pop();
                text.push_str(random.pick(&[". ", ".\n", ", \"", ": `", "?\n\n", ".\n- "]));
            }
        }
    }
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}

/// A Kward session while it is written.
pub(crate) struct Session<'a> {
    random: &'a mut Random,
    pub(crate) id: String,
    pub(crate) leaf: Option<String>,
    pub(crate) jsonl: String,
    at: i64,
    /// Where its file belongs.
    pub(crate) path: PathBuf,
}

impl<'a> Session<'a> {
    pub(crate) fn new(random: &'a mut Random) -> Self {
        let stems: Vec<&str> = STEMS.split_whitespace().collect();
        let project = format!("{}-{}", random.pick(&stems), random.pick(&stems));
        let id = random.uuid();
        // Somewhen in 2024.
        let at = 1_704_100_000_000 + random.below(31_000_000_000) as i64;
        let begun = time(at);
        let jsonl = format!(
            "{{\"type\":\"session\",\"version\":2,\"id\":\"{id}\",\"timestamp\":\"{begun}\",\"cwd\":\"/home/me/work/{project}\",\"provider\":\"anthropic\",\"model\":\"claude-sonnet\"}}\n"
        );
        let path =
            format!("sessions/--home-me-work-{project}--/{}_{id}.jsonl", begun.replace(':', "-"));
        Self { random, id, leaf: None, jsonl, at, path: path.into() }
    }

    /// Adds an entry under the leaf; `length` is that of its line.
    pub(crate) fn message(&mut self, role: &str, length: usize) {
        self.entry("message", role, "content", length);
    }

    pub(crate) fn compaction(&mut self) {
        self.entry("compaction", "compactionSummary", "summary", 1_024);
    }

    fn entry(&mut self, entry_type: &str, role: &str, key: &str, length: usize) {
        self.at += 1_000 + self.random.below(60_000) as i64;
        let id = self.random.hex();
        let parent = match &self.leaf {
            Some(leaf) => format!(",\"parentId\":\"{leaf}\""),
            None => String::new(),
        };
        let _ = write!(
            self.jsonl,
            "{{\"type\":\"{entry_type}\",\"id\":\"{id}\"{parent},\"timestamp\":\"{}\",\"message\":{{\"role\":\"{role}\"",
            time(self.at),
        );
        // The envelope has about 220 bytes, escapes a few more.
        let mut length = length.saturating_sub(225);
        if role == "tool" {
            let call = &self.random.hex()[..12];
            let _ = write!(self.jsonl, ",\"tool_call_id\":\"call_{call}\",\"name\":\"read_file\"");
            length = length.saturating_sub(55);
        }
        let calls = role == "assistant" && 400 < length;
        if calls {
            length -= 300;
        }
        let said = if calls { length / 2 } else { length.max(20) };
        let _ = write!(self.jsonl, ",\"{key}\":{}", quoted(self.random, said));
        if calls {
            let arguments = format!(
                "{{\"path\":\"src/{}.rs\",\"content\":{}}}",
                &self.random.hex()[..6],
                quoted(self.random, length / 2)
            );
            let _ = write!(
                self.jsonl,
                ",\"tool_calls\":[{{\"id\":\"call_{}\",\"type\":\"function\",\"function\":{{\"name\":\"write_file\",\"arguments\":{}}}}}],\"usage\":{{\"input_tokens\":{},\"output_tokens\":{},\"cache_read_input_tokens\":{},\"total_cost\":{}.{:04}}}",
                &self.random.hex()[..12],
                serde_json::Value::from(arguments),
                self.random.below(200_000),
                self.random.below(4_000),
                self.random.below(200_000),
                self.random.below(2),
                self.random.below(10_000),
            );
        }
        let _ = writeln!(self.jsonl, ",\"id\":\"{id}\"}}}}");
        self.leaf = Some(id);
    }

    pub(crate) fn write(&self, root: &Path) -> Outcome<PathBuf> {
        let path = root.join(&self.path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, &self.jsonl)?;
        // As old as what it says: a file that is younger than 2 s counts as not settled.
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(self.at.unsigned_abs());
        fs::File::options().write(true).open(&path)?.set_modified(at)?;
        Ok(path)
    }
}

fn quoted(random: &mut Random, length: usize) -> String {
    serde_json::Value::from(text(random, length)).to_string()
}

fn time(millis: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(millis).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

/// Writes one workload, as the report would.
pub(crate) fn make(workload: &str, root: &Path) -> Outcome<()> {
    match workload {
        "A" => long_lines(root, 1_000, 256 << 20).map(|_| ()),
        "B" => short_lines(root, 20_000).map(|_| ()),
        "C" => tree(root, 100_000).map(|_| ()),
        "D" => kimi_share(root, 5_000).map(|_| ()),
        _ => Err(format!("no workload {workload}").into()),
    }
}

/// A share directory of Kimi: each session with a context, a wire of six turns and a state.
/// Returns the bytes.
pub(crate) fn kimi_share(root: &Path, sessions: usize) -> Outcome<u64> {
    let mut random = Random::new(0xD);
    let work_dirs: Vec<String> = (0..20).map(|n| format!("/home/me/work/project-{n}")).collect();
    let mut written = 0;
    let mut write = |path: PathBuf, content: String, at: u64| -> Outcome<()> {
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        fs::write(&path, &content)?;
        let at = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at);
        fs::File::options().write(true).open(&path)?.set_modified(at)?;
        written += content.len() as u64;
        Ok(())
    };
    let registered: Vec<_> = work_dirs
        .iter()
        .map(|path| serde_json::json!({"path": path, "kaos": "local", "last_session_id": null}))
        .collect();
    let registry = serde_json::json!({ "work_dirs": registered });
    write(root.join("kimi.json"), registry.to_string(), 1_750_000_000)?;
    for n in 0..sessions {
        let at = 1_760_000_000 + random.below(20_000_000) as u64;
        let digest = <md5::Md5 as md5::Digest>::digest(&work_dirs[n % work_dirs.len()]);
        let folder: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let folder = root.join("sessions").join(folder).join(random.uuid());
        let mut context =
            String::from("{\"role\": \"_system_prompt\", \"content\": \"You are Kimi.\"}\n");
        let mut wire = String::from("{\"type\": \"metadata\", \"protocol_version\": \"1.10\"}\n");
        for turn in 0..6 {
            let second = at + turn * 60;
            let asked = quoted(&mut random, 80);
            let said = quoted(&mut random, 600);
            let mut record = |message_type: &str, payload: &str| {
                let _ = writeln!(
                    wire,
                    "{{\"timestamp\": {second}.5, \"message\": {{\"type\": \"{message_type}\", \"payload\": {payload}}}}}"
                );
            };
            record("TurnBegin", &format!("{{\"user_input\": {asked}}}"));
            record("StepBegin", "{\"n\": 1}");
            record("ContentPart", &format!("{{\"type\": \"text\", \"text\": {said}}}"));
            record("TurnEnd", "{}");
            let _ = write!(
                context,
                "{{\"role\": \"_checkpoint\", \"id\": {turn}}}\n{{\"role\":\"user\",\"content\":{asked}}}\n{{\"role\":\"assistant\",\"content\":{said}}}\n{{\"role\": \"_usage\", \"token_count\": {}}}\n",
                turn * 200
            );
        }
        write(folder.join("context.jsonl"), context, at)?;
        write(folder.join("wire.jsonl"), wire, at)?;
        let state = serde_json::json!({"version": 1, "custom_title": null, "todos": []});
        write(folder.join("state.json"), format!("{state:#}"), at)?;
    }
    Ok(written)
}

/// Long lines: `files` sessions of `bytes` in all, lines of 1.4 KB on average. Returns the bytes.
pub(crate) fn long_lines(root: &Path, files: usize, bytes: usize) -> Outcome<u64> {
    let mut random = Random::new(0xA);
    let mut written = 0;
    for _ in 0..files {
        let mut session = Session::new(&mut random);
        let mut role = ["user", "assistant", "tool", "assistant"].iter().cycle();
        while session.jsonl.len() < bytes / files {
            // Most are short, a few long: the mean is 1.4 KB.
            let length = match session.random.below(10) {
                0..5 => 300 + session.random.below(700),
                5..9 => 700 + session.random.below(2_200),
                _ => 3_000 + session.random.below(1_300),
            };
            session.message(role.next().unwrap_or(&"user"), length);
        }
        session.write(root)?;
        written += session.jsonl.len() as u64;
    }
    Ok(written)
}

/// Short lines: sessions of 20 lines of 300 bytes on average. Returns the bytes.
pub(crate) fn short_lines(root: &Path, sessions: usize) -> Outcome<u64> {
    small_sessions(root, sessions, 20)
}

/// Sessions of `lines` lines of 300 bytes. Returns the bytes.
pub(crate) fn small_sessions(root: &Path, sessions: usize, lines: usize) -> Outcome<u64> {
    let mut random = Random::new(0xB);
    let mut written = 0;
    for _ in 0..sessions {
        let mut session = Session::new(&mut random);
        for n in 1..lines {
            let length = 250 + session.random.below(100);
            session.message(["user", "assistant", "tool"][(n - 1) % 3], length);
        }
        session.write(root)?;
        written += session.jsonl.len() as u64;
    }
    Ok(written)
}

/// A tree of so many entries of 1 KB, a fork at every 50th; returns the session's id.
///
/// Its last 50 messages stand behind a compaction.
pub(crate) fn tree(root: &Path, entries: usize) -> Outcome<Tree> {
    let mut random = Random::new(0xC + entries as u64);
    let mut session = Session::new(&mut random);
    let mut on_path = 0;
    let mut n = 0;
    while n < entries {
        if n == entries.saturating_sub(51) {
            session.compaction();
        } else if n % 50 == 49 && n + 60 < entries {
            // Three entries that were left again.
            let fork = session.leaf.clone();
            for role in ["user", "assistant", "assistant"] {
                session.message(role, 1_024);
            }
            n += 3;
            session.leaf = fork;
            continue;
        } else {
            session.message(if n % 2 == 0 { "user" } else { "assistant" }, 1_024);
        }
        on_path += 1;
        n += 1;
    }
    let leaf = session.leaf.clone().unwrap_or_default();
    let file = session.write(root)?;
    Ok(Tree { id: session.id.clone(), leaf, file, on_path })
}

#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) id: String,
    pub(crate) leaf: String,
    pub(crate) file: PathBuf,
    /// Entries from the root to the leaf.
    pub(crate) on_path: usize,
}
