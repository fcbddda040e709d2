//! Merge: adds everything that another store has to this one.
//!
//! A store is a set of logs, and merging makes their union. A log is identified by
//! its format, its path below its root and its first line. If one log is the
//! beginning of the other, the longer one continues. If both continued, the lines
//! after their common beginning are put into an order that does not depend on which
//! store merges (`unite`). The events of a session are united in the same way
//! (`events`).
//!
//! What a root held when it was imported stays as it is, so that `verify` and the
//! next import find what they left. What comes from another store becomes part of
//! the local chain, like what is written here.
//!
//! The other store is only read, in one snapshot, and is untrusted input. Its
//! schema is compared with ours, its lines with their checksums and its files with
//! their digests. Of its tables only the log and the events are used, and its paths
//! must be such as an import could have found.
//!
//! - `unite`: the order, on plain data.
//! - `place`: where a file of the other store belongs here.
//! - `logs`, `documents`, `generations`: files by their kind.
//! - `events`: decisions.

mod documents;
mod events;
mod generations;
mod logs;
mod moved;
mod options;
mod place;
mod report;
mod unite;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

pub use options::MergeOptions;
pub use report::{KeptAside, MergeReport, Refused};
use rusqlite::Connection;

use self::place::Partner;
use crate::error::{Error, Result};
use crate::fold;
use crate::format::projection::Touched;
use crate::import::ImportOptions;
use crate::model::{Format, Timestamp, path_of};
use crate::store::files::{self, FileKind, FileRow};
use crate::store::packing::Packer;
use crate::store::sources::{self, Source};
use crate::store::{Store, StoreOptions, purged};

/// Bytes per transaction.
const BATCH: u64 = 16 << 20;
/// Files that are read at a time.
const PAGE: usize = 500;

impl Store {
    /// Merges another store into this one. Never writes to the other.
    ///
    /// `other` is a database, or a folder of session files: a root, or what
    /// [`export`](Self::export) wrote. Afterwards this store has every line of both.
    /// Equal logs are left alone. If one log begins with the other, the longer one
    /// counts. If both continued, their further lines are ordered by time. Merging
    /// the same store again changes nothing, and two stores that merge each other
    /// show the same. If it fails, what was merged so far stays, and a repeated call
    /// does the rest.
    ///
    /// Files that cannot be taken over, because they are damaged or have a path that
    /// no import could have found, are [refused](MergeReport::refused), and do not
    /// affect any others.
    ///
    /// # Errors
    ///
    /// Those of [`StoreOptions::open`] for the other store; for a folder, those of
    /// [`import`](Self::import); [`Busy`](Error::Busy) if another process writes for
    /// longer than the busy timeout.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir()?;
    /// use sessile::{ImportOptions, MergeOptions, SessionFilter, Store};
    ///
    /// let laptop = Store::open(dir.path().join("laptop.db"))?;
    /// laptop.import("fixtures/kward/small", &ImportOptions::new())?;
    /// let store = Store::open(dir.path().join("sessions.db"))?;
    ///
    /// let options = MergeOptions::new().origin("laptop");
    /// let report = store.merge(laptop.path(), &options)?;
    ///
    /// assert!(report.new > 0 && report.refused.is_empty());
    /// assert!(!store.merge(laptop.path(), &options)?.is_change());
    /// let all = SessionFilter::new();
    /// let of_laptop = SessionFilter::new().origin("laptop");
    /// assert_eq!(store.sessions(&of_laptop)?.rows.len(), laptop.sessions(&all)?.rows.len());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn merge(&self, other: impl AsRef<Path>, options: &MergeOptions) -> Result<MergeReport> {
        let other = other.as_ref();
        let unsaid = options.unsaid()?;
        if !other.is_dir() {
            let theirs = StoreOptions::new().create(false).read_only(true).open(other)?;
            return self.merge_store(&theirs, unsaid);
        }
        let (_room, theirs) = self.import_aside(other)?;
        self.merge_store(&theirs, unsaid)
    }

    fn merge_store(&self, theirs: &Store, unsaid: &str) -> Result<MergeReport> {
        let conn = self.connection()?;
        let state = theirs.at_this_state()?;
        state.read(|theirs| Merge::new(self, theirs)?.run(&conn, unsaid))
    }

    /// Imports a folder into a temporary store beside this one, which is removed with
    /// the returned folder.
    fn import_aside(&self, folder: &Path) -> Result<(tempfile::TempDir, Store)> {
        let beside = self.path().parent().unwrap_or(Path::new("."));
        let room = tempfile::Builder::new()
            .prefix(".sessile-merge-")
            .tempdir_in(beside)
            .map_err(Error::io("write into", beside))?;
        let store = Store::open(room.path().join("folder.db"))?;
        match store.import(folder, &ImportOptions::new()) {
            Ok(_) => {}
            // An export of several roots has a folder for each.
            Err(Error::RootBelow { below, .. }) => {
                for root in below {
                    store.import(root, &ImportOptions::new())?;
                }
            }
            Err(err) => return Err(err),
        }
        Ok((room, store))
    }
}

/// A place in a store: a source, and a path below it.
type Place = (i64, Vec<u8>);

/// A merge.
struct Merge<'a> {
    store: &'a Store,
    /// A snapshot of the other store.
    theirs: &'a Connection,
    report: MergeReport,
    packer: Packer,
    now: Timestamp,
    /// Sessions of the other store that have events.
    decided: HashSet<Place>,
    /// The places of these sessions here.
    places: HashMap<Place, Place>,
    /// Places of the file that is being merged; none count if it is refused.
    placed: Vec<(Place, Place)>,
    /// Sessions here whose log has changed.
    changed: BTreeSet<Place>,
    /// Ids of sessions that were purged here, and are skipped.
    purged: HashSet<(Format, String)>,
}

/// Sources that are merged: what goes into what.
struct Pair<'a> {
    source: &'a Source,
    format: Format,
    partner: Partner,
}

impl<'a> Merge<'a> {
    fn new(store: &'a Store, theirs: &'a Connection) -> Result<Self> {
        Ok(Self {
            store,
            theirs,
            report: MergeReport::default(),
            packer: Packer::new(store.compression())?,
            now: Timestamp::now(),
            decided: events::decided(theirs)?,
            places: HashMap::new(),
            placed: Vec::new(),
            changed: BTreeSet::new(),
            purged: HashSet::new(),
        })
    }

    fn run(mut self, conn: &Connection, unsaid: &str) -> Result<MergeReport> {
        for source in sources::all(conn)? {
            for purged in purged::of_source(conn, source.source_id)? {
                self.purged.extend(purged.session_id.map(|id| (source.format, id)));
            }
        }
        let mut sources = sources::all(self.theirs)?;
        for source in &mut sources {
            // An origin whose name is invalid here counts as none.
            if sources::origin_name(&source.origin).ok() != Some(source.origin.as_str()) {
                unsaid.clone_into(&mut source.origin);
            }
            if !files::has_any(self.theirs, source.source_id)? {
                continue;
            }
            let tx = self.store.begin(conn)?;
            let partner = place::partner(&tx, self.theirs, source)?;
            tx.commit()?;
            let pair = Pair { source, format: source.format, partner };
            self.shown(conn, &pair)?;
            self.kept(conn, &pair)?;
            let tx = self.store.begin(conn)?;
            pair.partner.end(&tx)?;
            tx.commit()?;
        }
        self.events(conn)?;
        Ok(self.report)
    }

    /// Merges the current files of a source.
    fn shown(&mut self, conn: &Connection, pair: &Pair<'_>) -> Result<()> {
        let held = moved::held_elsewhere(self.theirs, pair.source)?;
        let mut after = Vec::new();
        loop {
            let mut page = files::newest_after(self.theirs, pair.source.source_id, &after, PAGE)?;
            let Some(last) = page.last() else { return Ok(()) };
            if last.path <= after {
                return Err(Error::Damaged("the index of files is not sorted".to_owned()));
            }
            after.clone_from(&last.path);
            page.retain(|file| !held.contains(&file.path));
            self.batches(conn, pair, page, Self::file)?;
        }
    }

    /// Processes files in transactions, each of which leaves a consistent store.
    fn batches(
        &mut self,
        conn: &Connection,
        pair: &Pair<'_>,
        page: Vec<FileRow>,
        take: fn(&mut Self, &Connection, &Pair<'_>, &FileRow, &mut Writing) -> Result<()>,
    ) -> Result<()> {
        let mut queue = page.into_iter().peekable();
        while queue.peek().is_some() {
            let tx = self.store.begin(conn)?;
            let mut writing = Writing::default();
            let mut bytes = 0;
            for file in queue.by_ref() {
                bytes += file.size;
                self.attempt(&tx, pair, &file, take, &mut writing)?;
                if BATCH <= bytes {
                    break;
                }
            }
            writing.settle(&tx)?;
            tx.commit()?;
        }
        Ok(())
    }

    /// Merges one file. An invalid one is left out completely.
    fn attempt(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        file: &FileRow,
        take: fn(&mut Self, &Connection, &Pair<'_>, &FileRow, &mut Writing) -> Result<()>,
        writing: &mut Writing,
    ) -> Result<()> {
        let counts = MergeReport { kept: Vec::new(), refused: Vec::new(), ..self.report };
        let kept = self.report.kept.len();
        tx.execute_batch("SAVEPOINT merged_file")?;
        let taken = match place::refusal(pair, file) {
            Some(reason) => Err(Error::Damaged(reason.to_owned())),
            None => take(self, tx, pair, file, writing),
        };
        match taken {
            Ok(()) => self.places.extend(self.placed.drain(..)),
            Err(err) if err.is_of_content() => {
                tx.execute_batch("ROLLBACK TO merged_file")?;
                self.placed.clear();
                let MergeReport { kept: mut all, mut refused, .. } =
                    std::mem::take(&mut self.report);
                all.truncate(kept);
                refused.push(Refused { file: path_of(file.path.clone()), reason: err.to_string() });
                self.report = MergeReport { kept: all, refused, ..counts };
            }
            Err(err) => return Err(err),
        }
        Ok(tx.execute_batch("RELEASE merged_file")?)
    }

    fn file(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        file: &FileRow,
        writing: &mut Writing,
    ) -> Result<()> {
        match pair.partner.moved(tx, pair, (self.theirs, file))? {
            Some(ours) => self.moved(tx, pair, (&ours, file), writing),
            None => match pair.partner.beside_log(tx, pair, (self.theirs, file))? {
                Some((source_id, path)) => {
                    let in_place = FileRow { path, ..file.clone() };
                    self.content(tx, pair, &in_place, writing)?;
                    self.place_session(pair, file, source_id, &in_place.path);
                    Ok(())
                }
                None => self.content(tx, pair, file, writing),
            },
        }
    }

    fn content(
        &mut self,
        tx: &Connection,
        pair: &Pair<'_>,
        file: &FileRow,
        writing: &mut Writing,
    ) -> Result<()> {
        match file.kind {
            FileKind::Log => self.log(tx, pair, file, writing),
            FileKind::Document => self.document(tx, pair, file, writing),
            // Links and folders describe another machine's file system, and say
            // nothing about sessions.
            FileKind::Link | FileKind::Folder => Ok(()),
        }
    }

    /// Remembers the place here of a session that has events there.
    fn place_session(&mut self, pair: &Pair<'_>, theirs: &FileRow, source_id: i64, path: &[u8]) {
        let layout = pair.format.layout();
        let there = (theirs.source_id, layout.session_of(&theirs.path).to_vec());
        if self.decided.contains(&there) {
            self.placed.push((there, (source_id, layout.session_of(path).to_vec())));
        }
    }
}

/// What a transaction changed, by source.
#[derive(Default)]
struct Writing {
    touched: HashMap<i64, Touched>,
}

impl Writing {
    fn add(&mut self, format: Format, file: &FileRow) {
        self.touched.entry(file.source_id).or_default().add(format, file);
    }

    fn settle(self, tx: &Connection) -> Result<()> {
        for (source_id, mut touched) in self.touched {
            touched.settle(tx, source_id)?;
            fold::settle_recovered(tx, source_id)?;
        }
        Ok(())
    }
}
