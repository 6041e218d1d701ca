//! Output biases: against a neuron that is always on, by all their names in files, through training and back.

use crate::{data, models};
use irreplens::Error;
use irreplens::analysis::{Ablation, cluster_losses, cosets, embedding, interpret, representation};
use irreplens::checkpoint::{Run, Tensor, Tensors, read_precomputed, write_safetensors};
use irreplens::error::TensorFault;
use irreplens::fourier::{CyclicSubgroupBasis, IrrepBasis};
use irreplens::group::{Cyclic, Dihedral, Elem, subgroup_classes};
use irreplens::model::{Architecture, Evaluation, Hook, Hooks, Interpretable, LOGITS, Network, Precomputed};
use irreplens::task::{Pair, Split, Task};
use irreplens::train::{TrainConfig, Trainer};
use ndarray::{Array1, Array2, ArrayD, Axis, concatenate, s};
use std::collections::BTreeMap;
use std::path::Path;

const NAMES: [&str; 8] = [
    "b_U",
    "unembed_bias",
    "unembed.bias",
    "unembed.b_U",
    "unembedding_bias",
    "unembedding.bias",
    "bias_U",
    "output_bias",
];

fn all_pairs(n: usize) -> Vec<Pair> {
    (0..n * n).map(|i| (Elem::new(i / n), Elem::new(i % n))).collect()
}

/// A summed net with an output bias, and the net without that has one more neuron, which is 1 at every pair.
fn biased_and_always_on(n: usize, d: usize, seed: u64) -> (Network, Network) {
    let net = models::summed(n, d, seed);
    let bias = 2.0 * models::row(n, seed + 1);
    let ((left, right), unembed) = (net.embeddings().unwrap(), net.readout().unembedding().unwrap());
    let (one, nothing) = (Array2::ones((n, 1)), Array2::zeros((n, 1)));
    let always_on = Network::summed(
        concatenate![Axis(1), left, one],
        concatenate![Axis(1), right, nothing],
        concatenate![Axis(0), unembed, bias.view().insert_axis(Axis(0))],
    );
    (net.with_output_bias(bias).unwrap(), always_on.unwrap())
}

#[track_caller]
fn close(what: &str, got: f64, want: f64) {
    assert!((got - want).abs() <= 2e-5 * want.abs().max(1.0), "{what}: {got} against {want}");
}

#[track_caller]
fn same(what: &str, got: Evaluation, want: Evaluation) {
    close(what, got.loss, want.loss);
    assert_eq!(got.accuracy, want.accuracy, "{what}");
}

#[test]
fn an_output_bias_is_a_neuron_that_is_always_on() {
    let group = Dihedral::new(5).unwrap();
    let (n, d) = (10, 7);
    let (task, split) = (Task::new(&group), Split::random(n, 0.6, 1).unwrap());
    let basis = CyclicSubgroupBasis::dihedral(&group);
    let irreps = IrrepBasis::new(&group).unwrap();
    let (biased, always_on) = biased_and_always_on(n, d, 5);
    same("loss", biased.evaluate(&task, &Hooks::none()).unwrap(), always_on.evaluate(&task, &Hooks::none()).unwrap());
    for hook in [Hook::zero("hidden").on_channels(vec![1, 4]), Hook::scale(LOGITS, 0.5)] {
        let hooks = Hooks::none().with(hook);
        same("hooked", biased.evaluate(&task, &hooks).unwrap(), always_on.evaluate(&task, &hooks).unwrap());
    }

    // Logits: their moments, columns and spectra.
    let spectra = [&biased, &always_on].map(|model| model.neuron_and_logit_spectra(&basis).unwrap().1);
    let direct = models::Opaque(biased.clone()).neuron_and_logit_spectra(&basis).unwrap().1;
    let energies = |s: &irreplens::model::SiteSpectrum| {
        let b = &s.by_block;
        [&b.mean, &b.energy, &b.energy_centred, &b.constant].map(|values| values.to_vec())
    };
    for other in [&spectra[1], &direct] {
        for (got, want) in energies(&spectra[0]).concat().into_iter().zip(energies(other).concat()) {
            close("energies of logits", got, want);
        }
        close("the constant", spectra[0].split.constant, other.split.constant);
        close("within a block", spectra[0].split.within_block, other.split.within_block);
    }
    let columns = [&biased, &always_on].map(|model| model.neuron_columns(LOGITS, 2..5).unwrap());
    columns[0].iter().zip(&columns[1]).for_each(|(&a, &b)| close("columns", a.into(), b.into()));

    // Ablations: with a cluster dropped the bias stays, and kept alone it is there too.
    let clusters = BTreeMap::from([(1, vec![0, 2, 3]), (2, vec![1])]);
    let with_the_neuron = clusters.iter().map(|(&b, members)| (b, [&members[..], &[d]].concat())).collect();
    for (what, others) in [(Ablation::Drop, &clusters), (Ablation::Keep, &with_the_neuron)] {
        let got = cluster_losses(&biased, &task, &clusters, what).unwrap();
        let want = cluster_losses(&always_on, &task, others, what).unwrap();
        got.iter().for_each(|(b, &got)| same("a cluster", got, want[b]));
    }
    let slow = models::Opaque(biased.clone());
    let (fast, slow) = (interpret(&biased, &basis, &task).unwrap(), interpret(&slow, &basis, &task).unwrap());
    same("own blocks", fast.own_block_only.unwrap(), slow.own_block_only.unwrap());
    same("means removed", fast.hidden_centred.unwrap(), slow.hidden_centred.unwrap());

    // In irreps: what the logits have to do with characters is the same, the hidden layer's shares are.
    let of = |model: &Network| representation(model, &group, &irreps, &task, &split).unwrap();
    let (got, want) = (of(&biased), of(&always_on));
    same("training pairs", got.train.unwrap(), want.train.unwrap());
    close("explained", got.logit_fve.unwrap(), want.logit_fve.unwrap());
    for (got, want) in got.irreps.iter().zip(&want.irreps).skip(1) {
        close("similarity", got.trace_similarity.unwrap(), want.trace_similarity.unwrap());
        close("hidden xy", got.hidden_xy.unwrap(), want.hidden_xy.unwrap());
        if let (Some(got), Some(want)) = (&got.losses, &want.losses) {
            same("hidden excluded", got.hidden_excluded.unwrap(), want.hidden_excluded.unwrap());
            same("logits excluded", got.logit_excluded.unwrap(), want.logit_excluded.unwrap());
            same("logits restricted", got.logit_restricted, want.logit_restricted);
        }
    }
}

#[test]
fn the_spectrum_of_the_bias_is_shown() {
    let group = Cyclic::new(9).unwrap();
    let wave = Array1::from_shape_fn(9, |z| (std::f32::consts::TAU * 2.0 * z as f32 / 9.0).cos());
    let plain = models::bilinear(9, 4, 1);
    let basis = CyclicSubgroupBasis::cyclic(&group);
    let none = embedding(&plain, &basis).unwrap();
    assert!(none.output_bias.is_none() && !none.to_string().contains("output bias"));
    assert!(!serde_json::to_string(&none).unwrap().contains("output_bias"));
    let found = embedding(&plain.with_output_bias(wave).unwrap(), &basis).unwrap();
    let norms = found.output_bias.as_ref().unwrap();
    assert!((norms[3] - 4.5).abs() < 1e-5 && (norms.sum() - 4.5).abs() < 1e-5, "{norms}"); // cos 2
    assert!(found.to_string().contains("output bias"));
}

// ---- recorded activations -------------------------------------------------------------------------

fn tensor(array: &Array2<f32>) -> Tensor {
    Tensor::F32(array.as_standard_layout().into_owned().into_dyn())
}

fn vector(values: &Array1<f32>) -> Tensor {
    Tensor::F32(values.clone().into_dyn())
}

/// Sites of a model at all pairs.
fn sites(model: &dyn Interpretable, names: &[&str]) -> Tensors {
    let mut cache = model.run_with_cache(&all_pairs(model.order()), names).unwrap();
    names.iter().map(|&name| (name.to_owned(), tensor(&cache.take(name).unwrap()))).collect()
}

fn recorded(tensors: &Tensors) -> Result<Precomputed, Error> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("run.safetensors");
    write_safetensors(&file, tensors, &BTreeMap::new()).unwrap();
    read_precomputed(&file, "hidden")
}

#[test]
fn recordings_with_an_output_bias() {
    let (n, bias) = (7, models::row(7, 3));
    let net = models::one_layer(n, 3, 6, true, 2).with_output_bias(bias.clone()).unwrap();
    let task = Task::new(&Cyclic::new(n).unwrap());
    let mut plain = sites(&net, &["hidden", LOGITS]);
    plain.insert("unembed".into(), tensor(&net.readout().unembedding().unwrap().to_owned()));
    let hooks = Hooks::none().with(Hook::zero("hidden").on_channels(vec![1, 3]));
    let want = net.evaluate(&task, &hooks).unwrap();
    let check = |what: &str, found: Precomputed| {
        same(what, found.evaluate(&task, &hooks).unwrap(), want);
        found.readout().bias().unwrap().iter().zip(&bias).for_each(|(&got, &b)| close(what, got.into(), b.into()));
        irreplens::laws::model::check(&found).unwrap();
    };
    // Found where it is not there; read under every name, as a vector and as a row.
    check("found", recorded(&plain).unwrap());
    for name in NAMES {
        for stored in [vector(&bias), tensor(&bias.clone().insert_axis(Axis(0)))] {
            let mut tensors = plain.clone();
            tensors.insert(name.into(), stored);
            let found = recorded(&tensors).unwrap();
            assert_eq!(found.sites().len(), 2, "{name} is no site");
            assert_eq!(found.readout().bias(), Some(bias.view()));
            check(name, found);
        }
    }
    // A bias that is not that of the logits, one of another length, and an unembedding that no row makes right.
    let mut wrong = plain.clone();
    wrong.insert("b_U".into(), vector(&(&bias + 0.1)));
    let error = recorded(&wrong).unwrap_err().to_string();
    assert!(error.contains("run.safetensors: the unembedding does not read the logits off `hidden`"), "{error}");
    wrong.insert("b_U".into(), vector(&bias.slice(s![..6]).to_owned()));
    let error = recorded(&wrong).unwrap_err().to_string();
    assert!(error.ends_with("output bias: expected shape [7], got [6]"), "{error}");
    let mut wrong = plain.clone();
    let mut unembed = net.readout().unembedding().unwrap().to_owned();
    unembed[[2, 1]] += 0.5;
    wrong.insert("unembed".into(), tensor(&unembed));
    assert!(recorded(&wrong).is_err());
    // Without a bias there is none.
    let plain_net = models::one_layer(n, 3, 6, true, 2);
    let mut tensors = sites(&plain_net, &["hidden", LOGITS]);
    tensors.insert("W_U".into(), tensor(&net.readout().unembedding().unwrap().to_owned()));
    assert!(recorded(&tensors).unwrap().readout().bias().is_none());
}

#[test]
fn the_case_of_a_bias_that_is_not_recorded() {
    let Some(root) = data::folder("the_case_of_a_bias_that_is_not_recorded") else { return };
    let file = root.parent().unwrap().join("cases/21-output-bias/run.npz");
    if !file.exists() {
        return eprintln!("SKIPPED: {} is absent", file.display());
    }
    let found = read_precomputed(&file, "hidden").unwrap();
    let group = Cyclic::new(7).unwrap();
    let evaluation = found.evaluate(&Task::new(&group), &Hooks::none()).unwrap();
    assert!((evaluation.loss / 3.723834e-1 - 1.0).abs() < 1e-6, "{evaluation}");
    assert_eq!(evaluation.accuracy, 0.8367346938775511);
    // Read out again by way of a hook that changes nothing.
    let hooks = Hooks::none().with(Hook::scale("hidden", 1.0));
    let again = found.evaluate(&Task::new(&group), &hooks).unwrap();
    assert!((again.loss / evaluation.loss - 1.0).abs() < 1e-5, "{again}");
    assert!(found.readout().bias().is_some());
    interpret(&found, &CyclicSubgroupBasis::cyclic(&group), &Task::new(&group)).unwrap();
}

#[test]
fn maps_beside_recorded_activations() {
    let group = Dihedral::new(4).unwrap();
    let classes = subgroup_classes(&group, 100).unwrap();
    let task = Task::new(&group);
    let (basis, split) = (IrrepBasis::new(&group).unwrap(), Split::random(8, 0.6, 1).unwrap());
    let maps = |model: &dyn Interpretable| model.maps().map(|(left, right)| (left.to_owned(), right.to_owned()));
    let same_maps = |what: &str, found: &Precomputed, net: &dyn Interpretable| {
        assert_eq!(maps(found), maps(net), "{what}");
        assert_eq!(cosets(found, &group, &classes).unwrap(), cosets(net, &group, &classes).unwrap(), "{what}");
        let shares = |model: &dyn Interpretable| {
            let found = representation(model, &group, &basis, &task, &split).unwrap();
            found.irreps.iter().map(|m| (m.embed_left, m.embed_right)).collect::<Vec<_>>()
        };
        assert_eq!(shares(found), shares(net), "{what}");
        let spectra = |model: &dyn Interpretable| embedding(model, &basis).unwrap().neuron_left;
        assert_eq!(spectra(found), spectra(net), "{what}");
    };

    // Embeddings whose sum, or product, the neurons read.
    let summed = models::summed(8, 5, 1);
    let bilinear = models::bilinear(8, 5, 2);
    let nets: [(&str, &dyn Interpretable); 2] = [("summed", &summed), ("bilinear", &bilinear)];
    for (what, net) in nets {
        let mut tensors = sites(net, &["hidden", LOGITS]);
        let (left, right) = net.embeddings().unwrap();
        tensors
            .extend([("embed_left", left), ("embed_right", right)].map(|(k, a)| (k.to_owned(), tensor(&a.to_owned()))));
        same_maps(what, &recorded(&tensors).unwrap(), net);
        // Exchanged they are embeddings, and no maps.
        tensors.insert("embed_left".into(), tensor(&right.to_owned()));
        tensors.insert("embed_right".into(), tensor(&left.to_owned()));
        let found = recorded(&tensors).unwrap();
        assert!(found.maps().is_none() && found.embeddings().is_some(), "{what}");
    }

    // Stacked embeddings of as many channels as there are neurons are no maps; the maps themselves are.
    let net = models::one_layer(8, 6, 6, true, 3);
    let (left, right) = net.embeddings().unwrap();
    let mut tensors = sites(&net, &["hidden_pre", "hidden", LOGITS]);
    tensors.extend([("embed_left", left), ("embed_right", right)].map(|(k, a)| (k.to_owned(), tensor(&a.to_owned()))));
    let found = recorded(&tensors).unwrap();
    assert!(found.maps().is_none() && found.embeddings().is_some());
    assert!(matches!(cosets(&found, &group, &classes), Err(Error::Unsupported { .. })));
    let (left, right) = net.maps().unwrap();
    tensors.insert("left".into(), tensor(&left.to_owned()));
    tensors.insert("right".into(), tensor(&right.to_owned()));
    same_maps("stacked", &recorded(&tensors).unwrap(), &net);

    // Maps that do not give the pre-activations, without them the neurons, of the wrong width, and one without the other.
    let message = |tensors: &Tensors| recorded(tensors).unwrap_err().to_string();
    let mut wrong = tensors.clone();
    wrong.insert("left".into(), tensor(&right.to_owned()));
    let error = message(&wrong);
    assert!(
        error.contains("run.safetensors: neither the sum nor the product of the two maps gives `hidden_pre`"),
        "{error}"
    );
    wrong.remove("hidden_pre");
    assert!(message(&wrong).contains("gives `hidden`"), "{}", message(&wrong));
    wrong.insert("left".into(), tensor(&left.slice(s![.., ..3]).to_owned()));
    assert!(message(&wrong).ends_with("left map: expected shape [8, 6], got [8, 3]"), "{}", message(&wrong));
    wrong.remove("left");
    assert!(matches!(recorded(&wrong), Err(Error::MissingTensor { .. })));
    let nan = Array2::from_elem((8, 6), f32::NAN);
    let pre = Precomputed::record(&net, &["hidden_pre", "hidden", LOGITS], "hidden").unwrap();
    assert!(matches!(pre.with_maps(nan.clone(), nan), Err(Error::RecordingMismatch { .. })));
}

// ---- run directories ------------------------------------------------------------------------------

fn write(directory: &Path, model: &str, output_bias: Option<bool>, tensors: &Tensors) {
    let bias = output_bias.map_or(String::new(), |has| format!(r#", "output_bias": {has}"#));
    let config = format!(
        r#"{{"model": "{model}", "group": "CyclicGroup", "group_parameter": 6, "seed": 1, "frac_train": 0.4,
            "layers": {{"embed_dim": 4, "hidden_dim": 5{bias}}}, "lr": 0.001, "weight_decay": 1, "num_epochs": 10}}"#
    );
    std::fs::write(directory.join("cfg.json"), config).unwrap();
    write_safetensors(directory.join("model.safetensors"), tensors, &BTreeMap::new()).unwrap();
}

fn read(model: &str, output_bias: Option<bool>, tensors: &Tensors) -> Result<Box<dyn Interpretable>, Error> {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), model, output_bias, tensors);
    Run::open(directory.path())?.model()
}

fn named<const N: usize>(tensors: [(&str, Tensor); N]) -> Tensors {
    tensors.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect()
}

#[test]
fn run_directories_with_an_output_bias() {
    let (n, bias) = (6, models::row(6, 9));
    let mut draw = models::Draw::new(4);
    let [a, b] = [(); 2].map(|()| draw.matrix(n, 4));
    let (w, w2, u, v) = (draw.matrix(8, 5), draw.matrix(4, 5), draw.matrix(5, n), draw.matrix(4, n));
    let hidden = draw.matrix(1, 5).row(0).to_owned();
    let weights = || named([("W_E_a", tensor(&a)), ("W_E_b", tensor(&b)), ("W", tensor(&w)), ("W_U", tensor(&u))]);
    let with = |mut tensors: Tensors, name: &str, value: Tensor| {
        tensors.insert(name.to_owned(), value);
        tensors
    };
    let one = |b_after: Option<Array1<f32>>| {
        Network::one_layer(a.clone(), b.clone(), w.clone(), b_after, u.clone()).unwrap().with_output_bias(bias.clone())
    };
    let logits = |model: &dyn Interpretable| model.forward(&all_pairs(n)).unwrap();
    let want = logits(&one(None).unwrap());
    for name in NAMES {
        for settings in [None, Some(true)] {
            let model = read("OneLayerMLP", settings, &with(weights(), name, vector(&bias))).unwrap();
            assert_eq!(logits(&model), want, "{name}");
        }
    }
    // Other kinds, and both biases at once.
    let both = with(with(weights(), "b", vector(&hidden)), "b_U", tensor(&bias.clone().insert_axis(Axis(0))));
    assert_eq!(logits(&read("OneLayerMLPwithBias", None, &both).unwrap()), logits(&one(Some(hidden.clone())).unwrap()));
    let short = named([("W_x", tensor(&a)), ("W_y", tensor(&b)), ("W_U", tensor(&v)), ("b_U", vector(&bias))]);
    let summed = Network::summed(a.clone(), b.clone(), v.clone()).unwrap().with_output_bias(bias.clone()).unwrap();
    assert_eq!(logits(&read("BetterOneLayerMLP", None, &short).unwrap()), logits(&summed));
    let bilinear = Network::bilinear(a.clone(), b.clone(), v.clone()).unwrap().with_output_bias(bias.clone()).unwrap();
    assert_eq!(logits(&read("BilinearNet", None, &short).unwrap()), logits(&bilinear));
    let two = named([
        ("W1a", tensor(&a)),
        ("W1b", tensor(&b)),
        ("W", tensor(&w2)),
        ("Wfinal", tensor(&u)),
        ("b_U", vector(&bias)),
    ]);
    read("BetterTwoLayerMLP", None, &two).unwrap();

    // As nn.Embedding and nn.Linear name and store them.
    let turned = |m: &Array2<f32>| tensor(&m.t().to_owned());
    for [left, right, unembed] in
        [["lembed", "rembed", "unembed"], ["embedding_left", "embedding_right", "unembedding"]]
    {
        let modules = named([
            (&format!("{left}.weight"), tensor(&a)),
            (&format!("{right}.weight"), tensor(&b)),
            ("linear.weight", turned(&w)),
            (&format!("{unembed}.weight"), turned(&u)),
            (&format!("{unembed}.bias"), vector(&bias)),
        ]);
        let got = logits(&read("OneLayerMLP", None, &modules).unwrap());
        assert!(got.iter().zip(&want).all(|(a, b)| (a - b).abs() < 1e-5), "{left}");
        // A bias before the ReLU has no place, unless it does nothing.
        let error = read("OneLayerMLP", None, &with(modules.clone(), "linear.bias", vector(&hidden))).err().unwrap();
        assert!(
            matches!(&error, Error::Tensor { tensor, fault: TensorFault::Surplus { shape, .. }, .. } if tensor == "linear.bias" && shape == &[5]),
            "{error}"
        );
        assert!(read("OneLayerMLP", None, &with(modules, "linear.bias", vector(&Array1::zeros(5)))).is_ok());
    }
    let linear =
        with(named([("W_E_a", tensor(&a)), ("W_E_b", tensor(&b)), ("W", tensor(&w))]), "unembed.weight", tensor(&u));
    let error = read("OneLayerMLP", None, &linear).err().unwrap().to_string();
    assert!(error.contains("`unembed.weight`: expected shape [6, 5]"), "{error}");
}

#[test]
fn settings_and_weights_that_disagree_on_a_bias() {
    let (n, bias) = (6, models::row(6, 9));
    let net = models::one_layer(n, 4, 5, false, 1);
    let (left, right) = net.embeddings().unwrap();
    let weights = named([
        ("W_E_a", tensor(&left.to_owned())),
        ("W_E_b", tensor(&right.to_owned())),
        ("W", tensor(&net.parameter("W").unwrap().to_owned())),
        ("W_U", tensor(&net.readout().unembedding().unwrap().to_owned())),
    ]);
    let mut biased = weights.clone();
    biased.insert("unembed.bias".into(), vector(&bias));
    let message = |settings, tensors: &Tensors| read("OneLayerMLP", settings, tensors).err().unwrap().to_string();
    let error = message(Some(false), &biased);
    assert!(error.contains("cfg.json: layers.output_bias is false, but "), "{error}");
    assert!(error.ends_with("model.safetensors has the output bias `unembed.bias`"), "{error}");
    let error = message(Some(true), &weights);
    assert!(error.contains("cfg.json: layers.output_bias is true, but "), "{error}");
    assert!(error.ends_with("model.safetensors has no output bias"), "{error}");
    assert!(read("OneLayerMLP", Some(false), &weights).is_ok());
    // Two of them: the model has a place for one.
    let mut two = biased.clone();
    two.insert("b_U".into(), vector(&(&bias * 2.0)));
    assert!(message(None, &two).contains("tensor `unembed.bias`: expected no bias beside those of the model"));
    // Of another length, not finite, and a bias of the neurons that the architecture lacks.
    let mut wrong = weights.clone();
    wrong.insert("b_U".into(), vector(&Array1::ones(5)));
    assert!(
        message(None, &wrong).contains("`b_U`: expected shape [6] (step `logits` and the order of the group), got [5]")
    );
    wrong.insert("b_U".into(), vector(&Array1::from_elem(6, f32::NAN)));
    assert!(matches!(
        read("OneLayerMLP", None, &wrong),
        Err(Error::Tensor { fault: TensorFault::NonFinite { .. }, .. })
    ));
    let mut wrong = weights.clone();
    wrong.insert("b".into(), vector(&Array1::ones(5)));
    assert!(message(None, &wrong).contains("tensor `b`: expected no bias"));
    assert!(message(None, &named([("b_U", Tensor::I64(ArrayD::zeros(vec![6])))])).contains("expected a tensor named"));
    // The settings of a run that is read say what the weights do.
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), "OneLayerMLP", None, &biased);
    let config = Run::open(directory.path()).unwrap().config;
    assert_eq!(config.architecture(), Architecture::one_layer(4, 5).with_output_bias());
}

// ---- training -------------------------------------------------------------------------------------

#[test]
fn the_initial_bias_is_that_of_nn_linear_and_changes_nothing_before_it() {
    let plain = Network::random(Architecture::one_layer_with_bias(8, 16), 200, 3).unwrap();
    let biased = Network::random(Architecture::one_layer_with_bias(8, 16).with_output_bias(), 200, 3).unwrap();
    let count = plain.parameters().len();
    assert_eq!(plain.parameters(), &biased.parameters()[..count]);
    let bias = &biased.parameters()[count..];
    assert_eq!(bias.len(), 200);
    assert!(bias.iter().all(|b| b.abs() <= 0.25)); // 1/sqrt(16)
    let mean_square = bias.iter().map(|b| b * b).sum::<f32>() / 200.0;
    assert!((mean_square * 3.0 / 0.0625 - 1.0).abs() < 0.25, "{mean_square}");
}

#[test]
fn a_biased_network_is_trained_kept_and_resumed() {
    let group = Dihedral::new(3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let architecture = Architecture::one_layer(6, 9).with_output_bias();
    let trainer = |epochs, directory: &str| {
        let config = TrainConfig { epochs, measure_every: 10, ..TrainConfig::default() };
        let split = Split::random(6, 0.7, 1).unwrap();
        Trainer::new(&group, architecture.clone(), split, config).unwrap().in_directory(folder.path().join(directory))
    };
    let mut whole = trainer(60, "whole").unwrap();
    let outcome = whole.run().unwrap();
    trainer(20, "cut").unwrap().run().unwrap();
    let mut cut = trainer(60, "cut").unwrap();
    assert_eq!(cut.epoch(), 20);
    cut.run().unwrap();
    assert!(cut.network() == whole.network());
    // The directory gives the network back, and says that it has a bias.
    let run = Run::open(folder.path().join("whole")).unwrap();
    assert_eq!(run.config.layers.output_bias, Some(true));
    let settings = std::fs::read_to_string(folder.path().join("whole/cfg.json")).unwrap();
    assert!(settings.contains(r#""output_bias": true"#), "{settings}");
    let (read, network) = (run.model().unwrap(), whole.network());
    assert_eq!(read.forward(&all_pairs(6)).unwrap(), network.forward(&all_pairs(6)).unwrap());
    let logits = read.forward(&all_pairs(6)).unwrap();
    let losses = irreplens::model::cross_entropy(logits.view(), Task::new(&group).labels()).unwrap();
    let train = &whole.split().train;
    let mean = train.iter().map(|&pair| losses[pair]).sum::<f64>() / train.len() as f64;
    assert!((outcome.metrics.train.loss / mean - 1.0).abs() < 1e-4, "{mean} against {}", outcome.metrics.train.loss);
    // Weight decay alone would leave the bias where its first values point.
    assert!(read.readout().bias().unwrap().iter().any(|&b| b != 0.0));
    drop((whole, cut));
    // Another architecture does not go on from it, and weights with a bias are none of one without.
    let config = TrainConfig { epochs: 60, ..TrainConfig::default() };
    let split = Split::random(6, 0.7, 1).unwrap();
    let other = Trainer::new(&group, Architecture::one_layer(6, 9), split, config).unwrap();
    let error = other.in_directory(folder.path().join("whole")).err().unwrap();
    assert!(matches!(&error, Error::RunDiffers { what, .. } if what == "layers"), "{error}");
    let error = Network::from_tensors(Architecture::one_layer(6, 9), 6, Path::new("m"), &run.tensors).unwrap_err();
    assert!(
        matches!(&error, Error::Tensor { tensor, fault: TensorFault::Surplus { .. }, .. } if tensor == "b_U"),
        "{error}"
    );
}
