//! Garbled roots are kept byte for byte, and verified.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::garble;
use crate::states::{head, look};
use crate::support::{
    Chance, Place, Tally, Tree, copy_fixture, remove_tree, set_modified, setting, then, tree,
};

const ROOTS: &[(&str, &str)] = &[
    ("kward/small", "kward"),
    ("kward/edge", "kward"),
    ("kward/tree", "kward"),
    ("pi/small", "pi"),
    ("kimi/small", "kimi"),
    ("claude/small", "claude"),
];

/// Files of a root that a mutation may take.
fn files(root: &Path) -> Vec<PathBuf> {
    let is_file = |path: &PathBuf| fs::symlink_metadata(root.join(path)).is_ok_and(|s| s.is_file());
    tree(root).into_keys().filter(is_file).collect()
}

/// Changes one thing in a root, and says what.
fn mutate(root: &Path, time: u64, chance: &mut Chance) -> String {
    let files = files(root);
    let Some(name) = files.get(chance.below(files.len())) else { return "nothing".to_owned() };
    let path = root.join(name);
    let shown = name.display();
    match chance.below(16) {
        0 => {
            fs::remove_file(&path).unwrap();
            format!("{shown} is gone")
        }
        1 => {
            let to = path.with_file_name(odd_name(chance));
            let _ = fs::rename(&path, &to);
            format!("{shown} is called {}", to.display())
        }
        2 => {
            let to = root.join(chance.of(&files));
            let content = fs::read(&path).unwrap();
            fs::write(&to, content).unwrap();
            set_modified(&to, then(time));
            format!("{} has the bytes of {shown}", to.display())
        }
        3 => {
            let at = path.with_file_name(odd_name(chance));
            let target =
                *chance.of(&["/etc/passwd", "..", "01-plain.jsonl", "nowhere", "/dev/zero"]);
            let _ = std::os::unix::fs::symlink(target, &at);
            format!("{} leads to {target}", at.display())
        }
        4 => {
            let at = path.with_file_name(odd_name(chance));
            let _ = fs::create_dir(&at);
            format!("{} is a folder", at.display())
        }
        kind => {
            let mut content = fs::read(&path).unwrap();
            let before = content.clone();
            for _ in 0..1 + chance.below(3) {
                match kind {
                    5 | 6 => garble::bytes(&mut content, chance),
                    _ => garble::lines(&mut content, chance),
                }
            }
            fs::write(&path, &content).unwrap();
            set_modified(&path, then(time));
            let at = before.iter().zip(&content).take_while(|(a, b)| a == b).count();
            let shown_bytes = String::from_utf8_lossy(&content[at.min(content.len())..]);
            format!("{shown} differs from byte {at}: {:?}", head(&shown_bytes))
        }
    }
}

fn odd_name(chance: &mut Chance) -> &'static OsStr {
    let names: &[&[u8]] = &[
        b"x.jsonl",
        b"context.jsonl",
        b"context_1.jsonl",
        b"state.json",
        b"\xff\xfe.jsonl",
        b"new\nline.jsonl",
        b"\x1b[31m.jsonl",
        b".jsonl",
        b"..jsonl",
        b"a b'\"\\.jsonl",
        b"2026-01-02T03-04-05.678Z_0a1b2c3d-0000-4000-8000-00000000000d.jsonl",
        b"NUL.JSONL",
        b"x.tmp",
    ];
    OsStr::from_bytes(names[chance.below(names.len())])
}

/// What of a root an import covers: for Kimi more than its sessions.
fn covered(folder: &Path) -> Tree {
    let is_covered = |path: &PathBuf| {
        ["sessions", "imported_sessions", "kimi.json"].iter().any(|name| path.starts_with(name))
    };
    tree(folder).into_iter().filter(|(path, _)| is_covered(path)).collect()
}

#[test]
fn a_garbled_root_comes_back_byte_for_byte() {
    let mut tally = Tally::new("garbled roots");
    let mut chance = Chance::new(10);
    let count = setting("SESSILE_FAULTS_ROOTS", 60);
    while tally.rounds() < count && !tally.is_over() {
        let (fixture, format) = *chance.of(ROOTS);
        let place = Place::new();
        copy_fixture(fixture, &place.root);
        let mut story = Vec::new();
        // Each time one root more: first as it is found, then as it went on.
        for time in 1..7 {
            tally.round();
            for _ in 0..1 + chance.below(4) {
                story.push(mutate(&place.root, time * 10, &mut chance));
            }
            if let Err(why) = try_root(&place, format) {
                let long = story.join("; ");
                tally.find(format!("{fixture}: {why}\nafter: {long}"));
                break;
            }
        }
        remove_tree(&place.root);
    }
    tally.finish();
}

fn try_root(place: &Place, format: &str) -> Result<(), String> {
    let root = place.root.to_str().unwrap();
    let before = tree(&place.root);
    let import = place.run(["import", "--format", format, root]);
    if let Some(why) = import.misbehaved() {
        return Err(why);
    }
    if !import.is_done() {
        return Err(format!("{import}"));
    }
    if tree(&place.root) != before {
        return Err("the import wrote to the root".to_owned());
    }
    look(place, &place.db)?;
    // What is gone from a root is kept, and said; nothing else may differ.
    let verify = place.run(["verify", root]);
    let differs = |line: &&str| line.contains(": ") && !line.contains("is no longer at the root");
    let text = verify.text();
    let different = text.lines().filter(|line| !line.contains(" compared")).find(differs);
    if let (false, Some(line)) = (verify.is_done(), different) {
        return Err(format!("{verify}: {line}"));
    }
    let out = place.work.join("out");
    remove_tree(&out);
    let export = place.run(["export", "--source", out.to_str().unwrap()]);
    if !export.is_done() {
        return Err(format!("{export}"));
    }
    let (mut found, right) = (covered(&out), covered(&place.root));
    // Vanished files come out, too.
    found.retain(|path, _| right.contains_key(path));
    match right.iter().find(|(path, facts)| found.get(*path) != Some(*facts)) {
        Some((path, _)) => Err(format!("{} is not exported as it is", path.display())),
        None => Ok(()),
    }
}
