//! Logs that lost their header, alone or with everything else.

use std::fs;

use sessile::{Format, ImportOptions, ProblemKind, Store};

const KWARD: &str = "{\"type\":\"session\",\"version\":2,\"id\":\"given\",\"cwd\":\"/w\"}\n\
    {\"type\":\"message\",\"id\":\"a\",\"message\":{\"role\":\"user\",\"content\":\"A\"}}\n";

/// Empties and zeroes a log of this name: the session keeps its id, or that of its name.
#[track_caller]
fn check_keeps_id(format: Format, name: &str, log: &str, id: &str, pruned: Option<&str>) {
    for content in [Vec::new(), vec![0; log.len()], b"no header\n".to_vec()] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("sessions.db")).unwrap();
        let file = dir.path().join("root/sessions/--w--").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let import = || {
            let options = ImportOptions::new().format(format);
            store.import(&dir.path().join("root"), &options).unwrap();
            assert_eq!(store.check().unwrap(), []);
        };
        fs::write(&file, log).unwrap();
        import();
        let session = store.find(id).unwrap();
        session.tag("kept").unwrap();

        fs::write(&file, content).unwrap();
        import();

        assert_eq!(session.session_id().unwrap().as_deref(), Some(id));
        assert_eq!(store.find(id).unwrap().key(), session.key());
        let problems = session.problems().unwrap();
        assert!(problems.iter().any(|problem| problem.kind == ProblemKind::Header));
        store.rebuild().unwrap();
        assert_eq!(session.session_id().unwrap().as_deref(), Some(id));
        for generation in [1, 2] {
            let earlier = store.earlier(session.key(), generation).unwrap();
            assert_eq!(earlier.find(id).unwrap().tree().unwrap().is_empty(), generation == 2);
        }
        store.prune().unwrap();
        assert_eq!(store.check().unwrap(), []);
        assert_eq!(session.session_id().unwrap().as_deref(), pruned);
        fs::write(&file, log).unwrap();
        import();
        assert_eq!(session.session_id().unwrap().as_deref(), Some(id));
        assert_eq!(session.tags().unwrap(), ["kept"]);
    }
}

#[test]
fn a_log_that_lost_its_header_keeps_its_id() {
    let pi = "{\"type\":\"session\",\"version\":3,\"id\":\"given\",\"timestamp\":\"2026-01-01T00:00:00.000Z\",\"cwd\":\"/w\"}\n\
        {\"type\":\"message\",\"id\":\"a\",\"parentId\":null,\"timestamp\":\"2026-01-01T00:00:01.000Z\",\"message\":{\"role\":\"user\",\"content\":\"A\",\"timestamp\":1}}\n";
    check_keeps_id(Format::Kward, "given.jsonl", KWARD, "given", None);
    check_keeps_id(Format::Pi, "given.jsonl", pi, "given", None);
    // Once the header is pruned, the name is left.
    let name = "2026-05-01T00-00-00-000Z_given.jsonl";
    check_keeps_id(Format::Pi, name, pi, "given", Some("given"));
}
