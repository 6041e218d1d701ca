//! The budget: what needs more is refused before it is tried, with the bytes it needs.
//!
//! A test binary of its own, and one test: the budget is the process's.
#![cfg(feature = "train")]

use irreplens::analysis::{interpret, representation};
use irreplens::checkpoint::{
    GroupKind, Layers, LrDecay, ModelKind, Run, RunConfig, read_precomputed, write_safetensors,
};
use irreplens::fourier::{CyclicSubgroupBasis, IrrepBasis};
use irreplens::group::{Cyclic, Dihedral, Group, GroupName};
use irreplens::irrep::irreps;
use irreplens::model::{Architecture, FromFn, Interpretable, Network, Precomputed, Site};
use irreplens::task::{Split, Task};
use irreplens::train::{TrainConfig, Trainer};
use irreplens::{Error, memory};
use ndarray::Array2;
use std::path::Path;
use std::time::{Duration, Instant};

/// What an error about memory says: bytes needed and the budget.
#[track_caller]
fn refused<T>(result: Result<T, Error>) -> (usize, usize) {
    fn inner(error: Error) -> (usize, usize) {
        match error {
            Error::Memory { needed, budget, .. } => (needed, budget),
            Error::InFile { source, .. } => inner(*source),
            error => panic!("{error}"),
        }
    }
    inner(result.err().expect("refused"))
}

fn config(group: GroupKind, n: usize, hidden: usize) -> RunConfig {
    RunConfig {
        model: ModelKind::OneLayerMlp.into(),
        group,
        group_parameter: n,
        seed: 1,
        frac_train: 0.3,
        layers: Layers { embed_dim: 1, hidden_dim: Some(hidden), output_bias: None, other: Default::default() },
        lr: 1e-3,
        weight_decay: 1.0,
        betas: (0.9, 0.98),
        eps: 1e-8,
        warmup_epochs: 0,
        lr_decay: LrDecay::Constant,
        optimiser: Default::default(),
        label_smoothing: 0.0,
        num_epochs: 10,
        missing: Vec::new(),
        other: Default::default(),
    }
}

fn write_run(folder: &Path, n: usize) -> Run {
    config(GroupKind::CyclicGroup, n, 1).write(folder.join("cfg.json")).unwrap();
    let network = Network::random(Architecture::one_layer(1, 1), n, 1).unwrap();
    write_safetensors(folder.join("model.safetensors"), &network.tensors(), &Default::default()).unwrap();
    Run::open(folder).unwrap()
}

#[test]
fn what_is_over_the_budget_is_refused_before_it_is_tried() {
    let start = Instant::now();
    let folder = tempfile::tempdir().unwrap();

    // A run directory of 1.2 MB, whose split alone would be 80 GB and more. Nothing of it is tried on any machine smaller.
    memory::set_budget(Some(24 << 30));
    let n = 100_000;
    let run = write_run(folder.path(), n);
    let group = run.group().unwrap();
    assert_eq!(refused(run.split()), (136_000_000_000, 24 << 30));
    assert_eq!(refused(Task::try_new(&group)).0, 40_000_000_000);
    assert!(refused(run.irreps(&group, None)).0 > 100_000_000_000);
    assert!(refused(irreps(&group)).0 > 40_000_000_000);
    let model = run.model().unwrap();
    refused(model.spectrum("hidden", &run.cyclic_basis(&group)));
    refused(model.neuron_columns("hidden", 0..1));
    refused(Precomputed::record(&model, &["hidden", "logits"], "hidden"));
    #[cfg(feature = "report")]
    refused(irreplens::report::of_run(&Run::open(folder.path()).unwrap(), None, &Ok, &mut |_| ()));

    memory::set_budget(Some(8 << 30));
    // Widths whose products overflow.
    let wide = Architecture::one_layer(usize::MAX / 2 + 1, 2);
    assert_eq!(refused(Network::random(wide, 3, 1)).0, usize::MAX);
    assert_eq!(refused(Split::random(usize::MAX, 0.5, 1)).0, usize::MAX);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());

    // Small budgets, to be refused step by step: each asks for what the one before was granted.
    memory::set_budget(Some(1 << 20));
    let group = Dihedral::new(150).unwrap();
    let (task, basis) = (Task::new(&group), CyclicSubgroupBasis::dihedral(&group));
    let sites = vec![Site::new("h", 8), Site::new("logits", 300)];
    let wave = |pairs: &[irreplens::task::Pair], width| {
        Array2::from_shape_fn((pairs.len(), width), |(i, k)| {
            (pairs[i].0.index() * 7 + pairs[i].1.index() * k) as f32 % 5.0
        })
    };
    let model = FromFn::new(300, sites, "h", move |pairs| vec![wave(pairs, 8), wave(pairs, 300)]).unwrap();
    refused(interpret(&model, &basis, &task));
    refused(IrrepBasis::new(&group));
    for (name, order) in [("SL(2,19)", 6840), ("<a | a^999>", 999), ("D50oD50", 5000)] {
        assert_eq!(refused(name.parse::<GroupName>().unwrap().build()).0, 4 * order * order);
    }
    memory::set_budget(None);
    let (irreps, split) = (IrrepBasis::new(&group).unwrap(), Split::random(300, 0.5, 1).unwrap());
    memory::set_budget(Some(1 << 20));
    refused(representation(&model, &group, &irreps, &task, &split));
    let network = Network::random(Architecture::one_layer(8, 8), 300, 1).unwrap();
    refused(Trainer::from_network(&group, network, split, TrainConfig { epochs: 1, ..TrainConfig::default() }));

    // A file that unfolds to more than the budget.
    let path = folder.path().join("large.npz");
    let mut archive = zip::ZipWriter::new(std::fs::File::create(&path).unwrap());
    archive.start_file("logits.npy", zip::write::SimpleFileOptions::default()).unwrap();
    let header = format!("{:<117}\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (10000, 100), }");
    let zeros = vec![0u8; 4_000_000];
    let bytes = [b"\x93NUMPY\x01\0\x76\0", header.as_bytes(), &zeros].concat();
    std::io::Write::write_all(&mut archive, &bytes).unwrap();
    archive.finish().unwrap();
    assert!(std::fs::metadata(&path).unwrap().len() < 10_000);
    let error = read_precomputed(&path, "logits").unwrap_err();
    assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
    assert_eq!(refused(Err::<(), _>(error)), (3 * 4_000_128, 1 << 20));
    memory::set_budget(None);
    assert!(read_precomputed(&path, "logits").is_ok());
    assert!(memory::budget() > 1 << 20 && Cyclic::new(5).unwrap().order() == 5);
}
