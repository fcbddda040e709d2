//! The rows of files in the new database, and names for files whose row is lost.

use std::collections::{BTreeMap, BTreeSet};

use super::rows::{MAX_ID, Name, Table};
use super::survey::{Place, Survey};
use super::trees::Rank;
use crate::model::{Format, Timestamp};
use crate::store::files::{FileKind, FileRow, FileState};
use crate::store::log;
use crate::store::sources::Source;

/// A digest that nothing has, so that a file whose digest is lost is never proven.
const UNKNOWN_DIGEST: [u8; 32] = [0; 32];

#[derive(Default)]
pub(super) struct Files {
    /// By id, which files keep.
    pub(super) rows: BTreeMap<i64, FileRow>,
    /// Files whose row is lost.
    pub(super) nameless: BTreeSet<i64>,
    /// Names of files of which nothing else is left.
    pub(super) gone: Vec<Name>,
    /// Files whose row and index entry have different names, with that of the index.
    pub(super) doubtful: BTreeMap<i64, Name>,
    generations: BTreeSet<(i64, Vec<u8>, i64)>,
    states: BTreeSet<(i64, Vec<u8>, FileState)>,
}

impl Files {
    pub(super) fn of(survey: &mut Survey<'_>) -> Self {
        let mut files = Self::default();
        for file in survey.take_files() {
            let is_free = files.is_free(&file);
            if is_free {
                files.insert(file);
            }
        }
        files.name_contents(survey);
        files.name_bases(survey);
        for (file_id, name) in &survey.names {
            match files.rows.get(file_id) {
                None => files.gone.push(name.clone()),
                Some(file) if survey.has_all_names && !is_named(file, name) => {
                    files.doubtful.insert(*file_id, name.clone());
                }
                Some(_) => {}
            }
        }
        files
    }

    fn is_free(&self, file: &FileRow) -> bool {
        let state = (file.source_id, file.path.clone(), file.state);
        !self.generations.contains(&(file.source_id, file.path.clone(), file.generation))
            && (file.state == FileState::Superseded || !self.states.contains(&state))
    }

    fn insert(&mut self, file: FileRow) {
        self.generations.insert((file.source_id, file.path.clone(), file.generation));
        self.states.insert((file.source_id, file.path.clone(), file.state));
        self.rows.insert(file.file_id, file);
    }

    /// Makes a file for content whose file is unknown.
    fn name_contents(&mut self, survey: &Survey<'_>) {
        let of_session: BTreeMap<i64, (i64, &[u8])> = survey
            .sessions
            .iter()
            .filter_map(|(_, row)| Some((row.file_id?, (row.source_id, row.path.as_slice()))))
            .collect();
        // A file with chunks and lines is a document; the lines are its
        // decompressed content.
        for (places, kind) in [(&survey.chunks, FileKind::Document), (&survey.lines, FileKind::Log)]
        {
            for file_id in ids(survey, places) {
                if self.rows.contains_key(&file_id) {
                    continue;
                }
                let named = survey.names.get(&file_id);
                let (source_id, path, generation) = match (named, of_session.get(&file_id)) {
                    (Some(name), _) => (name.source_id, name.path.clone(), name.generation),
                    (None, Some((source_id, path))) => (*source_id, path.to_vec(), 1),
                    (None, None) => (0, made_name(file_id, kind), 1),
                };
                let is_newest = named.is_none() || of_session.contains_key(&file_id);
                let state = match survey.states.get(&file_id) {
                    Some(state) => *state,
                    None if is_newest => FileState::Current,
                    None => FileState::Superseded,
                };
                let file = nameless(file_id, source_id, path, kind);
                self.insert_nameless(FileRow { generation, state, ..file });
            }
        }
    }

    /// Makes rows for chains of which nothing is left and that others begin with.
    fn name_bases(&mut self, survey: &Survey<'_>) {
        let lost: Vec<(i64, FileRow)> = self
            .rows
            .values()
            .filter_map(|file| Some((file.base_id?, file.clone())))
            .filter(|(base, _)| !self.rows.contains_key(base))
            .collect();
        for (base, file) in lost {
            if self.rows.contains_key(&base) {
                continue;
            }
            let (path, generation) = match survey.names.get(&base) {
                Some(name) => (name.path.clone(), name.generation),
                None => (file.path.clone(), 1),
            };
            let row = nameless(base, file.source_id, path, file.kind);
            let state = FileState::Superseded;
            let line_count = file.base_count;
            self.insert_nameless(FileRow { generation, state, line_count, ..row });
        }
    }

    fn insert_nameless(&mut self, mut file: FileRow) {
        let state = (file.source_id, file.path.clone(), file.state);
        if file.state != FileState::Superseded && self.states.contains(&state) {
            file.state = FileState::Superseded;
        }
        while self.generations.contains(&(file.source_id, file.path.clone(), file.generation)) {
            file.generation = file.generation.saturating_add(1);
        }
        if file.state == FileState::Local {
            file.sha256 = None;
        }
        self.nameless.insert(file.file_id);
        self.insert(file);
    }

    /// Makes roots for files whose root is lost.
    pub(super) fn settle_sources(
        &mut self,
        sources: &mut BTreeMap<i64, Source>,
        survey: &Survey<'_>,
    ) {
        let formats: BTreeMap<i64, Format> =
            survey.sessions.iter().map(|(_, row)| (row.source_id, row.format)).collect();
        let own =
            sources.values().find(|source| source.root.is_empty() && source.origin.is_empty());
        let known = sources.keys().copied();
        let last = known.chain(self.rows.values().map(|file| file.source_id)).max();
        let own_id = own.map_or(1 + last.unwrap_or_default(), |own| own.source_id);
        for file in self.rows.values_mut() {
            let is_made_name = file.source_id == 0;
            if is_made_name {
                file.source_id = own_id;
            }
            let source_id = file.source_id;
            sources.entry(source_id).or_insert_with(|| {
                let (root, format) = match (is_made_name, survey.roots.get(&source_id)) {
                    (true, _) => (Vec::new(), None),
                    (false, Some((root, format))) => (root.clone(), Some(*format)),
                    (false, None) => (made_root(source_id), None),
                };
                let format = format.or(formats.get(&source_id).copied());
                let format = format.unwrap_or_default();
                Source { source_id, root, format, origin: String::new() }
            });
        }
    }
}

/// The name of a root whose path is lost.
pub(super) fn made_root(source_id: i64) -> Vec<u8> {
    format!("/recovered/{source_id}").into_bytes()
}

fn is_named(file: &FileRow, name: &Name) -> bool {
    (file.source_id, &file.path, file.generation) == (name.source_id, &name.path, name.generation)
}

/// The files that content belongs to.
///
/// Content outside of any b-tree does not make a file if it is known that there is no
/// such file: it was deleted.
fn ids(survey: &Survey<'_>, places: &[Place]) -> BTreeSet<i64> {
    let is_sure = !survey.broken.contains(&Table::Files) || survey.has_all_names;
    let counts = |place: &&Place| match place.rank {
        Rank::Live | Rank::Doubtful => true,
        Rank::Orphan => !is_sure || survey.names.contains_key(&log::file_of(place.key)),
        Rank::Stale => false,
    };
    places
        .iter()
        .filter(counts)
        .map(|place| log::file_of(place.key))
        .filter(|file_id| (1..=MAX_ID).contains(file_id))
        .collect()
}

fn made_name(file_id: i64, kind: FileKind) -> Vec<u8> {
    let end = if kind == FileKind::Log { ".jsonl" } else { "" };
    format!("recovered/{file_id}{end}").into_bytes()
}

fn nameless(file_id: i64, source_id: i64, path: Vec<u8>, kind: FileKind) -> FileRow {
    FileRow {
        file_id,
        source_id,
        path,
        generation: 1,
        kind,
        state: FileState::Current,
        mode: 0o600,
        mtime: Timestamp(0).into(),
        inode: 0,
        size: 0,
        line_count: 0,
        sha256: Some(UNKNOWN_DIGEST.to_vec()),
        link_target: None,
        read_at: Timestamp(0),
        missing_at: None,
        base_id: None,
        base_count: 0,
        lost: 0,
    }
}
