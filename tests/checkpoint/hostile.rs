//! Damaged and hostile files: each is an error of the right variant that names the file and the thing at fault.

use std::path::Path;

use irreplens::Error;
use irreplens::checkpoint::{Tensor, read_tensors, write_safetensors};
use irreplens::error::TensorFault;

use crate::build::{archive, dict, global, int, one, patched, pickle, safetensors, storage, tensor, text, tuple, zip};
use crate::fixture;
use crate::memory::{Reader, read};

/// Asserts for each row that reading its bytes fails with the variant, in a message that starts with the file and
/// contains the thing.
macro_rules! refused {
    ($reader:expr; $($bytes:expr => $variant:pat, $thing:expr;)+) => {$({
        let bytes = AsRef::<[u8]>::as_ref(&$bytes).to_vec();
        let error = read($reader, &bytes).expect_err($thing);
        let message = error.to_string();
        assert!(matches!(error, $variant), "{message}");
        assert!(message.starts_with("hostile: ") && message.contains($thing), "{message:?} without {:?}", $thing);
        assert!(message.len() < 1000, "a message of {} bytes", message.len());
    })+};
}

#[test]
fn what_is_not_an_archive() {
    for reader in [Reader::Torch, Reader::Safetensors] {
        refused! { reader;
            b"" => Error::Format { .. }, "an empty file";
            b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n" => Error::Format { expected: "the file itself", .. }, "git lfs pull";
        }
    }
    refused! { Reader::Torch;
        [&[0; 257][..], b"ustar", &[0; 250]].concat() => Error::Format { .. }, "a tar archive";
        b"\x80\x02}." => Error::Format { .. }, "a pickle that torch.save did not write";
        zip(&[("logits.npy", b"")]) => Error::Format { .. }, "an .npz archive";
        zip(&[("m/model.json", b""), ("m/code/m.py", b"")]) => Error::Format { .. }, "a TorchScript archive";
        b"<html>404</html>" => Error::Format { .. }, "got something else";
        zip(&[("m/x", b"")]) => Error::Format { .. }, "data.pkl";
        zip(&[]) => Error::Format { .. }, "got something else";
        zip(&[("m/data.pkl", b""), ("n/data.pkl", b"")]) => Error::Format { .. }, "data.pkl";
    }
}

#[test]
fn paths_that_are_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let absent = folder.path().join("absent.pt");
    let error = read_tensors(&absent).unwrap_err();
    assert!(matches!(&error, Error::Io { path, .. } if *path == absent), "{error}");
    let error = read_tensors(folder.path()).unwrap_err();
    assert!(matches!(&error, Error::Format { got, .. } if got.contains("directory")), "{error}");
    for (name, part) in [("x.pt", "zip archive"), ("x.safetensors", "safetensors file"), ("x.npy", "zip archive")] {
        let path = folder.path().join(name);
        std::fs::write(&path, b"nonsense").unwrap();
        let message = read_tensors(&path).unwrap_err().to_string();
        assert!(message.starts_with(&path.display().to_string()) && message.contains(part), "{message}");
    }
}

#[test]
fn every_truncation_is_an_error() {
    let torch = fixture("layouts.pt");
    for len in 0..torch.len() {
        let error = read(Reader::Torch, &torch[..len]).expect_err("cut short");
        assert!(error.to_string().starts_with("hostile: "));
    }
    refused! { Reader::Torch;
        &torch[..torch.len() - 1] => Error::Format { .. }, "cut short";
    }
    let whole = safetensors(r#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, &[0; 4]);
    read(Reader::Safetensors, &whole).unwrap();
    for len in 0..whole.len() {
        assert!(matches!(read(Reader::Safetensors, &whole[..len]), Err(Error::Format { .. })));
    }
    // a pickle cut short inside a whole archive
    let opcodes = pickle(&dict(&tensor(&storage("FloatStorage", "0", 6), 0, &[6], &[1])));
    for len in 0..opcodes.len() {
        refused! { Reader::Torch;
            archive(&opcodes[..len], &[0; 24]) => Error::Pickle { .. }, "pickle byte";
        }
    }
}

#[test]
fn archives_that_lie() {
    let good = one("FloatStorage", 6, 0, &[6], &[1]);
    read(Reader::Torch, &good).unwrap();
    let central = good.windows(4).position(|w| w == b"PK\x01\x02").unwrap();
    let end = good.len() - 22;
    let with = |at: usize, bytes: &[u8]| {
        let mut file = good.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    refused! { Reader::Torch;
        with(central + 10, &[8]) => Error::Format { .. }, "`m/data.pkl` compressed or encrypted";
        with(central + 24, &[0xff; 3]) => Error::Format { .. }, "compressed";
        with(central + 8, &[1]) => Error::Format { .. }, "encrypted";
        with(central + 20, &[0xff, 0xff, 0xff, 0, 0xff, 0xff, 0xff, 0]) => Error::Format { .. }, "out of range";
        with(central + 42, &[0xff; 4]) => Error::Format { .. }, "out of range";
        with(central + 28, &[0xff; 2]) => Error::Format { .. }, "central directory";
        with(central, b"XX") => Error::Format { .. }, "central directory";
        with(end + 10, &[0xfe, 0xff]) => Error::Format { .. }, "central directory";
        with(end + 10, &[0xff; 2]) => Error::Format { .. }, "Zip64";
        with(end + 16, &[0xff; 4]) => Error::Format { .. }, "Zip64";
        with(end + 16, &[0xfe; 4]) => Error::Format { .. }, "central directory";
        [&good[..], b"tail"].concat() => Error::Format { .. }, "something follows it";
        zip(&[("m/data/0", b""), ("m/data/0", b"")]) => Error::Format { expected: "every name once", .. }, "m/data/0";
        patched(&good, b"little", b"big\0\0\0") => Error::Format { .. }, "got big";
        patched(&good, b"m/data/0", b"m/data/\xff") => Error::Format { .. }, "out of range";
    }
}

#[test]
fn pickles_that_would_run_code() {
    let run = |opcodes: Vec<u8>| archive(&pickle(&opcodes), &[0; 24]);
    let call = |function: Vec<u8>| [function, tuple(&[text("touch /tmp/owned")]), b"R".to_vec()].concat();
    let stacked = [text("os"), text("system"), vec![0x93]].concat();
    let system = global("os", "system");
    refused! { Reader::Torch;
        run(call(system.clone())) => Error::UnsafePickle { .. }, "`os.system`, which is not run";
        run(call(global("builtins", "eval"))) => Error::UnsafePickle { .. }, "`builtins.eval`";
        run(global("torch", "load")) => Error::UnsafePickle { .. }, "`torch.load`";
        run(global("torch.nn.modules.linear", "Linear")) => Error::UnsafePickle { .. }, "modules.linear.Linear`";
        run(call(stacked)) => Error::UnsafePickle { .. }, "`os.system`";
        run(b"(ios\nsystem\n".to_vec()) => Error::UnsafePickle { .. }, "`os.system`";
        run([b"(", &system[..], b"o"].concat()) => Error::UnsafePickle { .. }, "`os.system`";
        run([&system[..], b")\x81"].concat()) => Error::UnsafePickle { .. }, "`os.system`";
        run([&system[..], b")}\x92}b"].concat()) => Error::UnsafePickle { .. }, "`os.system`";
        run(call(call(system.clone()))) => Error::UnsafePickle { .. }, "`os.system`";
        run(dict(&call(system.clone()))) => Error::Format { .. }, "a dictionary without tensors";
    }
    // An object beside the weights is passed over, whatever it would do.
    let weights = tensor(&storage("FloatStorage", "0", 6), 0, &[6], &[1]);
    let beside = [&b"}("[..], &text("x"), &call(system.clone()), &text("W"), &weights, b"u"].concat();
    let tensors = read(Reader::Torch, &run(beside)).unwrap();
    assert!(tensors.keys().eq(["W"]));
    for opcode in [0x82, 0x83, 0x84, b'P', 0x97, 0x98] {
        refused! { Reader::Torch;
            run(vec![b'N', b'N', opcode, 0, 0, 0, 0]) => Error::Pickle { .. }, "that stands by itself";
        }
    }
    refused! { Reader::Torch;
        run(call(text("os.system"))) => Error::Pickle { .. }, "a call of another value";
        run(b"N)\x81".to_vec()) => Error::Pickle { .. }, "a call of another value";
        run(b"(o".to_vec()) => Error::Pickle { .. }, "got nothing";
        run(b"(No".to_vec()) => Error::Pickle { .. }, "a call of another value";
    }
    let long = "evil\u{1b}[2J".repeat(10_000);
    refused! { Reader::Torch;
        run(global("os", &long)) => Error::UnsafePickle { .. }, "evil\\u{1b}[2J";
    }
}

#[test]
fn pickles_that_are_broken() {
    let run = |opcodes: &[u8]| archive(&pickle(opcodes), &[0; 24]);
    refused! { Reader::Torch;
        archive(b"\x80\x06N.", b"") => Error::Pickle { .. }, "protocol";
        run(b"NNa") => Error::Pickle { .. }, "a list to append to";
        run(b"}(NNe") => Error::Pickle { .. }, "a list to append to";
        run(b"gx\n") => Error::Pickle { .. }, "a memo entry's number";
        run(b"I1") => Error::Pickle { .. }, "more bytes";
        run(b"") => Error::Pickle { .. }, "more values on the stack";
        run(b"t") => Error::Pickle { .. }, "open mark";
        run(b"(0") => Error::Pickle { .. }, "more values on the stack";
        run(b"N(\x85") => Error::Pickle { .. }, "more values on the stack";
        run(b"h\x05") => Error::Pickle { .. }, "got 5";
        run(b"}(NNNu") => Error::Pickle { .. }, "in pairs";
        run(b"](NNu") => Error::Pickle { .. }, "a dictionary to set items of";
        run(b"NNs") => Error::Pickle { .. }, "a dictionary to set items of";
        run(b"NNb") => Error::Pickle { .. }, "state set";
        run(b"NQ") => Error::Pickle { .. }, "a tuple";
        run(b")Q") => Error::Pickle { .. }, "five parts of a storage";
        run(b"X\xff\xff\xff\xff") => Error::Pickle { .. }, "4294967295 wanted";
        run(b"\x8d\xff\xff\xff\xff\xff\xff\xff\xff") => Error::Pickle { .. }, "wanted";
        run(b"\x95\xff\xff\xff\xff\xff\xff\xff\xff") => Error::Pickle { .. }, "";
        run(b"\x8b\xff\xff\xff\xff") => Error::Pickle { .. }, "wanted";
        run(b"cos\n\xff\n") => Error::Pickle { .. }, "UTF-8";
        run(b"}") => Error::Format { .. }, "a dictionary without tensors";
        run(b"N") => Error::Format { .. }, "another Python object";
        run(&tensor(&storage("FloatStorage", "0", 6), 0, &[6], &[1])) => Error::Format { .. }, "without a name";
        run(&storage("ComplexFloatStorage", "0", 6)) => Error::Format { .. }, "another Python object";
    }
}

#[test]
fn pickles_that_grow() {
    let run = |opcodes: &[u8]| archive(&pickle(opcodes), &[0; 24]);
    const N: usize = 1 << 20;
    let both = |bytes: &[u8]| {
        let _ = read(Reader::Run, bytes);
        read(Reader::Torch, bytes)
    };
    // a dictionary that contains itself
    refused! { Reader::Torch;
        run(&[b"}q\0", &text("W")[..], b"h\0s"].concat()) => Error::Format { .. }, "without tensors";
    }
    // every tuple holds the last one twice: 2^100000 leaves
    let laughs = [b")q\0".to_vec(), b"h\0h\0\x86q\0".repeat(100_000)].concat();
    refused! { Reader::Torch;
        run(&laughs) => Error::Format { .. }, "a list without named tensors";
    }
    // a million deep
    refused! { Reader::Torch;
        run(&[b")".to_vec(), vec![0x85; N]].concat()) => Error::Format { .. }, "a list without named tensors";
        run(&[vec![b']'; N / 2], vec![b'a'; N / 2 - 1]].concat()) => Error::Format { .. }, "a list without named tensors";
    }
    let weights = tensor(&storage("FloatStorage", "0", 6), 0, &[6], &[1]);
    let (object, key) = (global("lab", "Net"), text("k"));
    // Lists, dictionaries and states of objects that each hold the last one twice: 2^10000 paths to one tensor.
    let shared: [(&[u8], &[u8]); 4] = [
        (b"](", b"h\0h\0eq\0"),
        (b"}(", b"h\x01h\0h\x02h\0uq\0"),
        (b"h\x03)R}(", b"h\x01h\0h\x02h\0ubq\0"),
        (b"h\x03h\0h\0\x86R", b"q\0"),
    ];
    for (open, close) in shared {
        let start = [&key[..], b"q\x01", &text("l"), b"q\x02", &object, b"q\x03", &dict(&weights), b"q\0"].concat();
        let _ = both(&run(&[start, [open, close].concat().repeat(10_000)].concat()));
    }
    // A history of many state dicts that are one, a module with many names for one child, and long names on long paths.
    let start = [&key[..], b"q\x01", &object, b"q\x03", &dict(&weights), b"q\0]("].concat();
    let many = [start.clone(), b"h\0".repeat(N / 2), b"e".to_vec()].concat();
    assert_eq!(both(&run(&many)).unwrap().len(), 1);
    let long = [text(&"x".repeat(1000)), b"q\x010".to_vec()].concat();
    let chain = [&b"h\x03)R}"[..], &text("_modules"), b"}h\x01"].concat().repeat(15);
    let leaf = |count: usize| -> Vec<u8> {
        let names = (0..count).flat_map(|k| [text(&format!("{k}")), b"h\x04".to_vec()].concat());
        [b"h\x03)R}".to_vec(), text("_parameters"), b"}(".to_vec(), names.collect(), b"usb".to_vec()].concat()
    };
    let start = [long, object.clone(), b"q\x030".to_vec(), weights.clone(), b"q\x040".to_vec()].concat();
    let module = |count| run(&[start.clone(), chain.clone(), leaf(count), b"ssb".repeat(15)].concat());
    assert_eq!(both(&module(3)).unwrap().len(), 3);
    refused! { Reader::Torch;
        module(5000) => Error::Tensor { fault: TensorFault::TooLarge { .. }, .. }, "tensor `xxx";
    }
    // Many keys that are one long text, for the search for its last dot.
    let keys =
        [text(&".".repeat(N / 2)), b"q\x010".to_vec(), weights.clone(), b"q\0}(".to_vec(), b"h\x01h\0".repeat(N / 8)];
    let _ = both(&run(&[keys.concat(), b"u".to_vec()].concat()));
    // every opcode that makes something, a million times over
    for opcode in *b"N})](2\x94\x8f\x88" {
        let _ = both(&run(&[b"N".to_vec(), vec![opcode; N]].concat()));
    }
    for unit in [
        &b"\x8c\0"[..],
        b"}\x94",
        b"h\0",
        b")\x85\x94",
        b"K\x01\x94",
        b"]Na",
        b"]]a",
        b"h\0)\x81",
        b")R",
        b"cx\ny\n",
        b"(l",
        b"(d",
        b"}h\0Ns",
        b"I1\n",
        b"L1L\n",
        b"V\n",
        b"p1\n",
    ] {
        let _ = both(&run(&[b"Nq\0".to_vec(), unit.repeat(N / unit.len())].concat()));
        let class = [&global("a", "b")[..], b"q\0(h\0"].concat();
        let _ = both(&run(&[class, unit.repeat(N / unit.len()), b"l".to_vec()].concat()));
    }
    for unit in [&b"2"[..], b"}", b"]", b")", b"N"] {
        let _ = both(&run(&[b"N(N".to_vec(), unit.repeat(N), b"l".to_vec()].concat()));
    }
    let huge = [b"\x8b\0\0\x10\0".to_vec(), vec![0x7f; N], b"L".to_vec(), vec![b'9'; N], b"L\n".to_vec()].concat();
    let _ = both(&run(&huge));
    let prefix = [b"}(", &text("k")[..], b"q\0"].concat();
    let _ = both(&run(&[prefix, b"h\0}".repeat(N / 3), b"u".to_vec()].concat()));
    // a million calls of _rebuild_tensor_v2 on the same arguments
    let made = tensor(&storage("FloatStorage", "0", 6), 0, &[6], &[1]);
    let arguments = &made[made.iter().position(|&b| b == b'(').unwrap()..made.len() - 1];
    let calls = [&global("torch._utils", "_rebuild_tensor_v2")[..], b"q\0", arguments, b"q\x01"].concat();
    let _ = both(&run(&[calls, b"h\0h\x01R".repeat(N / 5)].concat()));
    // Many state dicts of one tensor each, in a list, behind prefixes and behind numbers.
    let start = [text("W_x"), b"q\x010".to_vec(), made.clone(), b"q\0".to_vec()].concat();
    let lists = [start.clone(), b"](".to_vec(), b"}h\x01h\0s".repeat(N / 6), b"e".to_vec()].concat();
    let prefixes = (0..N / 16).flat_map(|k| [text(&format!("{k:x}.W_x")), b"h\0".to_vec()].concat()).collect();
    let prefixes = [start.clone(), b"}(".to_vec(), prefixes, b"u".to_vec()].concat();
    let numbers = (0..N / 12).flat_map(|k| [&b"J"[..], &(k as u32).to_le_bytes(), b"}h\x01h\0s"].concat()).collect();
    let numbers = [start, b"}(".to_vec(), numbers, b"u".to_vec()].concat();
    for (bytes, last) in [(lists, N / 6 - 1), (prefixes, 0), (numbers, N / 12 - 1)] {
        let tensors = read(Reader::Run, &run(&bytes));
        assert!(last == 0 || tensors.unwrap().keys().eq(["W_x"]));
        let _ = read(Reader::Torch, &run(&bytes));
    }
}

#[test]
fn tensors_that_reach_too_far() {
    refused! { Reader::Torch;
        one("FloatStorage", 6, 0, &[7], &[1]) => Error::Tensor { fault: TensorFault::OutOfRange { expected: 7, got: 6, .. }, .. }, "`W`";
        one("FloatStorage", 6, 5, &[2], &[1]) => Error::Tensor { fault: TensorFault::OutOfRange { expected: 7, .. }, .. }, "`W`";
        one("FloatStorage", 6, 0, &[2, 2], &[6, 1]) => Error::Tensor { fault: TensorFault::OutOfRange { expected: 8, .. }, .. }, "`W`";
        one("FloatStorage", 6, i64::MAX, &[1], &[1]) => Error::Tensor { fault: TensorFault::OutOfRange { .. }, .. }, "`W`";
        one("FloatStorage", 5, 0, &[5], &[1]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "24 bytes for 5 elements";
        one("DoubleStorage", 6, 0, &[6], &[1]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "24 bytes for 6 elements of F64";
        one("FloatStorage", -6, 0, &[6], &[1]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "-6 elements";
        one("FloatStorage", 6, -1, &[6], &[1]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "an offset from 0 up, got -1";
        one("FloatStorage", 6, 0, &[-6], &[1]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "[-6]";
        one("FloatStorage", 6, 5, &[6], &[-1]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "strides from 0 up, got [-1]";
        one("FloatStorage", 6, 0, &[i64::MAX, 4], &[0, 0]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "fits in memory";
        one("FloatStorage", 6, 0, &[0, i64::MAX, 4], &[0, 0, 0]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "fits in memory";
        one("FloatStorage", 6, 0, &[3, 3], &[i64::MAX, i64::MAX]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "strides that fit in memory";
        one("FloatStorage", 6, 0, &[6], &[1, 1]) => Error::Pickle { .. }, "same length";
        one("FloatStorage", 6, 0, &[1; 65], &[1; 65]) => Error::Pickle { .. }, "at most 64";
    }
    let elsewhere = dict(&tensor(&storage("FloatStorage", "../1", 6), 0, &[6], &[1]));
    refused! { Reader::Torch;
        archive(&pickle(&elsewhere), &[0; 24]) => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "no stored entry `../1`";
    }
}

#[test]
fn tensors_that_unfold_too_far() {
    refused! { Reader::Torch;
        one("FloatStorage", 6, 0, &[1_000_000_000_000], &[0]) => Error::Tensor { fault: TensorFault::TooLarge { .. }, .. }, "`W`";
        one("FloatStorage", 6, 0, &[1_000_000, 1_000_000], &[0, 0]) => Error::Tensor { fault: TensorFault::TooLarge { .. }, .. }, "`W`";
        one("FloatStorage", 6, 0, &[i64::MAX >> 1, 2], &[0, 0]) => Error::Tensor { fault: TensorFault::TooLarge { .. }, .. }, "`W`";
    }
    // one storage under many names, and many empty tensors of many axes
    for (shape, stride) in [(vec![16_000], vec![1]), (vec![0; 64], vec![0; 64])] {
        let shared = [&tensor(&storage("FloatStorage", "0", 16_000), 0, &shape, &stride)[..], b"q\x010"].concat();
        let entries: Vec<u8> = (0..5000).flat_map(|k| [text(&format!("{k}")), b"h\x01".to_vec()].concat()).collect();
        let opcodes = [&shared[..], b"}(", &entries, b"u"].concat();
        refused! { Reader::Torch;
            archive(&pickle(&opcodes), &[0; 64_000]) => Error::Tensor { fault: TensorFault::TooLarge { .. }, .. }, "tensor `";
        }
    }
    let twice = [&dict(&tensor(&storage("FloatStorage", "0", 6), 0, &[6], &[1]))[..], &text("W"), b"q\0"].concat();
    let twice = [&twice[..], &tensor(&storage("FloatStorage", "0", 6), 0, &[6], &[1]), b"s"].concat();
    refused! { Reader::Torch;
        archive(&pickle(&twice), &[0; 24]) => Error::Format { expected: "every name once", .. }, "`W`";
    }
    let unused = int(1 << 40); // a plain number in a state dict is left out
    refused! { Reader::Torch;
        archive(&pickle(&dict(&unused)), &[0; 24]) => Error::Format { .. }, "without tensors";
    }
}

#[test]
fn what_is_wrong_beside_the_weights_does_not_hide_them() {
    let good = |at: i64| tensor(&storage("FloatStorage", "0", 6), at, &[1, 1], &[1, 1]);
    let names = ["W_x", "W_y", "W", "b", "W_U"].into_iter().zip(0i64..);
    let mut items: Vec<u8> = names.flat_map(|(name, k)| [text(name), good(k)].concat()).collect();
    for (name, shape, stride) in [("far", [7, 1], [1, 1]), ("mask", [1 << 20, 1 << 20], [0, 0])] {
        items.extend([text(name), tensor(&storage("FloatStorage", "0", 6), 0, &shape, &stride)].concat());
    }
    let file = archive(&pickle(&[b"}(", &items[..], b"u"].concat()), &[0; 24]);
    let tensors = read(Reader::Run, &file).unwrap();
    assert_eq!(tensors.len(), 7);
    assert!(["far", "mask"].iter().all(|name| matches!(tensors[*name], Tensor::Unread { .. })));
    assert!(read(Reader::Torch, &file).is_err());
}

#[test]
fn one_tensor_by_two_ways_is_no_duplicate() {
    // A dictionary with attributes: its items are its state too.
    let both = |second: &[u8]| {
        let weights = tensor(&storage("FloatStorage", "0", 6), 0, &[6], &[1]);
        let first = [&weights[..], b"q\x05"].concat();
        let object = [global("lab", "AttrDict"), b")\x81".to_vec(), text("W"), first, b"s".to_vec()].concat();
        archive(&pickle(&[&object[..], b"}", &text("W"), second, b"sb"].concat()), &[0; 24])
    };
    assert_eq!(read(Reader::Torch, &both(b"h\x05")).unwrap().len(), 1);
    refused! { Reader::Torch;
        both(&tensor(&storage("FloatStorage", "0", 6), 0, &[6], &[1])) => Error::Format { expected: "every name once", .. }, "`W`";
    }
}

#[test]
fn files_before_pytorch_1_6_that_lie() {
    let good = fixture("people/legacy-strided.pt");
    read(Reader::Torch, &good).unwrap();
    for len in 0..good.len() {
        let error = read(Reader::Torch, &good[..len]).expect_err("cut short");
        assert!(error.to_string().starts_with("hostile: "));
    }
    refused! { Reader::Torch;
        &good[..good.len() - 1] => Error::Format { .. }, "bytes left for storage `1`";
        patched(&good, b"M\xe9\x03.", b"M\xe8\x03.") => Error::Format { .. }, "version 1001";
        patched(&good, &30u64.to_le_bytes(), &[0xff; 8]) => Error::Format { .. }, "bytes left for storage";
        patched(&good, &30u64.to_le_bytes(), &29u64.to_le_bytes()) => Error::Format { .. }, "bytes left for storage";
        patched(&good, b"FloatStorage", b"TreesStorage") => Error::Format { .. }, "bytes left for storage `0`";
    }
    let longer = [&good[..], b"what follows does not matter"].concat();
    read(Reader::Torch, &longer).unwrap();
}

#[test]
fn safetensors_that_lie() {
    let st = |header: &str, data: &[u8]| safetensors(header, data);
    let tensor = |dtype: &str, shape: &str, end: usize| {
        format!(r#"{{"W":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    use Reader::Safetensors as S;
    refused! { S;
        [0xff; 16] => Error::Format { .. }, "header";
        b"\x40\0\0\0\0\0\0\0{}" => Error::Format { .. }, "a safetensors file";
        st("{", b"") => Error::Format { .. }, "a safetensors file";
        st("[]", b"") => Error::Format { .. }, "a safetensors file";
        st(&"[".repeat(100_000), b"") => Error::Format { .. }, "a safetensors file";
        st(&tensor("F32", "[2]", 4), &[0; 4]) => Error::Format { .. }, "a safetensors file";
        st(&tensor("F32", "[2]", 8), &[0; 4]) => Error::Format { .. }, "a safetensors file";
        st(&tensor("F32", "[-1]", 8), &[0; 8]) => Error::Format { .. }, "a safetensors file";
    }
    let overflow = tensor("F32", "[4294967296,4294967296,4294967296]", 0);
    refused! { S;
        st(&overflow, b"") => Error::Format { .. }, "a safetensors file";
    }
    let empty = tensor("U8", "[9223372036854775807,0]", 0);
    read(S, &st(&empty, b"")).unwrap();
    let empty = tensor("U8", "[0,9223372036854775807,8]", 0);
    refused! { S;
        st(&empty, b"") => Error::Tensor { fault: TensorFault::Unfit { .. }, .. }, "`W`";
    }
    for (file, what) in
        [(st(&tensor("C64", "[1]", 8), &[0; 8]), "C64"), (st(&tensor("U64", "[1]", 8), &[0xff; 8]), "U64")]
    {
        let tensors = read(S, &file).unwrap();
        assert_eq!(tensors["W"], Tensor::Unread { what: what.into(), shape: vec![1] });
        let error = irreplens::checkpoint::vector("hostile".as_ref(), &tensors, &["W"]).unwrap_err();
        assert!(
            matches!(&error, Error::Tensor { fault: TensorFault::Unfit { got, .. }, .. } if got == what),
            "{error}"
        );
        let folder = tempfile::tempdir().unwrap();
        let error = write_safetensors(folder.path().join("x"), &tensors, &Default::default()).unwrap_err();
        assert!(matches!(error, Error::Tensor { fault: TensorFault::Unfit { .. }, .. }), "{error}");
    }
    assert_eq!(
        read(S, &st(&tensor("F8_E4M3", "[1]", 1), &[0x38])).unwrap()["W"],
        Tensor::F32(ndarray::arr1(&[1.0]).into_dyn())
    );
    read(S, &st(&tensor("U64", "[1]", 8), &[0xff, 0, 0, 0, 0, 0, 0, 0])).unwrap();
    // headers that make the JSON reader build lists
    for unit in ["0,", "[],", "\"\",", "{},"] {
        let list = format!("{}0", unit.repeat((1 << 20) / unit.len()));
        let _ = read(S, &st(&format!("{{\"W\":[{list}]}}"), b""));
        let _ = read(S, &st(&tensor("F32", &format!("[{list}]"), 0), b""));
    }
    assert!(Path::new("hostile").metadata().is_err(), "nothing was written");
}
