//! `sessile import` and `sessile sync`.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use sessile::{Error, Format, ImportOptions, ImportReport, Store};
use tempfile::TempDir;

use super::{interrupt, place, progress};
use crate::amounts::{self, counted, noun_of, size};
use crate::args::{ImportArgs, SyncArgs};
use crate::output::{self, Output, note, one_line};

/// A root, and its format if that is known.
pub(super) type Root = (Option<Format>, PathBuf);

pub(super) const NO_HOMES: &str = "no program whose sessions can be read keeps any in this user's folder; \
     name a folder, as in `sessile import ROOT`";

/// The programs' folders that exist.
pub(super) fn homes() -> Result<Vec<Root>> {
    place::homes()
}

/// How reports are printed.
#[derive(Clone, Copy)]
struct Telling {
    json: bool,
    dry_run: bool,
}

pub(super) fn run(db: &Path, args: &ImportArgs) -> Result<bool> {
    // A mistyped path must not create a database.
    if args.roots.iter().all(|root| matches!(root.try_exists(), Ok(false)))
        && let Some(root) = args.roots.first()
    {
        return Err(Error::RootNotFound(root.clone()).into());
    }
    let options = options_of(args.origin.as_deref())
        .dry_run(args.dry_run)
        .reread(args.reread)
        .again(args.again)
        .ignore_space(args.ignore_space);
    let roots: Vec<Root> = args.roots.iter().map(|root| (args.format, root.clone())).collect();
    let (store, elsewhere) = open(db, args.dry_run, args.compress)?;
    let _waiting = interrupt::of_import(&store, args.dry_run, elsewhere.as_ref())?;
    import_all(&store, &roots, &options, Telling { json: args.json, dry_run: args.dry_run })
}

pub(super) fn sync(db: &Path, args: &SyncArgs) -> Result<bool> {
    let roots = homes()?;
    if roots.is_empty() {
        note!("sessile: {}", NO_HOMES);
        return Ok(false);
    }
    let (store, elsewhere) = open(db, args.dry_run, None)?;
    let _waiting = interrupt::of_import(&store, args.dry_run, elsewhere.as_ref())?;
    let options = options_of(args.origin.as_deref()).dry_run(args.dry_run);
    import_all(&store, &roots, &options, Telling { json: args.json, dry_run: args.dry_run })
}

fn options_of(origin: Option<&str>) -> ImportOptions {
    let options = ImportOptions::new();
    match origin {
        Some(origin) => options.origin(origin),
        None => options,
    }
}

/// A dry run must not create a database, so it uses an empty temporary one.
fn open(db: &Path, dry_run: bool, level: Option<i32>) -> Result<(Store, Option<TempDir>)> {
    let elsewhere = if dry_run && !db.exists() { Some(tempfile::tempdir()?) } else { None };
    let store = match (&elsewhere, level) {
        (Some(elsewhere), _) => Store::open(&elsewhere.path().join("dry.db"))?,
        (None, _) if dry_run => place::options()?.read_only(true).open(db)?,
        (None, Some(level)) => place::options()?.compression(level).open(db)?,
        (None, None) => place::options()?.open(db)?,
    };
    super::warn_of_network(&store);
    Ok((store, elsewhere))
}

/// A root that cannot be imported does not prevent the others.
fn import_all(
    store: &Store,
    roots: &[Root],
    options: &ImportOptions,
    telling: Telling,
) -> Result<bool> {
    let mut failed = Vec::new();
    for (format, root) in roots {
        let options = match format {
            Some(format) => options.clone().format(*format),
            None => options.clone(),
        };
        // Told before, because the root may go away while it is read.
        let real = std::fs::canonicalize(root).ok();
        match progress::import(store, root, &options) {
            Ok(report) => print((root, real.as_deref()), &report, telling)?,
            Err(err) => failed.push(err),
        }
    }
    // The last error is reported as the command's error; one that is not a missing
    // root determines the exit status.
    failed.sort_by_key(|err| !matches!(err, Error::RootNotFound(_)));
    let Some(last) = failed.pop() else { return Ok(true) };
    for err in failed {
        note!("sessile: {:#}", anyhow::Error::from(err));
    }
    Err(last.into())
}

/// The most files with lost lines that are listed.
const LOST_SHOWN: usize = 20;

/// The root that was imported, if it is another than was named. `real` is the real path
/// of the one that was named, `None` if it cannot be told.
fn whole_around<'a>(real: Option<&Path>, imported: &'a Path) -> Option<&'a Path> {
    real.is_some_and(|real| real != imported).then_some(imported)
}

/// `root` is the root as it was named, and its real path.
fn print(
    (root, real): (&Path, Option<&Path>),
    report: &ImportReport,
    telling: Telling,
) -> Result<()> {
    if telling.json {
        let mut out = output::content();
        writeln!(out, "{}", report_json(root, report, telling.dry_run))?;
        return Ok(out.flush()?);
    }
    let mut out = output::report();
    let outcome = match telling.dry_run {
        _ if is_unchanged(report) => unchanged(report),
        true => "would import".to_owned(),
        false => "imported".to_owned(),
    };
    writeln!(out, "{}: {outcome}", root.display())?;
    if let Some(whole) = whole_around(real, &report.root) {
        writeln!(out, "  it is part of the root {}, which was imported whole", whole.display())?;
    }
    if is_unchanged(report) {
        return Ok(out.flush()?);
    }
    print_files(&mut out, report)?;
    let mut count =
        |count: u64, what: &str| writeln!(out, "  {:>11} {what}", amounts::number(count));
    let (lines, bytes) = (counted(report.lines, "line"), size(report.bytes));
    let sessions = noun_of(report.sessions, "session");
    count(report.sessions, &format!("{sessions} in {lines}, {bytes}"))?;
    for lost in report.lost.iter().take(LOST_SHOWN) {
        let (generation, cause) = (lost.generation, lost.cause.name());
        let file = lost.file.to_string_lossy();
        let what = format!("lines lost at the root, kept as generation {generation}:");
        count(lost.lines.into(), &format!("{what} {} {cause}", one_line(&file)))?;
    }
    if let Some(more) = report.lost.len().checked_sub(LOST_SHOWN).filter(|more| 0 < *more) {
        count(more as u64, "more files that lost lines (see problems)")?;
    }
    for (kind, number) in &report.problems {
        count(*number, &format!("{} (kept; see problems)", kind.name()))?;
    }
    Ok(out.flush()?)
}

/// What happened to the files of a root.
fn print_files(out: &mut Output, report: &ImportReport) -> Result<()> {
    let of_files = |what: &str, count| format!("{what} {}", noun_of(count, "file"));
    let of_all = |what: &str, count| format!("{what} {}", files_and_folders(count));
    for (what, count) in [
        (of_all("new", report.new), report.new),
        (of_files("grown", report.grown), report.grown),
        (of_files("rewritten", report.rewritten), report.rewritten),
        (of_all("moved", report.moved), report.moved),
        (of_all("unchanged", report.unchanged), report.unchanged),
        ("missing at the root, kept".to_owned(), report.missing),
        ("purged here, skipped (--again imports them)".to_owned(), report.purged),
    ] {
        if 0 < count || what.starts_with("new") {
            writeln!(out, "  {:>11} {what}", amounts::number(count))?;
        }
    }
    Ok(())
}

/// The noun for what a root holds.
fn files_and_folders(count: u64) -> &'static str {
    if count == 1 { "file or folder" } else { "files and folders" }
}

/// Whether nothing at a root changed since it was last imported. Sessions do not count:
/// files that are only minutes old are read again, and so are the sessions that they make.
fn is_unchanged(report: &ImportReport) -> bool {
    let changed = [report.new, report.grown, report.rewritten, report.moved, report.lines];
    changed == [0; 5] && report.lost.is_empty()
}

/// What is said of such a root, in one line.
fn unchanged(report: &ImportReport) -> String {
    let (count, noun) = (amounts::number(report.unchanged), files_and_folders(report.unchanged));
    let mut said = format!("unchanged, {count} {noun}");
    for (count, what) in [
        (report.missing, "missing at the root, kept"),
        (report.purged, "purged here, skipped (--again imports them)"),
    ] {
        if 0 < count {
            said.push_str(&format!("; {} {what}", amounts::number(count)));
        }
    }
    let problems: u64 = report.problems.iter().map(|(_, count)| count).sum();
    if 0 < problems {
        said.push_str(&format!("; {} (see `sessile problems`)", counted(problems, "problem")));
    }
    said
}

/// A report in the form of `import --json`.
pub(super) fn report_json(root: &Path, report: &ImportReport, dry_run: bool) -> serde_json::Value {
    let mut json = serde_json::json!(report);
    json["imported_root"] = json["root"].take();
    json["root"] = root.to_string_lossy().into();
    json["dry_run"] = dry_run.into();
    json
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_that_cannot_be_found_is_not_said_to_be_part_of_another() {
        let whole = Path::new("/home/ada/.kward");

        assert_eq!(whole_around(Some(&whole.join("sessions")), whole), Some(whole));
        assert_eq!(whole_around(Some(whole), whole), None);
        assert_eq!(whole_around(None, whole), None);
    }
}
