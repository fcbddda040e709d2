//! Rebuilds when a migration is added: `embed_migrations!` reads the folder, which Cargo does not see.

fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
