//! README.md and docs/: their commands are run, and print what the pages say.
//!
//! A block of `sh` is a script; a block of `text` right behind it has lines that it
//! prints. A block of `console` has commands behind `$`, each with lines that it prints
//! at a terminal of 80 columns, in this order. Nothing else is run, and must say so:
//! what cannot be run here is a block of `text`.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use regex::Regex;
use rustix::pty::{self, OpenptFlags};
use rustix::termios::{self, Winsize};
use tempfile::TempDir;

const LOG: &str = concat!(
    r#"{"type":"session","version":3,"id":"019a0000-0000-7000-8000-000000000001","timestamp":"2026-05-01T00:00:00.000Z","cwd":"/home/dev/proj"}"#,
    "\n",
    r#"{"type":"message","id":"a1","parentId":null,"timestamp":"2026-05-01T00:00:01.000Z","message":{"role":"user","content":"first question","timestamp":1}}"#,
    "\n",
    r#"{"type":"message","id":"a2","parentId":"a1","timestamp":"2026-05-01T00:00:02.000Z","message":{"role":"assistant","content":[{"type":"text","text":"first answer"}],"api":"x","provider":"p","model":"m","usage":{},"stopReason":"stop","timestamp":2}}"#,
    "\n",
    r#"{"type":"message","id":"a3","parentId":"a2","timestamp":"2026-05-01T00:00:03.000Z","message":{"role":"user","content":"second question","timestamp":3}}"#,
    "\n",
);

/// Instead of building, runs what a test is given already.
const CARGO: &str =
    "#!/bin/sh\n[ \"$1 $2 $3 $4\" = 'run --profile demo --' ] && shift 4 && exec sessile \"$@\"\n";

/// A reader of a page: a home of their own, and a clone to stand in.
struct Reader {
    home: TempDir,
    /// What the first script of a page set, for those behind it.
    set: String,
    path: String,
}

impl Reader {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let bin = home.path().join("bin");
        fs::create_dir_all(&bin).unwrap();
        fs::create_dir_all(home.path().join("clone/target")).unwrap();
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
        std::os::unix::fs::symlink(fixtures, home.path().join("clone/fixtures")).unwrap();
        let cargo = bin.join("cargo");
        fs::write(&cargo, CARGO).unwrap();
        fs::set_permissions(&cargo, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let built = Path::new(env!("CARGO_BIN_EXE_sessile")).parent().unwrap();
        let inherited = std::env::var("PATH").unwrap();
        let path = format!("{}:{}:{inherited}", bin.display(), built.display());
        Self { home, set: String::new(), path }
    }

    /// The same with the sessions of `fixtures/demo` in the folders of their programs.
    fn with_history() -> Self {
        let reader = Self::new();
        for (program, folder) in [("pi", ".pi/agent"), ("kward", ".kward")] {
            copy(&Path::new("fixtures/demo").join(program), &reader.home.path().join(folder));
        }
        reader
    }

    fn bash(&self, script: &str) -> Command {
        let mut command = Command::new("bash");
        command
            .args(["-euc", script])
            .env_clear()
            .envs([("HOME", self.home.path().to_str().unwrap()), ("PATH", &self.path)])
            // Nobody is at the terminal to leave a pager.
            .envs([("TZ", "UTC"), ("NO_COLOR", "1"), ("LANG", "C.UTF-8"), ("PAGER", "cat")])
            .current_dir(self.home.path().join("clone"))
            .stdin(Stdio::null());
        command
    }

    /// Runs a script; it has to succeed.
    #[track_caller]
    fn script(&mut self, commands: &str, expected: Option<&str>) {
        let output = self.bash(&format!("{}\n{commands}", self.set)).output().unwrap();
        if self.set.is_empty() {
            commands.clone_into(&mut self.set);
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands}\n{said}\n{err}");
        for line in expected.unwrap_or_default().lines() {
            assert!(said.contains(line), "{line:?} is not said by\n{commands}\n{said}");
        }
        assert!(!said.contains("diverged"), "{said}");
    }

    /// Types a command at a terminal; it has to succeed and to print these lines.
    #[track_caller]
    fn types(&self, command: &str, expected: &[&str]) {
        let main = pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        pty::grantpt(&main).unwrap();
        pty::unlockpt(&main).unwrap();
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        termios::tcsetwinsize(&main, size).unwrap();
        let name = pty::ptsname(&main, Vec::new()).unwrap();
        let name = OsStr::from_bytes(name.as_bytes()).to_owned();
        let terminal = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let mut bash = self.bash(command);
        let mut child = bash.stdout(terminal()).stderr(terminal()).spawn().unwrap();
        drop(bash);
        let mut printed = Vec::new();
        // Once the last of its users is gone, a terminal gives an error in place of an end.
        let _ = File::from(main).read_to_end(&mut printed);
        let is_done = child.wait().unwrap().success();
        let printed = String::from_utf8_lossy(&printed).replace("\r\n", "\n");
        let printed = printed.replace(self.home.path().to_str().unwrap(), "/home/ada");
        assert!(is_done, "{command}\n{printed}");
        // Of a command without any output on the page, nothing is promised.
        if expected.is_empty() {
            return;
        }
        let mut lines = printed.lines().map(without_ids);
        let mut is_left_out = false;
        for line in expected {
            if *line == LEFT_OUT {
                is_left_out = true;
                continue;
            }
            let is_line = |said: &String| *said == without_ids(line);
            let is_said = if std::mem::take(&mut is_left_out) {
                lines.any(|said| is_line(&said))
            } else {
                lines.next().as_ref().is_some_and(is_line)
            };
            assert!(is_said, "{line:?} is not said, there, by\n{command}\n{printed}");
        }
        let more = lines.next().filter(|_| !is_left_out);
        assert_eq!(more, None, "the page does not say that it leaves out lines of\n{command}");
    }

    /// Runs the blocks of a page; returns how many.
    #[track_caller]
    fn follows(&mut self, page: &Path) -> usize {
        let text = fs::read_to_string(page).unwrap();
        let blocks = blocks(&text);
        let mut run = 0;
        for (n, (kind, block)) in blocks.iter().enumerate() {
            match kind.split(' ').next().unwrap_or_default() {
                "sh" => {
                    let next = blocks.get(n + 1).filter(|(kind, _)| kind == "text");
                    self.script(block, next.map(|(_, lines)| lines.as_str()));
                }
                "console" => {
                    for part in block.strip_prefix("$ ").unwrap().split("\n$ ") {
                        let mut lines = part.lines();
                        let command = lines.next().unwrap();
                        self.types(command, &lines.collect::<Vec<_>>());
                    }
                }
                // The README's program is run by the tests of the documentation; what is
                // in another language, by the tests of its binding; what other engines are
                // asked, by `scripts/lake`.
                "python" | "js" | "text" | "toml" | "rust" | "json" | "sql" => continue,
                kind => panic!("{}: a block of {kind:?} is not known", page.display()),
            }
            run += 1;
        }
        run
    }
}

/// In the output of a command: some lines are left out of the page.
const LEFT_OUT: &str = "…";

/// The blocks of a page: what each is of, and what it holds.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    let mut is_inside = false;
    for line in page.lines() {
        match line.strip_prefix("```") {
            Some(kind) => {
                is_inside = !is_inside;
                if is_inside {
                    blocks.push((kind.to_owned(), String::new()));
                }
            }
            None if is_inside => {
                let (_, block) = blocks.last_mut().unwrap();
                block.push_str(line);
                block.push('\n');
            }
            None => {}
        }
    }
    blocks
}

/// Ids made by chance are other ones each time.
fn without_ids(line: &str) -> String {
    let id = Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}").unwrap();
    id.replace_all(line, "ID").into_owned()
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn the_commands_of_the_readme_can_be_followed_as_they_stand() {
    assert_eq!(Reader::with_history().follows(Path::new("README.md")), 7);
}

#[test]
fn the_page_on_living_beside_the_program_says_what_its_commands_do() {
    let mut reader = Reader::new();
    let folder = reader.home.path().join(".pi/agent/sessions/--home-dev-proj--");
    fs::create_dir_all(&folder).unwrap();
    let file = "2026-05-01T00-00-00-000Z_019a0000-0000-7000-8000-000000000001.jsonl";
    fs::write(folder.join(file), LOG).unwrap();

    assert_eq!(reader.follows(Path::new("docs/beside.md")), 8);
}

#[test]
fn the_commands_of_every_other_page_can_be_followed() {
    let mut pages: Vec<PathBuf> =
        fs::read_dir("docs").unwrap().map(|page| page.unwrap().path()).collect();
    pages.retain(|page| page.extension().is_some_and(|end| end == "md"));
    pages.retain(|page| !page.ends_with("beside.md"));
    let mut run = 0;
    for page in pages {
        run += Reader::with_history().follows(&page);
    }
    assert!(4 <= run);
}
