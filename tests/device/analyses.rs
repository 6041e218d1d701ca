//! Whole analyses, which know nothing of devices.

use super::compare::{Tolerance, differences};
use super::device;
use irreplens::analysis::{
    Ablation, clock_profile, cluster_losses, direction_spectra, distance_irrelevance, interpret, logit_directions,
    own_block_only, representation,
};
use irreplens::fourier::{CyclicSubgroupBasis, IrrepBasis};
use irreplens::group::{Cyclic, Dihedral, Group};
use irreplens::model::{Architecture, Interpretable};
use irreplens::task::{Split, Task};
use irreplens::train::{TrainConfig, Trainer};

/// A net that has begun to learn: labels of neurons are not ties.
fn trained(group: &dyn Group, architecture: Architecture) -> Box<dyn Interpretable> {
    let config = TrainConfig { epochs: 1500, ..TrainConfig::default() };
    let mut trainer = Trainer::new(group, architecture, Split::random(10, 0.8, 1).unwrap(), config).unwrap();
    trainer.run().unwrap();
    Box::new(trainer.network().clone())
}

#[test]
fn analyses_give_the_processors_numbers() {
    let Some(device) = device() else { return };
    let group = Dihedral::new(5).unwrap();
    let (task, split) = (Task::new(&group), Split::random(10, 0.8, 1).unwrap());
    let (cyclic, irreps) = (CyclicSubgroupBasis::dihedral(&group), IrrepBasis::new(&group).unwrap());
    let tolerance = Tolerance { relative: 1e-3, of_largest: 1e-4 };
    for architecture in [Architecture::one_layer(12, 16), Architecture::two_layer(12, 16), Architecture::bilinear(16)] {
        let model = trained(&group, architecture.clone());
        let on_device = model.to_device(&device).unwrap();
        let json = |model: &dyn Interpretable| {
            let found = representation(model, &group, &irreps, &task, &split).unwrap();
            let whole = interpret(model, &cyclic, &task).unwrap();
            let clusters = whole.neurons.clusters();
            let spectra = direction_spectra(model, &cyclic, &task, &[(0, 1), (1, 2)]).unwrap();
            let each = (
                logit_directions(model, &cyclic, &task, &whole.directions.blocks).unwrap(),
                cluster_losses(model, &task, &clusters, Ablation::Keep).unwrap(),
                own_block_only(model, &cyclic, &task, &whole.neurons).unwrap(),
                spectra.into_raw_vec_and_offset().0,
                distance_irrelevance(model, &task).unwrap(),
            );
            [
                serde_json::to_value(whole).unwrap(),
                serde_json::to_value(found).unwrap(),
                serde_json::to_value(each).unwrap(),
            ]
        };
        for (expected, got) in json(&model).iter().zip(&json(&on_device)) {
            let found = differences(expected, got, tolerance);
            assert!(found.is_empty(), "{architecture:?}: {found:#?}");
        }
    }
}

#[test]
fn the_clocks_measures_are_the_processors() {
    let Some(device) = device() else { return };
    let group = Cyclic::new(10).unwrap();
    let (task, model) = (Task::new(&group), trained(&group, Architecture::one_layer_with_bias(12, 16)));
    let json = |model: &dyn Interpretable| {
        serde_json::to_value((clock_profile(model, &task).unwrap(), distance_irrelevance(model, &task).unwrap()))
            .unwrap()
    };
    let found = differences(
        &json(&model),
        &json(&model.to_device(&device).unwrap()),
        Tolerance { relative: 1e-3, of_largest: 1e-4 },
    );
    assert!(found.is_empty(), "{found:#?}");
}
