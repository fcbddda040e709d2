//! Every command that writes, with a store on which it has something to do.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::states::{Known, State, look};
use crate::support::{Place, Run, Tree, copy_fixture, set_modified, then, tree};

/// What a job makes, and what it may be asked once more.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Changes the store to a state that a repetition leaves as it is.
    Again,
    /// Changes the store once more each time.
    Once,
    /// Reads the store, and writes files.
    Files,
    /// Reads the store, and writes another.
    Store,
}

pub(crate) struct Job {
    pub(crate) name: &'static str,
    /// Makes the root and the store to begin with.
    pub(crate) prepare: fn(&Place),
    /// The command; `{root}`, `{out}` and `{other}` stand for paths.
    args: &'static str,
    input: &'static str,
    pub(crate) kind: Kind,
}

/// What a job begins with and, undisturbed, comes to.
pub(crate) struct Expected {
    pub(crate) known: Known,
    pub(crate) before: State,
    pub(crate) after: State,
    pub(crate) files: Tree,
}

impl Job {
    pub(crate) fn place(&self) -> Place {
        if self.name.ends_with("new folders") { Place::in_new_folders() } else { Place::new() }
    }

    /// What it makes beside the store; an export makes the folders that lead there.
    pub(crate) fn out(&self, place: &Place) -> PathBuf {
        match self.kind {
            Kind::Files => place.work.join("made/here/out"),
            _ => place.work.join("out"),
        }
    }

    pub(crate) fn run<'a>(&self, place: &'a Place) -> Run<'a> {
        let args = self.args.split(' ').map(|arg| match arg {
            "{root}" => place.root.clone().into_os_string(),
            "{out}" => self.out(place).into_os_string(),
            "{other}" => other(place).into_os_string(),
            "{text}" => "said here ".repeat(2_000).into(),
            arg => arg.into(),
        });
        Run::new(place, args).input(self.input.as_bytes())
    }

    /// Prepares a place, and learns what the job does to it.
    pub(crate) fn expect(&self, place: &Place) -> Expected {
        (self.prepare)(place);
        place.keep();
        let dump = look(place, &place.db).unwrap();
        let known = Known::of(&dump);
        place.begin_again();
        let outcome = self.run(place).outcome();
        assert!(outcome.is_done(), "{}: {outcome}", self.name);
        let after = look(place, &place.db).unwrap();
        let (before, after) = (State::of(&dump, &known), State::of(&after, &known));
        match self.kind {
            // What they change is nothing that `dump` shows.
            Kind::Again if matches!(self.name, "prune" | "rebuild" | "seal") => {}
            Kind::Again | Kind::Once => assert!(before != after, "{} does nothing", self.name),
            Kind::Files | Kind::Store => {
                assert!(before == after, "{} changes the store", self.name);
            }
        }
        let files = tree(&self.out(place));
        Expected { known, before, after, files }
    }
}

const LARGE: usize = 300_000;

fn kward(place: &Place) {
    copy_fixture("kward/small", &place.root);
    place.done(["import", "--format", "kward", place.root.to_str().unwrap()]);
}

fn kimi(place: &Place) {
    copy_fixture("kimi/small", &place.root);
    place.done(["import", place.root.to_str().unwrap()]);
}

fn pi(place: &Place) {
    copy_fixture("pi/small", &place.root);
    place.done(["import", place.root.to_str().unwrap()]);
}

/// Nothing imported, no database.
fn roots_only(place: &Place) {
    copy_fixture("kward/small", &place.root);
    long_lines(&place.root);
}

fn kimi_root_only(place: &Place) {
    copy_fixture("kimi/small", &place.root);
}

fn nothing(_: &Place) {}

/// A file whose lines are worth packing, and that makes several pages of each table.
pub(crate) fn long_lines(root: &Path) {
    let mut text = String::from(
        r#"{"type":"session","version":2,"id":"long","timestamp":"2026-01-01T00:00:00.000Z","cwd":"/w"}"#,
    );
    text.push('\n');
    for n in 0..LARGE / 1_000 {
        text += &line(&format!("m{n}"), &"what was said ".repeat(60));
    }
    write(&root.join("sessions/--w--/long.jsonl"), &text);
}

pub(crate) fn line(id: &str, text: &str) -> String {
    format!(
        r#"{{"type":"message","id":"{id}","timestamp":"2026-01-01T00:00:01.000Z","message":{{"role":"user","content":"{text}"}}}}"#
    ) + "\n"
}

pub(crate) fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
    set_modified(path, then(0));
}

/// A store, and a root that went on since: files grew, shrank, were written anew, moved and left.
fn changed(place: &Place) {
    roots_only(place);
    place.done(["import", place.root.to_str().unwrap()]);
    change_root(place);
}

fn change_root(place: &Place) {
    let folder = place.root.join("sessions/--edge--");
    let grown = folder.join("01-plain.jsonl");
    let mut file = OpenOptions::new().append(true).open(&grown).unwrap();
    file.write_all(line("grown", "more").as_bytes()).unwrap();
    set_modified(&grown, then(5));
    let rewritten = folder.join("97-branch-summary.jsonl");
    let text = fs::read_to_string(&rewritten).unwrap().replace("first", "other");
    write(&rewritten, &text);
    set_modified(&rewritten, then(6));
    let cut = folder.join("25-label-sequence.jsonl");
    let text = fs::read_to_string(&cut).unwrap();
    let end = text.trim_end().rfind('\n').unwrap() + 1;
    write(&cut, &text[..end]);
    set_modified(&cut, then(7));
    fs::rename(folder.join("21-orphan-parent.jsonl"), folder.join("moved.jsonl")).unwrap();
    fs::remove_file(folder.join("63-v1-unnamed.jsonl")).unwrap();
}

/// A store with rewritten files, so that there is something to prune.
fn superseded(place: &Place) {
    changed(place);
    place.done(["import", place.root.to_str().unwrap()]);
    place.done(["append", "edge-97", "--user", "said here"]);
}

/// A store whose sessions went on here: local chains, events, trash, labels.
fn lived(place: &Place) {
    kward(place);
    place.done(["append", "edge-01", "--user", "said here"]);
    place.done(["label", "edge-01", "a", "here"]);
    place.done(["archive", "edge-17"]);
    place.done(["delete", "edge-19"]);
}

/// Another store, to be merged.
fn other(place: &Place) -> PathBuf {
    place.work.join("other.db")
}

/// Two stores that both went on: with one session, and each with others. No session
/// has lines and decisions to come: those come in transactions of their own.
fn went_on_in_two(place: &Place) {
    lived(place);
    let other = other(place);
    place.done(["backup", other.to_str().unwrap()]);
    place.done(["append", "edge-97", "--user", "said here"]);
    for args in [
        &["append", "edge-97", "--user", "said there"][..],
        &["append", "edge-21", "--user", "only there"],
        &["unarchive", "edge-17"],
        &["archive", "edge-25"],
        &["fork", "edge-97", "--entry", "s"],
    ] {
        let outcome = Run::on(place, &other, args).outcome();
        assert_eq!(outcome.code(), Some(0), "{outcome}");
    }
}

pub(crate) const REQUESTS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"append_message","params":{"session":"edge-01","id":"ack1","at":"2026-01-03T00:00:00Z","message":{"role":"user","content":"one"}}}
{"jsonrpc":"2.0","id":2,"method":"append_message","params":{"session":"edge-97","id":"ack2","at":"2026-01-03T00:00:01Z","message":{"role":"user","content":"two"}}}
{"jsonrpc":"2.0","id":3,"method":"create","params":{"cwd":"/made","id":"ack3","at":"2026-01-03T00:00:02Z"}}
{"jsonrpc":"2.0","id":4,"method":"append_message","params":{"session":"ack3","id":"ack4","at":"2026-01-03T00:00:03Z","message":{"role":"user","content":"four"}}}
{"jsonrpc":"2.0","id":5,"method":"append_message","params":{"session":"edge-01","id":"ack5","at":"2026-01-03T00:00:04Z","message":{"role":"assistant","content":"five"}}}
{"jsonrpc":"2.0","id":6,"method":"append_message","params":{"session":"ack3","id":"ack6","at":"2026-01-03T00:00:05Z","message":{"role":"user","content":"six"}}}
"#;

/// The ids of [`REQUESTS`] that a run answered with a result: each of them is promised.
pub(crate) fn acknowledged(outcome: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(outcome);
    let replies = text.lines().filter(|line| line.contains(r#""result":"#));
    let reply = |line: &str| serde_json::from_str::<serde_json::Value>(line).ok();
    replies.filter_map(reply).map(|reply| format!("ack{}", reply["id"])).collect()
}

/// What was promised and is not there.
pub(crate) fn missing(ids: &[String], dump: &str) -> Vec<String> {
    ids.iter().filter(|id| !dump.contains(&format!("\"{id}\""))).cloned().collect()
}

const fn again(name: &'static str, prepare: fn(&Place), args: &'static str) -> Job {
    Job { name, prepare, args, input: "", kind: Kind::Again }
}

const fn once(name: &'static str, prepare: fn(&Place), args: &'static str) -> Job {
    Job { name, prepare, args, input: "", kind: Kind::Once }
}

const fn makes(name: &'static str, prepare: fn(&Place), args: &'static str, kind: Kind) -> Job {
    Job { name, prepare, args, input: "", kind }
}

/// The rpc batch of [`REQUESTS`].
pub(crate) const RPC: &Job =
    &Job { name: "rpc", prepare: kward, args: "rpc", input: REQUESTS, kind: Kind::Once };

/// An import of more than one transaction of full size: their commits do not wait
/// for the disk, but the end of the import does.
pub(crate) const MANY: &Job = &again("import, many", many_files, "import {root}");

fn many_files(place: &Place) {
    for n in 0..2_050 {
        let header = format!(
            r#"{{"type":"session","version":2,"id":"s{n}","timestamp":"2026-01-01T00:00:00.000Z","cwd":"/w"}}"#
        );
        write(&place.root.join(format!("sessions/--w--/{n}.jsonl")), &(header + "\n"));
    }
}

/// Every command that writes, or those that `SESSILE_FAULTS_JOB` begins the name of.
pub(crate) fn all() -> Vec<&'static Job> {
    let begin = std::env::var("SESSILE_FAULTS_JOB").unwrap_or_default();
    JOBS.iter().filter(|job| job.name.starts_with(&begin)).collect()
}

const JOBS: &[Job] = &[
    again("import, new", roots_only, "import {root}"),
    again("import, packed", roots_only, "import --compress {root}"),
    again("import, new Kimi", kimi_root_only, "import {root}"),
    again("import, changed", changed, "import {root}"),
    again("import, changed and packed", changed, "import --compress {root}"),
    once("new, first opening", nothing, "new --cwd /w"),
    once("new, first opening in new folders", nothing, "new --cwd /w"),
    once("append", kward, "append edge-01 --user {text}"),
    once("append, pi", pi, "append 019d0000-0000-7000-8000-000000000001 --user said"),
    once("fork, Kimi", kimi, "fork 11111111-1111-4111-8111-111111111111 --turn 0"),
    once("new", kward, "new --cwd /w"),
    again("label", kward, "label edge-01 a here"),
    again("rename", kward, "rename edge-01 name"),
    again("rename, Kimi", kimi, "rename 11111111-1111-4111-8111-111111111111 name"),
    again("branch", kward, "branch edge-01 a"),
    again("archive", kward, "archive edge-01 edge-97 --now 2026-02-01T00:00:00Z"),
    again(
        "archive, Kimi",
        kimi,
        "archive 11111111-1111-4111-8111-111111111111 --now 2026-02-01T00:00:00Z",
    ),
    again("unarchive", lived, "unarchive edge-17"),
    again("delete", kward, "delete edge-01 edge-97"),
    again("restore", lived, "restore edge-19"),
    again("purge", lived, "purge --force edge-01 edge-97"),
    again("prune", superseded, "prune --yes"),
    again("rebuild", lived, "rebuild"),
    again("seal", lived, "seal --older-than 0d"),
    once("clone", lived, "clone edge-01"),
    once("fork", kward, "fork edge-97 --entry s"),
    again("merge", went_on_in_two, "merge {other}"),
    makes("export", lived, "export {out}", Kind::Files),
    makes("export, Kimi", kimi, "export {out}", Kind::Files),
    makes("backup", lived, "backup {out}", Kind::Store),
    makes("recover", lived, "recover {out}", Kind::Store),
];
