//! A group, a basis, a task, a split and a model that do not belong together: an error, never a number.

use crate::{families, models, runs};
use families::sl_2_3;
use irreplens::Error;
use irreplens::analysis::notebook::{parity, unembedding_of};
use irreplens::analysis::{
    Ablation, cluster_losses, cosets, embedding, interpret, keep_terms, logit_directions, neuron_spectrum, neurons,
    own_block_only, progress, progress_measures, representation, with_controls,
};
use irreplens::checkpoint::{GroupKind, ModelKind, Run};
use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::{CayleyTable, Dihedral, Group, GroupExt, GroupName, Symmetric, subgroup_classes};
use irreplens::model::{Architecture, Hooks, Interpretable, OfGroup, Precomputed};
use irreplens::task::{Split, Task};
use irreplens::train::{TrainConfig, Trainer};

/// What an analysis of a model says of a basis, a task and a group.
type Analysis = (&'static str, fn(&dyn Interpretable, &Side<'_>, &Side<'_>) -> irreplens::Result<()>);

/// All that belongs to one group.
struct Side<'a> {
    group: &'a dyn Group,
    irreps: IrrepBasis,
    task: Task,
}

impl<'a> Side<'a> {
    fn new(group: &'a dyn Group) -> Self {
        Self { group, irreps: IrrepBasis::new(group).unwrap(), task: Task::new(group) }
    }
}

fn split() -> Split {
    Split::random(24, 0.5, 1).unwrap()
}

/// Of a basis and a task.
const BOTH: [Analysis; 8] = [
    ("interpret", |m, basis, task| interpret(m, &basis.irreps, &task.task).map(drop)),
    ("logit_directions", |m, basis, task| {
        logit_directions(m, &basis.irreps, &task.task, &basis.irreps.block_ids()[1..2]).map(drop)
    }),
    ("parity", |m, basis, task| parity(m, &basis.irreps, &task.task, &basis.irreps.block_ids()[1..2]).map(drop)),
    ("keep_terms", |m, basis, task| keep_terms(m, &basis.irreps, &task.task, "hidden", &|_, _, _| true).map(drop)),
    ("own_block_only", |m, basis, task| {
        let found = neurons(m.without_group().unwrap_or(m), &basis.irreps)?;
        own_block_only(m, &basis.irreps, &task.task, &found).map(drop)
    }),
    ("progress_measures", |m, basis, task| {
        progress_measures(m, &basis.irreps, &task.task, &split(), &basis.irreps.block_ids()[1..2]).map(drop)
    }),
    ("representation", |m, basis, task| representation(m, task.group, &basis.irreps, &task.task, &split()).map(drop)),
    ("representation on another group", |m, basis, task| {
        representation(m, basis.group, &task.irreps, &task.task, &split()).map(drop)
    }),
];

/// Of a basis, a task or a group alone, which only a model can refuse that knows its group.
const ALONE: [Analysis; 8] = [
    ("neurons", |m, basis, _| neurons(m, &basis.irreps).map(drop)),
    ("embedding", |m, basis, _| embedding(m, &basis.irreps).map(drop)),
    ("unembedding_of", |m, basis, _| unembedding_of(m, &basis.irreps, &[0]).map(drop)),
    ("neuron_spectrum", |m, basis, _| neuron_spectrum(m, &basis.irreps, "hidden", 0).map(drop)),
    ("spectrum", |m, basis, _| m.spectrum("logits", &basis.irreps).map(drop)),
    ("evaluate", |m, basis, _| m.evaluate(&basis.task, &Hooks::none()).map(drop)),
    ("cluster_losses", |m, basis, _| cluster_losses(m, &basis.task, &[(1, vec![0])].into(), Ablation::Drop).map(drop)),
    ("cosets", |m, basis, _| cosets(m, basis.group, &subgroup_classes(basis.group, 100)?).map(drop)),
];

#[test]
fn a_net_on_sl_2_3_is_not_measured_as_one_on_s4() {
    let (sl, s4) = (sl_2_3(), Symmetric::new(4).unwrap());
    let (own, other) = (Side::new(&sl), Side::new(&s4));
    let bare = models::summed(24, 4, 3);
    let model = OfGroup::new(models::summed(24, 4, 3), &sl).unwrap();
    let refused = |what: &str, result: irreplens::Result<()>| {
        assert!(matches!(result, Err(Error::OtherGroup { .. })), "{what}: {result:?}");
    };
    for (what, analysis) in BOTH {
        refused(what, analysis(&bare, &other, &own));
        refused(what, analysis(&bare, &own, &other));
        // All of S4: a model that does not know its group cannot tell.
        refused(what, analysis(&model, &other, &other));
        for model in [&bare as &dyn Interpretable, &model] {
            let fits = analysis(model, &own, &own);
            assert!(matches!(fits, Ok(()) | Err(Error::Unsupported { .. })), "{what}: {fits:?}");
        }
    }
    for (what, analysis) in ALONE {
        refused(what, analysis(&model, &other, &other));
        assert!(analysis(&model, &own, &own).is_ok() && analysis(&bare, &other, &other).is_ok(), "{what}");
    }
    // A basis along a subgroup is of its group too.
    let along = CyclicSubgroupBasis::new(&s4, s4.element(1));
    refused("a cyclic basis", interpret(&bare, &along, &own.task).map(drop));
    // Subgroups of the other group.
    let classes = subgroup_classes(&s4, 100).unwrap();
    assert!(matches!(cosets(&bare, &sl, &classes), Err(Error::NotASubgroup { .. })));
    // The null control of a shuffled group is meant to be another.
    let shuffled =
        with_controls(&model, None, &sl, 1, |model, group| model.evaluate(&Task::new(group), &Hooks::none()));
    let shuffled = shuffled.unwrap();
    assert_ne!(shuffled.found, shuffled.relabelled);
    let error = interpret(&bare, &other.irreps, &own.task).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "group of the basis: expected that with the multiplication table {}, got one with the table {}: another group \
             of the same order, or its elements in another order",
            sl.fingerprint(),
            s4.fingerprint()
        )
    );
}

/// Trains for an epoch and reads the run back.
fn trained(group: &dyn Group, folder: &std::path::Path) -> Run {
    let config = TrainConfig { epochs: 1, ..TrainConfig::default() };
    let split = Split::random(group.order(), 0.5, 1).unwrap();
    let trainer = Trainer::new(group, Architecture::summed(6), split, config).unwrap();
    let mut trainer = trainer.in_directory(folder).unwrap();
    trainer.run().unwrap();
    assert_eq!(trainer.network().fingerprint(), Some(group.fingerprint()));
    Run::open(folder).unwrap()
}

#[test]
fn a_run_knows_its_group_and_its_groups_name() {
    let folder = tempfile::tempdir().unwrap();
    for (i, name) in ["SL(2,3)", "<b>\u{1b}[31m\n", ""].into_iter().enumerate() {
        let folder = folder.path().join(i.to_string());
        let group = sl_2_3().with_name(name);
        let run = trained(&group, &folder);
        let expected = ["SL(2,3)", "<b>\\u{1b}[31m\\n", "group of order 24"][i];
        assert_eq!(run.group().unwrap().name(), expected);
        assert_eq!(run.model().unwrap().fingerprint(), Some(group.fingerprint()));
    }
    let long = trained(&sl_2_3().with_name("x".repeat(1 << 20)), &folder.path().join("long"));
    assert_eq!(long.group().unwrap().name(), "x".repeat(120));
    // The model of a run whose group its settings name, in the order of a table that it has.
    let shuffled = Dihedral::new(5).unwrap().cayley_table().relabelled(&[3, 1, 4, 0, 5, 9, 2, 6, 8, 7]).unwrap();
    let run = trained(&shuffled, &folder.path().join("shuffled"));
    assert_eq!(
        (&run.config.group, run.model().unwrap().fingerprint()),
        (&GroupKind::CayleyTable, Some(shuffled.fingerprint()))
    );
    runs::write_run(&folder.path().join("long"), ModelKind::SummedMlp, GroupKind::CyclicGroup, 24, 1);
    let (sl, c24) = (sl_2_3(), irreplens::group::Cyclic::new(24).unwrap());
    std::fs::remove_file(folder.path().join("long/task.safetensors")).unwrap();
    let run = Run::open(folder.path().join("long")).unwrap();
    assert_eq!(run.model().unwrap().fingerprint(), Some(c24.fingerprint()));
    let error = interpret(&run.model().unwrap(), &IrrepBasis::new(&sl).unwrap(), &Task::new(&sl)).unwrap_err();
    assert!(matches!(error, Error::OtherGroup { .. }), "{error}");
}

#[test]
fn a_run_on_a_group_with_a_name() {
    let folder = tempfile::tempdir().unwrap();
    let build = |name: &str| name.parse::<GroupName>().unwrap().build().unwrap();
    for (i, (name, labels)) in
        [("C7:C3", "trivial 2a 6a"), ("S4", "(4) (3,1) (2,2)"), ("<a, b | a^4, b^2, (a b)^2>", "trivial")]
            .into_iter()
            .enumerate()
    {
        let (group, path) = (build(name), folder.path().join(i.to_string()));
        let run = trained(&group, &path);
        assert_eq!(run.config.group.to_string(), name);
        let text = std::fs::read_to_string(path.join("cfg.json")).unwrap();
        assert!(!text.contains("group_parameter"), "{text}");
        let found = run.group().unwrap();
        assert_eq!((found.name(), found.fingerprint()), (name.into(), group.fingerprint()));
        assert_eq!(run.model().unwrap().fingerprint(), Some(group.fingerprint()));
        let irreps = run.irreps(&found, None).unwrap();
        let all: Vec<&str> = irreps.iter().map(|irrep| irrep.label.as_str()).collect();
        assert!(all.join(" ").starts_with(labels), "{all:?}");
        // The run goes on in its directory.
        trained(&group, &path);
        // As did one that an earlier version of the crate wrote, with its table and without a name.
        let n = group.order();
        let table = group.cayley_table().with_name("nameless");
        let before = path.join("before");
        trained(&table, &before);
        let config = Run::open(&before).unwrap().config;
        assert_eq!((config.group, config.group_parameter), (GroupKind::CayleyTable, n));
        trained(&group, &before);
        // Settings and table contradict each other.
        std::fs::copy(before.join("task.safetensors"), path.join("task.safetensors")).unwrap();
        std::fs::write(path.join("cfg.json"), text.replacen(name, "Dic6", 1)).unwrap();
        assert!(Run::open(&path).unwrap().group().is_err());
    }
}

#[test]
fn one_rule_chooses_the_coordinates() {
    let folder = tempfile::tempdir().unwrap();
    let (d5, sl) = (Dihedral::new(5).unwrap().cayley_table(), sl_2_3());
    let shuffled = d5.relabelled(&[3, 1, 4, 0, 5, 9, 2, 6, 8, 7]).unwrap();
    let cases: [(&CayleyTable, &str); 2] = [
        (&sl, "the 5 real irreps of the whole group"),
        (&shuffled, "cosines and sines along the 5 powers of element "),
    ];
    for (i, (group, expected)) in cases.into_iter().enumerate() {
        let run = trained(group, &folder.path().join(i.to_string()));
        let (group, permutations) = run.group_in_order(None).unwrap();
        let basis = run.basis(&group, permutations.as_ref()).unwrap();
        assert!(basis.name().starts_with(expected), "{}", basis.name());
        let task = Task::new(&group);
        let found = interpret(&run.model().unwrap(), &*basis, &task).unwrap();
        assert_eq!(found.coordinates, basis.name());
        assert!(found.to_string().starts_with(&format!("Coordinates: {}\n", basis.name())));
        let irreps = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref()).unwrap()).unwrap();
        let found = progress(&run, &*basis, &irreps, &task).unwrap();
        assert_eq!(found.coordinates, basis.name());
        assert!(found.to_string().starts_with(&format!("Coordinates: {}\n", basis.name())));
        #[cfg(feature = "report")]
        {
            let page = irreplens::report::of_run(&run, None, &Ok, &mut |_| {}).unwrap().html();
            assert!(page.contains(&format!("in these coordinates: {}.", basis.name())));
        }
    }
    // A table may have a dihedral run's elements in another order: row 1 is no rotation there.
    let path = folder.path().join("named");
    std::fs::create_dir(&path).unwrap();
    runs::write_run(&path, ModelKind::SummedMlp, GroupKind::DihedralGroup, 5, 1);
    std::fs::copy(folder.path().join("1/task.safetensors"), path.join("task.safetensors")).unwrap();
    let run = Run::open(&path).unwrap();
    let basis = run.cyclic_basis(&run.group().unwrap());
    assert_eq!((basis.rows(), basis.sectors().len()), (5, 2));
    let group = run.group().unwrap();
    let irreps = IrrepBasis::from_irreps(&group, run.irreps(&group, None).unwrap()).unwrap();
    irreplens::laws::fourier::check_on(&irreps, &group).unwrap();
}

#[test]
fn logits_that_are_the_neurons_know_their_group() {
    let (sl, s4) = (sl_2_3(), Symmetric::new(4).unwrap());
    let logits = Precomputed::record(&models::summed(24, 4, 3), &["logits"], "logits").unwrap();
    let model = OfGroup::new(logits, &sl).unwrap();
    let error = neurons(&model, &IrrepBasis::new(&s4).unwrap()).unwrap_err();
    assert!(matches!(error, Error::OtherGroup { .. }), "{error}");
}
