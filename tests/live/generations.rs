//! What a root lost of a session is reported, kept and readable.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sessile::{
    Error, ExportOptions, Format, ImportOptions, ImportReport, LossCause, ProblemKind,
    SessionFilter, SessionKey, Store,
};

use crate::support::{at, message};

const LOG: &str = "{\"type\":\"session\",\"version\":2,\"id\":\"given\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n\
    {\"type\":\"message\",\"id\":\"a\",\"timestamp\":\"2026-01-01T00:00:01.000Z\",\"message\":{\"role\":\"user\",\"content\":\"A\"}}\n\
    {\"type\":\"message\",\"id\":\"b\",\"parentId\":\"a\",\"timestamp\":\"2026-01-01T00:00:02.000Z\",\"message\":{\"role\":\"assistant\",\"content\":\"B\"}}\n";
const FILE: &str = "sessions/--w--/given.jsonl";

struct Pair {
    store: Store,
    dir: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        let pair = Self { store, dir };
        fs::create_dir_all(pair.file().parent().unwrap()).unwrap();
        fs::write(pair.file(), LOG).unwrap();
        pair.import();
        pair
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("root").join(FILE)
    }

    fn import(&self) -> ImportReport {
        let options = ImportOptions::new().format(Format::Kward);
        let report = self.store.import(&self.dir.path().join("root"), &options).unwrap();
        self.check();
        report
    }

    #[track_caller]
    fn check(&self) {
        assert_eq!(self.store.check().unwrap(), []);
        let before = self.kinds();
        self.store.rebuild().unwrap();
        assert_eq!(self.kinds(), before);
        assert_eq!(self.store.check().unwrap(), []);
    }

    fn session(&self) -> SessionKey {
        self.store.find(FILE).unwrap().key()
    }

    fn kinds(&self) -> Vec<ProblemKind> {
        self.store
            .session(self.session())
            .unwrap()
            .problems()
            .unwrap()
            .iter()
            .map(|problem| problem.kind)
            .collect()
    }

    fn is_marked(&self) -> bool {
        self.store.sessions(&SessionFilter::new()).unwrap().rows[0].has_losses
    }
}

/// The file of an export of a store, or of a generation.
fn exported(store: &Store, session: SessionKey) -> String {
    let out = tempfile::tempdir().unwrap();
    store.export(out.path(), &ExportOptions::new().session(session)).unwrap();
    fs::read_to_string(out.path().join(FILE)).unwrap()
}

fn context(store: &Store, session: SessionKey) -> Vec<String> {
    store
        .session(session)
        .unwrap()
        .context()
        .unwrap()
        .into_iter()
        .map(|message| message.json().to_owned())
        .collect()
}

/// Does something to the file at its root; the lost lines are told and readable.
#[track_caller]
fn check_loss(change: impl FnOnce(&Path), cause: LossCause, lines: u32) {
    let pair = Pair::new();
    let session = pair.session();
    let said = context(&pair.store, session);

    change(&pair.file());
    let report = pair.import();

    assert_eq!(report.lost.len(), 1, "{report:?}");
    let lost = &report.lost[0];
    assert_eq!((lost.cause, lost.generation, lost.lines), (cause, 1, lines));
    assert_eq!(lost.file, Path::new(FILE));
    assert_eq!(pair.session(), session);
    let kind = match cause {
        LossCause::Vanished => ProblemKind::Vanished,
        _ => ProblemKind::Overwritten,
    };
    assert!(pair.kinds().contains(&kind));
    assert!(pair.is_marked());
    let earlier = pair.store.earlier(session, 1).unwrap();
    assert_eq!(exported(&earlier, session), LOG);
    assert_eq!(context(&earlier, session), said);
    assert_eq!(earlier.session(session).unwrap().info().unwrap().leaf.as_deref(), Some("b"));
    assert_eq!(earlier.session(session).unwrap().problems().unwrap(), []);
    let mut dumped = Vec::new();
    earlier.dump(&mut dumped).unwrap();
    assert!(String::from_utf8(dumped).unwrap().contains("\"branch\":[\"a\",\"b\"]"));
    // A second look finds nothing new to tell, and forgets nothing.
    assert_eq!(pair.import().lost, []);
    assert!(pair.is_marked());
}

#[test]
fn a_file_that_lost_lines_is_named_and_what_it_lost_is_readable() {
    let header = LOG.lines().next().unwrap();
    check_loss(|file| fs::write(file, format!("{header}\n")).unwrap(), LossCause::Shortened, 2);
    check_loss(|file| fs::write(file, "").unwrap(), LossCause::Emptied, 3);
    check_loss(|file| fs::write(file, vec![0; LOG.len()]).unwrap(), LossCause::Zeroed, 3);
    let other = LOG.replace("\"A\"", "\"other\"");
    check_loss(|file| fs::write(file, other).unwrap(), LossCause::Rewritten, 1);
    check_loss(|file| fs::remove_file(file).unwrap(), LossCause::Vanished, 3);
}

#[test]
fn a_session_whose_file_is_a_link_or_folder_now_is_what_it_was() {
    check_loss(
        |file| {
            fs::remove_file(file).unwrap();
            symlink("elsewhere.jsonl", file).unwrap();
        },
        LossCause::Replaced,
        3,
    );
    for below in [None, Some("x")] {
        check_loss(
            |file| {
                fs::remove_file(file).unwrap();
                fs::create_dir(file).unwrap();
                below.into_iter().for_each(|name| fs::write(file.join(name), "x").unwrap());
            },
            LossCause::Replaced,
            3,
        );
    }
}

#[test]
fn a_folder_that_becomes_the_file_again_is_the_source_again() {
    let pair = Pair::new();
    let session = pair.session();
    pair.store.session(session).unwrap().tag("kept").unwrap();
    for more in ["", "{\"type\":\"leaf\",\"targetId\":\"a\"}\n"] {
        let there = fs::read_to_string(pair.file()).unwrap();
        fs::remove_file(pair.file()).unwrap();
        fs::create_dir(pair.file()).unwrap();
        pair.import();
        assert_eq!(exported(&pair.store, session), there);
        fs::remove_dir(pair.file()).unwrap();
        fs::write(pair.file(), there + more).unwrap();
        pair.import();

        assert_eq!(pair.session(), session);
        assert_eq!(pair.kinds(), []);
        assert_eq!(exported(&pair.store, session), fs::read_to_string(pair.file()).unwrap());
        assert_eq!(pair.store.session(session).unwrap().tags().unwrap(), ["kept"]);
    }
}

#[test]
fn what_stands_there_again_is_not_lost_any_more() {
    let header = LOG.lines().next().unwrap().to_owned() + "\n";
    let more = "{\"type\":\"leaf\",\"targetId\":\"a\"}\n";
    let zeros = String::from_utf8(vec![0; 200]).unwrap();
    for steps in [
        // Written anew, and grown to what it was.
        &[&header, LOG][..],
        &[&header, &(LOG.to_owned() + more)],
        &["", LOG],
        &[&zeros, "", LOG],
        &["{\"other\":1}\n", &header, LOG],
    ] {
        let pair = Pair::new();
        let (last, before) = steps.split_last().unwrap();
        for step in before {
            fs::write(pair.file(), step).unwrap();
            pair.import();
            assert!(pair.kinds().contains(&ProblemKind::Overwritten), "{steps:?}");
        }
        fs::write(pair.file(), last).unwrap();
        pair.import();

        let lost: u32 = pair.store.prunable().unwrap().iter().map(|one| one.lost).sum();
        let is_other = steps[0].contains("other");
        assert_eq!((lost, pair.is_marked()), (u32::from(is_other), is_other), "{steps:?}");
    }
}

#[test]
fn what_is_lost_of_it_still_is_told() {
    let pair = Pair::new();
    fs::write(pair.file(), "").unwrap();
    pair.import();
    let most: Vec<&str> = LOG.split_inclusive('\n').take(2).collect();
    fs::write(pair.file(), most.concat()).unwrap();

    pair.import();

    assert!(pair.is_marked());
    let lost: Vec<u32> = pair.store.prunable().unwrap().iter().map(|one| one.lost).collect();
    assert_eq!(lost, [1, 0]);
}

#[test]
fn a_session_of_several_files_whose_context_is_a_folder_or_link_is_what_it_was() {
    for is_link in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        let root = dir.path().join("root");
        let folder = root.join("sessions/dd3464ad15e3938bd1128bd2347c29d6/given");
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("context.jsonl");
        let context =
            "{\"role\":\"user\",\"content\":\"q\"}\n{\"role\":\"assistant\",\"content\":\"a\"}\n";
        let import = || {
            let options = ImportOptions::new().format(Format::Kimi);
            let report = store.import(&root, &options).unwrap();
            assert_eq!(store.check().unwrap(), []);
            store.rebuild().unwrap();
            assert_eq!(store.check().unwrap(), []);
            report
        };
        fs::write(&file, context).unwrap();
        import();
        let session = store.find("given").unwrap();
        fs::remove_file(&file).unwrap();
        if is_link {
            symlink("elsewhere", &file).unwrap();
        } else {
            fs::create_dir(&file).unwrap();
        }

        let report = import();

        assert_eq!(report.lost.len(), 1);
        let rows = store.sessions(&SessionFilter::new()).unwrap().rows;
        assert!(rows.len() == 1 && rows[0].has_losses, "{rows:?}");
        assert_eq!(context_texts(&store, session.key()), ["q", "a"]);
        assert_eq!(store.verify(&root).unwrap().differences, []);

        if is_link {
            fs::remove_file(&file).unwrap();
        } else {
            fs::remove_dir(&file).unwrap();
        }
        fs::write(&file, "{\"role\":\"user\",\"content\":\"other\"}\n").unwrap();
        import();
        assert_eq!(context_texts(&store, session.key()), ["other"]);
        fs::write(&file, context).unwrap();
        import();
        assert_eq!(context_texts(&store, session.key()), ["q", "a"]);
    }
}

#[test]
fn a_link_that_becomes_the_file_again_is_the_source_again() {
    for torn in ["", "{\"torn"] {
        let pair = Pair::new();
        fs::write(pair.file(), [LOG, torn].concat()).unwrap();
        pair.import();
        fs::remove_file(pair.file()).unwrap();
        symlink("elsewhere.jsonl", pair.file()).unwrap();
        pair.import();
        let ended = if torn.is_empty() { "" } else { "\n" };
        assert_eq!(exported(&pair.store, pair.session()), [LOG, torn, ended].concat());

        fs::remove_file(pair.file()).unwrap();
        fs::write(pair.file(), [LOG, torn, ended].concat()).unwrap();
        pair.import();

        let out = tempfile::tempdir().unwrap();
        pair.store.export(out.path(), &ExportOptions::new().source_only(true)).unwrap();
        assert_eq!(
            fs::read_to_string(out.path().join(FILE)).unwrap(),
            exported(&pair.store, pair.session())
        );
    }
}

#[test]
fn what_comes_back_is_no_longer_lost() {
    let pair = Pair::new();
    fs::remove_file(pair.file()).unwrap();
    pair.import();
    assert_eq!(pair.kinds(), [ProblemKind::Vanished]);

    for tail in ["", LOG.lines().last().unwrap()] {
        fs::write(pair.file(), [LOG, tail].concat()).unwrap();
        pair.import();

        assert!(!pair.kinds().contains(&ProblemKind::Vanished));
        fs::remove_file(pair.file()).unwrap();
        pair.import();
        assert!(pair.is_marked());
    }
}

#[test]
fn what_went_on_here_keeps_what_the_root_lost() {
    let pair = Pair::new();
    let session = pair.session();
    let live = pair.store.session(session).unwrap();
    live.at(at(5)).append_message(message("user", "here", "h")).unwrap();
    fs::write(pair.file(), LOG.lines().next().unwrap().to_owned() + "\n").unwrap();

    let report = pair.import();

    assert_eq!(report.lost[0].lines, 2);
    assert!(pair.is_marked());
    assert!(exported(&pair.store, session).starts_with(LOG));
    // The second generation is what was written here.
    let generations: Vec<i64> = pair
        .store
        .session(session)
        .unwrap()
        .generations()
        .unwrap()
        .iter()
        .map(|one| one.number)
        .collect();
    assert_eq!(generations, [1, 2, 3]);
    let header = exported(&pair.store.earlier(session, 3).unwrap(), session);
    assert_eq!(header.lines().count(), 1);
}

#[test]
fn a_prune_says_what_goes_and_then_nothing_is_lost_any_more() {
    let pair = Pair::new();
    let session = pair.session();
    fs::write(pair.file(), "").unwrap();
    pair.import();

    let prunable = pair.store.prunable().unwrap();
    assert_eq!((prunable.len(), prunable[0].lines, prunable[0].lost), (1, 3, 3));
    assert_eq!(prunable[0].file, Path::new(FILE));
    assert_eq!(pair.store.prune().unwrap().files, 1);

    assert_eq!(pair.store.prunable().unwrap(), []);
    assert!(!pair.is_marked());
    let gone = pair.store.earlier(session, 1);
    assert!(matches!(gone, Err(Error::GenerationNotFound { generation: 1, .. })), "{gone:?}");
    pair.check();
}

#[test]
fn an_earlier_generation_is_only_read() {
    let pair = Pair::new();
    let session = pair.session();
    fs::write(pair.file(), "").unwrap();
    pair.import();

    let earlier = pair.store.earlier(session, 1).unwrap();

    let live = earlier.session(session).unwrap();
    assert!(live.append_message(message("user", "late", "l")).is_err());
    assert_eq!(earlier.sessions(&SessionFilter::new()).unwrap().rows.len(), 1);
    pair.check();
}

#[test]
fn a_session_of_several_files_is_read_as_of_a_generation() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("sessions.db")).unwrap();
    let folder = dir.path().join("root/sessions/dd3464ad15e3938bd1128bd2347c29d6/given");
    fs::create_dir_all(&folder).unwrap();
    let context =
        "{\"role\":\"user\",\"content\":\"q\"}\n{\"role\":\"assistant\",\"content\":\"a\"}\n";
    fs::write(folder.join("context.jsonl"), context).unwrap();
    fs::write(folder.join("state.json"), "{\"custom_title\":\"before\"}").unwrap();
    let options = ImportOptions::new().format(Format::Kimi);
    let root = dir.path().join("root");
    store.import(&root, &options).unwrap();
    let session = store.find("given").unwrap();

    fs::write(folder.join("context.jsonl"), "").unwrap();
    fs::write(folder.join("state.json"), "{\"custom_title\":\"after\", \"afk\":false}").unwrap();
    let report = store.import(&root, &options).unwrap();

    assert_eq!(report.lost.len(), 1);
    assert_eq!(store.check().unwrap(), []);
    let kinds: Vec<ProblemKind> =
        session.problems().unwrap().iter().map(|problem| problem.kind).collect();
    assert!(kinds.contains(&ProblemKind::Overwritten), "{kinds:?}");
    assert!(store.sessions(&SessionFilter::new()).unwrap().rows[0].has_losses);
    let earlier = store.earlier(session.key(), 1).unwrap();
    assert_eq!(context_texts(&earlier, session.key()), ["q", "a"]);
    let info = earlier.session(session.key()).unwrap().info().unwrap();
    assert_eq!(info.title.as_deref(), Some("before"));
    let out = tempfile::tempdir().unwrap();
    earlier.export(out.path(), &ExportOptions::new().session(session.key())).unwrap();
    let folder = out.path().join("sessions/dd3464ad15e3938bd1128bd2347c29d6/given");
    assert_eq!(fs::read_to_string(folder.join("context.jsonl")).unwrap(), context);
    let mut dumped = Vec::new();
    earlier.session(session.key()).unwrap().dump(&mut dumped).unwrap();
    assert!(String::from_utf8(dumped).unwrap().contains("\"title\":\"before\""));
}

fn context_texts(store: &Store, session: SessionKey) -> Vec<String> {
    let messages = store.session(session).unwrap().context().unwrap().into_iter();
    let values = messages.map(|message| serde_json::from_str::<serde_json::Value>(message.json()));
    values.map(|value| value.unwrap()["content"].as_str().unwrap().to_owned()).collect()
}

#[cfg(feature = "cli")]
#[test]
fn commands_read_a_generation_and_name_those_that_there_are() {
    let pair = Pair::new();
    fs::write(pair.file(), "").unwrap();
    pair.import();
    let out = pair.dir.path().join("out");
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_sessile"));
        command.arg("--db").arg(pair.store.path()).args(args);
        let output = command.stdin(std::process::Stdio::null()).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(text).unwrap())
    };

    for (args, says) in [
        (&["log", "--raw", FILE, "--generation", "1"][..], LOG),
        (&["show", FILE, "--generation", "1"], "## user"),
        (&["dump", "--session", FILE, "--generation", "1"], "\"branch\":[\"a\",\"b\"]"),
        (&["export", "--session", FILE, "--generation", "1", out.to_str().unwrap()], "1 file, "),
        (&["list"], "lost or changed at its root"),
        (&["list", "--json"], "\"has_losses\":true"),
        (&["prune", "--dry-run"], "generation 1: 3 lines"),
        (&["prune", "--yes"], "1 file,"),
    ] {
        let (status, text) = run(args);
        assert_eq!(status, Some(0), "{args:?}: {text}");
        assert!(text.contains(says), "{args:?}: {text}");
    }
    assert_eq!(fs::read_to_string(out.join(FILE)).unwrap(), LOG);
    let (status, text) = run(&["show", FILE, "--generation", "1"]);
    assert_eq!(status, Some(1), "{text}");
    assert!(text.contains("no generation 1; it has 2"), "{text}");
    let (status, text) = run(&["dump", "--generation", "1"]);
    assert_eq!(status, Some(2), "{text}");
}
