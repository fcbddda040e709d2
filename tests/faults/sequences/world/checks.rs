//! What must be true after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;
use sessile::{Archived, ExportOptions, Format, SessionFilter, SessionKey, Store};

use super::{Change, Exported, Outcome, World, by_root, dump, failed, open, same};
use crate::losses::without_losses;
use crate::sequences::roots::{self, Displaced};
use crate::sequences::union::{header_id_of, union};

impl World {
    /// Compares the store with itself and with the model, which follows the change.
    pub(super) fn look(&mut self, change: Change) -> Outcome {
        let found = self.store.check().map_err(failed)?;
        if !found.is_empty() {
            return Err(format!("check finds {found:?}"));
        }
        let dumped = dump(&self.store);
        let copy = self.name("copy.db");
        self.store.backup(&copy).map_err(failed)?;
        let copy = open(&copy);
        same("a copy dumps", &dumped, &dump(&copy))?;
        copy.rebuild().map_err(failed)?;
        same("what is folded anew dumps", &dumped, &dump(&copy))?;
        let found = copy.check().map_err(failed)?;
        if !found.is_empty() {
            return Err(format!("check finds, once it is folded anew, {found:?}"));
        }
        fs::remove_file(copy.path()).unwrap();
        self.look_at_files(change)?;
        self.look_at_sessions(&dumped)
    }

    fn look_at_files(&mut self, change: Change) -> Outcome {
        let mut found = self.exported(&ExportOptions::new());
        let mut hidden = BTreeSet::new();
        for key in self.trashed() {
            let files = self.exported(&ExportOptions::new().session(key));
            hidden.extend(files.keys().cloned());
            for (place, bytes) in files {
                if found.insert(place.clone(), bytes).is_some() {
                    return Err(format!("{place:?} is exported from the trash"));
                }
            }
        }
        self.look_at_threads(&change, &mut found)?;
        self.follow(change, &found)?;
        let mut expected: Exported = self.current();
        let roots = &self.roots;
        expected.retain(|(root, path), _| {
            let is_merged = roots[*root].may_be_merged(path);
            let is_there = !is_merged || found.contains_key(&(*root, path.clone()));
            is_there && !roots[*root].is_of_lines()
        });
        compare("an export", &expected, &found)?;
        let sources = self.exported(&ExportOptions::new().source_only(true));
        let imported = self.roots.iter().enumerate();
        let imported = imported.flat_map(|(n, root)| by_root(n, root.imported.clone())).collect();
        compare("an export of the sources", &imported, &sources)
    }

    /// Lets the model follow what a step may have written, if that is all it wrote.
    fn follow(&mut self, change: Change, found: &Exported) -> Outcome {
        match change {
            Change::Nothing | Change::Threads => {}
            Change::Lines(root, path, most) => self.follow_lines(root, path, most, found)?,
            Change::States => {
                self.follow_displaced(found)?;
                self.follow_moves(found)?;
                for ((root, path), bytes) in found {
                    if path.ends_with("/state.json") && self.roots[*root].local.contains_key(path) {
                        self.roots[*root].local.insert(path.clone(), bytes.clone());
                    }
                }
            }
            Change::State(root) => {
                let before = self.current();
                let mut states = found.iter().filter(|(place, bytes)| {
                    place.0 == root
                        && place.1.ends_with("/state.json")
                        && before.get(place) != Some(bytes)
                });
                if let Some(((_, path), bytes)) = states.next() {
                    self.roots[root].local.insert(path.clone(), bytes.clone());
                }
            }
            Change::NewFiles(root) => {
                let before = self.current();
                let new: Vec<_> =
                    found.iter().filter(|(place, _)| !before.contains_key(place)).collect();
                if new.is_empty() || new.iter().any(|(place, _)| place.0 != root) {
                    return Err(format!("new files are {new:?}"));
                }
                for ((_, path), bytes) in new {
                    self.roots[root].local.insert(path.clone(), bytes.clone());
                }
            }
            Change::Purged(paths) => self.forget(paths),
        }
        Ok(())
    }

    /// Lets the model follow up to `most` lines that were added to a file.
    fn follow_lines(
        &mut self,
        root: usize,
        path: String,
        most: usize,
        found: &Exported,
    ) -> Outcome {
        let place = (root, path.clone());
        let before = self.current().remove(&place).unwrap_or_default();
        let after = found.get(&place).cloned().unwrap_or_default();
        if before == after {
            return Ok(());
        }
        let is_torn = !before.is_empty() && !before.ends_with(b"\n");
        let kept = [&before[..], if is_torn { b"\n" } else { b"" }].concat();
        let added = after.strip_prefix(&kept[..]);
        let lines = added.map(|added| added.split_inclusive(|byte| *byte == b'\n').count());
        if !lines.is_some_and(|lines| (1..=most).contains(&lines)) || !after.ends_with(b"\n") {
            return Err(format!(
                "{path} was not continued: {} became {}",
                before.escape_ascii(),
                after.escape_ascii()
            ));
        }
        let base = before.iter().filter(|byte| **byte == b'\n').count();
        self.roots[root].bases.entry(path.clone()).or_insert(base);
        self.roots[root].local.insert(path, after);
        Ok(())
    }

    /// Lets the model forget purged files, and what was merged from beside them.
    fn forget(&mut self, paths: BTreeSet<(usize, String)>) {
        for (root, path) in paths {
            let merged =
                path.strip_suffix("state.json").map(|folder| format!("{folder}metadata.json"));
            for path in [Some(path), merged].into_iter().flatten() {
                self.roots[root].imported.remove(&path);
                self.roots[root].local.remove(&path);
                self.roots[root].bases.remove(&path);
                // The name of a thread outlives it.
                if !self.roots[root].is_of_lines() {
                    self.touched.remove(&(root, path));
                }
            }
        }
    }

    /// Lets the model follow sessions whose path is another's by now: each is
    /// kept beside, or has moved, as the model then finds.
    fn follow_displaced(&mut self, found: &Exported) -> Outcome {
        for (n, one) in std::mem::take(&mut self.displaced) {
            let Displaced { path, id, is_another, imported, local, base } = one;
            let root = &mut self.roots[n];
            let Some(had) = local.as_ref().or(imported.as_ref()) else { continue };
            let stem = path.strip_suffix(".jsonl").unwrap_or(&path);
            let kept = (1..9).map(|n| match n {
                1 => format!("{stem}.kept.jsonl"),
                n => format!("{stem}.kept-{n}.jsonl"),
            });
            let kept: Vec<String> = kept
                .filter(|kept| !root.imported.contains_key(kept) && !root.local.contains_key(kept))
                .collect();
            let theirs = root.imported.get(&path).cloned();
            let is_kept = found.get(&(n, kept[0].clone())) == Some(had);
            let is_new =
                found.get(&(n, path.clone())) == theirs.as_ref() && root.local.contains_key(&path);
            if !is_kept && !is_new {
                continue;
            }
            if is_kept
                && !is_another
                && id.is_some()
                && header_id_of(&theirs.unwrap_or_default()) == id
            {
                return Err(format!("{path} is of the session that it was, and displaced"));
            }
            let kept = kept[0].clone();
            // Whether it is there, or has moved, the next look tells.
            root.local.remove(&path);
            root.bases.remove(&path);
            root.imported.extend(imported.map(|bytes| (kept.clone(), bytes)));
            root.local.extend(local.map(|bytes| (kept.clone(), bytes)));
            root.bases.extend(base.map(|base| (kept.clone(), base)));
            root.ids.extend(id.map(|id| (kept.clone(), id)));
            root.lacks = true;
            if self.touched.contains(&(n, path)) {
                self.touched.insert((n, kept));
            }
        }
        Ok(())
    }

    /// Lets the model follow files that moved: of each that is gone from an export,
    /// another has what it had.
    fn follow_moves(&mut self, found: &Exported) -> Outcome {
        let gone: Vec<(usize, String)> = self
            .current()
            .into_keys()
            .filter(|place| !found.contains_key(place))
            .filter(|(root, path)| !self.roots[*root].may_be_merged(path))
            .filter(|(root, _)| !self.roots[*root].is_of_lines())
            .collect();
        for (n, path) in gone {
            let root = &mut self.roots[n];
            if root.disk.contains_key(&path) {
                return Err(format!("{path} is at its root and not exported"));
            }
            let imported = root.imported.remove(&path).unwrap_or_default();
            let (local, base) = (root.local.remove(&path), root.bases.remove(&path));
            let id = root.ids.remove(&path);
            let of_root = found.iter().filter(|((of, _), _)| *of == n);
            let to = of_root.map(|((_, to), bytes)| (to, bytes)).find(|(to, bytes)| {
                let theirs = root.imported.get(*to);
                let has_id = id.is_some() && root.ids.get(*to) == id.as_ref();
                let grew = has_id || theirs.is_none_or(|theirs| theirs.starts_with(&imported));
                let same_name = to.rsplit('/').next() == path.rsplit('/').next();
                match (&local, theirs) {
                    _ if n == 2 => grew || same_name,
                    (Some(local), Some(theirs)) if grew => {
                        let base = base.unwrap_or_default();
                        let all = union(local, base, Some(&imported), theirs);
                        all.as_ref().unwrap_or(theirs) == *bytes
                    }
                    (None, Some(theirs)) => grew && theirs == *bytes,
                    _ => false,
                }
            });
            let Some((to, bytes)) = to else { return Err(format!("{path} is lost")) };
            if root.imported.get(to).is_none_or(|theirs| theirs != bytes) {
                root.local.insert(to.clone(), bytes.clone());
                root.bases.extend(base.map(|base| (to.clone(), base)));
            }
            root.imported.entry(to.clone()).or_insert(imported);
            if n == 2 {
                self.touch_all();
            } else if self.touched.contains(&(n, path)) {
                self.touched.insert((n, to.clone()));
            }
        }
        Ok(())
    }

    fn look_at_sessions(&mut self, dumped: &str) -> Outcome {
        let shown =
            self.store.sessions(&SessionFilter::new().archived(Archived::Included).limit(10_000));
        let shown: BTreeSet<SessionKey> =
            shown.map_err(failed)?.rows.iter().map(|row| row.key).collect();
        let mut known = BTreeSet::new();
        let mut keys = BTreeSet::new();
        for (root, file) in sessions_in(&self.roots.each_ref().map(|root| root.name), dumped) {
            let key = self.key(root, &file);
            keys.insert(key);
            self.look_at_session(key, self.roots[root].format, shown.contains(&key))
                .map_err(|wrong| format!("{file}: {wrong}"))?;
            if !self.roots[root].has_folders() {
                known.insert((root, file));
            }
        }
        // Kimi's files may come to be of another session.
        self.decided.retain(|key, _| keys.contains(key));
        let expected: BTreeSet<(usize, String)> = self
            .current()
            .into_keys()
            .filter(|(root, _)| !self.roots[*root].has_folders())
            .collect();
        if known == expected {
            Ok(())
        } else {
            Err(format!("sessions are {known:?}, expected {expected:?}"))
        }
    }

    fn look_at_session(&self, key: SessionKey, format: Format, is_shown: bool) -> Outcome {
        let info = self.store.session(key).and_then(|session| session.info()).map_err(failed)?;
        let decided = self.decided.get(&key);
        let is_trashed = decided.is_some_and(|decided| decided.is_trashed);
        if info.trashed_at.is_some() != is_trashed {
            return Err(format!("in the trash: {:?}", info.trashed_at));
        }
        // Lists of some programs leave sessions out.
        let may_hide = matches!(format, Format::Kimi | Format::Claude | Format::Codex);
        if is_shown && is_trashed || !is_shown && !is_trashed && !may_hide {
            return Err(format!("in the list: {is_shown}"));
        }
        let is_archived = decided.and_then(|decided| decided.is_archived);
        let is_archived =
            is_archived.or((!matches!(format, Format::Kimi | Format::Codex)).then_some(false));
        if is_archived.is_some_and(|is_archived| info.archived_at.is_some() != is_archived) {
            return Err(format!("archived: {:?}, expected {is_archived:?}", info.archived_at));
        }
        let Some(decided) = decided else { return Ok(()) };
        if let Some(name) = &decided.name {
            let found = info.name.map(|name| name.to_text()).filter(|name| !name.is_empty());
            let expected = name.as_deref().map(|name| named(format, name));
            let expected = expected.filter(|name| !name.is_empty());
            if found != expected {
                return Err(format!("its name is {found:?}, expected {expected:?}"));
            }
        }
        let labels = self.store.session(key).unwrap().labels().map_err(failed)?;
        let labels: BTreeMap<String, String> =
            labels.into_iter().map(|label| (label.target_id, label.label)).collect();
        for (target, expected) in &decided.labels {
            if labels.get(target) != expected.as_ref() {
                let found = labels.get(target);
                return Err(format!("the label of {target:?} is {found:?}, not {expected:?}"));
            }
        }
        Ok(())
    }

    /// A store that grew knows what one knows that sees the roots for the first time.
    pub(super) fn compare_with_fresh(&mut self) -> Outcome {
        let path = self.name("fresh.db");
        let fresh = open(&path);
        self.import_into(&fresh);
        let grown = self.rows(&self.store);
        for ((root, file), row) in self.rows(&fresh) {
            // Its work dir is that of its neighbours, as they are here.
            let is_recovered =
                row.contains("\"header_recovered\":true") || row.contains("\"kind\":\"header\"");
            let depends = is_recovered || self.roots[root].has_folders();
            let is_alone =
                !self.roots[root].lacks && !self.touched.iter().any(|(of, _)| *of == root);
            // Of a log that lost its header, an earlier generation has it, or had records
            // that vouched for the name that it keeps.
            let of_root = &self.roots[root];
            let lost_header = is_recovered
                && (of_root.ids.contains_key(&file) || of_root.rewritten.contains(&file));
            if self.touched.contains(&(root, file.clone())) || depends && !is_alone || lost_header {
                continue;
            }
            let found = grown.get(&(root, file)).map_or("", String::as_str);
            same("a store that grew dumps", &row, &without_losses(found))?;
        }
        fs::remove_file(fresh.path()).unwrap();
        for root in self.roots.iter().filter(|root| !root.paths.is_empty()) {
            let mut differences = self.store.verify(&root.at).map_err(failed)?.differences;
            differences.retain(|difference| difference.detail != "is no longer at the root");
            if !differences.is_empty() {
                return Err(format!("verify finds {differences:?}"));
            }
        }
        Ok(())
    }

    /// What a dump says of each session.
    fn rows(&self, store: &Store) -> BTreeMap<(usize, String), String> {
        let mut rows = BTreeMap::new();
        for row in dump(store).lines() {
            let names = self.roots.each_ref().map(|root| root.name);
            rows.extend(sessions_in(&names, row).into_iter().map(|place| (place, row.to_owned())));
        }
        rows
    }

    /// Root and file of every session, the trash included.
    pub(super) fn sessions(&self) -> Vec<(usize, String)> {
        sessions_in(&self.roots.each_ref().map(|root| root.name), &dump(&self.store))
    }

    pub(super) fn key(&self, root: usize, file: &str) -> SessionKey {
        let root = match &self.roots[root] {
            root if root.name == "sessile" => "",
            root => root.at.to_str().unwrap(),
        };
        self.store.find(&format!("{root}:{file}")).unwrap().key()
    }

    /// Where the files of a session lie.
    pub(super) fn paths_of(&self, key: SessionKey) -> BTreeSet<(usize, String)> {
        self.exported(&ExportOptions::new().session(key)).into_keys().collect()
    }

    pub(super) fn touch_all(&mut self) {
        self.touched.extend(self.sessions());
    }

    fn trashed(&self) -> Vec<SessionKey> {
        let decided = self.decided.iter().filter(|(_, decided)| decided.is_trashed);
        let mut keys: Vec<SessionKey> = decided.map(|(key, _)| *key).collect();
        keys.retain(|key| self.store.session(*key).is_ok());
        keys
    }

    fn current(&self) -> Exported {
        let roots = self.roots.iter().enumerate();
        roots.flat_map(|(n, root)| by_root(n, root.current())).collect()
    }

    pub(super) fn exported(&self, options: &ExportOptions) -> Exported {
        let out = tempfile::tempdir_in(self.folder.path()).unwrap();
        self.store.export(out.path(), options).unwrap();
        let mut found = Exported::new();
        for (path, bytes) in roots::read(out.path()) {
            let (folder, path) = path.split_once('/').unwrap();
            let root = self.roots.iter().position(|root| folder.ends_with(root.name)).unwrap();
            found.insert((root, path.to_owned()), bytes);
        }
        found
    }
}

/// Root and file of each session of a dump.
fn sessions_in(names: &[&str; 6], dumped: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for row in dumped.lines() {
        // Halves of surrogate pairs stay the escapes they are, which this reader refuses.
        let row = row.replace("\\ud", "\\u0").replace("\\uD", "\\u0");
        let row: Value = serde_json::from_str(&row).unwrap();
        if row.get("context").is_none() {
            continue;
        }
        let root = row["root"].as_str().unwrap();
        let name = root.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("sessile");
        let root = names.iter().position(|known| *known == name).unwrap();
        found.push((root, row["file"].as_str().unwrap().to_owned()));
    }
    found
}

/// A name as its format writes it.
fn named(format: Format, name: &str) -> String {
    match format {
        Format::Pi => {
            let lines: Vec<&str> =
                name.split(['\r', '\n']).filter(|line| !line.is_empty()).collect();
            lines.join(" ").trim().to_owned()
        }
        Format::Codex => name.trim().to_owned(),
        Format::Claude => {
            let is_space = |c: char| c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c);
            name.trim_matches(is_space).to_owned()
        }
        _ => {
            let is_space = |c: char| c.is_ascii_whitespace() || matches!(c, '\0' | '\u{b}');
            let name = name.trim_matches(is_space);
            name.chars().take(if format == Format::Kimi { 200 } else { usize::MAX }).collect()
        }
    }
}

fn compare(what: &str, expected: &Exported, found: &Exported) -> Outcome {
    for (place, bytes) in expected {
        match found.get(place) {
            Some(found) if found == bytes => {}
            Some(found) => {
                return Err(format!(
                    "{what} holds other bytes in {place:?}\n  expected {}\n  found    {}",
                    bytes.escape_ascii(),
                    found.escape_ascii()
                ));
            }
            None => return Err(format!("{what} lacks {place:?}")),
        }
    }
    match found.keys().find(|place| !expected.contains_key(*place)) {
        Some(place) => Err(format!("{what} holds {place:?}, which the model does not")),
        None => Ok(()),
    }
}
