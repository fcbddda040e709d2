//! Verify: proves that a lake is as it was written.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::content::Proof;
use crate::error::{Error, Result};
use crate::manifest::{Entry, Manifest};
use crate::place::{Lake, Place};
use crate::read;
use crate::state::State;

/// The result of verifying a lake.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// The number of exports that it consists of.
    pub exports: u64,
    /// The number of its files.
    pub files: u64,
    /// Lines of logs, and chunks of documents.
    pub lines: u64,
    /// What is wrong. Empty if everything is as it was written.
    pub findings: Vec<Finding>,
}

/// Something wrong with a lake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub reason: String,
}

/// Compares a lake with its digests: the manifest, each file, and the lines and
/// chunks of each log and document.
///
/// # Errors
///
/// [`NotALake`](Error::NotALake) and [`TooNew`](Error::TooNew); [`Io`](Error::Io) if
/// it cannot be read. Damage is not an error, but in the report.
pub fn verify(lake: impl Into<Lake>) -> Result<VerifyReport> {
    let lake = lake.into();
    let lake = &*lake.0;
    let mut report = VerifyReport::default();
    let manifest = match Manifest::open(lake) {
        Err(Error::Damaged { file, reason }) => {
            report.findings.push(Finding { file, reason });
            return Ok(report);
        }
        manifest => manifest?,
    };
    report.exports = manifest.exports.len() as u64;
    report.files = manifest.files().count() as u64;
    // Lines and chunks are proven when they are read.
    let others = || manifest.files().filter(|entry| !entry.table.is_content());
    lake.will_read(others());
    for entry in others() {
        report.note(read::each_row(lake, entry, |_| Ok(())))?;
    }
    let state = match State::read(lake, &manifest) {
        Ok(state) => state,
        Err(Error::Damaged { .. }) if !report.findings.is_empty() => State::default(),
        Err(err) => {
            report.note(Err(err))?;
            State::default()
        }
    };
    let is_known = report.findings.is_empty();
    let mut proof = Proof::new(&state.chains);
    lake.will_read(manifest.files_of_content());
    for entry in manifest.files_of_content() {
        let lines = &mut report.lines;
        let read = if is_known {
            proof.each_piece(lake, entry, |_| {
                *lines += 1;
                Ok(())
            })
        } else {
            read::prove(lake, entry).map(drop)
        };
        report.note(read)?;
    }
    if report.findings.is_empty()
        && let Err(reason) = proof.finish()
    {
        report.note(Err(Error::damaged(lake.name(), reason)))?;
    }
    report.strays(lake, &manifest)?;
    Ok(report)
}

impl VerifyReport {
    fn note(&mut self, read: Result<()>) -> Result<()> {
        match read {
            Err(Error::Damaged { file, reason }) => self.findings.push(Finding { file, reason }),
            read => read?,
        }
        Ok(())
    }

    /// Reports files that are in no manifest: whoever reads all files would read
    /// them.
    fn strays(&mut self, lake: &dyn Place, manifest: &Manifest) -> Result<()> {
        let known: HashSet<String> = manifest.files().map(Entry::path).collect();
        let mut strays = lake.parquet()?;
        strays.retain(|path| !known.contains(path));
        strays.sort();
        for file in strays {
            let reason = "it is in no manifest: an export is running, or was killed; the next \
                          export deletes it"
                .to_owned();
            self.findings.push(Finding { file: lake.named(&file), reason });
        }
        Ok(())
    }
}
