//! Files that were moved below their root.

use std::fs;
use std::path::{Path, PathBuf};

use sessile::{ExportOptions, Format, ImportOptions, ImportReport, Session, Store};

use crate::support::{at, message};

/// A copy of a root and the store that it is imported into.
struct Pair {
    store: Store,
    dir: tempfile::TempDir,
    format: Format,
}

impl Pair {
    fn of(fixture: &str, format: Format) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        copy(&Path::new("fixtures").join(fixture), &dir.path().join("root"));
        let pair = Self { store, dir, format };
        pair.import();
        pair
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("root")
    }

    fn import(&self) -> ImportReport {
        let options = ImportOptions::new().format(self.format);
        let report = self.store.import(&self.root(), &options).unwrap();
        assert_eq!(self.store.check().unwrap(), []);
        let mut differences = self.store.verify(&self.root()).unwrap().differences;
        differences.retain(|difference| difference.detail != "is no longer at the root");
        assert_eq!(differences, []);
        self.store.rebuild().unwrap();
        assert_eq!(self.store.check().unwrap(), []);
        report
    }

    fn session(&self, name: &str) -> Session {
        self.store.find(name).unwrap()
    }

    fn file(&self, name: &str) -> String {
        self.session(name).info().unwrap().file.display().to_string()
    }

    fn mv(&self, from: &str, to: &str) {
        let to = self.root().join(to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::rename(self.root().join(from), to).unwrap();
    }

    /// Paths of an export, folders included.
    fn exported(&self) -> Vec<String> {
        let out = tempfile::tempdir().unwrap();
        self.store.export(out.path(), &ExportOptions::new()).unwrap();
        paths(out.path())
    }

    fn sessions(&self) -> usize {
        let mut out = Vec::new();
        self.store.dump(&mut out).unwrap();
        String::from_utf8(out).unwrap().lines().filter(|row| row.contains("\"context\"")).count()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn paths(folder: &Path) -> Vec<String> {
    let (mut found, mut todo) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(at) = todo.pop() {
        for entry in fs::read_dir(&at).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            todo.extend(path.is_dir().then_some(path));
        }
    }
    found.sort();
    found
}

#[test]
fn a_file_that_moved_is_the_session_that_it_was() {
    for (fixture, format, id, file) in [
        ("kward/small", Format::Kward, "edge-97", "97-branch-summary.jsonl"),
        ("pi/small", Format::Pi, "", ""),
        ("claude/small", Format::Claude, "00000051", ".jsonl"),
    ] {
        let pair = Pair::of(fixture, format);
        let session = match id {
            "" => {
                let rows = pair.store.sessions(&sessile::SessionFilter::new()).unwrap().rows;
                pair.store.session(rows[0].key).unwrap()
            }
            id => pair.store.find(id).unwrap(),
        };
        let before = session.info().unwrap();
        let (from, count) = (before.file.display().to_string(), pair.sessions());
        assert!(from.ends_with(file));
        session.at(at(0)).archive().unwrap();
        session.rename(Some("named")).unwrap();
        let name = from.rsplit('/').next().unwrap();
        let (top, _) = from.split_once('/').unwrap();
        let to = format!("{top}/--new--/{name}");

        pair.mv(&from, &to);
        let report = pair.import();

        assert_eq!((report.moved, report.missing), (1, 0));
        let after = session.info().unwrap();
        assert_eq!(after.file.display().to_string(), to);
        assert!(after.archived_at.is_some());
        assert_eq!(after.title.as_deref(), Some("named"));
        assert_eq!(pair.sessions(), count);
        let exported = pair.exported();
        assert!(exported.contains(&to) && !exported.contains(&from), "{exported:?}");
        // And back.
        pair.mv(&to, &from);
        pair.import();
        assert_eq!(session.info().unwrap().file, before.file);
    }
}

#[test]
fn a_file_that_moved_and_went_on_is_the_session_that_it_was() {
    let pair = Pair::of("kward/small", Format::Kward);
    let session = pair.session("edge-97");
    let from = pair.file("edge-97");
    session.append_message(message("user", "here", "h")).unwrap();
    let tail = "{\"type\":\"message\",\"id\":\"p\",\"parentId\":\"c\",\"message\":{\"role\":\"user\",\"content\":\"there\"}}\n";
    pair.mv(&from, "sessions/--new--/x.jsonl");
    let file = pair.root().join("sessions/--new--/x.jsonl");
    let log = fs::read_to_string(&file).unwrap();
    // In place: the inode stays.
    fs::write(&file, log + tail).unwrap();

    let report = pair.import();

    assert_eq!(report.moved, 1);
    assert_eq!(pair.file("edge-97"), "sessions/--new--/x.jsonl");
    let tree = session.tree().unwrap();
    assert!(["h", "p"].iter().all(|id| tree.iter().any(|node| node.id == *id)), "{tree:?}");
}

#[test]
fn a_copy_whose_original_stays_is_another_session() {
    let pair = Pair::of("kward/small", Format::Kward);
    let (from, count) = (pair.file("edge-97"), pair.sessions());
    fs::copy(pair.root().join(&from), pair.root().join("sessions/--edge--/copy.jsonl")).unwrap();

    let report = pair.import();

    assert_eq!((report.moved, report.new), (0, 1));
    assert_eq!(pair.sessions(), count + 1);
    let session = pair.store.find(&from).unwrap().key();

    fs::remove_file(pair.root().join(&from)).unwrap();
    let report = pair.import();

    assert_eq!((report.moved, report.missing), (0, 1));
    assert_eq!(pair.sessions(), count + 1);
    assert_eq!(pair.store.find(&from).unwrap().key(), session);
}

#[test]
fn a_folder_of_a_work_dir_that_was_renamed_takes_its_sessions_along() {
    let pair = Pair::of("kimi/small", Format::Kimi);
    let old = "sessions/dd3464ad15e3938bd1128bd2347c29d6";
    let new = "sessions/0123456789abcdef0123456789abcdef";
    let (count, before) = (pair.sessions(), pair.exported());
    let session = pair.session("1111");
    let leaf = session.info().unwrap().leaf.unwrap();
    session.rename(Some("named here")).unwrap();
    session.append_label_change(&leaf, Some("a label")).unwrap();
    // Of this one, the store alone has a state.
    let other = pair.session("2222");
    other.rename(Some("named, too")).unwrap();
    assert!(pair.file("1111").starts_with(old));

    pair.mv(old, new);
    let report = pair.import();

    assert!(0 < report.moved);
    assert_eq!(report.missing, 0);
    assert_eq!(pair.sessions(), count);
    assert_eq!(pair.session("1111").key(), session.key());
    assert!(pair.file("1111").starts_with(new));
    assert_eq!(session.info().unwrap().title.as_deref(), Some("named here"));
    assert_eq!(other.info().unwrap().title.as_deref(), Some("named, too"));
    assert_eq!(session.labels().unwrap()[0].label, "a label");
    let after = pair.exported();
    assert!(!after.iter().any(|path| path.starts_with(old)), "{after:?}");
    assert!(
        before
            .iter()
            .all(|path| after.contains(&path.replace(old, new)) || path.ends_with("metadata.json"))
    );
}

#[test]
fn a_session_that_is_like_one_that_vanished_is_another() {
    let pair = Pair::of("kimi/small", Format::Kimi);
    let folder = "sessions/dd3464ad15e3938bd1128bd2347c29d6";
    let context = "{\"role\":\"_checkpoint\",\"id\":0}\n";
    let write = |name: &str| {
        let at = pair.root().join(folder).join(name);
        fs::create_dir_all(&at).unwrap();
        fs::write(at.join("context.jsonl"), context).unwrap();
        at
    };
    let one = write("one");
    pair.import();
    let (count, session) = (pair.sessions(), pair.session("one").key());
    fs::remove_dir_all(one).unwrap();
    write("two");

    let report = pair.import();

    assert_eq!((report.moved, pair.sessions()), (0, count + 1));
    assert_eq!(pair.session("one").key(), session);
    assert_ne!(pair.session("two").key(), session);
}
