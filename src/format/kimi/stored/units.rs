//! Determines which files make up which session.
//!
//! Below a work dir's folder, a session is a folder, or a flat file of older
//! versions, and both may exist under one name. So a path only gives the name;
//! which sessions there are depends on all files of that name.

use rusqlite::Connection;

use crate::error::Result;
use crate::format::kimi::layout::{self, Part};
use crate::store::files::{self, FileKind, FileRow};

/// A session and its files.
#[derive(Debug)]
pub(crate) struct Unit {
    /// Its folder, or its flat file.
    pub(crate) path: Vec<u8>,
    /// Whether Kimi lists it.
    pub(crate) is_listed: bool,
    /// By path.
    pub(crate) files: Vec<FileRow>,
}

impl Unit {
    /// The role of a file in this session.
    pub(crate) fn part<'f>(&self, file: &'f FileRow) -> Part<'f> {
        match layout::part(&file.path) {
            Part::Flat if file.path == self.path => Part::Context,
            Part::Flat => Part::Rotation,
            part => part,
        }
    }

    pub(crate) fn is_flat(&self) -> bool {
        self.files.iter().any(|file| file.path == self.path && is_flat_file(file))
    }
}

/// The folder of the session that a file is in.
pub(crate) fn folder_of(path: &[u8]) -> Option<Vec<u8>> {
    let place = layout::split(path).filter(|place| !place.rest.is_empty())?;
    Some(place.stem(place.name))
}

/// The sessions of a name: a folder, a flat file, both or none.
pub(crate) fn units(conn: &Connection, source_id: i64, stem: &[u8]) -> Result<Vec<Unit>> {
    let beside = |end: &[u8]| [stem, end].concat();
    let flat_path = beside(b".jsonl");
    let mut below = files::newest_between(conn, source_id, &beside(b"/"), &beside(b"0"))?;
    let context_path = beside(b"/context.jsonl");
    let has_context =
        below.iter().any(|file| file.path == context_path && file.kind != FileKind::Link);
    let folder = files::newest(conn, source_id, stem)?;
    let has_folder =
        !below.is_empty() || folder.as_ref().is_some_and(|row| row.kind == FileKind::Folder);
    let flat = if is_rotation(conn, source_id, stem)? {
        None
    } else {
        files::newest(conn, source_id, &flat_path)?.filter(is_flat_file)
    };
    let mut flats: Vec<FileRow> = Vec::new();
    if let Some(flat) = flat {
        flats = files::newest_between(conn, source_id, &beside(b"_"), &beside(b"`"))?;
        flats.retain(|file| is_flat_file(file) && is_rotation_of(&file.path, stem));
        flats.push(flat);
    }
    let mut units = Vec::new();
    let moved = flats.last().is_some_and(|flat| flat.missing_at.is_some());
    if !has_folder || !has_context && !flats.is_empty() {
        below.append(&mut flats);
    } else if moved {
        // Kimi moves a flat file into the folder; the old file counts as another
        // context.
        below.append(&mut flats);
    }
    if !flats.is_empty() {
        flats.sort_by(|a, b| a.path.cmp(&b.path));
        units.push(Unit { path: flat_path.clone(), is_listed: false, files: flats });
    }
    below.sort_by(|a, b| a.path.cmp(&b.path));
    if has_folder && has_context {
        units.push(Unit { path: stem.to_vec(), is_listed: true, files: below });
    } else if below.iter().any(|file| file.path == flat_path) {
        units.push(Unit { path: flat_path, is_listed: true, files: below });
    } else if has_folder {
        units.push(Unit { path: stem.to_vec(), is_listed: false, files: below });
    }
    Ok(units)
}

/// Whether a file can be a flat session or a rotation of one.
fn is_flat_file(file: &FileRow) -> bool {
    matches!(file.kind, FileKind::Log | FileKind::Document)
        && layout::part(&file.path) == Part::Flat
}

/// The names that are rotations of a flat file with this name, if there is one.
pub(crate) fn rotated(conn: &Connection, source_id: i64, stem: &[u8]) -> Result<Vec<Vec<u8>>> {
    let beside = |end: &[u8]| [stem, end].concat();
    if files::newest(conn, source_id, &beside(b".jsonl"))?.is_none() {
        return Ok(Vec::new());
    }
    let below = files::newest_between(conn, source_id, &beside(b"_"), &beside(b"`"))?;
    let flats = below.iter().filter(|file| layout::part(&file.path) == Part::Flat);
    Ok(flats.filter_map(|file| layout::flat_stem(&file.path)).map(<[u8]>::to_vec).collect())
}

/// Whether a flat file with this name is a rotation of another that is none itself.
fn is_rotation(conn: &Connection, source_id: i64, stem: &[u8]) -> Result<bool> {
    let Some(base) = layout::rotated_stem(stem) else { return Ok(false) };
    let flat = files::newest(conn, source_id, &[base, b".jsonl"].concat())?;
    Ok(flat.is_some_and(|file| is_flat_file(&file)) && !is_rotation(conn, source_id, base)?)
}

fn is_rotation_of(path: &[u8], stem: &[u8]) -> bool {
    layout::flat_stem(path).and_then(layout::rotated_stem) == Some(stem)
}
