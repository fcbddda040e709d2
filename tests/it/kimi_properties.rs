//! Properties of any share directory of Kimi.

use std::path::Path;

use proptest::prelude::*;
use sessile::{ExportOptions, Format, ImportOptions};

use crate::odd_kimi::{PATHS, content};
use crate::properties::cases;
use crate::root_properties::KIMI;
use crate::root_steps::{How, Step};
use crate::roots::World;
use crate::support::dump;

/// Names, flags, copies and forks, and that a session is purged: the others stand in
/// no file of Kimi's.
const DECISIONS: [u8; 7] = [0, 1, 4, 5, 8, 9, 12];

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn what_is_decided_stands_in_an_export(
        files in proptest::collection::vec((prop::sample::select(&PATHS[..]), content()), 1..12),
        decisions in proptest::collection::vec(
            (prop::sample::select(&PATHS[..]), prop::sample::select(&DECISIONS[..])), 1..6
        )
    ) {
        let mut world = World::new(KIMI);
        for (path, bytes) in files {
            world.take(path, &Step::Write(bytes))?;
        }
        world.import(How::Plainly)?;
        for (path, what) in decisions {
            world.take(path, &Step::Decide(what))?;
        }

        let out = world.test.folder().join("out");
        world.test.store.export(&out, &ExportOptions::new()).unwrap();

        let fresh = world.test.another("fresh.db");
        fresh.import(&out, &ImportOptions::new().format(Format::Kimi)).unwrap();
        let root = |root: &Path| serde_json::Value::from(root.to_str().unwrap()).to_string();
        let found = dump(&fresh).replace(&root(&out), &root(&world.test.root));
        prop_assert_eq!(found, world.test.dump());
    }
}
