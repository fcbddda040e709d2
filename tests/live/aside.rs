//! What an export writes if something else has the path of what is kept.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sessile::{ExportOptions, ExportReport, Format, ImportOptions, Store};

use crate::support::{at, message};

const LOG: &str = "{\"type\":\"session\",\"version\":2,\"id\":\"given\",\"cwd\":\"/w\"}\n\
    {\"type\":\"message\",\"id\":\"a\",\"message\":{\"role\":\"user\",\"content\":\"A\"}}\n";
const FOLDER: &str = "sessions/--w--";
const FILE: &str = "sessions/--w--/given.jsonl";
const CONTEXT: &str = "sessions/dd3464ad15e3938bd1128bd2347c29d6/given/context.jsonl";

struct Pair {
    store: Store,
    dir: tempfile::TempDir,
    format: Format,
}

impl Pair {
    fn of(format: Format, path: &str, log: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        let pair = Self { store, dir, format };
        fs::create_dir_all(pair.at(path).parent().unwrap()).unwrap();
        fs::write(pair.at(path), log).unwrap();
        pair.import();
        pair
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join("root").join(path)
    }

    fn import(&self) {
        let options = ImportOptions::new().format(self.format);
        self.store.import(&self.dir.path().join("root"), &options).unwrap();
        assert_eq!(self.store.check().unwrap(), []);
    }

    /// What an export holds, by path: the content of files, `/` for folders,
    /// the targets of links.
    fn export(&self, options: &ExportOptions) -> (ExportReport, Vec<(String, String)>) {
        let out = tempfile::tempdir().unwrap();
        let report = self.store.export(out.path(), options).unwrap();
        let (mut found, mut todo) = (Vec::new(), vec![out.path().to_owned()]);
        while let Some(folder) = todo.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                let name = path.strip_prefix(out.path()).unwrap().to_str().unwrap().to_owned();
                found.push((name, shown(&path)));
                todo.extend((path.is_dir() && !path.is_symlink()).then_some(path));
            }
        }
        found.sort();
        (report, found)
    }

    /// Checks that an export holds this, and that it says what it wrote elsewhere.
    #[track_caller]
    fn check(&self, options: &ExportOptions, expected: &[(&str, &str)], moved: &[(&str, &str)]) {
        let (report, found) = self.export(options);
        let expected: Vec<(String, String)> =
            expected.iter().map(|(path, what)| ((*path).to_owned(), (*what).to_owned())).collect();
        let found: Vec<(String, String)> = found
            .into_iter()
            .filter(|(path, what)| what != "/" || expected.iter().any(|(known, _)| known == path))
            .collect();
        assert_eq!(found, expected);
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let aside: Vec<(String, String)> =
            report.aside.iter().map(|one| (text(&one.file), text(&one.written_as))).collect();
        let moved: Vec<(String, String)> =
            moved.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect();
        assert_eq!(aside, moved);
    }
}

fn shown(path: &Path) -> String {
    if path.is_symlink() {
        return fs::read_link(path).unwrap().to_str().unwrap().to_owned();
    }
    if path.is_dir() { "/".to_owned() } else { fs::read_to_string(path).unwrap() }
}

#[test]
fn a_log_in_whose_place_there_is_a_folder_is_written_beside_it() {
    let pair = Pair::of(Format::Kward, FILE, LOG);
    let session = pair.store.find("given").unwrap();
    fs::remove_file(pair.at(FILE)).unwrap();
    fs::create_dir(pair.at(FILE)).unwrap();
    fs::write(pair.at(FILE).join("x"), "x").unwrap();
    pair.import();
    let (kept, below) = ("sessions/--w--/given.kept.jsonl", "sessions/--w--/given.jsonl/x");

    let all = [(FILE, "/"), (below, "x"), (kept, LOG)];
    pair.check(&ExportOptions::new(), &all, &[(FILE, kept)]);
    pair.check(&ExportOptions::new().session(session.key()), &[(FILE, LOG)], &[]);
    pair.check(&ExportOptions::new().source_only(true), &all[..2], &[]);
    // A name that is taken is left alone.
    fs::write(pair.at(kept), "other").unwrap();
    pair.import();
    let second = "sessions/--w--/given.kept-2.jsonl";
    let all = [(FILE, "/"), (below, "x"), (second, LOG), (kept, "other")];
    pair.check(&ExportOptions::new(), &all, &[(FILE, second)]);
}

#[test]
fn a_log_and_what_was_in_a_folder_of_its_path_are_both_written_when_both_are_gone() {
    let pair = Pair::of(Format::Kward, FILE, LOG);
    fs::remove_file(pair.at(FILE)).unwrap();
    fs::create_dir(pair.at(FILE)).unwrap();
    fs::write(pair.at(FILE).join("x"), "x").unwrap();
    pair.import();
    fs::remove_dir_all(pair.at(FILE)).unwrap();
    pair.import();
    let (kept, below) = ("sessions/--w--/given.kept.jsonl", "sessions/--w--/given.jsonl/x");

    let all = [(FILE, "/"), (below, "x"), (kept, LOG)];
    pair.check(&ExportOptions::new(), &all, &[(FILE, kept)]);
}

#[test]
fn a_link_and_what_was_in_a_folder_of_its_path_are_both_written_when_both_are_gone() {
    let pair = Pair::of(Format::Kward, "sessions/--w--/link/x", "x");
    fs::remove_dir_all(pair.at("sessions/--w--/link")).unwrap();
    symlink("note", pair.at("sessions/--w--/link")).unwrap();
    pair.import();
    fs::remove_file(pair.at("sessions/--w--/link")).unwrap();
    pair.import();
    let (kept, below) = ("sessions/--w--/link.kept", "sessions/--w--/link/x");

    let (report, found) = pair.export(&ExportOptions::new());

    assert_eq!(report.aside.len(), 1);
    for (path, content) in [(kept, "note"), (below, "x")] {
        assert!(found.contains(&(path.to_owned(), content.to_owned())), "{found:?}");
    }
}

#[test]
fn what_lay_below_a_folder_that_is_a_file_or_link_now_is_written_beside_it() {
    let kept = "sessions/--w--.kept/given.jsonl";
    for is_link in [false, true] {
        let pair = Pair::of(Format::Kward, FILE, LOG);
        let session = pair.store.find("given").unwrap();
        fs::remove_dir_all(pair.at(FOLDER)).unwrap();
        if is_link {
            symlink("note", pair.at(FOLDER)).unwrap();
        } else {
            fs::write(pair.at(FOLDER), "note").unwrap();
        }
        pair.import();

        let all = [(FOLDER, "note"), (kept, LOG)];
        pair.check(&ExportOptions::new(), &all, &[(FILE, kept)]);
        pair.check(&ExportOptions::new().source_only(true), &all, &[(FILE, kept)]);
        pair.check(&ExportOptions::new().session(session.key()), &[(FILE, LOG)], &[]);
        session.at(at(5)).append_message(message("user", "here", "h")).unwrap();
        let (_, found) = pair.export(&ExportOptions::new());
        assert!(found.iter().any(|(path, log)| path == kept && log.contains("here")), "{found:?}");
    }
}

#[test]
fn a_session_of_several_files_whose_folder_is_a_file_now_is_written_beside_it() {
    let context = "{\"role\":\"user\",\"content\":\"q\"}\n";
    let pair = Pair::of(Format::Kimi, CONTEXT, context);
    let folder = CONTEXT.strip_suffix("/context.jsonl").unwrap();
    fs::remove_dir_all(pair.at(folder)).unwrap();
    fs::write(pair.at(folder), "note").unwrap();
    pair.import();

    let kept = format!("{folder}.kept/context.jsonl");
    let all = [(folder, "note"), (&kept, context)];
    pair.check(&ExportOptions::new(), &all, &[(CONTEXT, &kept)]);
}

#[cfg(feature = "cli")]
#[test]
fn a_command_says_what_it_wrote_elsewhere_and_is_done() {
    let pair = Pair::of(Format::Kward, FILE, LOG);
    fs::remove_file(pair.at(FILE)).unwrap();
    fs::create_dir(pair.at(FILE)).unwrap();
    pair.import();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sessile"))
        .arg("--db")
        .arg(pair.store.path())
        .arg("export")
        .arg(pair.dir.path().join("out"))
        .output()
        .unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("given.jsonl was written as sessions/--w--/given.kept.jsonl"), "{said}");
}
