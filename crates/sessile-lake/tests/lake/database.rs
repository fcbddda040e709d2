//! The database that is used if none is named.

use std::fs;
use std::process::Command;

use crate::support::Place;

#[test]
fn the_database_of_the_command_sessile_is_used_if_none_is_named() {
    let place = Place::new();
    place.import_fixture("demo/pi");
    let data = place.path("data");
    fs::create_dir_all(data.join("sessile")).unwrap();
    place.store.backup(data.join("sessile/sessile.db")).unwrap();
    let lake = |data: &std::path::Path, args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sessile-lake"));
        command.args(args).arg(place.lake()).env_remove("SESSILE_DB").env("XDG_DATA_HOME", data);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };

    let exported = lake(&data, &["export"]);
    let imported = lake(&place.path("elsewhere"), &["import"]);

    assert!(exported.ends_with("9 lines of 2,657 bytes, 1 session\n"), "{exported}");
    assert!(imported.starts_with("1 session, 3 files, 9 lines"), "{imported}");
    assert!(place.path("elsewhere/sessile/sessile.db").is_file());
}
