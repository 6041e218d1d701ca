//! Whole analyses, which know nothing of devices.

use super::compare::{Tolerance, differences};
use super::device;
use irreplens::analysis::{interpret, representation};
use irreplens::fourier::{CyclicSubgroupBasis, IrrepBasis};
use irreplens::group::Dihedral;
use irreplens::model::{Architecture, Interpretable};
use irreplens::task::{Split, Task};
use irreplens::train::{TrainConfig, Trainer};

/// A net that has begun to learn: labels of neurons are not ties.
fn trained(group: &Dihedral, architecture: Architecture) -> Box<dyn Interpretable> {
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
            [
                serde_json::to_value(interpret(model, &cyclic, &task).unwrap()).unwrap(),
                serde_json::to_value(found).unwrap(),
            ]
        };
        for (expected, got) in json(&model).iter().zip(&json(&on_device)) {
            let found = differences(expected, got, tolerance);
            assert!(found.is_empty(), "{architecture:?}: {found:#?}");
        }
    }
}
