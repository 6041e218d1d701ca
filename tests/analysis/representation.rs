//! Representation measures, against every definition written out over all triples (x, y, z).

use crate::models;
use irreplens::analysis::{IrrepMeasures, KEY_SIMILARITY, RepresentationMeasures, neurons, representation};
use irreplens::fourier::{CyclicSubgroupBasis, FourierBasis, IrrepBasis, forward};
use irreplens::group::{Alternating, Cyclic, Dicyclic, Dihedral, Elem, Group, GroupExt, SemidirectProduct, Symmetric};
use irreplens::irrep::{Irrep, irreps};
use irreplens::laws;
use irreplens::model::{Architecture, Hooks, Interpretable, Network};
use irreplens::task::{Split, Task};
use ndarray::{Array1, Array2, Array3, ArrayView2, s};

/// Mean cross-entropy in the plainest form, over the pairs chosen, all in `f64`.
fn loss(logits: &Array3<f64>, labels: &[u32], pairs: impl Iterator<Item = usize>) -> f64 {
    let n = logits.dim().0;
    let losses: Vec<f64> = pairs
        .map(|pair| {
            let row = logits.slice(s![pair / n, pair % n, ..]);
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            largest + row.iter().map(|l| (l - largest).exp()).sum::<f64>().ln() - row[labels[pair] as usize]
        })
        .collect();
    losses.iter().sum::<f64>() / losses.len() as f64
}

/// The projection of a function of elements with `P[g, h] = d / (n norm) chi(g h^-1)`.
fn projected(group: &dyn Group, irrep: &Irrep, map: &Array2<f64>) -> Array2<f64> {
    let n = group.order();
    let scale = irrep.dim as f64 / (n * irrep.kind.norm()) as f64;
    let projector = Array2::from_shape_fn((n, n), |(g, h)| {
        scale * irrep.character[group.right_divide(Elem::new(g), Elem::new(h)).index()]
    });
    projector.dot(map)
}

fn squares<D: ndarray::Dimension>(values: &ndarray::Array<f64, D>) -> f64 {
    values.iter().map(|v| v * v).sum()
}

#[track_caller]
fn close(what: &str, got: f64, want: f64) {
    let off = (got - want).abs();
    assert!(off <= 2e-5 * want.abs() + 1e-6 || got.is_nan() && want.is_nan(), "{what}: expected {want}, got {got}");
}

/// Holds every measure to its definition.
fn oracle(group: &dyn Group, model: &dyn Interpretable, found: &RepresentationMeasures, split: &Split) {
    let (n, task) = (group.order(), Task::new(group));
    let width = model.sites().iter().find(|site| site.name == model.readout().site()).unwrap().width;
    let pairs = task.pairs(0..n * n);
    let mut cache = model.run_with_cache(&pairs, &[model.readout().site()]).unwrap();
    let wide = |values: Array2<f32>, last: usize| {
        values.mapv(f64::from).as_standard_layout().into_owned().into_shape_with_order((n, n, last)).unwrap()
    };
    let mut hidden = wide(cache.take(model.readout().site()).unwrap(), width);
    let logits = wide(model.forward(&pairs).unwrap(), n);
    let product = |x: usize, y: usize| group.compose(Elem::new(x), Elem::new(y));
    let centred =
        Array3::from_shape_fn((n, n, n), |(x, y, z)| logits[[x, y, z]] - logits.slice(s![x, y, ..]).mean().unwrap());
    if model.readout().site() == "logits" {
        hidden = centred.clone(); // measures of logits are of these
    }
    let mean: Array1<f64> = hidden.mean_axis(ndarray::Axis(0)).unwrap().mean_axis(ndarray::Axis(0)).unwrap();
    let hidden_centred = Array3::from_shape_fn((n, n, width), |(x, y, k)| hidden[[x, y, k]] - mean[k]);
    let by = |values: &Array3<f64>, of: &dyn Fn(usize, usize) -> usize| {
        let mut sums = Array2::zeros((n, values.dim().2));
        for x in 0..n {
            for y in 0..n {
                let mut row = sums.row_mut(of(x, y));
                row += &values.slice(s![x, y, ..]);
            }
        }
        sums / n as f64
    };
    let of_product = |x: usize, y: usize| product(x, y).index();
    let cube = |irrep: &Irrep| {
        Array3::from_shape_fn((n, n, n), |(x, y, z)| {
            irrep.character[group.right_divide(product(x, y), Elem::new(z)).index()]
        })
    };
    let read = |part: &Array2<f64>| {
        model.readout().with_bias(None).logits(part.mapv(|v| v as f32).view()).unwrap().mapv(f64::from)
    };
    let offset = model.readout().bias().map_or_else(|| Array1::zeros(n), |bias| bias.mapv(f64::from));
    let spread = |rows: &Array2<f64>| Array3::from_shape_fn((n, n, n), |(x, y, z)| rows[[of_product(x, y), z]]);
    let all = || 0..n * n;
    let train = || split.train.iter().copied();
    close("all", found.all.loss, loss(&logits, task.labels(), all()));
    close("train", found.train.unwrap().loss, loss(&logits, task.labels(), train()));

    let (mut similarities, mut hidden_parts, mut logit_parts) = (0.0, Vec::new(), Vec::new());
    let maps = model.as_separable().map(|maps| (maps.left().mapv(f64::from), maps.right().mapv(f64::from)));
    for (b, m) in found.irreps.iter().enumerate() {
        let label = &m.irrep.label;
        let share = |map: &Array2<f64>| squares(&projected(group, &m.irrep, map)) / squares(map);
        if let Some((left, right)) = &maps {
            close(label, m.embed_left.unwrap(), share(left));
            close(label, m.embed_right.unwrap(), share(right));
        }
        if let Some(unembedding) = model.readout().unembedding() {
            let map = unembedding.t().mapv(f64::from);
            close(label, m.unembed.unwrap(), share(&map));
            let map = &map - &map.mean_axis(ndarray::Axis(0)).unwrap();
            close(label, m.unembed_centred.unwrap(), share(&map));
        }
        let along = |of: &dyn Fn(usize, usize) -> usize| {
            n as f64 * squares(&projected(group, &m.irrep, &by(&hidden_centred, of))) / squares(&hidden_centred)
        };
        close(label, m.hidden_x.unwrap(), along(&|x, _| x));
        close(label, m.hidden_y.unwrap(), along(&|_, y| y));
        close(label, m.hidden_xy.unwrap(), along(&of_product));
        let cube = cube(&m.irrep);
        let inner = (&centred * &cube).sum();
        let similarity = inner / (squares(&centred) * squares(&cube)).sqrt();
        close(label, m.trace_similarity.unwrap(), similarity);
        if b > 0 {
            similarities += similarity * similarity;
        }
        assert_eq!(m.losses.is_some(), found.key.iter().any(|&k| k == b));
        assert_eq!(found.key.iter().any(|&k| k == b), b > 0 && m.trace_similarity > Some(KEY_SIMILARITY));
        if let Some(losses) = m.losses {
            let part = projected(group, &m.irrep, &by(&hidden, &of_product));
            let logit_part =
                cube * (inner / squares(&centred)) * (squares(&centred) / squares(&self_cube(group, &m.irrep)));
            close(label, losses.hidden_restricted.loss, loss(&spread(&(read(&part) + &offset)), task.labels(), all()));
            close(
                label,
                losses.hidden_excluded.unwrap().loss,
                loss(&(&logits - &spread(&read(&part))), task.labels(), train()),
            );
            close(label, losses.logit_restricted.loss, loss(&logit_part, task.labels(), all()));
            close(label, losses.logit_excluded.unwrap().loss, loss(&(&centred - &logit_part), task.labels(), train()));
            hidden_parts.push(part);
            logit_parts.push(logit_part);
        }
    }
    close("logit fve", found.logit_fve.unwrap(), similarities);
    if let Some(losses) = found.key_losses {
        let part = hidden_parts.iter().fold(Array2::zeros((n, width)), |sum, part| sum + part);
        let logit_part = logit_parts.iter().fold(Array3::zeros((n, n, n)), |sum, part| sum + part);
        close("key", losses.hidden_restricted.loss, loss(&spread(&(read(&part) + &offset)), task.labels(), all()));
        close(
            "key",
            losses.hidden_excluded.unwrap().loss,
            loss(&(&logits - &spread(&read(&part))), task.labels(), train()),
        );
        close("key", losses.logit_restricted.loss, loss(&logit_part, task.labels(), all()));
        close("key", losses.logit_excluded.unwrap().loss, loss(&(&centred - &logit_part), task.labels(), train()));
    }
    if let Some(along) = &found.along {
        for k in 0..width {
            let neuron = hidden_centred.slice(s![.., .., k..k + 1]).to_owned();
            for (b, m) in found.irreps.iter().enumerate() {
                let share = |of: &dyn Fn(usize, usize) -> usize| {
                    n as f64 * squares(&projected(group, &m.irrep, &by(&neuron, of))) / squares(&neuron)
                };
                if squares(&neuron) > 1e-6 {
                    close("neuron, x", along[0][[k, b]], share(&|x, _| x));
                    close("neuron, y", along[1][[k, b]], share(&|_, y| y));
                    close("neuron, xy", along[2][[k, b]], share(&of_product));
                }
            }
        }
    }
}

fn self_cube(group: &dyn Group, irrep: &Irrep) -> Array3<f64> {
    let n = group.order();
    Array3::from_shape_fn((n, n, n), |(x, y, z)| {
        let xy = group.compose(Elem::new(x), Elem::new(y));
        irrep.character[group.right_divide(xy, Elem::new(z)).index()]
    })
}

fn groups() -> Vec<Box<dyn Group>> {
    let shuffled = Symmetric::new(3).unwrap().cayley_table().relabelled(&[4, 2, 0, 5, 1, 3]).unwrap();
    vec![
        Box::new(Cyclic::new(6).unwrap()),
        Box::new(Cyclic::new(7).unwrap()),
        Box::new(Dihedral::new(4).unwrap()),
        Box::new(Dicyclic::new(2).unwrap()),
        Box::new(shuffled),
        Box::new(Alternating::new(4).unwrap()),
        Box::new(SemidirectProduct::affine(5, 4).unwrap()),
    ]
}

#[test]
fn measures_are_their_definitions() {
    for (seed, group) in groups().into_iter().enumerate() {
        let n = group.order();
        let (basis, task) = (IrrepBasis::new(&group).unwrap(), Task::new(&group));
        let split = Split::random(n, 0.4, seed as u64).unwrap();
        for (what, model) in models::all(n, 31 * seed as u64) {
            let found =
                representation(&model, &group, &basis, &task, &split).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert_eq!(found.all, model.evaluate(&task, &Hooks::none()).unwrap());
            oracle(&group, &model, &found, &split);
        }
        // Without its maps and its unembedding a model has the same measures but for theirs.
        let (plain, opaque) =
            (models::one_layer(n, 3, 7, true, 5), models::Opaque(models::one_layer(n, 3, 7, true, 5)));
        let (plain, hidden) = (
            representation(&plain, &group, &basis, &task, &split).unwrap(),
            representation(&opaque, &group, &basis, &task, &split).unwrap(),
        );
        oracle(&group, &opaque, &hidden, &split);
        assert_eq!(hidden.irreps[0].embed_left, None);
        assert_eq!(hidden.irreps[0].unembed, None);
        assert_eq!(plain.key, hidden.key);
    }
}

#[test]
fn shares_of_all_irreps_add_up() {
    for group in groups() {
        let n = group.order();
        let basis = IrrepBasis::new(&group).unwrap();
        let model = models::one_layer(n, 4, 9, false, 3);
        let split = Split::random(n, 0.5, 0).unwrap();
        let found = representation(&model, &group, &basis, &Task::new(&group), &split).unwrap();
        let shares: [fn(&IrrepMeasures) -> Option<f64>; 3] = [|m| m.embed_left, |m| m.embed_right, |m| m.unembed];
        for share in shares {
            let sum: f64 = found.irreps.iter().map(|m| share(m).unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{}: {sum}", group.name());
        }
        assert!(found.logit_fve.unwrap() <= 1.0 + 1e-6);
    }
}

#[test]
fn labels_of_an_untrained_network_say_that_they_are_worthless() {
    let group = Symmetric::new(5).unwrap();
    let basis = IrrepBasis::new(&group).unwrap();
    let untrained = |seed| {
        let network = Network::random(Architecture::one_layer(64, 128), 120, seed).unwrap();
        neurons(&network, &basis).unwrap()
    };
    let (mut first, second) = (untrained(1), untrained(2));
    assert!(first.neurons.iter().all(|neuron| neuron.no_better_than_random.is_none()));
    first.compare_with(&second);
    let labelled = first.neurons.iter().filter(|neuron| neuron.block.is_some()).count();
    let worthless = first.neurons.iter().filter(|neuron| neuron.no_better_than_random == Some(true)).count();
    assert_eq!(labelled, 128);
    assert!(worthless > 120, "{worthless} of {labelled}");
    assert!(first.table().reasons().is_empty(), "{first}");
    // The largest block, 36 of 120 rows, wins nearly all of them.
    let largest = (0..first.blocks.len()).max_by_key(|&b| first.blocks[b].rows.len()).unwrap();
    assert!(first.clusters()[&largest].len() > 100);

    // A neuron that computes with one irrep is better than that.
    let wave = basis.matrix().row(2).mapv(|v| v as f32).insert_axis(ndarray::Axis(1));
    let net = Network::summed(wave.clone(), wave.clone(), wave.reversed_axes()).unwrap();
    let mut found = neurons(&net, &basis).unwrap();
    found.compare_with(&second);
    assert_eq!(
        (found.neurons[0].block, found.neurons[0].no_better_than_random),
        (Some(basis.block_id(2).unwrap()), Some(false))
    );
}

#[test]
fn one_element_and_no_training_pairs() {
    let group = Cyclic::new(1).unwrap();
    let basis = IrrepBasis::new(&group).unwrap();
    let split = Split::random(1, 1.0, 0).unwrap();
    let found = representation(&models::summed(1, 3, 0), &group, &basis, &Task::new(&group), &split).unwrap();
    assert!(found.key.is_empty() && found.key_losses.is_none() && found.irreps[0].trace_similarity.is_none());
    let group = Cyclic::new(5).unwrap();
    let basis = IrrepBasis::new(&group).unwrap();
    let nothing = Split::new(5, Vec::new(), (0..25).collect()).unwrap();
    let found = representation(&models::summed(5, 8, 1), &group, &basis, &Task::new(&group), &nothing).unwrap();
    assert!(found.train.is_none() && found.test == Some(found.all));
    assert!(found.key_losses.is_none_or(|losses| losses.hidden_excluded.is_none() && losses.logit_excluded.is_none()));
}

#[test]
fn what_does_not_fit_is_named() {
    let (five, six) = (Cyclic::new(5).unwrap(), Cyclic::new(6).unwrap());
    let (basis, task, split) = (IrrepBasis::new(&five).unwrap(), Task::new(&five), Split::random(5, 0.5, 0).unwrap());
    let model = models::summed(5, 3, 0);
    let error = |result: irreplens::Result<RepresentationMeasures>| result.unwrap_err().to_string();
    assert_eq!(
        error(representation(&model, &six, &basis, &task, &split)),
        "group of the representation: expected shape [5], got [6]"
    );
    assert_eq!(
        error(representation(&model, &five, &IrrepBasis::new(&six).unwrap(), &task, &split)),
        "group of the basis: expected shape [5], got [6]"
    );
    assert_eq!(
        error(representation(&model, &five, &basis, &Task::new(&six), &split)),
        "group of the task: expected shape [5], got [6]"
    );
    let larger = Split::random(6, 0.5, 0).unwrap();
    assert_eq!(
        error(representation(&model, &five, &basis, &task, &larger)),
        "group of the split: expected shape [5], got [6]"
    );
    let mut missing = irreps(&five).unwrap();
    missing.pop();
    let error = |result: irreplens::Result<IrrepBasis>| result.err().unwrap().to_string();
    assert_eq!(
        error(IrrepBasis::from_irreps(&five, missing)),
        "rows of all irreps together: expected shape [5], got [3]"
    );
    let mut swapped = irreps(&five).unwrap();
    swapped.swap(0, 1);
    assert!(error(IrrepBasis::from_irreps(&five, swapped)).contains("the trivial irrep first"));
}

#[test]
fn irrep_basis_keeps_the_laws() {
    for group in groups() {
        laws::fourier::check_on(&IrrepBasis::new(&group).unwrap(), &group).unwrap();
    }
    let s5 = Symmetric::new(5).unwrap();
    laws::fourier::check_on(&IrrepBasis::new(&s5).unwrap(), &s5).unwrap();
}

#[test]
fn on_a_cyclic_group_it_is_the_cyclic_basis_up_to_order() {
    for n in (1..=16).chain([53]) {
        let group = Cyclic::new(n).unwrap();
        let (irrep, cyclic) = (IrrepBasis::new(&group).unwrap().matrix(), CyclicSubgroupBasis::cyclic(&group).matrix());
        let distance = |a: ArrayView2<'_, f64>, i: usize, j: usize| {
            a.row(i).iter().zip(cyclic.row(j)).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
        };
        for i in 0..n {
            let same = (0..n).filter(|&j| distance(irrep.view(), i, j) < 1e-9).count();
            assert_eq!(same, 1, "row {i} of C{n}");
        }
    }
}

/// Weight decay leaves 1e-24 and less of a dead neuron; times rounding noise that would be subnormal, and slow.
#[test]
fn transforms_hold_no_rounding_noise() {
    let (four, five) = (Cyclic::new(4).unwrap(), Symmetric::new(5).unwrap());
    let bases: [Box<dyn FourierBasis>; 3] = [
        Box::new(CyclicSubgroupBasis::cyclic(&four)),
        Box::new(IrrepBasis::new(&four).unwrap()),
        Box::new(IrrepBasis::new(&five).unwrap()),
    ];
    for basis in bases {
        let elements = Array2::<f32>::eye(basis.order());
        let coefficients = forward(basis.as_ref(), elements.view()).unwrap();
        let zeros = coefficients.iter().filter(|&&v| v == 0.0).count();
        assert!(zeros > 0 && coefficients.iter().all(|&v| v == 0.0 || v.abs() > 1e-6), "order {}", basis.order());
    }
}
