//! Imports: speed, size and memory, the first time and again.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sessile::{ImportOptions, ImportReport, SealOptions, Store, StoreOptions, Timestamp};

use crate::table::{Goal, Table};
use crate::timing::{in_turns, millis, repeat, time};
use crate::{Outcome, Scale, corpus, rivals};

/// The argument that makes this program import and say what memory that took.
pub(crate) const IN_A_PROCESS_OF_ITS_OWN: &str = "import-and-print-peak";

pub(crate) fn measure(scale: &Scale, folder: &Path, table: &mut Table) -> Outcome<()> {
    let a = Workload::new("A", folder, |root| corpus::long_lines(root, scale.a.0, scale.a.1))?;
    let b = Workload::new("B", folder, |root| corpus::short_lines(root, scale.b))?;
    for (workload, speed, size, packed, sealed) in
        [(&a, 0.70, 1.22, 0.45, 0.35), (&b, 0.35, 1.45, 0.60, 0.75)]
    {
        let per_byte = workload.first(scale, speed, size, table)?;
        workload.again(scale, table)?;
        workload.peak(table)?;
        workload.packed(packed, table)?;
        workload.sealed(sealed, table)?;
        let tenth = match workload.name {
            "A" => Workload::new("A/10", folder, |root| {
                corpus::long_lines(root, scale.a.0 / 10, scale.a.1 / 10)
            })?,
            _ => Workload::new("B/10", folder, |root| corpus::short_lines(root, scale.b / 10))?,
        };
        let small = repeat(scale.rounds, || tenth.import_new().map(|(_, _)| ()))?;
        table.add(
            format!("import {}: time per byte, relative to a tenth of the data", workload.name),
            per_byte / (small.as_secs_f64() / tenth.bytes as f64),
            "times",
            Goal::AtMost(1.3),
        );
    }
    a.grown(scale, table)
}

struct Workload {
    name: &'static str,
    root: PathBuf,
    database: PathBuf,
    bytes: u64,
}

impl Workload {
    fn new(
        name: &'static str,
        folder: &Path,
        make: impl FnOnce(&Path) -> Outcome<u64>,
    ) -> Outcome<Self> {
        let root = folder.join(name).join("root");
        let bytes = make(&root)?;
        let database = folder.join(name).join("store.db");
        Ok(Self { name, root, database, bytes })
    }

    fn import_new(&self) -> Outcome<(Duration, ImportReport)> {
        remove_database(&self.database)?;
        time(|| {
            let store = Store::open(&self.database)?;
            Ok(store.import(&self.root, &ImportOptions::new())?)
        })
    }

    /// The first import beside its bound; returns seconds a byte.
    fn first(&self, scale: &Scale, speed: f64, size: f64, table: &mut Table) -> Outcome<f64> {
        let files = rivals::files(&self.root)?;
        let contents: Vec<Vec<u8>> = files.iter().map(fs::read).collect::<Result<_, _>>()?;
        let bound = self.root.with_file_name("bound.db");
        let mut report = None;
        let turns = in_turns(
            scale.rounds,
            || {
                let (time, done) = self.import_new()?;
                report = Some(done);
                Ok(time)
            },
            || {
                remove_database(&bound)?;
                rivals::insert_lines(&bound, &contents)
            },
        )?;
        let report = report.unwrap_or_default();
        assert_eq!((report.sessions, report.bytes), (files.len() as u64, self.bytes));
        assert!(Store::open(&self.database)?.verify(&self.root)?.differences.is_empty());
        let per_second = self.bytes as f64 / 1e6 / turns.one().as_secs_f64();
        let name = self.name;
        table.add(format!("import {name}"), per_second, "MB/s", Goal::Shown);
        table.add(
            format!("import {name}, speed relative to a bare blob insert"),
            1.0 / turns.ratio(),
            "",
            Goal::AtLeast(speed),
        );
        let bytes = fs::metadata(&self.database)?.len() as f64;
        table.add(
            format!("database {name} / JSONL"),
            bytes / self.bytes as f64,
            "",
            Goal::AtMost(size),
        );
        remove_database(&bound)?;
        Ok(turns.one().as_secs_f64() / self.bytes as f64)
    }

    /// The root as it was.
    fn again(&self, scale: &Scale, table: &mut Table) -> Outcome<()> {
        let (first, report) = self.import_new()?;
        let store = Store::open(&self.database)?;
        // What cannot be seen without reading is not seen: the proof that nothing is read.
        let one = &rivals::files(&self.root)?[0];
        let modified = fs::metadata(one)?.modified()?;
        let content = fs::read(one)?;
        fs::write(one, vec![b'x'; content.len()])?;
        fs::File::options().write(true).open(one)?.set_modified(modified)?;
        let again = repeat(scale.rounds, || {
            let again = store.import(&self.root, &ImportOptions::new())?;
            assert_eq!((again.new + again.grown + again.rewritten, again.bytes), (0, 0));
            assert!(report.new <= again.unchanged);
            Ok(())
        })?;
        fs::write(one, content)?;
        fs::File::options().write(true).open(one)?.set_modified(modified)?;
        table.add(
            format!("import {} repeated without changes, relative to the first", self.name),
            percent(again, first),
            "%",
            Goal::AtMost(3.0),
        );
        Ok(())
    }

    fn grown(&self, scale: &Scale, table: &mut Table) -> Outcome<()> {
        let (first, _) = self.import_new()?;
        let store = Store::open(&self.database)?;
        let one = &rivals::files(&self.root)?[0];
        let mut times = Vec::new();
        for _ in 0..scale.rounds {
            let line = "{\"type\":\"leaf\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"targetId\":null}\n";
            fs::File::options().append(true).open(one)?.write_all(line.as_bytes())?;
            let (time, report) = time(|| Ok(store.import(&self.root, &ImportOptions::new())?))?;
            assert_eq!((report.grown, report.lines), (1, 1));
            times.push(time);
        }
        table.add(
            format!(
                "import {} repeated after one file grew by a line, relative to the first",
                self.name
            ),
            percent(crate::timing::median(&times), first),
            "%",
            Goal::AtMost(5.0),
        );
        table.add(
            format!("import {} after one file grew by a line", self.name),
            millis(crate::timing::median(&times)),
            "ms",
            Goal::Shown,
        );
        Ok(())
    }

    /// With lines packed as they come.
    fn packed(&self, size: f64, table: &mut Table) -> Outcome<()> {
        remove_database(&self.database)?;
        let (time, store) = time(|| {
            let store = StoreOptions::new().compression(3).open(&self.database)?;
            store.import(&self.root, &ImportOptions::new())?;
            Ok(store)
        })?;
        assert!(store.verify(&self.root)?.differences.is_empty());
        drop(store);
        let bytes = fs::metadata(&self.database)?.len() as f64;
        let name = self.name;
        if name == "A" {
            let ratio = self.packed_lines()?;
            table.add("packed lines of A / unpacked", ratio, "", Goal::AtMost(0.45));
        }
        let what = format!("database {name} / JSONL, packed during import");
        table.add(what, bytes / self.bytes as f64, "", Goal::AtMost(size));
        let per_second = self.bytes as f64 / 1e6 / time.as_secs_f64();
        table.add(format!("import {name}, packed"), per_second, "MB/s", Goal::Shown);
        Ok(())
    }

    /// What is stored of the lines that were packed, of their length.
    fn packed_lines(&self) -> Outcome<f64> {
        let conn = rusqlite::Connection::open(&self.database)?;
        let (packed, as_is): (f64, f64) = conn.query_row(
            "SELECT sum(iif(enc = 1, CAST (length(raw) AS REAL), 0.0)),
                    sum(iif(enc = 0, CAST (length(raw) AS REAL), 0.0))
             FROM lines",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?;
        Ok(packed / (self.bytes as f64 - as_is))
    }

    /// Sealed after an import that packed nothing.
    fn sealed(&self, size: f64, table: &mut Table) -> Outcome<()> {
        self.import_new()?;
        let store = Store::open(&self.database)?;
        let all = SealOptions::new().idle_since(Timestamp(i64::MAX));
        let (time, report) = time(|| Ok(store.seal(&all)?))?;
        assert!(store.verify(&self.root)?.differences.is_empty());
        drop(store);
        let name = self.name;
        let bytes = fs::metadata(&self.database)?.len() as f64;
        let what = format!("database {name} / JSONL, sealed");
        table.add(what, bytes / self.bytes as f64, "", Goal::AtMost(size));
        let per_second = report.bytes as f64 / 1e6 / time.as_secs_f64();
        table.add(format!("seal {name}"), per_second, "MB/s", Goal::Shown);
        Ok(())
    }

    fn peak(&self, table: &mut Table) -> Outcome<()> {
        remove_database(&self.database)?;
        let output = Command::new(std::env::current_exe()?)
            .arg(IN_A_PROCESS_OF_ITS_OWN)
            .args([&self.database, &self.root])
            .output()?;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let kilobytes: f64 = String::from_utf8(output.stdout)?.trim().parse()?;
        table.add(
            format!("peak memory of import {}", self.name),
            kilobytes / 1024.0,
            "MB",
            Goal::AtMost(64.0),
        );
        Ok(())
    }
}

/// Imports, and prints the most memory that this process had, in kilobytes.
pub(crate) fn print_peak(database: &Path, root: &Path) -> Outcome<()> {
    Store::open(database)?.import(root, &ImportOptions::new())?;
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    println!("{}", peak.unwrap_or("0").trim().trim_end_matches(" kB"));
    Ok(())
}

pub(crate) fn remove_database(path: &Path) -> Outcome<()> {
    for end in ["", "-wal", "-shm"] {
        let mut path = path.as_os_str().to_owned();
        path.push(end);
        match fs::remove_file(path) {
            Err(err) if err.kind() != std::io::ErrorKind::NotFound => return Err(err.into()),
            _ => {}
        }
    }
    Ok(())
}

fn percent(part: Duration, whole: Duration) -> f64 {
    100.0 * part.as_secs_f64() / whole.as_secs_f64()
}
