//! The pages of `docs/`: none is missing from the guide or from the book, and no link between files leads nowhere.

use std::path::{Path, PathBuf};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(ROOT).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Names of the files of a folder with this ending, sorted.
fn names(folder: &str, ending: &str) -> Vec<String> {
    let entries = std::fs::read_dir(Path::new(ROOT).join(folder)).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).collect();
    names.sort();
    names
}

#[test]
fn every_page_is_in_the_guide_and_in_the_book() {
    let (guide, summary) = (read("src/guide.rs"), read("docs/SUMMARY.md"));
    for page in names("docs", ".md").iter().filter(|page| *page != "SUMMARY.md") {
        assert!(guide.contains(&format!("include_str!(\"../docs/{page}\")")), "src/guide.rs lacks {page}");
        assert_eq!(summary.matches(&format!("]({page})")).count(), 1, "docs/SUMMARY.md: {page}");
    }
}

#[test]
fn every_numbered_example_has_its_rows_and_its_page() {
    let (readme, list) = (read("README.md"), read("docs/examples.md"));
    let examples: Vec<String> = names("examples", ".rs").into_iter().filter(|name| name.starts_with('0')).collect();
    assert_eq!(examples.len(), 6);
    for name in examples {
        let path = format!("examples/{name}");
        assert!(readme.contains(&format!("]({path})")) && list.contains(&format!("`{path}`")), "{path}");
        // "The page that goes with it: `docs/training.md`", or "..., with the numbers: ...".
        let source = read(&path);
        let line = source.lines().find(|line| line.contains("The page that goes with it")).expect(&path);
        let page = line.split('`').nth(1).expect(&path);
        assert!(read(page).contains(&format!("`{path}`")), "{page} does not name {path}");
    }
}

#[test]
fn links_between_files_lead_somewhere() {
    let mut files = vec![PathBuf::from("README.md"), "CONTRIBUTING.md".into(), "CHANGELOG.md".into()];
    files.extend(names("docs", ".md").iter().map(|name| Path::new("docs").join(name)));
    for file in files {
        let text = read(file.to_str().unwrap());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = link.split('#').next().unwrap();
            let elsewhere = path.is_empty() || path.contains("://") || path.contains("::") || path.contains(' ');
            let target = Path::new(ROOT).join(&file).with_file_name("").join(path);
            assert!(elsewhere || target.exists(), "{}: {link} leads nowhere", file.display());
        }
    }
}
