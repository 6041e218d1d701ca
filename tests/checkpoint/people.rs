//! Weights as people save them: the fixtures of `tests/data/torch/write.py`, and folders with other names.

use std::path::Path;

use irreplens::Error;
use irreplens::checkpoint::{Run, Tensor, Tensors, matrix, read_tensors, torch, write_safetensors};
use irreplens::error::TensorFault;
use irreplens::group::Elem;
use irreplens::model::Interpretable;

use crate::fixture;

const CONFIG: &str = r#"{"model": "BetterOneLayerMLP", "group": "CyclicGroup", "group_parameter": 3}"#;
const NAMES: [(&str, [usize; 2], f32); 3] = [("W_x", [3, 2], 1.0), ("W_y", [3, 2], 11.0), ("W_U", [2, 3], 21.0)];

/// A run directory with these files.
fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    folder
}

/// The run of a fixture.
fn open(name: &str, entry: Option<&str>) -> Result<Run, Error> {
    let folder = folder(&[("cfg.json", CONFIG.as_bytes()), ("model.pt", &fixture(&format!("people/{name}")))]);
    match entry {
        Some(entry) => Run::open_entry(folder.path(), entry),
        None => Run::open(folder.path()),
    }
}

/// Asserts that the weights count up from their firsts, plus `add`.
fn counts(run: &Run, add: f32) {
    for (name, [rows, columns], first) in NAMES {
        let got = matrix(Path::new("model.pt"), &run.tensors, &[name]).unwrap();
        assert_eq!(got.dim(), (rows, columns));
        assert!(got.iter().zip(0u8..).all(|(&v, k)| v == first + add + f32::from(k)), "{name}: {got}");
    }
    assert_eq!(run.model().unwrap().order(), 3);
}

#[test]
fn whatever_lies_beside_and_around_the_weights() {
    let files = [
        "beside-1.pt",
        "beside-2.pt",
        "beside-3.pt",
        "beside-4.pt",
        "beside-5.pt",
        "legacy-beside.pt",
        "prefixes.pt",
        "strided.pt",
        "legacy-strided.pt",
        "subclass.pt",
        "stateful.pt",
        "module.pt",
        "module-nested.pt",
        "legacy-module.pt",
        "script.pt",
        "pairs.pt",
    ];
    for file in files {
        let run = open(file, None).unwrap_or_else(|error| panic!("{file}: {error}"));
        counts(&run, 0.0);
        assert_eq!(run.notes(), [""; 0], "{file}");
        assert_eq!(run.config.layers.embed_dim, 2);
        // The squares of 1 to 6, 11 to 16 and 21 to 26; what lies beside does not count.
        assert_eq!(run.sum_of_squared_weights().unwrap(), Some(91.0 + 1111.0 + 3331.0), "{file}");
    }
}

/// A module saved whole whose parameters are those of its `nn.Embedding`s and its `nn.Linear`, which has a bias.
#[test]
fn parameters_of_modules_in_a_module() {
    let run = open("module-parts.pt", None).unwrap();
    assert_eq!((run.config.layers.embed_dim, run.config.layers.output_bias), (2, Some(true)));
    let net = run.model().unwrap();
    let logits = net.forward(&[(Elem::new(1), Elem::new(2))]).unwrap();
    // (3 + 15, 4 + 16) times ((21, 22, 23), (24, 25, 26)), and the bias.
    let by_hand = [18.0 * 21.0 + 20.0 * 24.0 + 1.0, 18.0 * 22.0 + 20.0 * 25.0 + 2.0, 18.0 * 23.0 + 20.0 * 26.0 + 3.0];
    assert_eq!(logits.row(0).to_vec(), by_hand);
}

/// Without it the network would compute something else: a bias that is deep in a module, one that is no tensor, and a weight
/// whose values are to be negated.
#[test]
fn what_would_change_the_network_is_not_passed_over() {
    let error = |file: &str| open(file, None).and_then(|run| run.model().map(drop)).unwrap_err();
    assert!(
        matches!(error("module-deep-bias.pt"), Error::Tensor { tensor, fault: TensorFault::Surplus { .. }, .. } if tensor == "norms.0.bias")
    );
    let text = error("numpy-bias.pt").to_string();
    assert!(text.contains("`b_U`"), "{text}");
    let text = error("negated.pt").to_string();
    assert!(text.contains("W_U"), "{text}");
}

#[test]
fn tied_and_expanded_weights() {
    let run = open("tied.pt", None).unwrap();
    let [left, right] = ["W_x", "W_y"].map(|name| matrix("".as_ref(), &run.tensors, &[name]).unwrap());
    assert_eq!(left, right);
    assert_eq!(left, ndarray::arr2(&[[1.0, 4.0], [2.0, 5.0], [3.0, 6.0]]));
    let run = open("expanded.pt", None).unwrap();
    let right = matrix("".as_ref(), &run.tensors, &["W_y"]).unwrap();
    assert!(right.rows().into_iter().all(|row| row.to_vec() == [11.0, 12.0]), "{right}");
}

#[test]
fn histories_give_their_last_and_say_so() {
    for (file, last, count) in [
        ("history.pt", "model_checkpoints[2]", 3),
        ("history-epochs.pt", "states[900]", 3),
        ("history-keys.pt", "epoch_1000.model", 3),
    ] {
        let run = open(file, None).unwrap();
        counts(&run, 0.0);
        assert_eq!(run.notes(), [format!("the weights are `{last}`, the last of {count} in a history")]);
    }
    counts(&open("history.pt", Some("model_checkpoints[0]")).unwrap(), 200.0);
    counts(&open("history.pt", Some("model_checkpoints")).unwrap(), 0.0);
    counts(&open("history-epochs.pt", Some("states[20]")).unwrap(), 20.0);
    counts(&open("history-keys.pt", Some("epoch_20")).unwrap(), 980.0);
    let folder = folder(&[("cfg.json", CONFIG.as_bytes()), ("m#.pt", &fixture("people/history.pt")), ("m", b"")]);
    let path = folder.path().to_str().unwrap();
    counts(&Run::open(format!("{path}#model_checkpoints[1]")).unwrap(), 100.0);
    counts(&Run::open(format!("{path}/m#.pt#model_checkpoints[1]")).unwrap(), 100.0);
    counts(&Run::open(format!("{path}/m#.pt")).unwrap(), 0.0);
    let beside = open("history-beside.pt", None).unwrap();
    counts(&beside, 0.0);
    assert_eq!(beside.notes(), ["the weights are `model`; not read: `checkpoints[0]`"]);
    counts(&open("history-beside.pt", Some("checkpoints[0]")).unwrap(), 100.0);
}

#[test]
fn two_state_dicts_are_an_error_that_lists_them_unless_one_has_the_usual_name() {
    let files = [
        ("averaged.pt", ["`raw`", "`ema`"]),
        ("two-tuple.pt", ["`[0]`", "`[1]`"]),
        ("module-list.pt", ["`nets.0`", "`nets.1`"]),
    ];
    for (file, names) in files {
        let error = open(file, None).unwrap_err();
        let text = error.to_string();
        assert!(
            matches!(error, Error::SeveralWeights { .. }) && names.iter().all(|name| text.contains(name)),
            "{text}"
        );
    }
    counts(&open("averaged.pt", Some("ema")).unwrap(), 0.0);
    counts(&open("averaged.pt", Some("raw")).unwrap(), 100.0);
    counts(&open("two-tuple.pt", Some("[1]")).unwrap(), 100.0);
    counts(&open("module-list.pt", Some("nets.1")).unwrap(), 100.0);
    let run = open("averaged-model.pt", None).unwrap();
    counts(&run, 0.0);
    assert_eq!(run.notes(), ["the weights are `model`; not read: `ema.module`"]);
    counts(&open("averaged-model.pt", Some("ema")).unwrap(), 100.0);
    let text = open("averaged.pt", Some("emma")).unwrap_err().to_string();
    assert!(text.contains("no `emma`; the nearest is `ema`; there are `raw`, `ema`"), "{text}");
}

#[test]
fn tensors_that_cannot_be_read_are_passed_over_by_name_unless_they_are_the_weights() {
    let run = open("unread.pt", None).unwrap();
    counts(&run, 0.0);
    assert_eq!(run.notes(), ["tensor `z` is not read: torch.ComplexFloatStorage"]);
    assert!(matches!(&run.tensors["z"], Tensor::Unread { shape, .. } if shape == &[2]));
    let error = open("numpy-weights.pt", None).unwrap().model().map(|_| ()).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Tensor { fault: TensorFault::Unfit { .. }, .. }), "{text}");
    assert!(
        text.contains("tensor `W_U`") && text.contains("an object made by numpy._core.multiarray.scalar"),
        "{text}"
    );
    let error = open("legacy-big-endian.pt", None).unwrap_err().to_string();
    assert!(error.contains("big-endian"), "{error}");
}

#[test]
fn without_names_to_look_for_the_usual_state_dict_is_read() {
    let read = |file: &str| torch::read_bytes(&fixture(&format!("people/{file}")), file.as_ref());
    for file in
        ["beside-2.pt", "legacy-beside.pt", "prefixes.pt", "history.pt", "history-beside.pt", "averaged-model.pt"]
    {
        let tensors = read(file).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(tensors.len(), 3, "{file}: {:?}", tensors.keys());
    }
    // A module's names are those of its state_dict(), wherever in it they are.
    let names: Vec<String> = read("module-nested.pt").unwrap().into_keys().collect();
    assert_eq!(names, ["head.weight", "inner.W_U", "inner.W_x", "inner.W_y"]);
    assert!(matches!(read("averaged.pt"), Err(Error::SeveralWeights { .. })));
    let ema = torch::read_entry(&fixture("people/averaged.pt"), "x".as_ref(), "ema").unwrap();
    assert_eq!(ema.len(), 3);
}

/// The weights as safetensors, with a prefix, and with others beside them.
fn safetensors(prefix: &str, names: &[&str], add: f32) -> Vec<u8> {
    let mut tensors = Tensors::new();
    for (name, [rows, columns], first) in NAMES.into_iter().filter(|(name, ..)| names.contains(name)) {
        let values = ndarray::Array::from_shape_fn((rows, columns), |(i, j)| first + add + (i * columns + j) as f32);
        tensors.insert(format!("{prefix}{name}"), Tensor::F32(values.into_dyn()));
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    write_safetensors(file.path(), &tensors, &Default::default()).unwrap();
    std::fs::read(file.path()).unwrap()
}

const ALL: [&str; 3] = ["W_x", "W_y", "W_U"];

#[test]
fn a_folder_has_one_weights_file_of_any_name() {
    let (pt, st) = (fixture("people/module.pt"), safetensors("module.model.", &ALL, 0.0));
    let cfg = ("cfg.json", CONFIG.as_bytes());
    for name in
        ["model.pt", "model.pth", "model.ckpt", "model.bin", "final.pth", "epoch=9.ckpt", "weights", "run.pth.tar"]
    {
        for bytes in [&pt, &st, &fixture("people/legacy-module.pt")] {
            let folder = folder(&[cfg, (name, bytes), ("README", b"{}"), ("log.csv", b"a,b\n"), ("optimizer.pt", &pt)]);
            let run = Run::open(folder.path());
            if matches!(name, "weights" | "run.pth.tar") {
                // Only what bears no usual name is sought by its first bytes.
                let alone = self::folder(&[cfg, (name, bytes), ("README", b"{}"), ("log.csv", b"a,b\n")]);
                counts(&Run::open(alone.path()).unwrap(), 0.0);
                continue;
            }
            counts(&run.unwrap(), 0.0);
            let path = folder.path().join(name);
            let run = Run::open(&path).unwrap();
            counts(&run, 0.0);
            assert_eq!((run.directory(), run.weights()), (folder.path(), &*path));
            counts(&Run::open(folder.path().join("cfg.json")).unwrap(), 0.0);
        }
    }
    for pair in [["a.pt", "b.pth"], ["model.pt", "model.safetensors"]] {
        let folder = folder(&[cfg, (pair[0], &pt), (pair[1], &st)]);
        let text = Run::open(folder.path()).unwrap_err().to_string();
        assert!(
            pair.iter().all(|name| text.contains(&format!("`{name}`"))) && text.contains("give the path"),
            "{text}"
        );
        counts(&Run::open(folder.path().join(pair[0])).unwrap(), 0.0);
    }
    let folder = folder(&[cfg, ("model.pt", &pt), ("early.pt", &st)]);
    let run = Run::open(folder.path()).unwrap();
    assert_eq!(run.notes(), ["the weights are `model.pt`; not read: `early.pt`"]);
}

#[test]
fn shards_are_put_together_by_their_index() {
    let parts = [safetensors("model.", &ALL[..2], 0.0), safetensors("model.", &ALL[2..], 0.0)];
    let names = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    let index = |last: &str| {
        format!(r#"{{"weight_map": {{"model.W_x": "{0}", "model.W_y": "{0}", "model.W_U": "{last}"}}}}"#, names[0])
    };
    let with = |index: &str| {
        let index = ("model.safetensors.index.json", index.as_bytes());
        folder(&[("cfg.json", CONFIG.as_bytes()), (names[0], &parts[0]), (names[1], &parts[1]), index])
    };
    let good = with(&index(names[1]));
    counts(&Run::open(good.path()).unwrap(), 0.0);
    let path = good.path().join("model.safetensors.index.json");
    counts(&Run::open(&path).unwrap(), 0.0);
    assert_eq!(read_tensors(&path).unwrap().len(), 3);
    let torch = folder(&[
        ("cfg.json", CONFIG.as_bytes()),
        ("pytorch_model-1-of-1.bin", &fixture("people/script.pt")),
        ("pytorch_model.bin.index.json", br#"{"weight_map": {"W_x": "pytorch_model-1-of-1.bin", "W_y": "pytorch_model-1-of-1.bin", "W_U": "pytorch_model-1-of-1.bin"}}"#),
    ]);
    counts(&Run::open(torch.path()).unwrap(), 0.0);
    for (bad, part) in [
        (index("../model.safetensors"), "which is no shard"),
        (index("/etc/passwd"), "which is no shard"),
        (index("model.safetensors.index.json"), "which is no shard"),
        (index("model-00003-of-00002.safetensors"), "the nearest name is `model-0000"),
        (index(names[0]), "expected a tensor named model.W_U"),
        ("{}".into(), "`weight_map`"),
        ("[".repeat(1 << 16), "weight_map"),
    ] {
        let text = Run::open(with(&bad).path()).unwrap_err().to_string();
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_is_missing_says_what_there_is_and_what_is_nearest() {
    let cfg = ("cfg.json", CONFIG.as_bytes());
    let root = folder(&[("config.json", CONFIG.as_bytes()), ("model.pt", &fixture("people/module.pt"))]);
    let text = Run::open(root.path()).unwrap_err().to_string();
    assert!(
        text.contains("cfg.json: not found; the nearest name is `config.json`; in `")
            && text.contains("there are `config.json`, `model.pt`"),
        "{text}"
    );
    let text = Run::open(root.path().join("model.pt")).unwrap_err().to_string();
    assert!(text.contains("cfg.json: not found"), "{text}");
    std::fs::create_dir(root.path().join("D53_seed1")).unwrap();
    let text = Run::open(root.path().join("D53_sed1/x")).unwrap_err().to_string();
    assert!(text.contains("the nearest name is `D53_seed1`"), "{text}");
    let text = Run::open(root.path().join("D53_seed1")).unwrap_err().to_string();
    assert!(text.contains("` is empty"), "{text}");
    let text = Run::open(folder(&[cfg, ("notes.txt", b"x")]).path()).unwrap_err().to_string();
    assert!(text.contains("model.pt: not found") && text.contains("`notes.txt`"), "{text}");
    // A tensor of another spelling.
    let few = folder(&[cfg, ("model.safetensors", &safetensors("net.", &["W_x", "W_y"], 0.0))]);
    let text = Run::open(few.path()).unwrap().model().map(|_| ()).unwrap_err().to_string();
    assert!(
        text.contains("expected a tensor named W_U or Wfinal or ") && text.contains(", got W_x (f32 [3, 2]), W_y"),
        "{text}"
    );
    assert!(text.contains("; the nearest name is `W_"), "{text}");
}
