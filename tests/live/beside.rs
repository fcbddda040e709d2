//! The page `docs/beside.md`: its commands are run, and say what it says.

use std::fs;
use std::path::Path;
use std::process::Command;

const LOG: &str = concat!(
    r#"{"type":"session","version":3,"id":"019a0000-0000-7000-8000-000000000001","timestamp":"2026-05-01T00:00:00.000Z","cwd":"/home/dev/proj"}"#,
    "\n",
    r#"{"type":"message","id":"a1","parentId":null,"timestamp":"2026-05-01T00:00:01.000Z","message":{"role":"user","content":"first question","timestamp":1}}"#,
    "\n",
    r#"{"type":"message","id":"a2","parentId":"a1","timestamp":"2026-05-01T00:00:02.000Z","message":{"role":"assistant","content":[{"type":"text","text":"first answer"}],"api":"x","provider":"p","model":"m","usage":{},"stopReason":"stop","timestamp":2}}"#,
    "\n",
    r#"{"type":"message","id":"a3","parentId":"a2","timestamp":"2026-05-01T00:00:03.000Z","message":{"role":"user","content":"second question","timestamp":3}}"#,
    "\n",
);

#[test]
fn the_page_on_living_beside_the_program_says_what_its_commands_do() {
    let page = fs::read_to_string("docs/beside.md").unwrap();
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".pi/agent/sessions/--home-dev-proj--");
    fs::create_dir_all(&folder).unwrap();
    let file = "2026-05-01T00-00-00-000Z_019a0000-0000-7000-8000-000000000001.jsonl";
    fs::write(folder.join(file), LOG).unwrap();
    let binary = Path::new(env!("CARGO_BIN_EXE_sessile"));
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());

    let mut before = String::new();
    let mut blocks = 0;
    for part in page.split("```sh\n").skip(1) {
        let (commands, rest) = part.split_once("```\n").unwrap();
        let output = Command::new("bash")
            // What the blocks before have set is set in each.
            .args(["-euc", &format!("{before}\n{commands}")])
            .env_clear()
            .envs([("HOME", home.path().to_str().unwrap()), ("PATH", &path)])
            .output()
            .unwrap();
        if before.is_empty() {
            commands.clone_into(&mut before);
        }
        let said = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{commands}\n{said}\n{err}");
        if let Some((expected, _)) =
            rest.strip_prefix("```text\n").and_then(|text| text.split_once("```"))
        {
            for line in expected.lines() {
                assert!(said.contains(line), "{line:?} is not said by\n{commands}\n{said}");
            }
        }
        assert!(!said.contains("diverged"), "{said}");
        blocks += 1;
    }
    assert_eq!(blocks, 8);
}
