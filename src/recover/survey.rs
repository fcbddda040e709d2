//! Reads all pages, and collects what they still prove.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::image::{Image, PageRef};
use super::page::{self, NodeKind};
use super::record::{self, Value};
use super::rows::{self, Columns, EventRow, Name, ProblemRow, SessionRow, Stored, Table};
use super::trees::{ANY_PAGE, Leaf, Object, Of, Rank, Trees};
use crate::model::Format;
use crate::store::files::{FileRow, FileState};
use crate::store::log;
use crate::store::purged::Purged;
use crate::store::sources::Source;

/// The place of a line or chunk that matches its checksum.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) key: i64,
    pub(super) rank: Rank,
    checksum: u32,
    at: PageRef,
    cell: u32,
}

/// Rows by key, the highest-ranking one of each.
#[derive(Debug)]
pub(super) struct Ranked<T>(BTreeMap<i64, (Rank, T)>);

impl<T> Default for Ranked<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Ranked<T> {
    /// Adds a row; `is_newer` decides between two of the same rank.
    fn add(&mut self, key: i64, rank: Rank, row: T, is_newer: impl Fn(&T, &T) -> bool) {
        match self.0.get_mut(&key) {
            Some((known, before)) if *known < rank || *known == rank && !is_newer(&row, before) => {
            }
            Some(place) => *place = (rank, row),
            None => {
                self.0.insert(key, (rank, row));
            }
        }
    }

    pub(super) fn get(&self, key: i64) -> Option<&T> {
        self.0.get(&key).map(|(_, row)| row)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (i64, &T)> {
        self.0.iter().map(|(key, (_, row))| (*key, row))
    }

    /// The rows, highest-ranking first.
    fn into_ranked(self) -> Vec<(i64, T)> {
        let mut rows: Vec<(Rank, i64, T)> =
            self.0.into_iter().map(|(key, (rank, row))| (rank, key, row)).collect();
        rows.sort_by_key(|(rank, key, _)| (*rank, *key));
        rows.into_iter().map(|(_, key, row)| (key, row)).collect()
    }
}

/// Everything that was found.
pub(super) struct Survey<'i> {
    image: &'i Image,
    columns: &'i Columns,
    pub(super) sources: Ranked<Source>,
    files: Ranked<FileRow>,
    pub(super) sessions: Ranked<SessionRow>,
    pub(super) events: Ranked<EventRow>,
    pub(super) problems: Ranked<ProblemRow>,
    pub(super) purged: Ranked<(i64, Purged)>,
    pub(super) lines: Vec<Place>,
    pub(super) chunks: Vec<Place>,
    /// Lines whose bytes other rows hold, by the keys of those, until they are found.
    shared: Vec<(Place, i64)>,
    /// By file, from the indexes of files.
    pub(super) names: BTreeMap<i64, Name>,
    pub(super) states: BTreeMap<i64, FileState>,
    /// By source, from the index of roots.
    pub(super) roots: BTreeMap<i64, (Vec<u8>, Format)>,
    /// Whether the index of names is undamaged, and therefore names every file.
    pub(super) has_all_names: bool,
    /// The largest key that any session ever had, as far as is known.
    pub(super) last_session: i64,
    /// Tables with a damaged page.
    pub(super) broken: BTreeSet<Table>,
}

impl<'i> Survey<'i> {
    /// Reads every page.
    pub(super) fn of(image: &'i Image, columns: &'i Columns) -> Self {
        let mut survey = Self {
            image,
            columns,
            sources: Ranked::default(),
            files: Ranked::default(),
            sessions: Ranked::default(),
            events: Ranked::default(),
            problems: Ranked::default(),
            purged: Ranked::default(),
            lines: Vec::new(),
            chunks: Vec::new(),
            shared: Vec::new(),
            names: BTreeMap::new(),
            states: BTreeMap::new(),
            roots: BTreeMap::new(),
            has_all_names: false,
            last_session: 0,
            broken: BTreeSet::new(),
        };
        let mut trees = Trees::new(image);
        let objects = trees.schema(&mut |leaf| survey.take_stray(leaf));
        survey.walk_tables(&mut trees, &objects);
        survey.walk_others(&mut trees, &objects);
        if !image.damaged_frames().is_empty() {
            survey.broken.extend(Table::ALL);
        }
        survey.lines.sort_by_key(|place| (place.key, place.rank));
        if !survey.shared.iter().all(|(place, holder)| survey.holds(*holder, place)) {
            survey.broken.insert(Table::Lines);
        }
        if !survey.broken.is_empty() {
            trees.mark_free();
            trees.strays(&mut |leaf| survey.take_stray(leaf));
        }
        survey.settle();
        survey
    }

    fn walk_tables(&mut self, trees: &mut Trees<'_>, objects: &[Object]) {
        for table in Table::ALL {
            let root = objects
                .iter()
                .find(|object| object.is_table && object.name == table.name())
                .map(|object| object.root);
            let is_whole = root.is_some_and(|root| {
                trees.walk(root, Of::Table, &mut |leaf| self.take(leaf, table))
            });
            if !is_whole {
                self.broken.insert(table);
            }
        }
    }

    /// Walks the remaining b-trees, so that their pages are not taken for strays.
    fn walk_others(&mut self, trees: &mut Trees<'_>, objects: &[Object]) {
        let others = objects.iter().filter(|object| {
            !object.is_table || Table::ALL.iter().all(|table| table.name() != object.name)
        });
        for object in others {
            let of = if object.is_table { Of::Either } else { Of::Index };
            let is_whole = trees.walk(object.root, of, &mut |leaf| {
                let stray = Leaf { rank: leaf.rank.max(Rank::Orphan), ..*leaf };
                match (object.is_table, object.name.as_str()) {
                    (false, "sqlite_autoindex_files_1" | "files_by_path")
                    | (false, "sqlite_autoindex_sources_1") => self.take_names(leaf),
                    // A page of another table may have been written to this one's
                    // place.
                    (true, name) if self.columns.is_ours(name) => self.take_stray(&stray),
                    _ => {}
                }
                if object.is_table && object.name == "sqlite_sequence" {
                    self.take_sequence(leaf);
                }
            });
            self.has_all_names |= is_whole && object.name == "sqlite_autoindex_files_1";
        }
    }

    fn take_names(&mut self, leaf: &Leaf<'_>) {
        for cell in leaf.cells.iter().filter(|_| leaf.rank == Rank::Live) {
            let record = cell.payload.and_then(|payload| self.image.record(leaf.page, payload));
            let Some(values) = record.as_deref().and_then(record::decode) else { continue };
            self.names.extend(rows::name(&values));
            self.states.extend(rows::state(&values));
            self.roots.extend(rows::root(&values));
        }
    }

    fn take_sequence(&mut self, leaf: &Leaf<'_>) {
        for cell in leaf.cells.iter().filter(|_| leaf.rank == Rank::Live) {
            let record = cell.payload.and_then(|payload| self.image.record(leaf.page, payload));
            if let Some([Value::Text("sessions"), Value::Integer(last)]) =
                record.as_deref().and_then(record::decode).as_deref()
            {
                // A larger number than possible is damage, and would exhaust the
                // keys.
                let last = Some(*last).filter(|last| *last <= rows::MAX_ID);
                self.last_session = self.last_session.max(last.unwrap_or_default());
            }
        }
    }

    /// Takes the rows of a page of this table.
    fn take(&mut self, leaf: &Leaf<'_>, table: Table) {
        for cell in leaf.cells {
            let taken = cell.payload.is_some_and(|payload| {
                let Some(record) = self.image.record(leaf.page, payload) else { return false };
                let Some(values) = record::decode(&record) else { return false };
                let place = Place {
                    key: cell.key,
                    rank: leaf.rank,
                    checksum: 0,
                    at: leaf.at,
                    cell: cell.at as u32,
                };
                // A page may have been written to another's place.
                self.take_row(table, place, &values) || {
                    let place = Place { rank: leaf.rank.max(Rank::Orphan), ..place };
                    self.take_any(place, &values);
                    false
                }
            });
            if !taken {
                self.broken.insert(table);
            }
        }
    }

    fn take_stray(&mut self, leaf: &Leaf<'_>) {
        if page::parse(leaf.page, ANY_PAGE, self.image.usable)
            .is_some_and(|node| node.kind == NodeKind::IndexLeaf)
        {
            return self.take_stray_names(leaf);
        }
        for cell in leaf.cells {
            let record = cell.payload.and_then(|payload| self.image.record(leaf.page, payload));
            let Some(values) = record.as_deref().and_then(record::decode) else { continue };
            let place = Place {
                key: cell.key,
                rank: leaf.rank,
                checksum: 0,
                at: leaf.at,
                cell: cell.at as u32,
            };
            self.take_any(place, &values);
        }
    }

    fn take_stray_names(&mut self, leaf: &Leaf<'_>) {
        if leaf.rank != Rank::Orphan {
            return;
        }
        for cell in leaf.cells {
            let record = cell.payload.and_then(|payload| self.image.record(leaf.page, payload));
            let Some(values) = record.as_deref().and_then(record::decode) else { continue };
            if let Some((file_id, name)) = rows::name(&values) {
                self.names.entry(file_id).or_insert(name);
            }
            if let Some((file_id, state)) = rows::state(&values) {
                self.states.entry(file_id).or_insert(state);
            }
            if let Some((source_id, root)) = rows::root(&values) {
                self.roots.entry(source_id).or_insert(root);
            }
        }
    }

    fn take_any(&mut self, place: Place, values: &[Value<'_>]) {
        for table in Table::ALL {
            if self.take_row(table, place, values) {
                return;
            }
        }
    }

    /// Takes the values if they are a row of this table.
    fn take_row(&mut self, table: Table, place: Place, values: &[Value<'_>]) -> bool {
        let Some(row) = self.columns.row(table, place.key, values) else { return false };
        let (key, rank) = (place.key, place.rank);
        match table {
            Table::Sources => {
                rows::source(&row).map(|row| self.sources.add(key, rank, row, |_, _| false))
            }
            Table::Files => rows::file(&row).map(|row| {
                // Usually the longer one is newer, because files grow.
                let size = |file: &FileRow| (file.line_count, file.size);
                self.files.add(key, rank, row, |new, old| size(old) < size(new));
            }),
            Table::Sessions => {
                rows::session(&row).map(|row| self.sessions.add(key, rank, row, |_, _| false))
            }
            Table::Events => {
                rows::event(&row).map(|row| self.events.add(key, rank, row, |_, _| false))
            }
            Table::Purged => {
                rows::purged(&row).map(|row| self.purged.add(key, rank, row, |_, _| false))
            }
            Table::Problems => rows::problem(&row).map(|row| {
                // Problems of sessions are folded again.
                if row.session.is_none() {
                    self.problems.add(key, rank, row, |_, _| false);
                }
            }),
            Table::Lines => rows::line(&row).and_then(|line| {
                let place = Place { checksum: line.checksum, ..place };
                match line.holder() {
                    Some(holder) => self.shared.push((place, holder)),
                    None => self.lines.push(line.bytes(key).map(|_| place)?),
                }
                Some(())
            }),
            Table::Chunks => rows::chunk(&row)
                .filter(|chunk| chunk.bytes(key).is_some())
                .map(|chunk| self.chunks.push(Place { checksum: chunk.checksum, ..place })),
        }
        .is_some()
    }

    /// Drops rows that contradict higher-ranking ones.
    fn settle(&mut self) {
        for table in Table::ALL {
            let least = if self.broken.contains(&table) { Rank::Orphan } else { Rank::Live };
            match table {
                Table::Sources => self.sources.0.retain(|_, (rank, _)| *rank <= least),
                Table::Files => self.files.0.retain(|_, (rank, _)| *rank <= least),
                Table::Sessions => self.sessions.0.retain(|_, (rank, _)| *rank <= least),
                Table::Events => self.events.0.retain(|_, (rank, _)| *rank <= least),
                Table::Problems => self.problems.0.retain(|_, (rank, _)| *rank <= least),
                // A row that only may be a purged session would keep it out of
                // every import.
                Table::Purged => self.purged.0.retain(|_, (rank, _)| *rank <= Rank::Live),
                Table::Lines | Table::Chunks => {}
            }
        }
        let is_broken = |table| self.broken.contains(&table);
        let (lines, chunks) = (is_broken(Table::Lines), is_broken(Table::Chunks));
        settle_places(&mut self.lines, lines);
        settle_places(&mut self.chunks, chunks);
        let mut shared = std::mem::take(&mut self.shared);
        shared.retain(|(place, holder)| self.holds(*holder, place));
        self.lines.extend(shared.into_iter().map(|(place, _)| place));
        settle_places(&mut self.lines, lines);
    }

    /// Whether a row holds the bytes of the line at this place.
    fn holds(&self, holder: i64, place: &Place) -> bool {
        self.shared_bytes(holder, place.key, place.checksum).is_some()
    }

    /// The bytes that a row holds for a line with this key and checksum.
    fn shared_bytes(&self, holder: i64, key: i64, checksum: u32) -> Option<Vec<u8>> {
        let first = self.lines.partition_point(|place| place.key < holder);
        let place = self.lines.get(first).filter(|place| place.key == holder)?;
        let raw =
            self.stored(Table::Lines, place, |held| held.bytes(holder).map(Cow::into_owned))??;
        (log::checksum(key, &raw) == checksum).then_some(raw)
    }

    /// The bytes of a line, whether its own row holds them or another.
    pub(super) fn bytes<'r>(&self, stored: &'r Stored<'_>, key: i64) -> Option<Cow<'r, [u8]>> {
        match stored.holder() {
            Some(holder) => self.shared_bytes(holder, key, stored.checksum).map(Cow::Owned),
            None => stored.bytes(key),
        }
    }

    /// Takes the files, highest-ranking first.
    pub(super) fn take_files(&mut self) -> Vec<FileRow> {
        let files = std::mem::take(&mut self.files);
        files.into_ranked().into_iter().map(|(_, file)| file).collect()
    }

    pub(super) fn has_any(&self) -> bool {
        !self.lines.is_empty() || !self.chunks.is_empty() || !self.files.0.is_empty()
    }

    /// Reads a line or chunk again.
    pub(super) fn stored<T>(
        &self,
        table: Table,
        place: &Place,
        read: impl FnOnce(&Stored<'_>) -> T,
    ) -> Option<T> {
        let page = self.image.page(place.at)?;
        let page = page.get(..self.image.usable)?;
        let cell = page::cell(page, place.cell as usize, NodeKind::TableLeaf)?;
        let record = self.image.record(page, cell.payload?)?;
        let values = record::decode(&record)?;
        let row = self.columns.row(table, cell.key, &values)?;
        let stored = match table {
            Table::Lines => rows::line(&row),
            _ => rows::chunk(&row),
        };
        stored.map(|stored| read(&stored))
    }
}

/// Keeps one place per key: the highest-ranking, unless others contradict it.
fn settle_places(places: &mut Vec<Place>, is_broken: bool) {
    if !is_broken {
        places.retain(|place| place.rank == Rank::Live);
    }
    places.sort_by_key(|place| (place.key, place.rank));
    let mut settled: Vec<Place> = Vec::with_capacity(places.len());
    for group in places.chunk_by(|one, other| one.key == other.key) {
        let first = group[0];
        let is_same = |place: &Place| place.rank != first.rank || place.checksum == first.checksum;
        if group.iter().all(is_same) {
            settled.push(first);
        }
    }
    *places = settled;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_rows_of_a_key_the_higher_ranking_counts_then_the_newer() {
        let is_newer = |new: &u8, old: &u8| old < new;
        for (rows, expected) in [
            (&[(Rank::Live, 1), (Rank::Live, 2)][..], 2),
            (&[(Rank::Live, 2), (Rank::Live, 1)], 2),
            (&[(Rank::Live, 1), (Rank::Stale, 2)], 1),
            (&[(Rank::Stale, 2), (Rank::Live, 1)], 1),
        ] {
            let mut ranked = Ranked::default();
            for (rank, row) in rows {
                ranked.add(7, *rank, *row, is_newer);
            }
            assert_eq!(ranked.get(7), Some(&expected), "{rows:?}");
        }
    }
}
