//! The generated code as it compiles, one snapshot a type and one a call.
//!
//! `INSTA_UPDATE=always cargo test --test generated_code` accepts what has changed; see CONTRIBUTING.md.

#[path = "support/items.rs"]
mod items;

use std::collections::BTreeSet;
use std::fs;
use std::panic;

const SOURCE: &str = include_str!(concat!(env!("OUT_DIR"), "/raw.rs"));
const SNAPSHOTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/generated");

#[test]
fn each_part_is_as_in_its_snapshot() {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(SNAPSHOTS);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();

    // insta stops at the first difference; one run is to show them all.
    let changed: Vec<String> = items::split(SOURCE)
        .into_iter()
        .filter(|(name, part)| {
            panic::catch_unwind(|| insta::assert_snapshot!(name.as_str(), part)).is_err()
        })
        .map(|(name, _)| name)
        .collect();
    assert!(changed.is_empty(), "changed: {}", changed.join(", "));
}

#[test]
fn each_snapshot_has_its_part() {
    let parts: BTreeSet<String> = items::split(SOURCE).into_keys().collect();
    let accept = std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
    let mut orphans = Vec::new();
    for entry in fs::read_dir(SNAPSHOTS).expect("the snapshots are there") {
        let path = entry.expect("the directory can be read").path();
        let is_snapshot = path.extension().is_some_and(|it| it == "snap");
        if is_snapshot
            && !path
                .file_stem()
                .is_some_and(|it| parts.contains(&*it.to_string_lossy()))
        {
            if accept {
                fs::remove_file(&path).expect("the snapshot can be removed");
            } else {
                orphans.push(path);
            }
        }
    }
    assert!(
        orphans.is_empty(),
        "nothing generated goes with these any more, delete them: {orphans:?}"
    );
}
