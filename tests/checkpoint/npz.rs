//! `.npz` files, valid ones damaged at random and directed ones: no panic, and memory in proportion to the file.

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::Index;
use std::path::Path;

use irreplens::checkpoint::read_precomputed_bytes;

use crate::memory::peak;
use crate::mutate::{self, Damage, damage, tries};

/// How far deflate can fold, and how many copies of what is unfolded there may be at once.
const FOLDED: usize = 1032;
const COPIES: usize = 6;

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/npz").join(name)).unwrap()
}

/// Reads bytes as recorded activations; asserts the bound on memory, and that an error names the file and has a bound.
fn check(bytes: &[u8], folded: usize) {
    let (error, peak) = peak(|| {
        let read = read_precomputed_bytes(bytes, Path::new("hostile"), "hidden");
        read.err().map(|error| error.to_string())
    });
    // An inflater's state, and the directory's entries.
    let limit = 64 * bytes.len() + COPIES * folded * bytes.len() + (1 << 20);
    assert!(peak <= limit, "{peak} bytes held for a file of {} (limit {limit})", bytes.len());
    if let Some(error) = error {
        assert!(error.starts_with("hostile: ") && error.len() <= 4096, "{error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
}

#[derive(Debug, Clone)]
enum Change {
    Damage(Damage),
    /// Bytes that mean something in a header.
    Token(Index, usize),
}

const TOKENS: [&[u8]; 12] = [
    b"(",
    b"((((((((((((((((",
    b")",
    b"[[[[[[[[[[[[[[[[",
    b"'",
    b", ",
    b"'shape': (",
    b"'descr': '>f2'",
    b"True",
    b"18446744073709551615",
    b"\x93NUMPY\x02\0\xff\xff\xff\xff",
    b"PK\x01\x02",
];

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        9 => damage().prop_map(Change::Damage),
        3 => (any::<Index>(), 0..TOKENS.len()).prop_map(|(at, token)| Change::Token(at, token)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    match change {
        Change::Damage(damage) => mutate::apply(bytes, damage),
        Change::Token(..) if bytes.is_empty() => {}
        Change::Token(at, token) => {
            let at = at.index(bytes.len());
            bytes[at..].iter_mut().zip(TOKENS[*token]).for_each(|(byte, new)| *byte = *new);
        }
    }
}

/// An archive of one stored array, `logits`, whose checksum is right.
fn stored(array: &[u8]) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let plain = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    archive.start_file("logits.npy", plain).unwrap();
    std::io::Write::write_all(&mut archive, array).unwrap();
    archive.finish().unwrap().into_inner()
}

fn array(version: u8, header: &[u8], numbers: &[u8]) -> Vec<u8> {
    let length = match version {
        1 => (header.len() as u16).to_le_bytes().to_vec(),
        _ => (header.len() as u32).to_le_bytes().to_vec(),
    };
    [b"\x93NUMPY", &[version, 0][..], &length, header, numbers].concat()
}

const FILES: [&str; 6] = ["flat.npz", "cube.npz", "compressed.npz", "float64.npz", "fortran.npz", "object.npz"];

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { failure_persistence: None, ..proptest::test_runner::Config::with_cases(tries()) })]

    #[test]
    fn damaged_files(file in 0..FILES.len(), damages in proptest::collection::vec(change(), 1..4)) {
        let mut bytes = fixture(FILES[file]);
        damages.iter().for_each(|d| apply(&mut bytes, d));
        check(&bytes, FOLDED);
    }

    /// Damage before the archive is made: its checksums are right, so that what is damaged is read.
    #[test]
    fn damaged_arrays(version in 1u8..4, damages in proptest::collection::vec(change(), 1..5)) {
        let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4, 2), }           \n";
        let mut bytes = array(version, header, &[7; 32]);
        damages.iter().for_each(|d| apply(&mut bytes, d));
        check(&stored(&bytes), 0);
    }

    #[test]
    fn any_header(header in proptest::collection::vec(any::<u8>(), 0..200), version in 1u8..4) {
        check(&stored(&array(version, &header, &[0; 32])), 0);
    }
}

#[test]
fn directed_headers() {
    let shape = |text: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {text}, }}");
    let descr = |text: &str| format!("{{'descr': {text}, 'fortran_order': False, 'shape': (1, 1), }}");
    for depth in [1, 20, 1000, 4000, 30_000] {
        for (open, close) in [("(", ")"), ("[", "]"), ("{", "}"), ("-", ""), ("not ", ""), ("lambda: ", "")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for header in [shape(&nested), descr(&nested), nested] {
                for version in [1, 2] {
                    let length = if version == 1 { header.len().min(65_535) } else { header.len() };
                    check(&stored(&array(version, &header.as_bytes()[..length], &[])), 0);
                }
            }
        }
    }
    for text in [
        "(99999999999999999999, 2)",
        "(4294967296, 4294967296)",
        "(0, 18446744073709551615)",
        "(3037000500, 3037000500)",
    ] {
        check(&stored(&array(1, shape(text).as_bytes(), &[0; 16])), 0);
    }
    // Headers that claim to be far longer than the entry.
    for claimed in [65_535u32, 1 << 20, u32::MAX] {
        check(&stored(&[b"\x93NUMPY\x02\0", &claimed.to_le_bytes()[..], b"{'descr': "].concat()), 0);
    }
}

/// Entries that share their bytes: small in the file, large together.
#[test]
fn entries_that_overlap_are_refused() {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file("a.npy", zip::write::SimpleFileOptions::default()).unwrap();
    let header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000, 1000), }\n";
    std::io::Write::write_all(&mut archive, &array(1, header, &vec![0; 4_000_000])).unwrap();
    let one = archive.finish().unwrap().into_inner();
    let central = one.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let end = one.windows(4).position(|w| w == b"PK\x05\x06").unwrap();
    let (mut bytes, count) = (one[..central].to_vec(), 2000u16);
    for i in 0..count {
        let mut entry = one[central..end].to_vec();
        let name = entry.windows(5).position(|w| w == b"a.npy").unwrap();
        entry[name] = b'a' + (i % 26) as u8;
        entry[name + 1] = b'A' + (i / 26 % 26) as u8;
        bytes.extend(entry);
    }
    let size = (bytes.len() - central) as u32;
    bytes.extend(
        [
            b"PK\x05\x06\0\0\0\0",
            &count.to_le_bytes()[..],
            &count.to_le_bytes(),
            &size.to_le_bytes(),
            &(central as u32).to_le_bytes(),
            &[0, 0],
        ]
        .concat(),
    );
    check(&bytes, 0);
}
