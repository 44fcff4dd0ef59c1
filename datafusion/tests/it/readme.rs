//! The README's chapter on tables.

/// Lines of code that stand in a crate's documentation, whose examples are compiled.
fn documented(source: &str) -> Vec<&str> {
    let lines = source.lines().filter_map(|line| line.strip_prefix("//!"));
    lines.map(str::trim).collect()
}

#[test]
fn its_examples_are_those_of_the_documentation() {
    let readme = include_str!("../../../README.md");
    let chapter = readme.split("\n## Tables").nth(1).expect("a chapter");
    let chapter = chapter.split("\n## ").next().expect("a chapter");
    let blocks: Vec<&str> = chapter.split("```").skip(1).step_by(2).collect();
    let code = |language: &str| {
        let blocks = blocks.iter();
        blocks
            .filter_map(|block| block.strip_prefix(language))
            .collect::<Vec<_>>()
    };
    let documentation = [
        documented(include_str!("../../../arrow/src/lib.rs")),
        documented(include_str!("../../src/lib.rs")),
    ];
    let snippets = code("rust,ignore");
    assert_eq!(snippets.len(), documentation.len());
    for (snippet, documentation) in snippets.iter().zip(documentation) {
        let lines = snippet
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty());
        let unknown: Vec<_> = lines.filter(|line| !documentation.contains(line)).collect();
        assert!(unknown.is_empty(), "not in the documentation: {unknown:?}");
    }
}
