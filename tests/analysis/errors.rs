//! What the analyses refuse.

use crate::models::{self, Opaque};
use crate::oracle::Case;
use irreplens::analysis::notebook::{component_norms_of_sum, parity, parity_hooks, unembedding_of};
use irreplens::analysis::{
    Ablation, cluster_losses, component_norms, embedding, hidden_centred, interpret, keep_terms, logit_directions,
    neuron_spectrum, neurons, own_block_only, progress_measures,
};
use irreplens::fourier::{BlockId, CyclicSubgroupBasis, FourierBasis, IrrepBasis};
use irreplens::group::{Dihedral, Elem};
use irreplens::model::{FromFn, Hooks, Interpretable, Site};
use irreplens::task::{Pair, Split};
use irreplens::{Error, Result};
use ndarray::{Array1, Array2};
use std::collections::BTreeMap;

#[track_caller]
fn shape<T>(result: Result<T>, expected: usize, got: usize) {
    match result.map(|_| ()) {
        Err(Error::Shape { expected: e, got: g, .. }) => assert_eq!((e[0], g[0]), (expected, got)),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn channel<T>(result: Result<T>, expected: usize) {
    match result.map(|_| ()) {
        Err(Error::UnknownChannel { channel, .. }) => assert_eq!(channel, expected),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_basis_or_a_task_of_another_order() {
    let (case, other) = (Case::cyclic(6), Case::dihedral(4));
    let model = models::summed(6, 5, 1);
    let found = neurons(&model, &case.basis).unwrap();
    let clusters = found.clusters();
    for model in [Box::new(model.clone()) as Box<dyn Interpretable>, Box::new(Opaque(model))] {
        shape(model.evaluate(&other.task, &Hooks::none()), 6, 8);
        shape(model.spectrum("hidden", &other.basis), 6, 8);
        shape(neurons(&model, &other.basis), 6, 8);
        shape(logit_directions(&model, &case.basis, &other.task, &case.ids(&[1])), 8, 6);
        shape(logit_directions(&model, &other.basis, &other.task, &other.ids(&[1])), 6, 8);
        shape(cluster_losses(&model, &other.task, &clusters, Ablation::Drop), 6, 8);
        shape(hidden_centred(&model, &other.task, &Array1::zeros(5)), 6, 8);
        shape(hidden_centred(&model, &case.task, &Array1::zeros(4)), 5, 4);
        shape(own_block_only(&model, &case.basis, &other.task, &found), 8, 6);
        shape(own_block_only(&model, &other.basis, &other.task, &found), 6, 8);
        shape(keep_terms(&model, &case.basis, &other.task, "hidden", &|_, _, _| true), 8, 6);
        shape(keep_terms(&model, &other.basis, &other.task, "hidden", &|_, _, _| true), 6, 8);
        shape(parity(&model, &case.basis, &other.task, &case.ids(&[1])), 8, 6);
        shape(parity(&model, &other.basis, &other.task, &other.ids(&[1])), 6, 8);
        shape(interpret(&model, &other.basis, &case.task), 6, 8);
        shape(interpret(&model, &case.basis, &other.task), 8, 6);
    }
    shape(parity_hooks(&case.basis, &other.task, &case.ids(&[1])), 8, 6);
    let model = models::summed(6, 5, 1);
    shape(neuron_spectrum(&model, &other.basis, "hidden", 0), 8, 6);
    shape(embedding(&model, &other.basis), 8, 6);
    shape(unembedding_of(&model, &other.basis, &[0]), 8, 6);
    shape(component_norms(&case.basis, Array2::zeros((5, 2)).view()), 6, 5);
    shape(component_norms_of_sum(&case.basis, Array2::zeros((7, 2)).view()), 6, 7);
}

#[test]
fn channels_and_sites_that_are_not_there() {
    let case = Case::dihedral(3);
    let model = models::one_layer(6, 3, 4, false, 2);
    channel(unembedding_of(&model, &case.basis, &[1, 4]), 4);
    let clusters = BTreeMap::from([(1, vec![0, 3]), (2, vec![9])]);
    for what in [Ablation::Drop, Ablation::Keep] {
        channel(cluster_losses(&model, &case.task, &clusters, what), 9);
    }
    channel(cluster_losses(&Opaque(&model), &case.task, &clusters, Ablation::Drop), 9);
    channel(neuron_spectrum(&model, &case.basis, "hidden", 4).map(|_| ()), 5);
    for result in [
        neuron_spectrum(&model, &case.basis, "neurons", 0).map(|_| ()),
        keep_terms(&model, &case.basis, &case.task, "neurons", &|_, _, _| true).map(|_| ()),
        model.spectrum("neurons", &case.basis).map(|_| ()),
    ] {
        match result {
            Err(Error::UnknownSite { site, known }) => assert_eq!((&site[..], known.len()), ("neurons", 6)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn parity_needs_a_normal_subgroup() {
    let case = Case::not_normal();
    let model = models::bilinear(6, 3, 3);
    for error in [
        parity(&model, &case.basis, &case.task, &case.ids(&[1])).unwrap_err(),
        parity_hooks(&case.basis, &case.task, &case.ids(&[1])).unwrap_err(),
    ] {
        let message = "parity ablation needs a basis whose sectors are cosets of a normal subgroup";
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn activations_without_an_unembedding() {
    let case = Case::cyclic(5);
    let model = models::recorded(5, false, 4);
    assert!(matches!(unembedding_of(&model, &case.basis, &[0]), Err(Error::Unsupported { .. })));
    let clusters = BTreeMap::from([(1, vec![0])]);
    for error in [
        cluster_losses(&model, &case.task, &clusters, Ablation::Drop).unwrap_err(),
        hidden_centred(&model, &case.task, &Array1::zeros(6)).unwrap_err(),
        keep_terms(&model, &case.basis, &case.task, "hidden", &|_, _, _| true).unwrap_err(),
    ] {
        assert!(matches!(&error, Error::HookUnsupported { site, .. } if site == "hidden"), "{error}");
    }
    // What needs no change of activations works all the same.
    assert_eq!(neurons(&model, &case.basis).unwrap().neurons.len(), 6);
    assert!(logit_directions(&model, &case.basis, &case.task, &case.ids(&[1, 2])).unwrap().product_share.is_some());
    assert!(parity(&model, &case.basis, &case.task, &case.ids(&[1])).is_ok());

    let closure = FromFn::new(5, vec![Site::new("sum", 1), Site::new("logits", 5)], "sum", |pairs: &[Pair]| {
        vec![Array2::ones((pairs.len(), 1)), Array2::zeros((pairs.len(), 5))]
    });
    let closure = closure.unwrap();
    assert_eq!(neurons(&closure, &case.basis).unwrap().neurons.len(), 1);
    let error = cluster_losses(&closure, &case.task, &clusters, Ablation::Keep).unwrap_err();
    assert!(matches!(error, Error::HookUnsupported { .. }), "{error}");
}

#[test]
fn directions_asked_for_twice() {
    let case = Case::dihedral(4);
    // Removing a direction twice is no projection.
    assert!(matches!(parity_hooks(&case.basis, &case.task, &case.ids(&[1, 1])), Err(Error::NotOrthonormal { .. })));
}

#[test]
fn unknown_blocks_and_clusters_of_another_site() {
    let case = Case::dihedral(3);
    let model = models::summed(6, 4, 5);
    let unknown = |error| matches!(error, Error::UnknownBlock { block: 2, blocks: 2 });
    assert!(unknown(case.basis.block_id(2).unwrap_err()));
    let read: Vec<BlockId> = serde_json::from_str("[1, 2]").unwrap();
    assert!(unknown(logit_directions(&model, &case.basis, &case.task, &read).unwrap_err()));
    assert!(unknown(parity_hooks(&case.basis, &case.task, &read).unwrap_err()));
    let other = neurons(&models::summed(6, 5, 5), &case.basis).unwrap();
    let error = own_block_only(&model, &case.basis, &case.task, &other).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
}

/// Block 1 of other bases, one of them of the same group and with the same blocks: the powers of the inverse.
#[test]
fn blocks_of_another_basis() {
    let (case, model) = (Case::dihedral(3), models::summed(6, 4, 5));
    let (task, split) = (&case.task, Split::random(6, 0.5, 1).unwrap());
    let irreps = IrrepBasis::new(&Dihedral::new(3).unwrap()).unwrap();
    let along_a_reflection = CyclicSubgroupBasis::new(&Dihedral::new(3).unwrap(), Elem::new(3));
    let along_the_inverse = CyclicSubgroupBasis::new(&Dihedral::new(3).unwrap(), Elem::new(2));
    assert_eq!(along_the_inverse.blocks(), case.basis.blocks());
    let others: [&dyn FourierBasis; 4] = [&irreps, &along_a_reflection, &along_the_inverse, &Case::cyclic(6).basis];
    for other in others {
        let ids = [other.block_id(1).unwrap()];
        assert_eq!(ids, case.ids(&[1])[..], "equal by index alone");
        for error in [
            logit_directions(&model, &case.basis, task, &ids).unwrap_err(),
            progress_measures(&model, &case.basis, task, &split, &ids).unwrap_err(),
            parity(&model, &case.basis, task, &ids).unwrap_err(),
            parity_hooks(&case.basis, task, &ids).unwrap_err(),
        ] {
            let text = error.to_string();
            let Error::OtherBasis { block: 1, expected, got } = error else { panic!("{text}") };
            assert!(expected.starts_with(&case.basis.name()) && !expected.contains(&got), "{text}");
        }
        // An id that was read is of any basis.
        let read: Vec<BlockId> = serde_json::from_str(&serde_json::to_string(&ids).unwrap()).unwrap();
        assert!(logit_directions(&model, &case.basis, task, &read).is_ok());
    }
    // Behind pointers a basis is what it was.
    let behind: &dyn FourierBasis = &Box::new(&case.basis);
    assert!(logit_directions(&model, behind, task, &case.ids(&[1])).is_ok());
    let found = neurons(&model, &along_the_inverse).unwrap();
    let error = own_block_only(&model, &case.basis, task, &found).unwrap_err();
    assert!(matches!(error, Error::OtherBasis { .. }), "{error}");
}

#[test]
fn a_neuron_listed_twice_counts_once() {
    let case = Case::dihedral(3);
    let model = models::summed(6, 4, 5);
    for what in [Ablation::Drop, Ablation::Keep] {
        let losses = |members: &[usize]| {
            cluster_losses(&model, &case.task, &[(1, members.to_vec())].into_iter().collect(), what).unwrap()
        };
        assert_eq!(losses(&[0, 0, 1]), losses(&[0, 1]));
    }
}
