//! Certificates: never a pair that is wrong, against every logit in double precision, through perturbed and random networks of
//! every kind, and published networks.

use crate::{data, models, step_by_step};
use irreplens::Error;
use irreplens::analysis::{Certificate, Method, ProvenBy, certify, explain};
use irreplens::checkpoint::Run;
use irreplens::fourier::IrrepBasis;
use irreplens::group::{Cyclic, Dihedral, Group, GroupExt, GroupName, Symmetric};
use irreplens::irrep::irreps;
use irreplens::model::{Activation, Architecture, Interpretable, Network};
use irreplens::task::Task;
use ndarray::Array2;

const ALL: [ProvenBy; 3] = [ProvenBy::Explanation, ProvenBy::Cosets, ProvenBy::BruteForce];

fn certified(net: &Network, group: &dyn Group, by: ProvenBy) -> Certificate {
    let explanation = explain(net, group, &IrrepBasis::new(group).unwrap()).unwrap();
    certify(net, &explanation, &Task::new(group), by).unwrap()
}

/// Every logit of every pair in double precision, step by step.
fn logits(net: &Network) -> Array2<f64> {
    let (n, numbers) = (net.order(), step_by_step::parameters(net));
    let rows: Vec<f64> =
        (0..n * n).flat_map(|pair| step_by_step::at_site(net, &numbers, "logits", pair / n, pair % n)).collect();
    Array2::from_shape_vec((n * n, n), rows).unwrap()
}

/// No certificate claims a margin that is not there; returns the proven shares and the accuracy.
#[track_caller]
fn sound(net: &Network, group: &dyn Group) -> ([f64; 3], f64) {
    let (n, logits, task) = (net.order(), logits(net), Task::new(group));
    let margin = |pair: usize| {
        let (row, label) = (logits.row(pair), task.labels()[pair] as usize);
        (0..n).filter(|&z| z != label).map(|z| row[label] - row[z]).fold(f64::MAX, f64::min)
    };
    let scale = logits.iter().fold(1.0f64, |most, v| most.max(v.abs()));
    let explanation = explain(net, group, &IrrepBasis::new(group).unwrap()).unwrap();
    let shares = ALL.map(|by| {
        let found = certify(net, &explanation, &task, by).unwrap();
        for (pair, &claimed) in found.margins.iter().enumerate() {
            let there = margin(pair);
            assert!(claimed <= there + 1e-12 * scale, "{by:?}, pair {pair}: {claimed} claimed, {there} there");
        }
        // Running every pair leaves nothing but rounding open.
        if by == ProvenBy::BruteForce {
            let open = (0..n * n).filter(|&pair| margin(pair) > 1e-4 * scale).count();
            assert!(found.proven() >= open);
        }
        found.accuracy()
    });
    (shares, (0..n * n).filter(|&pair| margin(pair) > 0.0).count() as f64 / (n * n) as f64)
}

/// A network that has learnt a group: neurons that read and write an irrep each, evenly.
fn learnt(group: &dyn Group, seed: u64, function: Activation, neurons: usize) -> Network {
    let n = group.order();
    let all: Vec<_> =
        irreps(group).unwrap().into_iter().skip(1).map(|irrep| irrep.matrices(group, 1).unwrap()).collect();
    let mut draw = models::Draw::new(seed);
    let mut maps = [(); 3].map(|()| Array2::<f32>::zeros((n, neurons)));
    for k in 0..neurons {
        let rho = &all[k % all.len()];
        let d = rho.dim();
        let [u, v, w] = [(); 3].map(|()| {
            let v: ndarray::Array1<f64> = (0..d).map(|_| f64::from(draw.number())).collect();
            let norm = v.dot(&v).sqrt();
            v / norm
        });
        for x in 0..n {
            let matrix = rho.of(group.element(x));
            maps[0][[x, k]] = u.dot(&matrix.dot(&v)) as f32;
            maps[1][[x, k]] = v.dot(&matrix.dot(&w)) as f32;
            maps[2][[x, k]] = (d as f64 * u.dot(&matrix.dot(&w))) as f32;
        }
    }
    let [left, right, out] = maps;
    let weights = [("W_E_a", left), ("W_E_b", right), ("W_U", out.reversed_axes().as_standard_layout().into_owned())];
    Network::with_parameters(Architecture::summed_with(neurons, function), n, weights).unwrap()
}

#[test]
fn what_is_certified_is_true_of_learnt_networks() {
    let c7_c3: GroupName = "C7:C3".parse().unwrap();
    let groups: Vec<Box<dyn Group>> = vec![
        Box::new(Symmetric::new(3).unwrap()),
        Box::new(Cyclic::new(9).unwrap()),
        Box::new(Dihedral::new(6).unwrap()),
        Box::new(c7_c3.build().unwrap()),
    ];
    for group in &groups {
        for function in [Activation::Relu, Activation::Square, Activation::Identity] {
            let net = learnt(group.as_ref(), 2, function, 150);
            let (shares, accuracy) = sound(&net, group.as_ref());
            let by_explanation = shares[0];
            // Nothing is left over, so that all that is right is proven.
            assert!(by_explanation >= accuracy - 0.01, "{} {function:?}: {shares:?} {accuracy}", group.name());
        }
    }
}

#[test]
fn no_wrong_pair_is_certified_of_perturbed_networks() {
    // Every size of perturbation, of single weights, whole neurons and swapped classes.
    let groups: [Box<dyn Group>; 3] =
        [Box::new(Symmetric::new(3).unwrap()), Box::new(Cyclic::new(7).unwrap()), Box::new(Dihedral::new(4).unwrap())];
    let mut proven = 0;
    for case in 0..1000u64 {
        let group = groups[case as usize % 3].as_ref();
        let n = group.order();
        let mut net = learnt(group, case / 50, Activation::Relu, 24);
        let mut draw = models::Draw::new(1000 + case);
        let size = 10f32.powi(case as i32 / 3 % 7 - 4);
        let mut at = |below: usize| ((draw.number().abs() * 1e4) as usize) % below;
        match case % 4 {
            0 => {
                let weight = at(net.parameters().len());
                net.parameters_mut()[weight] += size;
            }
            1 => {
                let (table, k) = (at(3), at(24));
                for x in 0..n {
                    let place = if table < 2 { table * n * 24 + x * 24 + k } else { 2 * n * 24 + k * n + x };
                    net.parameters_mut()[place] *= 1.0 + size * (x as f32 - 2.0);
                }
            }
            2 => {
                let (a, b) = (at(n), at(n));
                (0..24).for_each(|k| net.parameters_mut().swap(2 * n * 24 + k * n + a, 2 * n * 24 + k * n + b));
            }
            _ => {
                let count = net.parameters().len();
                let noise: Vec<f32> = (0..count).map(|_| size * draw.number()).collect();
                net.parameters_mut().iter_mut().zip(noise).for_each(|(weight, noise)| *weight += noise);
            }
        }
        proven += sound(&net, group).0.iter().filter(|share| **share > 0.0).count();
    }
    assert!(proven > 500, "{proven} certificates of 3000 prove anything: the test says little");
}

#[test]
fn no_wrong_pair_is_certified_of_random_networks() {
    for seed in 0..200 {
        let group: Box<dyn Group> = match seed % 3 {
            0 => Box::new(Cyclic::new(6).unwrap()),
            1 => Box::new(Symmetric::new(3).unwrap()),
            _ => Box::new(Dihedral::new(4).unwrap()),
        };
        let n = group.order();
        let net = match seed % 4 {
            0 => models::one_layer(n, 4, 7, true, seed),
            1 => models::summed(n, 7, seed),
            2 => models::bilinear(n, 7, seed),
            _ => models::one_layer(n, 4, 7, false, seed).with_output_bias(models::row(n, seed)).unwrap(),
        };
        sound(&net, group.as_ref());
    }
}

#[test]
fn single_precision_is_within_its_bound() {
    for seed in 0..20 {
        let nets = [
            models::one_layer(12, 30, 40, true, seed),
            models::summed(12, 40, seed),
            models::bilinear(12, 40, seed),
            learnt(&Dihedral::new(6).unwrap(), seed, Activation::Square, 40),
        ];
        for net in nets {
            let found = certified(&net, &Dihedral::new(6).unwrap(), ProvenBy::BruteForce);
            let single = net.forward(&pairs_of(12)).unwrap().mapv(f64::from);
            let most = (single - logits(&net)).fold(0.0f64, |most, v| most.max(v.abs()));
            assert!(most <= found.single_error, "{most} {}", found.single_error);
            assert!(found.single_error < 1e-2, "{}", found.single_error);
        }
    }
}

fn pairs_of(n: usize) -> Vec<irreplens::task::Pair> {
    let group = Cyclic::new(n).unwrap();
    Task::new(&group).pairs(0..n * n)
}

#[test]
fn single_precision_counts_what_cancels() {
    // A large bias of neurons whose rows of the unembedding are opposite in pairs: nothing of it is in the logits.
    let (n, mut draw) = (11, models::Draw::new(3));
    let [left, right] = [(); 2].map(|()| draw.matrix(n, 4));
    let weight = draw.matrix(8, 6);
    let half = draw.matrix(3, n);
    let unembed = Array2::from_shape_fn((6, n), |(k, z)| if k < 3 { half[[k, z]] } else { -half[[k - 3, z]] });
    let bias = ndarray::Array1::from_elem(6, 1e6);
    let net = Network::one_layer(left, right, weight, Some(bias), unembed).unwrap();
    let found = certified(&net, &Cyclic::new(n).unwrap(), ProvenBy::BruteForce);
    let single = net.forward(&pairs_of(n)).unwrap().mapv(f64::from);
    let most = (single - logits(&net)).fold(0.0f64, |most, v| most.max(v.abs()));
    assert!(most > 1e-3, "{most}: the test says little");
    assert!(most <= found.single_error, "{most} {}", found.single_error);
}

#[test]
fn what_cannot_be_certified_is_an_error_that_names_it() {
    let group = Cyclic::new(7).unwrap();
    let (basis, task) = (IrrepBasis::new(&group).unwrap(), Task::new(&group));
    let net = learnt(&group, 1, Activation::Relu, 12);
    let explanation = explain(&net, &group, &basis).unwrap();
    // Another network: one bit of one weight.
    let mut other = net.clone();
    let weight = &mut other.parameters_mut()[5];
    *weight = f32::from_bits(weight.to_bits() ^ 1);
    let error = certify(&other, &explanation, &task, ProvenBy::Explanation).unwrap_err();
    assert!(matches!(error, Error::OtherModel { what: "explanation", .. }), "{error}");
    // Another group of that order has no other table here; one of another order is told.
    let of_eight = Task::new(&Cyclic::new(8).unwrap());
    assert!(certify(&net, &explanation, &of_eight, ProvenBy::Explanation).is_err());
    // An activation function without exact bounds.
    let gelu = learnt(&group, 1, Activation::Gelu, 12);
    let explanation = explain(&gelu, &group, &basis).unwrap();
    let error = certify(&gelu, &explanation, &task, ProvenBy::Explanation).unwrap_err();
    assert!(error.to_string().contains("relu, square or identity"), "{error}");
    // A forward pass in single precision would overflow.
    let huge = learnt(&group, 1, Activation::Square, 12);
    for factor in [1e10, 1e18, 1e30] {
        let mut huge = huge.clone();
        huge.parameters_mut().iter_mut().for_each(|weight| *weight *= factor);
        let Ok(explanation) = explain(&huge, &group, &basis) else { continue };
        let found = certify(&huge, &explanation, &task, ProvenBy::BruteForce);
        let finite = huge.forward(&pairs_of(7)).unwrap().iter().all(|v| v.is_finite());
        assert!(finite || matches!(found, Err(Error::Range { what: "bound of a neuron", .. })), "{factor}");
    }
}

#[test]
fn files_are_read_as_written_and_no_other() {
    let group = Cyclic::new(5).unwrap();
    let found = certified(&learnt(&group, 1, Activation::Relu, 6), &group, ProvenBy::Explanation);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("C5.certificate");
    found.write(&file).unwrap();
    assert_eq!(Certificate::read(&file).unwrap(), found);
    let bytes = std::fs::read(&file).unwrap();
    let mut draw = models::Draw::new(9);
    for _ in 0..1000 {
        let mut changed = bytes.clone();
        let at = (draw.number().abs() * 1e6) as usize % changed.len();
        changed[at] ^= 1 << ((draw.number().abs() * 1e4) as usize % 8);
        std::fs::write(&file, &changed).unwrap();
        match Certificate::read(&file) {
            Err(Error::Format { .. }) => {}
            other => panic!("byte {at}: {other:?}"),
        }
    }
    std::fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(Certificate::read(&file).is_err());
    assert!(matches!(Certificate::read(folder.path().join("none")), Err(Error::Io { .. })));
}

#[test]
fn published_networks_are_certified() {
    let test = "analysis::certify::published_networks_are_certified";
    let Some(root) = data::folder(test) else { return };
    // The share of pairs proven, and the operations beside those of running every pair, at most.
    let published = [
        ("published/S5_MLP_seed2", 1.0, 0.06),
        ("published/A5_MLP_seed2", 1.0, 0.5),
        ("published/C113_MLP_seed1", 0.99, 0.5),
        ("published/C118_MLP_seed1", 0.99, 0.5),
        ("published/D59_MLP_seed1", 0.99, 0.7),
        ("notebook/D53", 0.99, 0.6),
    ];
    for (name, share, operations) in published {
        let run = Run::open(root.join(name)).unwrap();
        let (_, run_name) = name.split_once('/').unwrap();
        let order = run_name.starts_with(['S', 'A']).then(|| root.join(format!("orders/{}.json", &run_name[..2])));
        let (group, permutations) = run.group_in_order(order.as_deref()).unwrap();
        let basis = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref()).unwrap()).unwrap();
        let net = run.network().unwrap();
        let explanation = explain(&net, &group, &basis).unwrap();
        let task = Task::new(&group);
        let found = certify(&net, &explanation, &task, ProvenBy::Explanation).unwrap();
        assert!(found.accuracy() >= share, "{name}: {found}");
        let taken = found.operations as f64 / found.brute_force as f64;
        assert!(taken <= operations, "{name}: {taken}");
        let ceiling = certify(&net, &explanation, &task, ProvenBy::BruteForce).unwrap();
        assert_eq!(ceiling.accuracy_in_single_precision(), 1.0, "{name}");
        for (found, ceiling) in found.margins.iter().zip(&ceiling.margins) {
            assert!(*found <= ceiling + 1e-4, "{name}: {found} {ceiling}");
        }
        if name.contains("S5") {
            let by_cosets = certify(&net, &explanation, &task, ProvenBy::Cosets).unwrap();
            assert_eq!(by_cosets.accuracy(), 1.0);
            assert!(by_cosets.neurons.iter().all(|method| matches!(method, Method::Read { .. } | Method::Bounded)));
        }
    }
}
