//! The pages of `docs/`: none is missing from the guide or from the book, no link between files leads nowhere, and they show
//! what they are meant to where a repository is read: links, and code that runs.

use std::path::{Path, PathBuf};

/// Languages of code blocks; `rust,ignore` is an excerpt of a test.
const LANGUAGES: [&str; 7] = ["rust", "rust,ignore", "sh", "toml", "json", "python", "text"];

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

/// The README and the pages.
fn pages() -> Vec<String> {
    let pages = names("docs", ".md").into_iter().map(|name| format!("docs/{name}"));
    pages.chain(["README.md".to_owned()]).collect()
}

/// The code blocks of a page, each with its language, and what stands between them.
fn blocks(text: &str) -> (Vec<(&str, Vec<&str>)>, Vec<&str>) {
    let (mut blocks, mut prose, mut inside) = (Vec::new(), Vec::new(), false);
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(language) if !inside => blocks.push((language, Vec::new())),
            Some(_) => {}
            None if inside => blocks.last_mut().unwrap().1.push(line),
            None => prose.push(line),
        }
        inside ^= line.starts_with("```");
    }
    (blocks, prose)
}

#[test]
fn every_page_is_in_the_guide_and_in_the_book() {
    let (guide, summary) = (read("src/guide.rs"), read("docs/SUMMARY.md"));
    for page in names("docs", ".md").iter().filter(|page| *page != "SUMMARY.md") {
        assert!(guide.contains(&format!("\"{page}\"")), "src/guide.rs lacks {page}");
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
        let inline = text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let defined =
            text.lines().filter(|line| line.starts_with('[')).filter_map(|line| Some(line.split_once("]: ")?.1));
        for link in inline.chain(defined) {
            let path = link.split('#').next().unwrap();
            let elsewhere = path.is_empty() || path.contains("://") || path.contains("::") || path.contains(' ');
            let target = Path::new(ROOT).join(&file).with_file_name("").join(path);
            assert!(elsewhere || target.exists(), "{}: {link} leads nowhere", file.display());
        }
    }
}

#[test]
fn code_is_shown_whole_and_runs() {
    for page in pages() {
        let text = read(&page);
        for (language, lines) in blocks(&text).0 {
            assert!(LANGUAGES.contains(&language), "{page}: a block in {language:?}, not one of {LANGUAGES:?}");
            let hidden = lines.iter().find(|line| language.starts_with("rust") && line.trim_start().starts_with("# "));
            assert_eq!(hidden, None, "{page}: rustdoc hides this line, and nothing else does");
            if language == "rust,ignore" {
                let stem = page.trim_start_matches("docs/").trim_end_matches(".md").replace('-', "_");
                let test = read(&format!("tests/analysis/page_{stem}.rs"));
                let test: Vec<&str> = test.lines().map(str::trim).collect();
                let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
                assert!(test.windows(lines.len()).any(|window| window == lines), "{page}, not in its test: {lines:#?}");
            }
        }
    }
}

#[test]
fn brackets_are_links() {
    for page in pages() {
        let text = read(&page);
        let prose = blocks(&text).1.join("\n");
        for label in prose.split("[`").skip(1).filter_map(|rest| rest.split_once("`]")) {
            let link = label.1.starts_with(['(', '[']) || prose.contains(&format!("\n[`{}`]: ", label.0));
            assert!(link, "{page}: [`{}`] is no link; `docs/links.py write` makes it one", label.0);
        }
    }
}

#[test]
fn the_readme_shows_what_the_command_prints() {
    let (readme, snapshot) = (read("README.md"), read("crates/cli/tests/command/snapshots/alone.snap"));
    let (blocks, _) = blocks(&readme);
    let (_, shown) = blocks.iter().find(|(language, _)| *language == "text").expect("the output of the command");
    assert!(snapshot.contains(&format!("$ irreplens\n[standard output]\n{}\n", shown.join("\n"))), "{shown:#?}");
}
