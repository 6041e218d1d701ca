//! The words of the sources: every file says what it is, and every doc comment stands by itself.

use std::path::{Path, PathBuf};

/// Beginnings that say nothing where the item is shown alone, as in a hover.
const FRAGMENTS: [&str; 14] = [
    "The same",
    "Those",
    "These",
    "This and",
    "So many",
    "As [",
    "It ",
    "They ",
    "Their ",
    "Of ",
    "Makes them",
    "Makes it",
    "Which pairs.",
    "Likewise",
];

fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            all.push(path);
        }
    }
}

/// Name and text of every file of `src`.
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    sources(&root.join("src"), &mut all);
    all.sort();
    let name = |path: &Path| path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    all.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect()
}

/// The first line of every paragraph of the doc comments, with its number; code blocks are left out.
fn paragraphs(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let (mut fresh, mut code) = (true, false);
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        let Some(doc) = line.strip_prefix("///").or_else(|| line.strip_prefix("//!")) else {
            (fresh, code) = (true, false);
            continue;
        };
        let doc = doc.trim();
        if doc.starts_with("```") {
            code = !code;
        } else if !code && fresh && !doc.is_empty() {
            found.push((number + 1, doc));
        }
        fresh = doc.is_empty() || doc.starts_with('#') || doc.starts_with("```");
    }
    found
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> =
        files().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(name, _)| name).collect();
    assert!(silent.is_empty(), "no `//!` line first in: {}", silent.join(", "));
}

#[test]
fn every_doc_comment_stands_by_itself() {
    let mut found = Vec::new();
    for (name, text) in files() {
        for (line, doc) in paragraphs(&text) {
            if FRAGMENTS.iter().any(|fragment| doc.starts_with(fragment)) {
                found.push(format!("{name}:{line}: {doc}"));
            }
        }
    }
    assert!(found.is_empty(), "doc comments that lean on what stands before them:\n{}", found.join("\n"));
}

#[test]
fn paragraphs_are_found() {
    let text = "/// One\n/// The same.\n///\n/// Those.\n/// # Errors\n/// As [`x`].\n/// ```\n/// These\n/// ```\nfn f() {}\n";
    assert_eq!(paragraphs(text), [(1, "One"), (4, "Those."), (6, "As [`x`].")]);
}
