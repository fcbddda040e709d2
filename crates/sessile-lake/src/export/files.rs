//! Files: their rows, and what of their content is new.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use sessile::Timestamp;

use super::{Run, content};
use crate::error::Result;
use crate::rows::FileRow;
use crate::table::Table;

/// Files as the lake has them afterwards, by their ids.
pub(super) type Files = BTreeMap<i64, FileRow>;

impl Run<'_> {
    /// Writes what is new of each file, and says what the lake has of all.
    pub(super) fn files(&mut self) -> Result<Files> {
        let mut files = Files::new();
        let mut rows = self.rows_of_files()?;
        if let Some(since) = self.since {
            let wanted = self.wanted(&rows, since)?;
            rows.retain(|row| wanted.contains(&row.file_id));
        }
        for mut row in rows {
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
            files.insert(row.file_id, row);
        }
        self.gone(&files)?;
        Ok(files)
    }

    /// Says of files that are no longer there that they are not. Of one that is damaged, the
    /// lake keeps what it has.
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

    /// Files that were written since, or whose session was; those that the lake has; and those
    /// that one of these begins with.
    fn wanted(&self, rows: &[FileRow], since: Timestamp) -> Result<HashSet<i64>> {
        let mut stmt = self.conn.prepare(
            "SELECT source_id, path
             FROM sessions
             WHERE modified_at >= ?1",
        )?;
        let active = stmt.query_map([since.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let active: HashSet<(i64, Vec<u8>)> = active.collect::<rusqlite::Result<_>>()?;
        let is_active = |row: &FileRow| {
            let ends =
                row.path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
            let mut paths = ends.chain([row.path.len()]).map(|end| row.path[..end].to_vec());
            paths.any(|path| active.contains(&(row.source_id, path)))
        };
        let is_known =
            |row: &FileRow| self.state.files.get(&row.file_id).is_some_and(|known| !known.is_gone);
        let bases: HashMap<i64, Option<i64>> =
            rows.iter().map(|row| (row.file_id, row.base_id)).collect();
        let mut wanted = HashSet::new();
        for row in rows {
            if since.0 <= row.mtime || is_known(row) || is_active(row) {
                let mut id = Some(row.file_id);
                while let Some(there) = id.filter(|id| wanted.insert(*id)) {
                    id = bases.get(&there).copied().flatten();
                }
            }
        }
        Ok(wanted)
    }

    /// All files, in the order in which their content lies. A large one that is read in
    /// parts is none until all of it is there.
    fn rows_of_files(&self) -> Result<Vec<FileRow>> {
        let mut stmt = self.conn.prepare(
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
        let rows = stmt.query_map([], FileRow::from_store)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
