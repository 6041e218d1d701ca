//! Imports point one way: a module of the crate names only modules before it.
//!
//! Comments, documentation and `#[cfg(test)]` modules are exempt, and so is `lib.rs`.

use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules, each allowed to name itself and those before it.
const ORDER: [&str; 20] = [
    "arithmetic",
    "quoted",
    "error",
    "memory",
    "ranks",
    "linalg",
    "group",
    "irrep",
    "fourier",
    "task",
    "device",
    "model",
    "checkpoint",
    "train",
    "analysis",
    "atlas",
    "sweep",
    "report",
    "laws",
    "guide",
];

fn rank(module: &str) -> Option<usize> {
    ORDER.iter().position(|&m| m == module)
}

/// The code with comments, string and character literals and test modules blanked, line breaks kept.
fn code(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        let skipped = match c {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => block_comment(rest),
            '"' => string(rest),
            'r' if !out.ends_with(|p: char| p.is_alphanumeric() || p == '_') => raw_string(rest),
            '\'' => character(rest),
            _ => 0,
        };
        let skipped = if skipped == 0 {
            out.push(c);
            c.len_utf8()
        } else {
            out.push(' ');
            out.extend(rest[..skipped].chars().filter(|&c| c == '\n'));
            skipped
        };
        rest = &rest[skipped..];
    }
    without_tests(out)
}

fn block_comment(text: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Length of `r"..."` or `r#"..."#` at the start, 0 if it is something else.
fn raw_string(text: &str) -> usize {
    let hashes = text[1..].chars().take_while(|&c| c == '#').count();
    if !text[1 + hashes..].starts_with('"') {
        return 0;
    }
    let end = format!("\"{}", "#".repeat(hashes));
    let start = hashes + 2;
    text[start..].find(&end).map_or(text.len(), |at| start + at + end.len())
}

/// Length of a character literal at the start, 0 for a lifetime.
fn character(text: &str) -> usize {
    let mut chars = text.char_indices().skip(1);
    match (chars.next(), chars.next()) {
        (Some((_, '\\')), Some((at, escaped))) => {
            let after = at + escaped.len_utf8();
            text[after..].find('\'').map_or(0, |end| after + end + 1)
        }
        (Some(_), Some((at, '\''))) => at + 1,
        _ => 0,
    }
}

/// Blanks the braces after every `#[cfg(test)]` with what they hold.
fn without_tests(mut code: String) -> String {
    while let Some(start) = code.find("#[cfg(test)]") {
        let end = match (code[start..].find('{'), code[start..].find(';')) {
            (Some(open), semicolon) if semicolon.is_none_or(|at| open < at) => closing(&code, start + open),
            (_, Some(semicolon)) => start + semicolon,
            _ => code.len() - 1,
        };
        let blank: String = code[start..=end].chars().map(|c| if c == '\n' { c } else { ' ' }).collect();
        code.replace_range(start..=end, &blank);
    }
    code
}

/// Position of the brace that closes the one at `open`.
fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at;
        }
    }
    code.len() - 1
}

/// First names of the paths after a prefix: of `{a::b, c}` they are a and c, of `a::b` it is a.
fn heads(path: &str) -> Vec<(usize, &str)> {
    let trimmed = path.trim_start();
    let at = path.len() - trimmed.len();
    let Some(group) = trimmed.strip_prefix('{') else {
        let length = trimmed.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(trimmed.len());
        return if length == 0 { Vec::new() } else { vec![(at, &trimmed[..length])] };
    };
    let (mut depth, mut out, mut start) = (0, Vec::new(), 0);
    for (i, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' | ',' if depth == 0 => {
                out.extend(heads(&group[start..i]).into_iter().map(|(offset, head)| (at + 1 + start + offset, head)));
                start = i + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    out
}

/// (line, module) of every top-level module named in code that lies `depth` modules below the root.
fn named(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut out = Vec::new();
    let line = |at: usize| code[..at].matches('\n').count() + 1;
    let boundary = |at: usize| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == ':');
    let root = (code.match_indices("crate::").map(|(at, found)| (at, at + found.len()))).chain(
        // As many `super` as there are modules above lead to the root.
        code.match_indices("super::").filter_map(|(at, _)| {
            let chain = code[at..].split("super::").take_while(|part| part.is_empty()).count();
            (depth > 0 && chain >= depth).then_some((at, at + depth * "super::".len()))
        }),
    );
    for (_, after) in root.filter(|&(at, _)| boundary(at)) {
        out.extend(heads(&code[after..]).into_iter().map(|(offset, head)| (line(after + offset), head.to_owned())));
    }
    out.sort();
    out
}

/// Lines of a source of this module that name a later one, or an unknown one in lower case.
fn escapes(module: &str, depth: usize, source: &str) -> Vec<(usize, String)> {
    let own = rank(module).unwrap_or(0);
    let late = |name: &str| rank(name).is_some_and(|rank| rank > own) || name == "self" || name == "super";
    named(&code(source), depth).into_iter().filter(|(_, name)| late(name)).collect()
}

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// The top-level module of a file below `src`, and how many modules it lies below the root.
fn place(relative: &Path) -> (String, usize) {
    let mut parts: Vec<String> =
        relative.with_extension("").iter().map(|part| part.to_str().unwrap().to_owned()).collect();
    if parts.last().is_some_and(|last| last == "mod") {
        parts.pop();
    }
    (parts[0].clone(), parts.len())
}

#[test]
fn imports_point_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut files, mut wrong) = (Vec::new(), Vec::new());
    sources(&root, &mut files);
    files.sort();
    for file in files {
        let relative = file.strip_prefix(&root).unwrap();
        if relative == Path::new("lib.rs") {
            continue;
        }
        let (module, depth) = place(relative);
        if rank(&module).is_none() {
            wrong.push(format!("src/{}: module `{module}` has no place in the order", relative.display()));
            continue;
        }
        for (line, name) in escapes(&module, depth, &fs::read_to_string(&file).unwrap()) {
            wrong.push(format!("src/{}:{line}: `{module}` names `{name}`", relative.display()));
        }
    }
    assert!(wrong.is_empty(), "imports against the order {}:\n{}", ORDER.join(" < "), wrong.join("\n"));
}

#[test]
fn modules_of_lib_are_in_the_order() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let lib = code(&lib);
    let modules = lib.lines().filter_map(|line| line.trim().strip_prefix("pub mod ")?.split([';', ' ']).next());
    let unknown: Vec<&str> = modules.filter(|module| rank(module).is_none()).collect();
    assert!(unknown.is_empty(), "no place in the order: {unknown:?}");
}

fn found(module: &str, depth: usize, source: &str) -> Vec<(usize, String)> {
    escapes(module, depth, source)
}

fn at(line: usize, name: &str) -> Vec<(usize, String)> {
    vec![(line, name.to_owned())]
}

#[test]
fn planted_imports_are_found() {
    assert_eq!(found("group", 1, "\nuse crate::model::Hook;\n"), at(2, "model"));
    assert_eq!(found("group", 1, "use crate::{error::Error, model::{Hook, Site}};"), at(1, "model"));
    assert_eq!(found("group", 1, "use crate::{\n    error::Error,\n    fourier,\n};"), at(3, "fourier"));
    assert_eq!(found("group", 1, "use { crate::laws, std::fmt };"), at(1, "laws"));
    assert_eq!(found("linalg", 2, "fn f() { crate::group::Elem::new(0); }"), at(1, "group"));
    assert_eq!(found("fourier", 1, "use super::task::Pair;"), at(1, "task"));
    assert_eq!(found("fourier", 2, "\n\nuse super::super::task::Pair;"), at(3, "task"));
    assert_eq!(found("fourier", 2, "use super::super::{error, task::Pair};"), at(1, "task"));
    assert_eq!(found("model", 2, "pub(in crate::laws) fn f() {}"), at(1, "laws"));
    assert_eq!(found("model", 1, "#[cfg(test)]\nmod tests { }\nuse crate::laws;"), at(3, "laws"));
    assert_eq!(found("model", 1, "let quote = '\"'; use crate::laws;"), at(1, "laws"));
    assert_eq!(found("model", 1, "fn f<'a>(x: &'a str) { crate::laws::f(\"'\") }"), at(1, "laws"));
}

#[test]
fn what_is_allowed_is_passed_by() {
    for (module, depth, source) in [
        ("model", 1, "use crate::{Error, group::Elem, model::Site};"),
        ("group", 1, "//! [`laws`](crate::laws)\n/// crate::model\n// crate::model\n/* crate::model */"),
        ("group", 1, "#[cfg(test)]\nmod tests {\n    use crate::laws;\n    fn f() { {} }\n}"),
        ("group", 1, "let text = \"crate::laws \\\" crate::laws\";"),
        ("group", 1, "let text = r#\"crate::laws \" crate::laws\"#;"),
        ("group", 1, "macro_rules! m { () => { $crate::laws::check() } }"),
        ("fourier", 2, "use super::task;"),
        ("group", 1, "use mycrate::laws;"),
        ("laws", 2, "use crate::model::Hook; use super::Violation;"),
    ] {
        assert_eq!(found(module, depth, source), [], "{source}");
    }
}

#[test]
fn places() {
    for (path, expected) in
        [("error.rs", ("error", 1)), ("model/mod.rs", ("model", 1)), ("laws/model/hooks.rs", ("laws", 3))]
    {
        assert_eq!(place(Path::new(path)), (expected.0.to_owned(), expected.1));
    }
}

/// The files that `CONTRIBUTING.md` lists behind some words: those in backquotes up to the first full stop behind a file.
fn listed(behind: &str) -> Vec<String> {
    let page = include_str!("../../CONTRIBUTING.md");
    let start = page.find(behind).expect("a line that says so");
    let sentence = page[start..].split("`.").next().expect("a sentence");
    let mut files: Vec<String> = sentence.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    files.sort();
    files
}

/// The source files that name one of these words, but for tests and what the lists do not count.
fn naming(words: &[&str], uncounted: &[&str]) -> Vec<String> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|e| e == "rs" || e == "cu") {
                files.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    ["src", "cuda"].iter().for_each(|folder| walk(&root.join(folder), &mut files));
    let name = |path: &PathBuf| path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    let counts = |name: &String| !name.ends_with("tests.rs") && !uncounted.contains(&name.as_str());
    let has = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap();
        words.iter().any(|word| text.contains(word))
    };
    let mut found: Vec<String> = files.iter().filter(|path| has(path)).map(name).filter(counts).collect();
    found.sort();
    found
}

/// An activation function, a kind of step and a kernel of its own are named in the files that `CONTRIBUTING.md` lists, and in no
/// others.
#[test]
fn what_something_new_touches() {
    let activation = listed("- A new activation function touches: ");
    assert_eq!(naming(&["Silu", "SILU"], &[]), activation);
    assert!(activation.len() <= 3);
    // The published networks use steps; a new one need not be among theirs.
    let step = listed("- A new kind of step touches: ");
    assert_eq!(naming(&["Operation::Mix ", "RowOp::Mix ", "Self::Mix "], &["src/model/network/published.rs"]), step);
    let kernel = listed("also brings its own, in: ");
    let found = naming(&["SoftmaxGradient", "softmax_gradient("], &[]);
    assert_eq!(found, [&kernel[..], &["src/model/on_device/steps.rs".to_owned()]].concat());
    assert!(step.len() + kernel.len() <= 6);
}
