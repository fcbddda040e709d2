//! Concurrent processes: imports of one root, and an import beside a writer.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use sessile::Store;

const SESSIONS: usize = 40;

struct World {
    store: Store,
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        let world = Self { store, dir };
        fs::create_dir_all(world.at("")).unwrap();
        for n in 0..SESSIONS {
            fs::write(world.file(n), log(&format!("s{n}"))).unwrap();
        }
        world
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join("root/sessions/--w--").join(name)
    }

    fn file(&self, n: usize) -> PathBuf {
        self.at(&format!("{n:02}.jsonl"))
    }

    fn begin(&self, args: &[&str]) -> Child {
        Command::new(env!("CARGO_BIN_EXE_sessile"))
            .arg("--db")
            .arg(self.store.path())
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    }

    fn begin_import(&self) -> Child {
        let root = self.dir.path().join("root");
        self.begin(&["import", "--format", "kward", root.to_str().unwrap()])
    }

    fn import(&self) {
        end(self.begin_import());
    }

    fn look(&self) {
        assert_eq!(self.store.check().unwrap(), []);
        let root = self.dir.path().join("root");
        assert_eq!(self.store.verify(&root).unwrap().differences, []);
    }
}

#[track_caller]
fn end(child: Child) {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn log(id: &str) -> String {
    format!("{{\"type\":\"session\",\"version\":2,\"id\":\"{id}\",\"cwd\":\"/w\"}}\n{}", line("a"))
}

fn line(id: &str) -> String {
    format!(
        "{{\"type\":\"message\",\"id\":\"{id}\",\"message\":{{\"role\":\"user\",\"content\":\"{id}\"}}}}\n"
    )
}

#[test]
fn of_several_imports_at_once_each_session_is_in_once_and_keeps_what_is_its_own() {
    let world = World::new();
    (0..4).map(|_| world.begin_import()).collect::<Vec<_>>().into_iter().for_each(end);
    world.look();
    for n in 0..SESSIONS {
        let session = world.store.find(&format!("s{n}")).unwrap();
        session.tag(&format!("t{n}")).unwrap();
    }

    for round in 0..3 {
        // Neighbours change places, and one of both grows.
        for n in (0..SESSIONS).step_by(2) {
            let [one, other] = [world.file(n), world.file(n + 1)];
            fs::rename(&one, world.at("aside")).unwrap();
            fs::rename(&other, &one).unwrap();
            fs::rename(world.at("aside"), &other).unwrap();
            let grown = fs::read_to_string(&one).unwrap() + &line(&format!("r{round}"));
            fs::write(&one, grown).unwrap();
        }
        (0..3).map(|_| world.begin_import()).collect::<Vec<_>>().into_iter().for_each(end);
        world.look();
        for n in 0..SESSIONS {
            let session = world.store.find(&format!("s{n}")).unwrap();
            assert_eq!(session.tags().unwrap(), [format!("t{n}")], "round {round}");
        }
    }
}

#[test]
fn an_import_beside_one_that_appends_loses_nothing_of_either() {
    let world = World::new();
    world.import();
    let mut rpc = world.begin(&["rpc"]);
    let mut input = rpc.stdin.take().unwrap();
    let mut replies = BufReader::new(rpc.stdout.take().unwrap()).lines();

    for round in 0..10 {
        let grown = fs::read_to_string(world.file(0)).unwrap() + &line(&format!("p{round}"));
        fs::write(world.file(0), grown).unwrap();
        let import = world.begin_import();
        for n in 0..10 {
            let id = format!("h{round}-{n}");
            let message = json!({"role": "user", "content": id, "id": id});
            let params = json!({"session": "s0", "message": message});
            let request =
                json!({"jsonrpc": "2.0", "id": 1, "method": "append_message", "params": params});
            writeln!(input, "{request}").unwrap();
            let reply: Value = serde_json::from_str(&replies.next().unwrap().unwrap()).unwrap();
            assert_eq!(reply["result"]["entry_id"], id, "{reply}");
        }
        end(import);
    }
    drop(input);
    end(rpc);

    world.look();
    let mut found: Vec<String> =
        world.store.find("s0").unwrap().tree().unwrap().into_iter().map(|node| node.id).collect();
    found.sort();
    let ours = (0..10).flat_map(|round| (0..10).map(move |n| format!("h{round}-{n}")));
    let theirs = (0..10).map(|round| format!("p{round}"));
    let mut expected: Vec<String> = ours.chain(theirs).chain(["a".to_owned()]).collect();
    expected.sort();
    assert_eq!(found, expected);
}
