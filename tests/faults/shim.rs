//! The shim: built once, loaded into the binary, and what its log says.
//!
//! It is built when the tests run, not by a build script: one would make
//! everyone who uses the library wait for a C compiler's answer.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{Place, Run};

/// How a call fails; the numbers are the shim's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    EioOnce = 1,
    NoSpaceOnce = 2,
    /// Half of a write is done, and said so.
    Half = 3,
    /// As `Half`, then nothing more finds room.
    FullFrom = 4,
    /// This and every later call fails.
    DeadFrom = 5,
}

/// What a call does; the order is the shim's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Ready,
    Create,
    Open,
    Look,
    Write,
    Truncate,
    Sync,
    SyncAll,
    Rename,
    Link,
    Symlink,
    Unlink,
    Rmdir,
    Mkdir,
    Out,
}

const OPS: [Op; 15] = [
    Op::Ready,
    Op::Create,
    Op::Open,
    Op::Look,
    Op::Write,
    Op::Truncate,
    Op::Sync,
    Op::SyncAll,
    Op::Rename,
    Op::Link,
    Op::Symlink,
    Op::Unlink,
    Op::Rmdir,
    Op::Mkdir,
    Op::Out,
];

/// A record of the log.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) op: Op,
    /// Counted from 1; 0 when it is not.
    pub(crate) number: u32,
    pub(crate) result: i32,
    pub(crate) injected: bool,
    pub(crate) ino: u64,
    /// Where it writes, or the new size.
    pub(crate) offset: u64,
    pub(crate) path: PathBuf,
    pub(crate) other: PathBuf,
    pub(crate) data: Vec<u8>,
}

impl Call {
    /// For a finding: what was called, on what.
    pub(crate) fn name(&self) -> String {
        let file = self.path.file_name().unwrap_or_default();
        format!("{:?} {}", self.op, file.to_string_lossy())
    }
}

/// Whether faults can be injected here; a test that cannot says so, and is skipped.
pub(crate) fn is_there() -> bool {
    let why = match shim() {
        Ok(_) => return true,
        Err(why) => why,
    };
    // Not by a macro: what those print of a test that passes, nobody sees.
    let mut err = std::io::stderr();
    writeln!(err, "skipped: {why}").unwrap();
    false
}

fn shim() -> &'static Result<PathBuf, String> {
    static SHIM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    SHIM.get_or_init(|| {
        let shim = build()?;
        let place = Place::new();
        let log = place.beside("log");
        let outcome = load(Run::new(&place, ["new", "--cwd", "/w"]), &shim, &place, &log).outcome();
        let ready = fs::read(&log).is_ok_and(|log| 1 < read_log(&log).len());
        if ready && outcome.is_done() {
            Ok(shim)
        } else {
            Err(format!("the shim cannot be loaded: {outcome}"))
        }
    })
}

fn build() -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/shim/shim.c");
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let compiler = cc::Build::new()
        .cargo_metadata(false)
        .opt_level(2)
        .out_dir(folder)
        .host(&target)
        .target(&target)
        .try_get_compiler()
        .map_err(|err| format!("no C compiler: {err}"))?;
    // Another run of the tests may build it at the same time.
    let aside = folder.join(format!("shim-{}.so", std::process::id()));
    let mut command: Command = compiler.to_command();
    command.args(["-std=gnu11", "-shared", "-fPIC", "-o"]).arg(&aside).arg(source);
    let output = command.output().map_err(|err| format!("no C compiler: {err}"))?;
    if !output.status.success() {
        return Err(format!("no shim: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let shim = folder.join("shim.so");
    fs::rename(aside, &shim).map_err(|err| format!("no shim: {err}"))?;
    Ok(shim)
}

fn load<'a>(run: Run<'a>, shim: &Path, place: &Place, log: &Path) -> Run<'a> {
    run.env("LD_PRELOAD", shim)
        .env("SESSILE_SHIM_FOLDER", place.stage())
        .env("SESSILE_SHIM_LOG", log)
}

/// A run below the shim, whose log is at [`log_of`].
fn below<'a>(run: Run<'a>, place: &Place) -> Run<'a> {
    let shim = shim().as_ref().expect("the test asked whether the shim is there");
    load(run, shim, place, &place.beside("log"))
}

/// Counts the calls of a run.
pub(crate) fn counted<'a>(run: Run<'a>, place: &Place) -> Run<'a> {
    below(run, place)
}

/// Keeps what the calls of a run wrote.
pub(crate) fn traced<'a>(run: Run<'a>, place: &Place) -> Run<'a> {
    below(run, place).env("SESSILE_SHIM_DATA", "1")
}

/// Makes one call of a run fail.
pub(crate) fn failing<'a>(run: Run<'a>, place: &Place, number: u32, mode: Mode) -> Run<'a> {
    below(run, place)
        .env("SESSILE_SHIM_AT", number.to_string())
        .env("SESSILE_SHIM_MODE", (mode as u8).to_string())
}

/// The calls of the last run, in order.
pub(crate) fn log_of(place: &Place) -> Vec<Call> {
    read_log(&fs::read(place.beside("log")).unwrap())
}

fn read_log(mut bytes: &[u8]) -> Vec<Call> {
    fn take<const N: usize>(bytes: &mut &[u8]) -> [u8; N] {
        let (head, rest) = bytes.split_first_chunk().unwrap();
        *bytes = rest;
        *head
    }
    fn part(bytes: &mut &[u8], len: usize) -> Vec<u8> {
        let (head, rest) = bytes.split_at(len);
        *bytes = rest;
        head.to_vec()
    }
    let path = |bytes| PathBuf::from(std::ffi::OsString::from_vec(bytes));
    let mut calls = Vec::new();
    while !bytes.is_empty() {
        let op = OPS[u32::from_le_bytes(take(&mut bytes)) as usize];
        let number = u32::from_le_bytes(take(&mut bytes));
        let result = i32::from_le_bytes(take(&mut bytes));
        let injected = u32::from_le_bytes(take(&mut bytes)) != 0;
        let ino = u64::from_le_bytes(take(&mut bytes));
        let offset = u64::from_le_bytes(take(&mut bytes));
        let path_len = u32::from_le_bytes(take(&mut bytes)) as usize;
        let other_len = u32::from_le_bytes(take(&mut bytes)) as usize;
        let data_len = u64::from_le_bytes(take(&mut bytes)) as usize;
        let name = path(part(&mut bytes, path_len));
        let other = path(part(&mut bytes, other_len));
        let data = part(&mut bytes, data_len);
        calls.push(Call { op, number, result, injected, ino, offset, path: name, other, data });
    }
    calls
}
