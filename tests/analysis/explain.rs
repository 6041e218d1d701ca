//! Explanations: shapes that were planted are found, the idealised network is a model, comparisons against sums written out,
//! null controls, errors, and published networks.

use crate::{data, families, models};
use irreplens::Error;
use irreplens::analysis::{
    Circuit, CircuitKind, ExplainedNeuron, Explanation, HOLDS, NeuronOutput, Shape, Side, explain,
};
use irreplens::checkpoint::Run;
use irreplens::fourier::{CyclicSubgroupBasis, IrrepBasis};
use irreplens::group::{
    CayleyTable, Cyclic, Dicyclic, Dihedral, Elem, Group, GroupExt, GroupName, Symmetric, subgroup_classes,
};
use irreplens::irrep::{Irrep, Kind, Representation, irreps};
use irreplens::model::{Activation, Architecture, Hooks, Interpretable, Network, OfGroup};
use irreplens::task::Task;
use ndarray::{Array1, Array2};
use std::path::Path;

fn explained(net: &Network, group: &dyn Group) -> Explanation {
    explain(net, group, &IrrepBasis::new(group).unwrap()).unwrap()
}

/// A network of some neurons, each with its map of x, its map of y and its row of the unembedding.
fn network(neurons: &[[Array1<f64>; 3]]) -> Network {
    let n = neurons[0][0].len();
    let map = |which: usize| Array2::from_shape_fn((n, neurons.len()), |(x, k)| neurons[k][which][x] as f32);
    Network::summed(map(0), map(1), map(2).reversed_axes()).unwrap()
}

fn vector(draw: &mut models::Draw, d: usize) -> Array1<f64> {
    (0..d).map(|_| f64::from(draw.number())).collect()
}

/// `a^T rho(x) b` at every x.
fn coefficient(rho: &Representation<f64>, a: &Array1<f64>, b: &Array1<f64>) -> Array1<f64> {
    (0..rho.order()).map(|x| a.dot(&rho.of(Elem::new(x)).dot(b))).collect()
}

/// The idealised maps and unembedding are those of the network.
#[track_caller]
fn reproduced(explanation: &Explanation, net: &Network) {
    let of = |net: &Network| [net.maps().unwrap().0.to_owned(), net.maps().unwrap().1.to_owned()];
    for (ideal, own) in of(explanation.network()).iter().zip(of(net)) {
        let off = (ideal - &own).fold(0.0f32, |most, v| most.max(v.abs()));
        assert!(off < 1e-4, "a map is {off} off");
    }
}

#[test]
fn planted_coefficients_of_every_kind_are_found() {
    let c7_c3: GroupName = "C7:C3".parse().unwrap();
    let groups: Vec<CayleyTable> = vec![
        Symmetric::new(4).unwrap().cayley_table(),
        c7_c3.build().unwrap().cayley_table(),
        families::sl_2_3(),
        Dicyclic::new(5).unwrap().cayley_table(),
        Cyclic::new(17).unwrap().cayley_table(),
    ];
    let mut kinds = Vec::new();
    for (seed, group) in groups.iter().enumerate() {
        let mut draw = models::Draw::new(seed as u64);
        // One that is not faithful is a function on the cosets of its kernel, which may take fewer numbers.
        let is_faithful = |irrep: &Irrep| irrep.character.iter().filter(|v| **v > irrep.dim as f64 - 1e-9).count() == 1;
        for (i, irrep) in irreps(group).unwrap().iter().enumerate().filter(|(_, irrep)| is_faithful(irrep)) {
            // Matrices of another seed than the analysis has: the shape must not depend on the coordinates.
            let rho = irrep.matrices(group, 7).unwrap();
            let neurons: Vec<_> = (0..12)
                .map(|_| {
                    let [u, v, w] = [(); 3].map(|()| vector(&mut draw, irrep.dim));
                    let means = vector(&mut draw, 2).mapv(f64::abs); // So that ReLUs are on somewhere.
                    let t = coefficient(&rho, &u, &w);
                    [coefficient(&rho, &u, &v) + means[0], coefficient(&rho, &v, &w) + means[1], &t + &(&t * &t * 0.3)]
                })
                .collect();
            let net = network(&neurons);
            let found = explained(&net, group);
            for neuron in &found.neurons {
                let terms: Vec<usize> = neuron.shape.coefficients().iter().map(|term| term.irrep).collect();
                assert_eq!(terms, [i], "{} {}: {neuron:?}", group.order(), irrep.label);
                let shares = neuron.shares.unwrap();
                assert!(shares.left.min(shares.right).min(shares.unembed) > 0.98, "{shares:?}");
            }
            if found.neurons.iter().all(|neuron| matches!(neuron.shape, Shape::Coefficients(_))) {
                reproduced(&found, &net);
            }
            kinds.push(irrep.kind);
        }
    }
    for kind in [Kind::Real, Kind::Complex, Kind::Quaternionic] {
        assert!(kinds.contains(&kind), "{kind}");
    }
}

#[test]
fn planted_cosets_are_found_on_either_side() {
    let group = Symmetric::new(4).unwrap();
    let mut draw = models::Draw::new(3);
    let classes = subgroup_classes(&group, 1000).unwrap();
    for (c, class) in classes.iter().enumerate().filter(|(_, class)| (2..=8).contains(&class.order())) {
        let conjugates = class.representative.conjugates(&group);
        for inner in [false, true] {
            let sides = if inner { [Side::Left, Side::Right] } else { [Side::Right, Side::Left] };
            let neurons: Vec<_> = (0..6)
                .map(|k| {
                    let (h, j) = (&conjugates[k % conjugates.len()], &conjugates[(k + 1) % conjugates.len()]);
                    let mut on = |side: Side, subgroup| {
                        let mut map = Array1::zeros(24);
                        for coset in side.cosets(subgroup, &group) {
                            let value = f64::from(draw.number());
                            coset.iter().for_each(|x: &Elem| map[x.index()] = value);
                        }
                        map
                    };
                    [on(sides[0], h), on(sides[1], j), on(Side::Right, h)]
                })
                .collect();
            let net = network(&neurons);
            let found = explained(&net, &group);
            for (neuron, planted) in found.neurons.iter().zip(&neurons) {
                let maps = neuron.cosets.as_ref().unwrap_or_else(|| panic!("class {c}, inner {inner}: {neuron:?}"));
                assert!(maps.iter().all(|map| map.values.len() <= 24 / class.order()), "{c} {inner}");
                for (map, planted) in maps.iter().zip(planted) {
                    let off = (map.at(&group) - planted).mapv(|v| v * v).sum();
                    let whole = planted.mapv(|v| v * v).sum();
                    assert!(off < (1.0 - HOLDS) * whole, "{c} {inner}: {off} of {whole}");
                }
            }
        }
    }
}

#[test]
fn a_rho_set_is_told_from_a_coefficient() {
    // In the standard irrep of S4 the stabiliser of a point fixes one direction, and its conjugates four.
    let group = Symmetric::new(4).unwrap();
    let rho = irreps(&group).unwrap().into_iter().find_map(|irrep| {
        let rho = irrep.matrices(&group, 3).unwrap();
        let stabiliser = group.elements().filter(|&x| group.permutation(x)[3] == 3);
        let fixed = stabiliser.fold(Array2::<f64>::zeros((irrep.dim, irrep.dim)), |sum, x| sum + rho.of(x)) / 6.0;
        (irrep.dim == 3 && (fixed.diag().sum() - 1.0).abs() < 1e-9).then_some((rho, fixed))
    });
    let (rho, fixed) = rho.unwrap();
    let mut draw = models::Draw::new(8);
    let direction = fixed.dot(&vector(&mut draw, 3));
    let direction = &direction / direction.dot(&direction).sqrt();
    let mut orbit: Vec<Array1<f64>> = Vec::new();
    for x in group.elements() {
        let moved = rho.of(x).dot(&direction);
        if orbit.iter().all(|known| (known - &moved).mapv(f64::abs).sum() > 1e-6) {
            orbit.push(moved);
        }
    }
    assert_eq!(orbit.len(), 4);
    let neurons: Vec<_> = (0..480)
        .map(|k| {
            let (u, v, w) = (&orbit[k / 4 % 4], vector(&mut draw, 3), &orbit[k % 4]);
            [coefficient(&rho, u, &v), coefficient(&rho, &v, w), coefficient(&rho, u, w)]
        })
        .collect();
    let net = network(&neurons);
    let found = explained(&net, &group);
    for neuron in &found.neurons {
        let Shape::RhoSet { fixed, .. } = &neuron.shape else { panic!("{:?}", neuron.shape) };
        let [h, k] = fixed.outer.as_ref().unwrap_or_else(|| panic!("{neuron:?}"));
        assert_eq!((h.order(), k.order()), (6, 6));
        assert!(matches!(neuron.written, NeuronOutput::Polynomial { .. }));
        assert!(neuron.shares.unwrap().unembed > 0.9999);
    }
    // All of them together are one circuit, and cover the irrep evenly.
    assert_eq!(found.circuits.len(), 1);
    assert!(matches!(found.circuits[0].kind, CircuitKind::Irrep(_)));
    assert!((found.circuits[0].evenness.unwrap() - 1.0).abs() < 1e-6, "{:?}", found.circuits[0].evenness);
    assert!(found.circuits[0].character > 0.99, "{}", found.circuits[0].character);
}

#[test]
fn a_circuit_is_a_function_of_x_y_and_z() {
    // The function and its share against sums over all triples.
    let group = Dihedral::new(5).unwrap();
    let (n, basis) = (10, IrrepBasis::new(&group).unwrap());
    let rho = irreps(&group).unwrap()[2].matrices(&group, 1).unwrap();
    let mut draw = models::Draw::new(4);
    let neurons: Vec<_> = (0..7)
        .map(|_| {
            let [u, v, w] = [(); 3].map(|()| vector(&mut draw, 2));
            [coefficient(&rho, &u, &v), coefficient(&rho, &v, &w), coefficient(&rho, &u, &w)]
        })
        .collect();
    let net = network(&neurons);
    let found = explain(&net, &group, &basis).unwrap();
    let task = Task::new(&group);
    let logits = net.forward(&task.pairs(0..n * n)).unwrap().mapv(f64::from);
    let (mut function, mut energy) = (vec![0.0; n], 0.0);
    for pair in 0..n * n {
        let mean = logits.row(pair).sum() / n as f64;
        for z in 0..n {
            let value = logits[[pair, z]] - mean;
            let xy = Elem::new(task.labels()[pair] as usize);
            function[group.compose(xy, group.inverse(Elem::new(z))).index()] += value / (n * n) as f64;
            energy += value * value;
        }
    }
    let circuit = &found.circuits[0];
    assert_eq!(circuit.members, [0, 1, 2, 3, 4, 5, 6]);
    for (ours, theirs) in circuit.function.iter().zip(&function) {
        assert!((ours - theirs).abs() < 1e-5);
    }
    let share = (n * n) as f64 * function.iter().map(|v| v * v).sum::<f64>() / energy;
    assert!((circuit.of_product - share).abs() < 1e-5 && (circuit.share - 1.0).abs() < 1e-5);
}

/// A network trained on nothing, whose maps are nearly those of a circuit.
fn nearly(group: &dyn Group, noise: f32) -> Network {
    let rho = irreps(group).unwrap()[1].matrices(group, 1).unwrap();
    let mut draw = models::Draw::new(5);
    let neurons: Vec<_> = (0..9)
        .map(|_| {
            let [u, v, w] = [(); 3].map(|()| vector(&mut draw, rho.dim()));
            let mut noisy = |map: Array1<f64>| map.mapv(|v| v + f64::from(noise * draw.number()));
            [noisy(coefficient(&rho, &u, &v)), noisy(coefficient(&rho, &v, &w)), noisy(coefficient(&rho, &u, &w))]
        })
        .collect();
    network(&neurons)
}

#[test]
fn the_idealised_network_is_a_model_and_so_is_what_it_leaves() {
    let group = Cyclic::new(13).unwrap();
    let net = nearly(&group, 0.1);
    let found = explained(&net, &group);
    irreplens::laws::model::check(&found).unwrap();
    let remainder = found.remainder(&net).unwrap();
    irreplens::laws::model::check(&remainder).unwrap();
    let pairs = Task::new(&group).pairs(0..169);
    let (own, ideal) = (net.forward(&pairs).unwrap(), found.forward(&pairs).unwrap());
    let left = remainder.forward(&pairs).unwrap();
    for ((a, b), c) in own.iter().zip(&ideal).zip(&left) {
        assert!((a - b - c).abs() < 1e-4);
    }
    // All circuits are the whole of it, and none is the output bias that is left.
    let every: Vec<usize> = (0..found.circuits.len()).collect();
    let together = found.of_circuits(&every).unwrap().forward(&pairs).unwrap();
    assert!((together - &ideal).iter().all(|v| v.abs() < 1e-5));
    let none = found.of_circuits(&[]).unwrap().forward(&pairs).unwrap();
    assert!(none.iter().all(|v| v.abs() < 1e-5));
    // What is read back is the same model.
    let text = serde_json::to_string(&found).unwrap();
    let again: Explanation = serde_json::from_str(&text).unwrap();
    assert_eq!(again, found);
    assert_eq!(again.forward(&pairs).unwrap(), ideal);
}

#[test]
fn comparisons_are_sums_written_out() {
    let group = Cyclic::new(7).unwrap();
    let net = nearly(&group, 0.3);
    let found = explained(&net, &group);
    let task = Task::new(&group);
    let comparison = found.compare(&net, &task).unwrap();
    let pairs = task.pairs(0..49);
    let (own, ideal) = (net.forward(&pairs).unwrap().mapv(f64::from), found.forward(&pairs).unwrap().mapv(f64::from));
    let (mut agreeing, mut sum, mut most, mut divergence) = (0, 0.0, 0.0f64, 0.0);
    for (a, b) in own.rows().into_iter().zip(ideal.rows()) {
        let largest =
            |v: &ndarray::ArrayView1<'_, f64>| (0..7).fold(0, |best, z| if v[z] > v[best] { z } else { best });
        agreeing += usize::from(largest(&a) == largest(&b));
        let total = |v: &ndarray::ArrayView1<'_, f64>| v.iter().map(|v| v.exp()).sum::<f64>();
        for z in 0..7 {
            let off = ((a[z] - a.sum() / 7.0) - (b[z] - b.sum() / 7.0)).abs();
            (sum, most) = (sum + off, most.max(off));
            let (p, q) = (a[z].exp() / total(&a), b[z].exp() / total(&b));
            divergence += p * (p / q).ln();
        }
    }
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{a} {b}");
    close(comparison.agreement, agreeing as f64 / 49.0);
    close(comparison.mean_difference, sum / 343.0);
    close(comparison.largest_difference, most);
    close(comparison.divergence, divergence / 49.0);
    let guess = 7f64.ln();
    let loss = |model: &dyn Interpretable| model.evaluate(&task, &Hooks::none()).unwrap().loss;
    // This network does worse than a guess, so that nothing can be recovered; with small logits it does better.
    assert!(loss(&net) > guess && comparison.loss_recovered.is_none());
    let mut small = net.clone();
    let unembedding = 2 * 7 * 9;
    small.parameters_mut()[unembedding..].iter_mut().for_each(|weight| *weight *= 0.02);
    let of_small = explained(&small, &group);
    let recovered = of_small.compare(&small, &task).unwrap().loss_recovered;
    match loss(&small) < guess {
        true => close(recovered.unwrap(), (guess - loss(&of_small)) / (guess - loss(&small))),
        false => panic!("{}: the test says little", loss(&small)),
    }
    for losses in &comparison.circuits {
        let alone = found.of_circuits(&[losses.circuit]).unwrap();
        close(losses.alone.loss, loss(&alone));
    }
    close(comparison.circuits.last().unwrap().so_far.loss, loss(&found));
}

#[test]
fn nothing_is_explained_where_there_is_nothing() {
    let groups: [Box<dyn Group>; 3] = [
        Box::new(Cyclic::new(53).unwrap()),
        Box::new(Dihedral::new(20).unwrap()),
        Box::new(Symmetric::new(4).unwrap()),
    ];
    for group in groups {
        let n = group.order();
        let random = models::one_layer(n, 8, 60, false, 1);
        let found = explained(&random, group.as_ref());
        assert!(found.neurons.iter().all(|neuron| neuron.shape == Shape::Unexplained), "{}", group.name());
        assert!(found.circuits.is_empty());
        // A circuit, on the group with its elements shuffled.
        let net = nearly(group.as_ref(), 0.01);
        let mut draw = models::Draw::new(6);
        let mut rows: Vec<(f32, usize)> = (0..n).map(|x| (draw.number(), x)).collect();
        rows.sort_by(|a, b| a.0.total_cmp(&b.0));
        let rows: Vec<usize> = rows.into_iter().map(|(_, x)| x).collect();
        if n >= 40 {
            let shuffled = group.as_ref().cayley_table().relabelled(&rows).unwrap();
            let found = explained(&net, &shuffled);
            let left = found.neurons.iter().filter(|neuron| neuron.shape.is_explained()).count();
            assert_eq!(left, 0, "{}", group.name());
        }
        assert!(explained(&net, group.as_ref()).neurons.iter().all(|neuron| neuron.shape.is_explained()));
    }
}

#[test]
fn what_cannot_be_explained_is_an_error_that_says_so() {
    let group = Cyclic::new(7).unwrap();
    let basis = IrrepBasis::new(&group).unwrap();
    let refused = |model: &dyn Interpretable| match explain(model, &group, &basis).unwrap_err() {
        Error::Unsupported { analysis: "explain", needs } => needs,
        error => panic!("{error}"),
    };
    assert!(refused(&models::transformer(7, 1)).contains("heads"));
    assert!(refused(&models::two_layer(7, 4, 5, 1)).contains("a step between the two"));
    let net = nearly(&group, 0.1);
    let dihedral = Dihedral::new(5).unwrap();
    let two_sectors = CyclicSubgroupBasis::dihedral(&dihedral);
    let of_ten = models::summed(10, 4, 1);
    assert!(matches!(explain(&of_ten, &dihedral, &two_sectors), Err(Error::Unsupported { .. })));
    assert!(matches!(explain(&net, &dihedral, &IrrepBasis::new(&dihedral).unwrap()), Err(Error::Shape { .. })));
    let knows = OfGroup::new(models::summed(6, 4, 1), &Cyclic::new(6).unwrap()).unwrap();
    let d3 = Dihedral::new(3).unwrap();
    assert!(matches!(explain(&knows, &d3, &IrrepBasis::new(&d3).unwrap()), Err(Error::OtherGroup { .. })));
    // An explanation of another model: one bit of one weight.
    let found = explain(&net, &group, &basis).unwrap();
    let mut other = net.clone();
    let weight = &mut other.parameters_mut()[3];
    *weight = f32::from_bits(weight.to_bits() ^ 1);
    assert!(matches!(found.compare(&other, &Task::new(&group)), Err(Error::OtherModel { .. })));
    assert!(matches!(found.remainder(&other), Err(Error::OtherModel { .. })));
    assert!(matches!(found.of_circuits(&[9]), Err(Error::Range { .. })));
    let mut infinite = net;
    infinite.parameters_mut()[0] = f32::INFINITY;
    assert!(matches!(explain(&infinite, &group, &basis), Err(Error::NonFiniteActivation { .. })));
}

#[test]
fn bilinear_networks_and_other_functions() {
    let group = Cyclic::new(11).unwrap();
    let angle =
        |x: usize, k: usize, by: usize| (std::f64::consts::TAU * (3 * x) as f64 / 11.0 + (by * k) as f64).cos() as f32;
    let embed = Array2::from_shape_fn((11, 8), |(x, k)| angle(x, k, 1));
    let unembed = Array2::from_shape_fn((8, 11), |(k, z)| angle(z, k, 2));
    let bilinear = Network::bilinear(embed.clone(), embed.clone(), unembed.clone()).unwrap();
    let weights = [("W_E_a", embed.clone()), ("W_E_b", embed), ("W_U", unembed)];
    let gelu = Network::with_parameters(Architecture::summed_with(8, Activation::Gelu), 11, weights).unwrap();
    for net in [bilinear, gelu] {
        let found = explained(&net, &group);
        assert!(found.neurons.iter().all(|neuron| matches!(neuron.shape, Shape::Coefficients(_))));
        let comparison = found.compare(&net, &Task::new(&group)).unwrap();
        assert!(comparison.largest_difference < 1e-4, "{}", comparison.largest_difference);
        // A sine's output phase is the sum of the input phases.
        assert!(found.circuits[0].alignment.unwrap() > 0.9999);
    }
}

/// A published run with its group and its basis.
fn opened(folder: &Path) -> (Run, Network, Box<dyn Group>, IrrepBasis) {
    let run = Run::open(folder).unwrap();
    let name = folder.file_name().unwrap().to_string_lossy();
    let orders = folder.ancestors().nth(2).unwrap().join("orders");
    let order = name.starts_with(['S', 'A']).then(|| orders.join(format!("{}.json", &name[..2])));
    let (group, permutations) = run.group_in_order(order.as_deref()).unwrap();
    let basis = IrrepBasis::from_irreps(&group, run.irreps(&group, permutations.as_ref()).unwrap()).unwrap();
    let network = run.network().unwrap();
    (run, network, group, basis)
}

#[test]
fn published_networks_are_explained() {
    let test = "analysis::explain::published_networks_are_explained";
    let Some(folders) = data::folders_with("representation_golden.json", test) else { return };
    for folder in folders {
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let (_, network, group, basis) = opened(&folder);
        if network.as_separable().is_none_or(|maps| maps.neuron_function().is_none()) {
            continue;
        }
        let found = explain(&network, &group, &basis).unwrap();
        if group.order() > 200 {
            assert!(found.neurons.iter().filter(|neuron| neuron.shape.is_explained()).count() >= 120, "{name}");
            continue; // All pairs, in a debug build.
        }
        let comparison = found.compare(&network, &Task::new(&group)).unwrap();
        assert_eq!(comparison.network.accuracy, 1.0, "{name}");
        assert_eq!(comparison.explanation.accuracy, 1.0, "{name}");
        assert!(comparison.agreement >= 0.999 && comparison.loss_recovered.unwrap() >= 0.99, "{name}: {comparison}");
        assert!(found.numbers() * 8 < 3 * group.order() * found.neurons.len(), "{name}: {}", found.numbers());
    }
}

/// The cells of a row of the page's tables, by its first cell.
fn row_of_page(first: &str) -> Vec<&'static str> {
    let page = include_str!("../../docs/explanations.md");
    let line = page.lines().find(|line| line.starts_with(&format!("| {first} |"))).expect("a row of the page");
    line.split('|').skip(2).map(str::trim).collect()
}

/// The number that a text begins with, its thousands apart.
fn number(text: &str) -> f64 {
    text.split_whitespace().next().unwrap().replace(',', "").parse().unwrap()
}

#[test]
fn the_networks_that_the_page_follows_are_as_it_says() {
    let test = "analysis::explain::the_networks_that_the_page_follows_are_as_it_says";
    let Some(root) = data::folder(test) else { return };
    let (numbers, losses) = (row_of_page("numbers, of"), row_of_page("loss"));
    for (i, name) in ["S5_MLP_seed2", "C113_MLP_seed1", "D59_MLP_seed1"].into_iter().enumerate() {
        let (_, network, group, basis) = opened(&root.join("published").join(name));
        let found = explain(&network, &group, &basis).unwrap();
        let comparison = found.compare(&network, &Task::new(&group)).unwrap();
        assert_eq!(found.numbers() as f64, number(numbers[i]), "{name}");
        let (_, of) = numbers[i].split_once(" of ").unwrap();
        let (n, width) = (group.order(), found.neurons.len());
        assert_eq!((3 * n * width + n) as f64, number(of), "{name}");
        let (trained, idealised) = losses[i].split_once(", idealised ").unwrap();
        for (loss, said) in [(comparison.network.loss, trained), (comparison.explanation.loss, idealised)] {
            assert!((loss / number(said) - 1.0).abs() < 0.01, "{name}: {loss} {said}");
        }
        assert_eq!(comparison.agreement, 1.0, "{name}");
        let large = |of: &&Circuit| of.share > 0.1;
        match name {
            // Which of five points x puts a, and on which y takes b to: H and K are stabilisers of points.
            "S5_MLP_seed2" => {
                let on_points = |neuron: &&ExplainedNeuron| match &neuron.shape {
                    Shape::RhoSet { fixed, .. } => {
                        fixed.outer.as_ref().is_some_and(|both| both.iter().all(|h| h.order() == 24))
                    }
                    _ => false,
                };
                assert_eq!(found.neurons.iter().filter(on_points).count(), 108);
            }
            "C113_MLP_seed1" => {
                assert_eq!(found.circuits.iter().filter(|of| of.members.len() > 1).count(), 8);
                for circuit in found.circuits.iter().filter(large) {
                    assert!((0.955..0.975).contains(&circuit.of_product), "{}", circuit.of_product);
                    assert!(circuit.alignment.unwrap() > 0.95);
                }
            }
            _ => {
                assert_eq!(found.circuits.len(), 8);
                let about_half = |of: &&Circuit| (0.465..0.485).contains(&of.of_product);
                assert_eq!(found.circuits.iter().filter(about_half).count(), 6);
            }
        }
    }
}
