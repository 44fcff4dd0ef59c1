//! The generated code as it compiles: one snapshot a type, one a call, one for the rest.
//!
//! `INSTA_UPDATE=always cargo test --test generated_code` accepts what has changed; see CONTRIBUTING.md.

#[path = "support/items.rs"]
mod items;
#[path = "it/support/snapshots.rs"]
mod snapshots;

#[test]
fn each_part_is_as_in_its_snapshot() {
    let source = include_str!(concat!(env!("OUT_DIR"), "/raw.rs"));
    snapshots::assert_directory("generated", &items::split(source));
}
