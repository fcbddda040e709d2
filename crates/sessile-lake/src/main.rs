//! The command line, a thin layer over the library.
//!
//! Exit status: 0 done, 1 a check failed, 2 usage or error.

use std::error::Error as _;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use etcetera::BaseStrategy as _;
use sessile::Timestamp;
use sessile_lake::{Error, ExportOptions, Lake, export, import, verify};

#[cfg(feature = "s3")]
mod s3;

/// The sessions of a sessile store as Parquet files, and back byte for byte.
#[derive(Parser)]
#[command(name = "sessile-lake", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Add to a lake what it does not hold of a store yet
    Export {
        /// The database of the store; without it that of the command sessile, in the data folder
        #[arg(long, env = "SESSILE_DB")]
        db: Option<PathBuf>,
        /// Leave out what was last active before that: 2026-01-02, or a time in RFC 3339
        #[arg(long, value_parser = moment)]
        since: Option<Timestamp>,
        /// The folder of the lake, which is made if there is none, or s3://BUCKET/PREFIX
        lake: PathBuf,
    },
    /// Make a store of a lake, or unite it with one that is there
    Import {
        /// The folder of the lake, or s3://BUCKET/PREFIX
        lake: PathBuf,
        /// The database of the store; without it that of the command sessile, in the data folder
        #[arg(long, env = "SESSILE_DB")]
        db: Option<PathBuf>,
    },
    /// Compare a lake with its digests
    Verify {
        /// The folder of the lake, or s3://BUCKET/PREFIX
        lake: PathBuf,
    },
}

/// A date means its beginning.
fn moment(text: &str) -> Result<Timestamp, String> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    Timestamp::parse(&whole).ok_or_else(|| {
        "a date or a time was expected, as in 2026-01-02 or 2026-01-02T03:04:05Z".to_owned()
    })
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        // Whoever closed a pipe has seen enough.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(err) => {
            let mut text = format!("sessile-lake: {err}");
            let mut cause = err.source();
            while let Some(err) = cause {
                text += &format!(": {err}");
                cause = err.source();
            }
            // If this fails, nobody is there to read it.
            let _ = writeln!(io::stderr(), "{text}");
            ExitCode::from(2)
        }
    }
}

/// The lake that was named on the command line.
fn place(lake: &Path) -> Result<Lake, Error> {
    match lake.to_str().and_then(|lake| lake.strip_prefix("s3://")) {
        None => Ok(lake.into()),
        #[cfg(feature = "s3")]
        Some(rest) => s3::bucket(lake, rest).map(Lake::from),
        #[cfg(not(feature = "s3"))]
        Some(_) => Err(Error::Io {
            action: "connect to",
            path: lake.to_owned(),
            source: io::Error::new(
                io::ErrorKind::Unsupported,
                "this build supports folders only; install it with `--features s3`",
            ),
        }),
    }
}

/// A count of things, with commas between thousands.
fn counted(count: u64, noun: &str) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (n, digit) in digits.chars().enumerate() {
        if 0 < n && (digits.len() - n).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    let plural = if count == 1 { "" } else { "s" };
    format!("{text} {noun}{plural}")
}

/// The database that was named, else the one that the command `sessile` has in the
/// user's data folder, which is made for its owner only.
fn database(named: Option<PathBuf>) -> Result<PathBuf, Error> {
    let refused = |path: &Path, source| Error::Io {
        action: "find the default database in",
        path: path.to_owned(),
        source,
    };
    if let Some(named) = named.filter(|named| !named.as_os_str().is_empty()) {
        return Ok(named);
    }
    let strategy = etcetera::choose_base_strategy()
        .map_err(|err| refused(Path::new("the home folder"), io::Error::other(err.to_string())))?;
    let folder = strategy.data_dir().join("sessile");
    let mut builder = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(&folder).map_err(|source| refused(&folder, source))?;
    Ok(folder.join("sessile.db"))
}

/// Returns whether everything is as it should be.
fn run(command: Command) -> Result<bool, Error> {
    let mut out = io::stdout().lock();
    let mut say = |text: String| {
        writeln!(out, "{text}").map_err(|source| Error::Io {
            action: "write to",
            path: "standard output".into(),
            source,
        })
    };
    match command {
        Command::Export { db, since, lake } => {
            let report = export(database(db)?, place(&lake)?, &ExportOptions::new().since(since))?;
            say(format!(
                "{}, {}: {} of {}, {}",
                counted(report.files, "file"),
                counted(report.bytes, "byte"),
                counted(report.lines, "line"),
                counted(report.raw_bytes, "byte"),
                counted(report.sessions, "session")
            ))?;
            if 0 < report.gone {
                let gone = counted(report.gone, "session");
                say(format!("no longer in the store, and kept in the lake: {gone}"))?;
            }
            Ok(true)
        }
        Command::Import { lake, db } => {
            let report = import(place(&lake)?, database(db)?)?;
            say(format!(
                "{}, {}, {}",
                counted(report.sessions, "session"),
                counted(report.files, "file"),
                counted(report.lines, "line")
            ))?;
            let Some(merged) = report.merged else { return Ok(true) };
            say(format!(
                "merged: {} new, {} grown in the lake, {} grown in both, {} already known",
                merged.new, merged.longer, merged.united, merged.unchanged
            ))?;
            for refused in &merged.refused {
                say(format!("{} was not imported: {}", refused.file.display(), refused.reason))?;
            }
            Ok(merged.refused.is_empty())
        }
        Command::Verify { lake } => {
            let report = verify(place(&lake)?)?;
            for finding in &report.findings {
                say(format!("{}: {}", finding.file.display(), finding.reason))?;
            }
            say(format!(
                "{}, {}, {}",
                counted(report.exports, "export"),
                counted(report.files, "file"),
                counted(report.lines, "line")
            ))?;
            Ok(report.findings.is_empty())
        }
    }
}
