//! Exports files: their rows, and new content.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use sessile::Timestamp;
use sha2::{Digest, Sha256};

use super::{Run, content};
use crate::columns::Value;
use crate::error::Result;
use crate::rows::{FileRow, Sha, absorb};
use crate::table::Table;

/// What the export of sessions needs to know of a file.
pub(super) struct Filed {
    pub(super) source_id: i64,
    pub(super) path: Vec<u8>,
    pub(super) chain: i64,
    /// The digest of what its session is folded from.
    pub(super) digest: Sha,
}

/// The files that the lake has after the export, by id.
pub(super) type Files = BTreeMap<i64, Filed>;

impl Run<'_> {
    /// Exports what is new of each file; returns all files that the lake then has.
    pub(super) fn files(&mut self) -> Result<Files> {
        let mut files = Files::new();
        let wanted = self.since.map(|since| self.wanted(since)).transpose()?;
        let conn = self.conn;
        // In the order of their content in the database. A large file that is imported in
        // batches is left out until all of it is imported.
        let mut stmt = conn.prepare(
            "SELECT file.file_id, file.source_id, source.root, file.path, file.generation, file.kind,
                    file.state, file.mode, file.mtime, file.mtime_beyond, file.inode, file.size,
                    file.line_count, file.sha256, file.link_target, file.read_at, file.missing_at,
                    file.base_id, file.base_count, file.lost, source.format,
                    iif(source.origin = '', 'local', source.origin) AS origin
             FROM files AS file
             CROSS JOIN sources AS source ON source.source_id = file.source_id
             WHERE file.state <> 'partial'
             ORDER BY file.file_id",
        )?;
        let mut rows = stmt.query([])?;
        while let Some(row) = rows.next()? {
            let mut row = FileRow::from_store(row)?;
            if wanted.as_ref().is_some_and(|wanted| !wanted.contains(&row.file_id)) {
                continue;
            }
            let known = self.state.files.get(&row.file_id).filter(|known| !known.is_gone);
            let partition = row.partition();
            if row.has_content() {
                match content::add(self, &mut row, known, &partition) {
                    Ok(()) => {}
                    Err(content::Failed::Damaged(reason)) => {
                        self.failed.push((PathBuf::from(OsString::from_vec(row.path)), reason));
                        continue;
                    }
                    Err(content::Failed::Other(err)) => return Err(err),
                }
            }
            row.export = self.number;
            if !known.is_some_and(|known| known.says_the_same(&row)) {
                self.writer.push(Table::Files, &partition, &row.to_lake())?;
            }
            let mut digest = Sha256::new();
            absorb(&mut digest, &[row.chain.into(), Value::from(&*row.state)]);
            row.rows_sha256.iter().for_each(|rows| digest.update(rows));
            let digest = digest.finalize().into();
            let FileRow { file_id, source_id, path, chain, .. } = row;
            files.insert(file_id, Filed { source_id, path, chain, digest });
        }
        self.gone(&files)?;
        Ok(files)
    }

    /// Marks files that the store no longer has. If a file is damaged, the lake keeps what it
    /// has of it.
    fn gone(&mut self, files: &Files) -> Result<()> {
        let mut gone: Vec<&FileRow> = self
            .state
            .files
            .values()
            .filter(|known| !known.is_gone && !files.contains_key(&known.file_id))
            .collect();
        gone.sort_by_key(|known| known.file_id);
        for known in gone {
            let mut there = self.conn.prepare_cached("SELECT 1 FROM files WHERE file_id = ?1")?;
            if there.exists([known.file_id])? {
                continue;
            }
            let row = FileRow { export: self.number, is_gone: true, ..known.clone() };
            self.writer.push(Table::Files, &row.partition(), &row.to_lake())?;
        }
        Ok(())
    }

    /// Files that were modified since, or whose session was; files that the lake has; and
    /// files with whose lines one of these starts.
    fn wanted(&self, since: Timestamp) -> Result<HashSet<i64>> {
        let mut stmt = self.conn.prepare(
            "SELECT source_id, path
             FROM sessions
             WHERE modified_at >= ?1",
        )?;
        let active = stmt.query_map([since.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let active: HashSet<(i64, Vec<u8>)> = active.collect::<rusqlite::Result<_>>()?;
        let is_active = |source_id: i64, path: &[u8]| {
            let ends = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            let mut above = ends.chain([path.len()]).map(|end| path[..end].to_vec());
            above.any(|path| active.contains(&(source_id, path)))
        };
        let is_known =
            |file_id: &i64| self.state.files.get(file_id).is_some_and(|known| !known.is_gone);
        let mut stmt =
            self.conn.prepare("SELECT file_id, source_id, path, mtime, base_id FROM files")?;
        let (mut first, mut bases) = (Vec::new(), HashMap::new());
        let mut rows = stmt.query([])?;
        while let Some(row) = rows.next()? {
            let file_id: i64 = row.get("file_id")?;
            let path: Vec<u8> = row.get("path")?;
            if since.0 <= row.get("mtime")?
                || is_known(&file_id)
                || is_active(row.get("source_id")?, &path)
            {
                first.push(file_id);
            }
            if let Some(base) = row.get::<_, Option<i64>>("base_id")? {
                bases.insert(file_id, base);
            }
        }
        let mut wanted = HashSet::new();
        for file_id in first {
            let mut id = Some(file_id);
            while let Some(there) = id.filter(|id| wanted.insert(*id)) {
                id = bases.get(&there).copied();
            }
        }
        Ok(wanted)
    }
}
