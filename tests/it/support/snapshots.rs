//! A directory of snapshots that belongs to one test.

use std::collections::BTreeMap;
use std::fs;
use std::panic;
use std::path::Path;

/// Compares each text with the snapshot of its name, and fails if a snapshot has no text any more.
///
/// insta stops at the first difference, this shows them all. With `INSTA_UPDATE=always`, snapshots
/// without a text are removed.
pub(crate) fn assert_directory(directory: &str, texts: &BTreeMap<String, String>) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/snapshots")
        .join(directory);
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&directory);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let _bound = settings.bind_to_scope();

    let changed: Vec<&str> = texts
        .iter()
        .filter(|(name, text)| {
            panic::catch_unwind(|| insta::assert_snapshot!(name.as_str(), text)).is_err()
        })
        .map(|(name, _)| name.as_str())
        .collect();
    let orphaned = orphans(&directory, texts);
    assert!(
        changed.is_empty() && orphaned.is_empty(),
        "in {}: changed or new: {changed:?}; nothing goes with them any more: {orphaned:?}",
        directory.display(),
    );
}

fn orphans(directory: &Path, texts: &BTreeMap<String, String>) -> Vec<String> {
    let accept = std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
    let mut orphans = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten() {
        let path = entry.expect("the directory can be read").path();
        let name = path.file_stem().map(|it| it.to_string_lossy().into_owned());
        let Some(name) = name.filter(|_| path.extension().is_some_and(|it| it == "snap")) else {
            continue;
        };
        if texts.contains_key(&name) {
            continue;
        }
        if accept {
            fs::remove_file(&path).expect("the snapshot can be removed");
        } else {
            orphans.push(name);
        }
    }
    orphans
}
