//! The engine beside its bounds and its rivals, in one table.
//!
//! ```console
//! $ cargo bench --bench report            # under 5 minutes
//! $ cargo bench --bench report -- --large # 1 GB, 100,000 sessions: about 15
//! $ cargo test  --bench report            # tiny, for the answers and not the times
//! $ cargo bench --bench report -- paths   # one part of it
//! $ cargo bench --bench report -- make B /tmp/root # a workload, for a profiler
//! $ cargo bench --bench report -- peers /tmp/peers # beside what programs use today
//! ```
//!
//! Every row is a ratio to something measured in the same run, in turns with it,
//! or a bound that a user would notice. Times of their own mean little: this
//! machine is not yours. The table goes to `target/bench-report.json`, too.
//!
//! Workloads, each from a seed: A, sessions of lines of 1.4 KB, 256 MB in all;
//! B, 20,000 sessions of 20 lines of 300 bytes; trees of 1,000 to 100,000
//! entries of 1 KB with forks; lists of 100,000 sessions.

mod appends;
mod copies;
mod corpus;
mod imports;
mod lists;
mod paths;
mod peer;
mod peers;
mod rivals;
mod shares;
mod table;
mod timing;
mod whole;

use std::path::Path;

use table::Table;

/// What a part of the report may fail with; a bench has nobody to tell apart errors for.
type Outcome<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// How much to measure.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Files and bytes of long lines.
    a: (usize, usize),
    /// Sessions of short lines.
    b: usize,
    /// Entries of a tree.
    c: [usize; 3],
    /// Sessions of a list.
    listed: usize,
    /// Sessions of a Kimi share.
    shared: usize,
    /// Appends of each kind.
    appends: usize,
    /// How often two things take turns.
    rounds: usize,
}

impl Scale {
    fn report() -> Self {
        Self {
            a: (1_000, 256 << 20),
            b: 20_000,
            c: [1_000, 10_000, 100_000],
            listed: 100_000,
            shared: 5_000,
            appends: 1_000,
            rounds: 5,
        }
    }

    fn large() -> Self {
        Self { a: (1_000, 1 << 30), b: 100_000, ..Self::report() }
    }

    /// For the answers, not the times.
    fn tiny() -> Self {
        Self {
            a: (10, 300 << 10),
            b: 40,
            c: [60, 200, 600],
            listed: 400,
            shared: 30,
            appends: 5,
            rounds: 1,
        }
    }
}

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if is_other_work(&arguments)? { Ok(()) } else { report(&arguments) }
}

/// Does what is no part of the report, where that is asked for.
fn is_other_work(arguments: &[String]) -> Outcome<bool> {
    if let [command, store, root] = arguments
        && command == imports::IN_A_PROCESS_OF_ITS_OWN
    {
        imports::print_peak(Path::new(store), Path::new(root))?;
        return Ok(true);
    }
    if let [make, workload, root, ..] = arguments
        && make == "make"
    {
        corpus::make(workload, Path::new(root))?;
        return Ok(true);
    }
    if let [command, folder, rest @ ..] = arguments
        && command == "peers"
    {
        // Cargo adds `--bench`.
        let scale = rest.iter().find_map(|argument| argument.parse().ok());
        peers::measure(Path::new(folder), scale.unwrap_or(0.25))?;
        return Ok(true);
    }
    if let [command, durability, folder, sessions, long, listed] = arguments
        && command == peers::PEER
    {
        let (sessions, long, listed) = (sessions.parse()?, long.parse()?, listed.parse()?);
        let sizes = peers::Sizes { sessions, long, listed };
        peer::measure(durability, Path::new(folder), sizes)?;
        return Ok(true);
    }
    Ok(false)
}

fn report(arguments: &[String]) -> Outcome<()> {
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    // Cargo says `--bench` when it benches, and nothing when it tests.
    let scale = match (has("--bench"), has("--large")) {
        (false, _) => Scale::tiny(),
        (true, false) => Scale::report(),
        (true, true) => Scale::large(),
    };
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    std::fs::create_dir_all(target)?;
    let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(target)?;
    let mut table = Table::new(has("--bench"));
    // A part by its name, for the work on one of them.
    let parts: [(&str, Part); 6] = [
        ("imports", imports::measure),
        ("whole", whole::measure),
        ("appends", appends::measure),
        ("paths", paths::measure),
        ("lists", lists::measure),
        ("shares", shares::measure),
    ];
    let chosen = |name: &str| parts.iter().all(|(part, _)| !has(part)) || has(name);
    for (name, measure) in parts.iter().filter(|(name, _)| chosen(name)) {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder)?;
        measure(&scale, &folder, &mut table)?;
        std::fs::remove_dir_all(folder)?;
    }
    if has("--bench") && arguments.iter().all(|argument| argument.starts_with("--")) {
        let report = target.with_file_name("bench-report.json");
        std::fs::write(&report, table.json())?;
        println!("\n{table}\nalso in {}", report.display());
    } else if has("--bench") {
        println!("\n{table}");
    }
    Ok(())
}

type Part = fn(&Scale, &Path, &mut Table) -> Outcome<()>;
