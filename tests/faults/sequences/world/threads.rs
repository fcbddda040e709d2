//! What must be true of the files of Codex, of which a thread may have several.
//!
//! The store moves them to the archive and back, and makes a compressed one
//! plain, so they are not known by their paths: every line that stands at the
//! root, or was written here, is exported in some file; a file is as it stands
//! at the root unless something was done to a thread.

use std::collections::BTreeSet;

use sessile::{ExportOptions, Format};

use super::{Change, Exported, Outcome, World};

/// What the model knows of the files of Codex.
#[derive(Default)]
pub(super) struct Threads {
    /// Lines that were written here.
    written: BTreeSet<Vec<u8>>,
    /// Files that may be other ones in an export than at the root.
    changed: BTreeSet<String>,
    /// What was exported after the step before.
    exported: Exported,
}

impl World {
    /// What was decided of names and the archive may be of another thread by now:
    /// both are kept by the id of a thread, which several files may have.
    pub(super) fn unname_threads(&mut self) {
        for (key, decided) in &mut self.decided {
            let session = self.store.session(*key);
            if session.map_or(true, |session| session.format() == Format::Codex) {
                (decided.name, decided.is_archived) = (None, None);
            }
        }
    }

    /// Notes what an import is about to find where a file was moved to here, and is another.
    pub(super) fn note_taken_places(&mut self) {
        for (n, root) in self.roots.iter_mut().enumerate().filter(|(_, root)| root.is_of_lines()) {
            for (path, theirs) in &root.disk {
                let ours = self.threads.exported.get(&(n, path.clone()));
                let is_other = ours.is_some_and(|ours| !theirs.starts_with(ours));
                if is_other && !root.imported.contains_key(path) {
                    root.rewritten.insert(path.clone());
                }
            }
        }
    }

    /// Looks at the files of Codex, and takes them out of what was exported.
    pub(super) fn look_at_threads(&mut self, change: &Change, all: &mut Exported) -> Outcome {
        let Some(root) = self.roots.iter().position(super::Root::is_of_lines) else {
            return Ok(());
        };
        let found: Exported = all
            .iter()
            .filter(|((of, _), _)| *of == root)
            .map(|(at, b)| (at.clone(), b.clone()))
            .collect();
        all.retain(|(of, _), _| *of != root);
        let exported = lines_of(found.iter().map(|((_, path), bytes)| (&**path, &**bytes)));
        if let Change::Purged(paths) = change {
            self.forget_threads(root, paths, &exported);
        }
        let may_change = matches!(change, Change::Threads | Change::States | Change::Purged(_));
        let imported = &self.roots[root].imported;
        for (path, bytes) in imported {
            if found.get(&(root, path.clone())) == Some(bytes) {
                continue;
            }
            if !may_change && !self.threads.changed.contains(path) {
                return Err(format!("{path} is exported otherwise than it is at its root"));
            }
            self.threads.changed.insert(path.clone());
        }
        // Of what was rewritten at the root and went on here, this store's form is exported.
        let rewritten = &self.roots[root].rewritten;
        let is_theirs =
            |path: &String| !rewritten.contains(path) || !self.threads.changed.contains(path);
        let at_root = imported.iter().filter(|(path, _)| is_theirs(path));
        let at_root = lines_of(at_root.map(|(path, bytes)| (&**path, &**bytes)));
        let mut kept = at_root.iter().chain(&self.threads.written);
        if let Some(lost) = kept.find(|line| !exported.contains(*line)) {
            return Err(format!("a line of Codex is lost: {}", lost.escape_ascii()));
        }
        let known = lines_of(imported.iter().map(|(path, bytes)| (&**path, &**bytes)));
        let is_new =
            |line: &&Vec<u8>| !known.contains(*line) && !self.threads.written.contains(*line);
        let new: Vec<Vec<u8>> = exported.iter().filter(is_new).cloned().collect();
        if let Some(new) = new.first().filter(|_| !may_change) {
            return Err(format!("a line of Codex came from nowhere: {}", new.escape_ascii()));
        }
        self.threads.written.extend(new);
        self.threads.exported = found;
        Ok(())
    }

    /// Of a purged thread, what no other has is gone.
    fn forget_threads(
        &mut self,
        root: usize,
        paths: &BTreeSet<(usize, String)>,
        exported: &BTreeSet<Vec<u8>>,
    ) {
        let before = self.threads.exported.iter().filter(|(place, _)| paths.contains(*place));
        let purged = lines_of(before.map(|((_, path), bytes)| (&**path, &**bytes)));
        self.threads.written.retain(|line| exported.contains(line) || !purged.contains(line));
        let sources = self.exported(&ExportOptions::new().source_only(true));
        self.roots[root].imported.retain(|path, bytes| {
            sources.contains_key(&(root, path.clone()))
                || !lines_of([(&**path, &**bytes)]).is_subset(&purged)
        });
    }
}

/// The lines of files, those of compressed ones among them; blank ones count for nothing.
fn lines_of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> BTreeSet<Vec<u8>> {
    let mut lines = BTreeSet::new();
    for (path, bytes) in files {
        let plain = if path.ends_with(".zst") {
            zstd::decode_all(bytes).unwrap_or_else(|_| bytes.to_vec())
        } else {
            bytes.to_vec()
        };
        let all = plain.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        lines.extend(all.map(<[u8]>::to_vec));
    }
    lines
}
