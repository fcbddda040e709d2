//! `sessile watch`: whatever happens to a root or to the database meanwhile, what
//! programs write is imported.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use tempfile::TempDir;

use crate::support::header;

/// Longer than anything takes that is noticed at once, and shorter than the time
/// between two full imports.
const SOON: Duration = Duration::from_secs(90);

/// A process that watches roots, in a folder of its own.
struct Watching {
    dir: TempDir,
    process: Option<Child>,
    told: Receiver<String>,
    noted: Receiver<String>,
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }
}

impl Watching {
    /// Prepares the folder, then watches a root in it.
    fn begin(root: &str, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path());
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
        let db = dir.path().join("sessions.db");
        command.arg("--db").arg(db).arg("watch").arg(dir.path().join(root));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let told = lines_of(process.stdout.take().unwrap());
        let noted = lines_of(process.stderr.take().unwrap());
        Self { dir, process: Some(process), told, noted }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// Waits until the import of one new session is told.
    #[track_caller]
    fn imports_one(&self) {
        let line = self.told.recv_timeout(SOON).expect("it imports what was written");
        assert!(line.ends_with(": 1 line of 1 session"), "{line}");
    }

    /// Waits for a note that contains a text.
    #[track_caller]
    fn notes(&self, text: &str) {
        while !self.noted.recv_timeout(SOON).expect(text).contains(text) {}
    }
}

/// Lines that a process prints, as they come.
fn lines_of(output: impl Read + Send + 'static) -> Receiver<String> {
    let (lines, came) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            drop(lines.send(line));
        }
    });
    came
}

/// Writes a session of Kward below a root.
fn write_session(root: &Path, id: &str) {
    let folder = root.join("sessions/--w--");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{id}.jsonl")), header(id)).unwrap();
}

#[test]
fn what_was_written_while_another_process_held_the_database_is_imported_afterwards() {
    let watching = Watching::begin("root", |dir| write_session(&dir.join("root"), "one"));
    watching.imports_one();
    let other = rusqlite::Connection::open(watching.path("sessions.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();

    write_session(&watching.path("root"), "two");
    watching.notes("the database is in use");
    other.execute_batch("COMMIT").unwrap();

    watching.imports_one();
}

#[test]
fn a_root_is_found_again_when_a_folder_far_above_it_was_renamed() {
    let watching = Watching::begin("a/b/c/root", |dir| write_session(&dir.join("a/b/c/root"), "1"));
    watching.imports_one();

    fs::rename(watching.path("a"), watching.path("aside")).unwrap();
    watching.notes("there is no folder");
    write_session(&watching.path("a/b/c/root"), "2");
    watching.imports_one();
    write_session(&watching.path("a/b/c/root"), "3");
    watching.imports_one();
}

#[test]
fn a_link_that_leads_to_another_root_is_noticed_wherever_it_is() {
    let watching = Watching::begin("links/root", |dir| {
        write_session(&dir.join("far/one"), "1");
        write_session(&dir.join("far/two"), "2");
        fs::create_dir(dir.join("links")).unwrap();
        symlink("../far/one", dir.join("links/root")).unwrap();
    });
    watching.imports_one();

    symlink("../far/two", watching.path("links/next")).unwrap();
    fs::rename(watching.path("links/next"), watching.path("links/root")).unwrap();
    watching.imports_one();
    write_session(&watching.path("far/two"), "3");
    watching.imports_one();
}

#[test]
fn a_folder_that_becomes_a_root_later_is_imported_then() {
    let watching = Watching::begin("root", |dir| fs::create_dir(dir.join("root")).unwrap());
    watching.notes("cannot tell what wrote");

    write_session(&watching.path("root"), "one");

    watching.imports_one();
}

#[test]
fn what_a_link_in_a_root_leads_to_is_not_watched() {
    const FOLDERS: usize = 100;
    let watching = Watching::begin("root", |dir| {
        write_session(&dir.join("root"), "one");
        for n in 0..FOLDERS {
            fs::create_dir_all(dir.join(format!("elsewhere/{n}"))).unwrap();
        }
        symlink("../../elsewhere", dir.join("root/sessions/link")).unwrap();
    });
    watching.imports_one();
    let process = watching.process.as_ref().unwrap().id();
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fdinfo")) else {
        return eprintln!("skipped: this system does not say what a process watches");
    };

    let files = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap_or_default());
    let watches: usize = files.map(|file| file.matches("inotify wd:").count()).sum();
    assert!((1..FOLDERS).contains(&watches), "{watches}");
}
