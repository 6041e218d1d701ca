//! Every error about a file: its message starts with the path, has a bound, and shows nothing that a terminal would obey.

use irreplens::Error;
use irreplens::error::TensorFault;
use std::path::PathBuf;

macro_rules! listed {
    ($($variant:ident { $($fields:tt)* }),* $(,)?) => { vec![$((stringify!($variant), Error::$variant { $($fields)* })),*] };
}

/// One of each variant with a path, with this path and this text wherever a file's contents could stand.
fn about(path: &str, text: &str, many: usize) -> Vec<(&'static str, Error)> {
    let (path, text) = (PathBuf::from(path), text.to_owned());
    let (p, t) = (|| path.clone(), || text.clone());
    let (texts, numbers) = (vec![t(); many], vec![usize::MAX; many]);
    listed![
        Io { path: p(), source: std::io::Error::other(t()) },
        Format { path: p(), expected: "a file", got: t() },
        Damaged { path: p(), expected: t(), got: t() },
        UnsafePickle { path: p(), global: t() },
        Pickle { path: p(), offset: usize::MAX, expected: "an opcode", got: t() },
        Tensor { path: p(), tensor: t(), fault: TensorFault::Unfit { expected: "strides", got: t() } },
        Tensor { path: p(), tensor: t(), fault: TensorFault::OutOfRange { expected: usize::MAX, got: usize::MAX } },
        Tensor { path: p(), tensor: t(), fault: TensorFault::TooLarge { expected: usize::MAX, got: usize::MAX } },
        Tensor { path: p(), tensor: t(), fault: TensorFault::Rank { expected: 2, got: numbers.clone() } },
        Tensor { path: p(), tensor: t(), fault: TensorFault::NonFinite { index: numbers.clone(), got: f64::MIN } },
        MissingTensor { path: p(), expected: texts.clone(), got: texts.clone(), step: Some(t()) },
        Config { path: p(), key: "lr", expected: "a number", got: t() },
        Tensor {
            path: p(),
            tensor: t(),
            fault: TensorFault::Shape { expected: numbers.clone(), got: numbers.clone(), because: t() }
        },
        RunLocked { path: p() },
        RunDiffers { path: p(), what: t(), expected: t(), got: t() },
        RunIncomplete { path: p(), beside: p() },
        LogMissing { path: p(), epoch: u64::MAX },
        SeveralWeights { path: p(), what: "file", got: texts.clone(), how: "name one" },
        Tensor { path: p(), tensor: t(), fault: TensorFault::Surplus { what: "bias", shape: numbers.clone() } },
        InFile { path: p(), source: Box::new(Error::UnknownSite { site: t(), known: texts.clone() }) },
        InFile { path: p(), source: Box::new(Error::NotAPermutation { index: 1, degree: many, got: numbers.clone() }) },
        InFile {
            path: p(),
            source: Box::new(Error::RecordingMismatch {
                what: "maps do not give",
                site: t(),
                difference: 1.0,
                scale: 1.0
            })
        },
        InFile { path: p(), source: Box::new(Error::OtherGroup { what: t(), expected: "1".into(), got: "2".into() }) },
        InFile {
            path: p(),
            source: Box::new(Error::Shape { what: t(), expected: numbers.clone(), got: numbers.clone() }),
        },
    ]
}

/// The variants of the enum's source that have a path.
fn variants_with_a_path() -> Vec<String> {
    let source = include_str!("../../src/error/mod.rs");
    let variants =
        source.split("\n    #[error(").skip(1).filter(|variant| variant.contains("\n        path: PathBuf,"));
    let name = |variant: &str| {
        let (_, rest) = variant.split_once(")]\n    ").unwrap();
        rest.split([' ', '{', ',', '(']).next().unwrap().to_owned()
    };
    variants.map(name).collect()
}

#[test]
fn this_list_has_every_variant() {
    let listed: Vec<&str> = about("f", "t", 1).into_iter().map(|(name, _)| name).collect();
    let missing = variants_with_a_path().into_iter().filter(|name| !listed.contains(&name.as_str()));
    let missing: Vec<String> = missing.collect();
    assert!(missing.is_empty() && listed.len() >= 20, "not listed: {missing:?}");
}

#[test]
fn messages_start_with_the_path() {
    for (_, error) in about("runs/D53/model.pt", "what it says", 2) {
        assert!(error.to_string().starts_with("runs/D53/model.pt: "), "{error}");
    }
}

#[test]
fn messages_are_bounded_and_escaped() {
    let hostile = "\u{1b}]0;title\u{7}\n\r\u{202e}\u{9b}31m \"quoted\" ";
    let escaped = r#"\u{1b}]0;title\u{7}\n\r\u{202e}\u{9b}31m "quoted" "#;
    for (path, text, many) in [
        (hostile.to_owned(), hostile.to_owned(), 3),
        (format!("{hostile}{}", "d/".repeat(2000)), hostile.repeat(100_000), 3),
        (format!("{hostile}{}", "d/".repeat(2000)), hostile.to_owned(), 100_000),
        ("x".repeat(4096), "y".repeat(3_000_000), 3),
    ] {
        for (what, error) in about(&path, &text, many) {
            let message = error.to_string();
            assert!(message.len() <= 4096, "{what}: {} bytes", message.len());
            assert!(!message.chars().any(char::is_control) && !message.contains('\u{202e}'), "{what}: {message:?}");
            assert!(path.starts_with('x') || message.starts_with(escaped), "{what}: {message}");
        }
    }
}
