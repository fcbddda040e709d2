//! Folders, runs of the binary, random numbers and figures, for all parts.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longer than any run of the attack takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Xorshift: the same seed gives the same numbers.
pub(crate) struct Chance(u64);

impl Chance {
    /// Of the part's own numbers: `SESSILE_FAULTS_SEED` gives other ones.
    pub(crate) fn new(part: u64) -> Self {
        let seed = setting("SESSILE_FAULTS_SEED", 1) as u64;
        let mut chance = Self((seed << 32 | part).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        chance.below(2);
        chance
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11) as usize % end.max(1)
    }

    pub(crate) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// A number from the environment: the short form's, unless the long form gives another.
pub(crate) fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// What one part of the attack tried, and what it found.
pub(crate) struct Tally {
    part: &'static str,
    rounds: usize,
    started: Instant,
    notes: BTreeMap<String, usize>,
    findings: Vec<String>,
}

impl Tally {
    pub(crate) fn new(part: &'static str) -> Self {
        let (notes, findings) = (BTreeMap::new(), Vec::new());
        Self { part, rounds: 0, started: Instant::now(), notes, findings }
    }

    pub(crate) fn round(&mut self) {
        self.rounds += 1;
    }

    pub(crate) fn rounds(&self) -> usize {
        self.rounds
    }

    /// Counts something beside the rounds.
    pub(crate) fn note(&mut self, what: &str) {
        *self.notes.entry(what.to_owned()).or_default() += 1;
    }

    pub(crate) fn find(&mut self, finding: String) {
        if self.findings.len() < 200 {
            eprintln!("finding: {}: {}", self.part, finding.replace('\n', "\n    "));
        }
        self.findings.push(finding);
    }

    /// The long form bounds each part in time: `SESSILE_FAULTS_SECONDS`.
    pub(crate) fn is_over(&self) -> bool {
        let seconds = setting("SESSILE_FAULTS_SECONDS", 1_200) as u64;
        Duration::from_secs(seconds) <= self.started.elapsed()
    }

    /// Prints the figures, and fails where something was found.
    #[track_caller]
    pub(crate) fn finish(self) {
        let mut line = format!("{}: {}", self.part, self.rounds);
        for (what, count) in &self.notes {
            let _ = write!(line, ", {what} {count}");
        }
        let seconds = self.started.elapsed().as_secs();
        let _ = write!(line, ", findings {}, {seconds} s", self.findings.len());
        println!("{line}");
        if let Some(path) = std::env::var_os("SESSILE_FAULTS_FIGURES") {
            let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
            writeln!(file, "{line}").unwrap();
        }
        assert!(0 < self.rounds, "nothing was tried");
        let shown = self.findings.len().min(20);
        assert!(self.findings.is_empty(), "{line}\n{}", self.findings[..shown].join("\n"));
    }
}

/// A folder of a test's own: the root in it is read, `work` is what a try changes.
pub(crate) struct Place {
    home: TempDir,
    pub(crate) root: PathBuf,
    pub(crate) work: PathBuf,
    pub(crate) db: PathBuf,
}

impl Place {
    /// In memory, where the machine has a folder that is, and room in it.
    pub(crate) fn new() -> Self {
        let room = |at: &str| rustix::fs::statvfs(at).map_or(0, |fs| fs.f_bavail * fs.f_frsize);
        let home = if 1 << 30 <= room("/dev/shm") {
            tempfile::tempdir_in("/dev/shm").unwrap()
        } else {
            tempfile::tempdir().unwrap()
        };
        let stage = home.path().canonicalize().unwrap().join("stage");
        let (root, work) = (stage.join("root"), stage.join("work"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(&work).unwrap();
        Self { home, root, db: work.join("sessions.db"), work }
    }

    /// With a database in folders that are still to be made.
    pub(crate) fn in_new_folders() -> Self {
        let mut place = Self::new();
        place.db = place.work.join("made/here/sessions.db");
        place
    }

    /// Beside the folder in which faults happen.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// The folder in which faults happen: root and work.
    pub(crate) fn stage(&self) -> &Path {
        self.work.parent().unwrap()
    }

    /// Keeps what `work` holds, to begin from there again.
    pub(crate) fn keep(&self) {
        copy_tree(&self.work, &self.beside("base"));
    }

    pub(crate) fn begin_again(&self) {
        remove_tree(&self.work);
        copy_tree(&self.beside("base"), &self.work);
    }

    /// A command of the binary on this place's database.
    pub(crate) fn run<I, S>(&self, args: I) -> Outcome
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Run::new(self, args).outcome()
    }

    /// As [`run`](Self::run), where anything but exit 0 means that the test itself is wrong.
    #[track_caller]
    pub(crate) fn done<I, S>(&self, args: I) -> Outcome
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let outcome = self.run(args);
        assert_eq!(outcome.code(), Some(0), "{outcome}");
        outcome
    }
}

/// One run of the binary: its output goes to files, so that nothing waits for a reader.
pub(crate) struct Run<'a> {
    place: &'a Place,
    command: Command,
    words: String,
    name: String,
}

impl<'a> Run<'a> {
    pub(crate) fn new<I, S>(place: &'a Place, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        Self::on(place, &place.db, args)
    }

    /// On another database than the place's.
    pub(crate) fn on<I, S>(place: &'a Place, db: &Path, args: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let words: Vec<_> = args.iter().map(|arg| arg.to_string_lossy()).collect();
        // `SESSILE` names another build of it.
        let binary = std::env::var_os("SESSILE");
        let mut command = Command::new(binary.unwrap_or(env!("CARGO_BIN_EXE_sessile").into()));
        command.args(&args).arg("--db").arg(db).stdin(Stdio::null()).current_dir(&place.home);
        let words = words.join(" ").chars().take(80).collect();
        Self { place, command, words, name: "run".to_owned() }
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn input(mut self, bytes: &[u8]) -> Self {
        let path = self.place.beside("stdin");
        fs::write(&path, bytes).unwrap();
        self.command.stdin(File::open(path).unwrap());
        self
    }

    pub(crate) fn start(mut self) -> Running {
        let [stdout, stderr] =
            ["out", "err"].map(|end| self.place.beside(&format!("{}.{end}", self.name)));
        self.command.stdout(File::create(&stdout).unwrap());
        self.command.stderr(File::create(&stderr).unwrap());
        let child = self.command.spawn().unwrap();
        Running { child, stdout, stderr, words: self.words }
    }

    pub(crate) fn outcome(self) -> Outcome {
        self.start().outcome(PATIENCE)
    }
}

pub(crate) struct Running {
    pub(crate) child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    words: String,
}

impl Running {
    /// Waits for the end; whoever takes longer is killed, and has no status.
    pub(crate) fn outcome(mut self, patience: Duration) -> Outcome {
        let started = Instant::now();
        let mut nap = Duration::from_micros(200);
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break Some(status);
            }
            if patience < started.elapsed() {
                self.child.kill().unwrap();
                self.child.wait().unwrap();
                break None;
            }
            std::thread::sleep(nap);
            nap = (nap * 3 / 2).min(Duration::from_millis(1));
        };
        Outcome {
            status,
            stdout: fs::read(&self.stdout).unwrap(),
            stderr: String::from_utf8_lossy(&fs::read(&self.stderr).unwrap()).into_owned(),
            words: self.words,
        }
    }

    pub(crate) fn kill(mut self) -> Outcome {
        self.child.kill().unwrap();
        self.outcome(PATIENCE)
    }
}

pub(crate) struct Outcome {
    status: Option<ExitStatus>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    words: String,
}

impl Outcome {
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.and_then(|status| status.code())
    }

    pub(crate) fn is_done(&self) -> bool {
        self.code() == Some(0)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// What no command may do whatever happens to it: hang, die, panic, or fail without a word.
    pub(crate) fn misbehaved(&self) -> Option<String> {
        let Some(status) = self.status else { return Some(format!("hangs: {self}")) };
        if let Some(signal) = status.signal() {
            return Some(format!("signal {signal}: {self}"));
        }
        if !matches!(status.code(), Some(0..=2)) || self.stderr.contains("panicked at") {
            return Some(format!("panics: {self}"));
        }
        let is_silent = self.stderr.trim().is_empty() && self.stdout.is_empty();
        (!self.is_done() && is_silent).then(|| format!("fails without a word: {self}"))
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: String = self.stderr.trim().chars().take(400).collect();
        match self.status {
            Some(status) => write!(f, "`{}`: {status}: {shown}", self.words),
            None => write!(f, "`{}`: still running: {shown}", self.words),
        }
    }
}

/// Files, links and folders as they are, with modes and times.
pub(crate) fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let stat = path.symlink_metadata().unwrap();
        if stat.is_dir() {
            copy_tree(&path, &target);
            fs::set_permissions(&target, stat.permissions()).unwrap();
        } else if stat.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&path).unwrap(), &target).unwrap();
        } else {
            fs::copy(&path, &target).unwrap();
            set_modified(&target, stat.modified().unwrap());
        }
    }
}

/// A file or a folder, whatever the modes in it; there may be none.
pub(crate) fn remove_tree(folder: &Path) {
    if fs::remove_file(folder).is_ok() || fs::remove_dir_all(folder).is_ok() || !folder.exists() {
        return;
    }
    let mut todo = vec![folder.to_owned()];
    while let Some(at) = todo.pop() {
        fs::set_permissions(&at, fs::Permissions::from_mode(0o700)).unwrap();
        let entries = fs::read_dir(&at).unwrap().map(|entry| entry.unwrap());
        todo.extend(entries.filter(|e| e.file_type().unwrap().is_dir()).map(|e| e.path()));
    }
    fs::remove_dir_all(folder).unwrap();
}

pub(crate) fn set_modified(path: &Path, time: std::time::SystemTime) {
    if let Ok(file) = File::open(path) {
        file.set_times(fs::FileTimes::new().set_modified(time)).unwrap();
    }
}

/// A time long past: an import never takes a file of then for one that may still change.
pub(crate) fn then(seconds: u64) -> std::time::SystemTime {
    std::time::UNIX_EPOCH + Duration::from_secs(1_767_225_600 + seconds)
}

/// Every file and link below a folder: its mode, time in nanoseconds, and bytes or target.
pub(crate) type Tree = BTreeMap<PathBuf, (u32, i128, Vec<u8>)>;

pub(crate) fn tree(folder: &Path) -> Tree {
    let mut found = Tree::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(at) = todo.pop() {
        let Ok(entries) = fs::read_dir(&at) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            let stat = path.symlink_metadata().unwrap();
            let time = i128::from(stat.mtime()) * 1_000_000_000 + i128::from(stat.mtime_nsec());
            let name = path.strip_prefix(folder).unwrap().to_owned();
            if stat.is_dir() {
                todo.push(path);
            } else if stat.is_symlink() {
                let target = fs::read_link(&path).unwrap();
                found.insert(name, (0, 0, target.as_os_str().as_bytes().to_vec()));
            } else if stat.is_file() {
                found.insert(name, (stat.mode(), time, fs::read(&path).unwrap_or_default()));
            }
        }
    }
    found
}

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// Copies a fixture, with times long past.
pub(crate) fn copy_fixture(name: &str, to: &Path) {
    copy_tree(&fixture(name), to);
    for path in tree(to).into_keys() {
        set_modified(&to.join(path), then(0));
    }
}
