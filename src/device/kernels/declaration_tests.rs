//! Declarations against the sources and the PTX.

use super::DECLARATIONS;
use super::launch::{SOURCES, entries};
use std::collections::BTreeMap;

/// Type and name of every parameter.
type Parameters = Vec<(String, String)>;

/// The parameters of every kernel in the sources of `cuda/`, macros put in their places.
fn sources() -> BTreeMap<String, Parameters> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/cuda");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_source = |path: &std::path::Path| path.extension().is_some_and(|end| end == "cu" || end == "cuh");
    let texts = paths.filter(|path| is_source(path)).map(|path| std::fs::read_to_string(path).unwrap());
    let text = texts.collect::<String>().replace("\\\n", " ");
    let (_, evaluation) = text.split_once("#define EVALUATION_PARAMETERS").unwrap();
    let evaluation = evaluation.lines().next().unwrap().to_owned();
    let mut kernels = BTreeMap::new();
    for kernel in text.split("void __launch_bounds__(256)").skip(1) {
        let (name, rest) = kernel.split_once('(').unwrap();
        let (list, _) = rest.split_once(')').unwrap();
        let list = if list == "EVALUATION_PARAMETERS" { evaluation.clone() } else { list.to_owned() };
        let parameter = |text: &str| {
            let words = text.replace("__restrict__", "").replace('*', "* ");
            let words: Vec<&str> = words.split_whitespace().collect();
            let (name, kind) = words.split_last().unwrap();
            (kind.join(" ").replace(" *", "*"), (*name).to_owned())
        };
        kernels.insert(name.trim().to_owned(), list.split(',').map(parameter).collect::<Parameters>());
    }
    // `MATMUL(matmul_nn_64, ...)` stands for a kernel whose definition is called `name`.
    let products = kernels.remove("name").unwrap();
    for product in text.split("\nMATMUL(").skip(1) {
        kernels.insert(product.split_once(',').unwrap().0.to_owned(), products.clone());
    }
    kernels
}

/// The parameters of every kernel as they are declared.
fn declared() -> BTreeMap<String, Parameters> {
    let of_declaration = |(entries, fields): &(&[&str], super::Fields)| {
        let of_field = |&(field, parameters): &(&str, &[(&str, &str)])| {
            let parameter = |&(name, kind): &(&str, &str)| (kind.to_owned(), name.replace('*', field));
            parameters.iter().map(parameter).collect::<Parameters>()
        };
        let parameters: Parameters = fields.iter().flat_map(of_field).collect();
        entries.iter().map(|&entry| (entry.to_owned(), parameters.clone())).collect::<Vec<_>>()
    };
    DECLARATIONS.iter().flat_map(of_declaration).collect()
}

#[test]
fn declarations_are_the_sources() {
    let (declared, sources) = (declared(), sources());
    assert!(declared.keys().eq(sources.keys()), "{:?}, {:?}", declared.keys(), sources.keys());
    for (entry, parameters) in declared {
        assert_eq!(parameters, sources[&entry], "{entry}");
    }
}

#[test]
fn declarations_are_the_ptx() {
    let ptx = |kind: &str| match kind {
        "int" | "unsigned" => ".u32",
        "float" => ".f32",
        "double" => ".f64",
        _ => ".u64",
    };
    let mut compiled = BTreeMap::new();
    for (name, rest) in SOURCES.iter().flat_map(|(text, _)| entries(text)) {
        let (list, _) = rest.split_once(')').unwrap();
        let types = list.lines().filter_map(|line| line.trim().strip_prefix(".param")?.split_whitespace().next());
        compiled.insert(name.to_owned(), types.collect::<Vec<_>>());
    }
    let types = |parameters: Parameters| parameters.iter().map(|(kind, _)| ptx(kind)).collect::<Vec<_>>();
    let declared = declared().into_iter().map(|(entry, parameters)| (entry, types(parameters)));
    assert_eq!(declared.collect::<BTreeMap<_, _>>(), compiled);
}
