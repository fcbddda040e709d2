//! Finds the files with long answers of tools.

use rusqlite::Connection;

use crate::error::Result;
use crate::format::claude::layout::{self, Place, Split};
use crate::format::claude::results::{FOLDER, Note, text_of};
use crate::format::extras::ResultFile;
use crate::model::SessionKey;
use crate::store::files::{self, FileKind};
use crate::store::{documents, sessions};

/// The file of an answer, if the answer is a note that names one.
pub(super) fn find(
    conn: &Connection,
    session: SessionKey,
    call_id: &str,
    answer: &str,
) -> Result<Option<ResultFile>> {
    let Some(note) = Note::read(answer) else { return Ok(None) };
    let Some((source, path)) = sessions::place(conn, session)? else { return Ok(None) };
    for candidate in candidates(&path, &session_id(conn, session, &path)?, call_id, &note) {
        let file = files::newest(conn, source.source_id, candidate.as_bytes())?;
        let Some(file) = file.filter(|file| file.kind == FileKind::Document) else { continue };
        let content = documents::readable(conn, &file, u64::MAX)?;
        let text = content.map(|content| text_of(&candidate, &content));
        return Ok(Some(ResultFile { path: candidate, text }));
    }
    let path =
        if note.path.is_empty() { format!("{FOLDER}/{call_id}") } else { note.path.to_owned() };
    Ok(Some(ResultFile { path, text: None }))
}

/// The session in whose folder an answer is; for an agent, the session that it works
/// for.
fn session_id(conn: &Connection, session: SessionKey, path: &[u8]) -> Result<String> {
    let id = match layout::split(path).place {
        Place::Transcript { session_id } | Place::Agent { session_id, .. } => {
            Some(session_id.to_owned())
        }
        _ => sessions::parent_session_id(conn, session)?,
    };
    Ok(id.unwrap_or_default())
}

/// Where the file may be: where the note says; in the session's project, if that was
/// moved; in the session's own folder, if the session was copied; by the call's id.
fn candidates(path: &[u8], session_id: &str, call_id: &str, note: &Note<'_>) -> Vec<String> {
    let Split { project: own, .. } = layout::split(path);
    let own = String::from_utf8_lossy(own);
    // If the root is a single project, no folder precedes the session.
    let above = own.trim_end_matches('/').rsplit_once('/').map_or("", |(above, _)| above);
    let slash = if above.is_empty() { "" } else { "/" };
    let mut candidates = Vec::new();
    if let Some([project, session, file]) = note.place() {
        if !own.is_empty() {
            candidates.push(format!("{above}{slash}{project}/{session}/{FOLDER}/{file}"));
        }
        candidates.push(format!("{own}{session}/{FOLDER}/{file}"));
        candidates.push(format!("{own}{session_id}/{FOLDER}/{file}"));
    }
    if !call_id.is_empty() {
        candidates.extend(
            ["txt", "json"].map(|end| format!("{own}{session_id}/{FOLDER}/{call_id}.{end}")),
        );
    }
    candidates
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_looked_for_where_it_was_and_where_its_session_is_now() {
        let answer = "<persisted-output>\nsaved to: /h/projects/-w/S/tool-results/t.txt";
        let found =
            |path: &str| candidates(path.as_bytes(), "N", "c", &Note::read(answer).unwrap());
        let id = "00000001-0000-4000-8000-000000000001";
        let by_root = found(&format!("projects/-v/{id}.jsonl"));
        assert_eq!(by_root[0], "projects/-w/S/tool-results/t.txt");
        assert_eq!(by_root[1], "projects/-v/S/tool-results/t.txt");
        assert_eq!(by_root[2], "projects/-v/N/tool-results/t.txt");
        assert_eq!(by_root[3], "projects/-v/N/tool-results/c.txt");
        assert_eq!(found(&format!("-v/{id}.jsonl"))[0], "-w/S/tool-results/t.txt");
        assert_eq!(found(&format!("{id}.jsonl"))[0], "S/tool-results/t.txt");
    }
}
