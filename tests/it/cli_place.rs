//! Where the database and the programs' folders are when nobody names them.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use tempfile::TempDir;

use crate::support::{fixture, header};

/// A user with a folder and nothing in it, and no variable set.
struct User {
    home: TempDir,
}

impl User {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessile"));
        command.env_clear().env("HOME", self.home.path()).args(args).stdin(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    #[track_caller]
    fn done(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn database(&self) -> std::path::PathBuf {
        self.home.path().join(".local/share/sessile/sessile.db")
    }

    /// A session of Kward in a folder of the user's.
    fn session(&self, folder: &str, id: &str) {
        let folder = self.home.path().join(folder).join("sessions/--w--");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{id}.jsonl")), header(id)).unwrap();
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => copy(&entry.path(), &target),
            kind if kind.is_file() => drop(fs::copy(entry.path(), target).unwrap()),
            _ => {}
        }
    }
}

fn ids(rows: &str) -> Vec<String> {
    let id = |row: &str| {
        let row: serde_json::Value = serde_json::from_str(row).unwrap();
        row["session_id"].as_str().unwrap().to_owned()
    };
    rows.lines().map(id).collect()
}

#[test]
fn the_first_import_makes_a_database_in_the_users_data_folder() {
    let user = User::new();
    user.session("old", "one");

    user.done(&["import", user.home.path().join("old").to_str().unwrap()]);

    assert!(user.database().is_file());
    assert_eq!(ids(&user.done(&["list", "--json"])), ["one"]);
    let folder = fs::metadata(user.database().parent().unwrap()).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&folder.permissions()) & 0o777, 0o700);
}

#[test]
fn a_database_that_is_named_counts_before_the_variable_and_that_before_the_data_folder() {
    let user = User::new();
    let data = user.home.path().join("data");
    let (option, variable) = (user.home.path().join("o.db"), user.home.path().join("v.db"));
    let new = ["new", "--cwd", "/w"];
    let set = |args: &[&str]| {
        let mut command = user.command(args);
        command.env("SESSILE_DB", &variable).env("XDG_DATA_HOME", &data);
        assert!(command.output().unwrap().status.success());
    };

    set(&[&["--db", option.to_str().unwrap()], &new[..]].concat());
    assert!(option.is_file() && !variable.exists() && !data.exists());

    set(&new);
    assert!(variable.is_file() && !data.exists());

    let mut command = user.command(&new);
    command.env("SESSILE_DB", "").env("XDG_DATA_HOME", &data);
    assert!(command.output().unwrap().status.success());
    assert!(data.join("sessile/sessile.db").is_file());
}

#[test]
fn who_reads_without_a_database_is_told_how_to_begin() {
    let user = User::new();

    let output = user.run(&["list"]);

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("there is no database yet; `sessile sync`"), "{said}");
    assert!(!user.home.path().join(".local").exists());

    let named = user.run(&["list", "--db", "/no/such.db"]);
    let said = String::from_utf8_lossy(&named.stderr).into_owned();
    assert!(!said.contains("yet"), "{said}");
}

#[test]
fn sync_imports_the_folder_of_every_program_that_is_there() {
    let user = User::new();
    copy(&fixture("kward/small"), &user.home.path().join(".kward"));
    copy(&fixture("pi/small"), &user.home.path().join(".pi/agent"));
    copy(&fixture("kimi/small"), &user.home.path().join("elsewhere"));

    let dry = user.done(&["sync", "--dry-run"]);
    assert!(dry.contains("/.kward: would import") && dry.contains("/.pi/agent: would"), "{dry}");
    assert!(!user.database().exists());

    let mut command = user.command(&["sync", "--json"]);
    let output = command.env("KIMI_SHARE_DIR", "~/elsewhere").output().unwrap();
    assert!(output.status.success(), "{output:?}");

    let roots = user.done(&["roots"]);
    for (folder, format) in [(".kward", "kward"), (".pi/agent", "pi"), ("elsewhere", "kimi")] {
        assert!(roots.contains(&format!("/{folder}  {format}")), "{roots}");
        user.done(&["verify", user.home.path().join(folder).to_str().unwrap()]);
    }
}

#[test]
fn the_variable_of_kward_names_a_file_of_its_folder() {
    let user = User::new();
    user.session("other", "elsewhere");
    user.session(".kward", "at-home");

    let mut command = user.command(&["sync"]);
    let config = user.home.path().join("other/config.json");
    assert!(command.env("KWARD_CONFIG_PATH", config).output().unwrap().status.success());

    assert_eq!(ids(&user.done(&["list", "--json"])), ["elsewhere"]);
}

#[test]
fn where_no_program_keeps_anything_sync_says_so_and_makes_nothing() {
    let user = User::new();

    let output = user.run(&["sync"]);

    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("`sessile import ROOT`"), "{said}");
    assert!(!user.database().exists());
}

#[test]
fn who_mistypes_a_name_is_told_what_is_like_it() {
    let user = User::new();
    copy(&fixture("demo/pi"), &user.home.path().join(".pi/agent"));
    user.done(&["sync"]);
    let check = |args: &[&str], expected: &str| {
        let output = user.run(args);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("; did you mean ") && said.contains(expected), "{said}");
    };
    let in_home = |path: &str| user.home.path().join(path).to_str().unwrap().to_owned();

    check(&["show", "7ad4149a"], "6ad4149a-1c58-4e0b-9a53-0f4f1a2b7c10\" (The lost last token)?");
    check(&["show", "lost last"], "6ad4149a-1c58-4e0b-9a53-0f4f1a2b7c10");
    check(&["show", "6ad4", "--entry", "5f2c91d1"], "\"5f2c91d0\"?");
    check(&["label", "6ad4", "5f2c91d1", "x"], "\"5f2c91d0\"?");
    check(&["verify", &in_home(".pi")], "/.pi/agent\"?");
    check(&["import", &in_home(".ip")], "/.pi\"?");

    let output = user.run(&["show", "nothing-like-it"]);
    assert!(!String::from_utf8(output.stderr).unwrap().contains("did you mean"));
}

#[test]
fn completions_know_the_commands_of_each_shell() {
    let user = User::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = user.done(&["completions", shell]);
        assert!(script.contains("recover") && script.contains("dry-run"), "{shell}");
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let user = User::new();
    let folder = user.home.path().join("man");

    user.done(&["man", folder.to_str().unwrap()]);

    for page in ["sessile.1", "sessile-import.1", "sessile-purge.1", "sessile-rpc.1"] {
        let text = fs::read_to_string(folder.join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}");
    }
}

/// Lines that a process prints, as they come.
fn lines_of(output: impl std::io::Read + Send + 'static) -> mpsc::Receiver<String> {
    let (lines, came) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            drop(lines.send(line));
        }
    });
    came
}

#[test]
fn what_a_program_writes_is_there_a_moment_later_where_it_is_watched() {
    let user = User::new();
    user.session(".kward", "one");
    let mut command = user.command(&["watch"]);
    let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let told = lines_of(watch.stdout.take().unwrap());
    let noted = lines_of(watch.stderr.take().unwrap());
    let soon = Duration::from_secs(60);
    assert!(noted.recv_timeout(soon).unwrap().starts_with("watching "));
    assert!(told.recv_timeout(soon).unwrap().ends_with(": 1 line of 1 session"));

    user.session(".kward", "two");
    let first = told.recv_timeout(soon).unwrap();

    watch.kill().unwrap();
    watch.wait().unwrap();
    assert!(first.ends_with("/.kward: 1 line of 1 session"), "{first}");
    let mut found = ids(&user.done(&["list", "--json"]));
    found.sort();
    assert_eq!(found, ["one", "two"]);
}

#[test]
fn where_there_is_nothing_to_watch_that_is_said() {
    let output = User::new().run(&["watch"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn a_root_that_is_removed_and_made_again_is_watched_at_once() {
    let user = User::new();
    user.session("root", "one");
    let root = user.home.path().join("root");
    let later = user.home.path().join("later/deep");
    let mut command = user.command(&["watch", root.to_str().unwrap(), later.to_str().unwrap()]);
    let mut watch = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let told = lines_of(watch.stdout.take().unwrap());
    let _noted = lines_of(watch.stderr.take().unwrap());
    let soon = Duration::from_secs(60);
    let added = "1 line of 1 session";
    assert!(told.recv_timeout(soon).unwrap().ends_with(added));

    fs::remove_dir_all(&root).unwrap();
    user.session("root", "two");
    let again = told.recv_timeout(soon);
    user.session("root", "three");
    let third = told.recv_timeout(soon);
    user.session("later/deep", "four");
    let fourth = told.recv_timeout(soon);

    watch.kill().unwrap();
    watch.wait().unwrap();
    for line in [again, third, fourth] {
        assert!(line.unwrap().ends_with(added));
    }
}

/// Waits until a process does something of its own at ^C.
fn catches_interrupts(process: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
    let caught = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    caught.is_some_and(|mask| mask & 2 != 0)
}

#[test]
fn an_import_that_is_interrupted_says_what_stands_and_how_to_go_on() {
    if !Path::new("/proc/self/status").exists() {
        return eprintln!("skipped: this system does not say what a process waits for");
    }
    let user = User::new();
    copy(&fixture("demo/pi"), &user.home.path().join(".pi/agent"));
    user.done(&["sync"]);
    user.session(".kward", "one");
    let lock = rusqlite::Connection::open(user.database()).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();

    let mut command = user.command(&["sync"]);
    let sync = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    while !catches_interrupts(sync.id()) {
        std::thread::yield_now();
    }
    let sent = Command::new("kill").args(["-INT", &sync.id().to_string()]).status().unwrap();
    let output = sync.wait_with_output().unwrap();

    assert!(sent.success());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("1 file and 1 session are in "), "{said}");
    assert!(said.contains("run the same command to continue"), "{said}");
    drop(lock);
    user.done(&["sync"]);
    assert_eq!(ids(&user.done(&["list", "--json"])).len(), 2);
}
