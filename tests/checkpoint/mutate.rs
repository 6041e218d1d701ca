//! Valid files, damaged at random: reading never panics and keeps to its bound on memory.

use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::Index;

use crate::memory::{Reader, read};
use crate::{build, fixture};

#[derive(Debug, Clone)]
enum Damage {
    Flip(Index, u8),
    Number(Index, u32),
    Cut(Index),
    Splice(Index, Index, u8),
}

fn damage() -> impl Strategy<Value = Damage> {
    let edge = prop_oneof![any::<u32>(), proptest::sample::select(vec![0, 1, 255, 65535, 1 << 31, u32::MAX])];
    prop_oneof![
        4 => (any::<Index>(), 1u8..).prop_map(|(at, bits)| Damage::Flip(at, bits)),
        2 => (any::<Index>(), edge).prop_map(|(at, n)| Damage::Number(at, n)),
        1 => any::<Index>().prop_map(Damage::Cut),
        2 => (any::<Index>(), any::<Index>(), any::<u8>()).prop_map(|(from, to, len)| Damage::Splice(from, to, len)),
    ]
}

/// Applies one damage anywhere in the file.
fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
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
        assert!(error.to_string().starts_with("hostile: "), "{error}");
    }
}

const FILES: [&str; 6] = ["dtypes.pt", "layouts.pt", "module.pt", "nested.pt", "parameters.pt", "legacy.pt"];

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(3000))]

    #[test]
    fn damaged_archives(file in 0..FILES.len(), damages in proptest::collection::vec(damage(), 1..4)) {
        let mut bytes = fixture(FILES[file]);
        damages.iter().for_each(|d| apply(&mut bytes, d));
        check(Reader::Torch, &bytes);
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
