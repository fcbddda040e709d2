//! Four processes of two threads each, all on the same sessions.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use sessile::{NewSession, SessionFilter, Store};

use crate::support::{Chance, check_acknowledged, entry_counts, sessions, setting};

const PROCESSES: usize = 4;
const THREADS: usize = 2;
const SESSIONS: usize = 8;

/// The folder of the run, for a process that is to take part in one.
const FOLDER: &str = "SESSILE_STRESS_FOLDER";
const PROCESS: &str = "SESSILE_STRESS_PROCESS";

#[test]
fn what_eight_writers_append_at_once_is_there_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&dir.path().join("sessions.db")).unwrap();
    for _ in 0..SESSIONS {
        store.create(&NewSession::new("/w")).unwrap();
    }
    let started = Instant::now();

    let workers: Vec<_> = (0..PROCESSES)
        .map(|process| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "crowd::takes_part_in_a_run_when_told_to", "--nocapture"])
                .env(FOLDER, dir.path())
                .env(PROCESS, process.to_string())
                .stdout(std::process::Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut worker in workers {
        assert!(worker.wait().unwrap().success(), "a worker failed; it says why above");
    }

    let took = started.elapsed();
    let mut acknowledged = Vec::new();
    for process in 0..PROCESSES {
        for thread in 0..THREADS {
            let text = std::fs::read_to_string(ids_path(dir.path(), process, thread)).unwrap();
            acknowledged.extend(text.lines().map(str::to_owned));
        }
    }
    println!(
        "{} operations, {} appends in {:.1} s",
        operations() * PROCESSES * THREADS,
        acknowledged.len(),
        took.as_secs_f64()
    );
    assert!(!acknowledged.is_empty());
    check_acknowledged(&store, &acknowledged);
    assert_eq!(entry_counts(&store).len(), acknowledged.len());
}

/// Operations of one thread.
fn operations() -> usize {
    setting("SESSILE_STRESS_OPERATIONS", 1_600) / (PROCESSES * THREADS)
}

fn ids_path(folder: &Path, process: usize, thread: usize) -> PathBuf {
    folder.join(format!("appended-{process}-{thread}"))
}

#[test]
fn takes_part_in_a_run_when_told_to() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let process = setting(PROCESS, 0);
    let store = Store::open(&folder.join("sessions.db")).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (store, folder) = (&store, &folder);
            scope.spawn(move || work(store, folder, process, thread));
        }
    });
}

/// Any error ends the worker: a lost race or a busy database is none of the outcomes.
fn work(store: &Store, folder: &Path, process: usize, thread: usize) {
    let mut ids = BufWriter::new(File::create(ids_path(folder, process, thread)).unwrap());
    let mut chance = Chance::new((process * THREADS + thread) as u64 + 1);
    let sessions = sessions(store);
    let mut own: Vec<Vec<String>> = vec![Vec::new(); sessions.len()];
    for n in 0..operations() {
        let place = chance.below(sessions.len());
        let session = store.session(sessions[place]).unwrap();
        let known = match own[place].len() {
            0 => None,
            count => Some(own[place][chance.below(count)].clone()),
        };
        match (chance.below(10), known) {
            (6, Some(known)) => session.branch(&known).unwrap(),
            (7, Some(known)) => {
                assert!(session.append_label_change(&known, Some("here")).unwrap().is_known);
            }
            (8, _) => {
                let rows = store.sessions(&SessionFilter::new()).unwrap().rows;
                assert_eq!(rows.len(), SESSIONS);
            }
            (9, _) => {
                // One snapshot: the leaf that the session has is the last of its branch.
                let branch = store.session(sessions[place]).unwrap().capture().unwrap();
                let last = branch.entries.last().map(|entry| entry.entry.id.clone());
                assert_eq!(last, branch.info.leaf);
            }
            _ => {
                let id = format!("p{process}t{thread}n{n}");
                let message = format!("{{\"role\":\"user\",\"content\":\"{id}\"}}");
                assert_eq!(session.with_id(&id).append_message(&message).unwrap(), id);
                writeln!(ids, "{id}").unwrap();
                own[place].push(id);
            }
        }
    }
    ids.flush().unwrap();
}
