//! Default places: the database, the user's folder, the homes of programs.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use etcetera::BaseStrategy;
use sessile::{Format, StoreOptions};

/// The variable that names the database.
const VARIABLE: &str = "SESSILE_DB";
/// The variable that says whether a replicator follows the database.
const REPLICATED: &str = "SESSILE_REPLICATED";

/// The path of a database, and whether it is the platform's default because none was
/// named.
pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) is_default: bool,
}

/// The database that `--db` names, or `SESSILE_DB`, or the one in the user's data
/// folder.
pub(super) fn database(named: Option<PathBuf>) -> Result<Database> {
    if let Some(path) = named.or_else(|| variable(VARIABLE).map(PathBuf::from)) {
        return Ok(Database { path, is_default: false });
    }
    let strategy = etcetera::choose_base_strategy()
        .context("name the database by --db PATH or SESSILE_DB: there is no home folder")?;
    let path = strategy.data_dir().join("sessile").join("sessile.db");
    Ok(Database { path, is_default: true })
}

/// There is no database in the user's data folder, and none was named.
#[derive(Debug)]
pub(crate) struct NotBegun(PathBuf);

impl fmt::Display for NotBegun {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "there is no database yet; `sessile sync` creates one from the sessions on this \
             machine, `sessile import ROOT` from one folder; it will be {}, unless --db or \
             SESSILE_DB names another",
            self.0.display()
        )
    }
}

impl std::error::Error for NotBegun {}

impl Database {
    /// Adds a hint on how to begin, if no database was named and there is none yet.
    pub(super) fn how_to_begin(&self, err: anyhow::Error) -> anyhow::Error {
        let is_missing = matches!(
            err.downcast_ref::<sessile::Error>(),
            Some(sessile::Error::DatabaseMissing(_))
        );
        if !is_missing || !self.is_default {
            return err;
        }
        NotBegun(self.path.clone()).into()
    }

    /// Creates the database's folder in the user's data folder, for the owner only.
    pub(super) fn make_folder(&self) -> Result<()> {
        let Some(folder) = self.path.parent().filter(|_| self.is_default) else { return Ok(()) };
        let mut builder = std::fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder
            .recursive(true)
            .create(folder)
            .with_context(|| format!("cannot create {}", folder.display()))
    }
}

/// The folders of programs that have sessions on this machine.
pub(super) fn homes() -> Result<Vec<(Option<Format>, PathBuf)>> {
    let mut homes = all_homes()?;
    homes.retain(|(_, home)| Path::is_dir(home));
    Ok(homes)
}

/// The folders of all known programs, whether they exist or not.
pub(super) fn all_homes() -> Result<Vec<(Option<Format>, PathBuf)>> {
    let user = etcetera::home_dir().context("there is no home folder to look in")?;
    let mut homes = Vec::new();
    for format in Format::ALL {
        homes.extend(format.home(&user, variable).map(|home| (Some(*format), home)));
    }
    Ok(homes)
}

/// The options for opening a database; `SESSILE_REPLICATED` says whether a replicator
/// follows it.
pub(super) fn options() -> Result<StoreOptions> {
    let options = StoreOptions::new();
    match variable(REPLICATED) {
        None => Ok(options),
        Some(value) if value == "1" => Ok(options.replicated(true)),
        Some(value) if value == "0" => Ok(options.replicated(false)),
        Some(value) => bail!("{REPLICATED} is {value:?}; it is 1 or 0"),
    }
}

/// The value of a variable that is set and not empty.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
