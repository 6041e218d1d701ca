//! Work larger than the memory it may take is cut into row blocks, with the same results.

use super::random::{one_layer, two_layer};
use super::{assert_close, device};
use irreplens::Error;
use irreplens::device::{ACTIVATIONS, LOSSES};
use irreplens::fourier::CyclicSubgroupBasis;
use irreplens::group::Dihedral;
use irreplens::model::{Hook, Hooks, Interpretable};
use irreplens::task::Task;

#[test]
fn little_memory_gives_the_same_numbers() {
    let Some(device) = device() else { return };
    let group = Dihedral::new(5).unwrap();
    let (task, basis) = (Task::new(&group), CyclicSubgroupBasis::dihedral(&group));
    let models: [Box<dyn Interpretable>; 2] =
        [Box::new(one_layer(10, 6, 9, true, 1)), Box::new(two_layer(10, 6, 9, 2))];
    for model in &models {
        // Room for a few dozen pairs.
        let small = model.to_device(&device.clone().with_memory_limit(12_000)).unwrap();
        for hooks in [
            Hooks::none(),
            Hooks::none().with(Hook::scale("hidden", 0.5)),
            Hooks::none().with(Hook::scale("logits", 0.5)),
        ] {
            let (expected, got) = (model.evaluate(&task, &hooks).unwrap(), small.evaluate(&task, &hooks).unwrap());
            assert_close("losses", LOSSES, [expected.loss], [got.loss]);
        }
        let sets: [&[bool]; 0] = [];
        let (expected, got) = (model.pair_means(&task, &sets).unwrap(), small.pair_means(&task, &sets).unwrap());
        assert_close("by product", ACTIVATIONS, expected.by_product, got.by_product);
        assert_close("energy", ACTIVATIONS, expected.energy, got.energy);
        let pairs = task.pairs(0..100);
        let (expected, got) = (model.forward(&pairs).unwrap(), small.forward(&pairs).unwrap());
        assert_close("logits", ACTIVATIONS, expected.iter().map(|&v| f64::from(v)), got.iter().map(|&v| f64::from(v)));
        let (expected, got) =
            (model.neuron_and_logit_spectra(&basis).unwrap(), small.neuron_and_logit_spectra(&basis).unwrap());
        assert_close("neurons", ACTIVATIONS, expected.0.mean_square, got.0.mean_square);
        assert_close("logits", ACTIVATIONS, expected.1.mean_square, got.1.mean_square);
    }
}

#[test]
fn what_does_not_fit_is_an_error() {
    let Some(device) = device() else { return };
    let model = one_layer(10, 6, 9, false, 1).to_device(&device.with_memory_limit(40)).unwrap();
    let pairs = Task::new(&Dihedral::new(5).unwrap()).pairs(0..10);
    let error = model.forward(&pairs).unwrap_err();
    assert!(matches!(error, Error::CudaMemory { .. }), "{error}");
    assert!(error.to_string().contains("activations of one pair needs"), "{error}");
}
