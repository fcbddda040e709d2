//! The pages in a browser, tested by a script.

use std::path::Path;
use std::process::Command;

#[test]
fn the_pages_work_in_a_browser() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/browser.mjs");
    let run = Command::new("node").arg(script).arg(env!("CARGO_BIN_EXE_sessile")).output();
    let Ok(output) = run else {
        eprintln!("skipped: Node is not installed");
        return;
    };
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    // Where there is no browser, it says so.
    eprint!("{told}");
}
