//! Rebuilds when a migration is added: `embed_migrations!` reads the folder, which Cargo does not see.
//! And counts them, so that no opening has to.

use std::fs;

fn main() {
    println!("cargo:rerun-if-changed=migrations");
    let newest = fs::read_dir("migrations")
        .expect("the folder of migrations is part of the crate")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| name.strip_prefix('V')?.split_once("__")?.0.parse::<u32>().ok())
        .max()
        .unwrap_or_default();
    println!("cargo:rustc-env=SESSILE_SCHEMA_VERSION={newest}");
}
