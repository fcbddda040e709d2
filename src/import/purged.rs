//! Sessions that were purged here and are still at their root: they stay away.
//!
//! Only a path that the store does not know is asked, and only where something
//! of the root was purged. A session is known again by its id, also when its
//! file has grown or moved since; one without an id by its bytes.

use std::collections::{HashMap, HashSet};
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;
use sha2::{Digest, Sha256};

use super::walk::{Found, FoundKind, Walk};
use crate::error::Result;
use crate::format::rules::Sessions;
use crate::model::{Change, Format};
use crate::store::purged;

/// Bytes of a file in which its header is looked for.
const HEAD: u64 = 1 << 20;

/// What an import passes by.
#[derive(Debug)]
pub(crate) struct Away {
    format: Format,
    ids: HashSet<String>,
    /// By their size.
    digests: HashMap<u64, Vec<Vec<u8>>>,
    passed: AtomicU64,
}

impl Away {
    /// Nothing is away.
    pub(super) fn nothing(format: Format) -> Self {
        let (ids, digests) = (HashSet::new(), HashMap::new());
        Self { format, ids, digests, passed: AtomicU64::new(0) }
    }

    pub(crate) fn of_source(conn: &Connection, source_id: i64, format: Format) -> Result<Self> {
        let mut away = Self::nothing(format);
        for purged in purged::of_source(conn, source_id)? {
            // The id tells more: a file that grew has another digest.
            match (purged.session_id, purged.content) {
                (Some(id), _) => {
                    away.ids.insert(id);
                }
                (None, Some((size, sha256))) => {
                    away.digests.entry(size).or_default().push(sha256);
                }
                (None, None) => {}
            }
        }
        Ok(away)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.digests.is_empty()
    }

    /// Whether something at the root is of a session that was purged.
    pub(crate) fn holds(&self, walk: &Walk, found: &Found) -> bool {
        let layout = self.format.layout();
        let is_file = found.kind == FoundKind::File;
        let by_path = layout.sessions_of_path(&found.path, found.kind == FoundKind::Folder);
        let holds = by_path.iter().any(|id| self.ids.contains(id))
            || is_file
                && self.format.rules().sessions == Sessions::File
                && layout.is_log(&found.path)
                && (self.holds_id(walk, found) || self.holds_digest(walk, found));
        if holds && is_file {
            self.passed.fetch_add(1, Ordering::Relaxed);
        }
        holds
    }

    /// Files that were passed by since it was last asked.
    pub(crate) fn take_passed(&self) -> u64 {
        self.passed.swap(0, Ordering::Relaxed)
    }

    /// Whether the file's header, or its name where that has none, names one of them.
    fn holds_id(&self, walk: &Walk, found: &Found) -> bool {
        if self.ids.is_empty() {
            return false;
        }
        let Ok((file, _)) = walk.open_file(&found.path) else { return false };
        let mut file = BufReader::new(file.take(HEAD));
        let mut line = Vec::new();
        while matches!(file.read_until(b'\n', &mut line), Ok(read) if 0 < read) {
            if let Some(Change::Header(header)) = self.format.meaning().parse(&line).change
                && let Some(id) = header.session_id
            {
                return self.ids.contains(&id);
            }
            line.clear();
        }
        let header = self.format.layout().header_from_name(&found.path);
        header.and_then(|header| header.session_id).is_some_and(|id| self.ids.contains(&id))
    }

    fn holds_digest(&self, walk: &Walk, found: &Found) -> bool {
        let Some(digests) = self.digests.get(&found.stat.size) else { return false };
        let Ok((mut file, _)) = walk.open_file(&found.path) else { return false };
        let mut hasher = Sha256::new();
        let hashed = std::io::copy(&mut file, &mut hasher);
        hashed.is_ok() && digests.contains(&hasher.finalize().to_vec())
    }
}
