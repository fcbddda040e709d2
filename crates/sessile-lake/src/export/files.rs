//! Files: their rows, and what of their content is new.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::{LOCAL, Run, content, month};
use crate::error::Result;
use crate::manifest::Partition;
use crate::rows::FileRow;
use crate::table::Table;

/// Files as the lake has them afterwards, by their ids.
pub(super) type Files = BTreeMap<i64, FileRow>;

impl Run<'_> {
    /// Writes what is new of each file, and says what the lake has of all.
    pub(super) fn files(&mut self) -> Result<Files> {
        let mut files = Files::new();
        for (mut row, format) in self.rows_of_files()? {
            let known = self.state.files.get(&row.file_id).filter(|known| !known.is_gone);
            let partition = Partition { format, origin: LOCAL.to_owned(), month: month(row.mtime) };
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
            let partition = Partition {
                format: super::ANY.to_owned(),
                origin: LOCAL.to_owned(),
                month: month(row.mtime),
            };
            self.writer.push(Table::Files, &partition, &row.to_lake())?;
        }
        Ok(())
    }

    /// All files, in the order in which their content lies. A large one that is read in
    /// parts is none until all of it is there.
    fn rows_of_files(&self) -> Result<Vec<(FileRow, String)>> {
        let mut stmt = self.conn.prepare(
            "SELECT file.file_id, file.source_id, source.root, file.path, file.generation, file.kind,
                    file.state, file.mode, file.mtime, file.mtime_beyond, file.inode, file.size,
                    file.line_count, file.sha256, file.link_target, file.read_at, file.missing_at,
                    file.base_id, file.base_count, file.lost, source.format
             FROM files AS file
             CROSS JOIN sources AS source ON source.source_id = file.source_id
             WHERE file.state <> 'partial'
             ORDER BY file.file_id",
        )?;
        let rows = stmt.query_map([], |row| Ok((FileRow::from_store(row)?, row.get("format")?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
