//! Concentration on cosets against dense projectors, on nets built to be constant on cosets, and on published runs.

use crate::{data, models};
use irreplens::Error;
use irreplens::analysis::{CONCENTRATED, CosetMeasures, cosets, with_controls};
use irreplens::checkpoint::Run;
use irreplens::group::{
    Alternating, Dicyclic, Dihedral, Elem, Group, GroupExt, PermutationGroup, Subgroup, SubgroupClass, Symmetric,
    subgroup_classes,
};
use irreplens::model::{Interpretable, Network};
use ndarray::{Array2, ArrayView1};

fn groups() -> Vec<Box<dyn Group>> {
    vec![
        Box::new(Symmetric::new(4).unwrap()),
        Box::new(Dihedral::new(6).unwrap()),
        Box::new(Dicyclic::new(2).unwrap()),
        Box::new(Alternating::new(4).unwrap()),
        Box::new(Symmetric::new(3).unwrap().cayley_table().relabelled(&[3, 1, 5, 0, 2, 4]).unwrap()),
    ]
}

/// The share of the variance within cosets: the projector onto functions constant on cosets, written out.
fn within(n: usize, subgroup: &Subgroup, product: impl Fn(Elem, Elem) -> Elem, map: ArrayView1<'_, f32>) -> f64 {
    let mean = map.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
    let centred: Vec<f64> = map.iter().map(|&v| f64::from(v) - mean).collect();
    let (mut inside, mut all) = (0.0, 0.0);
    for x in 0..n {
        let coset = subgroup.elements().iter().map(|&h| centred[product(Elem::new(x), h).index()]);
        let average = coset.sum::<f64>() / subgroup.order() as f64;
        inside += (centred[x] - average).powi(2);
        all += centred[x].powi(2);
    }
    inside / all
}

/// The paper's concentration, variance by variance.
fn stander(n: usize, cosets: &[Vec<Elem>], map: ArrayView1<'_, f32>) -> f64 {
    let variance = |values: Vec<f64>| {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (values.len() - 1) as f64
    };
    let value = |x: usize| f64::from(map[x]);
    let on_cosets = cosets.iter().map(|coset| variance(coset.iter().map(|x| value(x.index())).collect()));
    on_cosets.sum::<f64>() / variance((0..n).map(value).collect())
}

#[test]
fn shares_are_those_of_dense_projectors() {
    for (seed, group) in groups().into_iter().enumerate() {
        let n = group.order();
        let model = models::one_layer(n, 3, 4, false, seed as u64);
        let classes = subgroup_classes(&group, 1000).unwrap();
        let found = cosets(&model, &group, &classes).unwrap();
        let maps = model.as_separable().unwrap();
        for (c, class) in classes.iter().enumerate() {
            for k in 0..4 {
                let (left, right) = (maps.left(), maps.right());
                let (left, right) = (left.column(k), right.column(k));
                let mut want = [f64::INFINITY; 4];
                for subgroup in class.representative.conjugates(&group) {
                    let on_left = |x, h| group.compose(x, h);
                    let on_right = |x, h| group.compose(h, x);
                    let shares = [
                        within(n, &subgroup, on_right, left),
                        within(n, &subgroup, on_left, right),
                        within(n, &subgroup, on_left, left),
                        within(n, &subgroup, on_right, right),
                    ];
                    want.iter_mut().zip(shares).for_each(|(want, share)| *want = want.min(share));
                }
                if class.order() > 1 {
                    let want = stander(n, &class.representative.right_cosets(&group), left);
                    let share = within(n, &class.representative, |x, h| group.compose(h, x), left);
                    assert!((found.concentration(c, share) - want).abs() < 1e-9 * want.max(1.0));
                }
                let got = found.neurons[k].shares.as_ref().unwrap()[c];
                for (got, want) in [got.left, got.right, got.left_reversed, got.right_reversed].into_iter().zip(want) {
                    assert!((got - want).abs() < 1e-10, "{}, class {c}: {got} against {want}", group.name());
                }
            }
        }
    }
}

/// One neuron a subgroup, constant on its right cosets on the left and on its left cosets on the right.
fn constant_on_cosets(group: &dyn Group, subgroups: &[Subgroup]) -> Network {
    let n = group.order();
    let (mut left, mut right) = (Array2::zeros((n, subgroups.len())), Array2::zeros((n, subgroups.len())));
    for (k, subgroup) in subgroups.iter().enumerate() {
        // No value twice, so that no larger subgroup will do.
        let value = |i: usize| ((i * i + 3 * i + k) as f32).sin();
        for (i, coset) in subgroup.right_cosets(group).iter().enumerate() {
            coset.iter().for_each(|x| left[[x.index(), k]] = value(i));
        }
        for (i, coset) in subgroup.left_cosets(group).iter().enumerate() {
            coset.iter().for_each(|x| right[[x.index(), k]] = value(i + 1));
        }
    }
    Network::summed(left, right, Array2::ones((subgroups.len(), n))).unwrap()
}

#[test]
fn a_net_constant_on_cosets_is_found_out() {
    for group in groups() {
        let classes = subgroup_classes(&group, 1000).unwrap();
        let proper = |class: &&SubgroupClass| class.order() > 1 && class.order() < group.order();
        let subgroups: Vec<Subgroup> =
            classes.iter().filter(proper).map(|class| class.representative.conjugates(&group).pop().unwrap()).collect();
        let model = constant_on_cosets(&group, &subgroups);
        let found = cosets(&model, &group, &classes).unwrap();
        for (k, subgroup) in subgroups.iter().enumerate() {
            let class = found.neurons[k].class.unwrap();
            assert_eq!(found.classes[class].order(), subgroup.order(), "{} of {}", k, group.name());
            assert!(found.neurons[k].shares.as_ref().unwrap()[class].both() < 1e-10);
            assert_eq!(found.neurons[k].subgroups, Some([subgroup.clone(), subgroup.clone()]));
        }
    }
}

#[test]
fn controls_show_the_contrast() {
    let group = Symmetric::new(4).unwrap();
    let classes = subgroup_classes(&group, 1000).unwrap();
    let point_stabiliser = classes.iter().find(|class| class.order() == 6).unwrap();
    let subgroups = point_stabiliser.representative.conjugates(&group);
    let model = constant_on_cosets(&group, &subgroups);
    let random = models::summed(24, 16, 3);
    let measure = |model: &dyn Interpretable, group: &dyn Group| cosets(model, group, &subgroup_classes(group, 1000)?);
    let controls = with_controls(&model, Some(&random), &group, 7, measure).unwrap();
    assert_eq!(controls, with_controls(&model, Some(&random), &group, 7, measure).unwrap());
    let labelled = |measures: &CosetMeasures| measures.neurons.iter().filter(|neuron| neuron.class.is_some()).count();
    assert_eq!(labelled(&controls.found), 4);
    assert_eq!(controls.found.names[controls.found.neurons[0].class.unwrap()], "S3");
    assert_eq!(labelled(&controls.relabelled), 0);
    assert_eq!(labelled(controls.random_model.as_ref().unwrap()), 0);
}

#[test]
fn what_cannot_be_measured_is_named() {
    let group = Symmetric::new(3).unwrap();
    let classes = subgroup_classes(&group, 100).unwrap();
    let opaque = models::Opaque(models::summed(6, 3, 0));
    assert!(matches!(cosets(&opaque, &group, &classes), Err(Error::Unsupported { .. })));
    let error = cosets(&models::summed(5, 3, 0), &group, &classes).unwrap_err();
    assert_eq!(error.to_string(), "group of the cosets: expected shape [5], got [6]");
    assert!(matches!(subgroup_classes(&group, 3), Err(Error::OverLimit { .. })));
    let larger = subgroup_classes(&Symmetric::new(4).unwrap(), 100).unwrap();
    let error = cosets(&models::summed(6, 3, 0), &group, &larger).unwrap_err();
    assert!(matches!(error, Error::UnknownElement { order: 6, .. }), "{error}");
    // A neuron that does not vary has no concentration.
    let flat = Network::summed(Array2::ones((6, 2)), Array2::ones((6, 2)), Array2::ones((2, 6))).unwrap();
    let found = cosets(&flat, &group, &classes).unwrap();
    assert!(found.neurons.iter().all(|neuron| neuron.shares.is_none() && neuron.class.is_none()));
    // Classes of the user's own.
    let own = SubgroupClass { representative: Subgroup::generated(&group, &[group.element(1)]), conjugates: 3 };
    let found = cosets(&models::summed(6, 3, 0), &group, &[own]).unwrap();
    assert_eq!(found.neurons[0].shares.as_ref().unwrap().len(), 1);
}

#[test]
fn published_runs_are_concentrated_and_their_controls_are_not() {
    let Some(root) = data::folder("published_runs_are_concentrated_and_their_controls_are_not") else { return };
    for (run, order, classes) in [("S5_MLP_seed2", "S5", 19), ("A5_MLP_seed2", "A5", 9), ("S6_MLP_seed1", "S6", 56)] {
        let run = Run::open(root.join("published").join(run)).unwrap();
        let permutations = PermutationGroup::from_json(root.join("orders").join(format!("{order}.json"))).unwrap();
        let group = permutations.cayley_table();
        let random = Network::random(run.architecture().unwrap(), group.order(), 1).unwrap();
        let measure =
            |model: &dyn Interpretable, group: &dyn Group| cosets(model, group, &subgroup_classes(group, 2000)?);
        let controls = with_controls(&run.model().unwrap(), Some(&random), &group, 1, measure).unwrap();
        assert_eq!(controls.found.classes.len(), classes);
        let labelled = |measures: &CosetMeasures| measures.neurons.iter().filter(|n| n.class.is_some()).count();
        let (found, random) = (labelled(&controls.found), labelled(controls.random_model.as_ref().unwrap()));
        println!("{order}: {found} of 128 neurons; untrained {random}\n{}", controls.found);
        assert_eq!((labelled(&controls.relabelled), random), (0, 0));
        assert!(found > 100 && CONCENTRATED == 1.0, "{found}");
    }
}
