//! Leaves Node's own symbols to be found when the addon is loaded.

fn main() {
    napi_build::setup();
}
