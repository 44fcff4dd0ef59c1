//! The generated code: one snapshot for each type, one for each call, one for the rest.
//!
//! The build script of `cspark-batches` generates the same code from the same description.
//! `INSTA_UPDATE=always cargo test -p cspark-batches-build` accepts changes; see CONTRIBUTING.md.

#[path = "support/items.rs"]
mod items;
#[path = "../../tests/it/support/snapshots.rs"]
mod snapshots;

use cspark_batches_build::Api;

const DESCRIPTION: &str = include_str!("../../openapi/batches.yaml");

#[test]
fn each_part_is_as_in_its_snapshot() {
    let source = Api::source(DESCRIPTION).expect("the description is sound");
    snapshots::assert_directory("generated", &items::split(&source));
}
