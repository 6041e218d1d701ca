//! The network of `docs/adding-a-model.md`, in Rust and in `cfg.json`: one network, trained, kept, hooked, analysed, reported.

use irreplens::analysis::{ProvenBy, certify, explain, neurons};
use irreplens::checkpoint::{ModelKind, ModelSettings, Optimiser, Run, RunConfig, Tensor, Tensors, write_safetensors};
use irreplens::error::TensorFault;
use irreplens::fourier::{CyclicSubgroupBasis, IrrepBasis};
use irreplens::group::Cyclic;
use irreplens::model::{
    Activation, Architecture, Hook, Hooks, Initial, Interpretable, Layout, Network, Operation, Token,
};
use irreplens::task::{Split, Task};
use irreplens::train::{TrainConfig, Trainer};
use irreplens::{Error, laws, report};
use std::path::Path;

/// The settings on the page.
fn on_the_page() -> String {
    settings_of(include_str!("../../docs/adding-a-model.md"))
}

fn settings_of(page: &str) -> String {
    page.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of JSON").to_owned()
}

/// The description on the page, in Rust.
fn in_rust() -> Architecture {
    Architecture::new()
        .embed("left", Token::Left, "E_a", 8)
        .embed("right", Token::Right, "E_b", 8)
        .concatenate("both", ["left", "right"])
        .linear_with_bias("first_pre", "both", "W1", "b1", 16)
        .activate("first", "first_pre", Activation::Gelu)
        .linear_with_bias("hidden_pre", "first", "W2", "b2", 16)
        .activate("hidden", "hidden_pre", Activation::Gelu)
        .sum("stream", ["hidden", "both"])
        .unembed("stream", "W_U")
        .neurons("hidden")
}

fn settings(folder: &Path, text: &str) -> Result<RunConfig, Error> {
    let path = folder.join("cfg.json");
    std::fs::write(&path, text).unwrap();
    RunConfig::read(path)
}

#[test]
fn the_page_describes_one_network_twice() {
    let folder = tempfile::tempdir().unwrap();
    let config = settings(folder.path(), &on_the_page()).unwrap();
    assert_eq!(config.architecture(), in_rust());
    // Written and read again, it is what it was.
    config.write(folder.path().join("cfg.json")).unwrap();
    assert_eq!(RunConfig::read(folder.path().join("cfg.json")).unwrap(), config);
}

#[test]
fn a_described_network_is_trained_kept_hooked_analysed_and_reported() {
    let folder = tempfile::tempdir().unwrap();
    let (group, task) = (Cyclic::new(7).unwrap(), Task::new(&Cyclic::new(7).unwrap()));
    let config = settings(folder.path(), &on_the_page()).unwrap();
    let split = Split::published(7, config.frac_train, config.seed).unwrap();
    let whole = folder.path().join("whole");
    let trainer = |epochs, directory: &Path| {
        let config = TrainConfig { epochs, ..TrainConfig::from(&config) };
        Trainer::new(&group, in_rust(), split.clone(), config).unwrap().in_directory(directory).unwrap()
    };
    let mut trained = trainer(60, &whole);
    trained.run().unwrap();
    // Cut in two, it ends with the same bits.
    let cut = folder.path().join("cut");
    trainer(25, &cut).run().unwrap();
    let mut rest = trainer(60, &cut);
    assert_eq!(rest.epoch(), 25);
    rest.run().unwrap();
    assert_eq!(rest.network(), trained.network());

    let run = Run::open(&whole).unwrap();
    assert!(matches!(run.config.model, ModelSettings::Described(_)));
    let model = run.model().unwrap();
    assert_eq!(run.network().unwrap(), **trained.network());
    let evaluation = model.evaluate(&task, &Hooks::none()).unwrap();
    let hooked = model.evaluate(&task, &Hooks::none().with(Hook::zero("first"))).unwrap();
    assert!(evaluation.loss < hooked.loss, "{evaluation:?} against {hooked:?}");
    let found = neurons(&model, &CyclicSubgroupBasis::cyclic(&group)).unwrap();
    assert_eq!(found.neurons.len(), 16);
    let page = report::of_run(&run, None, &Ok, &mut |_| ()).unwrap().html();
    assert!(page.contains("hidden_pre"), "the report shows the description");
}

#[test]
fn what_is_stored_otherwise_is_read_and_what_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    settings(folder.path(), &on_the_page().replace(r#""weight": "W1","#, r#""weight": "W1", "layout": "transposed","#))
        .unwrap();
    let network = Network::random(in_rust(), 7, 3).unwrap();
    let mut tensors = network.tensors();
    let Tensor::F32(weight) = &tensors["W1"] else { panic!("weights are f32") };
    tensors.insert("W1".into(), Tensor::F32(weight.t().as_standard_layout().into_owned()));
    let write = |tensors: &Tensors| {
        write_safetensors(folder.path().join("model.safetensors"), tensors, &Default::default()).unwrap();
        Run::open(folder.path()).and_then(|run| run.network())
    };
    assert_eq!(write(&tensors).unwrap().parameters(), network.parameters());
    let mut surplus = tensors.clone();
    surplus.insert("W3".into(), Tensor::F32(ndarray::ArrayD::zeros(vec![2, 2])));
    assert!(
        matches!(write(&surplus).unwrap_err(), Error::Tensor { tensor, fault: TensorFault::Surplus { .. }, .. } if tensor == "W3")
    );
    let mut missing = tensors.clone();
    missing.remove("b2");
    let error = write(&missing).unwrap_err().to_string();
    assert!(error.contains("expected a tensor named b2, for step `hidden_pre`"), "{error}");
    let mut misshapen = tensors.clone();
    misshapen.insert("W2".into(), Tensor::F32(ndarray::ArrayD::zeros(vec![16, 15])));
    let error = write(&misshapen).unwrap_err().to_string();
    assert!(error.contains("`W2`: expected shape [16, 16] (step `hidden_pre`"), "{error}");
    for (from, to, expected) in [
        (r#""function": "gelu""#, r#""function": "gulp""#, "gulp"),
        (r#""linear": {"input": "first","#, r#""linear": {"inputs": "first","#, "input"),
        (r#""neurons": "hidden""#, r#""neuron": "hidden""#, "neurons"),
    ] {
        let error = settings(folder.path(), &on_the_page().replacen(from, to, 1)).unwrap_err().to_string();
        assert!(error.contains("cfg.json") && error.contains(expected), "{error}");
    }
    let unknown = on_the_page().replace(r#""inputs": ["hidden", "both"]"#, r#""inputs": ["hidden", "most"]"#);
    settings(folder.path(), &unknown).unwrap();
    let error = write(&tensors).unwrap_err().to_string();
    assert!(error.contains("step `stream`") && error.contains("`most`"), "{error}");
}

#[test]
fn frozen_parameters_stay_and_initial_values_are_those_that_are_said() {
    let mut architecture = Architecture::summed(8).with_output_bias();
    architecture.initial.insert("b_U".into(), Initial::Constant(0.25));
    architecture.initial.insert("W_E_b".into(), Initial::Uniform(0.5));
    architecture.frozen = vec!["b_U".into(), "W_E_b".into()];
    let config = TrainConfig { epochs: 20, ..TrainConfig::default() };
    let split = Split::random(5, 0.8, 1).unwrap();
    let mut trainer = Trainer::new(&Cyclic::new(5).unwrap(), architecture, split, config).unwrap();
    let before = trainer.network().clone();
    trainer.run().unwrap();
    let of = |network: &Network, name: &str| network.parameter(name).unwrap().to_owned();
    assert!(of(&before, "b_U").iter().all(|&b| b == 0.25));
    assert!(of(&before, "W_E_b").iter().all(|b| b.abs() <= 0.5) && of(&before, "W_E_b").iter().any(|b| b.abs() > 0.4));
    for name in ["b_U", "W_E_b"] {
        assert_eq!(of(trainer.network(), name), of(&before, name), "{name}");
    }
    assert_ne!(of(trainer.network(), "W_E_a"), of(&before, "W_E_a"));
}

/// Every published network is written by its name, every other step by step.
#[test]
fn settings_name_what_has_a_name() {
    let described =
        |architecture: &Architecture| matches!(ModelSettings::of(architecture).0, ModelSettings::Described(_));
    for (architecture, kind, widths) in [
        (Architecture::one_layer(6, 9), ModelKind::OneLayerMlp, (6, Some(9))),
        (Architecture::one_layer_with_bias(9, 6).with_output_bias(), ModelKind::OneLayerMlpWithBias, (9, Some(6))),
        (Architecture::summed(5), ModelKind::SummedMlp, (5, None)),
        (Architecture::two_layer(5, 5), ModelKind::TwoLayerMlp, (5, Some(5))),
        (Architecture::bilinear(4), ModelKind::Bilinear, (4, None)),
    ] {
        let (settings, layers) = ModelSettings::of(&architecture);
        assert!(settings.is(kind), "{settings:?}");
        assert_eq!((layers.embed_dim, layers.hidden_dim), widths);
        let again =
            kind.architecture(layers.embed_dim, layers.hidden_dim.unwrap_or(0), layers.output_bias == Some(true));
        assert_eq!(again, architecture);
    }
    assert!(described(&Architecture::summed_with(5, Activation::Square)));
    let mut narrow = Architecture::one_layer(6, 9);
    if let Operation::Linear { layout, .. } = &mut narrow.steps[3].operation {
        *layout = Layout::Transposed;
    }
    assert!(described(&narrow));
}

#[test]
fn maps_are_those_that_the_activation_reads_whatever_linear_steps_make_them() {
    // Wu et al. 2024: (E_a[x] + E_b[y]) W, a ReLU, and an unembedding with a bias.
    let folder = tempfile::tempdir().unwrap();
    let config = settings(folder.path(), &settings_of(include_str!("../../docs/explanations.md"))).unwrap();
    assert_eq!((config.optimiser, config.betas), (Optimiser::Adam, (0.9, 0.999)));
    let net = Network::random(config.architecture(), 7, 1).unwrap();
    let largest = |name: &str| net.parameter(name).unwrap().iter().fold(0.0f32, |most, v| most.max(v.abs()));
    assert!((0.06..=0.0625).contains(&largest("W")) && largest("W_E_a") > 2.0 && largest("b_U") > 0.0);
    laws::model::check(&net).unwrap();
    let maps = net.as_separable().unwrap();
    assert_eq!((maps.separable_site(), maps.left().dim()), ("hidden_pre", (7, 128)));
    assert_eq!(maps.neuron_function().unwrap().function, Activation::Relu);
    let group = Cyclic::new(7).unwrap();
    let explanation = explain(&net, &group, &IrrepBasis::new(&group).unwrap()).unwrap();
    let certificate = certify(&net, &explanation, &Task::new(&group), ProvenBy::BruteForce).unwrap();
    assert_eq!(certificate.accuracy(), net.evaluate(&Task::new(&group), &Hooks::none()).unwrap().accuracy);
}
