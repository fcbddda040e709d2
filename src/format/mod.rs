//! Formats: one folder for each program whose sessions are supported.
//!
//! A folder contains everything that is known about its program. The rest of the
//! engine uses it through [`Format`], by facets: [`Layout`] (where its files are),
//! [`Meaning`] (what lines mean), [`Spelling`] (how lines are written),
//! [`Projection`] (which rows they become); and by its [`Rules`], which are named
//! facts. To add a program, add its folder and one line to the registry below.
//!
//! The first three facets are pure: bytes in, plain data out. What needs the
//! database has defaults for programs with one log per session; a program that
//! needs more has it in a folder `stored`, beside its pure files.

mod claude;
mod codex;
pub(crate) mod extras;
pub(crate) mod json;
pub(crate) mod kimi;
mod kward;
mod layout;
pub(crate) mod live;
mod meaning;
mod message;
mod pi;
pub(crate) mod projection;
pub(crate) mod rules;
mod spelling;
pub(crate) mod time;
#[cfg(test)]
mod toy;

/// Operations of the sessions of a single program.
pub(crate) mod handles {
    pub use super::kimi::handle::Kimi;
    pub use super::kward::handle::{Kward, Memory, RecordedPrompt};
    pub use super::pi::handle::Pi;
}

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use extras::Extras;
pub use extras::ResultFile;
pub(crate) use kward::stored_text;
pub(crate) use layout::{Home, Layout, Unpacker, Versions};
use live::Live;
pub(crate) use meaning::{Answering, KeptMessages, Meaning, NamedModel, Transcript, TreeText};
pub use meaning::{Part, ToolCall};
use projection::Projection;
use rules::Rules;
pub(crate) use spelling::Spelling;

use crate::model::Timestamp;

/// A program's facets.
struct Program {
    /// The name on the command line and in the database.
    name: &'static str,
    rules: Rules,
    layout: &'static dyn Layout,
    meaning: &'static dyn Meaning,
    spelling: &'static dyn Spelling,
    projection: &'static dyn Projection,
    live: &'static dyn Live,
    extras: &'static dyn Extras,
}

/// A program with one log per session, whose records the common fold turns into rows,
/// and which has a record for most changes.
struct Chains;

impl Projection for Chains {}

impl Live for Chains {}

#[cfg(test)]
impl Extras for Chains {}

/// Lists the formats, in the order in which they are tried on a root.
macro_rules! registry {
    ($($(#[doc = $doc:literal])+ $(#[cfg($cfg:meta)])? $format:ident = $folder:ident,)+) => {
        /// The program that wrote a session, and whose rules the session follows.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Format {
            $($(#[doc = $doc])+ $(#[cfg($cfg)])? $format,)+
        }

        impl Format {
            /// Every format, in the order in which they are tried on a root.
            pub const ALL: &[Self] = &[$($(#[cfg($cfg)])? Self::$format,)+];

            fn program(self) -> &'static Program {
                match self {
                    $($(#[cfg($cfg)])? Self::$format => &$folder::PROGRAM,)+
                }
            }
        }
    };
}

registry! {
    /// Kimi CLI, to 1.52.
    Kimi = kimi,
    /// Codex, April 2025 to 0.171.
    Codex = codex,
    /// pi, versions 1 to 3.
    Pi = pi,
    /// Kward, versions 1 and 2.
    Kward = kward,
    /// Claude Code, to 2.1.
    Claude = claude,
    /// The smallest possible format, for tests.
    #[cfg(test)]
    Toy = toy,
}

/// The format of new sessions, unless another is asked for.
impl Default for Format {
    fn default() -> Self {
        Self::Kward
    }
}

impl Format {
    /// Returns the name, as on the command line and in the database.
    pub fn name(self) -> &'static str {
        self.program().name
    }

    /// Returns the format with this name; `None` if there is none.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|format| format.name() == name)
    }

    /// Returns the folder in which the program keeps its sessions on a machine: the
    /// one that its environment variable names, which `variable` looks up, else the
    /// usual one below `user`, the user's home folder. A leading `~` in the
    /// variable's value is replaced by `user`.
    ///
    /// Returns `None` for a program without such a folder. The folder may not exist.
    ///
    /// # Examples
    ///
    /// ```
    /// use sessile::Format;
    ///
    /// let user = "/home/ada".as_ref();
    /// assert_eq!(Format::Kimi.home(user, |_| None), Some("/home/ada/.kimi".into()));
    /// let set = |name: &str| (name == "KIMI_SHARE_DIR").then(|| "~/work/kimi".into());
    /// assert_eq!(Format::Kimi.home(user, set), Some("/home/ada/work/kimi".into()));
    /// ```
    pub fn home(self, user: &Path, variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
        let home = self.layout().home()?;
        let Some(named) = variable(home.variable).filter(|value| !value.is_empty()) else {
            return Some(user.join(home.folder));
        };
        let named = PathBuf::from(named);
        let named = match named.strip_prefix("~") {
            Ok(below) => user.join(below),
            Err(_) => named,
        };
        if home.names_a_file { named.parent().map(Path::to_owned) } else { Some(named) }
    }

    /// Returns the program's own command that continues a session, given its id and its
    /// file; `None` for a program without one, and for a name that a shell would read
    /// otherwise than as it stands. Most programs find the session only if they are
    /// started in its work dir.
    ///
    /// # Examples
    ///
    /// ```
    /// use sessile::Format;
    ///
    /// let command = Format::Codex.resume_command("0199a000", "rollout.jsonl".as_ref());
    /// assert_eq!(command.as_deref(), Some("codex resume 0199a000"));
    /// ```
    pub fn resume_command(self, session_id: &str, file: &Path) -> Option<String> {
        let is_plain = |text: &&str| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
            text.starts_with(|c: char| c != '-') && text.chars().all(is_plain)
        };
        let (id, file) = (Some(session_id), file.to_str());
        self.layout().resume_command(id.filter(is_plain)?, file.filter(is_plain)?)
    }

    /// Returns whether messages of the program report their usage.
    pub fn reports_usage(self) -> bool {
        self.rules().reports_usage
    }

    pub(crate) fn rules(self) -> &'static Rules {
        &self.program().rules
    }

    pub(crate) fn layout(self) -> &'static dyn Layout {
        self.program().layout
    }

    pub(crate) fn meaning(self) -> &'static dyn Meaning {
        self.program().meaning
    }

    pub(crate) fn spelling(self) -> &'static dyn Spelling {
        self.program().spelling
    }

    pub(crate) fn projection(self) -> &'static dyn Projection {
        self.program().projection
    }

    pub(crate) fn live(self) -> &'static dyn Live {
        self.program().live
    }

    pub(crate) fn extras(self) -> &'static dyn Extras {
        self.program().extras
    }
}

/// The name of a work dir's folder: its absolute path with `-` for each separator,
/// between two dashes.
fn safe_cwd(cwd: &str) -> String {
    let mut names: Vec<&str> = Vec::new();
    for name in cwd.split('/') {
        match name {
            "" | "." => {}
            ".." => {
                names.pop();
            }
            _ => names.push(name),
        }
    }
    format!("--{}--", names.join("/").replace(['/', '\\', ':'], "-"))
}

impl Timestamp {
    /// Returns the time of the system's clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
    }

    /// Parses a time such as `2026-01-02T03:04:05.678Z`; without a zone, it is UTC.
    /// Returns `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        time::parse(text).map(|parsed| parsed.at)
    }
}
