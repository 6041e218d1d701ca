//! Results written as JSON and read back: every public result of the analyses, of the models' sums and of the pictures.

use crate::models;
use irreplens::analysis::notebook::{Labels, Published};
use irreplens::analysis::{
    self, Ablated, Ablation, Along, Attended, AttentionPatterns, Carried, Cell, Certificate, Circuit, CircuitKind,
    CircuitLosses, Circularity, Coefficient, Comparison, Controls, CosetMap, CosetMeasures, CosetNeuron, CosetShares,
    DistanceIrrelevance, EmbeddingSpectra, ExplainedNeuron, Explanation, Fixed, FrequencyProfile, GradientSymmetricity,
    Head, HeadLosses, HeadMap, Interpretation, IrrepMeasures, IrrepRow, KeyBlock, KeyLosses, LayerHeads, Learnt,
    LearntGroup, LogitDirections, MapSparsity, Margin, Method, Neuron, NeuronClusters, NeuronKind, NeuronOutput,
    NeuronPhases, OnClasses, Phases, Progress, ProgressMeasures, ProgressRow, ProvenBy, Purity, RankOne, RankOneNeuron,
    RepresentationMeasures, Shape, Shares, Side, Sparsity, Table, Term, TheoryRow, Written, attention, certify,
    circularity, clock_profile, cosets, distance_irrelevance, explain, gradient_symmetricity, heads, interpret, margin,
    phases, progress_measures, purity, rank_one, representation, sparsity, with_controls,
};
use irreplens::checkpoint::History;
use irreplens::fourier::{Block, BlockId, CyclicSubgroupBasis, Direction, FourierBasis, IrrepBasis};
use irreplens::group::{
    Cyclic, Dicyclic, Difference, Dihedral, Group, GroupLabel, Identification, Invariants, Isomorphism, Structure,
    Subgroup, SubgroupClass, Sylow, Symmetric, identify, isomorphism, subgroup_classes,
};
use irreplens::irrep::{Irrep, Kind};
use irreplens::model::{
    Architecture, BlockEnergies, Evaluation, FromFn, Interpretable, Network, PairMeans, Site, SiteSpectrum, Split2d,
    Transformer,
};
use irreplens::task::{Split, Task};
use ndarray::Array2;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{from_str, from_value, json, to_string};
use std::fmt::Debug;

fn read<T: DeserializeOwned>(text: &str) -> T {
    from_str(text).unwrap_or_else(|error| panic!("{}: {error}: {text}", std::any::type_name::<T>()))
}

/// What is read back is what was written.
#[track_caller]
fn back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    assert_eq!(&read::<T>(&to_string(value).unwrap()), value);
}

/// What is read back is written again as it was, NaN too, which equals nothing.
#[cfg(feature = "report")]
#[track_caller]
fn gaps_back<T: Serialize + DeserializeOwned + Debug>(value: &T) {
    let text = to_string(value).unwrap();
    let again: T = read(&text);
    assert_eq!(to_string(&again).unwrap(), text);
    assert_eq!(format!("{again:?}").matches("NaN").count(), format!("{value:?}").matches("NaN").count());
}

#[test]
fn every_result_is_read_back() {
    let group = Dihedral::new(4).unwrap();
    let net = models::one_layer(8, 4, 6, true, 3);
    let (basis, irreps) = (CyclicSubgroupBasis::dihedral(&group), IrrepBasis::new(&group).unwrap());
    let (task, split) = (Task::new(&group), Split::random(8, 0.5, 1).unwrap());

    back::<Block>(&basis.blocks()[1]);
    back::<BlockId>(&basis.block_ids()[1]);
    [Direction::Forward, Direction::Inverse].iter().for_each(back::<Direction>);
    back::<Irrep>(&irreps.irreps()[2]);
    [Kind::Real, Kind::Complex, Kind::Quaternionic].iter().for_each(back::<Kind>);

    back::<Evaluation>(&Evaluation::new(1e-300, 1.0 / 3.0));
    back::<PairMeans>(&net.pair_means(&task, &[&[true; 64], &[false; 64]]).unwrap());
    back::<BlockEnergies>(&net.block_energies("hidden", &basis).unwrap());
    back::<SiteSpectrum>(&net.spectrum("hidden", &basis).unwrap());
    back::<Split2d>(&net.spectrum("hidden", &basis).unwrap().split);

    let found = interpret(&net, &basis, &task).unwrap();
    assert!(found.published.parity.is_some() && !found.published.clusters.is_empty());
    back::<Interpretation>(&found);
    back::<Published>(&found.published);
    back::<EmbeddingSpectra>(&found.embedding);
    back::<LogitDirections>(&found.directions);
    back::<NeuronClusters>(&found.neurons);
    back::<Neuron>(&found.neurons.neurons[0]);
    found.ablations().iter().for_each(back::<Ablated>);
    [NeuronKind::Labelled, NeuronKind::Tied, NeuronKind::Constant, NeuronKind::Dim].iter().for_each(back::<NeuronKind>);
    [Ablation::Drop, Ablation::Keep].iter().for_each(back::<Ablation>);
    [Labels::Forced, Labels::AsPublished].iter().for_each(back::<Labels>);

    let measures = representation(&net, &group, &irreps, &task, &split).unwrap();
    back::<RepresentationMeasures>(&measures);
    measures.irreps.iter().for_each(back::<IrrepMeasures>);
    measures.key_losses.iter().for_each(back::<KeyLosses>);

    let keys = progress_measures(&net, &basis, &task, &split, &basis.block_ids()[1..]).unwrap();
    back::<ProgressMeasures>(&keys);
    keys.keys.iter().for_each(back::<KeyBlock>);
    let of_irreps: Vec<IrrepRow> = measures.irreps.iter().cloned().map(IrrepRow::from).collect();
    of_irreps.iter().for_each(back::<IrrepRow>);
    let sparse = sparsity(&net, &irreps).unwrap();
    back::<MapSparsity>(&sparse);
    back::<Sparsity>(sparse.left.as_ref().unwrap());
    let (of_rank_one, of_phases) = (rank_one(&net, &group, &irreps).unwrap(), phases(&net, &group, &irreps).unwrap());
    back::<RankOne>(&of_rank_one);
    back::<RankOneNeuron>(of_rank_one.neurons.iter().flatten().next().unwrap());
    back::<Phases>(&of_phases);
    back::<NeuronPhases>(of_phases.neurons.iter().flatten().next().unwrap());
    back::<Margin>(&margin(&net, &task).unwrap());
    back::<Purity>(purity(&net, &irreps).unwrap().iter().flatten().next().unwrap());
    let row = json!({
        "epoch": 7, "sum_of_squared_weights": 0.1, "all": measures.all, "train": keys.train, "test": keys.test,
        "measures": keys, "irreps": of_irreps, "key_irrep_losses": measures.key_losses, "logit_fve": measures.logit_fve,
        "embedding": found.embedding,
        "theory": {
            "gini": [sparse.left.as_ref().map(|s| s.gini), null, 0.5], "inverse_participation_ratio": [0.5, null, 0.25],
            "rank_one": of_rank_one.rank_one, "shared": of_rank_one.shared, "alignment": of_phases.alignment,
            "margin": margin(&net, &task).unwrap(),
        },
    });
    let read: ProgressRow = from_value(row.clone()).unwrap();
    back::<TheoryRow>(&read.theory);
    back::<ProgressRow>(&read);
    let labels: Vec<&String> = measures.irreps.iter().map(|m| &m.irrep.label).collect();
    let progress: Progress = from_value(json!({
        "coordinates": basis.name(), "blocks": basis.blocks(), "keys": [1, 2], "irreps": labels,
        "key_irreps": measures.key, "notes": ["one"], "rows": [row],
    }))
    .unwrap();
    back::<Progress>(&progress);
    back::<History>(&History::from(&progress));

    back::<LearntGroup>(&analysis::identify(&net).unwrap());
    let knows = FromFn::new(8, vec![Site::new("logits", 8)], "logits", |pairs| {
        let is_product = |i: usize, z: usize| group.compose(pairs[i].0, pairs[i].1).index() == z;
        vec![Array2::from_shape_fn((pairs.len(), 8), |(i, z)| f32::from(u8::from(is_product(i, z))))]
    });
    let learnt = analysis::identify(&knows.unwrap()).unwrap();
    assert_eq!(learnt.learnt, Learnt::Group);
    back::<LearntGroup>(&learnt);
    [Learnt::NearGroup, Learnt::Isotope, Learnt::LatinSquare, Learnt::Nothing].iter().for_each(back::<Learnt>);

    let classes = subgroup_classes(&group, 100).unwrap();
    classes.iter().for_each(back::<SubgroupClass>);
    let identified = identify(&group).unwrap();
    back::<Identification>(&identified);
    back::<Invariants>(&identified.invariants);
    back::<Structure>(&identified.structure);
    identified.structure.sylow.iter().for_each(back::<Sylow>);
    back::<GroupLabel>(&identified.label());
    back::<Isomorphism>(&isomorphism(&group, &group).unwrap());
    let differs = isomorphism(&group, &Dicyclic::new(2).unwrap()).unwrap();
    back::<Isomorphism>(&differs);
    let Isomorphism::Differs(difference) = differs else { panic!("D4 and Q8") };
    back::<Difference>(&difference);

    let on_cosets = cosets(&net, &group, &classes).unwrap();
    back::<CosetMeasures>(&on_cosets);
    on_cosets.neurons.iter().for_each(back::<CosetNeuron>);
    on_cosets.neurons.iter().flat_map(|neuron| neuron.shares.iter().flatten()).for_each(back::<CosetShares>);
    explanations_are_read_back();
    let order = |_: &dyn Interpretable, group: &dyn Group| Ok(group.order());
    back::<Controls<usize>>(&with_controls(&net, None, &group, 1, order).unwrap());

    let transformer = Network::zeros(Transformer::default().architecture(), 8).unwrap();
    let patterns = attention(&transformer).unwrap();
    back::<AttentionPatterns>(&patterns[0]);
    patterns[0].heads[0].iter().for_each(back::<Attended>);
    let layer = &heads(&models::transformer(8, 5), &basis, &task).unwrap()[0];
    back::<LayerHeads>(layer);
    layer.heads.iter().for_each(back::<Head>);
    layer.heads.iter().for_each(|head| back::<Written>(&head.written.unwrap()));
    layer.heads.iter().flat_map(|head| head.maps.as_ref().unwrap()).for_each(back::<HeadMap>);
    back::<HeadLosses>(&layer.together.unwrap());
    [Carried::Left, Carried::Right, Carried::Both, Carried::Constant].iter().for_each(back::<Carried>);
    let cyclic = Task::new(&Cyclic::new(8).unwrap());
    back::<Circularity>(&circularity(&transformer, &cyclic).unwrap());
    clock_profile(&models::transformer(8, 5), &cyclic).unwrap().iter().for_each(back::<FrequencyProfile>);
    back::<DistanceIrrelevance>(&distance_irrelevance(&net, &task).unwrap());
    back::<GradientSymmetricity>(&gradient_symmetricity(&transformer, Some(&[[0, 1, 2]])).unwrap());
    back::<Architecture>(transformer.architecture());
    back::<Transformer>(&Transformer::default());

    let table = found.neurons.neuron_table();
    back::<Table>(&table);
    back::<Term>(&table.columns[0]);
    table.rows.iter().flatten().for_each(back::<Cell>);
}

/// A subgroup that is read back answers as the one that was written, and one with an element too many is refused.
#[test]
fn subgroups_are_whole() {
    let group = Dihedral::new(4).unwrap();
    let class = &subgroup_classes(&group, 100).unwrap()[1];
    let again: Subgroup = from_str(&to_string(&class.representative).unwrap()).unwrap();
    assert_eq!(again, class.representative);
    assert_eq!(again.conjugates(&group), class.representative.conjugates(&group));
    assert!(from_value::<Subgroup>(json!({ "group_order": 4, "elements": [0, 4] })).is_err());
}

#[cfg(feature = "report")]
#[test]
fn figures_are_read_back() {
    use irreplens::report::{Axis, Control, Figure, Heat, Line, Marks, Points, Scale};
    let gap = vec![0.1, f64::NAN, 3.0];
    let heat = Heat::new(ndarray::array![[0.1f32, f32::NAN], [-7e8, 1e-12]], Scale::Diverging).up_to(2.0);
    let points = Points::new("p", gap.clone(), gap.clone(), vec!["<".into(); 3]);
    gaps_back::<Line>(&Line::new("l", gap.clone()));
    gaps_back::<Heat>(&heat);
    gaps_back::<Points>(&points);
    gaps_back::<Axis>(&Axis::new("x").named(&["a".into()]).log().between(0.1, 2.0));
    [Scale::Diverging, Scale::Sequential].iter().for_each(gaps_back::<Scale>);
    [Control::Select, Control::Slider].iter().for_each(gaps_back::<Control>);
    let all = [
        Marks::Lines(vec![Line::new("l", gap.clone())]),
        Marks::Bars(vec![Line::new("b", gap)]),
        Marks::Heat(heat),
        Marks::Scatter(vec![points]),
    ];
    for marks in all {
        gaps_back::<Marks>(&marks);
        gaps_back::<Figure>(&Figure::new("f", Axis::new("x"), Axis::new("y"), marks).with_note("n"));
    }
}

/// The list above is whole: it names every public type of these folders but those that are no results.
/// An explanation of a network with neurons of several shapes, and its certificates.
fn explanations_are_read_back() {
    let group = Symmetric::new(4).unwrap();
    let irreps = IrrepBasis::new(&group).unwrap();
    let sign = |x: usize| irreps.irreps()[1].character[x] as f32;
    let even = Array2::from_shape_fn((24, 3), |(x, k)| if k == 0 { sign(x) } else { (x * k % 5) as f32 });
    let net = Network::summed(even.clone(), even.clone(), even.reversed_axes()).unwrap();
    let explanation = explain(&net, &group, &irreps).unwrap();
    back::<Explanation>(&explanation);
    explanation.circuits.iter().for_each(back::<Circuit>);
    explanation.circuits.iter().for_each(|circuit| back::<CircuitKind>(&circuit.kind));
    for neuron in &explanation.neurons {
        back::<ExplainedNeuron>(neuron);
        back::<Shape>(&neuron.shape);
        back::<NeuronOutput>(&neuron.written);
        neuron.shares.iter().for_each(back::<Shares>);
        neuron.shape.coefficients().iter().for_each(back::<Coefficient>);
        if let Shape::RhoSet { fixed, .. } = &neuron.shape {
            back::<Fixed>(fixed);
        }
        for map in neuron.cosets.iter().flat_map(|maps| maps.iter()) {
            back::<CosetMap>(map);
            back::<Side>(&map.side);
        }
    }
    let task = Task::new(&group);
    let comparison = explanation.compare(&net, &task).unwrap();
    back::<Comparison>(&comparison);
    comparison.circuits.iter().for_each(back::<CircuitLosses>);
    for by in [ProvenBy::Explanation, ProvenBy::Cosets, ProvenBy::BruteForce] {
        let certificate = certify(&net, &explanation, &task, by).unwrap();
        back::<Certificate>(&certificate);
        back::<ProvenBy>(&by);
        for method in &certificate.neurons {
            back::<Method>(method);
            match method {
                Method::Read { left, .. } => back::<OnClasses>(left),
                Method::Written(along) => along.iter().for_each(back::<Along>),
                _ => {}
            }
        }
    }
}

#[cfg(feature = "train")]
#[test]
fn an_atlas_is_read_back() {
    use irreplens::atlas::{
        Atlas, AtlasComparison, Certified, Ended, Entry, Exchangeability, Explained, Frequencies, IrrepComparison,
        IrrepFrequency, IrrepUse, Mean, Measures, Proportion, Question, SetFrequency,
    };
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/D53");
    let questions = [Question::Cosets, Question::Explanation, Question::Certificate, Question::Appearance];
    questions.iter().for_each(back::<Question>);
    let mut entry = Entry::of_run(shipped, None, &questions).unwrap();
    entry.ended = Some(Ended::Diverged);
    back::<Ended>(&Ended::Stopped(irreplens::train::StopReason::Converged));
    back::<Entry>(&entry);
    let measures = entry.measures.clone().unwrap();
    back::<Measures>(&measures);
    back::<Explained>(&measures.explained.unwrap());
    back::<Certified>(&measures.certified.unwrap());
    measures.irreps.iter().for_each(back::<IrrepUse>);
    let atlas = Atlas::new(vec![entry.clone(), entry]);
    let found = atlas.frequencies();
    let compared = atlas.compare(&atlas);
    back::<AtlasComparison>(&compared[0]);
    back::<IrrepComparison>(&compared[0].irreps[0]);
    back::<Exchangeability>(&atlas.exchangeability().unwrap()[0]);
    back::<Frequencies>(&found[0]);
    back::<Proportion>(&found[0].perfect);
    back::<Mean>(&found[0].accuracy.unwrap());
    found[0].irreps.iter().for_each(back::<IrrepFrequency>);
    found[0].sets.iter().for_each(back::<SetFrequency>);
}

#[test]
fn no_result_is_forgotten() {
    const NO_RESULTS: [&str; 9] = [
        "CyclicSubgroupBasis",
        "IrrepBasis",
        "CharacterTable",
        "Representation",
        "Page",
        "Subject",
        "Atlas",
        "Frame",
        "Column",
    ];
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = std::fs::read_to_string(root.join("tests/house/json.rs")).unwrap();
    let mut files: Vec<_> =
        ["evaluate", "spectrum", "pair_means"].map(|name| root.join(format!("src/model/{name}.rs"))).into();
    for folder in ["analysis", "analysis/explain", "analysis/certify", "atlas", "fourier", "irrep", "report"] {
        files.extend(std::fs::read_dir(root.join("src").join(folder)).unwrap().map(|entry| entry.unwrap().path()));
    }
    for file in files.iter().filter(|file| file.is_file() && file.extension().is_some_and(|ending| ending == "rs")) {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let Some(name) = line.strip_prefix("pub struct ").or_else(|| line.strip_prefix("pub enum ")) else {
                continue;
            };
            let name = name.split(|c: char| !c.is_alphanumeric()).next().unwrap();
            let listed = here.contains(&format!("back::<{name}>")) || here.contains(&format!("back::<{name}<"));
            assert!(listed || NO_RESULTS.contains(&name), "{}: {name}", file.display());
        }
    }
}
