//! Valid files, damaged at random: reading never panics and keeps to its bound on memory.

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::Index;

use crate::build;
use crate::memory::{Reader, read};

/// Random damage to a file of any format.
#[derive(Debug, Clone)]
pub enum Damage {
    Flip(Index, u8),
    Number(Index, u32),
    Cut(Index),
    Splice(Index, Index, u8),
}

/// Any damage, flips most often.
pub fn damage() -> impl Strategy<Value = Damage> {
    let edge = prop_oneof![any::<u32>(), proptest::sample::select(vec![0, 1, 255, 65535, 1 << 31, u32::MAX])];
    prop_oneof![
        4 => (any::<Index>(), 1u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        2 => (any::<Index>(), edge).prop_map(|(at, n)| Damage::Number(at, n)),
        1 => any::<Index>().prop_map(Damage::Cut),
        2 => (any::<Index>(), any::<Index>(), any::<u8>()).prop_map(|(from, to, len)| Damage::Splice(from, to, len)),
    ]
}

/// Applies one damage anywhere in the file.
pub fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    if bytes.is_empty() {
        return;
    }
    match damage {
        Damage::Flip(at, bits) => {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        Damage::Number(at, n) => {
            let at = at.index(bytes.len());
            for (byte, new) in bytes[at..].iter_mut().zip(n.to_le_bytes()) {
                *byte = new;
            }
        }
        Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Splice(from, to, len) => {
            let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
            let piece = bytes[from..bytes.len().min(from + usize::from(*len))].to_vec();
            bytes.splice(to..to, piece);
        }
    }
}

fn check(reader: Reader, bytes: &[u8]) {
    if let Err(error) = read(reader, bytes) {
        let text = error.to_string();
        assert!(text.len() < 4096, "{text}");
        match reader {
            Reader::Run => assert!(text.contains("hostile: "), "{text}"),
            _ => assert!(text.starts_with("hostile: "), "{text}"),
        }
    }
}

/// The committed files that are damaged.
fn files() -> &'static [Vec<u8>] {
    static FILES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    FILES.get_or_init(|| {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/torch");
        let names = [folder.clone(), folder.join("people")].map(|folder| std::fs::read_dir(folder).unwrap());
        let mut paths: Vec<_> = names.into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "pt"));
        paths.sort();
        paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
    })
}

/// The pickle of an archive and the place of its bytes in it.
fn pickle_of(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let name = bytes.windows(8).position(|w| w == b"data.pkl")?;
    let start = name + 8;
    let end = start + bytes[start..].windows(4).position(|w| w == b"PK\x03\x04")?;
    Some(start..end)
}

/// How often each test is tried: `IRREPLENS_MUTATIONS`, or enough for a look.
pub fn tries() -> u32 {
    std::env::var("IRREPLENS_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(3000)
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(tries()))]

    #[test]
    fn damaged_archives(file: Index, damages in proptest::collection::vec(damage(), 1..4)) {
        let mut bytes = file.get(files()).clone();
        damages.iter().for_each(|d| apply(&mut bytes, d));
        check(Reader::Torch, &bytes);
    }

    #[test]
    fn damaged_pickles_of_files(file: Index, damages in proptest::collection::vec(damage(), 1..6)) {
        // The archive around the pickle stays whole, so that the damage is met by the unpickler and the walk.
        let bytes = file.get(files());
        if let Some(range) = pickle_of(bytes) {
            let mut pickle = bytes[range].to_vec();
            damages.iter().for_each(|d| apply(&mut pickle, d));
            check(Reader::Torch, &build::archive(&pickle, &[7; 24]));
            check(Reader::Run, &build::archive(&pickle, &[7; 24]));
        }
    }

    #[test]
    fn spliced_opcodes(units in proptest::collection::vec(any::<Index>(), 0..60)) {
        // Random programs of whole opcodes reach deeper than random bytes.
        let made = build::tensor(&build::storage("FloatStorage", "0", 6), 0, &[6], &[1]);
        let mut opcodes: Vec<Vec<u8>> = [
            &b"}"[..], b"]", b")", b"(", b"t", b"e", b"u", b"s", b"a", b"l", b"d", b"R", b"b", b"\x81", b"\x92", b"o", b"Q", b"2",
            b"0", b"1", b"q\0", b"q\x01", b"h\0", b"h\x01", b"h\x02", b"\x94", b"\x85", b"\x86", b"\x87", b"K\x03", b"\x88", b"N",
            b"\x8f", b"\x90", b"\x93", b"I5\n", b"S'k'\n",
        ].map(<[u8]>::to_vec).into();
        let names = ["_modules", "_parameters", "model", "W_x", "W_y", "W_U", "net.W", "b", "a.b", "epoch_3", "os", "storage"];
        opcodes.extend(names.map(build::text));
        opcodes.extend([build::global("os", "system"), build::global("collections", "OrderedDict"), made.clone()]);
        opcodes.extend([build::storage("FloatStorage", "0", 6), build::dict(&made), made[..made.len() - 1].to_vec()]);
        let program: Vec<u8> = units.iter().flat_map(|unit| unit.get(&opcodes).clone()).collect();
        check(Reader::Torch, &build::archive(&build::pickle(&program), &[7; 24]));
        let names = [&b"}("[..], &program, b"u"].concat();
        check(Reader::Torch, &build::archive(&build::pickle(&names), &[7; 24]));
        check(Reader::Run, &build::archive(&build::pickle(&names), &[7; 24]));
    }

    #[test]
    fn damaged_indexes(damages in proptest::collection::vec(damage(), 1..4)) {
        let mut bytes = br#"{"metadata": {"total_size": 1}, "weight_map": {"W_x": "a.safetensors", "W_y": "b.bin"}}"#.to_vec();
        damages.iter().for_each(|d| apply(&mut bytes, d));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("model.safetensors.index.json");
        std::fs::write(&path, &bytes).unwrap();
        let error = irreplens::checkpoint::read_tensors(&path).map(|tensors| assert!(tensors.is_empty()));
        assert!(error.err().is_none_or(|error| error.to_string().starts_with(&*folder.path().to_string_lossy())));
    }

    #[test]
    fn damaged_pickles(layout in 0..3usize, damages in proptest::collection::vec(damage(), 1..4)) {
        let (shape, stride) = [(vec![6], vec![1]), (vec![2, 3], vec![1, 2]), (vec![9, 0, 3], vec![0, 0, 1])][layout].clone();
        let tensor = build::tensor(&build::storage("FloatStorage", "0", 6), 0, &shape, &stride);
        let mut pickle = build::pickle(&build::dict(&tensor));
        damages.iter().for_each(|d| apply(&mut pickle, d));
        check(Reader::Torch, &build::archive(&pickle, &[7; 24]));
    }

    #[test]
    fn damaged_safetensors(damages in proptest::collection::vec(damage(), 1..4)) {
        let header = r#"{"__metadata__":{"k":"v"},"a":{"dtype":"F64","shape":[2],"data_offsets":[0,16]},"b":{"dtype":"BF16","shape":[1,2],"data_offsets":[16,20]}}"#;
        let mut bytes = build::safetensors(header, &[3; 20]);
        damages.iter().for_each(|d| apply(&mut bytes, d));
        check(Reader::Safetensors, &bytes);
    }

    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        check(Reader::Torch, &bytes);
        check(Reader::Safetensors, &bytes);
        check(Reader::Torch, &build::archive(&bytes, &[0; 24]));
    }
}
